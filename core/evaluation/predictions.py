"""What a run says of each item: probabilities, joined to the data by item id, never by position."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, UNLABELLED
from core.errors import DamagedFile
from core.files import atomic_writer

if TYPE_CHECKING:
    import pyarrow as pa

LABEL_WORDS = {
    "given": "labels as given",
    "corrected": "corrected labels",
    "suggested": "corrected labels, with those that nobody reviewed blind",
}
"""What the sets of right answers (core.evaluation.of_run) are called in reports."""

_BLOCK = 1 << 16


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted probabilities of N items for K classes.

    Attributes:
        item_ids: (N,) str.
        split: (N,) str, the part each item played in that run: train (its probabilities are then
            in-sample), val or test.
        labels: (N,) int64, the label each item had in that run; -1 unlabelled. Where an item may have several
            labels: (N, K) float32 with 1, 0 and NaN unknown.
        pred_probs: (N, K) float32, columns in the order of ``classes``; rows sum to one, unless an item may
            have several labels.
        classes: The K class names.
        run: Id of the run.
        label_version: The label version the run was trained on.
        fingerprint: That of the data set.
    """

    item_ids: NDArray[np.str_]
    split: NDArray[np.str_]
    labels: NDArray[Any]
    pred_probs: NDArray[np.float32]
    classes: tuple[str, ...]
    run: str
    label_version: int
    fingerprint: str

    def __len__(self) -> int:
        return len(self.item_ids)

    @property
    def has_many_labels(self) -> bool:
        """Whether an item may have several labels; ``predicted`` and ``confidence`` then mean nothing."""
        return self.labels.ndim == 2

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) the most probable class."""
        return np.asarray(self.pred_probs.argmax(axis=1), np.int64)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(N,) the probability of the most probable class."""
        return np.asarray(self.pred_probs.max(axis=1), np.float32)

    def only(self, split: str) -> Predictions:
        """The rows of one split."""
        return self.take(np.flatnonzero(self.split == split))

    def take(self, rows: NDArray[np.int64]) -> Predictions:
        """The given rows, in their order."""
        return Predictions(
            self.item_ids[rows],
            self.split[rows],
            self.labels[rows],
            self.pred_probs[rows],
            self.classes,
            self.run,
            self.label_version,
            self.fingerprint,
        )


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Write parquet: item_id, split, label (y0, y1, ... where there are several) and one probability column a
    class. Raises StorageFailed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"item_id": pa.array(predictions.item_ids), "split": pa.array(predictions.split)}
    if predictions.has_many_labels:
        for k in range(len(predictions.classes)):
            columns[f"y{k}"] = pa.array(np.ascontiguousarray(predictions.labels[:, k], np.float32))
    else:
        columns["label"] = pa.array(predictions.labels)
    for k in range(len(predictions.classes)):
        columns[f"p{k}"] = pa.array(np.ascontiguousarray(predictions.pred_probs[:, k], np.float32))
    metadata = {
        "classes": "\x1f".join(predictions.classes),
        "run": predictions.run,
        "label_version": str(predictions.label_version),
        "fingerprint": predictions.fingerprint,
    }
    with atomic_writer(path) as file:
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), file)


def load_predictions(path: Path) -> Predictions:
    """Read what save_predictions wrote. Raises DamagedFile."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        classes = tuple(metadata["classes"].split("\x1f"))
        found = Predictions(
            item_ids=_text(table["item_id"]),
            split=_text(table["split"]),
            labels=_labels(table, len(classes)),
            pred_probs=np.stack([table[f"p{k}"].to_numpy() for k in range(len(classes))], axis=1).astype(
                np.float32
            ),
            classes=classes,
            run=metadata["run"],
            label_version=int(metadata["label_version"]),
            fingerprint=metadata["fingerprint"],
        )
        _check(found)
        return found
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise DamagedFile(
            f"{path} cannot be read ({error}).", "Resume the run to write its predictions again."
        ) from error


def _text(column: pa.ChunkedArray) -> NDArray[np.str_]:
    """(N,) str, a block at a time: a Python string an item takes several times as much memory."""
    import pyarrow.compute as pc

    width = pc.max(pc.utf8_length(column)).as_py() or 1
    out = np.empty(len(column), f"<U{width}")
    for start in range(0, len(column), _BLOCK):
        out[start : start + _BLOCK] = column.slice(start, _BLOCK).to_pylist()
    return out


def _check(found: Predictions) -> None:
    """Raises ValueError for what no run can have said."""
    if not set(np.unique(found.split).tolist()) <= set(SPLITS):
        raise ValueError("an unknown split")
    if len(found) and not found.has_many_labels:
        low, high = int(found.labels.min()), int(found.labels.max())
        if low < UNLABELLED or high >= len(found.classes):
            raise ValueError(f"labels from {low} to {high} for {len(found.classes)} classes")
    if not np.isfinite(found.pred_probs).all():
        raise ValueError("a probability that is no number")


def _labels(table: pa.Table, n_classes: int) -> NDArray[Any]:
    if "label" in table.column_names:
        if table["label"].null_count:
            raise ValueError("a row without a label")
        return np.asarray(table["label"].to_numpy().astype(np.int64))
    return np.stack([table[f"y{k}"].to_numpy() for k in range(n_classes)], axis=1).astype(np.float32)
