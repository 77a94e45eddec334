"""Features: what a network, or the pixels themselves, say of each image, as one vector an image.

They come from the penultimate layer of a run, from CLIP, from a pretrained network, or from the pixels.
What has to be computed is kept in the workspace's cache, by what went in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.data.images import ArrayImages
from core.embeddings.blocks import BLOCK, gathered
from core.embeddings.makers import Maker, PixelMaker, backbone_maker, pixel_shape, run_maker
from core.errors import BadInput, DamagedFile, NotFound
from core.files import digest, read_array
from core.runs.store import Run, find_run
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.evaluation.predictions import Predictions

Floats = NDArray[np.float32]
Progress = Callable[[float, str], None]
"""Told how much is done, 0 to 1, and what is being done."""

Kind = Literal["run", "clip", "backbone", "pixels"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class FeatureSource:
    """Where features come from.

    Attributes:
        kind: "run", "clip", "backbone" or "pixels".
        name: The id or name of a run, the key of a CLIP model, or the name of a network; "" for pixels.
        weights: For a backbone, a local .safetensors file; "" for the published weights.
    """

    kind: Kind
    name: str = ""
    weights: str = ""

    def key(self) -> dict[str, str]:
        """The same as JSON."""
        return asdict(self)

    @property
    def title(self) -> str:
        """For people."""
        if self.kind == "run":
            return f"run {self.name}"
        if self.kind == "clip":
            return f"CLIP {self.name}".strip()
        return f"{self.name}, pretrained" if self.kind == "backbone" else "raw pixels"


@dataclass(frozen=True, eq=False)
class Features:
    """One vector an image, all finite.

    Attributes:
        positions: (n,) int64, which items of the data set, ascending. Items that a run left out are missing.
        values: (n, D) float32; of ``mapped_features`` as they are kept.
        source: Where they come from.
        digest: Changes with the content: the key of everything derived.
        n_left_out: Images whose features were not finite.
    """

    positions: NDArray[np.int64]
    values: NDArray[Any]
    source: FeatureSource
    digest: str
    n_left_out: int = 0

    def __len__(self) -> int:
        return len(self.positions)


def features_of(
    workspace: Workspace,
    dataset: Dataset,
    source: FeatureSource,
    *,
    on_progress: Progress | None = None,
) -> Features:
    """The features of a data set, read, from the cache, or computed and kept there.

    Images with features that are not finite are left out and counted.

    Raises:
        NotFound, DamagedFile: There is no such run or weights file, or it cannot be read.
        BadInput: An unknown source, or no image has usable features.
        Offline: Published weights are needed and cannot be reached.
    """
    report = on_progress or (lambda share, text: None)
    makers: dict[str, Callable[..., tuple[NDArray[np.int64], NDArray[Any], str]]] = {
        "run": _of_run,
        "clip": _of_clip,
        "backbone": _of_backbone,
        "pixels": _of_pixels,
    }
    if source.kind not in makers:
        raise BadInput(f"There are no features of kind {source.kind!r}.", f"Choose: {', '.join(KINDS)}.")
    positions, values, key = makers[source.kind](workspace, dataset, source, report)
    return finite(positions, np.asarray(values, np.float32), source, key)


def mapped_features(
    workspace: Workspace,
    dataset: Dataset,
    source: FeatureSource,
    load: Callable[[Run], Predictions] | None = None,
) -> Features:
    """As ``features_of``, for a search in a server: what lies on the disk stays there, however large it is.

    So values may be float16 or, of pixels, 0 to 255 as uint8, they may be not finite, and positions may be in
    any order.

    Args:
        load: Gives a run's predictions, where they are at hand; read otherwise.
    """
    if source.kind == "run":
        run = find_run(workspace, source.name)
        if run.fingerprint == dataset.fingerprint and run.features_file.exists():
            positions, values = _as_kept(run, dataset, load)
            written = run.features_file.stat().st_mtime_ns  # anew by a run that was resumed
            return Features(positions, values, source, f"mapped-{run.id}-{written}")
    images = dataset.images
    if source.kind == "pixels" and isinstance(images, ArrayImages) and images.uniform == pixel_shape(dataset):
        values = images.pixels.reshape(len(dataset), -1)
        return Features(np.arange(len(dataset)), values, source, f"mapped-{dataset.fingerprint}")
    return features_of(workspace, dataset, source)


def finite(positions: NDArray[np.int64], values: Floats, source: FeatureSource, key: str) -> Features:
    """Features without the rows that hold NaN or infinity. Raises BadInput when none is left."""
    good = np.ones(len(values), bool)
    for start in range(0, len(values), 65_536):
        good[start : start + 65_536] = np.isfinite(values[start : start + 65_536]).all(axis=1)
    if not good.any():
        raise BadInput(
            f"The features of {source.title} are not finite for any of {len(values):,} images.",
            "A training that diverged leaves such: lower its learning rate, or choose other features.",
        )
    if good.all():
        return Features(positions, values, source, key)
    return Features(positions[good], values[good], source, f"{key}-finite", int((~good).sum()))


def _of_run(
    workspace: Workspace, dataset: Dataset, source: FeatureSource, report: Progress
) -> tuple[NDArray[np.int64], NDArray[Any], str]:
    """What the run kept; for a data set it was not trained on, what its network says of that."""
    run = find_run(workspace, source.name)
    if run.fingerprint == dataset.fingerprint and run.features_file.exists():
        positions, values = _kept(run, dataset)
        return positions, values, digest(positions, np.asarray(values))
    maker = run_maker(workspace, run)
    return np.arange(len(dataset)), made(maker, dataset, report), digest(maker.name, dataset.fingerprint)


def _kept(run: Run, dataset: Dataset) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """(positions (n,), features (n, D)) in the order of the data set. Raises DamagedFile."""
    positions, features = _as_kept(run, dataset)
    order = np.argsort(positions, kind="stable")
    return positions[order], features[order]


def _as_kept(
    run: Run, dataset: Dataset, load: Callable[[Run], Predictions] | None = None
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The same in the order of the run's files; the features are mapped."""
    from core.evaluation.predictions import load_predictions

    predictions = load(run) if load is not None else load_predictions(run.predictions_file)
    features = read_array(run.features_file)
    try:
        positions = dataset.positions(predictions.item_ids)
    except NotFound as error:
        raise DamagedFile(
            f"Run {run.name!r} does not fit its data: {error.problem}", "Train again."
        ) from error
    if features.ndim != 2 or len(features) != len(positions):
        raise DamagedFile(
            f"{run.features_file} has shape {features.shape} for {len(positions):,} predictions.",
            "Resume the run to write its results again.",
        )
    return positions, features


