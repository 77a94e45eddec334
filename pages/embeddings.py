"""Embeddings: every image as a point, near to those like it; select, compare, relabel."""

import streamlit as st

from core.data.tags import damaged_tags
from core.embeddings.maps import maps_of
from dashboard import (
    embeddings_panels,
    embeddings_search,
    embeddings_state,
    embeddings_view,
    job_monitor,
    new_map,
    picker,
    selection_panels,
)
from dashboard.errors import show_damaged, shown_as_message
from dashboard.frame import end_page, header
from dashboard.open_item import open_item

workspace, dataset = picker.workspace(), picker.dataset()
maps = maps_of(workspace, dataset)
SENTENCE = "Every image is a point, near to those like it. Draw around some to see, compare and correct them."
if not maps:
    header("Embeddings", SENTENCE)
    new_map.nothing_yet(workspace, dataset)
    end_page()

header("Embeddings", SENTENCE, lambda: new_map.button(workspace, dataset))
job_monitor.follow(maps)
selection_panels.undo_row(workspace, dataset)
with st.container(horizontal=True, vertical_alignment="bottom"):
    made, beside = embeddings_panels.pick_maps(workspace, maps)
    judge = embeddings_panels.pick_judge(workspace, dataset, made)
    embeddings_panels.manage(maps, made)
    show_damaged(damaged_tags(workspace, dataset), "tag")
if not embeddings_panels.has_points(made):
    embeddings_panels.wait_for_points(made)
    end_page()


@st.fragment
def workbench() -> None:
    """The maps and what is selected on them; only this is drawn again when something is selected."""
    with shown_as_message():
        shown = {embeddings_panels.MAP: embeddings_view.view_of(workspace, dataset, made, judge)}
        if beside is not None and embeddings_panels.has_points(beside):
            other = embeddings_view.view_of(workspace, dataset, beside, judge)
            shown[embeddings_panels.OTHER] = other
        view = shown[embeddings_panels.MAP]
        cell, searched = embeddings_state.chosen_cell(dataset), embeddings_state.found(dataset)
        selected = embeddings_state.selected_positions(shown, cell, searched)
        outlined = embeddings_state.selected_positions(shown, None, searched)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            colour, names = embeddings_panels.pick_colour(view), embeddings_panels.pick_names()
            contours = embeddings_panels.pick_contours(view)
            embeddings_search.search(workspace, dataset, view.map.request.source, selected)
            embeddings_panels.send(dataset, view, colour, names, contours)
        left, right = st.columns([11, 4] if len(shown) == 1 else [7, 2])
        with left.container(border=True):
            opened = embeddings_panels.draw_maps(dataset, shown, colour, names, contours, selected)
        with right.container(border=True, height="stretch"):
            if selected is not None:
                selection_panels.summary(workspace, dataset, view, judge, selected)
            else:
                embeddings_panels.trust(view)
        is_judged = judge is not None and view.has_guess
        left, right = st.columns([5, 8]) if is_judged else (st.container(), st.empty())
        with left.container(border=True, height="stretch"):
            if selected is not None and len(selected):
                clicked = selection_panels.images(dataset, view, selected)
                opened = clicked if opened is None else opened
            else:
                embeddings_panels.mixed(view)
        if judge is not None and is_judged:
            with right.container(border=True, height="stretch"):
                selection_panels.matrix(dataset, view, judge, outlined)
        if opened is not None:
            open_item(dataset, opened)


workbench()
