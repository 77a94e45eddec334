"""The import dialog: uploads and paths, what they are recognised as, the report of a refused one."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data import uploads
from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.errors import NotAllowed
from core.runs import launch
from core.runs.store import RunState, list_runs
from core.workspace import Workspace
from dashboard.import_dialog import allowed, allowed_folders

HEAD = "label," + ",".join(f"pixel{k}" for k in range(784))


def script() -> None:
    from dashboard import import_dialog

    import_dialog.open_import()


@pytest.fixture
def dialog(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The dialog, on a server that allows every path."""
    monkeypatch.setenv("TIDYSET_IMPORT_PATHS", "/")
    test = AppTest.from_function(script, default_timeout=60).run()
    assert not test.exception
    return test


def rows_of(sample: Dataset, n: int) -> list[list[str]]:
    """The first n images as rows of a pixel CSV."""
    pixels = np.asarray(sample.images.pixels[:n]).reshape(n, -1)
    labels = sample.labels[:n]
    return [[str(label), *map(str, row)] for label, row in zip(labels.tolist(), pixels.tolist(), strict=True)]


def as_csv(rows: list[list[str]]) -> bytes:
    return "\n".join([HEAD, *(",".join(row) for row in rows)]).encode() + b"\n"


def upload(dialog: AppTest, name: str, content: bytes) -> None:
    dialog.file_uploader[0].upload(name, content).run()


def press(dialog: AppTest, label: str) -> None:
    next(button for button in dialog.button if button.label == label).click().run()


def do(dialog: AppTest, label: str, workspace: Workspace) -> RunState:
    """Press a button that starts an import, wait for its end, and look at the dialog again."""
    press(dialog, label)
    newest = list_runs(workspace, kind="import")[0]
    state = launch.wait(newest, timeout=60).state
    dialog.run()
    return state


def said(dialog: AppTest) -> str:
    return "\n".join(
        message.value for message in [*dialog.error, *dialog.warning, *dialog.success, *dialog.info]
    )


def test_it_first_names_the_formats(dialog: AppTest) -> None:
    assert any(caption.value.startswith("Known formats: ") for caption in dialog.caption)
    assert not any(button.label == "Import" for button in dialog.button)


def test_a_pixel_csv_is_recognised_imported_and_opened(
    dialog: AppTest, workspace: Workspace, sample: Dataset
) -> None:
    upload(dialog, "My Pixels.csv", as_csv(rows_of(sample, 60)))
    assert dialog.success[0].value == r"60 images, pixel CSV, 28 x 28\: one label per image, 10 classes."
    assert dialog.text_input[1].value == "my_pixels"
    assert do(dialog, "Import", workspace) is RunState.FINISHED
    assert "60 images are there: 47 train, 13 test." in said(dialog)
    made = open_dataset(workspace, "my_pixels")
    assert np.array_equal(made.labels, sample.labels[:60])
    assert not list(uploads.folder(workspace).iterdir()), "the upload is not kept twice"
    press(dialog, "Open it")
    assert dialog.session_state["data_next"] == "my_pixels"


def test_a_broken_file_is_reported_whole_and_its_sound_rows_can_be_had(
    dialog: AppTest, workspace: Workspace, sample: Dataset
) -> None:
    rows = rows_of(sample, 60)
    rows[4] = rows[4][:-3]
    rows[9][7] = "999"
    upload(dialog, "broken.csv", as_csv(rows))
    assert do(dialog, "Import", workspace) is RunState.FAILED
    assert "2 problems found; nothing was imported." in said(dialog)
    report = dialog.dataframe[0].value
    assert report["Row"].tolist() == [6, 11]
    assert "It has 782 columns, but 785 were expected." in report["Problem"][0]
    assert "999" in report["Problem"][1]
    assert do(dialog, "Leave these out and import the rest", workspace) is RunState.FINISHED
    assert "58 images are there: 45 train, 13 test." in said(dialog)
    assert "2 were left out." in said(dialog)
    assert len(open_dataset(workspace, "broken")) == 58


def test_a_file_of_no_known_format_is_refused_at_once(dialog: AppTest, workspace: Workspace) -> None:
    upload(dialog, "letter.csv", b"Dear Sir,\nplease find enclosed\n")
    assert "letter.csv is in no format that is known here." in said(dialog)
    assert list_runs(workspace, kind=None) == []


def test_a_name_that_is_taken_is_refused_and_another_is_proposed(
    dialog: AppTest, workspace: Workspace, sample: Dataset
) -> None:
    content = as_csv(rows_of(sample, 30))
    upload(dialog, "fashion-mnist-sample.csv", content)
    assert dialog.text_input[1].value == "fashion-mnist-sample-2"
    dialog.text_input[1].set_value("fashion-mnist-sample").run()
    press(dialog, "Import")
    assert "There is a data set 'fashion-mnist-sample' already." in said(dialog)
    assert list_runs(workspace, kind=None) == []


def test_a_path_of_the_server_stays_where_it_is(
    dialog: AppTest, workspace: Workspace, sample: Dataset, tmp_path: Path
) -> None:
    file = tmp_path / "arrays.npz"
    kept = io.BytesIO()
    np.savez(kept, images=np.asarray(sample.images.pixels[:40]), labels=sample.labels[:40])
    file.write_bytes(kept.getvalue())
    dialog.segmented_control[0].set_value("Path on this machine").run()
    dialog.text_input[0].set_value(str(file)).run()
    assert "40 images" in said(dialog)
    assert do(dialog, "Import", workspace) is RunState.FINISHED
    assert file.exists()
    assert len(open_dataset(workspace, "arrays")) == 40
    press(dialog, "Import something else")
    dialog.run()
    assert any(caption.value.startswith("Known formats: ") for caption in dialog.caption)


def test_paths_are_allowed_where_they_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    monkeypatch.setenv("TIDYSET_IMPORT_PATHS", str(inside))
    assert allowed(inside / "a.csv") == inside / "a.csv"
    for path in (outside / "a.csv", inside / ".." / "out" / "a.csv", inside / "link" / "a.csv"):
        with pytest.raises(NotAllowed, match="may not be imported from"):
            allowed(path)
    monkeypatch.setenv("TIDYSET_IMPORT_PATHS", "")
    assert allowed_folders() == []


def test_without_allowed_paths_only_uploads_are_offered(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDYSET_IMPORT_PATHS", "")
    test = AppTest.from_function(script, default_timeout=60).run()
    assert test.segmented_control[0].options == ["Upload", "Compose characters"]
    assert len(test.file_uploader) == 1


def test_only_uploads_are_forgotten_and_old_ones_in_time(workspace: Workspace, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    old, new = (uploads.folder(workspace) / name / "a.csv" for name in ("old", "new"))
    for file in (own, old, new):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    long_ago = time.time() - uploads.KEPT_SECONDS - 60
    os.utime(old.parent, (long_ago, long_ago))
    uploads.forget_old(workspace)
    assert not old.parent.exists()
    assert new.exists()
    uploads.forget(workspace, own)
    assert own.exists()
    uploads.forget(workspace, new)
    assert not new.parent.exists()
