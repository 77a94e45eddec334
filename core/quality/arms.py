"""What to train to see whether edits helped: the labels before them, after them, and two controls.

Only the labels that training sees are changed, never those that it is scored on. The placebo makes as many
edits at random, from and to the same classes, on other images: harm or luck of any change of that size shows
there. The arm "drop" leaves the edited images out: if it does as well, throwing away would have been enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.content import positions_of_content
from core.data.dataset import Dataset
from core.errors import BadInput, NotFound
from core.evaluation.metrics import Ints
from core.evaluation.of_run import as_answers
from core.evaluation.proof import AFTER, ARMS, BEFORE, DROP
from core.labels.guard import (
    confirm_blind,
    count_fixes,
    edits_in_force,
    is_blind,
    origin_of,
    saw_a_model,
    unknown,
    without_left_out,
)
from core.labels.versions import LabelState, labels_at
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.labels.patch import Patch

Labels = NDArray[Any]
Mask = NDArray[np.bool_]
TEST_ROLE = 2
OTHER = -9
"""In place of a label that an edit leaves alone."""


@dataclass(frozen=True, eq=False)
class EditSet:
    """Labels before and after some edits. Rows as in the data set.

    Attributes:
        before, after: (N,) int64 class indices, -1 unlabelled; of several labels (N, K) float32, 1 yes, 0 no,
            NaN unknown.
        excluded_before, excluded_after: (N,) bool, left out by a person.
        model_flagged: Bool, shaped as the labels: whoever edited it saw a model's guess; such fixes favour
            that model.
        blind: The same shape: somebody who was shown no label and no guess saw the same as the edit says.
        source: Where the edits are from, for people.
    """

    before: Labels
    after: Labels
    excluded_before: Mask
    excluded_after: Mask
    model_flagged: Mask
    blind: Mask
    source: str

    @property
    def changed(self) -> Mask:
        """(N,) whether the edits change anything about an item."""
        taken = ~(self.excluded_before & self.excluded_after)
        labels = self.labels_changed.reshape(len(taken), -1).any(axis=1)
        return np.asarray(taken & (labels | (self.excluded_before != self.excluded_after)))

    @property
    def labels_changed(self) -> Mask:
        """Which labels are others; shaped as they are."""
        return np.asarray(~((self.before == self.after) | (unknown(self.before) & unknown(self.after))))


def edits_of_version(
    workspace: Workspace, dataset: Dataset, before: int, version: int | None = None
) -> EditSet:
    """What changed between two label versions, with the journal's evidence.

    Args:
        before: The label version that the run was trained on.
        version: The later one; None for the newest.

    Raises:
        NotFound: There is no such version.
    """
    then, now = labels_at(workspace, dataset, before), labels_at(workspace, dataset, version)
    edits = edits_in_force(workspace, dataset, now.version)
    origin = origin_of(dataset, now.labels, now.excluded, edits)
    source = f"label version {now.version}"
    return _edit_set(then, now.labels, now.excluded, origin.flagged, origin.blind, source)


def edits_of_patch(workspace: Workspace, dataset: Dataset, before: int, patch: Patch) -> EditSet:
    """What a patch changes about the labels of version ``before``; its images are found by their content.

    Raises:
        BadInput: It fits no image of the data set, or names a class that is not there.
        NotFound: There is no such version.
    """
    from core.labels.journal import ANSWERS

    then = labels_at(workspace, dataset, before)
    labels, excluded = np.array(as_answers(np.asarray(then.labels))), np.array(then.excluded, bool)
    flagged, blind = np.zeros(labels.shape, bool), np.zeros(labels.shape, bool)
    fits = False
    for line, found in zip(
        patch.lines, positions_of_content(dataset, [line.image for line in patch.lines]), strict=True
    ):
        same_name = found[dataset.item_ids[found] == line.item]
        chosen = same_name if len(same_name) else found
        fits = fits or len(chosen) > 0
        one_of = labels.ndim == 2 and line.class_name is not None
        where = (chosen, _class_index(dataset, line.class_name or "")) if one_of else (chosen,)
        if line.kind in ("exclude", "include"):
            excluded[chosen] = line.kind == "exclude"
        elif line.new is not None:
            labels[where] = ANSWERS[line.new] if one_of else _class_index(dataset, line.new)
        flagged[where] |= saw_a_model(line.evidence)
        blind[where] |= is_blind(line.kind, line.evidence)
    if not fits:
        raise BadInput(
            f"None of the patch's {len(patch.lines):,} images is in {dataset.name!r}.",
            f"It was made from {patch.dataset!r}: give a patch for this data set.",
        )
    confirm_blind(dataset, labels, edits_in_force(workspace, dataset, None), blind)
    return _edit_set(then, labels, excluded, flagged, blind, f"patch {patch.id}")


def _edit_set(
    then: LabelState, labels: Labels, excluded: Mask, flagged: Mask, blind: Mask, source: str
) -> EditSet:
    return EditSet(
        np.array(as_answers(np.asarray(then.labels))),
        np.array(as_answers(np.asarray(labels))),
        np.array(then.excluded, bool),
        np.array(excluded, bool),
        flagged,
        blind,
        source,
    )


def _class_index(dataset: Dataset, name: str) -> int:
    if name not in dataset.classes:
        raise BadInput(
            f"The patch sets the class {name!r}, which {dataset.name!r} does not have.",
            f"Its classes are {', '.join(dataset.classes[:40])}.",
        )
    return dataset.classes.index(name)


def arm_labels(edits: EditSet, roles: NDArray[np.int8], arm: str, seed: int) -> tuple[Labels, Mask]:
    """What one arm trains on: (labels (N,) or (N, K), excluded (N,)); test images stay as they were before.

    Args:
        roles: (N,) 0 train, 1 val, 2 test.
        arm: One of core.evaluation.proof.ARMS.
        seed: The placebo of every seed draws other images.

    Raises:
        NotFound: There is no such arm.
    """
    labels, excluded = edits.before.copy(), edits.excluded_before.copy()
    changed = edits.changed & (roles != TEST_ROLE)
    if arm == BEFORE:
        return labels, excluded
    if arm == AFTER:
        labels[changed], excluded[changed] = edits.after[changed], edits.excluded_after[changed]
        return labels, excluded
    if arm == DROP:
        excluded[changed] = True
        return labels, excluded
    if arm not in ARMS:
        raise NotFound(f"There is no arm {arm!r}.", f"Choose one of {', '.join(ARMS)}.")
    targets, sources = placebo_pairs(edits, roles, seed)
    moved = edits.labels_changed[sources]  # of several labels the others stay those of the image
    labels[targets] = np.where(moved, edits.after[sources], labels[targets])
    excluded[targets] = edits.excluded_after[sources]
    return labels, excluded


def placebo_pairs(edits: EditSet, roles: NDArray[np.int8], seed: int) -> tuple[Ints, Ints]:
    """(images that the placebo edits, the real edits that it copies onto them), both (M,), M at most n edits.

    An image is drawn among those of the same role and the same label before that no edit touches; of several
    labels, where those that the edits change were the same. Where there are too few of them, some edits have
    no counterpart.
    """
    rng = np.random.default_rng([seed, int(edits.changed.sum())])
    free = ~edits.changed & ~edits.excluded_before
    targets: list[Ints] = []
    sources: list[Ints] = []
    for role in (0, 1):
        for kind, alike in _kinds(edits, roles == role):
            wanted, there = np.flatnonzero(kind), np.flatnonzero(alike & free)
            n = min(len(wanted), len(there))
            targets.append(rng.permutation(there)[:n])
            sources.append(rng.permutation(wanted)[:n])
            free[targets[-1]] = False  # of several labels an image is like edits of many kinds
    nothing = [np.zeros(0, np.int64)]
    return np.concatenate(targets or nothing), np.concatenate(sources or nothing)


def _kinds(edits: EditSet, among: Mask) -> Iterator[tuple[Mask, Mask]]:
    """(edited images of one kind, all images that such an edit could be of), both (N,), kind by kind."""
    if edits.before.ndim == 1:
        for label in np.unique(edits.before):
            alike = among & (edits.before == label)
            yield alike & edits.changed, alike
        return
    before = np.where(unknown(edits.before), -1, edits.before)  # a number, so that equal is equal
    edited = among & edits.changed
    kinds = np.where(edits.labels_changed, before, OTHER)
    for kind in np.unique(kinds[edited], axis=0):
        own, same = edited & (kinds == kind).all(axis=1), kind != OTHER
        yield own, among & (before[:, same] == kind[same]).all(axis=1)


@dataclass(frozen=True, eq=False)
class Answers:
    """Right answers of the test images, which no arm was trained on.

    Attributes:
        given: (n,) int64 or (n, K) float32, as imported.
        corrected: With the corrections that count: no model suggested them, or a blind review saw the same.
            Images left out are unlabelled.
        suggested: With all corrections.
        n_counted: Corrections that count.
        n_blind: Those of them that a model suggested and a blind review confirmed.
        n_unreviewed: Corrections that a model suggested and nobody reviewed blind; they do not count.
    """

    given: Labels
    corrected: Labels
    suggested: Labels
    n_counted: int
    n_blind: int
    n_unreviewed: int


def right_answers(dataset: Dataset, edits: EditSet, positions: NDArray[np.int64]) -> Answers:
    """The three sets of right answers for the images at ``positions``, those of the test split."""
    given = as_answers(np.asarray(dataset.labels))[positions]
    suggested = without_left_out(edits.after, edits.excluded_after)[positions]
    found = count_fixes(given, suggested, edits.model_flagged[positions], edits.blind[positions])
    return Answers(given, found.counted, suggested, found.n_counted, found.n_blind, found.n_unreviewed)
