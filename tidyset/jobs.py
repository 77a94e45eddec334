"""Trainings and other long jobs: run by the same workers as those of the app, which see them at once."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import TidysetError
from core.files import read_json
from core.runs import launch, store
from core.runs.store import RunState
from core.workspace import current
from tidyset.data import Dataset, as_person

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from core.evaluation.compare import Comparison
    from core.evaluation.predictions import Predictions as StoredPredictions


def done(run: store.Run) -> store.Run:
    """Start a run and wait for its end. Raises TidysetError where it does not finish.

    A keyboard interrupt stops the run too: what is done stays, and ``tidyset runs resume`` goes on.
    """
    launch.start(run)
    return _waited(run)


def _waited(run: store.Run) -> store.Run:
    try:
        now = launch.wait(run)
    except KeyboardInterrupt:
        if store.status(run).state.active:
            launch.request_stop(run)
        raise
    if now.state is not RunState.FINISHED:
        raise TidysetError(f"Run {run.name!r} {now.state.value}: {now.error or 'it has no result.'}")
    return run


def runs(data: Dataset | str | None = None) -> list[Run]:
    """Return the training runs, newest first; of one data set when it is given.

    Example:
        >>> import tidyset
        >>> [run.name for run in tidyset.runs("fashion-mnist-sample")]
        []
    """
    name = data.name if isinstance(data, Dataset) else data
    return [Run(run) for run in store.list_runs(current(), dataset=name)]


@as_person
def train(
    data: Dataset,
    recipe: str = "baseline",
    *,
    name: str | None = None,
    labels: str = "corrected",
    wait: bool = True,
    **settings: Any,
) -> Run:
    """Train a model on all of a data set, as its splits say.

    Args:
        data: The data set.
        recipe: A preset, or a .toml file.
        name: What to call the run; made up when not given.
        labels: "corrected" (the newest) or "given".
        wait: Whether to return only when it is done.
        **settings: Fields of the recipe, such as ``epochs=3``; ``tidyset train --help-recipe`` lists them.

    Raises:
        BadInput: The recipe does not fit the data.
        NameTaken: There is a run of that name.
        TidysetError: The training failed; the message says why.

    Example:
        >>> import tidyset
        >>> data = tidyset.load("fashion-mnist-sample")
        >>> run = tidyset.train(data, "fast", epochs=1, epoch_images=256)
        >>> run.state, sorted(run.metrics)[:2]
        ('finished', ['best_epoch', 'epochs'])
        >>> len(run.predictions), run.predictions.to_pandas().columns[:3].tolist()
        (6000, ['split', 'label', 'predicted'])
    """
    from core.runs.presets import find_recipe

    data._labels(labels)
    workspace = data._workspace
    chosen = find_recipe(workspace, recipe).with_changes(settings)
    version = data.label_version if labels == "corrected" else 0
    run = store.create_run(workspace, data._source, chosen, name=name, label_version=version)
    launch.start(run)
    return Run(_waited(run) if wait else run)


class Predictions:
    """What a run predicts, a row an image; by id, not by position.

    Example:
        Of a finished ``run``:

        >>> run.predictions.pred_probs.shape
        (6000, 10)
    """

    def __init__(self, stored: StoredPredictions) -> None:
        self._stored = stored

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def ids(self) -> NDArray[np.str_]:
        """(N,) the images' ids."""
        return self._stored.item_ids

    @property
    def split(self) -> NDArray[np.str_]:
        """(N,) the part each image played: of train the run saw the label, so that it says little there."""
        return self._stored.split

    @property
    def pred_probs(self) -> NDArray[np.float32]:
        """(N, K), columns in the order of the classes."""
        return self._stored.pred_probs

    def to_pandas(self) -> pd.DataFrame:
        """Return a table indexed by id: split, label, predicted, confidence and a column of probabilities a
        class; where images have several labels, without label, predicted and confidence.
        """
        import pandas as pd

        stored = self._stored
        columns: dict[str, Any] = {"split": stored.split}
        if not stored.has_many_labels:
            names = np.array([*stored.classes, None], object)  # -1 is the last
            columns |= {"label": names[stored.labels], "predicted": names[stored.predicted]}
            columns["confidence"] = stored.confidence
        columns |= {f"p_{name}": stored.pred_probs[:, k] for k, name in enumerate(stored.classes)}
        return pd.DataFrame(columns, index=pd.Index(stored.item_ids, name="id"))


