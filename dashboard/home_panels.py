"""The panels of Home: the data set's health, the next step, samples, and the last runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import streamlit as st

from core.data.dataset import Dataset
from core.data.findings import Duplicates
from core.labels.versions import LabelState
from core.runs.store import Run, RunState, RunStatus
from dashboard import gallery
from dashboard.errors import shown_as_message
from dashboard.next_step import Step, mistakes
from dashboard.open_item import open_item
from dashboard.run_figures import figure_of
from dashboard.step_links import open_run
from dashboard.wording import ago, as_text, count, counted, duration, percent, plain

Runs = Sequence[tuple[Run, RunStatus]]
STATE_ICONS = {
    RunState.STARTING: ":material/hourglass_top:",
    RunState.RUNNING: ":material/play_circle:",
    RunState.FINISHED: ":material/check_circle:",
    RunState.STOPPED: ":material/stop_circle:",
    RunState.FAILED: ":material/error:",
    RunState.LOST: ":material/help:",
}
STEP_ICONS = {
    "watch": ":material/monitoring:",
    "train": ":material/model_training:",
    "log": ":material/troubleshoot:",
    "retrain": ":material/replay:",
    "verdict": ":material/balance:",
    "mistakes": ":material/fact_check:",
    "explore": ":material/photo_library:",
}
SAMPLES = 36
MAX_PILLS = 40


def sentence(dataset: Dataset) -> str:
    """What the data set is, in one line."""
    shape = dataset.images.uniform
    if shape is not None:
        kind, size = ("grey" if shape[2] == 1 else "colour"), f"{shape[1]} × {shape[0]}"
    else:
        low, high = dataset.images.sizes.min(axis=0), dataset.images.sizes.max(axis=0)
        kind, size = "", f"{low[1]} × {low[0]} to {high[1]} × {high[0]}"
    parts = [
        f"{count(len(dataset))} {kind} images".replace("  ", " "),
        size,
        counted(len(dataset.classes), "class", "classes"),
        str(dataset.task),
    ]
    return " · ".join(parts)


def step(what: Step) -> bool:
    """The next best step, with its reason; True when its button was pressed just now."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="next_step_card"):
        with st.container(gap=None, key="next_step_words"):
            st.markdown("**Next step**")
            st.markdown(plain(what.why))
        return st.button(plain(what.title), type="primary", icon=STEP_ICONS[what.target], key="next_step")


def health(dataset: Dataset, state: LabelState, n_edits: int, copies: Duplicates, runs: Runs) -> None:
    """The cards: what there is, how even and how clean it is, how good the models are."""
    finished = [(run, status) for run, status in runs if status.state is RunState.FINISHED]
    is_charted = len(finished) > 1
    with st.container(key="home_charted" if is_charted else "home_cards_above"):
        upper = st.columns(3)
    with st.container(key="home_cards"):
        lower = st.columns(3)
    with upper[0]:
        _images(dataset)
    with upper[1]:
        _balance(dataset, state, beside_a_chart=is_charted)
    with upper[2]:
        _accuracy(finished)
    with lower[0]:
        _labels(state, n_edits)
    with lower[1]:
        _duplicates(copies)
    with lower[2]:
        _review(finished)


def _card(
    name: str,
    icon: str,
    value: str,
    note: str,
    *,
    tone: Literal["off", "green", "orange", "red"] = "off",
    chart: Sequence[float] | None = None,
    bars: bool = False,
) -> None:
    """One number with a remark below it. The remark says in words what its colour says."""
    st.metric(
        name,
        value,
        as_text(note) or None,
        icon=f":material/{icon}:",
        delta_color=tone,
        delta_arrow="off",
        chart_data=chart,
        chart_type="bar" if bars else "area",
        border=True,
        height="stretch",
    )


def _images(dataset: Dataset) -> None:
    sizes = [f"{count(len(dataset.in_split(name)))} {name}" for name in dataset.splits]
    _card("Images", "image", count(len(dataset)), " · ".join(sizes))


def _balance(dataset: Dataset, state: LabelState, *, beside_a_chart: bool) -> None:
    counts = state.current.counts
    worth_drawing = beside_a_chart or counts.min() < counts.max()
    chart = counts.tolist() if worth_drawing and 1 < len(counts) <= MAX_PILLS else None
    if not counts.min():
        value = counted(int((counts == 0).sum()), "empty class", "empty classes")
        _card(
            "Class balance", "bar_chart", value, "nothing to learn from", tone="red", chart=chart, bars=True
        )
        return
    ratio = float(counts.max() / counts.min())
    value = "Balanced" if ratio < 1.005 else f"{ratio:.2f} : 1" if ratio < 10 else f"{ratio:.0f} : 1"
    note = f"{counted(int(counts.min()), 'image')} in the smallest class"
    tone: Literal["off", "orange"] = "orange" if ratio > 3 else "off"
    _card("Class balance", "bar_chart", value, note, tone=tone, chart=chart, bars=True)


