"""Building a data set item by item: memory does not grow with it, and nothing is left of an unfinished one.

Everything goes to a temporary folder beside the data set's; ``finish`` writes dataset.json last and renames.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from core.data.columns import Texts, write_texts
from core.data.dataset import FORMAT, Dataset, Task, dataset_fingerprint, dataset_folder, load_dataset
from core.data.writer import building_folder, content_hash, publish, sweep_unfinished
from core.errors import BadInput, NameTaken
from core.files import Json, delete_file, read_array, storage_failed, storing, write_array, write_json
from core.people.acting import allow
from core.people.roles import Right
from core.workspace import Workspace, check_name

ARRAY_PIXELS = 64 * 64
"""Images up to this many pixels, all of one size, are kept as one array; larger ones as files."""

_HEADER_BYTES = 128


MOST_CLASS_NAME = 500
"""Characters; what is longer is a text in the wrong column, and every page would have to show it."""


class DatasetBuilder:
    """Takes images one at a time, in any mix of sizes, and keeps them in the form that suits.

    Used as a context manager; leaving it without ``finish`` removes what was written.

    Raises:
        NameTaken: There is a data set of that name.
    """

    def __init__(self, workspace: Workspace, name: str) -> None:
        allow(workspace, Right.DATA)
        self._folder = dataset_folder(workspace, check_name(name, "data set"))
        if self._folder.exists():
            raise NameTaken(
                f"There is a data set {name!r} already.", "Choose another name, or delete it first."
            )
        self._name = name
        self._building = building_folder(self._folder)
        self._hashes = bytearray()
        self._sizes = array("i")
        self._files = Texts()
        self._shape: tuple[int, ...] | None = None
        self._array: IO[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            sweep_unfinished(self._folder.parent)
            (self._building / "images").mkdir(parents=True)
            self.scratch.mkdir()
            self._array = (self._building / "images.npy").open("wb")
            self._array.write(b"\0" * _HEADER_BYTES)
        except OSError as error:
            raise storage_failed(self._building, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._array is not None:
            with contextlib.suppress(OSError):  # what a full disk did not take is tried again here
                self._array.close()
        shutil.rmtree(self._building, ignore_errors=True)

    @property
    def scratch(self) -> Path:
        """A folder on the same disk for what is needed only while building; deleted with the rest."""
        return self._building / "scratch"

    def __len__(self) -> int:
        return len(self._sizes) // 2

    def add(self, pixels: NDArray[np.uint8], file: Path | bytes | None = None, suffix: str = ".png") -> None:
        """Take one image.

        Args:
            pixels: (H, W, C) uint8.
            file: The image file they were decoded from (or its content), kept as it is where images do not
                fit one array; pixels without a file are kept as PNG then.
            suffix: For content without a file name.

        Raises:
            StorageFailed: The disk is full or read-only.
        """
        try:
            self._keep(pixels, file, suffix)
        except OSError as error:
            raise storage_failed(self._building, error) from error
        self._hashes += content_hash(pixels)
        self._sizes.extend(pixels.shape[:2])

    def _keep(self, pixels: NDArray[np.uint8], file: Path | bytes | None, suffix: str) -> None:
        number = len(self)
        if number == 0:
            self._shape = pixels.shape
        if self._array is not None:
            if pixels.shape == self._shape and pixels.shape[0] * pixels.shape[1] <= ARRAY_PIXELS:
                self._array.write(np.ascontiguousarray(pixels).data)
                return
            self._give_up_array()
        self._keep_file(number, pixels, file, suffix)

    def _keep_file(
        self, number: int, pixels: NDArray[np.uint8], file: Path | bytes | None, suffix: str
    ) -> None:
        suffix = file.suffix.lower() if isinstance(file, Path) else suffix
        name = f"{number // 1_000:04d}/{number:07d}{suffix if file is not None else '.png'}"
        target = self._building / "images" / name
        with storing(target):
            target.parent.mkdir(exist_ok=True)
            if isinstance(file, Path):
                self._take_file(file, target)
            elif isinstance(file, bytes):
                target.write_bytes(file)
            else:
                from PIL import Image

                Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(target)
        self._files.append(name)

    def _take_file(self, file: Path, target: Path) -> None:
        """Copy a person's file; one in ``scratch`` is ours and needs no second copy."""
        if file.is_relative_to(self.scratch):
            with contextlib.suppress(OSError):  # a file system without hard links
                os.link(file, target)
                return
        with storing(target):
            shutil.copyfile(file, target)

    def _give_up_array(self) -> None:
        """Images differ in size or are large: those in the array so far become PNG files."""
        assert self._array is not None
        self._array.close()
        self._array = None
        path = self._building / "images.npy"
        if self._shape is not None and len(self):
            kept = np.memmap(path, np.uint8, "r", _HEADER_BYTES, (len(self), *self._shape))
            for number, pixels in enumerate(kept):
                self._keep_file(number, np.asarray(pixels), None, ".png")
        delete_file(path)

    def finish(
        self,
        *,
        title: str,
        task: Task,
        classes: Sequence[str],
        item_ids: Sequence[str],
        split: NDArray[np.int8],
        labels: NDArray[Any],
        captions: Sequence[str] | None,
        info: dict[str, str],
        left_out: Json | None = None,
    ) -> Dataset:
        """Write what belongs to the images, and put the data set in its place.

        Raises:
            BadInput: There is not one image, or a class has a name that is no name.
            NameTaken: Another import was faster.
            StorageFailed: The disk is full or read-only.
        """
        n = len(self)
        if n == 0:
            raise BadInput("There is not one image that could be used.", "Look at the problems listed.")
        if long := next((name for name in classes if len(name) > MOST_CLASS_NAME), None):
            raise BadInput(
                f"The class {long[:40]!r}... has {len(long):,} characters, more than {MOST_CLASS_NAME}.",
                "Shorten it, or say with --label which column has the labels.",
            )
        shutil.rmtree(self.scratch, ignore_errors=True)
        self._finish_images(n)
        hashes = np.frombuffer(self._hashes, np.uint8).reshape(n, 16)
        write_texts(self._building / "item_ids.npy", item_ids)
        ids = read_array(self._building / "item_ids.npy")
        write_array(self._building / "split.npy", split.astype(np.int8))
        write_array(self._building / "labels.npy", labels)
        write_array(self._building / "content_hashes.npy", hashes)
        write_array(self._building / "sizes.npy", np.frombuffer(self._sizes, np.int32).reshape(n, 2))
        if captions is not None:
            write_json(self._building / "captions.json", {"captions": list(captions)})
        if left_out is not None:
            write_json(self._building / "left_out.json", left_out)
        manifest = {
            "format": FORMAT,
            "name": self._name,
            "title": title,
            "task": str(task),
            "classes": list(classes),
            "n": n,
            "captions": captions is not None,
            "fingerprint": dataset_fingerprint(task, classes, ids, split, labels, hashes, captions),
            "created": time.time(),
            "info": info,
        }
        write_json(self._building / "dataset.json", manifest)
        publish(self._building, self._folder, self._name)
        return load_dataset(self._folder)

    def _finish_images(self, n: int) -> None:
        if self._array is None:
            write_texts(self._building / "files.npy", self._files)
            return
        assert self._shape is not None
        try:
            self._array.seek(0)
            self._array.write(_npy_header((n, *self._shape)))
            self._array.flush()
            os.fsync(self._array.fileno())
            self._array.close()
            shutil.rmtree(self._building / "images")
        except OSError as error:
            raise storage_failed(self._building, error) from error
        self._array = None


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """A version 1.0 .npy header of uint8, blank-filled to the length that was left free for it."""
    text = repr({"descr": "|u1", "fortran_order": False, "shape": shape}).encode()
    text = text.ljust(_HEADER_BYTES - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
