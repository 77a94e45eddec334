"""Label versions: the given labels plus edits 1 to k of the journal. The given labels never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, UNLABELLED, Dataset, Task
from core.data.labels import Labels
from core.errors import NotFound
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.labels.journal import LabelJournal


_NAMES_NO_CLASS = ("exclude", "include", "look", "unsure", "propose")
FILLED_BY = "fill-"
"""The sessions in which a model answers unknown labels begin with this; the run's id follows."""


@dataclass(frozen=True, eq=False)
class LabelState:
    """The labels of a data set in one version. Arrays are read-only; rows as in the data set.

    Attributes:
        labels: Like Dataset.labels: (N,) int64, -1 unlabelled, or (N, K) float32.
        edited: (N,) bool, the label differs from the given one.
        confirmed: (N,) bool, a person looked and found the given label right; where an image has several
            labels, found all of them right as they are now, so that it may be edited too.
        excluded: (N,) bool, a person left the image out.
        version: How many edits went in; 0 means the given labels.
        unmatched: Edits that fit no image any more, because the data set was replaced.
        unsure: Positions, ascending, where the last person to look could not tell.
        proposed: By position, the class that a person misses in the data set; such an image is excluded.
        answered: (N, K) bool, a person decided on this class of the image; None with one label an image.
        filled: (N, K) int16, which of ``fillings`` answered this class, where no person has decided on it
            since; -1 for none. None with one label an image.
        fillings: Sessions of the journal in which models answered.
        classes: K class names.
    """

    labels: NDArray[Any]
    edited: NDArray[np.bool_]
    confirmed: NDArray[np.bool_]
    excluded: NDArray[np.bool_]
    version: int
    unmatched: int = 0
    unsure: tuple[int, ...] = ()
    proposed: Mapping[int, str] = field(default_factory=dict)
    answered: NDArray[np.bool_] | None = None
    filled: NDArray[np.int16] | None = None
    fillings: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @cached_property
    def current(self) -> Labels:
        """The labels as values; those of images that were left out are still among them."""
        return Labels.of(self.labels, self.classes)

    @property
    def in_use(self) -> Labels:
        """The same without the labels of images that were left out."""
        return self.current.excluding(np.asarray(self.excluded, bool))

    @cached_property
    def only_filled(self) -> NDArray[np.bool_]:
        """(N,) bool, a model answered something of it, and no person anything."""
        if self.filled is None or self.answered is None:
            return np.zeros(len(self.edited), bool)
        return np.asarray((self.filled >= 0).any(axis=1) & ~self.answered.any(axis=1))

    @property
    def reviewed(self) -> NDArray[np.bool_]:
        """(N,) bool, a person has decided on it, or looked and could not."""
        found = (self.edited & ~self.only_filled) | self.confirmed | self.excluded
        found[list(self.unsure)] = True
        return found

    def reviewed_for(self, column: int) -> NDArray[np.bool_]:
        """(N,) bool, a person has decided on this class of the image, or on the image as a whole."""
        if self.answered is None:
            return self.reviewed
        return np.asarray(self.answered[:, column] | self.confirmed | self.excluded)


def labels_at(workspace: Workspace, dataset: Dataset, version: int | None = None) -> LabelState:
    """The labels of ``dataset`` in a version; None for the newest, 0 for the given labels.

    An edit follows its image (same id, same pixels) into a data set that was imported again.

    Raises:
        NotFound: There is no such version.
        StorageFailed, DamagedFile: The journal cannot be read.
    """
    journal = _journal(workspace) if version != 0 else None
    newest = journal.version(dataset.name) if journal else 0
    if version is not None and not 0 <= version <= newest:
        raise NotFound(
            f"{dataset.name!r} has no label version {version}.", f"Choose one from 0 (as given) to {newest}."
        )
    chosen = newest if version is None else version
    changes = journal.changes(dataset.name, chosen) if journal and chosen else []
    return _fold(dataset, changes, chosen)


