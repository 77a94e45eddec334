"""Runs as they go: state, progress with time left, curves; redrawn every second or so while any runs."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from core.errors import TidysetError
from core.runs import launch
from core.runs.curves import curves
from core.runs.store import Run, RunState, RunStatus, status
from dashboard.charts import training
from dashboard.errors import shown_as_message
from dashboard.wording import counted, duration, plain

EVERY_SECONDS = 1.5
MOST_NOTES = 4
STATES = {
    RunState.STARTING: (":material/hourglass_top:", "gray"),
    RunState.RUNNING: (":material/play_circle:", "blue"),
    RunState.FINISHED: (":material/check_circle:", "green"),
    RunState.STOPPED: (":material/stop_circle:", "gray"),
    RunState.FAILED: (":material/error:", "red"),
    RunState.LOST: (":material/heart_broken:", "orange"),
}
"""Icon and colour of a state; the word stands beside them always."""

_ENDED_EARLY = frozenset({RunState.STOPPED, RunState.FAILED, RunState.LOST})


def badge(state: RunState) -> str:
    """Markdown for a state: icon and word, with a colour on top."""
    icon, colour = STATES[state]
    return f":{colour}-badge[{icon} {'crashed' if state is RunState.LOST else state}]"


def draw(runs: Sequence[Run], key: str) -> None:
    """Progress of those that run, what became of those that failed, what was noted, and the curves of all."""
    if not runs:
        return
    before = [status(run).state for run in runs]
    goes_on = any(state.active for state in before)
    for run, state in zip(runs, before, strict=True):
        if not state.active and (n := run.events.n_damaged()):
            _tell_damaged(run, n)

    @st.fragment(run_every=EVERY_SECONDS if goes_on else None)
    def live() -> None:
        with shown_as_message():
            now = {run.id: status(run) for run in runs}
            if [one.state for one in now.values()] != before:
                st.rerun(scope="app")  # something began or ended: the rest of the page should know
            for run in runs:
                _progress(run, now[run.id], key)
            drawn = [(run.name, curves(run)) for run in runs]
            if not goes_on and not any(points for _, fields in drawn for points in fields.values()):
                _no_curves()
                return
            names = [run.name for run in runs]
            colours = training.run_colours(names)
            if len(names) > 1:
                st.html(_legend(colours if len(names) > training.MOST_NAMED else {}))
            n_epochs = max(_reach(one) for one in now.values())
            training.draw(drawn, colours, n_epochs, key)

    live()


def _tell_damaged(run: Run, n_lines: int) -> None:
    st.warning(
        f"{counted(n_lines, 'line')} of events.jsonl of {plain(run.name)} cannot be read: its curves may "
        "have gaps. Its model and its answers are in files of their own.",
        icon=":material/broken_image:",
    )


def _no_curves() -> None:
    with st.container(border=True):
        st.markdown(":material/show_chart: **No curves: no epoch was recorded**")
        st.caption(
            "A run has none that ended before its first epoch was done, or that learned elsewhere. "
            "Its answers are on Evaluate, where it has any; its log says what became of it."
        )


def _reach(now: RunStatus) -> int:
    """To which epoch the run's curves will go; where it has ended, to which they went."""
    if now.state.active and now.started is not None:
        return int(now.started["epochs"])
    within_an_epoch = now.state in _ENDED_EARLY
    return max(1, len(now.epochs) + within_an_epoch)


def _legend(colours: dict[str, str]) -> str:
    """Names beside their colours, and what dashes are; a run that came from elsewhere can have any name."""
    marks = "".join(
        f'<span style="margin-right:16px"><span style="display:inline-block;width:14px;height:3px;'
        f'background:{colour};margin-right:6px;vertical-align:middle"></span>{html.escape(name)}</span>'
        for name, colour in colours.items()
    )
    rest = '<span style="opacity:.7">solid: train, dashed: validation</span>'
    return f'<div style="font-size:13px">{marks}{rest}</div>'


def _progress(run: Run, now: RunStatus, key: str) -> None:
    if now.state.active:
        with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_{run.id}_progress"):
            st.progress(min(now.share, 1.0), f"{plain(run.name)}: {plain(_where(run, now))}")
            stop_button(run, f"{key}_{run.id}_stop")
    elif now.state in _ENDED_EARLY:
        with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_{run.id}_ended"):
            say = st.info if now.state is RunState.STOPPED else st.error
            say(f"{plain(run.name)}: {plain(_ended(now))}", icon=STATES[now.state][0])
            resume_button(run, f"{key}_{run.id}_resume")
    if now.notes:
        st.caption("  \n".join(plain(f"{run.name}: {note}") for note in now.notes[-MOST_NOTES:]))


def _where(run: Run, now: RunStatus) -> str:
    """What the worker is doing, and how long it will still take."""
    if launch.stop_requested(run):
        return "stopping after this step …"
    if text := (now.progress or {}).get("text"):
        return f"{text}{_pseudo(now)}"
    if now.started is None:
        return "starting …"
    n_epochs = int(now.started["epochs"])
    left = f", {duration(now.seconds_left)} left" if now.seconds_left is not None else ""
    return f"epoch {min(len(now.epochs) + 1, n_epochs)} of {n_epochs}{left}{_pseudo(now)}"


def _pseudo(now: RunStatus) -> str:
    """How many unlabelled images the last epoch used, how often rightly; the student beside its teacher."""
    last = now.epochs[-1] if now.epochs else {}
    if last.get("pseudo_share") is None:
        return ""
    words = f", {100 * last['pseudo_share']:.0f} % of the unlabelled images used"
    if last.get("pseudo_precision") is not None:
        words += f" ({100 * last['pseudo_precision']:.1f} % rightly)"
    if last.get("student_accuracy") is not None and last.get("teacher_accuracy") is not None:
        words += f", student {last['student_accuracy']:.3f}, teacher {last['teacher_accuracy']:.3f}"
    return words


def _ended(now: RunStatus) -> str:
    """Why a run that is not finished does not go on."""
    if now.state is not RunState.STOPPED:
        return now.error
    n_epochs = (now.started or {}).get("epochs")
    return (
        f"stopped after {len(now.epochs)} of {n_epochs} epochs." if n_epochs else "stopped before it began."
    )


def stop_button(run: Run, key: str) -> None:
    """Asks the run to end after the step it is in."""
    asked = launch.stop_requested(run)
    if st.button("Stop", icon=":material/stop:", key=key, disabled=asked):
        try:
            launch.request_stop(run)
        except TidysetError as error:
            st.toast(str(error))  # it ended by itself in the meantime
        st.rerun()


def resume_button(run: Run, key: str) -> None:
    """Goes on with a run from its last checkpoint."""
    if st.button("Resume", icon=":material/resume:", key=key):
        try:
            launch.resume(run)
        except TidysetError as error:
            st.toast(str(error))
        st.rerun(scope="app")
