"""The job of a training run: from its recipe and label version to a model, predictions and a report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, Dataset
from core.engines import plan_of
from core.engines.one_run import check_one_run
from core.evaluation.of_run import as_answers
from core.evaluation.predictions import Predictions, save_predictions
from core.evaluation.report import metrics_of, text_report
from core.files import write_array, write_bytes, write_json
from core.labels.guard import guarded_labels
from core.models import model_summary, save_model
from core.runs.recipe import Recipe
from core.runs.store import Run
from core.training.inference import Outputs
from core.training.loop import FitResult
from core.training.stages import discard_stages
from core.worker import Job, Outcome, Stopped
from core.worker.material import gather_material, silent
from core.worker.multilabel import run_facts, write_multilabel_results

TEST_ROLE = SPLITS.index("test")


def train(job: Job) -> Outcome:
    """Train as the run says, then predict, and write the results; ``finished`` has the headline figures.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    run, recipe = job.run, job.run.recipe
    material = gather_material(job)
    dataset, roles, excluded = material.dataset, material.roles, material.excluded
    on_event, spreads = job.on_event, plan_of(run).spreads
    if spreads and recipe.has_stages:
        spread_members(job)
    elif spreads:
        from core.worker.together import train_together

        train_together(job)
        on_event = silent  # all has been said; what follows finds the end of it
    training = material.training()
    result = material.fit(training, on_event, checkpoint_file=run.checkpoint_file, tells_kept=spreads)
    if result.stopped:
        return Outcome("stopped", {"epoch": result.epoch})
    shown = np.flatnonzero(~excluded | (roles == TEST_ROLE))  # who leaves out test images changes no test
    shown = shown[np.argsort(roles[shown], kind="stable")]
    outputs = material.predict(result, training, shown, with_features=True, on_share=_predicting(job))
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
    if not material.fit_member(material.training(), int(number), job.run.checkpoint_file):
        raise Stopped


def _predicting(job: Job) -> Callable[[float], None]:
    """Tells how much is predicted, about once a second."""
    last = time.monotonic()

    def on_share(share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= 1:
            last = time.monotonic()
            job.on_event("progress", share=1.0, seconds_left=None, text=f"Predicting, {100 * share:.0f} %")

    return on_share


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
