"""The clock is put back by an hour, or a year: nothing changes its order, and no age or state is nonsense."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from core.data.dataset import Dataset
from core.data.uploads import check_room, folder
from core.labels.journal import EditFilter, EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.quality.effort import effort
from core.runs.curves import curves
from core.runs.estimate import estimate
from core.runs.recipe import PRESETS
from core.runs.store import RunState, create_run, list_runs, status
from core.workspace import Workspace
from dashboard.wording import ago

HOUR, YEAR = 3_600.0, 365 * 86_400.0


@pytest.fixture(params=[HOUR, YEAR], ids=["an hour", "a year"])
def put_back(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Puts the clock of this process back."""
    clock = time.time

    def put() -> None:
        monkeypatch.setattr(time, "time", lambda: clock() - request.param)

    return put


def test_events_keep_the_order_in_which_they_were_written(
    workspace: Workspace, sample: Dataset, put_back: Callable[[], None]
) -> None:
    run = create_run(workspace, sample, PRESETS["fast"])
    run.events.append("started", epochs=2)
    run.events.append("epoch", epoch=0, train_loss=1.0, seconds=2.0, share=0.5)
    put_back()
    run.events.append("epoch", epoch=1, train_loss=0.5, seconds=2.0, share=1.0)
    assert status(run).state is RunState.LOST  # nobody holds it
    assert [epoch["epoch"] for epoch in status(run).epochs] == [0, 1]
    run.events.append("finished", seconds=4.0, test_accuracy=0.5)
    assert status(run).state is RunState.FINISHED
    assert curves(run)["train_loss"] == [(1.0, 1.0), (2.0, 0.5)]
    found = estimate(PRESETS["fast"], 6_000, (28, 28, 1), [run], fingerprint=sample.fingerprint)
    assert found is None or found.seconds >= 0


def test_the_newest_run_stays_the_newest_and_no_age_is_negative(
    workspace: Workspace, sample: Dataset, put_back: Callable[[], None], request: pytest.FixtureRequest
) -> None:
    before = create_run(workspace, sample, PRESETS["fast"])
    put_back()
    later = [create_run(workspace, sample, PRESETS["fast"]) for _ in range(2)]
    names = [run.name for run in list_runs(workspace)]
    if "hour" in request.node.name:
        assert names == [later[1].name, later[0].name, before.name]
    else:  # the clock was wrong for long: that run alone stands in the future
        assert names == [before.name, later[1].name, later[0].name]
    assert ago(before.created) == "just now"
    assert status(before).state is RunState.LOST  # launched by nobody, and not starting for a year


def test_edits_are_numbered_undone_and_filtered_as_they_were_made(
    workspace: Workspace, sample: Dataset, put_back: Callable[[], None]
) -> None:
    journal, ids = LabelJournal(workspace), [str(one) for one in sample.item_ids[:4]]
    journal.append(sample, [NewEdit(one, EditKind.EXCLUDE, who="ann") for one in ids[:2]])
    put_back()
    journal.append(sample, [NewEdit(one, EditKind.EXCLUDE, who="ann") for one in ids[2:]])
    found = journal.edits(sample.name)
    assert [(edit.number, edit.item_id) for edit in found] == list(enumerate(ids, 1))
    assert journal.last_to_undo(sample.name).item_id == ids[3]
    journal.append(sample, [NewEdit("", EditKind.UNDO, undoes=4, who="ann")])
    assert journal.last_to_redo(sample.name).number == 5
    state = labels_at(workspace, sample)
    assert state.excluded.sum() == 3
    assert effort(journal.edits(sample.name)).minutes >= 0
    assert len(journal.edits(sample.name, chosen=EditFilter(until=found[0].at - 1))) == 3
    assert "just now" in {ago(edit.at) for edit in found}


def test_an_upload_of_later_than_now_is_neither_old_nor_in_the_way(
    workspace: Workspace, put_back: Callable[[], None]
) -> None:
    (folder(workspace) / "one").mkdir(parents=True)
    put_back()
    check_room(workspace, 10)
    assert (folder(workspace) / "one").exists()
