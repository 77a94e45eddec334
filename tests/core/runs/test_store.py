"""Run folders: what they keep, what state they are in, and what damage to one does to the others."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace

import pytest

from core.data.dataset import LABEL_GROUPS, Dataset
from core.errors import BadInput, Busy, NameTaken, NotFound
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.runs import launch
from core.runs.recipe import PRESETS, Recipe, make_recipe
from core.runs.store import (
    Run,
    RunState,
    create_run,
    damaged_runs,
    delete_run,
    find_run,
    history,
    list_runs,
    load_run,
    rename_run,
    set_notes,
    status,
)
from core.workspace import Workspace
from tests.tagged import tagged


@pytest.fixture
def run(workspace: Workspace, sample: Dataset) -> Run:
    edits = [NewEdit(str(item), EditKind.CONFIRM) for item in sample.item_ids[:3]]
    LabelJournal(workspace).append(sample, edits)
    return create_run(workspace, sample, PRESETS["fast"], name="first", label_version=3, parent="p")


def test_a_run_is_what_was_asked_for(workspace: Workspace, sample: Dataset, run: Run) -> None:
    kept = load_run(run.folder)
    assert kept == run
    assert (kept.name, kept.kind, kept.dataset, kept.fingerprint) == (
        "first",
        "train",
        sample.name,
        sample.fingerprint,
    )
    assert (kept.label_version, kept.parent, kept.job["image_shape"]) == (3, "p", [28, 28, 1])
    assert kept.recipe == PRESETS["fast"]


def test_names_are_made_up_and_unique(workspace: Workspace, sample: Dataset) -> None:
    names = [create_run(workspace, sample, PRESETS["fast"]).name for _ in range(2)]
    assert names == ["fast-1", "fast-2"]
    changed = PRESETS["fast"].with_changes({"epochs": 7})
    assert create_run(workspace, sample, changed).name == "plain-cnn-1"
    with pytest.raises(NameTaken, match="'fast-1' already"):
        create_run(workspace, sample, PRESETS["fast"], name="fast-1")
    with pytest.raises(BadInput):
        create_run(workspace, sample, PRESETS["fast"], name="../out")
    assert len(list_runs(workspace)) == 3


def test_lists_are_newest_first_and_of_one_kind(workspace: Workspace, sample: Dataset) -> None:
    made = [create_run(workspace, sample, PRESETS["fast"]) for _ in range(3)]
    other = create_run(workspace, None, None, kind="import", job={"source": "x"})
    assert [run.id for run in list_runs(workspace)] == [run.id for run in reversed(made)]
    assert [run.id for run in list_runs(workspace, kind="import")] == [other.id]
    assert len(list_runs(workspace, kind=None)) == 4
    assert list_runs(workspace, dataset="another") == []


def test_a_run_is_found_by_name_or_id(workspace: Workspace, run: Run) -> None:
    assert find_run(workspace, "first") == find_run(workspace, run.id) == run
    with pytest.raises(NotFound, match="The newest are: first"):
        find_run(workspace, "second")


def test_a_run_folder_can_be_copied(workspace: Workspace, run: Run) -> None:
    shutil.copytree(run.folder, workspace.runs / "copied")
    assert {one.id for one in list_runs(workspace)} == {run.id, "copied"}
    assert find_run(workspace, "copied").recipe == run.recipe


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"name": "x"}', '{"name": "x", "kind": "train", "created": "y"}']
)
def test_damage_to_one_does_not_hide_the_others(workspace: Workspace, run: Run, damage: str) -> None:
    bad = workspace.runs / "bad"
    bad.mkdir()
    (bad / "run.json").write_text(damage)
    assert list_runs(workspace) == [run]
    ((folder, reason),) = damaged_runs(workspace)
    assert folder == bad
    assert "run.json" in reason


def test_what_was_being_prepared_is_no_news_once_it_is_done(run: Run) -> None:
    run.events.append("note", text="Scaling 146 images to 28 x 28, once.", passing=True)
    run.events.append("note", text="There are no validation images.")
    assert len(status(run).notes) == 2
    run.events.append("epoch", epoch=0, train_loss=1.0)
    assert status(run).notes == ("There are no validation images.",)


def test_a_run_is_called_what_reads_its_images_and_captions(workspace: Workspace, sample: Dataset) -> None:
    names, captioned = {}, tagged(workspace, sample, captions=True)
    for inputs in ("image", "caption", "both"):
        recipe = make_recipe({"inputs": inputs})
        names[inputs] = create_run(workspace, captioned, recipe).job["network"]
    assert names == {
        "image": "plain-cnn",
        "caption": "gated-words on captions",
        "both": "plain-cnn + gated-words on captions",
    }


def test_renaming_and_notes_are_kept(workspace: Workspace, sample: Dataset, run: Run) -> None:
    other = create_run(workspace, sample, PRESETS["fast"])
    with pytest.raises(NameTaken):
        rename_run(workspace, run, other.name)
    renamed = rename_run(workspace, run, "better")
    set_notes(renamed, "warm-up <b>helped</b>\n二")
    kept = find_run(workspace, "better")
    assert (kept.id, kept.notes) == (run.id, "warm-up <b>helped</b>\n二")
    assert rename_run(workspace, kept, "better") == kept, "its own name is not taken"


def test_states_follow_from_the_log(run: Run) -> None:
    assert status(run).state is RunState.STARTING
    run.events.append("started", epochs=2)
    assert status(run).state is RunState.LOST, "no worker holds it"
    with launch.held(run):
        run.events.append("progress", epoch=0, share=0.25, seconds_left=9.0)
        now = status(run)
        assert (now.state, now.share, now.seconds_left) == (RunState.RUNNING, 0.25, 9.0)
        with pytest.raises(Busy, match="still going"):
            delete_run(run)
        run.events.append("epoch", epoch=0, share=0.5, seconds_left=5.0, valid_accuracy=0.5)
        assert status(run).progress is None
    assert status(run).state is RunState.LOST
    run.events.append("stopped", epoch=1)
    now = status(run)
    assert (now.state, now.share, now.seconds_left) == (RunState.STOPPED, 0.5, None)
    run.events.append("launched")
    assert status(run).state is RunState.STARTING
    run.events.append("started", epochs=2, resumed_from=1)
    run.events.append("epoch", epoch=0, share=0.5, valid_accuracy=0.6)
    run.events.append("finished", test_accuracy=0.9)
    now = status(run)
    assert (now.state, now.share, now.summary["test_accuracy"]) == (RunState.FINISHED, 1.0, 0.9)
    assert [epoch["valid_accuracy"] for epoch in now.epochs] == [0.6], "a repeated epoch counts once"


def test_a_launch_that_never_began_is_lost(run: Run) -> None:
    about = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps({**about, "created": time.time() - 3600}))
    assert status(load_run(run.folder)).state is RunState.LOST


def test_a_failure_and_a_crash_say_why(run: Run) -> None:
    run.events.append("failed", error="The loss became NaN. Lower the learning rate.")
    assert status(run).error == "The loss became NaN. Lower the learning rate."
    run.events.append("started", epochs=1)
    run.log_file.write_bytes(b"Epoch 1\nKilled \x1b[31m<out of memory>\n\n")
    error = status(run).error
    assert "its last line was: Killed  [31m<out of memory>." in error
    assert "Resume" in error


def test_only_what_was_added_is_read(run: Run) -> None:
    for epoch in range(3):
        run.events.append("epoch", epoch=epoch)
        assert len(history(run)) == epoch + 1
    run.events_file.write_bytes(b"")  # restored from a copy, say
    assert history(run) == []


def test_deleting_leaves_nothing(workspace: Workspace, run: Run) -> None:
    run.events.append("finished", test_accuracy=1.0)
    run.model_file.write_bytes(b"weights")
    delete_run(run)
    assert not run.folder.exists()
    assert list_runs(workspace) == []


def test_a_recipe_takes_the_groups_that_the_data_declares(workspace: Workspace, sample: Dataset) -> None:
    several = tagged(workspace, sample)
    grouped = replace(several, info={LABEL_GROUPS: "1+2"})
    assert create_run(workspace, grouped, Recipe()).recipe.groups == (1, 2)
    assert load_run(create_run(workspace, grouped, Recipe()).folder).recipe.label_groups == "1+2"
    assert create_run(workspace, grouped, Recipe(label_groups="2+1")).recipe.groups == (2, 1)
    assert create_run(workspace, grouped, Recipe(label_groups="none")).recipe.groups == ()
    assert create_run(workspace, several, Recipe()).recipe.groups == ()
    other = replace(several, info={LABEL_GROUPS: "10+26"})
    assert create_run(workspace, other, Recipe()).recipe.groups == (), "its classes were changed"
