"""Every reader of Tidyset, each with small sound files to spoil and one way to read them.

A reader here is a function of a path and an empty folder to work in. What it may do with a spoiled file is to
read it all the same, or to raise a TidysetError that says where, what, and what to do.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.torch import save

from core.cache import cache_path, cached_arrays, cached_json
from core.data.dataset import Dataset, is_labelled, load_dataset
from core.data.images import decode
from core.data.importer import ImportOptions, import_source
from core.data.readers.base import Hints
from core.data.tags import add_tag, damaged_tags, tags_of
from core.data.thumbnails import sheet_bytes
from core.database.engine import forget_engines
from core.embeddings.clip_models import check_config
from core.embeddings.maps import QUALITY, MapQuality, load_quality
from core.embeddings.prompts import read_prompts
from core.errors import TidysetError
from core.evaluation.crossval import read_crossval, summarise
from core.evaluation.nearest import nearest_training_items
from core.evaluation.predictions import Predictions, load_predictions, save_predictions
from core.evaluation.thresholds import Thresholds, load_thresholds, save_thresholds
from core.labels import outbox
from core.labels.answers import read_answers
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.patch import read_patch
from core.labels.versions import labels_at
from core.models.saved import ModelCard, build, load_card, load_model, save_model
from core.models.weights import read_weights
from core.quality.evidence import load_evidence
from core.quality.looks import looks_at
from core.runs.curves import curves
from core.runs.export import epochs_table
from core.runs.recipe import PRESETS, load_recipe
from core.runs.store import Run, load_run, status
from core.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from core.tuning.studies import best_so_far, front, load_importances, load_trials, plan_of, ranked
from core.workspace import Workspace

Read = Callable[[Path, Path], object]
SIDE, N = 8, 12
NAMES = (
    "pixel csv",
    "pixel csv with header",
    "gzipped csv",
    "table",
    "table of several labels",
    "table of lists",
    "picture",
    "jpeg",
    "gif",
    "tiff",
    "webp",
    "bmp",
    "idx images",
    "idx labels",
    "gzipped idx",
    "npy images",
    "npy labels",
    "npz",
    "pickle",
    "pickle of labels",
    "parquet",
    "arrow",
    "zip",
    "tar",
    "patch",
    "coco",
    "label studio",
    "cvat",
    "label table",
    "label parquet",
    "recipe",
    "prompts",
    "clip config",
    "checkpoint",
    "weights",
    "model",
    "predictions",
    "run.json",
    "stored dataset.json",
    "stored captions.json",
    "stored labels.npy",
    "stored item_ids.npy",
    "stored sizes.npy",
    "stored split.npy",
    "stored content_hashes.npy",
    "stored files.npy",
    "stored images.npy",
    "events",
    "trial",
    "study",
    "tag",
    "thresholds",
    "evidence",
    "map quality",
    "features",
    "whole model",
    "looks",
    "journal",
    "outbox",
    "sheet",
    "cached arrays",
    "cached value",
    "crossval",
)
"""Of ``readers``; kept apart so that tests are listed without making the files."""
FORGIVING = {"events", "trial", "tag", "looks", "sheet", "cached arrays", "cached value"}
"""Those that leave out what they cannot read, or make it again, instead of raising an error."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader with the sound file that is spoiled.

    Attributes:
        file: The name it has; its suffix can matter.
        sound: Its content.
        beside: Other files that lie beside it.
        is_text: Whether to spoil it by words rather than by bytes too.
    """

    read: Read
    file: str
    sound: bytes
    beside: Mapping[str, bytes]
    is_text: bool = False

    def run(self, content: bytes, folder: Path) -> object:
        """Put ``content`` in place of the file and read it. Raises what the reader raises."""
        source = folder / "source"
        source.mkdir()
        for name, other in {**self.beside, self.file: content}.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(other)
        return self.read(source / self.file, folder)


def explained(error: TidysetError) -> bool:
    """Whether an error says what is wrong and what to do."""
    return bool(error.problem.strip() and error.mend.strip()) and "Traceback" not in str(error)


def _import(path: Path, folder: Path, hints: Hints | None = None) -> Dataset:
    options = ImportOptions(hints or Hints(), skip_bad=False)
    try:
        return import_source(Workspace(folder / "workspace"), path, "spoiled", options).dataset
    finally:
        left = [one for one in (folder / "workspace" / "datasets").glob("*") if one.name != "spoiled"]
        assert not left, f"left behind: {left}"


def _import_folder(path: Path, folder: Path) -> Dataset:
    return _import(folder / "source", folder)


def pixels(n: int = N, side: int = SIDE) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(n, side, side) uint8, all different."""
    return np.random.default_rng(5).integers(0, 256, (n, side, side), np.uint8)


