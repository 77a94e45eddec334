"""The job that makes a map: on real features of a really trained run, and on features that are no good."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.data.writer import write_array_dataset
from core.embeddings.features import FeatureSource
from core.embeddings.maps import MapRequest, create_map, load_map, load_neighbours, maps_of, placed_on
from core.errors import NotFound
from core.files import read_array, write_array
from core.runs.store import Run, RunState, status
from core.worker import work
from core.workspace import Workspace
from tests.finished_runs import finished_run

PIXELS = FeatureSource("pixels")


@pytest.fixture
def run(workspace: Workspace, sample: Dataset) -> Run:
    return finished_run(workspace, sample, "base")


def request(run: Run, **changes: object) -> MapRequest:
    return MapRequest(FeatureSource("run", run.id), **changes)  # type: ignore[arg-type]


def part(workspace: Workspace, sample: Dataset, name: str, rows: np.ndarray, n_copies: int = 0) -> Dataset:
    """Some images of the sample as a data set of their own, the first of them ``n_copies`` times more."""
    rows = np.concatenate([np.full(n_copies, rows[0]), rows])
    return write_array_dataset(
        workspace,
        name,
        title=name,
        task=sample.task,
        classes=sample.classes,
        item_ids=np.array([f"{k:05d}" for k in range(len(rows))]),
        split=np.asarray(sample.split)[rows],
        labels=np.asarray(sample.labels)[rows],
        images=np.array(sample.images.pixels)[rows],  # type: ignore[attr-defined]
    )


def notes(run: Run) -> str:
    return " ".join(status(run).notes)


def test_a_map_has_every_image_of_the_run(workspace: Workspace, sample: Dataset, run: Run) -> None:
    made = create_map(workspace, sample, request(run, method="pca"))
    assert work(made.folder) == 0, status(made).error
    assert status(made).state is RunState.FINISHED
    found = load_map(made)
    assert found.is_final
    assert found.request == request(run, method="pca")
    assert np.array_equal(found.positions, np.arange(len(sample)))
    assert found.xy.dtype == np.float32
    assert np.abs(found.xy).max() == pytest.approx(1)
    assert maps_of(workspace, sample) == (made,)


def test_the_same_request_makes_the_same_map_and_another_seed_another(
    workspace: Workspace, sample: Dataset
) -> None:
    few = part(workspace, sample, "few", np.arange(300))
    found = []
    for seed in (3, 3, 4):
        made = create_map(workspace, few, MapRequest(PIXELS, seed=seed))
        assert work(made.folder) == 0, status(made).error
        found.append(load_map(made).xy)
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_new_images_are_placed_among_those_of_their_class_on_a_map_that_stays(
    workspace: Workspace, sample: Dataset, run: Run
) -> None:
    base = create_map(workspace, sample, request(run), name="base-map")
    assert work(base.folder) == 0, status(base).error
    known = load_map(base)
    rows = np.flatnonzero(np.asarray(sample.split) == 2)[:200]
    few = part(workspace, sample, "new", rows)
    made = create_map(workspace, few, placed_on(base))
    assert work(made.folder) == 0, status(made).error
    placed = load_map(made)
    assert placed.request.onto == base.id
    apart = np.linalg.norm(placed.xy - known.xy[rows], axis=1)
    assert np.median(apart) < 1e-3, "copies lie where the originals do"
    assert apart.max() < 0.2
    assert np.array_equal(load_map(base).xy, known.xy)


def test_images_of_another_size_cannot_be_placed_and_the_message_says_why(
    workspace: Workspace, sample: Dataset
) -> None:
    few = part(workspace, sample, "few", np.arange(40))
    base = create_map(workspace, few, MapRequest(PIXELS, method="pca"))
    with pytest.raises(NotFound, match="not finished"):
        placed_on(base)
    assert work(base.folder) == 0
    small = write_array_dataset(
        workspace,
        "small",
        title="small",
        task=sample.task,
        classes=sample.classes,
        item_ids=np.array(["a", "b", "c", "d", "e", "f"]),
        split=np.zeros(6, np.int8),
        labels=np.zeros(6, np.int64),
        images=np.random.default_rng(0).integers(0, 255, (6, 8, 8, 1), np.uint8),
    )
    made = create_map(workspace, small, placed_on(base))
    assert work(made.folder) == 1
    assert "784 numbers" in (status(made).error or "")


def test_images_whose_features_are_not_finite_are_left_out_and_told(
    workspace: Workspace, sample: Dataset, run: Run
) -> None:
    values = read_array(run.features_file).copy()
    values[:7] = np.nan
    write_array(run.features_file, values)
    made = create_map(workspace, sample, request(run, method="pca"))
    assert work(made.folder) == 0, status(made).error
    assert len(load_map(made)) == len(sample) - 7
    assert "7 images are left out" in notes(made)


def test_one_class_only_makes_a_map_of_full_purity(workspace: Workspace, sample: Dataset) -> None:
    rows = np.flatnonzero(np.asarray(sample.labels) == 3)[:120]
    made = create_map(workspace, part(workspace, sample, "dresses", rows), MapRequest(PIXELS))
    assert work(made.folder) == 0, status(made).error
    quality = load_map(made).quality
    assert quality is not None
    assert quality.purity == 1


@pytest.mark.parametrize("n", [2, 4, 9])
def test_fewer_images_than_neighbours_make_a_map_and_a_note(
    workspace: Workspace, sample: Dataset, n: int
) -> None:
    made = create_map(workspace, part(workspace, sample, "few", np.arange(n)), MapRequest(PIXELS))
    assert work(made.folder) == 0, status(made).error
    assert np.isfinite(load_map(made).xy).all()
    assert load_neighbours(made).shape == (n, n - 1)
    assert f"there are only {n} images" in notes(made)


def test_copies_by_the_thousand_lie_together_and_the_others_apart(
    workspace: Workspace, sample: Dataset
) -> None:
    many = part(workspace, sample, "copies", np.arange(200), n_copies=1_500)
    made = create_map(workspace, many, MapRequest(PIXELS))
    assert work(made.folder) == 0, status(made).error
    xy = load_map(made).xy
    assert np.isfinite(xy).all()
    assert xy[1_500:].std(axis=0).min() > 0.05, "the copies do not press all others into a corner"


def test_umap_learn_makes_the_reference(workspace: Workspace, sample: Dataset) -> None:
    made = create_map(
        workspace, part(workspace, sample, "few", np.arange(60)), MapRequest(PIXELS, method="umap")
    )
    assert work(made.folder) == 0, status(made).error
    quality = load_map(made).quality
    assert quality is not None
    assert quality.trustworthiness > 0.8


def test_images_that_are_all_the_same_make_no_map(workspace: Workspace, sample: Dataset) -> None:
    same = part(workspace, sample, "same", np.arange(1), n_copies=30)
    made = create_map(workspace, same, MapRequest(PIXELS))
    assert work(made.folder) == 1
    assert "nothing to tell them apart by" in (status(made).error or "")
