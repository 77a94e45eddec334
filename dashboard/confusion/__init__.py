"""A confusion matrix as a table of buttons: a click or Enter chooses a cell, arrows move, numbers stay text.

An own component instead of a Plotly heat map: cells can be reached by keyboard, names and numbers are real
text at any size, it follows the theme by itself and paints without loading a chart library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

MAX_CLASSES = 40
_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "tidyset_confusion",
    css=(_HERE / "confusion.css").read_text("utf-8"),
    js=(_HERE / "confusion.js").read_text("utf-8"),
)


@dataclass(frozen=True, slots=True)
class Words:
    """What the rows and columns are called: at the corner, and for a screen reader."""

    down: str = "given"
    across: str = "predicted"
    rows: str = "given labels"
    columns: str = "predictions"


def show(
    confusion: NDArray[np.int64],
    classes: Sequence[str],
    *,
    key: str,
    normalised: bool = False,
    chosen: tuple[int, int] | None = None,
    words: Words | None = None,
) -> tuple[int, int] | None:
    """Draw the matrix and return the (given, predicted) cell that a person chose, or ``chosen``.

    Args:
        confusion: (K, K) counts, rows = given, columns = predicted.
        classes: K names, shown as text, never as HTML. Of more than MAX_CLASSES those with the most
            mistakes are drawn.
        key: Streamlit key; the choice lives under it.
        normalised: Show shares of each row instead of counts.
        chosen: The cell to mark until a person chooses another.
        words: Of a matrix of other things; it then has no recall and precision at its sides.
    """
    drawn = _drawn(confusion)
    state = st.session_state.get(key)
    result = _component(
        data={  # tuples: lists would make Streamlit import pandas to look for tables
            "numbers": tuple(drawn),
            "names": tuple(classes[k] for k in drawn),
            "counts": tuple(tuple(row) for row in confusion[np.ix_(drawn, drawn)].tolist()),
            "support": tuple(confusion.sum(axis=1)[drawn].tolist()),
            "predicted": tuple(confusion.sum(axis=0)[drawn].tolist()),
            "normalised": normalised,
            "words": asdict(words or Words()),
            "margins": words is None,
            "chosen": _valid(state.get("cell") if state else None, confusion) or chosen,
        },
        key=key,
        default={"cell": None},
        on_cell_change=_nothing,
    )
    if len(drawn) < len(classes):
        st.caption(f"The {len(drawn)} of {len(classes)} classes with the most mistakes.")
    return _valid(result.cell, confusion) or chosen


def _valid(cell: Sequence[float] | None, confusion: NDArray[np.int64]) -> tuple[int, int] | None:
    """What the browser sent as a cell of this matrix that holds images, else None."""
    if not cell or not all(0 <= number < len(confusion) for number in cell):
        return None
    given, predicted = int(cell[0]), int(cell[1])
    return (given, predicted) if confusion[given, predicted] else None


def _drawn(confusion: NDArray[np.int64]) -> list[int]:
    """The classes to draw, in their order."""
    errors = confusion - np.diag(np.diagonal(confusion))
    n_errors = errors.sum(axis=0) + errors.sum(axis=1)
    most = np.argsort(-n_errors, kind="stable")[:MAX_CLASSES]
    return [int(k) for k in np.sort(most)]


def _nothing() -> None:
    """Streamlit reruns the script only for values that have a callback."""
