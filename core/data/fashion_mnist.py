"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747): the shipped sample and the full set."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset, Task
from core.data.download import Remote, fetch
from core.data.writer import write_array_dataset
from core.errors import DamagedFile, Offline
from core.people.acting import allow
from core.people.roles import Right
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
N_ITEMS = {"train": 60_000, "test": 10_000}
SYSTEM_FOLDERS = (Path("/usr/share/datasets/fashion-mnist"),)
SOURCES = (  # the authors' own host, which torchvision uses too, and their repository
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
)
REMOTES = (  # sizes and MD5 sums as the authors publish them
    Remote("train-images-idx3-ubyte.gz", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    Remote("train-labels-idx1-ubyte.gz", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
    Remote("t10k-images-idx3-ubyte.gz", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
    Remote("t10k-labels-idx1-ubyte.gz", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
)


def sample_file() -> Path:
    """The shipped sample: in the checkout's data folder, or inside the installed package."""
    shipped = Path(__file__).parent / "shipped" / SAMPLE / "sample.npz"
    return shipped if shipped.exists() else PROJECT_ROOT / "data" / SAMPLE / "sample.npz"


def local_folder(workspace: Workspace | None = None) -> Path | None:
    """The folder that has the four files of the full set, or None.

    TIDYSET_FASHION_MNIST if set, else the Debian package's, else the workspace's downloads.
    """
    chosen = os.environ.get("TIDYSET_FASHION_MNIST")
    folders = [Path(chosen)] if chosen else list(SYSTEM_FOLDERS)
    if workspace is not None:
        folders.append(download_folder(workspace))
    wanted = [name for pair in FILES.values() for name in pair]
    return next((folder for folder in folders if all((folder / name).exists() for name in wanted)), None)


def download_folder(workspace: Workspace) -> Path:
    """Where downloaded files are kept."""
    return workspace.root / "downloads" / FULL


def read_idx(path: Path, header_bytes: int) -> NDArray[np.uint8]:
    """The payload of a gzipped idx file, without its header. Raises DamagedFile."""
    try:
        with gzip.open(path) as file:
            return np.frombuffer(file.read(), np.uint8, offset=header_bytes)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DamagedFile(f"{path} cannot be read ({error}).", "Fetch it again.") from error


def materialise_sample(workspace: Workspace) -> Dataset:
    """Keep the shipped sample (5,000 train, 1,000 test, stratified) in the workspace."""
    with np.load(sample_file(), allow_pickle=False) as stored:
        images, labels, split, row = (stored[name] for name in ("images", "labels", "split", "row"))
    return _write(workspace, SAMPLE, "Fashion-MNIST sample", images, labels, split, row)


def download(
    workspace: Workspace,
    on_progress: Callable[[float, str], None] | None = None,
    sources: Sequence[str] = SOURCES,
) -> Path:
    """Fetch the four files into the workspace, going on where an earlier try broke off.

    Args:
        sources: Tried in this order for each file.

    Raises:
        Offline: None of them can be reached, or they send something else; says what to do instead.
    """
    allow(workspace, Right.DATA)
    folder = download_folder(workspace)
    total = sum(remote.n_bytes for remote in REMOTES)
    done = 0
    for remote in REMOTES:

        def report(n_bytes: int, before: int = done, name: str = remote.name) -> None:
            if on_progress is not None:
                on_progress((before + n_bytes) / total, name)

        _from_any(sources, folder, remote, report)
        done += remote.n_bytes
    return folder


def _from_any(sources: Sequence[str], folder: Path, remote: Remote, on_bytes: Callable[[int], None]) -> None:
    failures = []
    for source in sources:
        try:
            fetch(f"{source}/{remote.name}", folder / remote.name, remote, on_bytes)
            return
        except Offline as error:
            failures.append(error.problem)
    raise Offline(
        " ".join(failures),
        "Try again (what has come is kept), or install Debian's dataset-fashion-mnist, or put the four .gz "
        "files into a folder and name it in TIDYSET_FASHION_MNIST. The sample, fashion-mnist-sample, needs "
        "no network.",
    )


def materialise_full(
    workspace: Workspace, on_progress: Callable[[float, str], None] | None = None
) -> Dataset:
    """Keep the 70,000 images in the workspace, from this machine or the network.

    Raises:
        Offline: They are not on this machine and cannot be fetched.
        DamagedFile: A file on this machine is not what it should be.
    """
    folder = local_folder(workspace) or download(workspace, on_progress)
    images, labels, split, row = [], [], [], []
    for code, (part, (images_name, labels_name)) in zip((0, 2), FILES.items(), strict=True):
        pixels, codes = read_idx(folder / images_name, 16), read_idx(folder / labels_name, 8)
        n = N_ITEMS[part]
        if pixels.size != n * 28 * 28 or codes.size != n or codes.max() > 9:
            raise DamagedFile(
                f"{folder} has no Fashion-MNIST: {images_name} and {labels_name} hold {pixels.size:,} and "
                f"{codes.size:,} bytes; {n:,} images of 28 x 28 and labels from 0 to 9 were expected.",
                "Fetch them again.",
            )
        images.append(pixels.reshape(-1, 28, 28))
        labels.append(codes)
        split.append(np.full(n, code, np.int8))
        row.append(np.arange(n))
    return _write(
        workspace,
        FULL,
        "Fashion-MNIST",
        np.concatenate(images),
        np.concatenate(labels),
        np.concatenate(split),
        np.concatenate(row),
    )


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
