"""Runs as they go: state, progress with time left, curves; redrawn every second or so while any runs."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.errors import TidysetError
from core.runs import launch
from core.runs.curves import curves
from core.runs.store import Run, RunState, RunStatus, status
from dashboard.charts import training
from dashboard.errors import shown_as_message
from dashboard.wording import duration, plain

EVERY_SECONDS = 1.5
STATES = {
    RunState.STARTING: (":material/hourglass_top:", "gray"),
    RunState.RUNNING: (":material/play_circle:", "blue"),
    RunState.FINISHED: (":material/check_circle:", "green"),
    RunState.STOPPED: (":material/stop_circle:", "gray"),
    RunState.FAILED: (":material/error:", "red"),
    RunState.LOST: (":material/heart_broken:", "orange"),
}
"""Icon and colour of a state; the word stands beside them always."""


def badge(state: RunState) -> str:
    """Markdown for a state: icon and word, with a colour on top."""
    icon, colour = STATES[state]
    return f":{colour}-badge[{icon} {'crashed' if state is RunState.LOST else state}]"


def draw(runs: Sequence[Run], key: str) -> None:
    """Progress of those that run, what became of those that failed, and the curves of all."""
    if not runs:
        return
    active = [run.id for run in runs if status(run).state.active]

    @st.fragment(run_every=EVERY_SECONDS if active else None)
    def live() -> None:
        with shown_as_message():
            now = {run.id: status(run) for run in runs}
            if [id_ for id_, one in now.items() if one.state.active] != active:
                st.rerun(scope="app")  # something began or ended: the rest of the page should know
            for run in runs:
                _progress(run, now[run.id], key)
            names = [run.name for run in runs]
            with st.container(horizontal=True):
                colours = training.run_colours(names)
                st.html(_legend(colours))
            training.draw([(run.name, curves(run)) for run in runs], colours, key)

    live()


def _legend(colours: dict[str, str]) -> str:
    """Names beside their colours. Run names hold nothing that HTML would read (core.workspace.check_name)."""
    marks = "".join(
        f'<span style="margin-right:16px"><span style="display:inline-block;width:14px;height:3px;'
        f'background:{colour};margin-right:6px;vertical-align:middle"></span>{name}</span>'
        for name, colour in colours.items()
    )
    rest = '<span style="opacity:.7">solid: train, dashed: validation</span>'
    return f'<div style="font-size:13px">{marks}{rest}</div>'


def _progress(run: Run, now: RunStatus, key: str) -> None:
    if now.state.active:
        left = f", {duration(now.seconds_left)} left" if now.seconds_left is not None else ""
        epochs = now.started["epochs"] if now.started else None
        done = f"epoch {min(len(now.epochs) + 1, epochs)} of {epochs}" if epochs else "starting"
        with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_{run.id}_progress"):
            st.progress(min(now.share, 1.0), f"{plain(run.name)}: {done}{left}")
            if st.button(
                "Stop",
                icon=":material/stop:",
                key=f"{key}_{run.id}_stop",
                disabled=launch.stop_requested(run),
            ):
                launch.request_stop(run)
                st.rerun(scope="fragment")
    elif now.state in (RunState.FAILED, RunState.LOST):
        with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_{run.id}_ended"):
            st.error(f"{plain(run.name)}: {plain(now.error)}", icon=STATES[now.state][0])
            resume_button(run, f"{key}_{run.id}_resume")


def resume_button(run: Run, key: str) -> None:
    """Goes on with a run from its last checkpoint."""
    if st.button("Resume", icon=":material/resume:", key=key):
        try:
            launch.resume(run)
        except TidysetError as error:
            st.toast(str(error))
        st.rerun(scope="app")
