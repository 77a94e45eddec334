"""Guarding the test labels: a correction that a model suggested favours that model.

Such a correction of a test label counts only once somebody who was shown no label and no guess saw the same,
or people settled on it. Until then it is reported apart. Labels of training and validation images need no
guard: nothing final is measured on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, UNLABELLED, Dataset, Task
from core.labels.versions import LabelState, current_version, labels_at
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.labels.journal import Edit

Mask = NDArray[np.bool_]
OTHERS_FOR_EACH = 3
_ON_SCREEN = ("guess", "run")  # evidence that tells of a model whose opinion the person saw


@dataclass(frozen=True, eq=False)
class Origin:
    """What led to the labels of one version. Rows as in the data set; both have the shape of its labels.

    Attributes:
        flagged: bool, whoever decided on it last saw a model's opinion.
        blind: bool, somebody who was shown no label and no guess saw the same, or people settled on it.
    """

    flagged: Mask
    blind: Mask


@dataclass(frozen=True, eq=False)
class Fixes:
    """Corrections of some labels, held against the given ones.

    Attributes:
        counted: The labels with only those corrections that count; left-out images are unlabelled.
        unreviewed: bool, with the shape of the labels: corrections that a model suggested and no blind look
            confirmed. They do not count.
        n_counted: Images with a correction that counts.
        n_blind: Those of them that a model suggested and a blind look confirmed.
        n_unreviewed: Images with a correction that does not count.
    """

    counted: NDArray[Any]
    unreviewed: Mask
    n_counted: int
    n_blind: int
    n_unreviewed: int

    def to_json(self) -> dict[str, int]:
        """The counts, as ``tidyset evaluate`` and ``tidyset prove`` print them."""
        return {
            "n_counted": self.n_counted,
            "n_reviewed_blind": self.n_blind,
            "n_unreviewed": self.n_unreviewed,
        }


@dataclass(frozen=True, eq=False)
class GuardedLabels:
    """The labels of one version as scores may use them. Rows as in the data set.

    Attributes:
        counted: Like Dataset.labels: in the test split only with the corrections that count; left-out images
            are unlabelled.
        suggested: Like Dataset.labels, with all corrections.
        fixes: Of the test split, one row for each of ``positions``.
        positions: (n,) int64, the images of the test split.
    """

    counted: NDArray[Any]
    suggested: NDArray[Any]
    fixes: Fixes
    positions: NDArray[np.int64]

    @property
    def to_review(self) -> NDArray[np.int64]:
        """(M,) positions of the test images with a correction that waits for a blind look."""
        return self.positions[_any(self.fixes.unreviewed)]


def guarded_labels(workspace: Workspace, dataset: Dataset, state: LabelState | None = None) -> GuardedLabels:
    """The labels of ``state`` (the newest when not given), with the test split guarded.

    Raises:
        StorageFailed, DamagedFile: The journal cannot be read.
    """
    state = labels_at(workspace, dataset) if state is None else state
    test = np.flatnonzero(np.asarray(dataset.split) == SPLITS.index("test"))
    suggested = without_left_out(state.labels, state.excluded)
    given = np.asarray(dataset.labels)
    if np.array_equal(given[test], suggested[test], equal_nan=True):
        nothing = np.zeros(given[test].shape, bool)
        return GuardedLabels(suggested, suggested, Fixes(suggested[test], nothing, 0, 0, 0), test)
    origin = origin_of(
        dataset, state.labels, state.excluded, edits_in_force(workspace, dataset, state.version)
    )
    fixes = count_fixes(given[test], suggested[test], origin.flagged[test], origin.blind[test])
    counted = suggested.copy()
    counted[test] = fixes.counted
    return GuardedLabels(counted, suggested, fixes, test)


def without_left_out(labels: NDArray[Any], excluded: Mask) -> NDArray[Any]:
    """A copy of ``labels`` in which left-out images are unlabelled."""
    found = np.array(labels)
    found[excluded] = UNLABELLED if found.ndim == 1 else np.nan
    return found


def count_fixes(given: NDArray[Any], suggested: NDArray[Any], flagged: Mask, blind: Mask) -> Fixes:
    """Tell the corrections that count from those that do not; all arguments have one shape."""
    fixed = ~((given == suggested) | (unknown(given) & unknown(suggested)))
    unreviewed = fixed & flagged & ~blind
    return Fixes(
        counted=np.where(unreviewed, given, suggested),
        unreviewed=unreviewed,
        n_counted=int(_any(fixed & ~unreviewed).sum()),
        n_blind=int(_any(fixed & flagged & blind).sum()),
        n_unreviewed=int(_any(unreviewed).sum()),
    )


def origin_of(
    dataset: Dataset, labels: NDArray[Any], excluded: Mask, edits: Iterable[tuple[int, Edit]]
) -> Origin:
    """What led to ``labels``, by the edits in force.

    An image that is left out is judged by the edit that left it out: no look can confirm that, but whoever
    leaves it out without a model's opinion on the screen is not led by one.

    Args:
        edits: (position, edit), oldest first.
    """
    flagged, blind = np.zeros(labels.shape, bool), np.zeros(labels.shape, bool)
    out_flagged, out_blind = np.zeros(len(dataset), bool), np.zeros(len(dataset), bool)
    looks: list[tuple[int, Edit]] = []
    for position, edit in edits:
        if edit.kind == "look":
            looks.append((position, edit))
        elif edit.kind in ("exclude", "include"):
            out_flagged[position] = saw_a_model(edit.evidence)
            out_blind[position] = is_blind(edit.kind, edit.evidence)
        else:
            where = _where(dataset, position, edit)
            flagged[where] = saw_a_model(edit.evidence)  # that of the newest edit counts
            blind[where] = is_blind(edit.kind, edit.evidence)
    confirm_blind(dataset, labels, looks, blind)
    rows = (len(labels), *[1] * (labels.ndim - 1))
    flagged = np.where(excluded.reshape(rows), out_flagged.reshape(rows), flagged)
    blind = np.where(excluded.reshape(rows), out_blind.reshape(rows), blind)
    return Origin(flagged, blind)


def confirm_blind(
    dataset: Dataset, labels: NDArray[Any], edits: Iterable[tuple[int, Edit]], blind: Mask
) -> None:
    """Mark in ``blind`` the labels that one of the blind looks among ``edits`` saw."""
    from core.labels.journal import ANSWERS

    for position, edit in edits:
        if edit.kind != "look":
            continue
        where = _where(dataset, position, edit)
        if dataset.task is Task.SINGLE_LABEL:
            label = int(labels[position])
            blind[where] |= label != UNLABELLED and edit.new == dataset.classes[label]
        elif edit.class_name in dataset.classes:
            blind[where] |= bool(labels[where] == ANSWERS.get(edit.new or ""))


def saw_a_model(evidence: Mapping[str, object]) -> bool:
    """Whether a model's opinion was on the screen."""
    return any(evidence.get(key) for key in _ON_SCREEN)


