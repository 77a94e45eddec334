"""What a strategy of active learning asks to be labelled next, as a queue for the Relabel page."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.data.dataset import SPLITS, Dataset, is_labelled
from core.errors import BadInput
from core.evaluation.predictions import load_predictions
from core.files import read_array
from core.labels.versions import labels_at
from core.quality.active import choose
from core.quality.queue import SELECTION, QueueRequest
from core.runs.store import Run
from core.workspace import Workspace


def next_items(
    workspace: Workspace,
    dataset: Dataset,
    run: Run,
    strategy: str,
    n: int,
    seed: int = 0,
    on_share: Callable[[float], None] = lambda share: None,
) -> list[str]:
    """Ids of the unlabelled training images that ``strategy`` wants labelled, the most wanted first.

    Args:
        strategy, n, seed, on_share: As of ``choose``.

    Raises:
        BadInput: Every training image has a label; or no such strategy.
        NotFound, DamagedFile: The run has no predictions or features.
    """
    predictions = load_predictions(run.predictions_file)
    features = read_array(run.features_file).astype(np.float32)
    position = {str(item_id): row for row, item_id in enumerate(predictions.item_ids)}
    labels = np.asarray(labels_at(workspace, dataset).labels)
    train = np.asarray(dataset.split) == SPLITS.index("train")
    known = is_labelled(labels)
    ids = np.asarray(dataset.item_ids)
    open_ = [str(ids[i]) for i in np.flatnonzero(train & ~known) if str(ids[i]) in position]
    if not open_:
        raise BadInput("Every training image has a label.", "Hide some to try it: `tidyset data hide`.")
    rows = np.array([position[item_id] for item_id in open_])
    have = [position[str(ids[i])] for i in np.flatnonzero(train & known) if str(ids[i]) in position]
    found = choose(strategy, n, predictions.pred_probs[rows], features[rows], features[have], seed, on_share)
    return [open_[row] for row in found]


def next_queue(items: list[str], run: Run) -> QueueRequest:
    """The Relabel queue of these items, with the run's guesses beside them."""
    return QueueRequest(kind=SELECTION, run=run.id, item_ids=tuple(items))
