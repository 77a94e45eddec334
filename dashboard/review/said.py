"""Labels as the browser has them: a class's index, or -1; with several labels 1, 0 or -1 for each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from core.data.dataset import Dataset, Task
from core.errors import BadInput
from core.labels.journal import NO, UNKNOWN, YES

Said: TypeAlias = int | list[int]

_ANSWERS = {1: YES, 0: NO, -1: UNKNOWN}


def said(label: Any) -> Said:
    """One row of Dataset.labels for the browser."""
    if np.ndim(label) == 0:
        return int(label)
    return [-1 if answer != answer else int(answer) for answer in np.asarray(label, np.float32)]


def in_words(dataset: Dataset, told: Said) -> tuple[str | None, ...]:
    """What the browser says that it showed, of the item or of one class of it, as in NewEdit.shown.

    Raises:
        BadInput: It cannot be that.
    """
    try:
        if dataset.task is Task.MULTI_LABEL:
            return tuple(_ANSWERS[one] for one in (told if isinstance(told, list) else [told]))
        if isinstance(told, int):
            return (None,) if told < 0 else (dataset.classes[told],)
    except LookupError:
        pass
    raise BadInput(f"{str(told)[:40]} is no label of {dataset.name!r}.", "Reload the page.")


def from_words(dataset: Dataset, words: Sequence[str | None]) -> Said:
    """An item's label, as in ChangedSince.now, for the browser."""
    if dataset.task is Task.MULTI_LABEL:
        known = {word: answer for answer, word in _ANSWERS.items()}
        return [known[word or UNKNOWN] for word in words]
    return -1 if words[0] is None else dataset.classes.index(words[0])