def png(image: np.ndarray[Any, Any], kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, kind)
    return content.getvalue()


def photograph() -> bytes:
    """A JPEG file that a camera held upright has made."""
    exif = Image.Exif()
    exif[0x0112] = 6
    content = io.BytesIO()
    Image.fromarray(pixels()[0]).save(content, "JPEG", exif=exif)
    return content.getvalue()


def deep() -> np.ndarray[Any, np.dtype[np.uint16]]:
    """(side, side) grey of 16 bits."""
    return pixels()[0].astype(np.uint16) * 257


def csv_text() -> bytes:
    """12 rows: a label 0 to 2, then 64 pixels."""
    return "".join(
        f"{i % 3},{','.join(map(str, image.ravel()))}\n" for i, image in enumerate(pixels())
    ).encode()


def idx_images() -> bytes:
    return struct.pack(">IIII", 0x803, N, SIDE, SIDE) + pixels().tobytes()


def idx_labels() -> bytes:
    return struct.pack(">II", 0x801, N) + bytes(i % 3 for i in range(N))


def npy(array: np.ndarray[Any, Any]) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()


def npz(**arrays: np.ndarray[Any, Any]) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


FIXES = b'item_id,label,exported,who\na,cat,dog,bo\nb,dog,dog,\n"c, d",cow,,ann\n'


def parquet(**columns: Any) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content)
    return content.getvalue()


def arrow(**columns: Any) -> bytes:
    content = io.BytesIO()
    table = pa.table(columns)
    with pa.ipc.new_file(content, table.schema) as writer:
        writer.write_table(table)
    return content.getvalue()


def pictures() -> dict[str, bytes]:
    """a0.png to a11.png."""
    return {f"a{i}.png": png(image) for i, image in enumerate(pixels())}


def table(header: str = "file,label,caption,split") -> bytes:
    rows = [
        f'a{i}.png,{"cat dog"[4 * (i % 2) :][:3]},"a photo, {i}",{["train", "test"][i % 2]}' for i in range(N)
    ]
    return "\n".join([header, *rows]).encode()


def zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for i, (name, picture) in enumerate(pictures().items()):
            file.writestr(f"set/class{i % 3}/{name}", picture)
    return content.getvalue()


def tarred() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as file:
        for i, (name, picture) in enumerate(pictures().items()):
            info = tarfile.TarInfo(f"set/class{i % 3}/{name}")
            info.size = len(picture)
            file.addfile(info, io.BytesIO(picture))
    return content.getvalue()


def patch() -> bytes:
    header = {
        "tidyset_patch": 1,
        "dataset": "clothes",
        "fingerprint": "0" * 32,
        "task": "single-label",
        "classes": ["cat", "dog"],
    }
    line = {
        "item": "a1",
        "image": "1" * 32,
        "kind": "label",
        "old": "cat",
        "new": "dog",
        "who": "anna",
        "when": "2026-01-02T03:04:05+00:00",
        "why": "",
        "evidence": {},
    }
    lines = [header, *({**line, "item": f"a{i}", "image": f"{i:032x}"} for i in range(4))]
    return "\n".join(json.dumps(one) for one in lines).encode() + b"\n"


def coco() -> bytes:
    return json.dumps(
        {
            "images": [{"id": i, "file_name": f"a{i}.png"} for i in range(3)],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "annotations": [
                {"id": 7, "image_id": 0, "category_id": 1},
                {"id": 8, "image_id": 2, "category_id": 2},
            ],
        }
    ).encode()


def label_studio() -> bytes:
    result = [{"type": "choices", "value": {"choices": ["cat"]}}]
    annotation = {"completed_by": 1, "result": result, "updated_at": "2026-01-02T03:04:05Z"}
    return json.dumps(
        [{"id": i, "data": {"image": f"/data/a{i}.png"}, "annotations": [annotation]} for i in range(3)]
    ).encode()


