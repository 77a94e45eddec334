"""Real handwritten digits and letters, from files on this machine or, through torchvision, the network."""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.data.readers import idx
from core.errors import BadInput, NotFound, Offline
from core.files import READ_ERRORS
from core.workspace import PROJECT_ROOT, Workspace

DIGITS, LETTERS = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CHARACTERS = (*DIGITS, *LETTERS)
GROUPS = f"{len(DIGITS)}+{len(LETTERS)}"
"""One digit and one letter (core.data.dataset.LABEL_GROUPS)."""
SIDE = 28
VARIABLE = "TIDYSET_HANDWRITING"
Case = Literal["both", "upper", "lower"]
_MEND = (
    f"Name a folder in {VARIABLE} (or source=...) that holds characters as .npz files (images of 28 x 28, "
    "labels, classes) or MNIST's idx files."
)


@dataclass(frozen=True, eq=False)
class Characters:
    """Handwritten characters, white on black.

    Attributes:
        images: (N, 28, 28) uint8, each with its brightest pixel at 255.
        labels: (N,) int64, index into CHARACTERS.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_]) -> Characters:
        """Those that are chosen."""
        return Characters(self.images[chosen], self.labels[chosen])


def source_folder(source: str = "") -> Path | None:
    """Where characters are read from: what is named, else TIDYSET_HANDWRITING, else ``shared/data`` beside
    the checkout; None where none of these is there.

    Raises:
        NotFound: A folder is named and not there.
    """
    named = source or os.environ.get(VARIABLE, "")
    if named:
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise NotFound(f"There is no folder {named} to read characters from.", _MEND)
        return folder
    beside = PROJECT_ROOT.parent / "shared" / "data"
    return beside if beside.is_dir() else None


def load_characters(workspace: Workspace, source: str = "", case: Case = "both") -> Characters:
    """All characters that there are.

    Args:
        source: A folder; see ``source_folder``. Where there is none, EMNIST and MNIST are fetched.
        case: Which letters: upper case, lower case, or both as one class.

    Raises:
        NotFound, BadInput, Offline: There are none, or not of all 36 kinds; says how to get them.
    """
    folder = source_folder(source)
    parts = _from_folder(folder, case) if folder else _fetched(workspace.root / "downloads", case)
    if not parts:
        raise NotFound(f"There are no characters in {folder}.", _MEND)
    images, labels = _distinct(
        np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts])
    )
    missing = np.setdiff1d(np.arange(len(CHARACTERS)), labels)
    if len(missing):
        names = ", ".join(CHARACTERS[k] for k in missing)
        raise BadInput(f"{folder} has no image of {names}.", _MEND)
    brightest = np.maximum(images.reshape(len(images), -1).max(axis=1), 1)[:, None, None]
    return Characters((images.astype(np.uint16) * 255 // brightest).astype(np.uint8), labels)


_Part = tuple[NDArray[np.uint8], NDArray[np.int64]]


def _from_folder(folder: Path, case: Case) -> list[_Part]:
    found = [part for path in sorted(folder.rglob("*.npz")) if (part := _from_npz(path, case)) is not None]
    for path in sorted(folder.rglob("*images-idx3-ubyte*")):
        labels = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
        if labels.exists() and "fashion" not in str(path.relative_to(folder)):
            found.append(_from_idx(path, labels))
    return found


def _distinct(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> _Part:
    """Each image once: a copy in train and another in test would tell. One with two labels is left out."""
    flat = np.ascontiguousarray(images.reshape(len(images), -1)).view(f"V{SIDE * SIDE}")[:, 0]
    _, first, group = np.unique(flat, return_index=True, return_inverse=True)
    contradicted = np.zeros(len(first), np.bool_)
    contradicted[group[labels != labels[first][group]]] = True
    kept = np.sort(first[~contradicted])
    return images[kept], labels[kept]


def _from_npz(path: Path, case: Case) -> _Part | None:
    """The characters of an archive of images, labels and one-letter class names; None when it is another."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            if not {"images", "labels", "classes"} <= set(stored.files):
                return None
            images, labels, classes = (stored[name] for name in ("images", "labels", "classes"))
    except READ_ERRORS as error:
        raise BadInput(f"{path.name} cannot be read ({error}).", "Fetch it again.") from error
    if images.shape[1:] != (SIDE, SIDE) or images.dtype != np.uint8 or classes.dtype.kind != "U":
        return None
    codes = np.array([_code(str(name), case) for name in classes], np.int64)[labels]
    return images[codes >= 0], codes[codes >= 0]


def _code(name: str, case: Case) -> int:
    """Index of a character in CHARACTERS; -1 for one that is not wanted."""
    wrong_case = (case == "upper" and name.islower()) or (case == "lower" and name.isupper())
    return CHARACTERS.index(name.upper()) if name.upper() in CHARACTERS and not wrong_case else -1


def _from_idx(images: Path, labels: Path) -> _Part:
    shape = idx.header(images)
    try:
        with idx.opened(images) as pixels, idx.opened(labels) as codes:
            found = np.frombuffer(pixels.read(), np.uint8, offset=16).reshape(shape or (0, SIDE, SIDE))
            return found, np.frombuffer(codes.read(), np.uint8, offset=8).astype(np.int64)
    except (OSError, EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{images.name} cannot be read ({error}).", "Fetch it again.") from error


def _fetched(folder: Path, case: Case) -> list[_Part]:
    """MNIST's digits and EMNIST's letters by torchvision: upper and lower case are one class in its set."""
    from torchvision.datasets import EMNIST, MNIST

    if case != "both":
        raise BadInput(f"EMNIST's letters have no case; letters={case} was asked for.", "Take both.")
    try:
        digits = MNIST(folder, download=True)
        letters = EMNIST(folder, split="letters", download=True)
    except (OSError, RuntimeError) as error:
        raise Offline(f"MNIST and EMNIST cannot be fetched ({error}).", _MEND) from error
    upright = letters.data.transpose(1, 2).numpy()
    return [(digits.data.numpy(), digits.targets.numpy()), (upright, letters.targets.numpy() + 9)]
