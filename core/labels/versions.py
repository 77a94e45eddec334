"""Label versions: the given labels with the journal's edits up to a number laid over them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import UNLABELLED, Dataset, Task
from core.errors import NotFound
from core.workspace import Workspace


@dataclass(frozen=True, eq=False)
class LabelState:
    """The labels of a data set's N items at one version.

    Attributes:
        labels: (N,) int64 class indices, -1 unlabelled; (N, K) float32 for multi-label.
        edited: (N,) bool, the label is not the given one.
        confirmed: (N,) bool, somebody looked and kept the label.
        excluded: (N,) bool, bad images to leave out of training.
        version: Number of the last edit that counts; 0 is the given labels.
    """

    labels: NDArray[Any]
    edited: NDArray[np.bool_]
    confirmed: NDArray[np.bool_]
    excluded: NDArray[np.bool_]
    version: int

    @property
    def reviewed(self) -> NDArray[np.bool_]:
        """(N,) bool, somebody decided about the item."""
        return self.edited | self.confirmed | self.excluded


def current_version(workspace: Workspace, dataset: Dataset | str) -> int:
    """The newest label version of a data set; 0 while nothing was edited. Raises StorageFailed."""
    if not _journal_there(workspace):
        return 0
    from core.labels.journal import LabelJournal

    return LabelJournal(workspace).version(dataset)


def edits_since(workspace: Workspace, dataset: Dataset, version: int) -> int:
    """How many edits came after a label version (numbers are shared by all data sets, so count them)."""
    if not _journal_there(workspace):
        return 0
    from core.labels.journal import LabelJournal

    return LabelJournal(workspace).count_since(dataset, version)


def labels_at(workspace: Workspace, dataset: Dataset, version: int | None = None) -> LabelState:
    """The labels at a version.

    Args:
        version: None for the newest; 0 for the given labels.

    Raises:
        NotFound: The version is newer than the journal.
        StorageFailed, DamagedFile: The journal cannot be read.
    """
    if version == 0 or not _journal_there(workspace):
        if version:
            raise _no_such_version(dataset, version)
        return _given(dataset)
    log = _log(workspace, dataset)
    if version and (not len(log.ids) or version > log.ids[-1]) and version > _newest(workspace):
        raise _no_such_version(dataset, version)
    return log.state_at(dataset, version)


def _newest(workspace: Workspace) -> int:
    from core.labels.journal import LabelJournal

    return LabelJournal(workspace).version(None)


def _journal_there(workspace: Workspace) -> bool:
    """Whether there may be edits; without a labels.db the database library is not even imported."""
    url = workspace.database_url
    if not url.startswith("sqlite:///") or "?" in url:
        return True
    return Path(url.removeprefix("sqlite:///")).exists()


def _no_such_version(dataset: Dataset, version: int) -> NotFound:
    return NotFound(
        f"{dataset.name} has no label version {version}.", "`tidyset labels history` lists its edits."
    )


def _given(dataset: Dataset) -> LabelState:
    no = np.zeros(len(dataset), bool)
    return LabelState(np.array(dataset.labels), no, no.copy(), no.copy(), 0)


class _Log:
    """The edits of one data set as columns. The journal only grows, so each reading adds to the last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ids = np.zeros(0, np.int64)
        self.positions = np.zeros(0, np.int64)
        self.kinds = np.zeros(0, "U8")
        self.codes = np.zeros(0, np.int64)  # class index of the new label, -1 where there is none
        self.undoes = np.zeros(0, np.int64)  # number of the undone edit, 0 where there is none
        self.last: tuple[str, int] | None = None

    def read_on(self, workspace: Workspace, dataset: Dataset) -> None:
        from core.labels.journal import LabelJournal

        journal = LabelJournal(workspace)
        rows = journal.rows(dataset, int(self.ids[-1]) if len(self.ids) else 0)
        if len(self.ids):
            if rows and (rows[0][0], rows[0][5:]) == (int(self.ids[-1]), self.last):
                rows = rows[1:]
            else:  # another journal lies there now, such as a restored copy
                self.__dict__.update({**_Log().__dict__, "lock": self.lock})
                rows = journal.rows(dataset)
        if not rows:
            return
        code_of = {name: code for code, name in enumerate(dataset.classes)}
        ids, items, kinds, new, undoes, _, _ = zip(*rows, strict=True)
        self.ids = np.append(self.ids, np.array(ids, np.int64))
        self.positions = np.append(self.positions, dataset.positions(items))
        self.kinds = np.append(self.kinds, np.array(kinds, "U8"))
        self.codes = np.append(self.codes, np.array([code_of.get(name, -1) for name in new], np.int64))
        self.undoes = np.append(self.undoes, np.array([number or 0 for number in undoes], np.int64))
        self.last = rows[-1][5:]

    def state_at(self, dataset: Dataset, version: int | None) -> LabelState:
        newest = int(self.ids[-1]) if len(self.ids) else 0
        n = len(self.ids) if version is None else int(np.searchsorted(self.ids, version, side="right"))
        live = self._live(n)
        positions, kinds, codes = self.positions[:n][live], self.kinds[:n][live], self.codes[:n][live]
        state = _given(dataset)
        labels, confirmed, excluded = state.labels, state.confirmed, state.excluded
        if dataset.task is Task.SINGLE_LABEL:
            decided = (kinds == "label") | (kinds == "confirm")
            # With an index repeated, NumPy keeps the last assignment: the newest edit wins.
            labels[positions[decided]] = codes[decided]
            confirmed[positions[decided]] = kinds[decided] == "confirm"
            looked_at = np.zeros(len(dataset), bool)
            looked_at[positions[decided]] = True
            edited = labels != dataset.labels
            confirmed |= looked_at & ~edited & (labels != UNLABELLED)
        else:
            edited = state.edited
        ruled = (kinds == "exclude") | (kinds == "include")
        excluded[positions[ruled]] = kinds[ruled] == "exclude"
        return LabelState(labels, edited, confirmed, excluded, newest if version is None else version)

    def _live(self, n: int) -> NDArray[np.bool_]:
        """(n,) bool: edits in force, that is not undone by an undoing in force."""
        live = np.ones(n, bool)
        undoings = np.flatnonzero(self.undoes[:n] > 0)
        targets = np.searchsorted(self.ids[:n], self.undoes[undoings])
        for undoing, target in zip(undoings[::-1].tolist(), targets[::-1].tolist(), strict=True):
            if live[undoing]:
                live[target] = False
        return live


_LOGS: dict[tuple[str, str, str], _Log] = {}


def _log(workspace: Workspace, dataset: Dataset) -> _Log:
    key = (workspace.database_url, dataset.name, dataset.fingerprint)
    while len(_LOGS) > 32:
        _LOGS.pop(next(iter(_LOGS)), None)
    log = _LOGS.setdefault(key, _Log())
    with log.lock:
        log.read_on(workspace, dataset)
        frozen = _Log()
        frozen.__dict__.update({**log.__dict__, "lock": frozen.lock})
    return frozen
