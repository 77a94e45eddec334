"""The panels of the Explore page on several labels an image: how often, how many, which together."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.data.label_statistics import LabelStatistics, label_statistics
from dashboard import gallery
from dashboard.charts import multilabel as charts
from dashboard.charts.template import show
from dashboard.explore_view import View
from dashboard.wording import counted, percent, plain

MOST_SHOWN = 8


def draw(view: View) -> int | None:
    """All of them; the position of the image that was opened just now, or None."""
    found = label_statistics(view.labels.values[view.positions])
    left, right = st.columns([3, 2])
    with left, st.container(border=True, height="stretch"):
        _table(view, found)
    with right, st.container(border=True):
        st.subheader("Labels of an image", anchor=False)
        st.caption(
            f"{found.cardinality:.2f} on average of {len(found.yes)} ({percent(found.density)}); "
            f"{counted(found.n_sets, 'combination')} where all is known. Imbalance: the most frequent label "
            f"is yes {found.mean_imbalance:.1f} times as often as the average one."
        )
        show(charts.cardinality(found.n_yes), "cardinality", "How many images have how many labels")
    with st.container(border=True):
        st.subheader("Labels that come together", anchor=False)
        st.caption("A row: of the images that have this label, how many have the other too.")
        show(charts.together(found.together, view.dataset.classes), "together", "Labels that come together")
    opened = _rules(view, found)
    return _rare(view, found) if opened is None else opened


def _table(view: View, found: LabelStatistics) -> None:
    st.subheader("By label", anchor=False)
    rows = [
        {
            "Label": name,
            "Yes": int(found.yes[k]),
            "No": int(found.no[k]),
            "Unknown": int(found.unknown[k]),
            "Missing": 100 * float(found.unknown[k] / found.n),
            "Imbalance": float(found.imbalance[k]) if np.isfinite(found.imbalance[k]) else None,
        }
        for k, name in enumerate(view.dataset.classes)
    ]
    columns = {
        "Missing": st.column_config.ProgressColumn(
            format="%.0f %%", min_value=0, max_value=100, width="small"
        ),
        "Imbalance": st.column_config.NumberColumn(
            format="%.1f", help="How often the most frequent label is yes for one yes of this one."
        ),
    }
    st.dataframe(rows, hide_index=True, column_config=columns, key="label_table")


def _rules(view: View, found: LabelStatistics) -> int | None:
    """Labels that all but exclude each other, and the images that have both."""
    if not found.broken:
        return None
    names = view.dataset.classes
    opened = None
    with st.container(border=True):
        st.subheader("Broken rules", anchor=False)
        st.caption("Labels that all but never come together, and the images in which they do.")
        for rule in found.broken[:MOST_SHOWN]:
            a, b = (plain(names[k]) for k in rule.labels)
            st.markdown(
                f"**{a}** and **{b}**: {counted(len(rule.positions), 'image')}, "
                f"where chance alone would make {rule.expected:.0f}"
            )
            shown = view.positions[list(rule.positions[:24])].tolist()
            key = f"rule_{rule.labels[0]}_{rule.labels[1]}"
            opened = gallery.show(view.dataset, shown, key=key, tile=56).clicked if opened is None else opened
    return opened


def _rare(view: View, found: LabelStatistics) -> int | None:
    """Combinations that hardly any other image has."""
    if not found.rare:
        return None
    names = view.dataset.classes
    with st.container(border=True):
        st.subheader("Rare combinations", anchor=False)
        n = sum(len(positions) for _, positions in found.rare)
        st.caption(
            f"{counted(len(found.rare), 'combination')} of labels in {counted(n, 'image')}: "
            "often a label too many, or one that is missing."
        )
        pairs = [
            (position, ", ".join(names[k] for k in labels) or "none")
            for labels, positions in found.rare
            for position in positions
        ][:48]
        shown = view.positions[[position for position, _ in pairs]].tolist()
        captions = [words for _, words in pairs]
        return gallery.show(view.dataset, shown, captions=captions, key="rare_sets", tile=84).clicked