class Run:
    """A training run, going or done. ``tidyset.train`` makes one, ``tidyset.runs`` lists them.

    Example:
        See ``tidyset.train``.
    """

    def __init__(self, run: store.Run) -> None:
        self._run = run

    @property
    def name(self) -> str:
        """What people call it."""
        return self._run.name

    @property
    def state(self) -> str:
        """ "starting", "running", "finished", "stopped", "failed" or "lost"."""
        return store.status(self._run).state.value

    @property
    def recipe(self) -> dict[str, Any]:
        """All fields of its recipe."""
        return self._run.recipe.model_dump()

    @property
    def metrics(self) -> dict[str, Any]:
        """The headline figures, such as ``test_accuracy``. Raises NotFound before the run has finished."""
        value = read_json(self._run.metrics_file)
        return {name: figure for name, figure in value.items() if name != "splits"}

    @cached_property
    def predictions(self) -> Predictions:
        """What it predicts for all images. Raises NotFound before the run has finished."""
        from core.evaluation.of_run import predictions_of

        return Predictions(predictions_of(self._run))

    def wait(self) -> Run:
        """Wait for its end and return it. Raises TidysetError where it does not finish."""
        _waited(self._run)
        return self

    @as_person
    def stop(self) -> None:
        """Ask it to end after the step it is in. Raises NotFound when it is not going."""
        launch.request_stop(self._run)

    def plot_confusion(self, split: str = "test") -> Figure:
        """Draw the confusion matrix of a split: rows the given label, columns the prediction.

        Where images have several labels: a matrix of no and yes a class, side by side in one table of counts.

        Raises:
            NotFound: The run has not finished.

        Example:
            Of a finished ``run``:

            >>> int(run.plot_confusion().data[0].z.sum())
            1000
        """
        from plotly.graph_objects import Figure, Heatmap

        from core.data.labels import Labels, Task

        rows = self.predictions._stored.only(split)
        labels = Labels.of(rows.labels, rows.classes)
        counts = labels.confusion(labels.predicted(rows.pred_probs))
        columns: list[str] = list(rows.classes)
        if labels.task is Task.MULTI_LABEL:
            counts = counts.reshape(len(rows.classes), 4)
            columns = ["no, said no", "no, said yes", "yes, said no", "yes, said yes"]
        figure = Figure(
            Heatmap(z=counts, x=columns, y=rows.classes, colorscale="Blues", texttemplate="%{z}"),
        )
        figure.update_yaxes(autorange="reversed", title="Given label")
        figure.update_xaxes(title="Predicted label", side="top")
        return figure

    def __repr__(self) -> str:
        return f"<tidyset.Run {self.name!r} on {self._run.dataset!r}: {self.state}>"


def compare(a: Run, b: Run, split: str = "test") -> Comparison:
    """Compare two runs on the images that both predicted, on the labels as given.

    Differences are ``b`` minus ``a``. What ``tidyset compare`` prints has the corrected labels beside; those
    are often found by looking at one of the models, and then favor it.

    Returns:
        With ``verdict`` (a sentence), ``difference``, ``ci95``, ``p_value`` and ``to_json()``.

    Raises:
        BadInput: The runs have no labeled images of this split in common.

    Example:
        Of two finished runs, here the same one twice:

        >>> import tidyset
        >>> tidyset.compare(run, run).difference
        0.0
    """
    from core.evaluation.of_run import compare_runs

    return compare_runs(current(), a._run, b._run, split)[0]


@dataclass(frozen=True)
class Proof:
    """Whether edits helped; made by ``tidyset.prove``.

    Attributes:
        verdict: One sentence.
        outcome: "better", "worse", "same" or "not proven".
        details: All of it, as ``tidyset prove --json`` prints.
    """

    verdict: str
    outcome: str
    details: dict[str, Any]


