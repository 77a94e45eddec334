"""The job of a training run: from its recipe and label version to a model, predictions and a report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.catalog import open_dataset
from core.data.dataset import SPLITS, Dataset, Task, is_labelled
from core.data.hiding import hidden_truth
from core.engines import plan_of
from core.engines.one_run import check_one_run
from core.errors import BadInput
from core.evaluation.of_run import as_answers
from core.evaluation.predictions import Predictions, save_predictions
from core.evaluation.report import metrics_of, text_report
from core.files import write_array, write_bytes, write_json
from core.labels.guard import guarded_labels
from core.labels.versions import LabelState, labels_at
from core.models import model_summary, save_model
from core.runs.recipe import Recipe
from core.runs.store import Run
from core.training.frozen import Maps, backbone_maps
from core.training.inference import Outputs, predict
from core.training.loop import CHECKPOINT_SECONDS, FitResult, fit
from core.training.multilabel import treat_unknown
from core.training.parts import Parts, assign_roles, make_parts
from core.training.pixels import Pixels, run_pixels
from core.training.semi import Unlabelled
from core.training.stages import discard_stages, fit_member, fit_stages
from core.worker import Job, Outcome, Stopped
from core.worker.multilabel import run_facts, write_multilabel_results

POLL_SECONDS = 0.2
TEST_ROLE = SPLITS.index("test")


def train(job: Job) -> Outcome:
    """Train as the run says, then predict, and write the results; ``finished`` has the headline figures.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    run, recipe = job.run, job.run.recipe
    material = gather_material(job)
    dataset, pixels, roles, excluded = material.dataset, material.pixels, material.roles, material.excluded
    on_event, spreads = job.on_event, plan_of(run).spreads
    if spreads and recipe.has_stages:
        spread_members(job)
    elif spreads:
        from core.worker.together import train_together

        train_together(job)
        on_event = silent  # all has been said; what follows finds the end of it
    fit_it: Callable[..., FitResult] = (
        partial(fit_stages, tells_kept=spreads)
        if recipe.has_stages
        else partial(
            fit,
            maps_of=maps_of(job, dataset, pixels),
            captions=dataset.captions,
        )
    )
    result = fit_it(
        pixels,
        material.labels,
        material.parts,
        dataset.classes,
        recipe,
        on_event,
        checkpoint_file=run.checkpoint_file,
        checkpoint_seconds=checkpoint_seconds(),
        should_stop=now_and_then(job.should_stop),
        unlabelled=unlabelled_images(dataset, material.labels, roles, excluded),
    )
    if result.stopped:
        return Outcome("stopped", {"epoch": result.epoch})
    shown = np.flatnonzero(~excluded | (roles == TEST_ROLE))  # who leaves out test images changes no test
    shown = shown[np.argsort(roles[shown], kind="stable")]
    outputs = predict_all(job, result, pixels, shown)
    save_model(run.model_file, result.model, result.card)
    discard_stages(run.checkpoint_file)
    answers = as_answers(guarded_labels(job.workspace, dataset, material.state).counted)
    predictions = as_predictions(run, dataset, outputs, shown, roles, answers)
    given = as_answers(np.asarray(dataset.labels)[shown])
    write = write_multilabel_results if predictions.has_many_labels else write_results
    summary = write(run, recipe, result, outputs, predictions, given)
    return Outcome("finished", {**summary, **result.figures})


def spread_members(job: Job) -> None:
    """Train the members of the run's ensemble on its engine. Raises Stopped, TidysetError."""
    from core.worker.parts import part_events, spread  # which names this module

    recipe = job.run.recipe
    check_one_run(recipe, plan_of(job.run))
    spread(job, [f"member-{number}" for number in range(recipe.members)], recipe.members)
    for event in part_events(job.run, "member-0").read()[0]:
        if event["type"] == "started":
            about = {name: value for name, value in event.items() if name not in ("type", "at", "epochs")}
            job.on_event("started", **about, epochs=recipe.n_networks * recipe.epochs)
            break


def do_train_part(job: Job, part: str) -> None:
    """Do the part "member-2" of a run with several networks, or "rank-1" of one. Raises Stopped."""
    kind, _, number = part.partition("-")
    if kind == "rank":
        from core.worker.together import do_rank

        do_rank(job, int(number))
        return
    material = gather_material(job)
    is_done = fit_member(
        int(number),
        material.pixels,
        material.labels,
        material.parts,
        material.dataset.classes,
        job.run.recipe,
        job.on_event,
        checkpoint_file=job.run.checkpoint_file,
        checkpoint_seconds=checkpoint_seconds(),
        should_stop=now_and_then(job.should_stop),
    )
    if not is_done:
        raise Stopped


def silent(_type: str, **_fields: Any) -> None:
    """An on_event for what nobody needs to be told."""


def checkpoint_seconds() -> float:
    """How often a training writes a checkpoint within an epoch."""
    return float(os.environ.get("TIDYSET_CHECKPOINT_SECONDS", CHECKPOINT_SECONDS))


@dataclass(frozen=True, eq=False)
class Material:
    """What a run is trained on, from its data set and label version.

    Attributes:
        roles: (N,) int8 into SPLITS: what each image is for.
        labels: As ``fit`` takes them.
        excluded: (N,) whether a person left the image out.
    """

    dataset: Dataset
    state: LabelState
    roles: NDArray[np.int8]
    labels: NDArray[Any]
    excluded: NDArray[np.bool_]
    parts: Parts
    pixels: Pixels


