"""What a job trains on, and the only place that trains it.

A job says which labels of which images are learnt, and by which recipe (a ``Training``); ``Material`` adds
what every training gets: the pixels of that recipe, captions, the images without a label, what a frozen
backbone makes of the images, a checkpoint, and the question whether a person wants an end.

Which images without a label a recipe learns from, where it does (``semi``, ``distil``): those that play the
part of training images, have no label that is trained on, and that nobody left out. So never an image by
whose label the network is judged: no test image, no validation image, none of a fold that is held out. Of the
jobs:

- train, trial, sweep, tune, prove: those of the label version; in a proof, of each arm's labels.
- crossval, issues: the same ones in every fold.
- fill: of each fold those that it does not judge; an image without any label is answered by the one network
  that did not learn from it, so that the measured precision holds for it as well.
- active: what is not labelled yet, of the pool and beside it.
- unknown: none; such recipes are refused (core.runs.trainable says why).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.catalog import open_dataset
from core.data.dataset import SPLITS, Dataset, Task, is_labelled
from core.data.hiding import hidden_truth
from core.errors import BadInput
from core.evaluation.of_run import as_answers
from core.files import Json, delete_file, digest, make_folder
from core.labels.versions import LabelState, labels_at
from core.runs.recipe import OWN_MODELS, Recipe
from core.training.dynamics import AnyMargins
from core.training.frozen import MapsSource
from core.training.group import Group
from core.training.inference import Outputs, predict
from core.training.kept_margins import KeptMargins
from core.training.loop import CHECKPOINT_SECONDS, FitResult, OnEvent, fit
from core.training.multilabel import treat_unknown
from core.training.parts import Parts, assign_roles, make_parts
from core.training.pixels import Pixels, run_pixels
from core.training.semi import Unlabelled
from core.training.stages import discard_stages, fit_member, fit_stages
from core.worker import Job, Stopped

POLL_SECONDS = 0.2
TRAIN_ROLE = SPLITS.index("train")

Positions = NDArray[np.int64]


def silent(_type: str, **_fields: Any) -> None:
    """An on_event for what nobody needs to be told."""


@dataclass(frozen=True, eq=False)
class Training:
    """One training that a job asks for; ``Material.training`` makes it.

    Attributes:
        recipe: How.
        labels: (N,) int64, -1 unlabelled, or (N, K) float32 with 1, 0 and NaN; of the images that are learnt
            from, unknown ones are treated as the recipe says.
        parts: ``train`` is learnt from, ``val`` decides or is reported.
        classes: K names.
        unlabeled: (m,) positions that are learnt from without a label; none where the recipe does not.
        val_decides: As ``core.training.loop.fit`` takes it.
    """

    recipe: Recipe
    labels: NDArray[Any]
    parts: Parts
    classes: tuple[str, ...]
    unlabeled: Positions
    val_decides: bool = True

    @property
    def seen(self) -> str:
        """A hash of the labels that are really seen, whose they are, and of the images without one."""
        train, val = self.parts.train, self.parts.val
        return digest(list(self.classes), train, self.labels[train], val, self.labels[val], self.unlabeled)


@dataclass(frozen=True, eq=False)
class Material:
    """What a job trains on, from its data set and label version.

    Attributes:
        job: Told how trainings go, and asked whether to stop; its run's folder keeps the checkpoints.
        dataset: With the captions, where there are some.
        state: The labels of the run's version with all that is known of them.
        labels: (N,) int64, -1 unlabelled, or (N, K) float32 with 1, 0 and NaN unknown, of that version.
            Excluded images have none.
        roles: (N,) int8 into SPLITS: what each image is for.
        excluded: (N,) whether a person left the image out.
        truth: The labels that were hidden, shaped as ``labels``, only to measure pseudo-labels by; None where
            none were.
    """

    job: Job
    dataset: Dataset
    state: LabelState
    labels: NDArray[Any]
    roles: NDArray[np.int8]
    excluded: NDArray[np.bool_]
    truth: NDArray[Any] | None
    _pixels: dict[object, Pixels] = field(default_factory=dict)

    @property
    def recipe(self) -> Recipe:
        """The run's."""
        return self.job.run.recipe

    def with_role(self, role: str) -> Positions:
        """Positions of the images that are for ``role``, of SPLITS, but for excluded ones."""
        return np.flatnonzero((self.roles == SPLITS.index(role)) & ~self.excluded)

    def training(
        self,
        recipe: Recipe | None = None,
        *,
        labels: NDArray[Any] | None = None,
        excluded: NDArray[np.bool_] | None = None,
        parts: Parts | None = None,
        classes: Sequence[str] | None = None,
        unlabeled: Positions | None = None,
        val_decides: bool = True,
    ) -> Training:
        """A training, by default that of the run itself.

        Args:
            recipe: The run's when None.
            labels: Of all N images; those of the version when None.
            excluded: (N,) images that take no part; those of the version when None.
            parts: Which images are learnt from and which decide; by the roles when None. Images of
                ``parts.train`` that are left without a label are not trained on.
            classes: The data set's when None.
            unlabeled: Positions that may be learnt from without a label; as the module says when None.
            val_decides: As ``core.training.loop.fit`` takes it.

        Raises:
            BadInput: By the roles there is too little to train on.
        """
        recipe = recipe or self.recipe
        labels = self.labels if labels is None else labels
        excluded = self.excluded if excluded is None else excluded
        learns = self.roles == TRAIN_ROLE
        if parts is not None:
            learns[parts.train] = True
            learns[np.r_[parts.val, parts.test]] = False
        labels = treated(labels, learns, recipe)
        if parts is None:
            parts = make_parts(self.roles, labels, excluded)
        else:
            train = parts.train[is_labelled(labels[parts.train])]
            parts = Parts(train, parts.val, parts.test)
        if unlabeled is None:
            learns &= self.roles == TRAIN_ROLE
            unlabeled = np.flatnonzero(learns & ~is_labelled(labels) & ~excluded)
        return Training(
            recipe,
            labels,
            parts,
            tuple(self.dataset.classes if classes is None else classes),
            unlabeled if recipe.uses_unlabeled else unlabeled[:0],
            val_decides,
        )

    def key(self, training: Training, **asked: object) -> Json:
        """The cache key of what a training answers.

        Args:
            asked: What else the answers depend on: positions as a digest, steps, ...
        """
        return {
            "fingerprint": self.dataset.fingerprint,
            "labels": training.seen,
            "recipe": training.recipe.deciding_values(),
            "val_decides": training.val_decides,
            **asked,
        }

    def pixels(self, recipe: Recipe) -> Pixels:
        """(N, H, W, C) uint8, of a recipe's size and cleaning. Raises TidysetError, Stopped."""
        kind = (recipe.input_size, recipe.cleaning, recipe.inputs == "caption", recipe.model in OWN_MODELS)
        if kind not in self._pixels:
            found = run_pixels(self.job.workspace, self.dataset, recipe, stoppable(self.job))
            self._pixels.clear()
            self._pixels[kind] = found
        return self._pixels[kind]

    def fit(
        self,
        training: Training,
        on_event: OnEvent = silent,
        *,
        checkpoint_file: Path | None = None,
        should_stop: Callable[[], bool] | None = None,
        margins: AnyMargins | None = None,
        group: Group | None = None,
        tells_kept: bool = False,
    ) -> FitResult:
        """Train, whether the recipe asks for one network or several.

        Args:
            on_event: Told the events of ``core.training.loop.fit``, or of ``fit_stages``.
            checkpoint_file: Gone on from where it is there; those of several networks stand beside it.
            should_stop: Asked after every step; the job's own question when None.
            margins: Filled with what all steps saw, in this session and earlier ones.
            group: The processes that train this network together.
            tells_kept: As ``fit_stages`` takes it.

        Raises:
            Stopped: A person asked for it before the training began.
            TidysetError: As ``core.training.loop.fit``.
        """
        recipe, pixels = training.recipe, self.pixels(training.recipe)
        several: dict[str, Any] = {"margins": margins, "tells_kept": tells_kept, "maps": self._maps}
        one: dict[str, Any] = {
            "on_scores": margins,
            "maps_of": self._maps.of(pixels),
            "captions": self.dataset.captions,
            "group": group,
        }
        if margins is not None and checkpoint_file is not None and not recipe.has_stages:
            on_event = KeptMargins(margins, checkpoint_file, on_event).on_event
        train: Callable[..., FitResult] = fit_stages if recipe.has_stages else fit
        return train(
            pixels,
            training.labels,
            training.parts,
            training.classes,
            recipe,
            on_event,
            checkpoint_file=checkpoint_file,
            checkpoint_seconds=checkpoint_seconds(),
            should_stop=should_stop or now_and_then(self.job.should_stop),
            unlabelled=Unlabelled(training.unlabeled, self._truth_of(training)),
            val_decides=training.val_decides,
            **(several if recipe.has_stages else one),
        )

    def fit_member(self, training: Training, number: int, checkpoint_file: Path) -> bool:
        """Train one network of an ensemble, which ``fit`` then finds; False when it was asked to stop."""
        return fit_member(
            number,
            self.pixels(training.recipe),
            training.labels,
            training.parts,
            training.classes,
            training.recipe,
            self.job.on_event,
            checkpoint_file=checkpoint_file,
            checkpoint_seconds=checkpoint_seconds(),
            should_stop=now_and_then(self.job.should_stop),
            maps=self._maps,
        )

    def answers(
        self,
        training: Training,
        name: str,
        positions: Positions,
        on_event: OnEvent = silent,
        *,
        margins: AnyMargins | None = None,
        with_features: bool = False,
    ) -> tuple[FitResult, Outputs]:
        """Train what is called ``name`` in the run's folder, from its checkpoint on, and ask the network.

        Args:
            positions: (n,) about which images.
            margins: As ``fit`` takes them.

        Raises:
            Stopped: A person asked for it; the checkpoint is kept.
            TidysetError: As ``fit``.
        """
        if self.job.should_stop():
            raise Stopped
        checkpoint_file = training_folder(self.job, name) / "checkpoint.safetensors"
        make_folder(checkpoint_file.parent)
        result = self.fit(training, on_event, checkpoint_file=checkpoint_file, margins=margins)
        if result.stopped:
            raise Stopped
        outputs = self.predict(result, training, positions, with_features=with_features)
        discard_checkpoint(checkpoint_file)
        return result, outputs

    def predict(
        self,
        result: FitResult,
        training: Training,
        positions: Positions,
        *,
        with_features: bool = False,
        on_share: Callable[[float], None] | None = None,
    ) -> Outputs:
        """What the network of a training says of the images at ``positions``, captions read where it does."""
        return predict(
            result.model,
            result.card,
            self.pixels(training.recipe),
            positions,
            result.machine,
            with_features=with_features,
            on_share=on_share,
            maps=result.maps,
            words=result.words,
        )

    @property
    def _maps(self) -> MapsSource:
        return MapsSource(self.job.workspace, self.dataset.fingerprint, stoppable(self.job))

    def _truth_of(self, training: Training) -> NDArray[Any] | None:
        """The hidden labels, where the training is about all classes."""
        return self.truth if training.classes == tuple(self.dataset.classes) else None