@as_person
def prove(
    run: Run, *, seeds: int = 5, version: int | None = None, name: str | None = None, **settings: Any
) -> Proof:
    """Did the edits help? Train before and after them with several seeds, with controls, and test.

    Args:
        run: The training before the edits.
        seeds: Trainings of each arm; choose before you look.
        version: The label version to prove; the newest when not given.
        name: What to call it; made up when not given.
        **settings: Fields of the recipe to change.

    Raises:
        BadInput: There are no edits, or too few test images.
        TidysetError: A training failed.

    Example:
        Of a finished ``run``, after an edit that can hardly matter:

        >>> import tidyset
        >>> data = tidyset.load("fashion-mnist-sample")
        >>> data = tidyset.edit(data, data[1].id, "Coat")
        >>> tidyset.prove(run, seeds=2).outcome
        'not proven'
    """
    from core.data.catalog import open_dataset
    from core.quality.arms import edits_of_version
    from core.quality.proofs import create_proof, read_proof

    workspace, base = current(), run._run
    edits = edits_of_version(workspace, open_dataset(workspace, base.dataset), base.label_version, version)
    made = done(create_proof(workspace, base, edits, n_seeds=seeds, changes=settings, name=name))
    value = read_proof(made)
    return Proof(str(value["verdict"]), str(value["outcome"]), value)


@dataclass(frozen=True, eq=False)
class Map:
    """A map of a data set: a point an image, near to those like it.

    Attributes:
        name: That of the map; the Embeddings page shows it.
        ids: (n,) str.
        xy: (n, 2) float32 in -1 to 1. Distances between far points mean nothing.
        trustworthiness: Share of the neighbors on the map that are neighbors in the features (Venna and Kaski
            2001), 0 to 1; None where it was not measured.
    """

    name: str
    ids: NDArray[np.str_]
    xy: NDArray[np.float32]
    trustworthiness: float | None

    def to_pandas(self) -> pd.DataFrame:
        """Return a table indexed by id: x and y."""
        import pandas as pd

        return pd.DataFrame(self.xy, columns=["x", "y"], index=pd.Index(self.ids, name="id"))


@as_person
def embed(
    data: Dataset,
    features: Run | str | None = None,
    *,
    method: str = "fast-umap",
    neighbors: int = 15,
    min_dist: float = 0.1,
    metric: str = "euclidean",
    seed: int = 0,
    name: str | None = None,
) -> Map:
    """Make a map of a data set.

    Args:
        data: The data set.
        features: A run; or "pixels", "clip:MODEL", "backbone:NETWORK". When not given, of the newest training
            on the data, or the pixels.
        method: "fast-umap", "umap" (umap-learn) or "pca".
        neighbors: Few show detail, many the whole.
        min_dist: How closely points may lie, 0 to 1.
        metric: Between features: "euclidean" or "cosine".
        seed: The same seed makes the same map.
        name: What to call the map; made up when not given.

    Raises:
        BadInput: A parameter out of range.
        TidysetError: The features cannot be computed.

    Example:
        >>> import tidyset
        >>> tidyset.embed(tidyset.load("fashion-mnist-sample"), "pixels", method="pca").xy.shape
        (6000, 2)
    """
    from core.embeddings.features import FeatureSource, parse_source
    from core.embeddings.maps import MapRequest, create_map, load_map
    from core.embeddings.similar import default_source

    workspace = data._workspace
    if isinstance(features, Run):
        source = FeatureSource("run", features._run.id)
    elif features is None:
        source = default_source(workspace, data._source)
    else:
        source = parse_source(features, "")
    request = MapRequest(source, method, neighbors, min_dist, metric, seed)  # type: ignore[arg-type]
    run = done(create_map(workspace, data._source, request, name=name))
    found = load_map(run)
    trust = found.quality.trustworthiness if found.quality else None
    return Map(run.name, np.asarray(data._source.item_ids[found.positions]), found.xy, trust)


def app(port: int = 8501, *, block: bool = True) -> subprocess.Popen[bytes]:
    """Open the workbench in the browser, on this workspace.

    Args:
        port: Of this machine.
        block: Whether to return only when it is closed.

    Returns:
        Its process; ``terminate()`` closes it.

    Example:
        >>> import tidyset
        >>> process = tidyset.app(8599, block=False)
        >>> process.terminate()
    """
    from core.cli.serve import app_command

    environment = {**os.environ, "TIDYSET_WORKSPACE": str(current().root)}
    process = subprocess.Popen([sys.executable, *app_command(port)], env=environment)
    if block:
        process.wait()
    return process
