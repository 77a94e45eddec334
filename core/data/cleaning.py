"""Cleaning noisy characters before a network sees them: a pipeline of steps, written as text.

``blur 1 | threshold 0.4 | erode 1 | dilate 1 | extract 2 12 | align 28 | reassemble`` is what the Combo MNIST
solutions did: blur against noise, part touching characters, box each, cut it out, scale it to one size, and
put all back side by side. All steps work on a whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import BadInput

Images = NDArray[np.uint8]
CHUNK = 1_000


@dataclass(frozen=True)
class StepKind:
    """A kind of step: what it is for, and its numbers with their names, defaults and limits."""

    name: str
    title: str
    help: str
    numbers: tuple[tuple[str, float, float, float], ...] = ()


KINDS = {
    kind.name: kind
    for kind in (
        StepKind("blur", "Gaussian blur", "Evens out noise.", (("Sigma, pixels", 1.0, 0.1, 10.0),)),
        StepKind(
            "threshold",
            "Threshold",
            "Darker pixels become black, the others white; 0 finds the level by itself (Otsu 1979).",
            (("Level, share of white", 0.0, 0.0, 1.0),),
        ),
        StepKind("erode", "Erosion", "Thins what is bright; parts what touches.", (("Pixels", 1, 1, 10),)),
        StepKind("dilate", "Dilation", "Thickens what is bright; closes gaps.", (("Pixels", 1, 1, 10),)),
        StepKind(
            "extract",
            "Find characters",
            "Connected parts with their boxes: the largest are kept, all else becomes black.",
            (("How many", 2, 1, 8), ("Fewest pixels", 12, 1, 10_000)),
        ),
        StepKind(
            "align", "Scale and align", "Each box is cut out, scaled and centred.", (("Side", 28, 8, 112),)
        ),
        StepKind("reassemble", "Reassemble", "The characters side by side, from left to right."),
    )
}


@dataclass(frozen=True)
class Step:
    """One step of a pipeline: its kind's name and its numbers."""

    name: str
    numbers: tuple[float, ...]

    @property
    def text(self) -> str:
        """As it is written in a recipe."""
        return " ".join([self.name, *(f"{number:g}" for number in self.numbers)])


@dataclass(frozen=True, eq=False)
class State:
    """A batch on its way through a pipeline.

    Attributes:
        images: (n, H, W) uint8.
        boxes: (n, k, 4) int64 top, left, bottom, right of characters, from left to right; -1 where none is.
        characters: (n, k, S, S) uint8, cut out.
        found: (n,) how many large enough parts there were.
    """

    images: Images
    boxes: NDArray[np.int64] | None = None
    characters: Images | None = None
    found: NDArray[np.int64] | None = None


def parse(text: str) -> tuple[Step, ...]:
    """The steps of a pipeline. Raises BadInput for an unknown step, a wrong number or order."""
    steps = tuple(_step(part.split()) for part in text.split("|") if part.strip())
    for before, step in zip((None, *steps), steps, strict=False):
        needs = {"align": "extract", "reassemble": "align"}.get(step.name)
        if needs and (before is None or before.name != needs):
            raise BadInput(f"{step.name} comes right after {needs}.", f"Put {needs} before it.")
    return steps


def _step(words: list[str]) -> Step:
    if words[0] not in KINDS:
        raise BadInput(f"There is no step {words[0]!r}.", f"Known steps: {', '.join(KINDS)}.")
    kind = KINDS[words[0]]
    if len(words) - 1 > len(kind.numbers):
        raise BadInput(
            f"{kind.name} takes {len(kind.numbers)} numbers, not {len(words) - 1}.", "Leave some out."
        )
    values = []
    for (name, default, low, high), word in zip(
        kind.numbers, [*words[1:], *[""] * len(kind.numbers)], strict=False
    ):
        try:
            value = float(word) if word else default
        except ValueError:
            raise BadInput(f"{kind.name}: {word!r} is no number.", f"Give {name}.") from None
        if not low <= value <= high:
            raise BadInput(f"{kind.name}: {name} is {value:g}.", f"Give {low:g} to {high:g}.")
        values.append(value)
    return Step(kind.name, tuple(values))


def as_text(steps: tuple[Step, ...]) -> str:
    """The pipeline as a recipe holds it."""
    return " | ".join(step.text for step in steps)


def states(images: Images, steps: tuple[Step, ...]) -> Iterator[State]:
    """The batch before the first step and after each.

    Args:
        images: (n, H, W) or (n, H, W, C) uint8; colour becomes grey.
    """
    grey = images if images.ndim == 3 else np.rint(images.mean(axis=3)).astype(np.uint8)
    state = State(grey)
    yield state
    for step in steps:
        state = _DO[step.name](state, *step.numbers)
        yield state


@dataclass(frozen=True, eq=False)
class Cleaned:
    """What a pipeline made of some images.

    Attributes:
        images: (n, H, W, 1) uint8.
        boxes: (n, k, 4) int64 top, left, bottom, right of the characters found, -1 where none is; None where
            no step looks for characters.
        exact: (n,) bool whether exactly as many parts were found as asked for; None likewise.
    """

    images: Images
    boxes: NDArray[np.int64] | None = None
    exact: NDArray[np.bool_] | None = None

    @property
    def separated_share(self) -> float | None:
        """Share of the images in which exactly as many parts were found as asked for."""
        return None if self.exact is None else float(self.exact.mean())


