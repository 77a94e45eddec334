"""Choosing items by split, class and the state of their label."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, Dataset
from core.errors import BadInput
from core.labels.versions import LabelState


class LabelFilter(StrEnum):
    """What became of an item's label."""

    ALL = "all"
    GIVEN = "given"
    EDITED = "edited"
    CONFIRMED = "confirmed"
    EXCLUDED = "excluded"
    UNLABELLED = "unlabelled"
    UNSURE = "not sure"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items to look at; empty means all.

    Attributes:
        splits: Names of SPLITS.
        classes: Indices of classes; an item belongs when one of its labels does.
        state: What became of the label.
    """

    splits: tuple[str, ...] = ()
    classes: tuple[int, ...] = ()
    state: LabelFilter = LabelFilter.ALL

    def key(self) -> dict[str, object]:
        """For cache keys."""
        return asdict(self)


def select(dataset: Dataset, state: LabelState, chosen: Filter) -> NDArray[np.int64]:
    """Positions of the items that ``chosen`` lets through, ascending. Raises BadInput for no such split."""
    keep = np.ones(len(dataset), bool)
    if chosen.splits:
        if unknown := set(chosen.splits) - set(SPLITS):
            raise BadInput(f"There is no split {min(unknown)!r}.", f"Choose one of {', '.join(SPLITS)}.")
        keep &= np.isin(dataset.split, [SPLITS.index(name) for name in chosen.splits])
    if chosen.classes:
        keep &= np.logical_or.reduce([state.current.belongs(k) for k in chosen.classes])
    if chosen.state is not LabelFilter.ALL:
        keep &= _in_state(state, chosen.state)
    return np.flatnonzero(keep)


def _in_state(state: LabelState, wanted: LabelFilter) -> NDArray[np.bool_]:
    if wanted is LabelFilter.EDITED:
        return state.edited
    if wanted is LabelFilter.CONFIRMED:
        return state.confirmed
    if wanted is LabelFilter.EXCLUDED:
        return state.excluded
    if wanted is LabelFilter.UNSURE:
        unsure = np.zeros(len(state.edited), bool)
        unsure[list(state.unsure)] = True
        return unsure
    if wanted is LabelFilter.UNLABELLED:
        return state.current.incomplete
    return ~(state.edited | state.confirmed | state.excluded)
