"""The arms of a proof: what each trains on, what the placebo may touch, and which test fixes count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import BadInput, NotFound
from core.evaluation.proof import AFTER, BEFORE, DROP, PLACEBO
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.patch import export_patch, read_patch, write_patch
from core.quality.arms import (
    EditSet,
    arm_labels,
    edits_of_patch,
    edits_of_version,
    placebo_pairs,
    right_answers,
)
from core.runs.recipe import make_recipe
from core.training.parts import assign_roles
from core.workspace import Workspace
from tests.tagged import tagged


def relabel(dataset: Dataset, position: int, shift: int = 1, **evidence: object) -> NewEdit:
    new = dataset.classes[(int(dataset.labels[position]) + shift) % len(dataset.classes)]
    return NewEdit(str(dataset.item_ids[position]), EditKind.LABEL, new, evidence=evidence)


def roles_of(dataset: Dataset) -> np.ndarray:
    return assign_roles(np.asarray(dataset.split), np.asarray(dataset.labels), make_recipe({}))


@pytest.fixture
def edits(workspace: Workspace, sample: Dataset) -> EditSet:
    """40 new labels and 5 images left out in the training split, 3 new labels in the test split."""
    train, test = sample.in_split("train"), sample.in_split("test")
    made = [relabel(sample, p) for p in train[:40]]
    made += [NewEdit(str(sample.item_ids[p]), EditKind.EXCLUDE) for p in train[40:45]]
    made += [relabel(sample, p) for p in test[:3]]
    LabelJournal(workspace).append(sample, made)
    return edits_of_version(workspace, sample, 0)


def test_before_and_after_differ_by_the_edits_of_training_images_only(
    sample: Dataset, edits: EditSet
) -> None:
    roles = roles_of(sample)
    labels, excluded = arm_labels(edits, roles, BEFORE, 0)
    assert np.array_equal(labels, sample.labels)
    assert not excluded.any()
    labels, excluded = arm_labels(edits, roles, AFTER, 0)
    train = sample.in_split("train")
    assert np.array_equal(np.flatnonzero(labels != sample.labels), train[:40])
    assert np.array_equal(np.flatnonzero(excluded), train[40:45])


def test_drop_leaves_the_edited_images_out(sample: Dataset, edits: EditSet) -> None:
    labels, excluded = arm_labels(edits, roles_of(sample), DROP, 0)
    assert np.array_equal(labels, sample.labels)
    assert np.array_equal(np.flatnonzero(excluded), sample.in_split("train")[:45])


def test_the_placebo_makes_the_same_edits_on_other_images(sample: Dataset, edits: EditSet) -> None:
    roles = roles_of(sample)
    labels, excluded = arm_labels(edits, roles, PLACEBO, 0)
    changed = np.flatnonzero((labels != sample.labels) | excluded)
    assert len(changed) == 45
    assert not edits.changed[changed].any()
    assert (roles[changed] != 2).all()

    def pattern(positions: np.ndarray, new: np.ndarray, out: np.ndarray) -> list[tuple[int, int, int, bool]]:
        rows = zip(roles[positions], sample.labels[positions], new[positions], out[positions], strict=True)
        return sorted((int(r), int(a), int(b), bool(x)) for r, a, b, x in rows)

    real = sample.in_split("train")[:45]
    assert pattern(changed, labels, excluded) == pattern(real, edits.after, edits.excluded_after)


def test_each_seed_draws_another_placebo_and_the_same_one_again(sample: Dataset, edits: EditSet) -> None:
    roles = roles_of(sample)
    first, again, other = (placebo_pairs(edits, roles, seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert set(first.tolist()) != set(other.tolist())


def test_a_placebo_runs_out_of_like_images(workspace: Workspace, sample: Dataset) -> None:
    """Where all but ten images of a class are edited, ten edits have a counterpart."""
    train = sample.in_split("train")
    bags = train[sample.labels[train] == 8]
    LabelJournal(workspace).append(sample, [relabel(sample, p) for p in bags[:-10]])
    targets, sources = placebo_pairs(edits_of_version(workspace, sample, 0), roles_of(sample), 0)
    assert len(targets) == len(sources) == 10
    assert set(targets.tolist()) == set(bags[-10:].tolist())


def test_edits_that_change_nothing_are_none(workspace: Workspace, sample: Dataset) -> None:
    item = str(sample.item_ids[0])
    confirm = NewEdit(item, EditKind.CONFIRM)
    LabelJournal(workspace).append(sample, [confirm, NewEdit(item, EditKind.LOOK, sample.classes[1])])
    assert not edits_of_version(workspace, sample, 0).changed.any()
    assert not edits_of_version(workspace, sample, 0, 1).changed.any()


def test_a_patch_says_the_same_as_the_journal_it_was_made_from(
    workspace: Workspace, sample: Dataset, edits: EditSet, tmp_path: Path
) -> None:
    write_patch(export_patch(workspace, sample), tmp_path / "edits.jsonl")
    found = edits_of_patch(workspace, sample, 0, read_patch(tmp_path / "edits.jsonl"))
    for name in ("before", "after", "excluded_before", "excluded_after", "model_flagged", "blind"):
        assert np.array_equal(getattr(found, name), getattr(edits, name)), name


def test_a_patch_for_other_images_is_refused(
    workspace: Workspace, sample: Dataset, edits: EditSet, tmp_path: Path
) -> None:
    write_patch(export_patch(workspace, sample), tmp_path / "edits.jsonl")
    text = (tmp_path / "edits.jsonl").read_text().splitlines()
    foreign = [text[0], text[1].replace(text[1].split('"')[3], "0" * 32)]
    (tmp_path / "other.jsonl").write_text("\n".join(foreign) + "\n")
    with pytest.raises(BadInput, match="None of the patch's 1 images"):
        edits_of_patch(workspace, sample, 0, read_patch(tmp_path / "other.jsonl"))


def test_an_arm_that_is_none_is_refused(sample: Dataset, edits: EditSet) -> None:
    with pytest.raises(NotFound, match="no arm 'both'"):
        arm_labels(edits, roles_of(sample), "both", 0)


def test_a_test_fix_that_a_model_suggested_counts_only_after_a_blind_review(
    workspace: Workspace, sample: Dataset
) -> None:
    test = sample.in_split("test")
    own, suggested, confirmed, doubted = test[:4]
    saw = {"run": "r1", "guess": "Bag", "confidence": 0.9}
    made = [relabel(sample, own)] + [relabel(sample, p, **saw) for p in (suggested, confirmed, doubted)]
    looks = [
        NewEdit(str(sample.item_ids[confirmed]), EditKind.LOOK, made[2].new, who="ann"),
        NewEdit(str(sample.item_ids[doubted]), EditKind.LOOK, sample.classes[sample.labels[doubted]]),
    ]
    LabelJournal(workspace).append(sample, [*made, *looks])
    edits = edits_of_version(workspace, sample, 0)
    answers = right_answers(sample, edits, test)
    assert np.array_equal(answers.given, sample.labels[test])
    assert np.flatnonzero(answers.corrected != answers.given).tolist() == [0, 2]
    assert np.flatnonzero(answers.suggested != answers.given).tolist() == [0, 1, 2, 3]
    assert (answers.n_counted, answers.n_blind, answers.n_unreviewed) == (2, 1, 2)


def test_a_settled_test_fix_counts(workspace: Workspace, sample: Dataset) -> None:
    position = sample.in_split("test")[0]
    fix = relabel(sample, position, guess="Bag")
    settle = NewEdit(fix.item_id, EditKind.SETTLE, fix.new)
    LabelJournal(workspace).append(sample, [fix, settle])
    answers = right_answers(sample, edits_of_version(workspace, sample, 0), np.array([position]))
    assert (answers.n_counted, answers.n_unreviewed) == (1, 0)


@pytest.fixture
def several(workspace: Workspace, sample: Dataset) -> Dataset:
    return tagged(workspace, sample, 200)


def test_of_several_labels_only_the_edited_ones_move(workspace: Workspace, several: Dataset) -> None:
    given, train = np.asarray(several.labels), several.in_split("train")
    first, second = train[:2]
    answers = {first: ("footwear", 0), second: ("sleeves", 1)}
    made = [
        NewEdit(
            str(several.item_ids[p]),
            EditKind.LABEL,
            "no" if given[p, k] == 1 else "yes",
            class_name=name,
            evidence={"model": "r1"} if k else {},
        )
        for p, (name, k) in answers.items()
    ]
    made.append(NewEdit(str(several.item_ids[train[2]]), EditKind.EXCLUDE))
    LabelJournal(workspace).append(several, made)
    edits = edits_of_version(workspace, several, 0)
    assert np.array_equal(np.flatnonzero(edits.changed), np.sort(train[:3]))
    assert np.argwhere(edits.labels_changed).tolist() == sorted([[first, 0], [second, 1]])

    roles = roles_of(several)
    after, excluded = arm_labels(edits, roles, AFTER, 0)
    differs = ~((after == given) | (np.isnan(after) & np.isnan(given)))
    assert np.array_equal(differs, edits.labels_changed)
    assert np.flatnonzero(excluded).tolist() == [train[2]]

    placebo, left_out = arm_labels(edits, roles, PLACEBO, 0)
    differs = ~((placebo == given) | (np.isnan(placebo) & np.isnan(given)))
    assert differs.sum(axis=0).tolist() == [1, 1, 0], "one of each kind, on other images"
    assert not differs[edits.changed].any()
    assert left_out.sum() == 1
    for k, source in ((0, first), (1, second)):
        (target,) = np.flatnonzero(differs[:, k])
        assert roles[target] == roles[source]
        assert np.array_equal(given[target, k], given[source, k], equal_nan=True)
        assert placebo[target, k] == edits.after[source, k]


def test_a_patch_of_several_labels_is_the_same_edits(
    workspace: Workspace, several: Dataset, tmp_path: Path
) -> None:
    position = several.in_split("train")[0]
    new = "no" if several.labels[position, 0] == 1 else "yes"
    edit = NewEdit(str(several.item_ids[position]), EditKind.LABEL, new, class_name="footwear")
    LabelJournal(workspace).append(several, [edit])
    write_patch(export_patch(workspace, several), tmp_path / "edits.jsonl")
    found = edits_of_patch(workspace, several, 0, read_patch(tmp_path / "edits.jsonl"))
    wanted = edits_of_version(workspace, several, 0)
    assert np.array_equal(found.after, wanted.after, equal_nan=True)
    assert np.array_equal(found.changed, wanted.changed)
