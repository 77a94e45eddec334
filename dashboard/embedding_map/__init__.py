"""A map of points in WebGL2: a million of them, their images on hover, outlines that select.

Coordinates and values reach the browser as binary arrays over a route of their own (published.py), each
once; colouring by something else fetches only its values. A selection comes back as an outline, never as a
list of points. The script is split over js/, in the order of SCRIPTS; no build step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data import thumbnails
from core.data.dataset import Dataset
from core.json_text import json_text
from dashboard import links
from dashboard.charts.template import PALETTE
from dashboard.embedding_map.outline import Outline, outline_of
from dashboard.embedding_map.published import publish

SCRIPTS = (
    "points",
    "grid",
    "camera",
    "colours",
    "legend",
    "tiles",
    "overlay",
    "gestures",
    "toolbar",
    "export",
    "map",
)
NONE = 65_535
SCORE_STEPS = 1_000
_HERE = Path(__file__).parent


def script() -> str:
    """The map's script; ends with the function embeddingMap."""
    return "\n".join((_HERE / "js" / f"{name}.js").read_text("utf-8") for name in SCRIPTS)


def styles() -> str:
    """The map's style sheet; colours come from Streamlit's --st-* variables."""
    return (_HERE / "map.css").read_text("utf-8")


_component = st.components.v2.component(
    "tidyset_embedding_map", css=styles(), js=script() + "\nexport default embeddingMap;\n"
)


@dataclass(frozen=True, eq=False)
class Attribute:
    """Something to colour the points by.

    Attributes:
        title: For people.
        values: (n,) uint16: index of a class, or 0 to SCORE_STEPS for a score; NONE where there is none.
        names: Of the classes; empty for a score.
        colours: One "#rrggbb" for each class, where the project's palette is not to be used.
        low, high: What the ends of a score's scale are.
        percent: Whether a score is shown as a percentage.
        none: What points without a value are called.
    """

    title: str
    values: NDArray[np.uint16]
    names: tuple[str, ...] = ()
    colours: tuple[str, ...] | None = None
    low: float = 0.0
    high: float = 1.0
    percent: bool = False
    none: str = "unknown"

    def spec(self) -> dict[str, Any]:
        """What the browser needs to know of it."""
        about: dict[str, Any] = {"title": self.title, "url": publish(self.values), "none": self.none}
        if self.names:
            return {**about, "kind": "classes", "names": self.names, "colours": self.colours}
        ends = [_end(self, value) for value in (self.low, self.high)]
        scale = {"low": ends[0], "high": ends[1], "range": [self.low, self.high], "percent": self.percent}
        return {**about, "kind": "score", **scale}


def _end(attribute: Attribute, value: float) -> str:
    return f"{100 * value:.0f} %" if attribute.percent else f"{value:.2g}"


def classes(title: str, numbers: NDArray[Any], names: Sequence[str], **more: Any) -> Attribute:
    """An attribute of classes. ``numbers``: (n,) index into ``names``, negative for none."""
    values = np.where(np.asarray(numbers) < 0, NONE, numbers).astype(np.uint16)
    return Attribute(title, values, tuple(names), **more)


def score(title: str, numbers: NDArray[Any], *, percent: bool = False, unit: bool = False) -> Attribute:
    """An attribute of numbers, NaN for none.

    Args:
        numbers: (n,).
        percent: Shown as percentages.
        unit: The scale goes from 0 to 1, else from the least to the most.
    """
    known = np.isfinite(numbers)
    low, high = (
        (0.0, 1.0) if unit or not known.any() else (float(numbers[known].min()), float(numbers[known].max()))
    )
    shares = (np.where(known, numbers, low) - low) / (high - low if high > low else 1.0)
    values = np.where(known, np.round(SCORE_STEPS * np.clip(shares, 0, 1)), NONE).astype(np.uint16)
    return Attribute(title, values, low=low, high=high, percent=percent)


@dataclass(frozen=True, slots=True)
class PlaceName:
    """A name that stands on the map, at (x, y); it hides with the class ``value``."""

    text: str
    x: float
    y: float
    value: int = -1