def gather_material(job: Job) -> Material:
    """The same in every process that sees the run. Raises TidysetError, Stopped."""
    run, recipe = job.run, job.run.recipe
    dataset = open_run_dataset(job, any_task=True)
    state = labels_at(job.workspace, dataset, run.label_version)
    roles = assign_roles(np.asarray(dataset.split), np.asarray(dataset.labels), recipe)
    labels, excluded = labels_to_train(state, roles, recipe), np.asarray(state.excluded, bool)
    parts = make_parts(roles, labels, excluded)
    pixels = run_pixels(job.workspace, dataset, recipe, stoppable(job))
    return Material(dataset, state, roles, labels, excluded, parts, pixels)


def unlabelled_images(
    dataset: Dataset, labels: NDArray[Any], roles: NDArray[np.int8], excluded: NDArray[np.bool_]
) -> Unlabelled:
    """The training images without a label, and what is known of their labels only to measure by."""
    without = (roles == SPLITS.index("train")) & ~is_labelled(labels) & ~excluded
    truth = hidden_truth(dataset)
    return Unlabelled(np.flatnonzero(without), None if truth is None else as_answers(np.asarray(truth)))


def labels_to_train(state: LabelState, roles: NDArray[np.int8], recipe: Recipe) -> NDArray[Any]:
    """The labels of a version in memory; where there are several an image, the unknown ones of the training
    images are treated as the recipe says.
    """
    return treated(as_answers(np.asarray(state.labels)), roles, recipe)


def treated(labels: NDArray[Any], roles: NDArray[np.int8], recipe: Recipe) -> NDArray[Any]:
    """Labels, of several the unknown ones of the training images as the recipe treats them."""
    if labels.ndim == 2:
        train = roles == SPLITS.index("train")
        labels = labels.copy()
        labels[train] = treat_unknown(labels[train], recipe.unknown_labels)
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


def stoppable(job: Job) -> Callable[..., None]:
    """The job's on_event, which also ends it when it is asked to stop."""

    def on_event(type_: str, **fields: Any) -> None:
        job.on_event(type_, **fields)
        if job.should_stop():
            raise Stopped

    return on_event


def maps_of(job: Job, dataset: Dataset, pixels: Pixels) -> Callable[..., Maps]:
    """What a frozen backbone makes of all images, as ``fit`` asks for it; told and stopped as the job is."""
    return partial(backbone_maps, job.workspace, dataset.fingerprint, pixels, on_event=stoppable(job))


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


def predict_all(job: Job, result: FitResult, pixels: Pixels, positions: NDArray[np.int64]) -> Outputs:
    """Probabilities and features of all images, with progress."""
    last = time.monotonic()

    def on_share(share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= 1:
            last = time.monotonic()
            job.on_event("progress", share=1.0, seconds_left=None, text=f"Predicting, {100 * share:.0f} %")

    return predict(
        result.model,
        result.card,
        pixels,
        positions,
        result.machine,
        with_features=True,
        on_share=on_share,
        maps=result.maps,
        words=result.words,
    )


def as_predictions(
    run: Run,
    dataset: Dataset,
    outputs: Outputs,
    positions: NDArray[np.int64],
    roles: NDArray[np.int8],
    labels: NDArray[Any],
) -> Predictions:
    """The outputs with the ids of their items, the part each played, and the label it had."""
    return Predictions(
        item_ids=np.asarray(dataset.item_ids[positions]),
        split=np.array(SPLITS)[roles[positions]],
        labels=labels[positions],
        pred_probs=outputs.pred_probs,
        classes=dataset.classes,
        run=run.id,
        label_version=run.label_version,
        fingerprint=dataset.fingerprint,
    )


def write_results(
    run: Run,
    recipe: Recipe,
    result: FitResult,
    outputs: Outputs,
    predictions: Predictions,
    given: NDArray[np.int64],
) -> dict[str, Any]:
    """Write features, predictions, metrics and the report; the fields of the finished event.

    The headline test figures are on the labels as ``given``: corrections are often found by looking at a
    model's mistakes and then favour it. Where test labels were corrected, those figures stand beside them;
    corrections that a model suggested and nobody confirmed blind are not among them (core.labels.guard).
    """
    if outputs.features is not None:
        write_array(run.features_file, outputs.features)
    save_predictions(run.predictions_file, predictions)
    metrics = {split: metrics_of(predictions, split) for split in SPLITS}
    in_test = predictions.split == "test"
    if not np.array_equal(predictions.labels[in_test], given[in_test]):
        metrics["test_corrected"] = {**metrics["test"], "labels": "corrected"}
        metrics["test"] = {**metrics_of(replace(predictions, labels=given), "test"), "labels": "given"}
    headline = (("test", "test"), ("valid", "val"), ("test_corrected", "test_corrected"))
    summary: dict[str, Any] = {
        "run": run.name,
        **{
            f"{name}_{figure}": metrics[split][figure]
            for name, split in headline
            if split in metrics
            for figure in ("accuracy", "macro_f1")
        },
        "seconds": round(result.seconds, 2),
        "parameters": result.parameters,
        "best_epoch": result.best_epoch,
        "epochs": result.epoch,
    }
    write_json(run.metrics_file, {**summary, "splits": list(metrics.values())})
    write_bytes(run.report_file, make_report(run, recipe, result, list(metrics.values())).encode())
    return summary


def make_report(run: Run, recipe: Recipe, result: FitResult, metrics: list[dict[str, Any]]) -> str:
    """report.txt: what was trained on what, the layers, and each split's figures."""
    facts = run_facts(run, recipe, result)
    summary = model_summary(result.model, result.card.channels, result.card.image_size)
    return text_report(metrics, heading=f"Run {run.name} on {run.dataset}", facts=facts, model=summary)
