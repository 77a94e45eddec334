"""Importing real images in every format, and the report on every way in which a source can be wrong."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import SPLITS, Dataset, Task
from core.data.importer import ImportOptions, import_source, recognise
from core.data.readers.base import Hints
from core.errors import BadInput, ImportRejected, NameTaken, NotFound
from core.workspace import Workspace

N = 60


@pytest.fixture
def images(sample: Dataset) -> np.ndarray:
    """(N, 28, 28) real images, six of each class."""
    rows = np.concatenate([np.flatnonzero(sample.labels == k)[: N // 10] for k in range(10)])
    return np.asarray(sample.images.resized(rows, 28, 28, 1))[:, :, :, 0]


@pytest.fixture
def labels() -> np.ndarray:
    return np.repeat(np.arange(10), N // 10)


def write_csv(path: Path, images: np.ndarray, labels: np.ndarray, *, header: bool = True) -> Path:
    rows = [",".join(map(str, [y, *x.ravel()])) for x, y in zip(images, labels, strict=True)]
    names = ",".join(["label", *(f"pixel{i + 1}" for i in range(images[0].size))])
    text = "\n".join(([names] if header else []) + rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def write_idx(folder: Path, stem: str, images: np.ndarray, labels: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    pixels = struct.pack(">4B3I", 0, 0, 8, 3, *images.shape) + images.tobytes()
    codes = struct.pack(">4BI", 0, 0, 8, 1, len(labels)) + labels.astype(np.uint8).tobytes()
    (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(pixels))
    (folder / f"{stem}-labels-idx1-ubyte").write_bytes(codes)


def write_class_folders(folder: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    for i, (x, y) in enumerate(zip(images, labels, strict=True)):
        target = folder / f"class-{y}" / f"{i:03d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(target)
    return folder


def same_pixels(dataset: Dataset, images: np.ndarray) -> bool:
    """Whether the data set holds just these images, in any order."""
    kept = np.asarray(dataset.images.resized(np.arange(len(dataset)), 28, 28, 1))[:, :, :, 0]
    return sorted(x.tobytes() for x in kept) == sorted(x.tobytes() for x in images)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.txt"])
@pytest.mark.parametrize("header", [True, False])
def test_pixel_csv(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray, name: str, header: bool
) -> None:
    path = write_csv(tmp_path / name, images, labels, header=header)
    result = import_source(workspace, path, "a")
    assert result.format == "pixel CSV, 28 x 28"
    assert same_pixels(result.dataset, images)
    np.testing.assert_array_equal(result.dataset.labels, labels)
    assert result.dataset.classes == tuple("0123456789")
    assert result.dataset.splits == ("train", "test")


def test_the_two_halves_of_a_csv_pair_are_its_splits(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    folder = tmp_path / "pair"
    folder.mkdir()
    write_csv(folder / "fashion-mnist_train.csv", images, labels)
    write_csv(folder / "fashion-mnist_test.csv", images[::6], labels[::6])
    dataset = import_source(workspace, folder, "a").dataset
    assert [len(dataset.in_split(s)) for s in ("train", "test")] == [60, 10]


def test_idx(workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    write_idx(tmp_path / "d", "train", images, labels)
    write_idx(tmp_path / "d", "t10k", images[::6], labels[::6])
    result = import_source(workspace, tmp_path / "d", "a")
    assert result.format == "idx, 28 x 28"
    assert [len(result.dataset.in_split(s)) for s in ("train", "test")] == [60, 10]
    assert same_pixels(result.dataset, np.concatenate([images, images[::6]]))


Arrays = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]
ARRAYS: dict[str, Arrays] = {
    "grey": lambda x, y: {"images": x, "labels": y},
    "flat": lambda x, y: {"x": x.reshape(len(x), -1), "y": y},
    "one-hot": lambda x, y: {"X": x, "Y": np.eye(10)[y]},
    "from 0 to 1": lambda x, y: {"images": (x / 255).astype(np.float32), "labels": y},
    "channel last": lambda x, y: {"images": x[..., None], "labels": y.astype(float)},
    "channel first": lambda x, y: {"images": x[:, None], "labels": y.astype(str)},
    "with splits": lambda x, y: {"x_train": x[::2], "y_train": y[::2], "x_test": x[1::2], "y_test": y[1::2]},
}


@pytest.mark.parametrize("form", ARRAYS)
@pytest.mark.parametrize("way", ["npz", "npy"])
def test_numpy_arrays(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray, form: str, way: str
) -> None:
    arrays = ARRAYS[form](images, labels)
    source = tmp_path / ("a.npz" if way == "npz" else "arrays")
    if way == "npz":
        np.savez(source, **arrays)
    else:
        source.mkdir()
        for name, array in arrays.items():
            np.save(source / f"{name}.npy", array)
    dataset = import_source(workspace, source, "a").dataset
    assert same_pixels(dataset, images)
    assert sorted(dataset.labels.tolist()) == sorted(labels.tolist())
    if form == "with splits":
        assert [len(dataset.in_split(s)) for s in ("train", "test")] == [30, 30]


def test_class_folders(workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    source = write_class_folders(tmp_path / "d", images, labels)
    result = import_source(workspace, source, "a")
    assert result.format == "a folder per class"
    assert result.dataset.classes == tuple(f"class-{k}" for k in range(10))
    assert same_pixels(result.dataset, images)
    assert result.dataset.images.uniform == (28, 28, 1)


def test_class_folders_below_split_folders(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    write_class_folders(tmp_path / "d" / "train", images, labels)
    write_class_folders(tmp_path / "d" / "valid", images[::6], labels[::6])
    dataset = import_source(workspace, tmp_path / "d", "a").dataset
    assert [len(dataset.in_split(s)) for s in SPLITS] == [60, 10, 0]


def test_images_of_several_sizes_stay_files(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    for i, side in enumerate((28, 28, 40, 28)):
        target = tmp_path / "d" / f"class-{i % 2}" / f"{i}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[i]).resize((side, side)).save(target)
    dataset = import_source(workspace, tmp_path / "d", "a", ImportOptions(test_share=0)).dataset
    assert dataset.images.uniform is None
    sizes = {name: dataset.images.read(i).shape for i, name in enumerate(dataset.item_ids.tolist())}
    assert sizes["class-0/2.png"] == (40, 40, 1)
    assert sizes["class-1/1.png"] == (28, 28, 1)


def test_arrays_of_large_images_become_files(workspace: Workspace, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    large = rng.integers(0, 256, (6, 100, 80, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=large, labels=np.array([0, 1] * 3))
    dataset = import_source(workspace, tmp_path / "a.npz", "a").dataset
    assert dataset.images.uniform is None
    np.testing.assert_array_equal(dataset.images.read(4), large[4])


def image_table(folder: Path, images: np.ndarray, table: str) -> Path:
    (folder / "images").mkdir(parents=True)
    for i in range(4):
        Image.fromarray(images[i]).save(folder / "images" / f"{i}.png")
    (folder / "labels.csv").write_text(table)
    return folder


def test_a_table_with_one_label(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    table = 'filename,label,split,caption\n0.png,cat,train,a cat\n1.png,dog,train,"a dog, brown"\n'
    table += "2.png,cat,test,x\nimages/3.png,,test,y\n"
    dataset = import_source(workspace, image_table(tmp_path / "d", images, table), "a").dataset
    assert dataset.classes == ("cat", "dog")
    assert dataset.labels.tolist() == [0, 1, 0, -1]
    assert dataset.captions == ("a cat", "a dog, brown", "x", "y")
    assert [len(dataset.in_split(s)) for s in ("train", "test")] == [2, 2]


def test_a_table_with_a_column_a_label(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    table = "image,sky,sea\n0.png,1,0\n1.png,NA,1\n2.png,0,\n3.png,1,1\n"
    source = image_table(tmp_path / "d", images, table)
    dataset = import_source(workspace, source, "a", ImportOptions(test_share=0)).dataset
    assert dataset.task is Task.MULTI_LABEL
    assert dataset.classes == ("sky", "sea")
    np.testing.assert_array_equal(dataset.labels, [[1, 0], [np.nan, 1], [0, np.nan], [1, 1]])


def test_a_table_with_lists_and_unescaped_quotes(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    table = 'ImageID,Labels,Caption\n0.png,1 10,"A shop called " The Bakery "."\n'
    table += '1.png,2,"Two lines,\nand a comma"\n2.png,1,"Plain."\n3.png,2 1,"The end"\n'
    source = image_table(tmp_path / "d", images, table)
    dataset = import_source(workspace, source, "a", ImportOptions(test_share=0)).dataset
    assert dataset.classes == ("1", "2", "10")
    np.testing.assert_array_equal(dataset.labels, [[1, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 0]])
    assert dataset.captions is not None
    assert dataset.captions[0] == 'A shop called " The Bakery ".'
    assert dataset.captions[1] == "Two lines, and a comma"


def png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def test_hugging_face_parquet(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {"label": {"names": [f"name {k}" for k in range(10)], "_type": "ClassLabel"}}
    rows = [{"bytes": png(x), "path": None} for x in images]
    table = pa.table({"image": rows, "label": labels.tolist()})
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    (tmp_path / "d").mkdir()
    pq.write_table(table.replace_schema_metadata(about), tmp_path / "d" / "train-00000-of-00001.parquet")
    dataset = import_source(workspace, tmp_path / "d", "a").dataset
    assert dataset.classes[3] == "name 3"
    assert same_pixels(dataset, images)
    assert dataset.splits == ("train",)


def test_hugging_face_folder(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    import datasets

    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=[f"name {k}" for k in range(10)])}
    )
    columns: dict[str, Any] = {"image": [Image.fromarray(x) for x in images], "label": labels.tolist()}
    made = datasets.Dataset.from_dict(columns, features=features)
    datasets.DatasetDict({"train": made, "test": made}).save_to_disk(str(tmp_path / "d"))
    dataset = import_source(workspace, tmp_path / "d", "a").dataset
    assert dataset.classes[3] == "name 3"
    assert same_pixels(dataset, np.concatenate([images, images]))
    assert [len(dataset.in_split(s)) for s in ("train", "test")] == [60, 60]


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_archives(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray, form: str
) -> None:
    write_class_folders(tmp_path / "in" / "top", images, labels)
    made = shutil.make_archive(str(tmp_path / "a"), {"zip": "zip", "tar.gz": "gztar"}[form], tmp_path / "in")
    assert same_pixels(import_source(workspace, made, "a").dataset, images)


def rejected(workspace: Workspace, source: Path, **options: Any) -> ImportRejected:
    with pytest.raises(ImportRejected) as caught:
        import_source(workspace, source, "bad", ImportOptions(**options))
    assert not any(path.name.endswith(".importing") for path in workspace.datasets.glob(".*"))
    assert not (workspace.datasets / "bad").exists()
    return caught.value


def test_every_bad_row_of_a_csv_is_named(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    path = write_csv(tmp_path / "a.csv", images, labels)
    lines = path.read_text().splitlines()
    lines[3] = ",".join(lines[3].split(",")[:-1])
    lines[5] = lines[5].replace(",0,", ",x,", 1)
    lines[7] = lines[7].replace(",0,", ",256,", 1)
    lines[9] = lines[9].replace(",0,", ",nan,", 1)
    lines[11] = "," + lines[11].partition(",")[2]
    lines[13] = "-4," + lines[13].partition(",")[2]
    path.write_text("\n".join(lines))
    error = rejected(workspace, path)
    assert [(p.file, p.row) for p in error.problems] == [("a.csv", row + 1) for row in (3, 5, 7, 9, 11, 13)]
    said = [p.what for p in error.problems]
    for word, what in zip(("784 columns", "'x'", "256", "nan", "missing", "-4"), said, strict=True):
        assert word in what
    result = import_source(workspace, path, "rest", ImportOptions(skip_bad=True))
    assert (len(result.dataset), result.n_problems) == (N - 6, 6)
    kept = json.loads((result.dataset.folder / "left_out.json").read_text())
    assert len(kept["problems"]) == 6


def test_labels_outside_the_classes_are_named(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    path = write_csv(tmp_path / "a.csv", images, labels)
    error = rejected(workspace, path, hints=Hints(classes=tuple("abcdefgh")))
    assert len(error.problems) == 12
    assert "none of the 8 classes" in error.problems[0].what


def test_an_empty_class_is_named(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    path = write_csv(tmp_path / "a.csv", images, labels)
    error = rejected(workspace, path, hints=Hints(classes=tuple("abcdefghijk")))
    assert [p.what for p in error.problems] == ["No image has the class 'k'."]
    source = write_class_folders(tmp_path / "d", images, labels)
    (source / "class-none").mkdir()
    assert [p.what for p in rejected(workspace, source).problems] == ["The class folder holds no image."]
    rest = import_source(workspace, source, "rest", ImportOptions(skip_bad=True))
    assert rest.n_problems == 1
    assert "class-none" not in rest.dataset.classes


def test_counts_that_do_not_match(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    write_idx(tmp_path / "d", "train", images, labels[:50])
    assert "50 labels for the 60 images" in str(rejected(workspace, tmp_path / "d"))
    np.savez(tmp_path / "a.npz", images=images, labels=labels[:50])
    assert "50 labels for the 60 images" in str(rejected(workspace, tmp_path / "a.npz"))


@pytest.mark.parametrize("n_bytes", [-100, 1_000])
def test_a_truncated_idx_file(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray, n_bytes: int
) -> None:
    write_idx(tmp_path / "d", "train", images, labels)
    path = tmp_path / "d" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:n_bytes])
    error = rejected(workspace, tmp_path / "d")
    assert error.problems[0].file == path.name
    assert "middle" in error.problems[0].what


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n broken"])
def test_a_corrupt_image_is_named(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray, content: bytes
) -> None:
    source = write_class_folders(tmp_path / "d", images, labels)
    (source / "class-3" / "bad.png").write_bytes(content)
    good = png(images[0])
    (source / "class-3" / "cut.png").write_bytes(good[: len(good) // 2])
    error = rejected(workspace, source)
    assert [p.file for p in error.problems] == ["class-3/bad.png", "class-3/cut.png"]
    result = import_source(workspace, source, "rest", ImportOptions(skip_bad=True))
    assert len(result.dataset) == N


def test_duplicate_ids_missing_images_and_paths_outside(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    Image.fromarray(images[0]).save(tmp_path / "secret.png")
    table = "filename,label\n0.png,a\n0.png,b\n9.png,a\n../secret.png,b\n1.png,b\n"
    error = rejected(workspace, image_table(tmp_path / "d", images, table))
    assert [p.row for p in error.problems] == [3, 4, 5]
    for word, problem in zip(("twice", "no image", "leads out"), error.problems, strict=True):
        assert word in problem.what


def test_a_link_out_of_the_folder_is_refused(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    source = write_class_folders(tmp_path / "d", images, labels)
    Image.fromarray(images[0]).save(tmp_path / "secret.png")
    os.symlink(tmp_path / "secret.png", source / "class-0" / "link.png")
    assert "link out of the folder" in str(rejected(workspace, source))


def test_pickled_arrays_are_never_opened(workspace: Workspace, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.array([{"run": "anything"}], dtype=object), allow_pickle=True)
    with pytest.raises(BadInput, match="pickled"):
        import_source(workspace, tmp_path / "images.npy", "bad")


def test_a_zip_bomb_and_a_path_out_of_a_zip(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/1.png", png(images[0]))
        made.writestr("b/2.png", png(images[1]))
        made.writestr("a/bomb.png", b"\0" * (30 << 20))
        made.writestr("../../evil.png", png(images[2]))
    error = rejected(workspace, path)
    assert "zip bomb" in error.problems[0].what
    assert "leads out" in error.problems[1].what
    assert not (tmp_path / "evil.png").exists()


def test_a_link_in_a_tar(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as made:
        for name, image in (("a/1.png", images[0]), ("b/2.png", images[1])):
            info = tarfile.TarInfo(name)
            info.size = len(png(image))
            made.addfile(info, io.BytesIO(png(image)))
        link = tarfile.TarInfo("a/3.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
    assert "link" in rejected(workspace, path).problems[0].what


def test_a_large_bomb_of_an_image_is_refused(
    workspace: Workspace, tmp_path: Path, images: np.ndarray
) -> None:
    source = write_class_folders(tmp_path / "d", images[:20], np.repeat([0, 1], 10))
    Image.new("1", (20_000, 10_000)).save(source / "class-0" / "huge.png")
    error = rejected(workspace, source)
    assert error.problems[0].file == "class-0/huge.png"


@pytest.mark.parametrize("content", [b"hello\nworld\n", b"\x00\x01\x02\x03" * 100, b"a,b\n1,2\n"])
def test_an_unknown_format_lists_the_known_ones(workspace: Workspace, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(BadInput, match="pixel CSV"):
        import_source(workspace, tmp_path / "a.bin", "bad")


def test_nothing_there_and_nothing_in_it(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        import_source(workspace, tmp_path / "no.csv", "bad")
    (tmp_path / "empty.csv").touch()
    with pytest.raises(BadInput, match="empty"):
        import_source(workspace, tmp_path / "empty.csv", "bad")


def test_a_taken_name_is_refused_before_reading(
    workspace: Workspace, sample: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(NameTaken):
        import_source(workspace, tmp_path / "not read", sample.name)


def test_splits_are_stratified_and_seeded(
    workspace: Workspace, tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    path = write_csv(tmp_path / "a.csv", images, labels)
    options = ImportOptions(test_share=1 / 3, val_share=1 / 4, seed=7)
    first = import_source(workspace, path, "a", options).dataset
    again = import_source(workspace, path, "b", options).dataset
    np.testing.assert_array_equal(first.split, again.split)
    for split, each in (("train", 3), ("val", 1), ("test", 2)):
        np.testing.assert_array_equal(np.bincount(first.labels[first.in_split(split)]), [each] * 10)


def test_memory_does_not_grow_with_the_file(workspace: Workspace, tmp_path: Path, images: np.ndarray) -> None:
    line = ("1," + ",".join(map(str, images[0].ravel())) + "\n").encode()
    n_rows = (150 << 20) // len(line)
    with (tmp_path / "a.csv").open("wb") as file:
        for start in range(0, n_rows, 500):
            file.write(line * min(500, n_rows - start))
    peaks = []
    tracemalloc.start()
    dataset = import_source(workspace, tmp_path / "a.csv", "a", ImportOptions(test_share=0)).dataset
    peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert len(dataset) == n_rows
    assert peaks[0] < 160 << 20  # a block of 16 MB as 64-bit numbers, not the file's 57 million cells


def test_the_format_is_seen_from_the_content(tmp_path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    path = write_csv(tmp_path / "digits.data", images, labels)
    assert recognise(path).format == "pixel CSV, 28 x 28"


REAL = os.environ.get("TIDYSET_REAL_DATA")
needs_real_data = pytest.mark.skipif(
    REAL is None, reason="needs the real sets: name their folder in TIDYSET_REAL_DATA"
)


@needs_real_data
def test_the_set_with_unescaped_quotes_as_it_lies_there() -> None:
    assert REAL is not None
    table = recognise(Path(REAL) / "comp5329_a2" / "train.csv")
    assert table.n_items == 27_000
    assert len(table.classes) == 18


@needs_real_data
@pytest.mark.slow
def test_its_packed_photographs_are_found_beside_the_tables(workspace: Workspace) -> None:
    assert REAL is not None
    dataset = import_source(workspace, Path(REAL) / "comp5329_a2", "photographs").dataset
    assert [len(dataset.in_split(split)) for split in ("train", "test")] == [27_000, 1_500]
    assert dataset.captions is not None
    assert all(dataset.captions)
    assert not np.isnan(dataset.labels).any()


@needs_real_data
def test_the_set_with_missing_labels_as_it_lies_there(workspace: Workspace) -> None:
    assert REAL is not None
    source = Path(REAL) / "aimonk_multilabel" / "aimonk_972_short192_q80.zip"
    error = rejected(workspace, source)
    assert [p.row for p in error.problems] == [490, 625, 876]
    dataset = import_source(workspace, source, "rest", ImportOptions(skip_bad=True)).dataset
    assert len(dataset) == 972
    assert dataset.task is Task.MULTI_LABEL
