"""The panels of the Explore page: each draws one question about the chosen items.

A panel that shows images returns the position of the one that was opened just now, or None.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data.dataset import Dataset, Task
from core.data.findings import Finding, skew_in_words, skewness
from core.data.portraits import ORDERS
from core.labels.filters import Filter, LabelFilter
from dashboard import gallery
from dashboard.charts import explore as charts
from dashboard.charts.template import show
from dashboard.explore_view import View
from dashboard.wording import counted, figures_in, percent, plain

STATES = {
    LabelFilter.ALL: "Any label",
    LabelFilter.GIVEN: "As given",
    LabelFilter.EDITED: "Edited",
    LabelFilter.CONFIRMED: "Confirmed",
    LabelFilter.EXCLUDED: "Excluded",
    LabelFilter.UNLABELLED: "Unlabelled",
    LabelFilter.UNSURE: "Not sure",
}
ICONS = {"attention": ":orange[:material/warning:]", "note": ":gray[:material/check_circle:]"}
ORDER_NAMES = {"first": "First", "random": "Random", "typical": "Typical", "atypical": "Atypical"}
EXAMPLE_CLASSES = 12
PORTRAIT_CLASSES = 40


def filters(dataset: Dataset) -> Filter:
    """The controls that choose items for the whole page; they are part of the address."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        splits = st.pills("Split", dataset.splits, selection_mode="multi", key="split", bind="query-params")
        state = st.selectbox(
            "Label", list(STATES), format_func=STATES.__getitem__, key="label", bind="query-params", width=170
        )
        classes = st.multiselect(
            "Class", dataset.classes, key="class", bind="query-params", placeholder="All classes", width=340
        )
    chosen = tuple(sorted(dataset.classes.index(name) for name in classes))
    return Filter(tuple(splits), chosen, LabelFilter(state))


def findings(view: View) -> int | None:
    """What the numbers say, sentence by sentence, with the images where there are some to look at."""
    opened = None
    with st.container(border=True):
        st.subheader("Findings", anchor=False)
        for finding in view.findings:
            opened = _finding(view, finding) if opened is None else opened
    return opened


def _finding(view: View, finding: Finding) -> int | None:
    icon = ":blue[:material/lightbulb:]" if finding.topic == "alike" else ICONS[finding.level]
    if not finding.positions:
        st.markdown(f"{icon}&nbsp; {figures_in(finding.text)}")
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{icon}&nbsp; {figures_in(finding.text)}", width="content")
        with st.popover("Show them", width="content"):
            shown = finding.positions[:60]
            captions = [caption(view, position) for position in shown]
            key = f"finding_{finding.topic}"
            return gallery.show(view.dataset, shown, captions=captions, key=key, tile=56).clicked


def balance(view: View) -> None:
    """How many images each class has, by split; for multi-label data what is known of each label."""
    with st.container(border=True, height="stretch"):
        if view.dataset.task is Task.MULTI_LABEL:
            st.subheader("Labels", anchor=False)
            labels = view.labels.values[view.positions]
            show(
                charts.frequency(labels, view.dataset.classes),
                "labels",
                "Share of yes, no and unknown by label",
            )
            return
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Class balance", anchor=False)
            unit = st.segmented_control(
                "Unit", ["Images", "Share"], default="Images", required=True, label_visibility="collapsed"
            )
        figure = charts.balance(view.counts(), view.dataset.classes, shares=unit == "Share")
        show(figure, "balance", "Images of each class by split")


def intensity(view: View) -> None:
    """How bright and how rich in contrast the images are, together and by class."""
    positions = view.readable()
    if not len(positions):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Brightness and contrast", anchor=False)
        by_class = st.segmented_control(
            "Rows", ["Together", "By class"], default="Together", required=True, label_visibility="collapsed"
        )
    left, right = st.columns(2)
    questions = (
        (left, view.statistics.mean, "Mean intensity of each image", "mean"),
        (right, view.statistics.deviation, "Standard deviation within each image", "deviation"),
    )
    for column, values, title, key in questions:
        with column.container(border=True):
            _distribution(view, positions, values[positions], title, key, by_class == "By class")


