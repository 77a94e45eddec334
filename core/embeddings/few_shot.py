"""From zero to few labels: a linear probe and a cache adapter on CLIP features, as curves over seeds.

A curve is a run of kind "few-shot". Hyperparameters (the probe's regularisation, the adapter's two numbers)
are chosen on validation images; test images are answered once with what was chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import UNLABELLED, Dataset
from core.data.splits import stratified_split
from core.embeddings.zero_shot import ZeroShotRequest, validation_positions
from core.errors import BadInput
from core.evaluation.metrics import scores
from core.evaluation.predictions import Predictions
from core.files import Json, read_json
from core.labels.versions import current_version
from core.runs.store import Run, create_run, list_runs
from core.workspace import Workspace

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
KIND, RESULT = "few-shot", "few_shot.json"
SHOTS = (1, 2, 4, 8, 16)
SEEDS = 3
_STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)
_ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_BETAS = (1.0, 3.0, 5.5, 10.0, 20.0)
_WEIGHTS = np.linspace(0, 1, 21)


@dataclass(frozen=True, eq=False)
class Labelled:
    """n images with one class each.

    Attributes:
        features: (n, D) unit vectors.
        labels: (n,) class indices, none of them -1.
    """

    features: Floats
    labels: Ints


def create_few_shot(
    workspace: Workspace,
    dataset: Dataset,
    request: ZeroShotRequest,
    *,
    shots: Sequence[int] = SHOTS,
    n_seeds: int = SEEDS,
    name: str | None = None,
) -> Run:
    """Make a run that draws the curve; core.runs.launch starts it.

    Raises:
        BadInput: Shots or seeds that make no curve.
        NameTaken, StorageFailed: As for any run.
    """
    if not shots or min(shots) < 1 or n_seeds < 2:
        raise BadInput(
            f"{list(shots)} labels per class and {n_seeds} seeds make no curve.",
            "Give 1 or more, and 2 seeds or more.",
        )
    job = {**request.to_json(), "shots": sorted(set(shots)), "n_seeds": n_seeds}
    version = current_version(workspace, dataset.name)
    return create_run(workspace, dataset, None, name=name, kind=KIND, label_version=version, job=job)


def few_shot_runs(workspace: Workspace, dataset: Dataset) -> list[Run]:
    """The curves on the data set as it is now, newest first."""
    runs = list_runs(workspace, dataset=dataset.name, kind=KIND)
    return [run for run in runs if run.fingerprint == dataset.fingerprint]


def read_curve(run: Run) -> Json:
    """What the worker found: see ``curve``. Raises DamagedFile."""
    return read_json(run.folder / RESULT)


def pools(dataset: Dataset) -> tuple[Ints, Ints]:
    """Positions of the training images to draw from, and of those to choose hyperparameters on; none is both.

    Without a validation split, at most half of the training images stand in for one.
    """
    train, held = dataset.in_split("train"), validation_positions(dataset)
    if "val" not in dataset.splits and 2 * len(held) > len(train):
        held = train[stratified_split(np.asarray(dataset.labels)[train], 0.5, seed=0)]
    return np.setdiff1d(train, held), held


def draw(labels: Ints, candidates: Ints, shots: int, seed: int) -> Ints:
    """Positions of ``shots`` images a class (fewer where there are fewer), drawn from the candidates.

    Of one seed fewer shots are among the more.
    """
    rng = np.random.default_rng(seed)
    chosen = []
    for k in np.unique(labels[candidates]):
        if k != UNLABELLED:
            members = candidates[labels[candidates] == k]
            chosen.append(rng.permutation(members)[:shots])
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


def probe(train: Labelled, validation: Labelled, images: Floats) -> Ints:
    """(n,) classes by logistic regression, its strength chosen on validation."""
    from sklearn.linear_model import LogisticRegression

    def fitted(strength: float) -> Any:
        model = LogisticRegression(C=strength, max_iter=1000, class_weight="balanced")
        return model.fit(train.features, train.labels)

    if len(np.unique(train.labels)) < 2:
        return np.full(len(images), train.labels[0], np.int64)
    models = {strength: fitted(strength) for strength in _STRENGTHS}
    best = _best(models, lambda model: _balanced(validation, models[model].predict(validation.features)))
    return np.asarray(models[best].predict(images), np.int64)


def adapter(
    train: Labelled, validation: Labelled, classes: Floats, logit_scale: float, images: Floats
) -> Ints:
    """(n,) classes by Tip-Adapter without training (Zhang et al. 2022, arXiv:2111.03930).

    The few images are a cache: how near an image is to each of them, exp(-beta (1 - cosine)), adds alpha
    times to the zero-shot logits of their classes.

    Args:
        classes: (K, D) unit vectors from words.
    """
    one_hot = (train.labels[:, None] == np.arange(len(classes))).astype(np.float32)

    def answered(features: Floats, alpha: float, beta: float) -> Ints:
        near = np.exp(-beta * (1 - features @ train.features.T)) @ one_hot
        return np.asarray((logit_scale * features @ classes.T + alpha * near).argmax(axis=1), np.int64)

    settings = [(alpha, beta) for alpha in _ALPHAS for beta in _BETAS]
    best = _best(settings, lambda pair: _balanced(validation, answered(validation.features, *pair)))
    return answered(images, *best)


def _best(settings: Iterable[Any], value: Callable[[Any], float]) -> Any:
    return max(settings, key=value)


def _balanced(truth: Labelled, predicted: Ints) -> float:
    k = int(max(truth.labels.max(), predicted.max())) + 1
    return scores(truth.labels, np.asarray(predicted, np.int64), k).balanced_accuracy


def curve(
    pool: Callable[[int, int], Labelled],
    validation: Labelled,
    test: Labelled,
    classes: Floats,
    logit_scale: float,
    *,
    shots: Sequence[int],
    n_seeds: int,
    report: Callable[[float, str], None] = lambda share, text: None,
) -> Json:
    """Balanced accuracy on test by number of labels a class.

    Args:
        pool: The labelled images for (shots, seed).
        classes: (K, D) from words.

    Returns:
        zero_shot, and rows of {method, shots, n_train, mean, low, high, values}: the interval is Student's
        over the seeds, which draw other images.
    """
    zero = np.asarray((test.features @ classes.T).argmax(axis=1), np.int64)
    rows = []
    for number, n_shots in enumerate(shots):
        values: dict[str, list[float]] = {"linear probe": [], "Tip-Adapter": []}
        n_train = 0
        for seed in range(n_seeds):
            report(
                (number * n_seeds + seed) / (len(shots) * n_seeds), f"{n_shots} labels a class, seed {seed}"
            )
            train = pool(n_shots, seed)
            n_train = len(train.labels)
            values["linear probe"].append(_balanced(test, probe(train, validation, test.features)))
            said = adapter(train, validation, classes, logit_scale, test.features)
            values["Tip-Adapter"].append(_balanced(test, said))
        rows += [
            {"method": method, "shots": n_shots, "n_train": n_train, **spread(found), "values": found}
            for method, found in values.items()
        ]
    return {"zero_shot": _balanced(test, zero), "n_seeds": n_seeds, "rows": rows}


def spread(values: Sequence[float]) -> dict[str, float]:
    """mean, and Student's 95 % interval of it."""
    from scipy.stats import t

    found = np.asarray(values, np.float64)
    half = (
        float(t.ppf(0.975, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found)))
        if len(found) > 1
        else 0.0
    )
    mean = float(found.mean())
    return {"mean": mean, "low": mean - half, "high": mean + half}