def is_blind(kind: str, evidence: Mapping[str, object]) -> bool:
    """Whether an edit needs no blind look to confirm it."""
    return kind == "settle" or bool(evidence.get("blind"))


def edits_in_force(workspace: Workspace, dataset: Dataset, version: int | None) -> list[tuple[int, Edit]]:
    """(position, edit) of the items that are still there, oldest first; None for the newest version."""
    if version == 0 or current_version(workspace, dataset.name) == 0:
        return []
    from core.labels.journal import EditFilter, LabelJournal

    edits = LabelJournal(workspace).in_force(dataset.name, EditFilter(last=version))
    positions = dataset.find([edit.item_id for edit in edits]).tolist()
    return [(position, edit) for position, edit in zip(positions, edits, strict=True) if position >= 0]


def blind_review(dataset: Dataset, guarded: GuardedLabels, edits: Sequence[Edit], *, seed: int) -> list[str]:
    """Ids of the test images to look at blind, so that corrections which a model suggested may count.

    Other test images, which nobody has decided on, are mixed in, one to every three: whoever knows that each
    image was corrected sees it with other eyes.

    Args:
        edits: All edits of the data set, oldest first.
        seed: Of the order, and of which others are mixed in.
    """
    waiting = dataset.item_ids[guarded.to_review].tolist()
    touched = {edit.item_id for edit in edits}
    others = [one for one in dataset.item_ids[guarded.positions].tolist() if one not in touched]
    rng = np.random.default_rng(seed)
    n_others = min(len(others), -(-len(waiting) // OTHERS_FOR_EACH))
    mixed_in = [others[k] for k in rng.permutation(len(others))[:n_others]]
    drawn = [*waiting, *mixed_in]
    return [drawn[k] for k in rng.permutation(len(drawn))]


def _where(dataset: Dataset, position: int, edit: Edit) -> tuple[int, ...]:
    """The label that an edit sets; the whole row where it names no class of several."""
    if dataset.task is Task.SINGLE_LABEL or edit.class_name not in dataset.classes:
        return (position,)
    return position, dataset.classes.index(edit.class_name)


def _any(mask: Mask) -> Mask:
    """(n,) whether anything of a row is set."""
    return mask if mask.ndim == 1 else np.asarray(mask.any(axis=1))


def unknown(labels: NDArray[Any]) -> Mask:
    """Where a label of several is unknown; shaped as they are."""
    return np.asarray(labels != labels)  # NaN alone differs from itself
