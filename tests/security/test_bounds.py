"""What a person uploads is bounded: in size, in number, in pixels, and in what it grows to when unpacked."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import time
import tomllib
import zlib
from collections import namedtuple
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data import uploads
from core.data.images import decode
from core.data.importer import import_source
from core.data.problems import ProblemLog
from core.data.readers import hugging_face, idx, tables
from core.data.readers.base import Hints
from core.errors import BadInput, DamagedFile, ImportRejected
from core.files import read_limited
from core.labels import answers, patch
from core.runs.recipe import load_recipe
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


def test_the_servers_own_limits_are_set() -> None:
    server = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["server"]
    assert server["maxUploadSize"] <= 1024
    assert server["enableXsrfProtection"]
    assert server["enableCORS"]
    assert server["address"] == "localhost"


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1_000)))
    )
    with pytest.raises(DamagedFile, match=r"bomb\.png.*3600000000 pixels"):
        decode(bomb)


def test_a_gzipped_csv_that_grows_beyond_belief_is_cut_off(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idx, "_SMALL", 1 << 20)
    row = b"0," + b",".join([b"0"] * 784) + b"\n"
    with gzip.open(tmp_path / "rows.csv.gz", "wb", compresslevel=9) as file:
        file.write(row * 20_000)  # 31 MB from 0.03 MB
    with pytest.raises(ImportRejected, match=r"rows\.csv\.gz, row \d+: .*zip bomb"):
        import_source(workspace, tmp_path / "rows.csv.gz", "bomb")
    assert not list(workspace.datasets.glob("[!.]*"))


def test_gzipped_labels_that_never_end_are_not_read_to_the_end(tmp_path: Path) -> None:
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte.gz"
    images.write_bytes(struct.pack(">IIII", 0x803, 2, 4, 4) + bytes(32))
    with gzip.open(labels, "wb", compresslevel=9) as file:
        file.write(struct.pack(">II", 0x801, 2) + bytes(2 << 20))
    log = ProblemLog()
    recognised = idx.recognise(tmp_path, Hints())
    assert recognised is not None
    assert len(list(recognised.records(log))) == 2
    assert "announces 2 labels and holds 3" in str(log.listed[0])


def test_parquet_that_grows_beyond_belief_is_refused_unread(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hugging_face, "_BOMB_BYTES", 1 << 20)
    content = pa.array([bytes(1 << 20)] * 9, pa.binary())
    table = pa.table({"image": content, "label": pa.array([0] * 9)})
    pq.write_table(table, tmp_path / "bomb.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(BadInput, match=r"bomb\.parquet grows .*-fold"):
        import_source(workspace, tmp_path / "bomb.parquet", "bomb")


def sparse(path: Path, n_bytes: int) -> Path:
    """A file that says it has so many bytes and takes no space."""
    with path.open("wb") as file:
        file.truncate(n_bytes)
    return path


def test_a_file_that_is_read_as_a_whole_may_not_be_huge(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_limited(sparse(tmp_path / "small", 10), 10) == bytes(10)
    with pytest.raises(BadInput, match=r"large has more than 10 bytes"):
        read_limited(sparse(tmp_path / "large", 11), 10)
    with pytest.raises(BadInput, match=r"huge\.toml has more than"):
        load_recipe(sparse(tmp_path / "huge.toml", 2 << 20))
    for module, name, read in (
        (tables, "LARGEST_TABLE", tables.read_table),
        (answers, "LARGEST", answers.read_answers),
        (patch, "LARGEST", patch.read_patch),
    ):
        assert getattr(module, name) <= 1 << 30
        monkeypatch.setattr(module, name, 1_000)
        with pytest.raises(BadInput, match=r"table\.csv has more than 1,000 bytes"):
            read(sparse(tmp_path / "table.csv", 1_001))


def test_uploads_are_bounded_in_number_and_by_the_free_space(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(uploads.MOST_UPLOADS):
        (uploads.folder(workspace) / str(number)).mkdir(parents=True)
    with pytest.raises(BadInput, match="uploads are waiting"):
        uploads.check_room(workspace, 10)
    old = uploads.folder(workspace) / "7"
    os.utime(old, (time.time() - 7_200,) * 2)
    uploads.check_room(workspace, 10)
    assert not old.exists()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 50, 50))
    with pytest.raises(BadInput, match="50 are free"):
        uploads.check_room(workspace, 26)


def test_an_npz_of_one_huge_member_is_refused_unread(workspace: Workspace, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((2_000, 224, 224), np.uint8))
    with pytest.raises(BadInput, match=r"bomb\.npz:x\.npy grows .*-fold"):
        import_source(workspace, tmp_path / "bomb.npz", "bomb")
