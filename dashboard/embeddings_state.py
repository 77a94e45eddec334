"""What is chosen on the Embeddings page: outlines on its maps, a cell of the matrix, images that were found.

Read before anything is drawn, so that maps, gallery and matrix of one run of the script agree. A cell and
found images narrow what the maps show lit; an outline selects among those. The cell is part of the address.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data.dataset import Dataset
from dashboard import embedding_map
from dashboard.embedding_map.outline import Outline
from dashboard.embeddings_view import View

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

GIVEN, PREDICTED = "given", "predicted"
"""Names of classes in the address: a cell of the confusion matrix."""
_FOUND, _ACTIVE, _SEEN, _CLEARED, _CELLS = (
    "embeddings_found",
    "embeddings_active",
    "embeddings_seen",
    "embeddings_cleared",
    "embeddings_cells",
)


@dataclass(frozen=True)
class Found:
    """Images of a data set that a search found: ``positions``, best first, and what was looked for."""

    of: tuple[str, ...]
    title: str
    positions: tuple[int, ...]


def cell_in_address(dataset: Dataset) -> tuple[int, int] | None:
    """(given, predicted) class numbers that the address names; None for none."""
    names = [st.query_params.get(key) for key in (GIVEN, PREDICTED)]
    if any(name not in dataset.classes for name in names):
        return None
    given, predicted = (dataset.classes.index(str(name)) for name in names)
    return given, predicted


def put_cell(dataset: Dataset, cell: tuple[int, int] | None) -> None:
    """Write a cell into the address; None takes it out."""
    for key, number in zip((GIVEN, PREDICTED), cell or (None, None), strict=True):
        if number is None:
            st.query_params.pop(key, None)
        else:
            st.query_params[key] = dataset.classes[number]


def matrix_key() -> str:
    """Key of the confusion matrix; another one after it was cleared, so that it forgets its cell."""
    return f"embeddings_matrix_{st.session_state.get(_CELLS, 0)}"


def chosen_cell(dataset: Dataset) -> tuple[int, int] | None:
    """The cell that a person chose in the matrix just now, else that of the address."""
    state = st.session_state.get(matrix_key())
    clicked = state.get("cell") if state else None
    if clicked and all(0 <= number < len(dataset.classes) for number in clicked):
        put_cell(dataset, (int(clicked[0]), int(clicked[1])))
    return cell_in_address(dataset)


def found(dataset: Dataset) -> Found | None:
    """What the last search found in this data set."""
    kept: Found | None = st.session_state.get(_FOUND)
    return kept if kept is not None and kept.of == dataset.cache_key else None


def keep_found(dataset: Dataset, title: str, positions: Ints) -> None:
    """Show only these images lit from now on, and take the outlines off."""
    st.session_state[_FOUND] = Found(dataset.cache_key, title, tuple(int(k) for k in positions))
    drop_outlines()


def clear(dataset: Dataset) -> None:
    """Nothing is chosen any more."""
    st.session_state.pop(_FOUND, None)
    st.session_state[_CELLS] = st.session_state.get(_CELLS, 0) + 1
    put_cell(dataset, None)
    drop_outlines()


def drop_outlines() -> None:
    """Take the outlines off all maps."""
    for key in st.session_state.get(_SEEN, {}):
        _take_off(key)
    st.session_state.pop(_ACTIVE, None)


def _take_off(key: str) -> None:
    counts = st.session_state.setdefault(_CLEARED, {})
    counts[key] = counts.get(key, 0) + 1


def cleared(key: str) -> int:
    """A number that changes whenever the outline of that map is to go."""
    return int(st.session_state.get(_CLEARED, {}).get(key, 0))


def active_outline(views: dict[str, View]) -> tuple[str, Outline] | None:
    """The map that was drawn on last, by its key, and the outline on it; None without one."""
    seen: dict[str, Outline | None] = st.session_state.setdefault(_SEEN, {})
    outlines = {key: embedding_map.last_outline(key, view.map.xy) for key, view in views.items()}
    for key, outline in outlines.items():
        if outline != seen.get(key):
            st.session_state[_ACTIVE] = key
            for other in outlines.keys() - {key}:
                _take_off(other)
    st.session_state[_SEEN] = outlines
    active = str(st.session_state.get(_ACTIVE, ""))
    outline = outlines.get(active)
    return None if outline is None else (active, outline)


def narrowed(view: View, cell: tuple[int, int] | None, searched: Found | None) -> Mask | None:
    """(n,) the points that a cell or a search leaves lit; None when all are."""
    if cell is None and searched is None:
        return None
    lit = np.ones(len(view.map), bool) if cell is None else view.cell(*cell)
    if searched is not None:
        lit &= np.isin(view.map.positions, np.array(searched.positions, np.int64))
    return lit


def selected_positions(
    views: dict[str, View], cell: tuple[int, int] | None, searched: Found | None
) -> Ints | None:
    """Positions of the chosen images; None when nothing is chosen.

    Found images come best first, all others in the order of the data set.
    """
    drawn = active_outline(views)
    if drawn is None and cell is None and searched is None:
        return None
    view = views[drawn[0]] if drawn else next(iter(views.values()))
    lit = narrowed(view, cell, searched)
    marks = np.ones(len(view.map), bool) if lit is None else lit
    if drawn is not None:
        values = {name: attribute.values for name, attribute in view.attributes.items()}
        marks = marks & drawn[1].marks(view.map.xy, values)
    positions = view.map.positions[marks]
    if searched is None:
        return positions
    order = {position: rank for rank, position in enumerate(searched.positions)}
    return np.array(sorted(positions.tolist(), key=order.__getitem__), np.int64)
