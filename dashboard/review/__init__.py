"""One-key labelling: a large image beside the model's guess, or a grid to label many at once.

Decisions do not travel through Streamlit: the browser posts them to dashboard.review.endpoint and counts
them as saved when that answers after the commit. Streamlit only hears, once a burst is over, that there is
something new to show.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from core.data import thumbnails
from core.data.dataset import Dataset
from core.labels.versions import LabelState
from core.quality.queue import Queue, QueueRequest
from core.workspace import Workspace
from dashboard import links
from dashboard.review import tokens

PAGE = 500
"""Items that the browser gets at once."""

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "tidyset_review",
    css=(_HERE / "review.css").read_text("utf-8"),
    js=(_HERE / "review.js").read_text("utf-8"),
)


@dataclass(frozen=True, eq=False)
class Sheaf:
    """A queue as a person works through it: built once, so that nothing moves under their hands.

    Attributes:
        name: Changes when the queue is built anew; the component starts over then.
        offset: Index in the queue of the first item that the browser has.
        items: What the browser has: [position, item id, given, label, decided, excluded, top].
        start: Index in ``items`` to begin at: the first that is not reviewed.
        blind: Labels and guesses are hidden, and what is said is a look, which changes no label.
    """

    name: str
    request: QueueRequest
    queue: Queue
    offset: int
    items: list[list[Any]]
    start: int
    blind: bool = False


def sheaf(
    name: str,
    dataset: Dataset,
    request: QueueRequest,
    queue: Queue,
    state: LabelState,
    *,
    blind: bool = False,
) -> Sheaf:
    """The part of ``queue`` with the first item that is not reviewed, under the newest labels.

    Args:
        blind: For second looks: from the first on, and the browser is told of no label and no guess.
    """
    if blind:
        return turned(Sheaf(name, request, queue, 0, [], 0, blind=True), dataset, state, 0)
    open_ones = np.flatnonzero(~state.reviewed[queue.positions])
    first = int(open_ones[0]) if len(open_ones) else 0
    return turned(Sheaf(name, request, queue, 0, [], 0), dataset, state, first // PAGE * PAGE)


def turned(old: Sheaf, dataset: Dataset, state: LabelState, offset: int) -> Sheaf:
    """The same queue from ``offset`` on."""
    offset = max(0, min(offset, max(0, len(old.queue) - 1)))
    indices = range(offset, min(offset + PAGE, len(old.queue)))
    if old.blind:
        unseen = [_unseen(dataset, int(old.queue.positions[index])) for index in indices]
        return replace(old, offset=offset, items=unseen, start=0)
    items = [_item(dataset, old.queue, state, index) for index in indices]
    open_ones = np.flatnonzero(~state.reviewed[old.queue.positions[offset : offset + PAGE]])
    return replace(old, offset=offset, items=items, start=int(open_ones[0]) if len(open_ones) else 0)


def _item(dataset: Dataset, queue: Queue, state: LabelState, index: int) -> list[Any]:
    position = int(queue.positions[index])
    decided = "label" if state.edited[position] else "confirm" if state.confirmed[position] else ""
    return [
        position,
        str(dataset.item_ids[position]),
        int(dataset.labels[position]),
        int(state.labels[position]),
        decided,
        bool(state.excluded[position]),
        [[one, round(probability, 4)] for one, probability in queue.top(index)],
    ]


def _unseen(dataset: Dataset, position: int) -> list[Any]:
    """An item of which nobody's opinion is told."""
    return [position, str(dataset.item_ids[position]), -1, -1, "", False, []]


def show(workspace: Workspace, dataset: Dataset, shown: Sheaf, *, who: str, key: str) -> int | None:
    """Draw the component. Returns the offset that the person asked for, if they just did.

    Args:
        who: Name to write into the journal.
        key: Streamlit key.
    """
    image = links.picture(dataset, 0)
    data = {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "store": tokens.store(workspace),
        "token": tokens.token(workspace, dataset),
        "post": f"{links.ROOT}/labels",
        "sheets": links.sheets(dataset),
        "images": image.removesuffix("0.png"),
        "company": links.company(dataset),
        "per_sheet": thumbnails.TILES,
        "columns": thumbnails.COLUMNS,
        "crisp": thumbnails.tile_side(dataset) <= 84,
        "classes": list(dataset.classes),
        "queue": shown.name,
        "kind": "blind" if shown.blind else shown.request.kind,
        "run": None if shown.blind else shown.request.run,
        "blind": shown.blind,
        "who": who,
        "total": len(shown.queue),
        "offset": shown.offset,
        "page": PAGE,
        "start": shown.start,
        "items": shown.items,
    }
    result = _component(
        data=data,
        key=key,
        default={"saved": 0},
        on_saved_change=_nothing,
        on_offset_change=_nothing,
    )
    return None if result.offset is None else int(result.offset)


def _nothing() -> None:
    """Streamlit reruns the script only for values that have a callback."""
