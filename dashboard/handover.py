"""From one page to another with what it is about; kept in the address, so that a refresh keeps it too."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from core.errors import NotFound
from core.files import digest, read_json, write_json
from core.quality import queue as queues
from core.quality.queue import SELECTION, QueueRequest
from core.runs.store import Run, find_run
from core.workspace import Workspace
from dashboard import links, picker

KIND, RUN, SPLIT, GIVEN, ANSWER, PREDICTED, BELOW, SCORE, SEEN, UNSEEN, PICKED = (
    "queue",
    "queue_run",
    "queue_split",
    "queue_label",
    "queue_answer",
    "queue_guess",
    "queue_below",
    "queue_score",
    "queue_by",
    "queue_not_by",
    "queue_picked",
)
"""Keys of the Relabel page's controls, which are also the names in its address."""


KIND_TITLES = {
    queues.ISSUES: "Likely wrong labels",
    queues.WITNESSES: "Model and CLIP against the label",
    queues.MISCLASSIFIED: "Model disagrees",
    queues.LEAST_CONFIDENT: "Least confident first",
    queues.BELOW_THRESHOLD: "Confidence below …",
    queues.CELL: "Model disagrees",  # narrowed down by label and guess
    queues.SELECTION: "Your selection",
    queues.UNSURE: "Not sure",
    queues.PROPOSED: "New class proposed",
    queues.FILLED: "Filled by a model",
    queues.ALL: "All images",
}
"""What the kinds of queue are called on the page and in its address."""


def to_relabel(request: QueueRequest) -> NoReturn:
    """Open the Relabel page with the queue of ``request``."""
    dataset, workspace = picker.dataset(), picker.workspace()
    values: dict[str, object] = {
        KIND: KIND_TITLES[_shown_kind(request)],
        RUN: find_run(workspace, request.run).name if request.run and request.kind != queues.ISSUES else None,
        SPLIT: request.split,
        GIVEN: None if request.given is None else dataset.classes[request.given],
        ANSWER: request.answer,
        PREDICTED: None if request.predicted is None else dataset.classes[request.predicted],
        BELOW: request.threshold if request.kind == "below-threshold" else None,
        SCORE: round(request.least, 2) if request.kind == queues.ISSUES else None,
        SEEN: request.seen_by,
        UNSEEN: request.unseen_by,
        PICKED: keep_selection(workspace, request) if request.kind == SELECTION else None,
    }
    for key in values:
        st.session_state.pop(key, None)
    addressed = {key: str(value) for key, value in values.items() if value is not None}
    picker.choose(dataset.name)  # the address alone is not enough: it names the same data set as before
    st.switch_page(links.RELABEL, query_params={"data": dataset.name, **addressed})


def _shown_kind(request: QueueRequest) -> str:
    """A cell on the diagonal holds no disagreement: it is all images of that label and guess."""
    diagonal = request.kind == queues.CELL and request.given == request.predicted
    return queues.ALL if diagonal else request.kind


def to_evaluate(run: Run, compare: Run | None = None) -> NoReturn:
    """Open the Evaluate page with a run, and perhaps the one to compare it with."""
    addressed = {"data": run.dataset, "run": run.id}
    if compare is not None:
        addressed["compare"] = compare.id
    st.switch_page(links.EVALUATE, query_params=addressed)


def to_map(run: Run, given: str, predicted: str) -> NoReturn:
    """Open the Embeddings page with the points of one cell of a run's confusion matrix lit."""
    cell = {"given": given, "predicted": predicted}
    st.switch_page(links.EMBEDDINGS, query_params={"data": run.dataset, "run": run.id, **cell})


def keep_selection(workspace: Workspace, request: QueueRequest) -> str:
    """Write down which items were selected; returns the name for ``kept_selection``."""
    name = digest(list(request.item_ids))
    write_json(workspace.cache / "selections" / f"{name}.json", {"item_ids": list(request.item_ids)})
    return name


def kept_selection(workspace: Workspace, name: str) -> tuple[str, ...]:
    """The items of a selection. Raises NotFound, such as after the cache was emptied."""
    path = workspace.cache / "selections" / f"{name}.json"
    if not name.isalnum() or not path.exists():
        raise NotFound("This selection is no longer kept.", "Select the images again.")
    return tuple(str(one) for one in read_json(path)["item_ids"])
