"""Sources as people really have them: odd, half right, or made to do harm."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import threading
import tracemalloc
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import Dataset, Task
from core.data.importer import ImportOptions, ImportResult, import_source, opened_source
from core.data.problems import ProblemLog
from core.data.readers import archives
from core.data.readers.base import Hints
from core.errors import BadInput, ImportRejected, NotFound, Offline, StorageFailed
from core.workspace import Workspace

ALL_TRAIN = ImportOptions(test_share=0)
NO_HINTS = Hints()
BOUNDS = archives.Bounds()


@pytest.fixture
def images(sample: Dataset) -> np.ndarray:
    """(20, 28, 28) real images."""
    return np.asarray(sample.images.resized(np.arange(20), 28, 28, 1))[:, :, :, 0]


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def kept(dataset: Dataset) -> np.ndarray:
    return np.asarray(dataset.images.resized(np.arange(len(dataset)), 28, 28, 1))[:, :, :, 0]


def rest(workspace: Workspace, source: Path, hints: Hints = NO_HINTS) -> ImportResult:
    """Refused at first, then imported without what is wrong."""
    with pytest.raises(ImportRejected):
        import_source(workspace, source, "refused", ImportOptions(hints))
    return import_source(workspace, source, "rest", ImportOptions(hints, test_share=0, skip_bad=True))


def csv_of(values: np.ndarray, labels: list[object], form: str = "%g") -> bytes:
    lines = [",".join([str(y), *(form % v for v in x.ravel())]) for x, y in zip(values, labels, strict=True)]
    return "\n".join(lines).encode()


def test_csv_fractions_are_scaled_alike_in_every_row(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    (tmp_path / "a.csv").write_bytes(csv_of(images / 255, [0, 1] * 10, "%.6f"))
    np.testing.assert_array_equal(kept(import_source(workspace, tmp_path / "a.csv", "a").dataset), images)
    dark = np.where(images > 0, 1.0, 0.0)
    dark[0] = images[0]
    (tmp_path / "b.csv").write_bytes(csv_of(dark, [0, 1] * 10, "%.1f"))
    dataset = import_source(workspace, tmp_path / "b.csv", "b").dataset
    np.testing.assert_array_equal(kept(dataset), dark)


def test_csv_labels_may_be_words_or_whole_fractions_but_not_missing(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    (tmp_path / "a.csv").write_bytes(csv_of(images[:3], ["coat", "bag", "coat"]))
    assert import_source(workspace, tmp_path / "a.csv", "a", ALL_TRAIN).dataset.classes == ("bag", "coat")
    (tmp_path / "b.csv").write_bytes(csv_of(images[:3], ["1.0", "0.0", "10.0"]))
    assert import_source(workspace, tmp_path / "b.csv", "b", ALL_TRAIN).dataset.classes == ("0", "1", "10")
    (tmp_path / "c.csv").write_bytes(csv_of(images[:3], ["1", "NA", "0"]))
    assert [p.row for p in rest(workspace, tmp_path / "c.csv").problems] == [2]


def test_csv_with_a_size_that_is_no_square(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    tall = images[:4, :, :20]
    (tmp_path / "a.csv").write_bytes(csv_of(tall, [0, 1, 0, 1]))
    with pytest.raises(BadInput):
        import_source(workspace, tmp_path / "a.csv", "a")
    dataset = import_source(
        workspace, tmp_path / "a.csv", "a", ImportOptions(Hints(shape=(28, 20)), test_share=0)
    ).dataset
    np.testing.assert_array_equal(dataset.images.read(3)[:, :, 0], tall[3])


def test_windows_line_ends_and_blank_lines(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    text = csv_of(images[:4], [0, 1, 0, 1], "%d").replace(b"\n", b"\r\n\r\n") + b"\r\n"
    (tmp_path / "a.csv").write_bytes(text)
    np.testing.assert_array_equal(
        kept(import_source(workspace, tmp_path / "a.csv", "a", ALL_TRAIN).dataset), images[:4]
    )


def test_labels_in_one_column_names_and_ids_from_the_same_npz(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    files = np.array([f"{i}.png" for i in range(20)])
    y = np.tile([0, 1], 10)[:, None]
    np.savez_compressed(
        tmp_path / "a.npz", images=images, labels=y, classes=np.array(["no", "yes"]), files=files
    )
    dataset = import_source(workspace, tmp_path / "a.npz", "a", ALL_TRAIN).dataset
    assert dataset.classes == ("no", "yes")
    assert dataset.labels.tolist() == y[:, 0].tolist()
    assert dataset.item_ids.tolist() == files.tolist()


def test_one_npy_takes_its_own_labels_only(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    np.save(tmp_path / "x_train.npy", images)
    np.save(tmp_path / "x_test.npy", images[:6])
    np.save(tmp_path / "y_test.npy", np.tile([0, 1], 3))
    np.save(tmp_path / "other.npy", np.array([{}], object), allow_pickle=True)
    dataset = import_source(workspace, tmp_path / "x_test.npy", "a").dataset
    assert (len(dataset), dataset.splits, dataset.labels.tolist()) == (6, ("test",), [0, 1] * 3)


def test_arrays_column_by_column_and_of_yes_and_no(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    np.savez(tmp_path / "a.npz", images=np.asfortranarray(images), labels=[0, 1] * 10)
    np.testing.assert_array_equal(
        kept(import_source(workspace, tmp_path / "a.npz", "a", ALL_TRAIN).dataset), images
    )
    np.savez(tmp_path / "b.npz", images=images > 100, labels=[0, 1] * 10)
    dataset = import_source(workspace, tmp_path / "b.npz", "b", ALL_TRAIN).dataset
    np.testing.assert_array_equal(kept(dataset), np.where(images > 100, 255, 0))


def test_arrays_of_several_labels(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    y = np.tile([[1, 1, 0], [0, np.nan, 1]], (10, 1)).astype(np.float32)
    y[3, 0] = 0.5
    np.savez(tmp_path / "a.npz", images=images, labels=y)
    result = rest(workspace, tmp_path / "a.npz")
    assert result.dataset.task is Task.MULTI_LABEL
    assert [p.row for p in result.problems] == [4]
    assert np.isnan(result.dataset.labels).sum() == 9


@pytest.mark.parametrize("bad", [np.nan, -1.0, 300.0])
def test_a_bad_value_in_an_array_names_the_image(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, bad: float
) -> None:
    values = images.astype(np.float32)
    values[7, 3, 3] = bad
    np.savez(tmp_path / "a.npz", images=values, labels=[0, 1] * 10)
    assert [p.row for p in rest(workspace, tmp_path / "a.npz").problems] == [8]


def test_a_cut_npy_keeps_what_is_whole(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    (tmp_path / "d").mkdir()
    np.save(tmp_path / "d" / "images.npy", images)
    np.save(tmp_path / "d" / "labels.npy", np.tile([0, 1], 10))
    path = tmp_path / "d" / "images.npy"
    path.write_bytes(path.read_bytes()[: -28 * 28 * 5 - 10])
    result = rest(workspace, tmp_path / "d")
    assert "ends after 14" in result.problems[0].what
    np.testing.assert_array_equal(kept(result.dataset), images[:14])


def test_an_npz_bomb_is_refused_unread(workspace: Workspace, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as made:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": (100_000, 28, 28)}
        )
        made.writestr("images.npy", header.getvalue() + bytes(100_000 * 784))
    with pytest.raises(BadInput, match="zip bomb"):
        import_source(workspace, tmp_path / "a.npz", "a")


def test_compressed_arrays_are_read_as_a_stream(workspace: Workspace, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 4, (15_000, 64, 64), np.uint8)
    np.savez_compressed(tmp_path / "a.npz", images=pixels, labels=np.arange(15_000) % 2)
    n_bytes = pixels.nbytes
    del pixels
    tracemalloc.start()
    dataset = import_source(workspace, tmp_path / "a.npz", "a").dataset
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(dataset) == 15_000
    assert peak < n_bytes / 2


def test_idx_with_wrong_first_bytes_or_absurd_sizes(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    path = tmp_path / "d" / "train-images-idx3-ubyte"
    path.parent.mkdir()
    path.write_bytes(struct.pack(">4B3I", 0, 0, 13, 3, *images.shape) + images.tobytes())
    with pytest.raises(BadInput, match="00 00 0d 03"):
        import_source(workspace, path.parent, "a")
    path.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 20, 2**31, 2**31) + images.tobytes())
    with pytest.raises(BadInput, match="2147483648"):
        import_source(workspace, path, "a")


def test_idx_images_without_a_label_are_left_out(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(
        struct.pack(">4B3I", 0, 0, 8, 3, *images.shape) + images.tobytes()
    )
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(
        struct.pack(">4BI", 0, 0, 8, 1, 16) + bytes([0, 1] * 8)
    )
    assert len(rest(workspace, tmp_path / "train-images-idx3-ubyte").dataset) == 16


def test_a_test_folder_without_classes_is_unlabelled(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    for i in range(8):
        save(tmp_path / "train" / f"class {9 + i % 2}" / f"{i}.png", images[i])
        save(tmp_path / "test" / f"{i}.png", images[i + 8])
    dataset = import_source(workspace, tmp_path, "a").dataset
    assert dataset.classes == ("class 9", "class 10")
    assert (dataset.labels[dataset.in_split("test")] == -1).all()
    assert len(dataset.in_split("test")) == 8


def test_a_class_may_be_called_train(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    for i, name in enumerate(("train", "car", "bus")):
        save(tmp_path / "d" / name / "1.png", images[i])
    dataset = import_source(workspace, tmp_path / "d", "a", ALL_TRAIN).dataset
    assert dataset.classes == ("bus", "car", "train")


def test_loose_images_and_names_that_are_no_text(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    for i in range(4):
        save(tmp_path / "d" / f"class {i % 2}" / f"{i}.png", images[i])
    save(tmp_path / "d" / "loose.png", images[5])
    target = str(tmp_path / "d" / "class 0").encode() + b"/caf\xe9.png"
    with open(target, "wb") as file:
        file.write((tmp_path / "d" / "loose.png").read_bytes())
    result = rest(workspace, tmp_path / "d")
    assert len(result.dataset) == 4
    assert sorted(p.what.split()[-1] for p in result.problems) == ["UTF-8.", "folder."]


def test_one_other_size_among_small_images_keeps_all_pixels(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    for i in range(10):
        save(tmp_path / "d" / f"class {i % 2}" / f"{i}.png", images[i])
    save(tmp_path / "d" / "class 1" / "z.png", images[11, :20])
    dataset = import_source(workspace, tmp_path / "d", "a", ALL_TRAIN).dataset
    for position, name in enumerate(dataset.item_ids.tolist()):
        wanted = images[11, :20] if name.endswith("z.png") else images[int(Path(name).stem)]
        np.testing.assert_array_equal(dataset.images.read(position)[:, :, 0], wanted)


def table_of(folder: Path, images: np.ndarray, content: bytes) -> Path:
    for i in range(4):
        save(folder / f"{i}.png", images[i])
    (folder / "labels.csv").write_bytes(content)
    return folder


def test_tables_with_semicolons_folds_and_ids_without_suffix(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    table = b"id;fold;label\r\n0;0;cat\r\n1;1;dog\r\n2;0;cat\r\n3;1;dog\r\n"
    dataset = import_source(workspace, table_of(tmp_path / "d", images, table), "a", ALL_TRAIN).dataset
    assert dataset.classes == ("cat", "dog")
    assert dataset.splits == ("train",)
    np.testing.assert_array_equal(kept(dataset), images[:4])


def test_a_table_of_windows_is_read_and_other_bytes_are_named(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    source = table_of(tmp_path / "d", images, b"file,label\n0.png,cat\n1.png,caf\xe9\n")
    assert import_source(workspace, source, "a", ALL_TRAIN).dataset.classes == ("caf\xe9", "cat")
    (source / "labels.csv").write_bytes(b"file,label\n0.png,cat\n1.png,caf\x81\n")
    with pytest.raises(BadInput, match=r"line 3 has the byte 0x81"):
        import_source(workspace, source, "b")


def test_packed_images_beside_a_table(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    source = table_of(tmp_path / "d", images, b"file,label\n0.png,a\n1.png,b\n2.png,a\n3.png,b\n")
    with zipfile.ZipFile(source / "pictures.zip", "w") as made:
        for path in sorted(source.glob("*.png")):
            made.write(path, f"pictures/{path.name}")
            path.unlink()
    for way, given, hints in (
        ("folder", source, Hints()),
        ("table", source / "labels.csv", Hints()),
        ("told", source / "labels.csv", Hints(image_folder=source / "pictures.zip")),
    ):
        dataset = import_source(workspace, given, way, ImportOptions(hints, test_share=0)).dataset
        np.testing.assert_array_equal(kept(dataset), images[:4])
        assert not (dataset.folder / "scratch").exists()


def test_an_empty_column_of_labels_is_a_class(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    source = table_of(tmp_path / "d", images, b"file,sky,sea\n0.png,1,0\n1.png,0,0\n2.png,1,NA\n3.png,1,0\n")
    result = import_source(workspace, source, "d")
    assert not result.problems
    assert result.dataset.classes == ("sky", "sea")


def test_nothing_usable_is_a_report_even_when_the_bad_is_left_out(
    workspace: Workspace, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / "d" / name).mkdir(parents=True)
        (tmp_path / "d" / name / "1.png").write_bytes(b"no image")
    with pytest.raises(ImportRejected) as caught:
        import_source(workspace, tmp_path / "d", "x", ImportOptions(skip_bad=True))
    assert caught.value.n_found == 2


def test_a_thousand_problems_are_listed_and_all_are_counted(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    lines = csv_of(np.repeat(images[:1, :4, :4], 3_000, axis=0), [0, 1] * 1_500, "%d").splitlines()
    lines[5:2_505] = [line + b",7" for line in lines[5:2_505]]
    (tmp_path / "a.csv").write_bytes(b"\n".join(lines))
    result = rest(workspace, tmp_path / "a.csv")
    assert (len(result.problems), result.n_problems, len(result.dataset)) == (1_000, 2_500, 500)


def test_shares_that_leave_nothing_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="leave nothing"):
        import_source(workspace, tmp_path, "a", ImportOptions(test_share=0.6, val_share=0.5))


def zip_of(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return path


def unpacked(archive: Path, folder: Path, bounds: archives.Bounds = BOUNDS) -> list[str]:
    """What was noted; ``folder`` has what came out."""
    folder.mkdir()
    log = ProblemLog()
    archives.unpack(archive, folder, log, bounds)
    return [problem.what for problem in log.listed]


def test_many_small_bombs_are_one_bomb(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {f"{i}.png": bytes(1 << 20) for i in range(80)})
    said = unpacked(archive, tmp_path / "out", archives.Bounds(ratio_from_bytes=1 << 17))
    assert "zip bomb" in said[-1]
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) < 40 << 20


def test_bounds_on_number_and_size(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {f"{i}.png": bytes(range(200)) for i in range(20)})
    assert "more than 10 files" in unpacked(archive, tmp_path / "n", archives.Bounds(n_files=10))[0]
    assert "GiB" in unpacked(archive, tmp_path / "s", archives.Bounds(total_bytes=1_000))[0]
    assert len(list((tmp_path / "n").iterdir())) == 10


def test_one_damaged_member_does_not_cost_the_others(tmp_path: Path) -> None:
    archive = zip_of(
        tmp_path / "a.zip", {"1.png": b"first " * 50, "2.png": b"second " * 50}, zipfile.ZIP_STORED
    )
    archive.write_bytes(archive.read_bytes().replace(b"first first", b"FIRST first"))
    said = unpacked(archive, tmp_path / "out")
    assert len(said) == 1
    assert "1.png cannot be unpacked" in said[0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["2.png"]


def test_what_macos_adds_is_passed_over(tmp_path: Path) -> None:
    names = ["top/1.png", "__MACOSX/top/._1.png", "top/.DS_Store", "top/._1.png"]
    assert unpacked(zip_of(tmp_path / "a.zip", dict.fromkeys(names, b"x")), tmp_path / "out") == []
    assert [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()] == ["1.png"]


@pytest.mark.parametrize("name", ["/etc/tidyset", "../../out", "a/../../../out", "C:/../../../out"])
def test_paths_out_of_the_folder(tmp_path: Path, name: str) -> None:
    said = unpacked(zip_of(tmp_path / "a.zip", {name: b"x", "in.png": b"y"}), tmp_path / "out")
    assert len(said) == 1
    assert "leads out" in said[0]
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["a.zip", "in.png"]


def test_an_archive_is_known_by_its_content(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    content = io.BytesIO()
    Image.fromarray(images[0]).save(content, "PNG")
    path = zip_of(tmp_path / "upload.bin", {"a/1.png": content.getvalue(), "b/1.png": content.getvalue()})
    assert import_source(workspace, path, "a", ALL_TRAIN).dataset.classes == ("a", "b")
    (tmp_path / "not.tar.gz").write_bytes(gzip.compress(csv_of(images[:4], [0, 1, 0, 1], "%d")))
    assert len(import_source(workspace, tmp_path / "not.tar.gz", "b").dataset) == 4
    (tmp_path / "a.csv.bz2").write_bytes(bz2.compress(b"1,2,3"))
    with pytest.raises(BadInput, match="no format"):
        import_source(workspace, tmp_path / "a.csv.bz2", "c")


@pytest.fixture
def hub() -> Iterator[str]:
    """A hub that knows nothing."""

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_name_that_the_hub_lacks_and_a_hub_out_of_reach(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, hub: str
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", hub)
    with pytest.raises(NotFound, match="hub shows no data set"):
        import_source(workspace, "nobody/no-such-data", "a")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Offline, match="local folder or parquet"):
        import_source(workspace, "nobody/no-such-data", "a")


def numbered_csv(path: Path, labels: list[str]) -> Path:
    rows = [",".join([label, *["7"] * 16]) for label in labels]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_word_among_numbers_is_a_slip_and_no_class(workspace: Workspace, tmp_path: Path) -> None:
    labels = [str(i % 4) for i in range(300)]
    labels[41] = "cat-ish"
    source = numbered_csv(tmp_path / "pixels.csv", labels)
    with pytest.raises(ImportRejected) as caught:
        import_source(workspace, source, "slip")
    assert "'cat-ish', where nearly all others are numbers" in str(caught.value)
    assert "42" in str(caught.value)
    done = import_source(workspace, source, "slip", ImportOptions(skip_bad=True))
    assert done.dataset.classes == ("0", "1", "2", "3")
    assert done.dataset.labels[41] == -1
    assert done.n_problems == 1


def test_words_beside_numbers_are_classes_where_there_are_many(workspace: Workspace, tmp_path: Path) -> None:
    labels = [str(i % 10) for i in range(200)] + ["A"] * 20 + ["b"] * 20
    done = import_source(workspace, numbered_csv(tmp_path / "pixels.csv", labels), "characters")
    assert done.dataset.classes == (*map(str, range(10)), "A", "b")


def test_no_room_to_unpack_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageFailed, match="could not be written"),
        opened_source("anything.zip", Hints(), ProblemLog(), scratch=tmp_path / "gone"),
    ):
        pass


def test_how_images_were_reduced_is_said_and_counted(workspace: Workspace, tmp_path: Path) -> None:
    for k in range(3):
        path = tmp_path / "d" / "ab"[k % 2] / f"{k}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        pages = [Image.fromarray(np.full((20, 30), 9_000 * k + page, np.uint16)) for page in (0, 1)]
        pages[0].save(path, save_all=True, append_images=pages[1 : 1 + k])
    result = import_source(workspace, tmp_path / "d", "d")
    assert result.plan.warnings[-2:] == (
        "3 images: 16 bits per channel scaled to 8.",
        "2 images: only the first page of several used.",
    )
