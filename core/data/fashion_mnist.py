"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747): the shipped sample and the full set."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset, Task
from core.data.writer import write_array_dataset
from core.errors import NotFound
from core.workspace import PROJECT_ROOT, Workspace

FULL, SAMPLE = "fashion-mnist", "fashion-mnist-sample"
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
INFO = {"licence": "MIT, Zalando SE", "source": "Fashion-MNIST, arXiv:1708.07747"}
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
SYSTEM_FOLDERS = (Path("/usr/share/datasets/fashion-mnist"),)


def sample_file() -> Path:
    """The shipped sample: in the checkout's data folder, or inside the installed package."""
    shipped = Path(__file__).parent / "shipped" / SAMPLE / "sample.npz"
    return shipped if shipped.exists() else PROJECT_ROOT / "data" / SAMPLE / "sample.npz"


def system_folder() -> Path | None:
    """The folder that has the four files of the full set: TIDYSET_FASHION_MNIST, or the Debian package's."""
    chosen = os.environ.get("TIDYSET_FASHION_MNIST")
    folders = (Path(chosen),) if chosen else SYSTEM_FOLDERS
    wanted = [name for pair in FILES.values() for name in pair]
    return next((folder for folder in folders if all((folder / name).exists() for name in wanted)), None)


def read_idx(path: Path, header_bytes: int) -> NDArray[np.uint8]:
    """The payload of a gzipped idx file, without its header."""
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header_bytes)


def materialise_sample(workspace: Workspace) -> Dataset:
    """Keep the shipped sample (5,000 train, 1,000 test, stratified) in the workspace."""
    with np.load(sample_file(), allow_pickle=False) as stored:
        images, labels, split, row = (stored[name] for name in ("images", "labels", "split", "row"))
    return _write(workspace, SAMPLE, "Fashion-MNIST sample", images, labels, split, row)


def materialise_full(workspace: Workspace) -> Dataset:
    """Keep the 70,000 images in the workspace. Raises NotFound where there is no source."""
    folder = system_folder()
    if folder is None:
        raise NotFound("Fashion-MNIST is not on this machine.", "Install the package dataset-fashion-mnist.")
    images, labels, split, row = [], [], [], []
    for code, (images_name, labels_name) in zip((0, 2), FILES.values(), strict=True):
        pixels = read_idx(folder / images_name, 16).reshape(-1, 28, 28)
        images.append(pixels)
        labels.append(read_idx(folder / labels_name, 8))
        split.append(np.full(len(pixels), code, np.int8))
        row.append(np.arange(len(pixels)))
    joined = [np.concatenate(parts) for parts in (images, labels, split, row)]
    return _write(workspace, FULL, "Fashion-MNIST", *joined)


def _write(
    workspace: Workspace,
    name: str,
    title: str,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    split: NDArray[np.int8],
    row: NDArray[np.int64],
) -> Dataset:
    where = np.where(split == 0, "train", "test")
    ids = np.array([f"{part}-{number:05d}" for part, number in zip(where, row, strict=True)])
    return write_array_dataset(
        workspace,
        name,
        title=title,
        task=Task.SINGLE_LABEL,
        classes=CLASSES,
        item_ids=ids,
        split=split,
        labels=labels.astype(np.int64),
        images=images.reshape(-1, 28, 28, 1),
        info=INFO,
    )
