"""A fragment's timer that fires while the server already goes to another page must not empty that page.

The browser stops the timers of a page once it hears of the next one. What it has sent before then still
names the page that was left, and Streamlit (1.67) announces the fragment's run as one of that page: the
browser takes it for a change of page, throws away what the new one drew, and nothing draws it again.

Nor may a timer go on telling somebody who is no longer signed in: a fragment runs without the frame that
asks who that is, so the whole page runs in its place, and shows the form.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import replace

from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

_log = logging.getLogger("tidyset")


def mend() -> None:
    """Let runs of fragments be announced as of the page that is open, for all sessions; once is enough."""
    run = getattr(ScriptRunner, "_run_script", None)
    if run is None:
        _log.warning("This Streamlit runs scripts in another way; dashboard/late_fragments.py does nothing")
        return
    if hasattr(run, "__wrapped__"):
        return

    from dashboard import sign_in

    @functools.wraps(run)
    def run_script(runner: ScriptRunner, asked: RerunData) -> None:
        pages = getattr(runner, "_pages_manager", None)
        if asked.fragment_id_queue and not sign_in.is_admitted():
            asked = replace(asked, fragment_id_queue=[], is_fragment_scoped_rerun=False)
        run(runner, _on_open_page(asked, getattr(pages, "current_page_script_hash", "")))

    setattr(ScriptRunner, "_run_script", run_script)  # noqa: B010  mypy allows no assignment to a method


def _on_open_page(asked: RerunData, open_page: str) -> RerunData:
    if asked.fragment_id_queue and open_page:
        return replace(asked, page_script_hash=open_page)
    return asked
