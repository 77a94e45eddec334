from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.evaluation.predictions import load_predictions
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.models import load_model
from core.runs import launch
from core.runs.recipe import make_recipe
from core.runs.store import Run, RunState, create_run, status
from core.worker import work
from core.workspace import PROJECT_ROOT, Workspace

SMALL = {"width": 4, "epochs": 2, "batch_size": 64, "learning_rate": 0.005, "threads": 1, "flip_share": 0.5}


def make_run(workspace: Workspace, dataset: Dataset, label_version: int = 0, **changes: Any) -> Run:
    return create_run(workspace, dataset, make_recipe({**SMALL, **changes}), label_version=label_version)


def events(run: Run, type_: str) -> list[dict[str, Any]]:
    return [event for event in run.events.read()[0] if event["type"] == type_]


def worker(run: Run, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "core.worker", str(run.folder)]
    return subprocess.Popen(command, cwd=PROJECT_ROOT, env={**os.environ, **environment})


def wait_for(run: Run, process: subprocess.Popen[bytes], type_: str, **fields: Any) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any(fields.items() <= event.items() for event in events(run, type_)):
            return
        assert process.poll() is None, "the worker ended early"
        time.sleep(0.02)
    raise AssertionError(f"no event {type_} in two minutes")


def test_a_training_run_leaves_model_predictions_features_metrics_and_report(
    workspace: Workspace, sample: Dataset
) -> None:
    run = make_run(workspace, sample)
    assert work(run.folder) == 0
    now = status(run)
    assert now.state is RunState.FINISHED
    assert len(now.epochs) == 2
    summary = now.summary
    assert 0.5 < summary["test_accuracy"] <= 1

    predictions = load_predictions(run.predictions_file)
    assert (predictions.run, predictions.fingerprint) == (run.id, sample.fingerprint)
    assert {part: len(predictions.only(part)) for part in ("train", "val", "test")} == {
        "train": 4_500,
        "val": 500,
        "test": 1_000,
    }
    test = predictions.only("test")
    assert (test.predicted == test.labels).mean() == pytest.approx(summary["test_accuracy"])
    positions = sample.positions(test.item_ids.tolist())
    assert np.array_equal(sample.labels[positions], test.labels)

    features = np.load(run.features_file)
    assert features.shape == (6_000, 32)
    model, card = load_model(run.model_file)
    assert card.classes == sample.classes
    with_head = features[:64].astype(np.float32) @ model.head[1].weight.detach().numpy().T
    guessed = (with_head + model.head[1].bias.detach().numpy()).argmax(1)
    assert (guessed == predictions.predicted[:64]).mean() > 0.9, "features are in the predictions' order"

    metrics = json.loads(run.metrics_file.read_text())
    assert metrics["valid_accuracy"] == pytest.approx(max(epoch["valid_accuracy"] for epoch in now.epochs))
    report = run.report_file.read_text()
    assert f"Run {run.name} on fashion-mnist-sample" in report
    assert "body.block1.conv" in report
    assert "Ankle boot" in report


def test_test_figures_are_on_the_given_labels_and_apart_on_the_corrected(
    workspace: Workspace, sample: Dataset
) -> None:
    positions = sample.in_split("test")[:200]
    edits = [NewEdit(str(sample.item_ids[p]), EditKind.LABEL, "Bag") for p in positions]
    LabelJournal(workspace).append(sample, edits)
    run = make_run(workspace, sample, label_version=len(edits))
    assert work(run.folder) == 0
    summary = status(run).summary
    test = load_predictions(run.predictions_file).only("test")
    given = sample.labels[sample.positions(test.item_ids.tolist())]
    assert summary["test_accuracy"] == pytest.approx((test.predicted == given).mean())
    corrected = (test.predicted == test.labels).mean()
    assert summary["test_corrected_accuracy"] == pytest.approx(corrected)
    assert corrected < summary["test_accuracy"]
    report = run.report_file.read_text()
    assert "Test split, labels as given\n" in report
    assert "Test split, corrected labels\n" in report


def test_who_is_led_by_a_model_cannot_change_what_a_run_is_tested_on(
    workspace: Workspace, sample: Dataset
) -> None:
    relabelled, left_out = (str(sample.item_ids[p]) for p in sample.in_split("test")[:2])
    saw = {"run": "r1", "guess": "Bag"}
    led = [
        NewEdit(relabelled, EditKind.LABEL, "Bag", evidence=saw),
        NewEdit(left_out, EditKind.EXCLUDE, evidence=saw),
    ]
    LabelJournal(workspace).append(sample, led)
    run = make_run(workspace, sample, label_version=len(led))
    assert work(run.folder) == 0
    test = load_predictions(run.predictions_file).only("test")
    assert len(test) == 1_000
    assert np.array_equal(test.labels, sample.labels[sample.positions(test.item_ids.tolist())])
    assert "test_corrected_accuracy" not in status(run).summary


