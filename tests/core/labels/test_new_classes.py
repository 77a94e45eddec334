"""Doubts and proposals in the journal, and data sets with the classes that were proposed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data.catalog import open_dataset
from core.data.dataset import Dataset, Task
from core.data.writer import write_array_dataset
from core.errors import BadInput, NameTaken, NotFound
from core.labels.agreement import votes
from core.labels.apply import of_filter, revert_edits
from core.labels.journal import EditFilter, EditKind, LabelJournal, NewEdit
from core.labels.new_classes import proposals, with_new_classes
from core.labels.patch import export_patch
from core.labels.versions import LabelState, labels_at
from core.workspace import Workspace


def say(workspace: Workspace, dataset: Dataset, position: int, kind: EditKind, new: str | None = None) -> int:
    edit = NewEdit(str(dataset.item_ids[position]), kind, new)
    return LabelJournal(workspace).append(dataset, [edit])[0].number


def test_a_doubt_changes_no_label_and_lasts_until_somebody_decides(
    workspace: Workspace, sample: Dataset
) -> None:
    say(workspace, sample, 7, EditKind.UNSURE)
    state = labels_at(workspace, sample)
    assert state.unsure == (7,)
    assert np.array_equal(state.labels, sample.labels)
    assert state.reviewed[7]
    assert not state.excluded.any()
    say(workspace, sample, 7, EditKind.LOOK, sample.classes[0])
    assert labels_at(workspace, sample).unsure == (7,), "a blind look decides nothing"
    number = say(workspace, sample, 7, EditKind.CONFIRM)
    assert labels_at(workspace, sample).unsure == ()
    LabelJournal(workspace).append(sample, [NewEdit("", EditKind.UNDO, undoes=number)])
    assert labels_at(workspace, sample).unsure == (7,)


def test_a_proposal_leaves_the_image_out_until_it_has_a_label(workspace: Workspace, sample: Dataset) -> None:
    say(workspace, sample, 9, EditKind.PROPOSE, "  Ballet   shoe ")
    state = labels_at(workspace, sample)
    assert dict(state.proposed) == {9: "Ballet shoe"}
    assert state.excluded[9]
    assert state.labels[9] == sample.labels[9]
    say(workspace, sample, 9, EditKind.LABEL, sample.classes[1])
    state = labels_at(workspace, sample)
    assert not state.proposed
    assert not state.excluded[9]


@pytest.mark.parametrize("name", ["", "   ", None, "x" * 101, "a\x00b", "Coat"])
def test_a_proposal_needs_a_name_that_is_new(workspace: Workspace, sample: Dataset, name: str | None) -> None:
    with pytest.raises(BadInput):
        say(workspace, sample, 9, EditKind.PROPOSE, name)


def test_doubts_and_proposals_are_no_votes_and_no_part_of_a_patch(
    workspace: Workspace, sample: Dataset
) -> None:
    say(workspace, sample, 1, EditKind.UNSURE)
    say(workspace, sample, 2, EditKind.PROPOSE, "Glove")
    journal = LabelJournal(workspace)
    assert not votes(journal.edits(sample.name)).of
    assert not export_patch(workspace, sample).lines
    revert_edits(workspace, sample, of_filter(EditFilter()), who="me")
    state = labels_at(workspace, sample)
    assert not state.unsure
    assert not state.proposed


def test_proposed_classes_become_a_data_set(workspace: Workspace, sample: Dataset) -> None:
    for position, name in ((1, "Glove"), (2, "glove"), (3, "Scarf")):
        say(workspace, sample, position, EditKind.PROPOSE, name)
    say(workspace, sample, 4, EditKind.LABEL, sample.classes[(int(sample.labels[4]) + 1) % 10])
    state = labels_at(workspace, sample)
    assert proposals(dict(state.proposed)) == [("Glove", 2), ("Scarf", 1)]
    shares: list[float] = []
    made = with_new_classes(workspace, sample, "more", shares.append)
    assert len(shares) > 1
    assert (shares, shares[-1] <= 1) == (sorted(shares), True)
    assert made.classes == (*sample.classes, "Glove", "Scarf")
    assert made.labels[[1, 2, 3]].tolist() == [10, 10, 11]
    assert made.labels[4] == state.labels[4]
    assert made.fingerprint != sample.fingerprint
    assert np.array_equal(made.images.read(5), sample.images.read(5))
    assert open_dataset(workspace, "more").info["made from"] == f"{sample.name}, label version 4"
    assert not labels_at(workspace, made).excluded.any()
    with pytest.raises(NameTaken):
        with_new_classes(workspace, sample, "more")


def test_where_an_image_has_several_labels_the_new_one_is_unknown_elsewhere(workspace: Workspace) -> None:
    labels = np.array([[1, 0], [np.nan, 1], [0, 0]], np.float32)
    dataset = write_array_dataset(
        workspace,
        "several",
        title="Several",
        task=Task.MULTI_LABEL,
        classes=("cat", "dog"),
        item_ids=np.array(["a", "b", "c"]),
        split=np.zeros(3, np.int8),
        labels=labels,
        images=np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8, 1),
    )
    say(workspace, dataset, 1, EditKind.PROPOSE, "bird")
    say(workspace, dataset, 2, EditKind.UNSURE)
    assert labels_at(workspace, dataset).unsure == (2,)
    made = with_new_classes(workspace, dataset, "birds")
    assert np.array_equal(made.labels[:, :2], labels, equal_nan=True)
    assert np.array_equal(made.labels[:, 2], np.array([np.nan, 1, np.nan], np.float32), equal_nan=True)


def test_without_a_proposal_there_is_nothing_to_make(workspace: Workspace, sample: Dataset) -> None:
    with pytest.raises(NotFound, match="No new class"):
        with_new_classes(workspace, sample, "more")


def test_a_class_that_came_to_be_is_no_proposal_any_more(workspace: Workspace, sample: Dataset) -> None:
    say(workspace, sample, 9, EditKind.PROPOSE, "Glove")
    state: LabelState = labels_at(workspace, replace(sample, classes=(*sample.classes, "Glove")))
    assert not state.proposed
    assert not state.excluded[9]


def test_on_the_command_line(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    run = CliRunner().invoke
    item = str(sample.item_ids[0])
    assert run(app, ["labels", "edit", "--item", item, "--mark", "unsure"]).exit_code == 0
    proposed = run(app, ["labels", "edit", "--item", item, "--label", "Glove", "--as", "propose"])
    assert proposed.exit_code == 0, proposed.stderr
    result = run(app, ["labels", "new-classes", "--name", "gloves", "--json"])
    assert json.loads(result.stdout)["added"] == {"Glove": 1}