def gather_material(job: Job, *, any_task: bool = True) -> Material:
    """The same in every process that sees the run. Raises TidysetError."""
    dataset = open_run_dataset(job, any_task=any_task)
    state = labels_at(job.workspace, dataset, job.run.label_version)
    excluded = np.asarray(state.excluded, bool)
    labels = as_answers(np.asarray(state.labels)).copy()
    labels[excluded] = np.nan if labels.ndim == 2 else -1
    truth = hidden_truth(dataset)
    return Material(
        job=job,
        dataset=dataset,
        state=state,
        labels=labels,
        roles=assign_roles(np.asarray(dataset.split), np.asarray(dataset.labels), job.run.recipe),
        excluded=excluded,
        truth=None if truth is None else as_answers(np.asarray(truth)),
    )


def treated(labels: NDArray[Any], learns: NDArray[np.bool_], recipe: Recipe) -> NDArray[Any]:
    """Labels, of several the unknown ones of the images in ``learns`` (N,) as the recipe treats them."""
    if labels.ndim == 2:
        labels = labels.copy()
        labels[learns] = treat_unknown(labels[learns], recipe.unknown_labels)
    return labels


def open_run_dataset(job: Job, *, any_task: bool = False) -> Dataset:
    """The run's data set.

    Args:
        any_task: Whether images may have several labels.

    Raises:
        BadInput: It was replaced, or is of a kind that cannot be used.
    """
    run = job.run
    dataset = open_dataset(job.workspace, run.dataset)
    if dataset.fingerprint != run.fingerprint:
        raise BadInput(
            f"Data set {run.dataset!r} was replaced after this run was made.",
            "Start a new run on the data as it is now.",
        )
    if dataset.task is not Task.SINGLE_LABEL and not any_task:
        raise BadInput(
            f"Data set {run.dataset!r} has several labels an image.",
            "This needs one label an image; `tidyset train` and `tidyset evaluate` handle several.",
        )
    return dataset


