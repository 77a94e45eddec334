"""Atomic writes, hashes and confinement: what everything on disk relies on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import DamagedFile, NotAllowed, StorageFailed
from core.files import (
    atomic_writer,
    begin_array,
    confined,
    digest,
    let_go,
    read_array,
    read_json,
    write_array,
    write_bytes,
    write_json,
)


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_bytes(path, b"old")

    def write_half() -> None:
        with atomic_writer(path) as file:
            file.write(b"half of the new")
            raise InterruptedError

    with pytest.raises(StorageFailed):
        write_half()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_team_can_read_what_is_written_unless_it_is_private(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "run.json", b"{}")
        write_bytes(tmp_path / "people", b"hashes", private=True)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"run.json": 0o640, "people": 0o600}


def test_an_array_is_written_block_by_block(tmp_path: Path) -> None:
    rows = np.arange(12, dtype=np.float16).reshape(6, 2)
    path = tmp_path / "rows.npy"
    with atomic_writer(path) as file:
        begin_array(file, "<f2", rows.shape)
        for start in range(0, 6, 4):
            file.write(rows[start : start + 4].tobytes())
    found = read_array(path)
    assert found.dtype == np.float16
    assert np.array_equal(found, rows)


def test_a_full_disk_is_said_and_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_bytes(path, b"old")
    script = f"""
import resource
from pathlib import Path
from core.errors import StorageFailed
from core.files import write_bytes
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(Path({str(path)!r}), b"x" * 100_000)
except StorageFailed as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert str(path) in said
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_writing_below_a_file_is_a_storage_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageFailed, match=r"file/below"):
        write_bytes(tmp_path / "file" / "below", b"x")


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe"])
def test_damaged_json_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "dataset.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"dataset\.json"):
        read_json(path)


def test_json_comes_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"class": "Übergröße", "n": 3})
    assert read_json(tmp_path / "a.json") == {"class": "Übergröße", "n": 3}


def test_arrays_come_back_and_objects_are_refused(tmp_path: Path) -> None:
    array = np.arange(12).reshape(3, 4)
    write_array(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), array)
    with pytest.raises(ValueError, match=r"[Oo]bject arrays"):
        write_array(tmp_path / "b.npy", np.array([{}], dtype=object))
    assert not (tmp_path / "b.npy").exists()


@pytest.mark.parametrize("keep_bytes", [0, 20, 130])
def test_a_truncated_array_names_the_file(tmp_path: Path, keep_bytes: int) -> None:
    path = tmp_path / "a.npy"
    write_array(path, np.arange(1000))
    path.write_bytes(path.read_bytes()[:keep_bytes])
    with pytest.raises(DamagedFile, match=r"a\.npy"):
        read_array(path)


def test_the_digest_tells_apart_what_differs() -> None:
    array = np.arange(6, dtype=np.int64)
    values = [
        digest(array),
        digest(array.reshape(2, 3)),
        digest(array.astype(np.int32)),
        digest(array + 1),
        digest(array, 1),
        digest("a", "b"),
        digest("ab"),
        digest({"a": 1}),
    ]
    assert len(set(values)) == len(values)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest(array[::2]) == digest(array[::2].copy())


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a/../.."])
def test_paths_stay_inside(tmp_path: Path, path: str) -> None:
    with pytest.raises(NotAllowed):
        confined(tmp_path / "root", path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with pytest.raises(NotAllowed):
        confined(tmp_path / "root", "link/x")
    assert confined(tmp_path / "root", "a/b") == (tmp_path / "root" / "a" / "b").resolve()


def test_a_mapped_file_can_be_read_after_it_was_let_go(tmp_path: Path) -> None:
    write_array(tmp_path / "a.npy", np.arange(1_000))
    mapped = read_array(tmp_path / "a.npy")
    for array in (mapped, mapped[3:], np.asarray(mapped), np.arange(3)):
        let_go(array)
    assert mapped.sum() == 499_500
