"""A run's predictions, the labels to score them on, and two runs compared across data sets and versions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import BadInput, NotFound
from core.evaluation.of_run import compare_runs, label_sets, on_edited_labels, predictions_of, scored_on
from core.evaluation.predictions import load_predictions, save_predictions
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.runs.store import create_run
from core.workspace import Workspace
from tests.finished_runs import finished_run


def test_without_edits_only_the_given_labels_count(workspace: Workspace, sample: Dataset) -> None:
    (given,) = label_sets(workspace, sample)
    assert (given.key, given.version) == ("given", 0)
    np.testing.assert_array_equal(given.labels, sample.labels)


def test_edits_make_a_second_set_without_the_excluded(workspace: Workspace, sample: Dataset) -> None:
    first, second = (str(item_id) for item_id in sample.item_ids[:2])
    other = sample.classes[(int(sample.labels[0]) + 1) % 10]
    edits = [NewEdit(first, EditKind.LABEL, other), NewEdit(second, EditKind.EXCLUDE)]
    LabelJournal(workspace).append(sample, edits)
    given, corrected = label_sets(workspace, sample)
    assert corrected.labels[0] == sample.classes.index(other)
    assert corrected.labels[1] == -1
    assert given.labels[:2].tolist() == sample.labels[:2].tolist()
    predictions = predictions_of(finished_run(workspace, sample, "r1"))
    rescored = scored_on(predictions, sample, corrected)
    assert rescored.labels[predictions.item_ids == first].tolist() == [sample.classes.index(other)]
    assert rescored.label_version == corrected.version


def test_corrections_elsewhere_do_not_make_a_second_comparison(workspace: Workspace, sample: Dataset) -> None:
    a, b = (finished_run(workspace, sample, name, seed=seed, epochs=1) for name, seed in (("a", 0), ("b", 1)))
    in_train = str(sample.item_ids[sample.in_split("train")[3]])
    LabelJournal(workspace).append(sample, [NewEdit(in_train, EditKind.EXCLUDE)])
    assert [one.label_set for one in compare_runs(workspace, a, b)] == ["given"]
    in_test = str(sample.item_ids[sample.in_split("test")[3]])
    LabelJournal(workspace).append(sample, [NewEdit(in_test, EditKind.EXCLUDE)])
    given, corrected = compare_runs(workspace, a, b)
    assert (len(given), len(corrected), corrected.n_unlabelled) == (1000, 999, 1)
    assert (given.run_a, given.run_b) == ("a", "b")


def test_unconfirmed_corrections_of_test_labels_are_a_set_of_their_own(
    workspace: Workspace, sample: Dataset
) -> None:
    run = finished_run(workspace, sample, "r1", epochs=1)
    predictions = predictions_of(run).only("test")
    own, led = (int(p) for p in sample.in_split("test")[:2])
    other = {p: sample.classes[(int(sample.labels[p]) + 1) % 10] for p in (own, led)}
    saw = {"run": run.id, "guess": other[led]}
    fixes = [
        NewEdit(str(sample.item_ids[own]), EditKind.LABEL, other[own]),
        NewEdit(str(sample.item_ids[led]), EditKind.LABEL, other[led], evidence=saw),
    ]
    LabelJournal(workspace).append(sample, fixes)
    given, corrected, suggested = label_sets(workspace, sample)
    assert [one.key for one in (given, corrected, suggested)] == ["given", "corrected", "suggested"]
    assert np.flatnonzero(corrected.labels != given.labels).tolist() == [own]
    assert np.flatnonzero(suggested.labels != given.labels).tolist() == [own, led]
    assert list(on_edited_labels(workspace, sample, predictions)) == ["corrected", "suggested"]

    look = NewEdit(str(sample.item_ids[led]), EditKind.LOOK, other[led])
    LabelJournal(workspace).append(sample, [look])
    turned = replace(
        predictions, classes=predictions.classes[::-1], pred_probs=predictions.pred_probs[:, ::-1]
    )
    (answers,) = on_edited_labels(workspace, sample, turned).values()
    row = int(np.flatnonzero(answers.item_ids == sample.item_ids[led])[0])
    assert answers.classes[answers.labels[row]] == other[led]


def test_a_run_without_predictions_says_so(workspace: Workspace, sample: Dataset) -> None:
    with pytest.raises(NotFound, match="'empty' has no predictions"):
        predictions_of(create_run(workspace, sample, None, name="empty"))


def test_ids_that_name_other_images_elsewhere_are_refused(workspace: Workspace, sample: Dataset) -> None:
    from core.data.dataset import load_dataset
    from core.files import read_json, write_array, write_json

    folder = workspace.datasets / "other"
    folder.mkdir()
    for source in sample.folder.iterdir():
        if source.is_file():
            (folder / source.name).write_bytes(source.read_bytes())
    write_array(folder / "content_hashes.npy", np.roll(sample.content_hashes, 1, axis=0))
    write_json(
        folder / "dataset.json",
        {**read_json(folder / "dataset.json"), "name": "other", "fingerprint": "e" * 32},
    )
    other = load_dataset(folder)
    a = finished_run(workspace, sample, "a", epochs=1)
    b = finished_run(workspace, other, "b", epochs=1)
    predictions = load_predictions(b.predictions_file)
    save_predictions(b.predictions_file, replace(predictions, fingerprint=other.fingerprint))
    with pytest.raises(BadInput, match="have another image in 'other'"):
        compare_runs(workspace, a, b)