def _of_clip(
    workspace: Workspace, dataset: Dataset, source: FeatureSource, report: Progress
) -> tuple[NDArray[np.int64], NDArray[Any], str]:
    from core.embeddings.clip import clip_features
    from core.embeddings.clip_models import find_model, model_digest

    model = find_model(workspace, source.name)
    values = clip_features(workspace, dataset, model, on_progress=report)
    key = digest("clip", model_digest(model), dataset.fingerprint)
    return np.arange(len(dataset)), values, key


def _of_backbone(
    workspace: Workspace, dataset: Dataset, source: FeatureSource, report: Progress
) -> tuple[NDArray[np.int64], NDArray[Any], str]:
    maker = backbone_maker(workspace, source.name, source.weights)
    return np.arange(len(dataset)), made(maker, dataset, report), digest(maker.name, dataset.fingerprint)


def _of_pixels(
    workspace: Workspace, dataset: Dataset, source: FeatureSource, report: Progress
) -> tuple[NDArray[np.int64], NDArray[Any], str]:
    """Pixels 0 to 1, row after row; images of other sizes than a small common one are scaled to squares."""
    uniform = pixel_shape(dataset)
    if uniform == dataset.images.uniform:
        pixels = np.empty((len(dataset), *uniform), np.uint8)
        for start in range(0, len(dataset), BLOCK):
            some = np.arange(start, min(start + BLOCK, len(dataset)))
            pixels[some] = dataset.images.resized(some, *uniform)
            report((int(some[-1]) + 1) / len(dataset), "reading images")
    else:
        pixels = made(PixelMaker(workspace), dataset, report)
    values = pixels.reshape(len(dataset), -1).astype(np.float32)
    values /= 255
    key = {"fingerprint": dataset.fingerprint, "pixels": list(uniform)}
    return np.arange(len(dataset)), values, digest(key)


def made(maker: Maker, dataset: Dataset, report: Progress) -> NDArray[Any]:
    """(N, D) what ``maker`` makes of all images, in the order of the data set."""
    blocks = maker.blocks(dataset)
    rows = gathered(blocks, partial(maker.encode, dataset), report)
    if rows is None:
        raise NotFound(f"{dataset.name!r} has no image.", "Import some.")
    positions = np.concatenate([block.positions for block in blocks])
    if (positions[1:] > positions[:-1]).all():
        return rows
    values = np.empty_like(rows)
    values[positions] = rows
    return values


def named(workspace: Workspace, source: FeatureSource) -> FeatureSource:
    """The same with a run's name instead of its id; of a deleted run it says so. For people only."""
    if source.kind != "run":
        return source
    try:
        return replace(source, name=find_run(workspace, source.name).name)
    except NotFound:
        return replace(source, name=f"{source.name} (deleted)")


def parse_source(text: str, weights: str = "") -> FeatureSource:
    """``run:NAME``, ``clip:KEY``, ``backbone:NAME`` or ``pixels`` as a source. Raises BadInput."""
    kind, _, name = text.partition(":")
    if kind not in KINDS or (kind in ("run", "backbone") and not name):
        raise BadInput(
            f"{text!r} names no features.", "Write run:NAME, clip:MODEL, backbone:NETWORK or pixels."
        )
    return FeatureSource(kind, name, weights)  # type: ignore[arg-type]


def source_of(value: dict[str, str]) -> FeatureSource:
    """What ``FeatureSource.key`` made. Raises DamagedFile."""
    try:
        return FeatureSource(**value)  # type: ignore[arg-type]
    except TypeError as error:
        raise DamagedFile(f"{value!r} names no features.", "Make the map again.") from error
