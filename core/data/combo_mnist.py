"""combo-mnist: images of 56 x 56 with one digit and one letter in noise, composed from real handwriting.

The form of the COMP 551 "Combo MNIST" task: 36 labels of which two are right. No source image is used in
both train and test, so a model cannot know a test character by sight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.data.cleaning import Cleaned, rightly_separated
from core.data.dataset import LABEL_GROUPS, SPLITS, Dataset, Task
from core.data.handwriting import CHARACTERS, GROUPS, SIDE, Characters, load_characters
from core.data.writer import BOXES_FILE, write_array_dataset
from core.errors import BadInput
from core.files import read_array
from core.workspace import Workspace

NAME = "combo-mnist"
CANVAS = 56
CHUNK = 1_000
_TRIES = 40
VISIBLE = 64
Progress = Callable[[float, str], None]


class ComboOptions(BaseModel):
    """What is composed. Equal options and source give equal images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(
        default=10_000, title="Training images", description="With and without labels.", ge=40, le=500_000
    )
    n_test: int = Field(default=0, title="Test images", description="0: a quarter of n.", ge=0, le=500_000)
    unlabelled_share: float = Field(
        default=0.5,
        title="Unlabelled",
        description="Share of the training images without labels.",
        ge=0,
        lt=1,
    )
    noise: float = Field(
        default=0.25, title="Noise", description="Standard deviation, as a share of white.", ge=0, le=2
    )
    scale_min: float = Field(
        default=0.8, title="Smallest scale", description="Of a character.", ge=0.4, le=1.9
    )
    scale_max: float = Field(
        default=1.2, title="Largest scale", description="Of a character.", ge=0.4, le=1.9
    )
    rotation: float = Field(
        default=15.0, title="Rotation", description="Largest angle, degrees.", ge=0, le=180
    )
    overlap: float = Field(
        default=0.1,
        title="Overlap",
        description="Of the smaller box, at most this share lies in the other.",
        ge=0,
        le=1,
    )
    test_share: float = Field(
        default=0.2,
        title="Test characters",
        description="Share of the source images kept for test.",
        gt=0,
        lt=0.9,
    )
    letters: Literal["both", "upper", "lower"] = Field(
        default="both", title="Letters", description="Upper case, lower case, or both as one class."
    )
    seed: int = Field(
        default=0, title="Seed", description="Everything drawn follows from it.", ge=0, lt=2**31
    )
    source: str = Field(
        default="", title="Source", description="Folder of handwriting; found by itself if empty."
    )

    @property
    def size_of_test(self) -> int:
        """Test images."""
        return self.n_test or max(1, self.n // 4)


def make_options(values: dict[str, Any]) -> ComboOptions:
    """Validate; raises BadInput naming each wrong field."""
    try:
        options = ComboOptions.model_validate(values)
    except ValidationError as error:
        said = [f"{'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg']}." for e in error.errors()]
        fields = ", ".join(ComboOptions.model_fields)
        raise BadInput(" ".join(said), f"The settings of {NAME} are {fields}.") from None
    if options.scale_min > options.scale_max:
        raise BadInput(
            f"scale_min = {options.scale_min:g} is above scale_max = {options.scale_max:g}.", "Swap them."
        )
    return options


_DEFAULTS = ComboOptions()


def materialise(
    workspace: Workspace,
    options: ComboOptions = _DEFAULTS,
    name: str = NAME,
    on_progress: Progress | None = None,
) -> Dataset:
    """Compose the images and keep them as a data set; what the unlabelled ones show is kept beside it
    (core.data.hiding), to measure with, never to train on.

    Raises:
        NameTaken: There is a data set of that name.
        NotFound, BadInput, Offline: There is no handwriting; says where to put some.
    """
    characters = load_characters(workspace, options.source, options.letters)
    rng = np.random.default_rng(options.seed)
    in_test = held_out(characters.labels, options.test_share, rng)
    sizes = {"train": options.n, "test": options.size_of_test}
    total, done = sum(sizes.values()), 0
    images = np.empty((total, CANVAS, CANVAS, 1), np.uint8)
    truth = np.zeros((total, len(CHARACTERS)), np.float32)
    boxes = np.zeros((total, 2, 4), np.int16)
    for split, n in sizes.items():
        pool = characters.only(in_test if split == "test" else ~in_test)
        for start in range(0, n, CHUNK):
            count = min(CHUNK, n - start)
            rows = slice(done, done + count)
            images[rows, :, :, 0], truth[rows], boxes[rows] = compose(pool, count, options, rng)
            done += count
            if on_progress:
                on_progress(0.98 * done / total, f"{done:,} of {total:,} images composed")
    labels = truth.copy()
    labels[: options.n][rng.random(options.n) < options.unlabelled_share] = np.nan
    numbers = [f"{split}-{row:06d}" for split, n in sizes.items() for row in range(n)]
    return write_array_dataset(
        workspace,
        name,
        title="Combo MNIST",
        task=Task.MULTI_LABEL,
        classes=CHARACTERS,
        item_ids=np.array(numbers),
        split=np.repeat([SPLITS.index(split) for split in sizes], list(sizes.values())).astype(np.int8),
        labels=labels,
        images=images,
        info={
            "source": "composed from handwriting",
            **{k: str(v) for k, v in _told(options).items()},
            LABEL_GROUPS: GROUPS,
        },
        hidden=truth,
        boxes=boxes,
    )


def character_boxes(dataset: Dataset) -> NDArray[np.int16] | None:
    """(N, 2, 4) top, left, bottom, right of the digit and of the letter as they were drawn, before the noise;
    None where the images were not composed here.
    """
    file = dataset.folder / BOXES_FILE
    return read_array(file) if file.exists() else None


def right_share(dataset: Dataset, positions: NDArray[np.int64], cleaned: Cleaned) -> float | None:
    """The share of images whose digit and letter were both found, each by itself; None where it is not known
    where they are, or no step looked for them.
    """
    truth = character_boxes(dataset)
    if truth is None or cleaned.boxes is None:
        return None
    return float(rightly_separated(cleaned.boxes, truth[positions]).mean())


def _told(options: ComboOptions) -> dict[str, Any]:
    """The options that are worth keeping with the data set; a folder of this machine is not."""
    return options.model_dump(exclude={"source"})


def held_out(labels: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) which source images are for test: of each character ``share``, at least one, never all."""
    out = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        out[members[: min(max(1, round(share * len(members))), len(members) - 1)]] = True
    return out


def compose(
    pool: Characters, n: int, options: ComboOptions, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int16]]:
    """(n, 56, 56) uint8 images, their (n, 36) labels, and (n, 2, 4) the boxes of digit and letter.

    Every digit and every letter is equally often there on average.
    """
    codes = np.stack([rng.integers(0, 10, n), rng.integers(10, len(CHARACTERS), n)], axis=1)
    by_label = [np.flatnonzero(pool.labels == k) for k in range(len(CHARACTERS))]
    scales = rng.uniform(options.scale_min, options.scale_max, (n, 2))
    angles = np.radians(rng.uniform(-options.rotation, options.rotation, (n, 2)))
    centres = place(scales * SIDE, options.overlap, rng)
    canvas = np.zeros((n, CANVAS, CANVAS), np.uint8)
    boxes = np.zeros((n, 2, 4), np.int16)
    for row in range(n):
        for which in range(2):
            glyph = pool.images[rng.choice(by_label[codes[row, which]])]
            drawn = _drawn(glyph, scales[row, which], angles[row, which], centres[row, which])
            np.maximum(canvas[row], drawn, out=canvas[row])
            boxes[row, which] = _box(drawn)
    noise = rng.standard_normal(canvas.shape, np.float32) * (255 * options.noise)
    labels = np.zeros((n, len(CHARACTERS)), np.float32)
    np.put_along_axis(labels, codes, 1, axis=1)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8), labels, boxes


def _box(drawn: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of what stands out from the black."""
    visible = drawn >= VISIBLE
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def place(sides: NDArray[np.float64], overlap: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """(n, 2, 2) centres (x, y) of two boxes with ``sides`` (n, 2), inside the canvas.

    Drawn anew while the share of the smaller box that lies in the other exceeds ``overlap``; what fits
    nowhere in so many tries is put into opposite corners.
    """
    half = sides[:, :, None] / 2
    half = np.minimum(half, CANVAS / 2)
    centres = np.zeros((len(sides), 2, 2))
    open_ = np.arange(len(sides))
    for _ in range(_TRIES):
        drawn = rng.uniform(0, 1, (len(open_), 2, 2))
        centres[open_] = half[open_] + drawn * (CANVAS - 2 * half[open_])
        open_ = open_[_shared(centres[open_], sides[open_]) > overlap]
        if not len(open_):
            return centres
    centres[open_] = np.concatenate([half[open_][:, :1], CANVAS - half[open_][:, 1:]], axis=1)
    return centres


def _shared(centres: NDArray[np.float64], sides: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) the share of the smaller box that lies in the other."""
    low = (centres - sides[:, :, None] / 2).max(axis=1)
    high = (centres + sides[:, :, None] / 2).min(axis=1)
    shared: NDArray[np.float64] = np.clip(high - low, 0, None).prod(axis=1) / sides.min(axis=1) ** 2
    return shared


def _drawn(
    glyph: NDArray[np.uint8], scale: float, angle: float, centre: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """The character on an empty canvas, turned and scaled about its middle, bilinear."""
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    x, y = centre
    matrix = (cos, sin, SIDE / 2 - cos * x - sin * y, -sin, cos, SIDE / 2 + sin * x - cos * y)
    turned = Image.fromarray(glyph).transform(
        (CANVAS, CANVAS), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    return np.asarray(turned)