def _labels(state: LabelState, n_edits: int) -> None:
    n_unknown = state.current.n_unknown
    value = counted(n_edits, "edit") if n_edits else "As given"
    n_proposed = len(state.proposed)  # such images are left out of training until the class is there
    numbers = (
        (int(state.edited.sum()), "corrected"),
        (int(state.confirmed.sum()), "confirmed"),
        (int(state.excluded.sum()) - n_proposed, "excluded"),
        (n_proposed, "with a new class proposed"),
    )
    parts = [f"{count(n)} {word}" for n, word in numbers if n]
    if parts:  # several edits may be of one image, and one may take another back
        parts[0] = f"now {parts[0]}"
    parts += [f"{count(n_unknown)} unknown"] if n_unknown else []
    note = " · ".join(parts) or "none missing"
    _card("Labels", "sell", value, note, tone="orange" if n_unknown else "off")


def _duplicates(copies: Duplicates) -> None:
    notes = [f"{count(copies.n_across_splits)} across splits"] if copies.n_across_splits else []
    notes += [f"{count(copies.n_conflicts)} with different labels"] if copies.n_conflicts else []
    note = " · ".join(notes) or ("within one split" if copies.n_copies else "no image occurs twice")
    tone: Literal["off", "red"] = "red" if notes else "off"
    _card("Exact duplicates", "content_copy", count(copies.n_copies), note, tone=tone)


def _accuracy(finished: Runs) -> None:
    named = [(run, figure_of(status.summary)) for run, status in finished]
    tested = [(run, figure) for run, figure in reversed(named) if figure is not None]
    if not tested:
        _card("Best test accuracy", "target", "–", "no test images" if finished else "no finished run")
        return
    last = tested[-1][1]
    alike = [(run, figure) for run, figure in tested if figure.name == last.name]
    series = [figure.value for _, figure in alike]
    best, highest = max(alike, key=lambda pair: pair[1].value)
    change = f" · {last.change_from(series[-2])} in the last run" if len(series) > 1 else ""
    chart = series[-20:] if len(series) > 1 else None
    _card(f"Best test {last.name}", "target", highest.text, f"{best.name}{change}", chart=chart)


def _review(finished: Runs) -> None:
    if not finished:
        _card("To review", "fact_check", "–", "needs a model's opinion")
        return
    run, status = finished[0]
    n_wrong, split = mistakes(status)
    if split is None:
        _card("To review", "fact_check", "–", f"{run.name} was scored on no images")
        return
    part = {"val": "validation ", "test": "test "}[split]
    _card("To review", "fact_check", count(n_wrong), f"{part}mistakes of {run.name}")


@st.fragment
def samples(dataset: Dataset, state: LabelState) -> None:
    """Images of a class, or of all; a click opens one."""
    with shown_as_message(), st.container(border=True):
        st.subheader("Samples", anchor=False)
        names = dataset.classes[:MAX_PILLS]
        chosen = st.pills(
            "Class", names, format_func=plain, label_visibility="collapsed", key="home_class", wrap=True
        )
        everything = np.arange(len(dataset))
        k = dataset.classes.index(chosen) if chosen in dataset.classes else None
        shown = (everything if k is None else np.flatnonzero(state.current.belongs(k)))[:SAMPLES]
        done = gallery.show(dataset, shown.tolist(), key="home_samples", label="Samples")
        if done.clicked is not None:
            open_item(dataset, done.clicked)


def last_runs(runs: Runs) -> None:
    """The newest runs, one line each, with a link to what they found."""
    with st.container(border=True, height="stretch"):
        st.subheader("Last runs", anchor=False)
        if not runs:
            st.caption("No run yet.")
        for run, status in runs[:5]:
            with st.container(horizontal=True, vertical_alignment="center"):
                with st.container(gap=None):
                    st.markdown(f"{STATE_ICONS[status.state]} **{plain(run.name)}**")
                    st.caption(_about(run, status))
                if st.button("Open", key=f"open_{run.id}", help=f"Open {plain(run.name)}"):
                    open_run(run, status)


def _figure(status: RunStatus) -> str:
    figure = figure_of(status.summary)
    return "no test images" if figure is None else f"test {figure.name} {figure.text}"


def _about(run: Run, status: RunStatus) -> str:
    if status.state is RunState.FINISHED:
        seconds = duration(float(status.summary.get("seconds") or 0))
        labels = f"label version {run.label_version}" if run.label_version else "given labels"
        return f"{_figure(status)} · {seconds} · {labels} · {ago(run.created)}"
    if status.state.active:
        left = f" · {duration(status.seconds_left)} left" if status.seconds_left else ""
        return f"{percent(status.share, 0)} done{left}"
    return f"{status.state} · {ago(run.created)}"