def training_folder(job: Job, name: str) -> Path:
    """Where one training of a job keeps its checkpoints, apart from those side by side."""
    return job.run.folder / "parts" / name


def discard_checkpoint(checkpoint_file: Path) -> None:
    """Delete all that a finished training kept to go on from; its folder too, where nothing else is in it."""
    delete_file(checkpoint_file)
    delete_file(checkpoint_file.with_suffix(".npz"))
    discard_stages(checkpoint_file)
    with contextlib.suppress(OSError):
        checkpoint_file.parent.rmdir()


def checkpoint_seconds() -> float:
    """How often a training writes a checkpoint within an epoch."""
    return float(os.environ.get("TIDYSET_CHECKPOINT_SECONDS", CHECKPOINT_SECONDS))


def stoppable(job: Job) -> Callable[..., None]:
    """The job's on_event, which also ends it when it is asked to stop."""

    def on_event(type_: str, **fields: Any) -> None:
        job.on_event(type_, **fields)
        if job.should_stop():
            raise Stopped

    return on_event


def now_and_then(should_stop: Callable[[], bool]) -> Callable[[], bool]:
    """The same question, asked of the disk only every POLL_SECONDS."""
    asked_at, answer = 0.0, False

    def ask() -> bool:
        nonlocal asked_at, answer
        now = time.monotonic()
        if now - asked_at >= POLL_SECONDS:
            asked_at, answer = now, should_stop()
        return answer

    return ask
