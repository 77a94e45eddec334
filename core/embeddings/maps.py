"""Maps of a data set: every image a point, near to those like it. Runs of kind "embed".

Made and read here, done by ``core.worker.embedding``. Their folder holds::

    positions.npy    (n,) int64     which items of the data set
    pca.npy          (n, 2) float32 the first two principal components, written at once
    xy.npy           (n, 2) float32 the map; not there while it is made
    neighbours.npy   (n, k) int32   rows of each point's nearest others in feature space, nearest first
    quality.json     how far the map can be trusted
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.embeddings.features import FeatureSource, source_of
from core.errors import BadInput, DamagedFile, NotFound
from core.files import Json, read_array, read_json
from core.labels.versions import current_version
from core.runs.store import Run, create_run, list_runs
from core.workspace import Workspace

KIND = "embed"
Method = Literal["fast-umap", "umap", "pca"]
Metric = Literal["euclidean", "cosine"]
METHODS: tuple[str, ...] = get_args(Method)
METRICS: tuple[str, ...] = get_args(Metric)
POSITIONS, PCA, XY, NEIGHBOURS = "positions.npy", "pca.npy", "xy.npy", "neighbours.npy"
QUALITY = "quality.json"
FARTHEST = 1_000.0
"""No point of a map, which is scaled into -1 to 1, or of images placed on one, lies so far out."""


@dataclass(frozen=True)
class MapRequest:
    """Every choice that makes a map.

    Attributes:
        source: Where the features come from.
        method: "fast-umap" (own layout of the same graph), "umap" (umap-learn, the reference) or "pca".
        n_neighbors: How many neighbours hold each point: few show detail, many the whole.
        min_dist: How closely points may lie, in units of the layout, 0 to 1.
        metric: Between features: "euclidean" or "cosine".
        seed: The same seed makes the same map.
        onto: Id of the finished map that these images are placed on, as its own images lie; "" for a new map.
            Such a request has the features of that map (``placed_on`` makes one).
    """

    source: FeatureSource
    method: Method = "fast-umap"
    n_neighbors: int = 15
    min_dist: float = 0.1
    metric: Metric = "euclidean"
    seed: int = 0
    onto: str = ""

    def to_json(self) -> Json:
        """The same as JSON."""
        return {**asdict(self), "source": self.source.key()}


@dataclass(frozen=True)
class MapQuality:
    """How far a map can be trusted; core.embeddings.quality says how each is measured.

    Attributes:
        trustworthiness: 0 to 1: near on the map is near in feature space.
        continuity: 0 to 1: near in feature space is near on the map.
        purity: Share of each point's neighbours on the map with its own label, averaged; None without labels.
        n_neighbors: How many neighbours count.
        n_sampled: How many points were looked at.
    """

    trustworthiness: float
    continuity: float
    purity: float | None
    n_neighbors: int
    n_sampled: int


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """A map.

    Attributes:
        positions: (n,) int64, items of the data set.
        xy: (n, 2) float32 in -1 to 1, both axes to one scale.
        is_final: False while only the principal components are there.
        request: What was asked for.
        quality: None until it has been measured.
    """

    positions: NDArray[np.int64]
    xy: NDArray[np.float32]
    is_final: bool
    request: MapRequest
    quality: MapQuality | None

    def __len__(self) -> int:
        return len(self.positions)


def create_map(
    workspace: Workspace, dataset: Dataset, request: MapRequest, *, name: str | None = None
) -> Run:
    """Make a run that makes a map; core.runs.launch starts it.

    Raises:
        BadInput: A parameter out of range.
        NameTaken, StorageFailed: As for any run.
    """
    check_request(request)
    version = current_version(workspace, dataset.name)
    job = request.to_json()
    return create_run(workspace, dataset, None, name=name, kind=KIND, label_version=version, job=job)


def placed_on(base: Run) -> MapRequest:
    """What places the images of another data set on a finished map: its features, its choices.

    Raises:
        NotFound: The map is not finished.
        DamagedFile: It cannot be read.
    """
    if not (base.folder / XY).exists():
        raise NotFound(f"Map {base.name!r} is not finished.", "Let it go on, then place images on it.")
    return replace(request_of(base), onto=base.id)


def check_request(request: MapRequest) -> None:
    """Raises BadInput naming the first parameter that is out of range."""
    checks = (
        ("method", request.method, request.method in METHODS, f"one of {', '.join(METHODS)}"),
        ("metric", request.metric, request.metric in METRICS, f"one of {', '.join(METRICS)}"),
        ("n_neighbors", request.n_neighbors, 2 <= request.n_neighbors <= 200, "2 to 200"),
        ("min_dist", request.min_dist, 0 <= request.min_dist <= 1, "0 to 1"),
        ("seed", request.seed, 0 <= request.seed < 2**31, "0 to 2147483647"),
    )
    for field, value, holds, expected in checks:
        if not holds:
            raise BadInput(f"{field} is {value!r}.", f"Give {expected}.")


def maps_of(workspace: Workspace, dataset: Dataset) -> tuple[Run, ...]:
    """The maps of the data set as it is now, newest first: finished, under way, stopped or failed."""
    runs = list_runs(workspace, dataset=dataset.name, kind=KIND)
    return tuple(run for run in runs if run.fingerprint == dataset.fingerprint)


def find_map(workspace: Workspace, name_or_id: str) -> Run:
    """A map by name or id, of any data set. Raises NotFound, naming the newest ones."""
    runs = list_runs(workspace, kind=KIND)
    for run in runs:
        if name_or_id in (run.name, run.id):
            return run
    known = ", ".join(run.name for run in runs[:5]) or "none yet"
    raise NotFound(f"There is no map {name_or_id!r}.", f"The newest are: {known}.")


def request_of(run: Run) -> MapRequest:
    """What was asked for. Raises DamagedFile."""
    job: dict[str, Any] = run.job
    try:
        return MapRequest(
            source_of(job["source"]),
            job["method"],
            int(job["n_neighbors"]),
            float(job["min_dist"]),
            job["metric"],
            int(job["seed"]),
            str(job.get("onto", "")),  # maps made before new images could be placed lack it
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"run.json of {run.name!r} asks for no map ({error}).", "Make it again.") from error


def load_map(run: Run) -> EmbeddingMap:
    """The map of a run; while it is made, its principal components.

    Raises:
        NotFound: Not even those are there yet.
        DamagedFile: A file cannot be read.
    """
    folder = run.folder
    is_final = (folder / XY).exists()
    if not is_final and not (folder / PCA).exists():
        raise NotFound(f"Map {run.name!r} has no points yet.", "Let it go on, or make it again.")
    positions = read_array(folder / POSITIONS)
    xy = read_array(folder / (XY if is_final else PCA))
    if xy.shape != (len(positions), 2):
        raise DamagedFile(
            f"{folder / XY} has shape {xy.shape} for {len(positions):,} items.", "Make the map again."
        )
    if xy.dtype.kind != "f" or not (np.abs(xy) < FARTHEST).all():
        raise DamagedFile(f"{folder / XY} holds points that lie nowhere.", "Make the map again.")
    if positions.dtype.kind != "i" or positions.ndim != 1 or (len(positions) and positions.min() < 0):
        raise DamagedFile(f"{folder / POSITIONS} names no images.", "Make the map again.")
    return EmbeddingMap(positions, xy, is_final, request_of(run), load_quality(run))


def load_quality(run: Run) -> MapQuality | None:
    """None until it has been measured."""
    path = run.folder / QUALITY
    if not path.exists():
        return None
    values = read_json(path)
    try:
        return MapQuality(
            trustworthiness=float(values["trustworthiness"]),
            continuity=float(values["continuity"]),
            purity=None if values["purity"] is None else float(values["purity"]),
            n_neighbors=int(values["n_neighbors"]),
            n_sampled=int(values["n_sampled"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DamagedFile(f"{path} is garbled ({error}).", "Make the map again.") from error


def load_neighbours(run: Run) -> NDArray[np.int32]:
    """(n, k) rows of the map: each point's nearest others in feature space. Raises NotFound, DamagedFile."""
    path = run.folder / NEIGHBOURS
    if not path.exists():
        raise NotFound(f"Map {run.name!r} has no neighbours yet.", "Let it go on, or make it again.")
    rows = read_array(path)
    is_table = rows.dtype.kind == "i" and rows.ndim == 2
    if not is_table or (rows.size and not 0 <= int(rows.min()) <= int(rows.max()) < len(rows)):
        raise DamagedFile(f"{path} names neighbours that are not on the map.", "Make the map again.")
    return rows


def in_unit_square(xy: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n, 2) moved and scaled into -1 to 1, both axes alike; a single place becomes the middle."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    half = float((high - low).max()) / 2
    centred = xy - (low + high) / 2
    return np.ascontiguousarray(centred / half if half > 0 else np.zeros_like(centred), np.float32)