@dataclass(frozen=True, eq=False)
class Cloud:
    """What a map shows.

    Attributes:
        xy: (n, 2) float32.
        positions: (n,) int64, items of the data set; None for 0 to n - 1.
        attributes: By a short name, what the points can be coloured by.
        colour: The short name of the attribute to colour by.
        tip: Short names of the attributes that are told on hover, in this order.
        labels: Names on the map, those of most points first.
        marks: (n,) bool, points to single out; None for all alike.
        contours: (m, 2, 2) float32, segments of lines to draw over the points; None for none.
        title: What a screen reader calls the map.
        summary: What the map shows, in words.
        file: Name of files that are saved, without an ending.
    """

    xy: NDArray[np.float32]
    positions: NDArray[np.int64] | None
    attributes: Mapping[str, Attribute]
    colour: str
    tip: tuple[str, ...] = ()
    labels: Sequence[PlaceName] = ()
    marks: NDArray[np.bool_] | None = None
    contours: NDArray[np.float32] | None = None
    title: str = "Map"
    summary: str = ""
    file: str = "map"

    def __len__(self) -> int:
        return len(self.xy)


@dataclass(frozen=True, slots=True)
class MapResult:
    """What a person did on a map.

    Attributes:
        clicked: Position in the data set of the item that was opened just now, or None.
        outline: What was drawn around points, or None.
        is_unsupported: The browser has no WebGL2: nothing is drawn.
    """

    clicked: int | None
    outline: Outline | None
    is_unsupported: bool


def show(dataset: Dataset | None, cloud: Cloud, *, key: str, height: int = 600, clear: int = 0) -> MapResult:
    """Draw a map and return what was done with it.

    Args:
        dataset: Whose thumbnails are shown; None for none.
        key: Streamlit key.
        height: In CSS pixels.
        clear: Another number than before takes the outline off the map.
    """
    spec = {**spec_of(dataset, cloud), "height": height, "clear": clear}
    result = _component(
        data={"json": json_text(spec)},  # as text: Streamlit would import pandas to look for tables in lists
        key=key,
        default={"selection": None, "unsupported": False},
        on_clicked_change=_nothing,
        on_selection_change=_nothing,
        on_unsupported_change=_nothing,
    )
    clicked = _within(dataset, result.clicked)
    return MapResult(clicked, outline_of(result.selection, spec["points"]), bool(result.unsupported))


def last_outline(key: str, xy: NDArray[np.float32]) -> Outline | None:
    """The outline on the map of that key, to be known before the map is drawn; None for none."""
    state = st.session_state.get(key)
    sent = state.get("selection") if state else None
    return outline_of(sent, publish(np.asarray(xy, np.float32)))


def _within(dataset: Dataset | None, position: object) -> int | None:
    """The position that the browser names, if it is one."""
    n = 0 if dataset is None else len(dataset)
    return position if isinstance(position, int) and 0 <= position < n else None


def spec_of(dataset: Dataset | None, cloud: Cloud) -> dict[str, Any]:
    """What the browser needs to know to draw ``cloud``; its arrays are published."""
    return {
        "title": cloud.title,
        "summary": cloud.summary,
        "file": cloud.file,
        "points": publish(np.asarray(cloud.xy, np.float32)),
        "positions": None if cloud.positions is None else publish(cloud.positions.astype(np.uint32)),
        "attributes": {name: attribute.spec() for name, attribute in cloud.attributes.items()},
        "colour": cloud.colour,
        "tip": [name for name in cloud.tip if name in cloud.attributes],
        "labels": [
            {"text": one.text, "x": float(one.x), "y": float(one.y), "value": one.value}
            for one in cloud.labels
        ],
        "marks": None if cloud.marks is None else publish(cloud.marks.astype(np.uint8)),
        "contours": None if cloud.contours is None else publish(np.asarray(cloud.contours, np.float32)),
        "palette": PALETTE,
        "thumbnails": None if dataset is None else thumbnails_of(dataset, links.sheets(dataset)),
    }


def thumbnails_of(dataset: Dataset, sheets: Any) -> dict[str, Any]:
    """Where the browser finds thumbnails. ``sheets``: start of their addresses, or an address by number."""
    return {
        "sheets": sheets,
        "per_sheet": thumbnails.TILES,
        "columns": thumbnails.COLUMNS,
        "crisp": thumbnails.tile_side(dataset) <= 64,
    }


def _nothing() -> None:
    """Streamlit reruns the script only for values that have a callback."""
