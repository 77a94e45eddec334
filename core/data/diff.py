"""What two data sets differ in: items by their content, and of those labels, splits, classes and captions."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, UNLABELLED, Dataset, Task
from core.files import Json

MOST_LISTED = 20
Key = tuple[bytes, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two data sets, a and b; items are named by their ids.

    Attributes:
        task, classes: What each says, where they differ; else None. The order of the classes counts.
        only_a, only_b: How many items only one of them has: images of the same pixels are the same item, and
            the second copy of an image meets the second copy.
        labels, splits, captions: Of the items in both, (id in a, in a, in b) of those that differ; the first
            of them.
        n_labels, n_splits, n_captions: How many there are.
    """

    task: tuple[str, str] | None
    classes: tuple[tuple[str, ...], tuple[str, ...]] | None
    only_a: int
    only_b: int
    n_labels: int
    n_splits: int
    n_captions: int
    labels: tuple[tuple[str, str, str], ...]
    splits: tuple[tuple[str, str, str], ...]
    captions: tuple[tuple[str, str, str], ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        n_items = self.only_a + self.only_b + self.n_labels + self.n_splits + self.n_captions
        return not n_items and self.task is None and self.classes is None

    def to_json(self) -> Json:
        """The same, with ``equal`` first."""
        return {"equal": self.is_equal, **asdict(self)}


def diff_datasets(
    a: Dataset, b: Dataset, a_labels: NDArray[Any] | None = None, b_labels: NDArray[Any] | None = None
) -> Difference:
    """Compare two data sets, whatever their items are called and in whatever order they are.

    Args:
        a_labels, b_labels: Of the form of Dataset.labels, to compare instead of the given ones.
    """
    keys_a, keys_b = _keys(a), _keys(b)
    at_b = {key: position for position, key in enumerate(keys_b)}
    pairs = [(k, at_b[key]) for k, key in enumerate(keys_a) if key in at_b]
    words_a = _label_words(a, a.labels if a_labels is None else a_labels)
    words_b = _label_words(b, b.labels if b_labels is None else b_labels)
    said_a, said_b = _captions(a), _captions(b)
    compared = {
        "labels": (words_a, words_b),
        "splits": ([SPLITS[k] for k in a.split.tolist()], [SPLITS[k] for k in b.split.tolist()]),
        "captions": (said_a, said_b),
    }
    found = {
        name: [(str(a.item_ids[k]), ours[k], theirs[m]) for k, m in pairs if ours[k] != theirs[m]]
        for name, (ours, theirs) in compared.items()
    }
    return Difference(
        task=None if a.task == b.task else (str(a.task), str(b.task)),
        classes=None if tuple(a.classes) == tuple(b.classes) else (tuple(a.classes), tuple(b.classes)),
        only_a=len(keys_a) - len(pairs),
        only_b=len(keys_b) - len(pairs),
        n_labels=len(found["labels"]),
        n_splits=len(found["splits"]),
        n_captions=len(found["captions"]),
        labels=tuple(found["labels"][:MOST_LISTED]),
        splits=tuple(found["splits"][:MOST_LISTED]),
        captions=tuple(found["captions"][:MOST_LISTED]),
    )


def _keys(dataset: Dataset) -> list[Key]:
    """(content, which copy of it) of each item; copies are told apart by their labels, then their order."""
    seen = Counter[bytes]()
    keys: list[Key] = [(b"", 0)] * len(dataset)
    words = _label_words(dataset, dataset.labels)
    order = sorted(range(len(dataset)), key=lambda k: (words[k], int(dataset.split[k]), k))
    for position in order:
        content = np.asarray(dataset.content_hashes[position]).tobytes()
        keys[position] = (content, seen[content])
        seen[content] += 1
    return keys


def _label_words(dataset: Dataset, labels: NDArray[Any]) -> list[str]:
    """What each item's label says, in one text."""
    if dataset.task is Task.SINGLE_LABEL:
        return ["" if k == UNLABELLED else dataset.classes[k] for k in np.asarray(labels).tolist()]
    signs = np.where(np.isnan(labels), "?", np.where(np.asarray(labels) == 1, "yes", "no"))
    return [
        ", ".join(f"{name} {sign}" for name, sign in zip(dataset.classes, row, strict=True))
        for row in signs.tolist()
    ]


def _captions(dataset: Dataset) -> list[str]:
    return list(dataset.captions) if dataset.captions is not None else [""] * len(dataset)