def _distribution(
    view: View, positions: NDArray[np.int64], values: NDArray[Any], title: str, key: str, by_class: bool
) -> None:
    edges = charts.edges_of(values)
    st.markdown(f"**{title}**")
    skew = skewness(values)
    words = f"{skew_in_words(skew).capitalize()} (skewness {skew:+.2f}); 0 is black, 255 white."
    st.caption(figures_in(words))
    if by_class:
        names = [view.dataset.classes[k] for k in view.classes]
        figure = charts.histogram_by_class(values, view.masks(positions), edges, names, "Intensity")
    else:
        figure = charts.histogram(values, edges, "Intensity")
    show(figure, key, f"Histogram: {title}")


def pixels(view: View) -> None:
    """Which intensities the pixels have."""
    positions = view.readable()
    if not len(positions):
        return
    shares = view.statistics.histogram[positions].mean(axis=0, dtype=np.float64)
    with st.container(border=True, height="stretch"):
        st.subheader("Pixel intensities", anchor=False)
        st.caption(
            f"{percent(float(shares[0]))} of all pixels lie in the darkest of {len(shares)} bins,"
            f" {percent(float(shares[-1]))} in the brightest."
        )
        show(charts.pixel_intensities(shares), "pixels", "Histogram of pixel intensities")


def sizes(view: View) -> None:
    """Which sizes the images have; nothing where they all have one."""
    chosen = view.dataset.images.sizes[view.positions]
    if (chosen == chosen[0]).all():
        return
    with st.container(border=True):
        st.subheader("Image sizes", anchor=False)
        show(charts.sizes(chosen), "sizes", "Widths and heights of the images")


def portraits(view: View) -> None:
    """Mean image of each class, and beside it where its images differ."""
    with st.container(border=True):
        st.subheader("Mean and deviation of each class", anchor=False)
        st.caption(
            "Left: the mean image. Right: the standard deviation of each pixel, bright where images differ."
        )
        shown = view.classes[:PORTRAIT_CLASSES]
        pictures = [_portrait(view.portraits.mean[k], view.portraits.deviation[k]) for k in shown]
        names = [f"{plain(view.dataset.classes[k])} · {view.portraits.n[k]:,}" for k in shown]
        alts = [f"Mean image and deviation of {view.dataset.classes[k]}" for k in shown]
        st.image(pictures, caption=names, width=pictures[0].shape[1], alt=alts)


def _portrait(mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Both images (h, w, C) side by side, enlarged to some 84 pixels of height without smoothing; RGBA."""
    scaled = deviation * (255 / max(float(deviation.max()), 1.0))
    times = max(1, round(84 / mean.shape[0]))
    parts = [np.kron(np.clip(part, 0, 255), np.ones((times, times, 1))) for part in (mean, scaled)]
    colour = [np.repeat(part, 3, axis=2) if part.shape[2] == 1 else part for part in parts]
    opaque = [np.concatenate([part, np.full((*part.shape[:2], 1), 255)], axis=2) for part in colour]
    gap, margin = np.zeros((opaque[0].shape[0], 4, 4)), np.zeros((opaque[0].shape[0], 18, 4))
    return np.concatenate([opaque[0], gap, opaque[1], margin], axis=1).astype(np.uint8)


def examples(view: View) -> int | None:
    """Images of each class: the first, some at random, the most typical, the most atypical."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Examples", anchor=False)
            order = st.segmented_control(
                "Which",
                ORDERS,
                format_func=ORDER_NAMES.__getitem__,
                default="first",
                required=True,
                label_visibility="collapsed",
                key="examples",
                bind="query-params",
            )
        st.caption("Typical and atypical: near to and far from the mean image of the class, pixel by pixel.")
        positions: list[int] = []
        headings = {}
        for k in view.classes[:EXAMPLE_CLASSES]:
            of_class = view.portraits.examples[order][k]
            headings[len(positions)] = (
                f"{view.dataset.classes[k]} · {counted(int(view.portraits.n[k]), 'image')}"
            )
            positions += of_class[of_class >= 0].tolist()
        done = gallery.show(view.dataset, positions, headings=headings, key=f"examples_{order}", tile=56)
        if len(view.classes) > EXAMPLE_CLASSES:
            st.caption(f"The first {EXAMPLE_CLASSES} of {len(view.classes)} classes; choose others above.")
        return done.clicked


def caption(view: View, position: int) -> str:
    """The label of an item in words."""
    return view.labels.words(position)