def clean(images: Images, steps: tuple[Step, ...]) -> Cleaned:
    """Put images, (n, H, W) or (n, H, W, C) uint8, through all steps."""
    wanted = next((int(step.numbers[0]) for step in steps if step.name == "extract"), None)
    done = []
    for start in range(0, len(images), CHUNK):
        *_, last = states(images[start : start + CHUNK], steps)
        done.append(last)
    cleaned = np.concatenate([state.images for state in done])[..., None]
    boxes = [state.boxes for state in done if state.boxes is not None]
    if not boxes:
        return Cleaned(cleaned)
    found = np.concatenate([state.found for state in done if state.found is not None])
    return Cleaned(cleaned, np.concatenate(boxes), found == wanted)


def rightly_separated(
    boxes: NDArray[np.integer[Any]], truth: NDArray[np.integer[Any]], least: float = 0.5
) -> NDArray[np.bool_]:
    """(n,) whether the boxes found are those of the characters: each true one has a box of its own.

    Args:
        boxes: (n, k, 4) top, left, bottom, right; -1 where none was found.
        truth: (n, k, 4) where the characters are.
        least: The intersection over union that counts as found, as in PASCAL VOC (Everingham et al. 2010).
    """
    low = np.maximum(boxes[:, :, None, :2], truth[:, None, :, :2])
    high = np.minimum(boxes[:, :, None, 2:], truth[:, None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=3).astype(np.float64)
    area = [np.clip(each[:, :, 2:] - each[:, :, :2], 0, None).prod(axis=2) for each in (boxes, truth)]
    union = area[0][:, :, None] + area[1][:, None, :] - shared
    hit = shared / np.maximum(union, 1) >= least
    right: NDArray[np.bool_] = hit.any(axis=1).all(axis=1) & (hit.any(axis=2).sum(axis=1) == truth.shape[1])
    return right


def _blur(state: State, sigma: float) -> State:
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(state.images.astype(np.float32), (0, sigma, sigma), truncate=3)
    return replace(state, images=np.rint(blurred).astype(np.uint8))


def _threshold(state: State, level: float) -> State:
    levels = np.full(len(state.images), level * 255) if level else _otsu(state.images)
    return replace(state, images=((state.images > levels[:, None, None]) * 255).astype(np.uint8))


def _otsu(images: Images) -> NDArray[np.float64]:
    """(n,) the level of each image that parts dark from bright with the least variance within both."""
    n = len(images)
    codes = images.reshape(n, -1).astype(np.int64) + np.arange(n)[:, None] * 256
    counts = np.bincount(codes.ravel(), minlength=256 * n).reshape(n, 256).astype(np.float64)
    below, total = counts.cumsum(axis=1), counts.sum(axis=1, keepdims=True)
    mass = (counts * np.arange(256)).cumsum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mass[:, -1:] * below / total - mass) ** 2 / (below * (total - below))
    levels: NDArray[np.float64] = np.nan_to_num(between).argmax(axis=1).astype(np.float64)
    return levels


def _erode(state: State, pixels: float) -> State:
    from scipy.ndimage import grey_erosion

    side = int(pixels) + 1
    return replace(state, images=grey_erosion(state.images, size=(1, side, side)))


def _dilate(state: State, pixels: float) -> State:
    from scipy.ndimage import grey_dilation

    side = int(pixels) + 1
    return replace(state, images=grey_dilation(state.images, size=(1, side, side)))


def _extract(state: State, wanted: float, fewest: float) -> State:
    from scipy.ndimage import find_objects, label

    k, n = int(wanted), len(state.images)
    around = np.zeros((3, 3, 3))
    around[1] = 1  # neighbours within an image only, corners too
    parts, n_parts = label(state.images > 0, around)
    sizes = np.bincount(parts.ravel(), minlength=n_parts + 1)
    boxes = np.full((n, k, 4), -1, np.int64)
    found = np.zeros(n, np.int64)
    by_image: list[list[tuple[int, int, Any]]] = [[] for _ in range(n)]
    for number, place in enumerate(find_objects(parts), 1):
        if sizes[number] >= fewest:
            by_image[place[0].start].append((int(sizes[number]), number, place))
    keep = np.zeros(n_parts + 1, np.bool_)
    for row, there in enumerate(by_image):
        found[row] = len(there)
        largest = sorted(sorted(there, key=lambda part: -part[0])[:k], key=lambda part: part[2][2].start)
        for column, (_, number, (_, y, x)) in enumerate(largest):
            boxes[row, column] = (y.start, x.start, y.stop, x.stop)
            keep[number] = True
    return replace(state, images=state.images * keep[parts], boxes=boxes, found=found)


def _align(state: State, side: float) -> State:
    assert state.boxes is not None
    s = int(side)
    inner = max(1, round(s * 0.8))
    n, k = state.boxes.shape[:2]
    out = np.zeros((n, k, s, s), np.uint8)
    for row, column in zip(*np.nonzero(state.boxes[:, :, 0] >= 0), strict=True):
        top, left, bottom, right = state.boxes[row, column]
        scale = inner / max(bottom - top, right - left)
        size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
        cut = Image.fromarray(np.ascontiguousarray(state.images[row, top:bottom, left:right]))
        scaled = np.asarray(cut.resize(size, Image.Resampling.BILINEAR))
        y, x = (s - size[1]) // 2, (s - size[0]) // 2
        out[row, column, y : y + size[1], x : x + size[0]] = scaled
    return replace(state, characters=out)


def _reassemble(state: State) -> State:
    assert state.characters is not None
    n, k, s, _ = state.characters.shape
    return replace(state, images=state.characters.transpose(0, 2, 1, 3).reshape(n, s, k * s))


_DO: dict[str, Callable[..., State]] = {
    "blur": _blur,
    "threshold": _threshold,
    "erode": _erode,
    "dilate": _dilate,
    "extract": _extract,
    "align": _align,
    "reassemble": _reassemble,
}