CARD = {
    "model": "plain-cnn",
    "width": 8,
    "classes": ["cat", "dog"],
    "channels": 1,
    "height": SIDE,
    "image_width": SIDE,
    "mean": [0.0],
    "std": [255.0],
}
CVAT = b"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><dumped>2026-01-02</dumped></meta>
<image id="0" name="a0.png" width="8" height="8"><tag label="cat" source="manual"/></image>
<image id="1" name="a1.png" width="8" height="8"><tag label="dog" source="manual"/></image>
</annotations>"""


def checkpoint(folder: Path) -> bytes:
    tensors = {"model": {"w": torch.zeros(2, 2)}, "optimiser": {"w": torch.ones(3)}}
    save_checkpoint(folder / "c", Checkpoint(tensors, {"epoch": 1}, "one"))
    return (folder / "c").read_bytes()


def predictions(folder: Path) -> bytes:
    found = Predictions(
        np.array([f"a{i}" for i in range(N)]),
        np.array(["test"] * N),
        np.arange(N) % 3,
        np.full((N, 3), 1 / 3, np.float32),
        ("cat", "dog", "cow"),
        "r1",
        0,
        "0" * 32,
    )
    save_predictions(folder / "p.parquet", found)
    return (folder / "p.parquet").read_bytes()


def run_json() -> bytes:
    about = {
        "name": "r1",
        "kind": "train",
        "dataset": "clothes",
        "fingerprint": "0" * 32,
        "label_version": 0,
        "parent": None,
        "created": 1.5,
        "notes": "",
        "job": {"model": "plain-cnn"},
    }
    return json.dumps(about).encode()


def stored_dataset(folder: Path, one_size: bool = True) -> dict[str, bytes]:
    """The files of a small data set with captions, as the workspace keeps them."""
    source = folder / "made"
    source.mkdir(parents=True)
    other = {} if one_size else {"a0.png": png(pixels(1, 2 * SIDE)[0])}
    for name, content in {**pictures(), **other, "labels.csv": table()}.items():
        (source / name).write_bytes(content)
    kept = import_source(Workspace(folder / "w"), source, "kept")
    assert len(kept.dataset) == N
    root = folder / "w" / "datasets" / "kept"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


DATASET_FILES = (
    "dataset.json",
    "captions.json",
    "labels.npy",
    "item_ids.npy",
    "sizes.npy",
    "split.npy",
    "content_hashes.npy",
    "files.npy",
    "images.npy",
)


def used(dataset: Dataset) -> Dataset:
    """A data set of which all is read once, as pages do."""
    for split in dataset.splits:
        dataset.in_split(split)
    dataset.positions(dataset.item_ids.tolist())
    is_labelled(dataset.labels)
    assert len(dataset.images.sizes) == len(dataset)
    dataset.images.read(0)
    dataset.images.resized(np.arange(len(dataset)), 4, 4, 1)
    if dataset.labels.ndim == 1:
        np.bincount(dataset.labels[dataset.labels >= 0], minlength=len(dataset.classes))
    return dataset


def events() -> bytes:
    """events.jsonl of a training of two epochs that was resumed."""
    epoch = {
        "train_loss": 0.5,
        "train_accuracy": 0.8,
        "valid_loss": 0.6,
        "valid_accuracy": 0.7,
        "valid_macro_f1": 0.7,
        "learning_rate": 0.001,
        "images_per_second": 900.0,
        "seconds": 2.5,
        "share": 0.5,
        "seconds_left": 3.0,
    }
    progress = {"epoch": 0, "step": 3, "n_steps": 9, "share": 0.1, "seconds_left": 5.0, "train_loss": 0.9}
    lines: list[dict[str, Any]] = [
        {"type": "launched"},
        {"type": "started", "device": "cpu", "precision": "fp32", "threads": 1, "epochs": 2},
        {"type": "progress", **progress},
        {"type": "epoch", "epoch": 0, **epoch},
        {"type": "checkpoint", "epoch": 0, "step": 9},
        {"type": "note", "text": "the rate was lowered"},
        {"type": "started", "device": "cpu", "resumed_from": 1, "epochs": 2},
        {"type": "progress", **progress, "epoch": 1},
        {"type": "epoch", "epoch": 1, **epoch},
        {"type": "finished", "best_epoch": 1, "seconds": 5.0, "test_accuracy": 0.7, "test_macro_f1": 0.7},
    ]
    return b"".join(json.dumps({"at": 1.7e9 + at, **line}).encode() + b"\n" for at, line in enumerate(lines))


def study_run() -> bytes:
    """run.json of a search."""
    axis = {"field": "dropout", "low": 0.0, "high": 0.5, "log": False, "whole": False, "options": []}
    plan = {"axes": [axis], "n_trials": 3, "objective": "accuracy", "with_cost": False, "prune": True}
    job = {"plan": {**plan, "n_workers": 1, "seed": 0}}
    return json.dumps({**json.loads(run_json()), "kind": "tune", "job": job}).encode()


def _told(run: Run) -> object:
    return status(run), curves(run), epochs_table([run])


def _studied(path: Path) -> object:
    run = load_run(path.parents[2] if path.name == "trial.json" else path.parent)
    plan, trials = plan_of(run), load_trials(run)
    return ranked(trials, plan), front(trials, plan), best_so_far(trials, plan), load_importances(run)


def _alike(folder: Path) -> object:
    run = load_run(folder)
    return nearest_training_items(run, load_predictions(run.predictions_file), "a1", 3)


def in_a_run(scratch: Path) -> dict[str, Reader]:
    """Files of run folders."""
    beside = {"run.json": run_json()}
    trial = {
        "number": 0,
        "params": {"dropout": 0.2},
        "state": "finished",
        "value": 0.9,
        "epoch": 1,
        "n_epochs": 2,
        "seconds": 3.0,
        "error": "",
        "cached": False,
    }
    card = ModelCard("plain-cnn", 8, ("cat", "dog"), 1, SIDE, SIDE, (0.0,), (255.0,))
    save_model(scratch / "m", build(card), card)
    thresholds = Thresholds((0.4, 0.6), "f1", 0.9, (5, 5), (0.5, 0.5), (0.6, 0.6))
    save_thresholds(scratch, thresholds)
    evidence = npz(
        labels=np.arange(N) % 3,
        pred_probs=np.full((N, 3), 1 / 3, np.float32),
        neighbours=np.zeros((N, 10), np.int32),
        area=np.zeros(N, np.float32),
    )
    quality = asdict(MapQuality(**{field.name: 1 for field in fields(MapQuality)}))
    folds = [{"accuracy": 0.5, "macro_f1": 0.5, "balanced_accuracy": 0.5, "loss": 1.0}] * 2
    crossed = summarise(folds, [np.ones((2, 1), np.float32)] * 2, ["valid_loss"])
    about = {"run": "r1", "data": "clothes", "n_folds": 2, "notes": []}
    return {
        "events": Reader(
            lambda path, folder: _told(load_run(path.parent)), "events.jsonl", events(), beside, True
        ),
        "trial": Reader(
            lambda path, folder: _studied(path),
            "trials/0000/trial.json",
            json.dumps(trial).encode(),
            {"run.json": study_run()},
            True,
        ),
        "study": Reader(lambda path, folder: _studied(path), "run.json", study_run(), {}, True),
        "thresholds": Reader(
            lambda path, folder: load_thresholds(path.parent, 2),
            "thresholds.json",
            (scratch / "thresholds.json").read_bytes(),
            {},
            True,
        ),
        "evidence": Reader(
            lambda path, folder: load_evidence(load_run(path.parent)), "evidence.npz", evidence, beside
        ),
        "map quality": Reader(
            lambda path, folder: load_quality(load_run(path.parent)),
            QUALITY,
            json.dumps(quality).encode(),
            beside,
            True,
        ),
        "features": Reader(
            lambda path, folder: _alike(path.parent),
            "features.npy",
            npy(np.ones((N, 4), np.float16)),
            {**beside, "predictions.parquet": predictions(scratch)},
        ),
        "whole model": Reader(
            lambda path, folder: load_model(path), "model.safetensors", (scratch / "m").read_bytes(), {}
        ),
        "crossval": Reader(
            lambda path, folder: read_crossval(load_run(path.parent)),
            "crossval.json",
            json.dumps({**about, **crossed}).encode(),
            beside,
            True,
        ),
    }


def _labelled(path: Path) -> object:
    """The journal beside the data set "kept", read as pages do."""
    workspace = Workspace(path.parent)
    try:
        dataset = load_dataset(workspace.datasets / "kept")
        found = LabelJournal(workspace).edits("kept")
        return found, labels_at(workspace, dataset), LabelJournal(workspace).named_versions("kept")
    finally:
        forget_engines()


def _waiting(path: Path) -> object:
    workspace = Workspace(path.parent)
    try:
        return outbox.n_waiting(workspace), outbox.waiting(workspace), outbox.waiting(workspace, refused=True)
    finally:
        forget_engines()


def _database(workspace: Workspace, name: str, fill: Callable[[], object]) -> bytes:
    fill()
    forget_engines()  # closed, so that all of it is in the one file
    content = (workspace.root / name).read_bytes()
    forget_engines()
    return content


def _pictured(path: Path) -> object:
    """A sheet is a picture whatever lies in its file."""
    dataset = load_dataset(path.parents[1])
    content = sheet_bytes(dataset, 0)
    with Image.open(io.BytesIO(content)) as sheet:
        sheet.load()
    return content


def in_a_workspace(scratch: Path, dataset: Mapping[str, bytes]) -> dict[str, Reader]:
    """What lies in a workspace beside runs and data sets."""
    workspace = Workspace(scratch / "w")
    one = load_dataset(workspace.datasets / "kept")
    beside = {f"datasets/kept/{name}": content for name, content in dataset.items()}
    first = str(one.item_ids[0])
    add_tag(workspace, one, "later", [first])
    tag = next((workspace.root / "tags" / "kept").iterdir())
    edit = NewEdit(first, EditKind.EXCLUDE, session="s")
    journal = _database(workspace, "labels.db", lambda: LabelJournal(workspace).append(one, [edit]))
    waits = _database(workspace, "outbox.db", lambda: outbox.keep(workspace, one, [edit]))
    look = {"question": "q", "trial": "t", "run": "r", "name": "r1", "n_seeds": 3, "p_value": 0.2}
    key: dict[str, object] = {"of": "x"}
    cached = cache_path(Workspace(Path()), "things-1", key).name
    return {
        "tag": Reader(
            lambda path, folder: (
                tags_of(Workspace(path.parents[2]), one),
                damaged_tags(Workspace(path.parents[2]), one),
            ),
            f"tags/kept/{tag.name}",
            tag.read_bytes(),
            {},
            True,
        ),
        "looks": Reader(
            lambda path, folder: looks_at(Workspace(path.parent), one),
            "proofs.jsonl",
            json.dumps({"type": "look", "at": 1.5, **look}).encode() + b"\n",
            {},
            True,
        ),
        "journal": Reader(lambda path, folder: _labelled(path), "labels.db", journal, beside),
        "outbox": Reader(lambda path, folder: _waiting(path), "outbox.db", waits, {}),
        "sheet": Reader(
            lambda path, folder: _pictured(path), "sheets/00000.webp", sheet_bytes(one, 0), dataset
        ),
        "cached arrays": Reader(
            lambda path, folder: cached_arrays(
                Workspace(path.parents[2]), "things-1", key, lambda: {"x": np.ones(3)}
            ),
            f"cache/things-1/{cached}",
            npz(x=np.ones(3)),
            {},
        ),
        "cached value": Reader(
            lambda path, folder: cached_json(Workspace(path.parents[2]), "things-1", key, lambda: [1]),
            f"cache/things-1/{cached.removesuffix('.npz')}.json",
            b"[1, 2, 3]",
            {},
            True,
        ),
    }


def readers(scratch: Path) -> dict[str, Reader]:
    """All of them by name; ``scratch`` is where sound files are made that only our own writers can make."""
    images, labels = pixels(), np.arange(N) % 3
    content = list(pictures().values())
    scratch.mkdir(exist_ok=True)
    kept = stored_dataset(scratch)
    one = load_dataset(scratch / "w" / "datasets" / "kept")
    prompts = json.dumps(
        {
            "templates": ["a photo of a {}"],
            "classes": {"cat": ["cat"], "dog": {"words": ["dog"], "templates": []}},
        }
    )
    config = {"embed_dim": 8, "vision_cfg": {"image_size": 8}, "text_cfg": {"width": 8}}
    dataset_files = {
        f"stored {name}": Reader(
            lambda path, folder: used(load_dataset(folder / "source")),
            name,
            files[name],
            files,
            name.endswith("json"),
        )
        for files in (stored_dataset(scratch / "files", one_size=False), kept)
        for name in DATASET_FILES
        if name in files
    }
    return {
        "pixel csv": Reader(_import, "rows.csv", csv_text(), {}, True),
        "pixel csv with header": Reader(
            _import,
            "rows.csv",
            b"label," + b",".join(b"p%d" % i for i in range(64)) + b"\n" + csv_text(),
            {},
            True,
        ),
        "gzipped csv": Reader(_import, "rows.csv.gz", gzip.compress(csv_text()), {}),
        "table": Reader(_import_folder, "labels.csv", table(), pictures(), True),
        "table of several labels": Reader(
            _import_folder,
            "labels.csv",
            "\n".join(["file,cat,dog", *(f"a{i}.png,{i % 2},{(i + 1) % 2}" for i in range(N))]).encode(),
            pictures(),
            True,
        ),
        "table of lists": Reader(
            _import_folder,
            "labels.csv",
            "\n".join(["file,labels", *(f'a{i}.png,"cat dog"' for i in range(N))]).encode(),
            pictures(),
            True,
        ),
        "picture": Reader(_import_folder, "a3.png", content[3], {**pictures(), "labels.csv": table()}),
        "jpeg": Reader(lambda path, folder: decode(path), "a.jpg", photograph(), {}),
        "gif": Reader(lambda path, folder: decode(path), "a.gif", png(images[0], "GIF"), {}),
        "tiff": Reader(lambda path, folder: decode(path), "a.tif", png(deep(), "TIFF"), {}),
        "webp": Reader(lambda path, folder: decode(path), "a.webp", png(images[0], "WEBP"), {}),
        "bmp": Reader(lambda path, folder: decode(path), "a.bmp", png(images[0], "BMP"), {}),
        "idx images": Reader(
            _import, "train-images-idx3-ubyte", idx_images(), {"train-labels-idx1-ubyte": idx_labels()}
        ),
        "idx labels": Reader(
            _import_folder, "train-labels-idx1-ubyte", idx_labels(), {"train-images-idx3-ubyte": idx_images()}
        ),
        "gzipped idx": Reader(
            _import_folder,
            "train-images-idx3-ubyte.gz",
            gzip.compress(idx_images()),
            {"train-labels-idx1-ubyte": idx_labels()},
        ),
        "npy images": Reader(_import, "x.npy", npy(images), {"y.npy": npy(labels)}),
        "npy labels": Reader(_import_folder, "y.npy", npy(labels), {"x.npy": npy(images)}),
        "npz": Reader(
            _import, "data.npz", npz(x=images, y=labels, classes=np.array(["cat", "dog", "cow"])), {}
        ),
        "pickle": Reader(_import, "images.pkl", pickle.dumps(images), {"labels.pkl": pickle.dumps(labels)}),
        "pickle of labels": Reader(
            _import_folder, "labels.pkl", pickle.dumps(labels), {"images.pkl": pickle.dumps(images)}
        ),
        "parquet": Reader(_import, "d.parquet", parquet(image=content, label=list(map(int, labels))), {}),
        "arrow": Reader(_import, "d.arrow", arrow(image=content, label=list(map(int, labels))), {}),
        "zip": Reader(_import, "set.zip", zipped(), {}),
        "tar": Reader(_import, "set.tgz", tarred(), {}),
        "patch": Reader(lambda path, folder: read_patch(path), "edits.jsonl", patch(), {}, True),
        "coco": Reader(lambda path, folder: read_answers(path), "coco.json", coco(), {}, True),
        "label studio": Reader(
            lambda path, folder: read_answers(path), "tasks.json", label_studio(), {}, True
        ),
        "cvat": Reader(lambda path, folder: read_answers(path), "cvat.xml", CVAT, {}, True),
        "label table": Reader(lambda path, folder: read_answers(path), "fixes.csv", FIXES, {}, True),
        "label parquet": Reader(
            lambda path, folder: read_answers(path),
            "fixes.parquet",
            parquet(item_id=["a", "b"], label=["cat", "dog"]),
            {},
        ),
        "recipe": Reader(
            lambda path, folder: load_recipe(path), "mine.toml", PRESETS["fast"].to_toml().encode(), {}, True
        ),
        "prompts": Reader(
            lambda path, folder: read_prompts(path, one), "prompts.json", prompts.encode(), {}, True
        ),
        "clip config": Reader(
            lambda path, folder: check_config(path), "clip.json", json.dumps(config).encode(), {}, True
        ),
        "checkpoint": Reader(
            lambda path, folder: load_checkpoint(path), "checkpoint.safetensors", checkpoint(scratch), {}
        ),
        "weights": Reader(
            lambda path, folder: read_weights(path), "w.safetensors", save({"w": torch.zeros(2, 2)}), {}
        ),
        "model": Reader(
            lambda path, folder: load_card(path),
            "model.safetensors",
            save({"w": torch.zeros(2)}, {"card": json.dumps({"format": 1, **CARD})}),
            {},
        ),
        "predictions": Reader(
            lambda path, folder: load_predictions(path), "predictions.parquet", predictions(scratch), {}
        ),
        "run.json": Reader(lambda path, folder: load_run(path.parent), "run.json", run_json(), {}, True),
        **dataset_files,
        **in_a_run(scratch),
        **in_a_workspace(scratch, kept),
    }
