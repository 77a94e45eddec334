"""Finding images on the map: those like the selected ones, like a picture, or like a sentence."""

from __future__ import annotations

import streamlit as st

from core.data.dataset import Dataset
from core.embeddings.clip_models import ClipModel
from core.embeddings.features import FeatureSource
from core.people.roles import Right
from core.workspace import Workspace
from dashboard import embeddings_actions, embeddings_state, links, sign_in
from dashboard.embeddings_state import Ints
from dashboard.errors import shown_as_message
from dashboard.wording import plain

_LAST = "embeddings_found_by"
PICTURES = ["png", "jpg", "jpeg", "webp", "bmp"]
MOST_MB = 20


def search(workspace: Workspace, dataset: Dataset, source: FeatureSource, selected: Ints | None) -> None:
    """The ways to find images; what was found stays lit on the map.

    Args:
        source: The features of the map on the screen.
    """
    is_chosen = selected is not None and len(selected) > 0
    pressed = st.button(
        "More like these",
        icon=":material/image_search:",
        key="more_like",
        disabled=not is_chosen,
        help="The images most like the selected ones, by the map's own features.",
    )
    if pressed and selected is not None:
        with st.spinner("Comparing …"):
            near = embeddings_actions.like_these(workspace, dataset, source, selected)
        _show(dataset, "Most like what was selected", near)
    with st.popover("Find", icon=":material/search:"), shown_as_message():
        _find(workspace, dataset, source)


def _find(workspace: Workspace, dataset: Dataset, source: FeatureSource) -> None:
    model = embeddings_actions.clip_of(workspace, dataset, source)
    if model is None:
        st.caption("Words can be searched once CLIP's features of these images are there.")
        st.page_link(links.ZERO_SHOT, label="Compute them on Zero-shot", icon=":material/translate:")
    else:
        _in_words(workspace, dataset, model)
    _by_picture(workspace, dataset, model)


def _in_words(workspace: Workspace, dataset: Dataset, model: ClipModel) -> None:
    words = st.text_input("In words", key="find_words", placeholder="a shoe with a high heel").strip()
    if words and _is_new(dataset, words):
        with st.spinner("Asking CLIP …"):
            near = embeddings_actions.in_words(workspace, dataset, model, words)
        _show(dataset, f"Like “{words}”", near)


def _by_picture(workspace: Workspace, dataset: Dataset, model: ClipModel | None) -> None:
    by = "by its pixels" if model is None else "as CLIP sees it"
    may_upload = sign_in.me().may(Right.LABEL)  # as is asked of every upload
    file = st.file_uploader(
        f"Like a picture, {by}",
        type=PICTURES,
        key="find_picture",
        max_upload_size=MOST_MB,
        disabled=not may_upload,
        help=None if may_upload else "Viewers cannot upload files.",
    )
    if file is not None and _is_new(dataset, file.file_id):
        with st.spinner("Comparing …"):
            near = embeddings_actions.like_picture(workspace, dataset, model, file.name, file.getvalue())
        _show(dataset, f"Like {plain(file.name)}", near)


def _is_new(dataset: Dataset, asked: str) -> bool:
    """Whether this was not what was asked for last; a field keeps its content from run to run."""
    last, st.session_state[_LAST] = st.session_state.get(_LAST), (dataset.cache_key, asked)
    return bool(last != (dataset.cache_key, asked))


def _show(dataset: Dataset, title: str, near: Ints) -> None:
    embeddings_state.clear(dataset)
    embeddings_state.keep_found(dataset, title, near)
    st.rerun()
