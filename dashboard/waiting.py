"""Label edits that wait because the team's database was away: the server sends them, every page says so."""

from __future__ import annotations

import contextlib
import logging
import threading
import time

import streamlit as st

from core import workspace as workspaces
from core.errors import TidysetError
from core.labels.versions import has_journal
from core.workspace import Workspace
from dashboard.wording import counted, plain

SECONDS = 5.0
"""How often it is tried."""
_log = logging.getLogger("tidyset")


def start() -> None:
    """Send what waits, in a daemon thread, as long as the server runs."""
    threading.Thread(target=_run, name="tidyset-outbox", daemon=True).start()


def _run() -> None:
    while True:
        time.sleep(SECONDS)
        with contextlib.suppress(TidysetError):  # the workspace is out of sight
            send(workspaces.current())


def send(workspace: Workspace) -> None:
    """Try once to send what waits. A database that is still away is no news."""
    if not _may_wait(workspace):
        return
    from core.labels.outbox import deliver, n_waiting

    try:
        if n_waiting(workspace):
            _log.info("%d label edits that waited are in the database now", deliver(workspace).n_sent)
    except TidysetError:
        return
    except Exception:  # the thread must live on, or later edits would wait for good
        _log.exception("Label edits that wait could not be sent")


def tell_if_behind(workspace: Workspace) -> None:
    """Say on the page that the database is too old for it and cannot be brought up to date, where so."""
    if not has_journal(workspace):
        return
    from core.database.migrate import why_behind

    if why := why_behind(workspace):
        st.warning(why, icon=":material/lock:")


def draw() -> None:
    """Say in the sidebar how many edits wait, and which were not accepted; nothing where there are none."""
    workspace = workspaces.current()
    if not _may_wait(workspace):
        return
    from core.labels.outbox import n_waiting, waiting

    if n := n_waiting(workspace):
        edits = counted(n, "label edit")
        st.sidebar.warning(
            f"{edits} made here {'waits' if n == 1 else 'wait'} for the database. None is lost: "
            "they are sent as soon as it answers.",
            icon=":material/hourglass_top:",
        )
    if refused := waiting(workspace, refused=True):
        st.sidebar.error(
            f"{counted(len(refused), 'label edit')} could not be made: {plain(str(refused[0].problem))} "
            "`uv run tidyset db status` lists them.",
            icon=":material/error:",
        )


def _may_wait(workspace: Workspace) -> bool:
    """Whether an edit ever had to wait; told without importing SQLAlchemy."""
    return (workspace.root / "outbox.db").exists()
