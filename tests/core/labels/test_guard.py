"""Which corrections of test labels count, on single-label and on multi-label data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.data.dataset import Dataset, Task
from core.labels.guard import blind_review, guarded_labels
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.workspace import Workspace

SAW = {"run": "r1", "guess": "Bag", "confidence": 0.9}


def other_class(dataset: Dataset, position: int) -> str:
    return dataset.classes[(int(dataset.labels[position]) + 1) % len(dataset.classes)]


def relabel(dataset: Dataset, position: int, **evidence: object) -> NewEdit:
    item_id = str(dataset.item_ids[position])
    return NewEdit(item_id, EditKind.LABEL, other_class(dataset, position), evidence=dict(evidence))


def test_without_edits_of_test_labels_there_is_nothing_to_guard(
    workspace: Workspace, sample: Dataset
) -> None:
    train = sample.in_split("train")[0]
    assert guarded_labels(workspace, sample).fixes.n_counted == 0
    LabelJournal(workspace).append(sample, [relabel(sample, train, **SAW)])
    found = guarded_labels(workspace, sample)
    assert found.fixes.to_json() == {"n_counted": 0, "n_reviewed_blind": 0, "n_unreviewed": 0}
    assert found.counted[train] != sample.labels[train], "training labels need no guard"
    assert not len(found.to_review)


def test_a_suggested_fix_counts_once_a_blind_look_saw_the_same(workspace: Workspace, sample: Dataset) -> None:
    own, waiting, confirmed, doubted, settled = sample.in_split("test")[:5]
    edits = [
        relabel(sample, own),
        *(relabel(sample, p, **SAW) for p in (waiting, confirmed, doubted, settled)),
    ]
    edits += [
        NewEdit(str(sample.item_ids[confirmed]), EditKind.LOOK, other_class(sample, confirmed)),
        NewEdit(str(sample.item_ids[doubted]), EditKind.LOOK, sample.classes[sample.labels[doubted]]),
        NewEdit(str(sample.item_ids[settled]), EditKind.SETTLE, other_class(sample, settled)),
    ]
    LabelJournal(workspace).append(sample, edits)
    found = guarded_labels(workspace, sample)
    assert found.fixes.to_json() == {"n_counted": 3, "n_reviewed_blind": 1, "n_unreviewed": 2}
    assert found.to_review.tolist() == [waiting, doubted]
    changed = np.flatnonzero(found.counted != sample.labels).tolist()
    assert changed == sorted([own, confirmed, settled])
    assert np.array_equal(found.suggested, labels_at(workspace, sample).labels)

    again = relabel(sample, confirmed, **SAW)
    undone = NewEdit(again.item_id, EditKind.LABEL, sample.classes[5], evidence=SAW)
    LabelJournal(workspace).append(sample, [undone])
    assert confirmed in guarded_labels(workspace, sample).to_review, "the look saw another label"


def test_leaving_out_a_test_image_on_a_models_word_does_not_count(
    workspace: Workspace, sample: Dataset
) -> None:
    led, free, relooked = sample.in_split("test")[:3]
    out = [
        NewEdit(str(sample.item_ids[p]), EditKind.EXCLUDE, evidence=evidence)
        for p, evidence in ((led, SAW), (free, {}), (relooked, SAW), (relooked, {"queue": "selection"}))
    ]
    same = NewEdit(str(sample.item_ids[led]), EditKind.LOOK, sample.classes[sample.labels[led]])
    LabelJournal(workspace).append(sample, [*out, same])
    found = guarded_labels(workspace, sample)
    assert found.to_review.tolist() == [led], "a look sees a label, not that an image is bad"
    assert found.counted[[led, free, relooked]].tolist() == [sample.labels[led], -1, -1]


def test_an_undone_look_confirms_nothing(workspace: Workspace, sample: Dataset) -> None:
    position = sample.in_split("test")[0]
    fix = relabel(sample, position, **SAW)
    journal = LabelJournal(workspace)
    look = journal.append(sample, [fix, NewEdit(fix.item_id, EditKind.LOOK, fix.new)])[1]
    assert guarded_labels(workspace, sample).fixes.n_blind == 1
    journal.append(sample, [NewEdit("", EditKind.UNDO, undoes=look.number)])
    assert guarded_labels(workspace, sample).fixes.n_unreviewed == 1


def test_a_blind_review_mixes_other_test_images_in(workspace: Workspace, sample: Dataset) -> None:
    fixed = sample.in_split("test")[:7]
    journal = LabelJournal(workspace)
    journal.append(sample, [relabel(sample, p, **SAW) for p in fixed])
    guarded, edits = guarded_labels(workspace, sample), journal.edits(sample.name)
    items = blind_review(sample, guarded, edits, seed=0)
    assert set(sample.item_ids[fixed].tolist()) < set(items)
    assert len(items) == 7 + 3
    assert set(items) <= set(sample.item_ids[sample.in_split("test")].tolist())
    assert items[:7] != sample.item_ids[fixed].tolist()
    assert blind_review(sample, guarded, edits, seed=0) == items
    assert (
        blind_review(sample, guarded_labels(workspace, sample, labels_at(workspace, sample, 0)), [], seed=0)
        == []
    )


def test_each_class_of_several_is_guarded_by_itself(workspace: Workspace, sample: Dataset) -> None:
    answers = np.zeros((len(sample), 10), np.float32)
    tags = replace(sample, task=Task.MULTI_LABEL, labels=answers)
    first, second = sample.in_split("test")[:2]

    def say(position: int, kind: EditKind, name: str, value: str, **evidence: object) -> NewEdit:
        item_id = str(sample.item_ids[position])
        return NewEdit(item_id, kind, value, class_name=name, evidence=dict(evidence))

    label, look = EditKind.LABEL, EditKind.LOOK
    edits = [say(first, label, "Bag", "yes", **SAW), say(first, label, "Coat", "yes", **SAW)]
    edits += [say(first, look, "Coat", "yes"), say(second, label, "Bag", "unknown")]
    LabelJournal(workspace).append(tags, edits)
    found = guarded_labels(workspace, tags)
    assert found.fixes.to_json() == {"n_counted": 2, "n_reviewed_blind": 1, "n_unreviewed": 1}
    assert found.to_review.tolist() == [first]
    bag, coat = sample.classes.index("Bag"), sample.classes.index("Coat")
    assert found.counted[first, [bag, coat]].tolist() == [0, 1]
    assert found.suggested[first, bag] == 1
    assert np.isnan(found.counted[second, bag])
