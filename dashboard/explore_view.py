"""What the Explore page shows for one choice of filters; computed by core, kept in memory by fingerprint."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, Dataset
from core.data.findings import Finding, class_counts, findings
from core.data.portraits import Portraits, members, portraits
from core.data.statistics import ImageStatistics, image_statistics
from core.labels.filters import Filter, select
from core.labels.versions import LabelState
from core.workspace import Workspace

Array = NDArray[Any]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class View:
    """The chosen items and all that is said of them.

    Attributes:
        dataset: The data set.
        positions: (n,) the chosen items, ascending.
        labels: (N,) or (N, K), of the whole set in the newest version.
        statistics: Those of the whole set.
        portraits: Those of the classes, over the chosen items.
        findings: Those on the chosen items.
    """

    dataset: Dataset
    positions: NDArray[np.int64]
    labels: Array
    statistics: ImageStatistics
    portraits: Portraits
    findings: list[Finding]

    @property
    def classes(self) -> list[int]:
        """The classes that have at least one of the chosen items."""
        return [int(k) for k in np.flatnonzero(self.portraits.n)]

    def counts(self) -> dict[str, Array]:
        """Items of each class (K,), by split."""
        codes = self.dataset.split[self.positions]
        return {
            name: class_counts(self.labels[self.positions[codes == code]], len(self.dataset.classes))
            for code, name in enumerate(SPLITS)
            if (codes == code).any()
        }

    def readable(self) -> NDArray[np.int64]:
        """The chosen items whose image can be decoded."""
        return self.positions[np.isfinite(self.statistics.mean[self.positions])]

    def masks(self, positions: NDArray[np.int64]) -> list[Array]:
        """For each of ``classes``, which of ``positions`` belong to it."""
        return [np.isin(positions, members(self.labels, positions, k)) for k in self.classes]


class _Recent:
    """The last few results by key; a result may be computed twice by two sessions, never mixed up."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        try:
            found: T = self._kept[key]
        except KeyError:
            found = self._kept[key] = compute()
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return found


_statistics, _views = _Recent(4), _Recent(32)


def statistics_of(
    workspace: Workspace, dataset: Dataset, on_progress: Callable[[float], None]
) -> ImageStatistics:
    """The image statistics of a data set; ``on_progress`` is called while they are computed."""
    key = (str(workspace.root), dataset.fingerprint)
    return _statistics.get(key, lambda: image_statistics(workspace, dataset, on_progress))


def view_of(
    workspace: Workspace,
    dataset: Dataset,
    state: LabelState,
    chosen: Filter,
    on_progress: Callable[[float], None] = lambda share: None,
) -> View:
    """What to show of the items that ``chosen`` lets through, in the label version of ``state``."""

    def compute() -> View:
        positions = select(dataset, state, chosen)
        statistics = statistics_of(workspace, dataset, on_progress)
        key = {"fingerprint": dataset.fingerprint, "version": state.version, "filter": chosen.key()}
        drawn = portraits(workspace, statistics, positions, state.labels, len(dataset.classes), key)
        said = findings(dataset, positions, state.labels, statistics, drawn)
        return View(dataset, positions, state.labels, statistics, drawn, said)

    return _views.get((str(workspace.root), dataset.fingerprint, state.version, chosen), compute)
