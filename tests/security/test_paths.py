"""Nothing leads out of the folder that it belongs to: names, archives, tables, links, addresses."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from core.data.catalog import delete_dataset, open_dataset
from core.data.dataset import Dataset
from core.data.importer import ImportOptions, import_source
from core.data.problems import ProblemLog
from core.data.readers import archives
from core.data.tags import add_tag
from core.embeddings.clip_models import find_model
from core.errors import BadInput, ImportRejected, NotAllowed, NotFound, TidysetError
from core.runs.presets import save_preset
from core.runs.store import create_run, find_run, rename_run
from core.workspace import Workspace
from dashboard.import_dialog import allowed

HOSTILE_NAMES = (
    "../out",
    "..",
    "/etc/passwd",
    "a/b",
    "a\\b",
    ".hidden",
    "",
    "a\0b",
    "x" * 65,
    "ä",
    "A",
    "-rf",
    "a b",
)


def picture() -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_such_name_names_anything(
    workspace: Workspace, sample: Dataset, name: str, tmp_path: Path
) -> None:
    run = create_run(workspace, sample, None, kind="import", name="fine")
    checkpoint = tmp_path / "weights.safetensors"
    checkpoint.write_bytes(b"any")
    tries: tuple[Callable[[], object], ...] = (
        lambda: open_dataset(workspace, name),
        lambda: delete_dataset(workspace, name),
        lambda: import_source(workspace, "fashion-mnist-sample", name),
        lambda: create_run(workspace, sample, None, kind="import", name=name),
        lambda: rename_run(workspace, run, name),
        lambda: find_run(workspace, name),
        lambda: find_model(workspace, name, checkpoint=checkpoint),
    )
    before = sorted(path for path in workspace.root.rglob("*"))
    for attempt in tries:
        with pytest.raises((BadInput, NotFound)):
            attempt()
    assert sorted(path for path in workspace.root.rglob("*")) == before


@pytest.mark.parametrize("name", ["../../out", "/etc/passwd", "..", "a\0b"])
def test_a_tag_may_have_any_name_and_its_file_stays_in_its_folder(
    workspace: Workspace, sample: Dataset, name: str
) -> None:
    add_tag(workspace, sample, name, [str(sample.item_ids[0])])
    (file,) = (workspace.root / "tags").rglob("*.json")
    assert file.parent == workspace.root / "tags" / sample.name


@pytest.mark.parametrize(
    "name",
    ["../out.png", "/out.png", "a/../../out.png", "..\\out.png", "C:\\out.png", "a\0.png", "a/" * 300 + "x"],
)
def test_a_zip_slip_stays_inside(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as zipped:
        zipped.writestr("fine/1.png", picture())
        info = zipfile.ZipInfo("placeholder")
        info.filename = name  # as an attacker writes it: zipfile itself would mend it
        zipped.writestr(info, b"out")
    (inside := tmp_path / "deep" / "inside").mkdir(parents=True)
    archives.unpack(tmp_path / "set.zip", inside, ProblemLog())
    escaped = {path for path in tmp_path.rglob("*") if path.is_file()} - set(inside.rglob("*"))
    assert escaped == {tmp_path / "set.zip"}
    assert not Path("/out.png").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_no_link_or_device_comes_out_of_a_tar_and_nothing_goes_through_one(
    tmp_path: Path, kind: bytes
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        link = tarfile.TarInfo("cat")
        link.type, link.linkname = kind, str(outside)
        tar.addfile(link)
        content = tarfile.TarInfo("cat/1.png")
        content.size = len(picture())
        tar.addfile(content, io.BytesIO(picture()))
    inside = tmp_path / "inside"
    inside.mkdir()
    log = ProblemLog()
    archives.unpack(tmp_path / "set.tar", inside, log)
    assert "link or a device" in log.listed[0].what
    assert not list(outside.iterdir())
    assert not [
        path for path in inside.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())
    ]


def test_links_in_a_folder_of_classes_are_not_followed_out_of_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    private, source = tmp_path / "private", tmp_path / "source"
    for folder in (private, source / "cat", source / "dog"):
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(picture())
    os.symlink(private, source / "secrets", target_is_directory=True)
    os.symlink(private / "1.png", source / "dog" / "2.png")
    with pytest.raises(ImportRejected) as refused:
        import_source(workspace, source, "linked")
    links = {problem.file for problem in refused.value.problems if "link" in problem.what}
    assert links == {"dog/2.png", "secrets"}
    kept = import_source(workspace, source, "kept", ImportOptions(skip_bad=True)).dataset
    assert sorted(map(str, kept.item_ids)) == ["cat/1.png", "dog/1.png"]


def test_a_table_may_not_name_a_file_outside(workspace: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "private.png").write_bytes(picture())
    (source / "1.png").write_bytes(picture())
    os.symlink(tmp_path / "private.png", source / "2.png")
    rows = ["1.png,a", "../private.png,b", f"{tmp_path}/private.png,c", "2.png,d"]
    (source / "labels.csv").write_text("\n".join(["file,label", *rows]))
    with pytest.raises(ImportRejected) as refused:
        import_source(workspace, source, "named")
    assert [problem.row for problem in refused.value.problems] == [3, 4, 5]


def test_only_named_folders_of_the_server_may_be_imported_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir()
    os.symlink("/etc", tmp_path / "open" / "link")
    monkeypatch.setenv("TIDYSET_IMPORT_PATHS", str(tmp_path / "open"))
    assert allowed(tmp_path / "open" / "set") == tmp_path / "open" / "set"
    for path in ("/etc/passwd", tmp_path / "open" / ".." / "shut", tmp_path / "open" / "link" / "passwd"):
        with pytest.raises(NotAllowed):
            allowed(Path(path))


@pytest.mark.parametrize(
    "path",
    [
        "sheets/../x/0.webp",
        "sheets/%2e%2e/x/0.webp",
        "image/..%2f..%2fetc/x/0.png",
        "image/fashion-mnist-sample/wrong/0.png",
        "image/fashion-mnist-sample/{fingerprint}/999999.png",
        "points/..%2f..%2flabels.bin",
        "company/fashion-mnist-sample/{fingerprint}/0.json?run=../../etc",
    ],
)
def test_no_address_of_ours_leads_to_a_file_or_a_traceback(
    workspace: Workspace, sample: Dataset, path: str
) -> None:
    from starlette.applications import Starlette

    from dashboard.routes import PREFIX, ROUTES

    client = TestClient(Starlette(routes=ROUTES), raise_server_exceptions=True)
    answer = client.get(f"{PREFIX}/{path.format(fingerprint=sample.fingerprint)}")
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert str(workspace.root) not in answer.text


def test_a_preset_stays_in_its_folder(workspace: Workspace) -> None:
    from core.runs.recipe import PRESETS

    for name in HOSTILE_NAMES:
        with pytest.raises(TidysetError):
            save_preset(workspace, name, PRESETS["fast"])
