"""The pieces of the Clean page: steps and their numbers, what each makes of some images, and keeping them."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data.cleaning import KINDS, Step, as_text, clean, parse, states
from core.data.combo_mnist import right_share
from core.data.dataset import Dataset
from core.errors import TidysetError
from core.runs.presets import save_preset
from core.runs.recipe import PRESETS
from core.workspace import Workspace
from dashboard.wording import plain

START = "blur 1.5 | threshold 0 | dilate 2 | extract 2 20 | align 28 | reassemble"
N_SHOWN, N_JUDGED, SCALE = 6, 300, 112
_KEY = "cleaning_steps"
_NEEDS_BEFORE = {"align": "extract", "reassemble": "align"}


def steps_so_far() -> list[Step]:
    """What has been composed in this session."""
    kept: list[Step] = st.session_state.setdefault(_KEY, [])
    return kept


def compose() -> tuple[Step, ...]:
    """The steps as rows that can be changed, moved and taken away, and one to add; what they now are."""
    steps = steps_so_far()
    for index, step in enumerate(steps):
        steps[index] = _row(index, step, len(steps))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = list(KINDS)
        name = st.selectbox(
            "Next step", options, format_func=lambda key: KINDS[key].title, key="cleaning_next", width=260
        )
        if st.button("Add step", icon=":material/add:", type="primary"):
            steps.append(parse(" | ".join([*_before(name), name]))[-1])
            st.rerun()
        if st.button("Clear", icon=":material/delete:", disabled=not steps):
            steps.clear()
            st.rerun()
    return parse(as_text(tuple(steps)))


def nothing_yet() -> None:
    """What steps are good for, and some to begin with."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            "**No steps yet.** Add one above, or begin with those that set two noisy characters apart."
        )
        if st.button("Begin with an example", icon=":material/auto_fix_high:"):
            steps_so_far().extend(parse(START))
            st.rerun()


def _before(name: str) -> list[str]:
    """The steps that one needs before it, so that it can be written by itself."""
    return [*_before(_NEEDS_BEFORE[name]), _NEEDS_BEFORE[name]] if name in _NEEDS_BEFORE else []


def _row(index: int, step: Step, n: int) -> Step:
    kind = KINDS[step.name]
    key = f"cleaning_{n}_{index}_{step.name}"
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{key}_row"):
        st.markdown(f"**{index + 1}. {kind.title}**", width=200, help=kind.help)
        values = []
        for place, (title, default, low, high) in enumerate(kind.numbers):
            whole = isinstance(default, int)
            value = st.number_input(
                title,
                low if whole else float(low),
                high if whole else float(high),
                (int if whole else float)(step.numbers[place]),
                1 if whole else 0.1,
                key=f"{key}_{place}",
                width=190,
            )
            values.append(float(value))
        if st.button("Up", icon=":material/arrow_upward:", key=f"{key}_up", disabled=index == 0):
            _swap(index)
        if st.button("Remove", icon=":material/close:", key=f"{key}_remove"):
            del steps_so_far()[index]
            st.rerun()
    return Step(step.name, tuple(values))


def _swap(index: int) -> None:
    steps = steps_so_far()
    steps[index - 1], steps[index] = steps[index], steps[index - 1]
    st.rerun()


def preview(dataset: Dataset, steps: tuple[Step, ...]) -> None:
    """The chosen images before the first step and after each."""
    first = st.number_input(
        "First image", 0, max(0, len(dataset) - N_SHOWN), 0, N_SHOWN, key="cleaning_first", width=200
    )
    images = pixels_of(dataset, np.arange(first, min(first + N_SHOWN, len(dataset))))
    titles = ["As they are", *(f"After {i}, {KINDS[step.name].title}" for i, step in enumerate(steps, 1))]
    for index, (title, state) in enumerate(zip(titles, states(images, steps), strict=True)):
        in_colour = not index and images.shape[3] == 3  # the steps work on grey ones
        shown = images if in_colour else state.images
        if index and steps[index - 1].name == "align" and state.characters is not None:
            shown = np.concatenate(list(state.characters.transpose(1, 0, 2, 3)), axis=2)
        with st.container(key=f"cleaning_preview_{index}"):
            found = ""
            if state.found is not None and steps[index - 1].name == "extract":
                found = f": {', '.join(map(str, state.found))} found"
            st.caption(f"{title}{found}")
            height, width = shown.shape[1:3]
            with st.container(horizontal=True, gap="small"):
                for place, image in enumerate(_enlarged(shown), first):
                    alt = f"Image {place}: {title.lower()}"
                    st.image(image, width=max(64, round(SCALE * width / height)), alt=alt)


def _enlarged(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Twice the size with hard edges, so that the browser does not smear single pixels."""
    doubled: NDArray[np.uint8] = images.repeat(2, axis=1).repeat(2, axis=2)
    return doubled


def pixels_of(dataset: Dataset, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(n, H, W, C) of some images; of files of many sizes, in colour and scaled to 64 x 64."""
    height, width, channels = dataset.images.uniform or (64, 64, 3)
    return np.asarray(dataset.images.resized(positions, height, width, channels))


def outcome(dataset: Dataset, steps: tuple[Step, ...]) -> None:
    """In how many of some images as many characters were found as wanted, and where known the right ones."""
    spread = np.linspace(0, len(dataset) - 1, min(N_JUDGED, len(dataset))).astype(np.int64)
    cleaned = clean(pixels_of(dataset, spread), steps)
    share, right = cleaned.separated_share, right_share(dataset, spread, cleaned)
    height, width = cleaned.images.shape[1:3]
    words = f"Images become {height} x {width} pixels."
    if share is not None:
        words += (
            f" In {100 * share:.0f} % of {len(spread):,} images exactly as many characters stood apart"
            " as wanted."
        )
    if right is not None:
        words += f" In {100 * right:.0f} % both the digit and the letter have a box of their own."
    st.info(words, icon=":material/select_all:")


def keep(workspace: Workspace, steps: tuple[Step, ...]) -> None:
    """The pipeline as a preset with a preset's other choices, to be chosen on the Train page."""
    text = as_text(steps)
    st.code(text, language=None, wrap_lines=True)  # what scrolls sideways, keys cannot reach
    with st.container(horizontal=True, vertical_alignment="bottom"):
        base = st.selectbox("Train with", list(PRESETS), key="cleaning_base", width=220)
        name = st.text_input("Keep as preset", "clean-characters", key="cleaning_name", width=260)
        if st.button("Keep", icon=":material/bookmark_add:"):
            try:
                recipe = PRESETS[base].with_changes({"cleaning": text, "image_size": 0})
                save_preset(workspace, name, recipe)
                st.success(f"{plain(name)} is there: choose it on Train.")
            except TidysetError as error:
                st.error(plain(str(error)))
