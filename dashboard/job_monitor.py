"""Long jobs that are no single training (a search, a proof): how far they are, stopping them, going on."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.runs.store import Run, RunState, status
from dashboard.errors import shown_as_message
from dashboard.run_monitor import STATES, resume_button, stop_button
from dashboard.wording import duration, plain

EVERY_SECONDS = 1.0


def follow(runs: Sequence[Run]) -> None:
    """Progress of the jobs that run, and what became of the newest if it did not finish.

    Args:
        runs: Of one kind, newest first.
    """
    active = [run for run in runs if status(run).state.active]
    shown = active or [run for run in runs[:1] if status(run).state is not RunState.FINISHED]
    if not shown:
        return

    @st.fragment(run_every=EVERY_SECONDS if active else None)
    def live() -> None:
        with shown_as_message():
            if any(not status(run).state.active for run in active):
                st.rerun(scope="app")
            for run in shown:
                _progress(run)

    live()


def _progress(run: Run) -> None:
    now = status(run)
    with st.container(horizontal=True, vertical_alignment="center", key=f"job_{run.id}"):
        if now.state.active:
            text = (now.progress or {}).get("text", "starting")
            left = f", {duration(now.seconds_left)} left" if now.seconds_left is not None else ""
            st.progress(min(now.share, 1.0), f"{plain(run.name)}: {plain(text)}{left}")
            stop_button(run, f"stop_{run.id}")
            return
        icon = STATES[now.state][0]
        if now.state is RunState.STOPPED:
            st.info(f"{plain(run.name)} is stopped. It goes on with what is missing.", icon=icon)
        else:
            st.error(f"{plain(run.name)}: {plain(now.error)}", icon=icon)
        resume_button(run, f"resume_{run.id}")
