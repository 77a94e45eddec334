"""A grid of thumbnails: click or Enter opens one, Space or its box selects it, arrows move.

Tiles are cut from the cached sheets of core.data.thumbnails by the browser; a gallery of a hundred items
sends a hundred numbers, not a hundred pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.data import thumbnails
from core.data.dataset import Dataset
from dashboard import links

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "tidyset_gallery",
    css=(_HERE / "gallery.css").read_text("utf-8"),
    js=(_HERE / "gallery.js").read_text("utf-8"),
)


@dataclass(frozen=True, slots=True)
class GalleryResult:
    """What a person did in a gallery.

    Attributes:
        clicked: Position of the item that was opened just now; None on every later run of the script.
        selected: Positions of the selected items, in the order shown.
    """

    clicked: int | None
    selected: list[int]


def show(
    dataset: Dataset,
    positions: Sequence[int],
    *,
    captions: Sequence[str] | None = None,
    badges: Sequence[str] | None = None,
    key: str,
    selectable: bool = False,
    tile: int = 84,
    label: str = "Images",
    headings: Mapping[int, str] | None = None,
) -> GalleryResult:
    """Draw the items at ``positions`` and return what was done with them.

    Args:
        dataset: Whose items they are.
        positions: Positions in the data set; a screenful to a few hundred, page the rest.
        captions: One line under each tile; shown as text, never as HTML.
        badges: A few characters on each tile's corner, such as "94 %"; "" for none.
        key: Streamlit key. The selection lives under it: a new key starts with nothing selected.
        selectable: Whether tiles can be selected.
        tile: Edge of a tile in CSS pixels.
        label: What a screen reader calls the grid.
        headings: Lines of text between the tiles, each by the index of the tile that it stands before.
    """
    shown = tuple(int(position) for position in positions)
    data = {  # tuples throughout: a list or a dict in here makes Streamlit import pandas to look for tables
        "sheets": links.sheets(dataset),
        "per_sheet": thumbnails.TILES,
        "columns": thumbnails.COLUMNS,
        "crisp": thumbnails.tile_side(dataset) <= tile,
        "positions": shown,
        "names": tuple(str(dataset.item_ids[position]) for position in shown),
        "captions": tuple(captions) if captions is not None else None,
        "badges": tuple(badges) if badges is not None else None,
        "selectable": selectable,
        "tile": tile,
        "label": label,
        "headings": tuple((headings or {}).items()),
    }
    result = _component(
        data=data,
        key=key,
        default={"selected": []},
        on_clicked_change=_nothing,
        on_selected_change=_nothing,
    )
    chosen = set(result.selected or [])
    selected = [position for position in shown if position in chosen]
    return GalleryResult(_within(dataset, result.clicked), selected)


def _within(dataset: Dataset, position: object) -> int | None:
    """The position that the browser names, if it is one; it may be of a tile that was replaced meanwhile."""
    return position if isinstance(position, int) and 0 <= position < len(dataset) else None


def _nothing() -> None:
    """Streamlit reruns the script only for values that have a callback."""
