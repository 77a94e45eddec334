"""Data sets: opened, imported, looked at."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.cli.app import account
from core.data import catalog
from core.data import dataset as stored
from core.data.dataset import SPLITS, Task
from core.data.labels import Labels
from core.errors import BadInput
from core.labels.filters import Filter, LabelFilter, select
from core.labels.versions import LabelState, labels_at
from core.people.acting import acting_as
from core.workspace import Workspace, current

if TYPE_CHECKING:
    import pandas as pd
    import torch

P = ParamSpec("P")
R = TypeVar("R")
N_SHOWN = 24
"""Thumbnails of a data set in a notebook."""
_TILE = 72


def as_person(function: Callable[P, R]) -> Callable[P, R]:
    """Let TIDYSET_PERSON, or whoever is logged in, act in a function that writes."""

    @wraps(function)
    def acting(*args: P.args, **kwargs: P.kwargs) -> R:
        with acting_as(os.environ.get("TIDYSET_PERSON") or account()):
            return function(*args, **kwargs)

    return acting


def use_workspace(folder: str | Path) -> None:
    """Work in another workspace from here on, in this process and in those it starts.

    Args:
        folder: Where data sets, labels and runs are kept; it is made when something is first written.

    Example:
        >>> import tidyset, tempfile
        >>> tidyset.use_workspace(tempfile.mkdtemp())
        >>> tidyset.runs()
        []
    """
    os.environ["TIDYSET_WORKSPACE"] = str(Path(folder).expanduser().resolve())


def datasets() -> list[str]:
    """Return the names of the data sets that can be loaded, the built-in ones first.

    Example:
        >>> import tidyset
        >>> "fashion-mnist-sample" in tidyset.datasets()
        True
    """
    usable = ("ready", "available")
    return [entry.name for entry in catalog.list_datasets(current()) if entry.state in usable]


def load(name: str) -> Dataset:
    """Open a data set by name, with its newest labels. No pixels are read.

    Raises:
        NotFound: There is none of that name.
        DamagedFile: A file of it cannot be read.

    Example:
        >>> import tidyset
        >>> data = tidyset.load("fashion-mnist-sample")
        >>> data.splits
        {'train': 5000, 'test': 1000}
    """
    workspace = current()
    return Dataset(workspace, catalog.open_dataset(workspace, name))


@as_person
def import_data(
    source: str | Path,
    name: str,
    *,
    title: str = "",
    classes: Sequence[str] = (),
    images: str | Path | None = None,
    test_share: float = 0.2,
    val_share: float = 0.0,
    seed: int = 0,
    skip_bad: bool = False,
) -> Dataset:
    """Import a folder, a file, an archive or a Hugging Face data set; ``tidyset data import`` in Python.

    Args:
        source: A path, or a name on the Hugging Face hub.
        name: What to call the data set.
        title: Its name for people.
        classes: Class names in the order of the label numbers, where the source has numbers.
        images: The folder of the images that a table names.
        test_share, val_share: Drawn where the source has no such split.
        seed: Of the draw.
        skip_bad: Leave out what cannot be read, instead of refusing all.

    Raises:
        ImportRejected: Something cannot be read; the error names each file and row.
        NameTaken: There is a data set of that name.
        BadInput: The source is not understood.

    Example:
        >>> import tidyset, tempfile, pathlib
        >>> from PIL import Image
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> for at, color in enumerate(["red", "blue"] * 4):
        ...     (folder / color).mkdir(exist_ok=True)
        ...     Image.new("RGB", (8 + at, 8), color).save(folder / color / f"{at}.png")
        >>> data = tidyset.import_data(folder, "colors", test_share=0.5)
        >>> data.classes, data.splits
        (('blue', 'red'), {'train': 4, 'test': 4})
    """
    from core.data.importer import ImportOptions, import_source
    from core.data.readers.base import Hints

    workspace = current()
    options = ImportOptions(
        hints=Hints(tuple(classes), None, Path(images) if images else None),
        title=title,
        test_share=test_share,
        val_share=val_share,
        seed=seed,
        skip_bad=skip_bad,
    )
    return Dataset(workspace, import_source(workspace, str(source), name, options).dataset)


class Item(NamedTuple):
    """One image of a data set.

    Attributes:
        image: (H, W, C) uint8, C being 1 or 3.
        labels: The name of its class, None when it has no label; where images have several labels, yes, no or
            unknown (True, False, None) by class name.
        id: Its id in the data set.
        split: "train", "val" or "test".
    """

    image: NDArray[np.uint8]
    labels: str | dict[str, bool | None] | None
    id: str
    split: str


class Dataset:
    """Images with their newest labels; made by ``tidyset.load``, ``import_data`` and ``where``.

    Example:
        >>> import tidyset
        >>> data = tidyset.load("fashion-mnist-sample")
        >>> item = data[0]
        >>> item.image.shape, item.labels, item.split
        ((28, 28, 1), 'Ankle boot', 'train')
    """

    def __init__(
        self,
        workspace: Workspace,
        source: stored.Dataset,
        positions: NDArray[np.int64] | None = None,
        label_version: int | None = None,
    ) -> None:
        self._workspace, self._source = workspace, source
        self._state: LabelState = labels_at(workspace, source, label_version)
        self._positions = np.arange(len(source)) if positions is None else positions

    # What it is

    @property
    def name(self) -> str:
        """Its name in the workspace."""
        return self._source.name

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its K classes."""
        return self._source.classes

    @property
    def task(self) -> str:
        """ "single-label" or "multi-label"."""
        return str(self._source.task)

    @property
    def ids(self) -> NDArray[np.str_]:
        """(N,) the id of each image."""
        return np.asarray(self._source.item_ids[self._positions])

    @property
    def labels(self) -> NDArray[Any]:
        """The newest labels: (N,) int64, -1 for none; several an image: (N, K) float32 with 1, 0 and NaN."""
        return self._labels("corrected").values

    @property
    def label_version(self) -> int:
        """How many edits the labels have."""
        return self._state.version

    @property
    def splits(self) -> dict[str, int]:
        """How many images each split has."""
        split = self._source.split[self._positions]
        counts = {name: int((split == code).sum()) for code, name in enumerate(SPLITS)}
        return {name: n for name, n in counts.items() if n}

    def _labels(self, which: str) -> Labels:
        if which not in ("given", "corrected"):
            raise BadInput(f"There are no {which!r} labels.", "Choose given or corrected.")
        labels = self._source.given if which == "given" else self._state.current
        return labels.take(self._positions)

    # Its images

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, index: int) -> Item:
        """Image ``index`` with its labels. Raises IndexError, and DamagedFile for one that cannot be read."""
        position = int(self._positions[index])
        return Item(
            self._source.images.read(position),
            _named(self._state.current.take(np.array([position]))),
            str(self._source.item_ids[position]),
            SPLITS[self._source.split[position]],
        )

    def __iter__(self) -> Iterator[Item]:
        return (self[index] for index in range(len(self)))

    def where(
        self,
        *,
        split: str | Sequence[str] = (),
        label: str | Sequence[str] = (),
        state: str = "all",
        ids: Sequence[str] | None = None,
    ) -> Dataset:
        """Return the images that fit all that is said.

        Args:
            split: One or several of train, val and test.
            label: The name of a class, or several: images that have one of them.
            state: What became of the label: all, given (untouched), edited, confirmed, excluded, unlabelled,
                not sure.
            ids: Only these images.

        Raises:
            BadInput: There is no such split, class or state.

        Example:
            >>> import tidyset
            >>> len(tidyset.load("fashion-mnist-sample").where(split="test", label=["Bag", "Coat"]))
            200
        """
        names = [label] if isinstance(label, str) else list(label)
        if unknown := set(names) - set(self.classes):
            raise BadInput(f"There is no class {min(unknown)!r}.", f"Choose of {', '.join(self.classes)}.")
        if state not in list(LabelFilter):
            raise BadInput(f"There is no state {state!r}.", f"Choose one of {', '.join(LabelFilter)}.")
        chosen = Filter(
            splits=(split,) if isinstance(split, str) and split else tuple(split),
            classes=tuple(self.classes.index(name) for name in names),
            state=LabelFilter(state),
        )
        found = np.intersect1d(self._positions, select(self._source, self._state, chosen))
        if ids is not None:
            found = np.intersect1d(found, self._source.positions(list(ids)))
        return Dataset(self._workspace, self._source, found, self._state.version)

    def to_pandas(self) -> pd.DataFrame:
        """Return a table of the images without their pixels.

        Returns:
            A row an image, indexed by id: split, label (newest) and given_label by name, what a person
            decided (edited, confirmed, excluded), height and width in pixels, caption. Where images have
            several labels, a column a class with True, False and <NA> instead of ``label``.

        Example:
            >>> import tidyset
            >>> table = tidyset.load("fashion-mnist-sample").to_pandas()
            >>> table.groupby("split").size().to_dict()
            {'test': 1000, 'train': 5000}
        """
        import pandas as pd

        at, state, source = self._positions, self._state, self._source
        columns: dict[str, Any] = {"split": np.array(SPLITS)[source.split[at]]}
        labels = self._labels("corrected")
        if labels.task is Task.SINGLE_LABEL:
            names = np.array([*self.classes, None], object)  # -1 is the last
            columns |= {"label": names[labels.values], "given_label": names[self._labels("given").values]}
        else:
            yes, known = labels.yes, labels.known
            for k, name in enumerate(self.classes):
                columns[name] = pd.arrays.BooleanArray(yes[:, k].copy(), ~known[:, k])
        columns |= {name: getattr(state, name)[at] for name in ("edited", "confirmed", "excluded")}
        columns["height"], columns["width"] = np.asarray(source.images.sizes)[at].T
        if source.captions is not None:
            columns["caption"] = [source.captions[position] for position in at.tolist()]
        return pd.DataFrame(columns, index=pd.Index(self.ids, name="id"))

    def to_torch(
        self,
        split: str | None = None,
        labels: str = "corrected",
        *,
        transform: Callable[[Any], Any] | None = None,
    ) -> torch.utils.data.Dataset[tuple[Any, torch.Tensor]]:
        """Return a torch data set that reads images where they are; it works in DataLoader workers.

        Args:
            split: Only the images of this split.
            labels: "corrected" (the newest; images that people left out are not in it) or "given".
            transform: Applied to each image, a (C, H, W) uint8 tensor.

        Returns:
            Of (image, label): the label an int64 scalar, -1 for none; several an image: (K,) float32 with 1,
            0 and NaN.

        Raises:
            BadInput: There is no such split, or no such labels.

        Example:
            >>> import tidyset
            >>> images = tidyset.load("fashion-mnist-sample").to_torch("train")
            >>> image, label = images[0]
            >>> len(images), tuple(image.shape), label.item()
            (5000, (1, 28, 28), 9)
        """
        from tidyset.torch_data import TorchImages

        chosen = self if split is None else self.where(split=split)
        chosen._labels(labels)
        at = chosen._positions
        if labels == "corrected":
            at = at[~np.asarray(self._state.excluded[at], bool)]
        values = (self._source.given if labels == "given" else self._state.current).values[at]
        return TorchImages(self._source.folder, at, values, transform)

    # In a notebook

    def __repr__(self) -> str:
        n, of = f"{len(self):,}", len(self._source)
        n = n if len(self) == of else f"{n} of {of:,}"
        return f"<tidyset.Dataset {self.name!r}: {n} images, {len(self.classes)} classes>"

    def _repr_html_(self) -> str:
        """Thumbnails with their labels, evenly spread over the images."""
        spread = np.linspace(0, len(self) - 1, min(N_SHOWN, len(self))).astype(np.int64)
        tiles = "".join(_tile(self._source, self._state.current, int(self._positions[row])) for row in spread)
        splits = ", ".join(f"{n:,} {name}" for name, n in self.splits.items())
        head = f"{escape(repr(self)[1:-1])} ({splits})"
        return f'<div><p>{head}</p><div style="display:flex;flex-wrap:wrap;gap:6px">{tiles}</div></div>'


def _named(labels: Labels) -> str | dict[str, bool | None] | None:
    """Labels of one image by the names of the classes."""
    if labels.task is Task.SINGLE_LABEL:
        return labels.classes[int(labels.values[0])] if labels.known[0] else None
    answers = zip(labels.classes, labels.known[0].tolist(), labels.yes[0].tolist(), strict=True)
    return {name: yes if known else None for name, known, yes in answers}


def _tile(source: stored.Dataset, labels: Labels, position: int) -> str:
    """One thumbnail with its label below, as HTML that needs no other file."""
    from core.data.thumbnails import thumbnail

    data = io.BytesIO()
    thumbnail(source, position, _TILE).save(data, "PNG")
    name = escape(labels.words(position))
    picture = f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"
    return (
        f'<figure style="margin:0;width:{_TILE}px;font-size:11px;text-align:center;overflow:hidden">'
        f'<img src="{picture}" alt="{name}" title="{escape(str(source.item_ids[position]))}">'
        f"<figcaption>{name}</figcaption></figure>"
    )
