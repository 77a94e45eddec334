"""Applying a patch to any data set with its images, and taking it out again."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.data.dataset import Dataset, Task
from core.data.images import ArrayImages
from core.errors import BadInput
from core.labels.apply import Status, apply_patch, of_filter, of_patch, revert_edits
from core.labels.journal import EditFilter, EditKind, LabelJournal, NewEdit
from core.labels.patch import Patch, export_patch, read_patch, write_patch
from core.labels.versions import LabelState, labels_at
from core.workspace import Workspace


def edit(dataset: Dataset, position: int, kind: EditKind, new: str | None = None, **more: Any) -> NewEdit:
    return NewEdit(str(dataset.item_ids[position]), kind, new, **more)


def other(dataset: Dataset, position: int, step: int = 1) -> str:
    return dataset.classes[(int(dataset.labels[position]) + step) % len(dataset.classes)]


def rearranged(dataset: Dataset, order: NDArray[np.int64], name: str = "renamed") -> Dataset:
    """The same images under another name, in another order, with new ids and the classes reversed."""
    assert isinstance(dataset.images, ArrayImages)
    return replace(
        dataset,
        name=name,
        classes=dataset.classes[::-1],
        item_ids=np.array([f"new-{k}" for k in range(len(order))]),
        split=dataset.split[order],
        labels=len(dataset.classes) - 1 - np.asarray(dataset.labels[order]),
        content_hashes=dataset.content_hashes[order],
        fingerprint="d" * 32,
    )


def same_decisions(a: LabelState, b: LabelState) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=name == "labels")
        for name in ("labels", "edited", "confirmed", "excluded")
    )


@pytest.fixture
def edited(workspace: Workspace, sample: Dataset) -> Patch:
    """Item 3 relabelled, 4 confirmed, 5 left out; as a patch."""
    LabelJournal(workspace).append(
        sample,
        [
            edit(sample, 3, EditKind.LABEL, other(sample, 3), who="ann", why="a hood", session="s", seq=1),
            edit(sample, 4, EditKind.CONFIRM, who="ann", session="s", seq=2),
            edit(sample, 5, EditKind.EXCLUDE, who="bob", session="s", seq=3),
        ],
    )
    return export_patch(workspace, sample)


def test_it_finds_its_images_in_a_renamed_and_rearranged_data_set(
    workspace: Workspace, sample: Dataset, edited: Patch, tmp_path: Path
) -> None:
    write_patch(edited, tmp_path / "edits.jsonl")
    order = np.random.default_rng(0).permutation(len(sample))
    target = rearranged(sample, order)
    done = apply_patch(workspace, target, read_patch(tmp_path / "edits.jsonl"), who="carl")
    assert [finding.status for finding in done.findings] == [Status.APPLIES] * 3
    state = labels_at(workspace, target)
    place = np.argsort(order)
    assert target.classes[state.labels[place[3]]] == other(sample, 3)
    assert np.flatnonzero(state.confirmed).tolist() == [place[4]]
    assert np.flatnonzero(state.excluded).tolist() == [place[5]]
    first = done.edits[0]
    assert (first.who, first.why) == ("ann", "a hood")
    assert first.evidence["applied_by"] == "carl"
    assert first.evidence["patch"] == edited.id


def test_a_dry_run_and_a_second_time_change_nothing(
    workspace: Workspace, sample: Dataset, edited: Patch
) -> None:
    target = replace(sample, name="copy")
    dry = apply_patch(workspace, target, edited, who="carl", dry_run=True)
    assert len(dry.of(Status.APPLIES)) == 3
    elsewhere = Workspace(workspace.root / "elsewhere")
    assert len(apply_patch(elsewhere, target, edited, who="carl", dry_run=True).findings) == 3
    assert not elsewhere.root.exists()
    assert LabelJournal(workspace).version("copy") == 0
    apply_patch(workspace, target, edited, who="carl")
    again = apply_patch(workspace, target, edited, who="carl")
    assert len(again.of(Status.ALREADY)) == 3
    assert again.edits == ()
    assert LabelJournal(workspace).version("copy") == 3
    own = apply_patch(workspace, sample, edited, who="carl")
    assert len(own.of(Status.ALREADY)) == 3


def test_a_label_that_was_decided_otherwise_is_a_conflict(
    workspace: Workspace, sample: Dataset, edited: Patch
) -> None:
    target = replace(sample, name="copy")
    mine = other(sample, 3, step=2)
    LabelJournal(workspace).append(target, [edit(target, 3, EditKind.LABEL, mine)])
    done = apply_patch(workspace, target, edited, who="carl")
    (conflict,) = done.of(Status.CONFLICT)
    assert (conflict.item_id, conflict.current) == (str(sample.item_ids[3]), mine)
    assert len(done.edits) == 2
    forced = apply_patch(workspace, target, edited, who="carl", force=True)
    assert len(forced.edits) == 1
    assert labels_at(workspace, target).labels[3] == sample.classes.index(other(sample, 3))


def test_images_and_classes_that_are_not_there_are_listed(
    workspace: Workspace, sample: Dataset, edited: Patch
) -> None:
    kept = np.array([3, 9, 10])
    target = rearranged(sample, kept)
    classes = tuple("Thing" if name == other(sample, 3) else name for name in target.classes)
    done = apply_patch(workspace, replace(target, classes=classes), edited, who="carl", force=True)
    assert [finding.status for finding in done.findings] == [
        Status.IMPOSSIBLE,
        Status.MISSING,
        Status.MISSING,
    ]
    assert done.edits == ()


def test_it_fits_only_data_of_its_task(workspace: Workspace, sample: Dataset, edited: Patch) -> None:
    with pytest.raises(BadInput, match="for multi-label data"):
        apply_patch(workspace, sample, replace(edited, task=Task.MULTI_LABEL), who="carl")


def with_copies(dataset: Dataset, source: int, *copies: int) -> Dataset:
    """``copies`` show the image of ``source`` and have its label."""
    hashes, labels = np.array(dataset.content_hashes), np.array(dataset.labels)
    hashes[list(copies)] = hashes[source]
    labels[list(copies)] = labels[source]
    return replace(dataset, content_hashes=hashes, labels=labels)


def test_of_several_items_with_one_image_the_named_one_is_meant(
    workspace: Workspace, sample: Dataset
) -> None:
    twins = with_copies(sample, 3, 8, 9)
    new = other(twins, 3)
    LabelJournal(workspace).append(
        twins, [edit(twins, 8, EditKind.LABEL, new), edit(twins, 9, EditKind.EXCLUDE)]
    )
    patch = export_patch(workspace, twins)
    target = replace(twins, name="copy")
    done = apply_patch(workspace, target, patch, who="carl")
    assert [finding.item_id for finding in done.findings] == twins.item_ids[[8, 9]].tolist()
    assert done.findings[0].copies == (str(twins.item_ids[3]),)
    assert same_decisions(labels_at(workspace, target), labels_at(workspace, twins))
    everywhere = apply_patch(workspace, target, patch, who="carl", copies=True)
    assert [one.item_id for one in everywhere.edits] == [str(twins.item_ids[3])]
    assert int(labels_at(workspace, target).excluded.sum()) == 1


def test_copies_under_new_names_are_dealt_out(workspace: Workspace, sample: Dataset) -> None:
    twins = with_copies(sample, 3, 8)
    LabelJournal(workspace).append(
        twins, [edit(twins, 3, EditKind.EXCLUDE), edit(twins, 8, EditKind.LABEL, other(twins, 8))]
    )
    patch = export_patch(workspace, twins)
    both = rearranged(twins, np.array([1, 8, 3]))
    apply_patch(workspace, both, patch, who="carl")
    state = labels_at(workspace, both)
    assert (int(state.excluded.sum()), int(state.edited.sum())) == (1, 1)
    assert not (state.excluded & state.edited).any()
    again = apply_patch(workspace, both, patch, who="carl")
    assert again.edits == ()
    one = rearranged(twins, np.array([3]), "one")
    statuses = [finding.status for finding in apply_patch(workspace, one, patch, who="carl").findings]
    assert statuses == [Status.APPLIES, Status.MISSING]


KINDS = [EditKind.LABEL, EditKind.CONFIRM, EditKind.EXCLUDE, EditKind.INCLUDE, EditKind.UNDO, EditKind.SETTLE]
moves = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(KINDS), st.integers(0, 9)), max_size=14)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=moves, multi=st.booleans())
def test_a_patch_brings_any_history_to_another_data_set(
    workspace: Workspace, sample: Dataset, moves: list[tuple[int, EditKind, int]], multi: bool
) -> None:
    source = replace(sample, name=f"source-{np.random.default_rng().integers(1 << 60)}")
    if multi:
        answers = np.array([1, 0, np.nan], np.float32)[
            np.add.outer(np.arange(len(sample)), np.arange(10)) % 3
        ]
        source = replace(source, task=Task.MULTI_LABEL, labels=answers)
    journal = LabelJournal(workspace)
    for position, kind, k in moves:
        sets = kind in (EditKind.LABEL, EditKind.SETTLE)
        new = (["yes", "no", "unknown"][k % 3] if multi else source.classes[k]) if sets else None
        named = source.classes[k % 2] if multi and sets else None
        version = journal.version(source.name)
        undoes = k % version + 1 if kind is EditKind.UNDO and version else None
        if kind is not EditKind.UNDO or undoes:
            one = NewEdit(
                "" if undoes else str(source.item_ids[position]), kind, new, undoes, class_name=named
            )
            journal.append(source, [one])
    patch = export_patch(workspace, source)
    target = replace(source, name=f"{source.name}-copy")
    done = apply_patch(workspace, target, patch, who="carl")
    assert not done.of(Status.CONFLICT)
    assert same_decisions(labels_at(workspace, target), labels_at(workspace, source))
    assert apply_patch(workspace, target, patch, who="carl").edits == ()
    assert apply_patch(workspace, source, patch, who="carl").edits == ()
    revert_edits(workspace, target, of_patch(patch), who="carl")
    assert same_decisions(labels_at(workspace, target), labels_at(workspace, target, 0))
    apply_patch(workspace, target, patch, who="carl")
    assert same_decisions(labels_at(workspace, target), labels_at(workspace, source))


def test_a_session_is_reverted_and_the_revert_too(
    workspace: Workspace, sample: Dataset, edited: Patch
) -> None:
    LabelJournal(workspace).append(sample, [edit(sample, 9, EditKind.EXCLUDE, session="t")])
    before = labels_at(workspace, sample)
    done = revert_edits(workspace, sample, of_filter(EditFilter(session="s")), who="carl", why="wrong guide")
    assert [one.number for one in done.targets] == [3, 2, 1]
    state = labels_at(workspace, sample)
    assert not state.edited.any()
    assert np.flatnonzero(state.excluded).tolist() == [9]
    assert revert_edits(workspace, sample, of_filter(EditFilter(session="s")), who="carl").edits == ()
    again = EditFilter(session=done.edits[0].session)
    revert_edits(workspace, sample, of_filter(again), who="carl")
    assert same_decisions(labels_at(workspace, sample), before)


def test_a_dry_run_of_a_revert_changes_nothing(workspace: Workspace, sample: Dataset, edited: Patch) -> None:
    chosen = of_filter(EditFilter(who="bob"))
    done = revert_edits(workspace, sample, chosen, who="carl", dry_run=True)
    assert [one.number for one in done.targets] == [3]
    assert done.edits == ()
    assert labels_at(workspace, sample).version == 3


def test_a_patch_is_reverted_where_it_was_made_and_where_it_was_applied(
    workspace: Workspace, sample: Dataset, edited: Patch
) -> None:
    target = rearranged(sample, np.arange(len(sample))[::-1])
    apply_patch(workspace, target, edited, who="carl")
    for dataset in (sample, target):
        done = revert_edits(workspace, dataset, of_patch(edited), who="carl")
        assert len(done.edits) == 3
        assert not labels_at(workspace, dataset).reviewed.any()
        assert revert_edits(workspace, dataset, of_patch(edited), who="carl").edits == ()


def test_reverting_goes_back_to_the_old_label_and_keeps_later_decisions(
    workspace: Workspace, sample: Dataset
) -> None:
    journal = LabelJournal(workspace)
    journal.append(sample, [edit(sample, 3, EditKind.LABEL, other(sample, 3, 1))])
    journal.append(sample, [edit(sample, 3, EditKind.LABEL, other(sample, 3, 2), who="ann")])
    journal.append(sample, [edit(sample, 3, EditKind.LABEL, other(sample, 3, 3), who="ann")])
    patch = export_patch(workspace, sample, EditFilter(first=2))
    done = revert_edits(workspace, sample, of_patch(patch), who="carl")
    assert [one.number for one in done.targets] == [3, 2]
    assert sample.classes[labels_at(workspace, sample).labels[3]] == other(sample, 3, 1)
    revert_edits(workspace, sample, of_filter(EditFilter(who="carl")), who="carl")  # back in force
    journal.append(sample, [edit(sample, 3, EditKind.LABEL, other(sample, 3, 4), who="bob")])
    kept = revert_edits(workspace, sample, of_patch(patch), who="carl")
    assert kept.targets == ()
    assert [one.number for one in kept.kept] == [3]


APPLY = """
import sys
from dataclasses import replace
from pathlib import Path
from core.data.catalog import open_dataset
from core.labels.apply import apply_patch
from core.labels.patch import read_patch
from core.workspace import current
dataset = replace(open_dataset(current(), "fashion-mnist-sample"), name="copy")
print(len(apply_patch(current(), dataset, read_patch(Path(sys.argv[1])), who="carl").edits))
"""


def test_two_who_apply_it_at_once_make_each_edit_once(
    workspace: Workspace, sample: Dataset, tmp_path: Path
) -> None:
    edits = [edit(sample, k, EditKind.LABEL, other(sample, k)) for k in range(300)]
    LabelJournal(workspace).append(sample, edits)
    path = tmp_path / "edits.jsonl"
    write_patch(export_patch(workspace, sample), path)
    command = [sys.executable, "-c", APPLY, str(path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    made = sorted(int(process.communicate()[0]) for process in both)
    assert made == [0, 300]
    assert LabelJournal(workspace).version("copy") == 300
