"""Where the buttons of Home lead."""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run, RunState, RunStatus
from dashboard import links
from dashboard.next_step import Step


def follow(step: Step) -> None:
    """Go to the page of ``step``, with what it is about."""
    from core.quality.queue import QueueRequest
    from dashboard import handover

    if step.target == "mistakes" and step.run is not None:
        handover.to_relabel(QueueRequest(kind="misclassified", run=step.run.id, split=step.split))
    elif step.target == "verdict" and step.run is not None:
        handover.to_evaluate(step.run, compare=step.other)
    elif step.target == "retrain":
        st.switch_page(links.RELABEL)
    elif step.target == "explore":
        st.switch_page(links.EXPLORE)
    else:
        st.switch_page(links.TRAIN)


def open_run(run: Run, status: RunStatus) -> None:
    """Go to what a finished run found; to the Train page for any other."""
    from dashboard import handover

    if status.state is RunState.FINISHED:
        handover.to_evaluate(run)
    st.switch_page(links.TRAIN)