def current_version(workspace: Workspace, dataset_name: str) -> int:
    """The newest label version of a data set: the number of its edits."""
    journal = _journal(workspace)
    return journal.version(dataset_name) if journal else 0


def edits_since(workspace: Workspace, dataset: Dataset, version: int) -> int:
    """How many edits came after a label version."""
    return max(0, current_version(workspace, dataset.name) - version)


def training_changes_since(workspace: Workspace, dataset: Dataset, version: int) -> int:
    """How many images outside the test split have another label, or were left out or taken in, since then.

    Training again makes another model only when there are such images. 0 for a version still to come.
    """
    if not edits_since(workspace, dataset, version):
        return 0
    then, now = labels_at(workspace, dataset, version), labels_at(workspace, dataset)
    changed = now.current.rows_differ(then.current) | (then.excluded != now.excluded)
    return int((changed & (np.asarray(dataset.split) != SPLITS.index("test"))).sum())


def has_journal(workspace: Workspace) -> bool:
    """Whether there is a database yet: whether anything was ever edited or shared, or a team's is named."""
    file = workspace.root / "labels.db"
    return workspace.database_url != f"sqlite:///{file}" or file.exists()


def _journal(workspace: Workspace) -> LabelJournal | None:
    """The journal, or None where nothing was ever edited; SQLAlchemy is imported only when there is one."""
    if not has_journal(workspace):
        return None
    from core.labels.journal import LabelJournal

    return LabelJournal(workspace)


def _fold(dataset: Dataset, changes: list[tuple[Any, ...]], version: int) -> LabelState:
    """Play the edits (rows of LabelJournal.changes) on the given labels."""
    n = len(dataset)
    given = np.asarray(dataset.labels)
    live = _in_force(changes)
    if not live:
        nothing = np.zeros(n, bool)
        nothing.flags.writeable = False
        several = dataset.task is Task.MULTI_LABEL
        return LabelState(
            given,
            nothing,
            nothing,
            nothing,
            version,
            answered=np.broadcast_to(False, given.shape) if several else None,
            filled=np.broadcast_to(np.int16(-1), given.shape) if several else None,
            classes=dataset.classes,
        )
    positions = positions_of(dataset, [row[2] for row in live], [row[3] for row in live])
    kinds = np.array([row[1] for row in live], np.str_)
    values = _values(dataset, live)
    fits = (positions >= 0) & (np.isin(kinds, _NAMES_NO_CLASS) | values.fits)

    labels, confirmed, excluded = given.copy(), np.zeros(n, bool), np.zeros(n, bool)
    answered = filled = None
    fillings: tuple[str, ...] = ()
    setting = fits & np.isin(kinds, ("label", "confirm", "settle"))
    # Where an item occurs several times NumPy keeps the last value, which is the newest edit.
    if dataset.task is Task.SINGLE_LABEL:
        labels[positions[setting]] = values.label[setting]
        touched = np.zeros(n, bool)
        touched[positions[setting]] = True
        edited = labels != given
        confirmed = touched & ~edited
    else:
        one = setting & (values.column >= 0)
        labels[positions[one], values.column[one]] = values.label[one]
        filled, fillings = _by_models(
            given.shape, positions, np.where(one, values.column, -1), setting & (kinds == "confirm"), live
        )
        answered = np.zeros(given.shape, bool)
        answered[positions[one], values.column[one]] = True
        answered &= filled < 0
        edited = dataset.given.with_values(labels).rows_differ(dataset.given)
        confirmed[positions[setting & (kinds == "confirm")]] = True
    deciding = fits & np.isin(kinds, ("exclude", "include"))
    excluded[positions[deciding]] = kinds[deciding] == "exclude"
    unsure, proposed = _undecided(dataset, positions, kinds, fits, live)
    excluded[list(proposed)] = True
    for array in (labels, edited, confirmed, excluded):
        array.flags.writeable = False
    unmatched = int((~fits).sum())
    return LabelState(
        labels,
        edited,
        confirmed,
        excluded,
        version,
        unmatched,
        unsure,
        proposed,
        answered,
        filled,
        fillings,
        dataset.classes,
    )