def test_a_killed_run_goes_on_and_ends_bit_for_bit_like_an_unbroken_one(
    workspace: Workspace, sample: Dataset
) -> None:
    unbroken = make_run(workspace, sample)
    assert work(unbroken.folder) == 0

    killed = make_run(workspace, sample)
    process = worker(killed, TIDYSET_CHECKPOINT_SECONDS="0")
    wait_for(killed, process, "checkpoint", epoch=1, step=10)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert status(killed).state is RunState.LOST
    last = events(killed, "checkpoint")[-1]
    assert 10 <= last["step"] < 71, "it was broken off within an epoch"

    assert work(killed.folder) == 0
    assert events(killed, "started")[-1]["resumed_from"] == 1
    for name in ("model_file", "features_file"):
        one, other = (getattr(run, name).read_bytes() for run in (unbroken, killed))
        assert one == other, name
    one, other = (load_predictions(run.predictions_file) for run in (unbroken, killed))
    assert np.array_equal(one.pred_probs, other.pred_probs)


def test_a_run_stops_when_asked_and_goes_on(workspace: Workspace, sample: Dataset) -> None:
    run = make_run(workspace, sample, epochs=3)
    launch.start(run)
    process = launch._CHILDREN[-1]
    wait_for(run, process, "epoch", epoch=0)
    launch.request_stop(run)
    now = launch.wait(run, timeout=60)
    assert now.state is RunState.STOPPED
    assert not run.stop_file.exists()
    assert run.checkpoint_file.exists()
    assert work(run.folder) == 0
    assert status(run).state is RunState.FINISHED
    assert [epoch["epoch"] for epoch in status(run).epochs] == [0, 1, 2]


def test_a_terminated_worker_stops_cleanly(workspace: Workspace, sample: Dataset) -> None:
    run = make_run(workspace, sample, epochs=50)
    process = worker(run)
    wait_for(run, process, "epoch", epoch=0)
    process.terminate()
    assert process.wait(timeout=60) == 0
    assert status(run).state is RunState.STOPPED


def test_a_run_stops_while_its_images_are_scaled(workspace: Workspace, sample: Dataset) -> None:
    run = make_run(workspace, sample, image_size=14)
    run.stop_file.touch()
    assert work(run.folder) == 0
    assert status(run).state is RunState.STOPPED
    assert not list(workspace.cache.rglob("*.npy*")), "no half of a file is left"


def test_a_failure_is_one_sentence_and_the_log_has_the_rest(workspace: Workspace, sample: Dataset) -> None:
    run = make_run(
        workspace, sample, optimizer="sgd", learning_rate=10, weight_decay=1, batch_size=8, epochs=1
    )
    assert work(run.folder) == 1
    now = status(run)
    assert now.state is RunState.FAILED
    assert now.error.startswith("The loss became NaN in epoch 1. Lower learning_rate (it is 10)")
    assert "TrainingFailed" in events(run, "failed")[0]["details"]


def test_a_data_set_that_was_replaced_is_refused(workspace: Workspace, sample: Dataset) -> None:
    run = make_run(workspace, sample)
    manifest = sample.folder / "dataset.json"
    about = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**about, "fingerprint": "0" * 32}))
    assert work(run.folder) == 1
    assert "was replaced after this run was made" in status(run).error


def test_a_run_of_an_unknown_kind_fails_with_the_known_ones(workspace: Workspace, sample: Dataset) -> None:
    run = create_run(workspace, sample, None, kind="paint")
    assert work(run.folder) == 1
    assert "No worker can do a run of kind 'paint'. Known kinds: train" in status(run).error


def test_two_workers_cannot_have_one_run(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    run = make_run(workspace, sample)
    with launch.held(run):
        process = worker(run)
        assert process.wait(timeout=60) != 0
    assert not events(run, "failed"), "the run of the first worker is not marked by the second"


def test_corrected_labels_are_trained_on_and_excluded_images_left_out(
    workspace: Workspace, sample: Dataset
) -> None:
    first, second, third = sample.item_ids[:3].tolist()
    other = next(name for k, name in enumerate(sample.classes) if k != sample.labels[0])
    LabelJournal(workspace).append(
        sample,
        [
            NewEdit(first, EditKind.LABEL, new=other, session="s", seq=1),
            NewEdit(second, EditKind.EXCLUDE, session="s", seq=2),
            NewEdit(third, EditKind.EXCLUDE, session="s", seq=3),
        ],
    )
    run = make_run(workspace, sample, label_version=2, epochs=1)
    assert work(run.folder) == 0
    predictions = load_predictions(run.predictions_file)
    assert predictions.label_version == 2
    ids = predictions.item_ids.tolist()
    assert sample.classes[predictions.labels[ids.index(first)]] == other
    assert second not in ids
    assert third in ids, "it was excluded only in a later version"
