"""A page that stays open tells nothing more to somebody who was removed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

from dashboard import late_fragments, sign_in


@pytest.mark.parametrize("admitted", [True, False])
def test_a_timer_of_somebody_who_is_gone_runs_the_whole_page(
    admitted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[RerunData] = []
    monkeypatch.setattr(ScriptRunner, "_run_script", lambda _runner, asked: seen.append(asked))
    monkeypatch.setattr(sign_in, "is_admitted", lambda: admitted)
    late_fragments.mend()
    timer = RerunData(fragment_id_queue=["figures"], is_fragment_scoped_rerun=True)
    ScriptRunner._run_script(SimpleNamespace(), timer)
    assert seen[0].fragment_id_queue == (["figures"] if admitted else [])
    assert seen[0].is_fragment_scoped_rerun is admitted