@dataclass(frozen=True)
class Blend:
    """CLIP and a trained model, averaged.

    Attributes:
        weight: Of CLIP, 0 to 1, with the best accuracy on validation images.
        validation, model, clip, blended: Accuracies; all but the first on test images.
        n: Test images.
        n_validation: Images that the weight was chosen on.
    """

    weight: float
    validation: float
    model: float
    clip: float
    blended: float
    n: int
    n_validation: int


def blend(model: Predictions, clip: Predictions) -> Blend:
    """Average the probabilities of a trained run and of a zero-shot run.

    The weight is chosen on images that are validation for the trained run, and used once on test.

    Raises:
        BadInput: No labelled validation or test images in common.
    """
    parts = {split: _joined(model, clip, split) for split in ("val", "test")}
    for split, (truth, _, _) in parts.items():
        if not len(truth):
            raise BadInput(
                f"The two have no labelled {split} image in common.",
                "Answer for more splits with CLIP: --split train --split test.",
            )
    truth, ours, theirs = parts["val"]
    found = [_accuracy(truth, (1 - w) * ours + w * theirs) for w in _WEIGHTS]
    n_validation, best = len(truth), int(np.argmax(found))
    weight = float(_WEIGHTS[best])
    truth, ours, theirs = parts["test"]
    return Blend(
        weight,
        found[best],
        _accuracy(truth, ours),
        _accuracy(truth, theirs),
        _accuracy(truth, (1 - weight) * ours + weight * theirs),
        len(truth),
        n_validation,
    )


def _joined(model: Predictions, clip: Predictions, split: str) -> tuple[Ints, Floats, Floats]:
    """(labels, the model's probabilities, CLIP's) of labelled images of the model's split, by item id."""
    rows = np.flatnonzero((model.split == split) & (model.labels != UNLABELLED))
    _, m, c = np.intersect1d(model.item_ids[rows], clip.item_ids, return_indices=True)
    m = rows[m]
    columns = [clip.classes.index(name) for name in model.classes]
    return model.labels[m], model.pred_probs[m], clip.pred_probs[c][:, columns]


def _accuracy(truth: Ints, probs: Floats) -> float:
    return float((probs.argmax(axis=1) == truth).mean())
