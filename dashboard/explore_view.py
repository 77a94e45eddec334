"""What the Explore page shows for one choice of filters; computed by core, kept in memory by fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, Dataset
from core.data.findings import Finding, findings
from core.data.labels import Labels
from core.data.portraits import Portraits, portraits
from core.data.statistics import ImageStatistics, image_statistics
from core.labels.filters import Filter, select
from core.labels.versions import LabelState
from core.workspace import Workspace
from dashboard.kept import kept

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


def statistics_of(
    workspace: Workspace, dataset: Dataset, on_progress: Callable[[float], None]
) -> ImageStatistics:
    """The image statistics of a data set; ``on_progress`` is called while they are computed."""
    return _statistics(str(workspace.root), dataset.fingerprint, workspace, dataset, on_progress)


@kept
def _statistics(
    root: str,
    fingerprint: str,
    _workspace: Workspace,
    _dataset: Dataset,
    _on_progress: Callable[[float], None],
) -> ImageStatistics:
    return image_statistics(_workspace, _dataset, _on_progress)


def view_of(
    workspace: Workspace,
    dataset: Dataset,
    state: LabelState,
    chosen: Filter,
    on_progress: Callable[[float], None] = lambda share: None,
) -> View:
    """What to show of the items that ``chosen`` lets through, in the label version of ``state``."""
    root, version = str(workspace.root), state.version
    return _view(root, dataset.fingerprint, version, chosen, workspace, dataset, state, on_progress)


@kept
def _view(
    root: str,
    fingerprint: str,
    version: int,
    chosen: Filter,
    _workspace: Workspace,
    _dataset: Dataset,
    _state: LabelState,
    _on_progress: Callable[[float], None],
) -> View:
    positions = select(_dataset, _state, chosen)
    statistics = statistics_of(_workspace, _dataset, _on_progress)
    key = {"fingerprint": fingerprint, "version": version, "filter": chosen.key()}
    drawn = portraits(_workspace, statistics, positions, _state.current, key)
    said = findings(_dataset, positions, _state.current, statistics, drawn)
    return View(_dataset, positions, _state.current, statistics, drawn, said)
