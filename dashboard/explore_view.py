"""What the Explore page shows for one choice of filters; computed by core, kept in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, Dataset
from core.data.findings import Finding, findings
from core.data.labels import Labels
from core.data.portraits import Portraits, portraits
from core.data.statistics import ImageStatistics, image_statistics
from core.files import digest
from core.labels.filters import Filter, select
from core.labels.versions import LabelState
from core.workspace import Workspace
from dashboard.memo import remembered

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class View:
    """The chosen items and all that is said of them.

    Attributes:
        dataset: The data set.
        positions: (n,) the chosen items, ascending.
        labels: N, of the whole set in the newest version.
        statistics: Those of the whole set.
        portraits: Those of the classes, over the chosen items.
        findings: Those on the chosen items.
    """

    dataset: Dataset
    positions: NDArray[np.int64]
    labels: Labels
    statistics: ImageStatistics
    portraits: Portraits
    findings: list[Finding]

    @cached_property
    def cache_key(self) -> tuple[object, ...]:
        """What a result about the chosen items depends on."""
        return self.dataset.cache_key, digest(self.positions), self.labels.digest()

    @property
    def classes(self) -> list[int]:
        """The classes that have at least one of the chosen items."""
        return [int(k) for k in np.flatnonzero(self.portraits.n)]

    def counts(self) -> dict[str, Array]:
        """Items of each class (K,), by split."""
        codes = self.dataset.split[self.positions]
        return {
            name: self.labels.take(self.positions[codes == code]).counts
            for code, name in enumerate(SPLITS)
            if (codes == code).any()
        }

    def readable(self) -> NDArray[np.int64]:
        """The chosen items whose image can be decoded."""
        return self.positions[np.isfinite(self.statistics.mean[self.positions])]

    def masks(self, positions: NDArray[np.int64]) -> list[Array]:
        """For each of ``classes``, which of ``positions`` belong to it."""
        labels = self.labels.take(positions)
        return [labels.belongs(k) for k in self.classes]


@remembered(by_content=True)
def statistics_of(
    workspace: Workspace, dataset: Dataset, on_progress: Callable[[float], None]
) -> ImageStatistics:
    """The image statistics of a data set; ``on_progress`` is called while they are computed."""
    return image_statistics(workspace, dataset, on_progress)


@remembered()
def view_of(
    workspace: Workspace,
    dataset: Dataset,
    state: LabelState,
    chosen: Filter,
    on_progress: Callable[[float], None] = lambda share: None,
) -> View:
    """What to show of the items that ``chosen`` lets through, in the label version of ``state``."""
    positions = select(dataset, state, chosen)
    statistics = statistics_of(workspace, dataset, on_progress)
    drawn = portraits(workspace, dataset, statistics, positions, state.current)
    said = findings(dataset, positions, state.current, statistics, drawn)
    return View(dataset, positions, state.current, statistics, drawn, said)
