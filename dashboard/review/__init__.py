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
from core.data.dataset import Dataset, Task
from core.labels.versions import LabelState
from core.people.acting import acting
from core.quality.batches import Batches, groups_of
from core.quality.duplicates import SimilarImages
from core.quality.queue import FILLED, Queue, QueueRequest, fillings_by, reviewed
from core.workspace import Workspace
from dashboard import links
from dashboard.review import tokens
from dashboard.review.said import said

PAGE = 500
"""Items that the browser gets at once."""

SCRIPTS = (
    "outbox",
    "view",
    "items",
    "deciding",
    "keys",
    "palette",
    "painting",
    "side",
    "company",
    "grid",
    "review",
)
"""Of js/, in this order; one script in the browser, no build step."""

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "tidyset_review",
    css=(_HERE / "review.css").read_text("utf-8"),
    js="\n".join([(_HERE / "js" / f"{name}.js").read_text("utf-8") for name in SCRIPTS])
    + "\nexport default review;\n",
)


@dataclass(frozen=True, eq=False)
class Sheaf:
    """A queue as a person works through it: built once, so that nothing moves under their hands.

    Attributes:
        name: Changes when the queue is built anew; the component starts over then.
        offset: Index in the queue of the first item that the browser has.
        items: What the browser has: [position, item id, given, label, decided, excluded, top, proposed,
            batch, caption, filled]. Where an image has several labels, given and label are lists of 1, 0 and
            -1 for unknown, and filled the classes that a model answered.
        start: Index in ``items`` to begin at: the first that is not reviewed.
        blind: Labels and guesses are hidden, and what is said is a look, which changes no label.
        batches: Near-identical items brought together, so that one key settles them; None to leave them be.
    """

    name: str
    request: QueueRequest
    queue: Queue
    offset: int
    items: list[list[Any]]
    start: int
    blind: bool = False
    batches: Batches | None = None


def sheaf(
    name: str,
    dataset: Dataset,
    request: QueueRequest,
    queue: Queue,
    state: LabelState,
    *,
    blind: bool = False,
    similar: SimilarImages | None = None,
) -> Sheaf:
    """The part of ``queue`` with the first item that is not reviewed, under the newest labels.

    Args:
        blind: For second looks: from the first on, and the browser is told of no label and no guess.
        similar: Of the data set, to bring near-identical items of the queue together.
    """
    if blind:
        return turned(Sheaf(name, request, queue, 0, [], 0, blind=True), dataset, state, 0)
    batches = None
    if similar is not None:
        batches = groups_of(queue.positions, similar)
        queue = queue.only(batches.rows)
    open_ones = np.flatnonzero(~reviewed(dataset, request, state)[queue.positions])
    first = int(open_ones[0]) if len(open_ones) else 0
    built = Sheaf(name, request, queue, 0, [], 0, batches=batches)
    return turned(built, dataset, state, first // PAGE * PAGE)


def turned(old: Sheaf, dataset: Dataset, state: LabelState, offset: int) -> Sheaf:
    """The same queue from ``offset`` on."""
    offset = max(0, min(offset, max(0, len(old.queue) - 1)))
    indices = range(offset, min(offset + PAGE, len(old.queue)))
    if old.blind:
        unseen = [_unseen(dataset, int(old.queue.positions[index]), index) for index in indices]
        return replace(old, offset=offset, items=unseen, start=0)
    batch = np.arange(len(old.queue))
    if old.batches is not None:
        batch = np.repeat(np.arange(len(old.batches)), old.batches.sizes)
    items = [_item(dataset, old, state, index, int(batch[index])) for index in indices]
    here = old.queue.positions[offset : offset + PAGE]
    open_ones = np.flatnonzero(~reviewed(dataset, old.request, state)[here])
    return replace(old, offset=offset, items=items, start=int(open_ones[0]) if len(open_ones) else 0)


def _item(dataset: Dataset, shown: Sheaf, state: LabelState, index: int, batch: int) -> list[Any]:
    position = int(shown.queue.positions[index])
    asked = shown.request.given if dataset.task is Task.MULTI_LABEL else None
    return [
        position,
        str(dataset.item_ids[position]),
        said(dataset.labels[position]),
        said(state.labels[position]),
        _decided(dataset, state, position, asked),
        bool(state.excluded[position]),
        [[one, round(probability, 4)] for one, probability in shown.queue.top(index)],
        state.proposed.get(position, ""),
        batch,
        _caption(dataset, position),
        _filled(state, shown.request, position),
    ]


def _filled(state: LabelState, request: QueueRequest, position: int) -> list[int]:
    """The classes that a model answered and nobody has decided on since; of the run that is reviewed."""
    if state.filled is None:
        return []
    ours = fillings_by(state, request.run if request.kind == FILLED else None)
    return [int(k) for k in np.flatnonzero(np.isin(state.filled[position], ours))]


def _decided(dataset: Dataset, state: LabelState, position: int, asked: int | None) -> str:
    """What became of the item, or of the class of it that is asked about, in the component's words."""
    if position in state.proposed:
        return "propose"
    if position in state.unsure:
        return "unsure"
    if asked is not None and state.answered is not None and state.answered[position, asked]:
        given, now = dataset.labels[position, asked], state.labels[position, asked]
        return "confirm" if given == now or (given != given and now != now) else "label"
    if state.confirmed[position]:
        return "confirm"
    by_hand = state.edited[position] and not state.only_filled[position]
    return "label" if by_hand and asked is None else ""


def _caption(dataset: Dataset, position: int) -> str:
    return dataset.captions[position] if dataset.captions is not None else ""


def _unseen(dataset: Dataset, position: int, index: int) -> list[Any]:
    """An item of which nobody's opinion is told."""
    nothing = said(np.full(np.shape(dataset.labels)[1:], np.nan)) if dataset.labels.ndim == 2 else -1
    about = [position, str(dataset.item_ids[position]), nothing, nothing]
    return [*about, "", False, [], "", index, _caption(dataset, position), []]


def show(
    workspace: Workspace, dataset: Dataset, shown: Sheaf, *, who: str, key: str, judge: str = ""
) -> int | None:
    """Draw the component. Returns the offset that the person asked for, if they just did.

    Args:
        who: Name to write into the journal.
        key: Streamlit key.
        judge: Name of the run whose fillings are reviewed; "" for any other queue.
    """
    image = links.picture(dataset, 0)
    data = {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "store": tokens.store(workspace, acting(workspace).name),
        "token": tokens.token(workspace, dataset),
        "post": f"{links.ROOT}/labels",
        "sheets": links.sheets(dataset),
        "images": image.removesuffix("0.png"),
        "company": links.company(dataset),
        "per_sheet": thumbnails.TILES,
        "columns": thumbnails.COLUMNS,
        "crisp": thumbnails.tile_side(dataset) <= 84,
        "classes": list(dataset.classes),
        "several": dataset.task is Task.MULTI_LABEL,
        "asked": shown.request.given if dataset.task is Task.MULTI_LABEL else None,
        "queue": f"{dataset.name}-{dataset.fingerprint}-{shown.name}",
        "kind": "blind" if shown.blind else shown.request.kind,
        "run": None if shown.blind else shown.request.run,
        "blind": shown.blind,
        "judge": judge,
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
