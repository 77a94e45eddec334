"""Labels of one list of classes in terms of another: classes meet by name, never by their number."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import UNLABELLED


def places_of(theirs: Sequence[str], ours: Sequence[str]) -> NDArray[np.int64]:
    """(len(theirs),) of each of their classes the index into ours; -1 for one that we do not have."""
    index = {_one_form(name): k for k, name in enumerate(ours)}
    return np.array([index.get(_one_form(name), UNLABELLED) for name in theirs], np.int64)


def _one_form(name: str) -> str:
    """A letter with its accent has two forms in Unicode, and a blank around a name says nothing."""
    return unicodedata.normalize("NFC", name.strip())


def in_our_classes(labels: NDArray[Any], places: NDArray[np.int64], n_ours: int) -> NDArray[Any]:
    """Labels by the numbers of our classes; what we have no class for is unlabeled, and so unknown.

    Args:
        labels: (N,) indices into their classes with -1 for unlabeled, or (N, K) with 1, 0 and NaN.
        places: From ``places_of``.
        n_ours: How many classes we have.
    """
    if labels.ndim == 1:
        return np.asarray(np.append(places, UNLABELLED)[labels])  # the label -1 finds the last one
    ours = np.full((len(labels), n_ours), np.nan, np.float32)
    known = np.flatnonzero(places != UNLABELLED)
    ours[:, places[known]] = labels[:, known]
    return ours
