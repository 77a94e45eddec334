"""Deleting a data set from Home: its name typed first; what runs on it is respected, and so is the role."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.errors import Busy, NotAllowed
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.people.acting import acting_as
from core.people.roles import Person, Role
from core.runs.datasets import delete_unused
from core.runs.recipe import PRESETS
from core.runs.store import create_run, list_runs
from core.workspace import Workspace
from tests.tagged import tagged


def script() -> None:
    from core.data.catalog import open_dataset
    from core.workspace import current
    from dashboard.delete_dialog import open_delete

    if (current().datasets / "tagged").exists():
        open_delete(open_dataset(current(), "tagged"))


def test_a_data_set_is_deleted_once_its_name_was_typed(workspace: Workspace, sample: Dataset) -> None:
    tags = tagged(workspace, sample, 50)
    run = create_run(workspace, tags, PRESETS["fast"], name="r1")
    run.events.append("finished", seconds=1.0)
    edit = NewEdit(str(tags.item_ids[0]), EditKind.EXCLUDE)
    LabelJournal(workspace).append(tags, [edit])
    app = AppTest.from_function(script, default_timeout=60)
    app.query_params["data"] = tags.name
    app.run()
    assert any("1 run on it and 1 label edit" in caption.value for caption in app.caption)
    assert app.button(key="delete_dataset_now").disabled
    app.text_input(key="delete_typed").set_value(tags.name).run()
    app.button(key="delete_dataset_now").click().run()
    assert not app.exception
    assert not app.error
    assert "data" not in app.query_params, "the address does not ask for it any more"
    assert not tags.folder.exists()
    assert len(list_runs(workspace, dataset=tags.name)) == 1
    assert LabelJournal(workspace).version(tags.name) == 1


def test_what_is_in_use_or_not_allowed_stays(workspace: Workspace, sample: Dataset) -> None:
    with acting_as(Person("ann", Role.ANNOTATOR)), pytest.raises(NotAllowed):
        delete_unused(workspace, sample.name)
    create_run(workspace, sample, PRESETS["fast"], name="going")  # just made: its worker is awaited
    with pytest.raises(Busy, match="in use by 'going'"):
        delete_unused(workspace, sample.name)
    assert sample.folder.exists()
