"""Archives as an attacker packs them, and names as careless tools write them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.importer import ImportOptions, import_source
from core.data.problems import ProblemLog
from core.data.readers import archives
from core.data.readers.tar_stream import MOST_HEADER_BYTES, Unpacked
from core.errors import TidysetError
from core.workspace import Workspace

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": lambda content: content,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}


def unpacked(archive: Path) -> tuple[list[str], dict[str, bytes]]:
    """What was noted, and the files that came out."""
    folder = archive.with_name(f"{archive.name}.out")
    folder.mkdir()
    log = ProblemLog()
    archives.unpack(archive, folder, log)
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return [problem.what for problem in log.listed], files


def picture(grey: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), grey, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def tar_of(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_tars_of_all_forms_come_out_whole(tmp_path: Path, ending: str, form: int) -> None:
    members = {"a/1.png": picture(1), "b/2.png": b"", "c/3.bin": bytes(range(256)) * 700}
    if form != tarfile.USTAR_FORMAT:
        members |= {f"{'long/' * 40}x.png": b"x", "\u00e9\u65e5/1.png": b"y"}
    path = tmp_path / f"x.{ending}"
    path.write_bytes(PACKERS[ending](tar_of(members, form)))
    assert archives.is_archive(path)
    assert unpacked(path) == ([], members)


def test_several_packed_streams_are_one_archive_and_a_cut_one_is_said(tmp_path: Path) -> None:
    content = tar_of({"a/1.png": picture(1), "b/2.png": bytes(range(256)) * 100})
    for name, pack in PACKERS.items():
        if name != "tar":
            path = tmp_path / f"two.{name}"
            path.write_bytes(pack(content[:5_000]) + pack(content[5_000:]))
            assert len(unpacked(path)[1]) == 2
            path.write_bytes(pack(content)[:-150])
            path = path.rename(tmp_path / f"cut.{name}")
            assert "cut short" in unpacked(path)[0][0]


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, b"x", b"g", b"X"])
def test_a_header_of_gigabytes_is_refused_before_it_is_read(
    workspace: Workspace, tmp_path: Path, kind: bytes
) -> None:
    head = tarfile.TarInfo("x")
    head.type, head.size = kind, 64 << 20
    path = tmp_path / "bomb.tar.bz2"
    path.write_bytes(bz2.compress(head.tobuf(tarfile.USTAR_FORMAT) + bytes(64 << 20)))
    tracemalloc.start()
    assert archives.is_archive(path)
    with pytest.raises(TidysetError, match="a header of 67,108,864 bytes"):
        import_source(workspace, path, "bomb")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    head.size = MOST_HEADER_BYTES + 1
    path.write_bytes(head.tobuf(tarfile.USTAR_FORMAT))
    assert len(unpacked(path)[0]) == 1


@pytest.mark.parametrize("name", ["__MACOSX/x", "._x", ".DS_Store", "x.png"])
def test_what_is_not_unpacked_counts_for_the_bounds_too(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.tar.bz2"
    path.write_bytes(bz2.compress(tar_of({name: bytes(100 << 20), "later.png": picture()})))
    said, files = unpacked(path)
    assert "zip bomb" in said[0]
    assert not files
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr(name, bytes(100 << 20))
    assert "zip bomb" in unpacked(tmp_path / "x.zip")[0][0]


def test_bytes_that_belong_to_no_member_are_counted(tmp_path: Path) -> None:
    head = tarfile.TarInfo("shared")
    head.type, head.size = tarfile.XGLTYPE, 1 << 20
    path = tmp_path / "x.tar.bz2"
    path.write_bytes(bz2.compress((head.tobuf(tarfile.USTAR_FORMAT) + bytes(1 << 20)) * 100))
    said, _ = unpacked(path)
    assert "zip bomb" in said[0]


def test_an_unpacker_hands_out_what_it_was_asked_for(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4_000
    for pack in PACKERS.values():
        stream = Unpacked(io.BytesIO(pack(content)), 1e9)
        assert b"".join(iter(lambda stream=stream: stream.read(999), b"")) == content  # type: ignore[misc]


def test_a_picture_with_a_zip_behind_it_is_a_picture(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped:
        zipped.writestr("a/1.png", picture())
    (tmp_path / "x.png").write_bytes(picture() + (tmp_path / "x.zip").read_bytes())
    assert not archives.is_archive(tmp_path / "x.png")
    assert archives.is_archive(tmp_path / "x.zip")


def test_a_list_of_members_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped:
        zipped.writestr("a/1.png", picture())
    content = bytearray((tmp_path / "x.zip").read_bytes())
    struct.pack_into("<L", content, len(content) - 10, 1 << 30)
    (tmp_path / "x.zip").write_bytes(content)
    assert "list of members" in unpacked(tmp_path / "x.zip")[0][0]


@pytest.mark.parametrize("pack", ["zip", "tar"])
def test_a_name_that_no_file_can_have_is_one_bad_row(tmp_path: Path, pack: str) -> None:
    members = {f"{'n' * 300}.png": picture(), "fine.png": picture()}
    path = tmp_path / f"x.{pack}"
    if pack == "tar":
        path.write_bytes(tar_of(members))
    else:
        with zipfile.ZipFile(path, "w") as zipped:
            for name, content in members.items():
                zipped.writestr(name, content)
    said, files = unpacked(path)
    assert len(said) == 1
    assert "cannot be the name of a file" in said[0]
    assert len(said[0]) < 200
    assert list(files) == ["fine.png"]


def zip_with(path: Path, names: list[bytes], *, extra: Callable[[bytes], bytes] = lambda name: b"") -> Path:
    """A zip whose names are these bytes, without the flag for UTF-8."""
    stand_ins = ["ABCDEF"[k] * len(name) for k, name in enumerate(names)]
    with zipfile.ZipFile(path, "w") as zipped:
        for stand_in, name in zip(stand_ins, names, strict=True):
            info = zipfile.ZipInfo(stand_in)
            info.extra = extra(name)
            zipped.writestr(info, picture())
    content = path.read_bytes()
    for stand_in, name in zip(stand_ins, names, strict=True):
        content = content.replace(stand_in.encode(), name)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "cp437", "cp1252"])
def test_names_of_a_zip_without_the_flag_are_read_in_the_encoding_that_fits(
    workspace: Workspace, tmp_path: Path, encoding: str
) -> None:
    names = ["caf\u00e9-0123456789/1.png", "\u00fcber-01234567890/2.png", "dog-012345678901234/3.png"]
    path = zip_with(tmp_path / "x.zip", [name.encode(encoding) for name in names])
    said, files = unpacked(path)
    assert (said, sorted(files)) == ([], sorted(names))
    dataset = import_source(workspace, path, "x", ImportOptions(test_share=0)).dataset
    assert sorted(dataset.classes) == sorted(name.partition("/")[0] for name in names)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("\u65e5\u672c\u8a9e-0123456789/1.png", "cp932"), ("caf\u00e9\u2502-0123/1.png", "cp437")],
)
def test_names_of_which_nobody_knows_the_encoding_are_refused(
    tmp_path: Path, text: str, encoding: str
) -> None:
    path = zip_with(tmp_path / "x.zip", [text.encode(encoding)])
    said, files = unpacked(path)
    assert "in an encoding that it does not name" in said[0]
    assert not files


def test_a_name_in_unicode_beside_the_old_one_counts(tmp_path: Path) -> None:
    right = "\u732b/1.png".encode()
    field = struct.pack("<HHBL", 0x7075, 5 + len(right), 1, 0) + right
    path = zip_with(
        tmp_path / "x.zip",
        ["\u732b-0123456789/1.png".encode("cp932"), b"dog-0123456789/2.png"],
        extra=lambda name: field,
    )
    assert sorted(unpacked(path)[1]) == ["dog-0123456789/2.png", "\u732b/1.png"]


def test_backslashes_of_old_windows_tools_part_folders(workspace: Workspace, tmp_path: Path) -> None:
    path = zip_with(tmp_path / "x.zip", [b"pets\\cat\\0123456789.png", b"pets\\dog\\9876543210.png"])
    assert import_source(workspace, path, "x", ImportOptions(test_share=0)).dataset.classes == ("cat", "dog")
    path = zip_with(tmp_path / "y.zip", [b"..\\..\\out-0123456789.png", b"dog\\9876543210000.png"])
    said, files = unpacked(path)
    assert "leads out" in said[0]
    assert list(files) == ["dog/9876543210000.png"]