def _by_models(
    shape: tuple[int, ...],
    positions: NDArray[np.int64],
    column: NDArray[np.int64],
    confirms: NDArray[np.bool_],
    live: list[tuple[Any, ...]],
) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """LabelState.filled and .fillings.

    Args:
        positions, column: (M,) the image and class that each edit answers; column -1 for none.
        confirms: (M,) bool, edits by which a person confirmed an image with all its labels.
    """
    number: dict[str, int] = {}
    rows = np.flatnonzero(column >= 0)
    sessions = [live[row][7] for row in rows]
    by = [number.setdefault(one, len(number)) if one.startswith(FILLED_BY) else -1 for one in sessions]
    filled, at = np.full(shape, -1, np.int16), np.full(shape, -1, np.int64)
    filled[positions[rows], column[rows]] = by  # where one occurs several times NumPy keeps the last value
    at[positions[rows], column[rows]] = rows
    confirmed_at = np.full(shape[0], -1, np.int64)
    confirmed_at[positions[confirms]] = np.flatnonzero(confirms)
    filled[confirmed_at[:, None] > at] = -1
    return filled, tuple(number)


def _undecided(
    dataset: Dataset,
    positions: NDArray[np.int64],
    kinds: NDArray[np.str_],
    fits: NDArray[np.bool_],
    live: list[tuple[Any, ...]],
) -> tuple[tuple[int, ...], dict[int, str]]:
    """LabelState.unsure and .proposed: where no decision came after the doubt or the proposal."""
    speaking = np.flatnonzero(fits & (kinds != "look"))
    last = dict(zip(positions[speaking].tolist(), speaking.tolist(), strict=True))  # later ones replace
    unsure = sorted(position for position, row in last.items() if kinds[row] == "unsure")
    proposed = {position: str(live[row][5]) for position, row in last.items() if kinds[row] == "propose"}
    # A class that exists by now needs no proposal: the image waits for its label only.
    return tuple(unsure), {at: name for at, name in sorted(proposed.items()) if name not in dataset.classes}


def _in_force(changes: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    if not changes:
        return []
    from core.labels.journal import taken_back

    gone = taken_back((row[0], row[6]) for row in changes)
    return [row for row in changes if row[1] != "undo" and row[0] not in gone]


@dataclass(frozen=True, eq=False)
class _Values:
    """What each edit sets: (M,) label (an index, or 1, 0, NaN), column (-1 for none), whether that exists."""

    label: NDArray[Any]
    column: NDArray[np.int64]
    fits: NDArray[np.bool_]


def _values(dataset: Dataset, live: list[tuple[Any, ...]]) -> _Values:
    index = {name: k for k, name in enumerate(dataset.classes)}
    if dataset.task is Task.SINGLE_LABEL:
        label = np.array([index.get(row[5], UNLABELLED) for row in live], np.int64)
        return _Values(label, np.full(len(live), -1, np.int64), label != UNLABELLED)
    from core.labels.journal import ANSWERS

    column = np.array([index.get(row[4], -1) for row in live], np.int64)
    label = np.array([ANSWERS.get(row[5], np.nan) for row in live], np.float32)
    return _Values(label, column, np.array([row[4] is None or row[4] in index for row in live], bool))


def positions_of(dataset: Dataset, item_ids: Sequence[str], hashes: Sequence[str]) -> NDArray[np.int64]:
    """(M,) the position of each item, -1 where it is gone or has other pixels than those with this hash."""
    positions = dataset.find(item_ids)
    noted = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), 16)
    same = (np.asarray(dataset.content_hashes[positions]) == noted).all(axis=1)
    return np.where(same, positions, -1)
