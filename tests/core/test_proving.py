"""The job that proves edits, on real and tiny trainings: arms, what is kept, what is never trained twice."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import BadInput, NotFound
from core.evaluation.predictions import load_predictions
from core.evaluation.proof import ARMS
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.quality.arms import edits_of_version
from core.quality.looks import looks_at
from core.quality.proofs import arm_file, create_proof, proof_file, read_proof
from core.runs.recipe import make_recipe
from core.runs.store import Run, RunState, create_run, status
from core.worker import material, proving, work
from core.workspace import Workspace
from tests.tagged import tagged

TINY = {"width": 4, "epochs": 1, "batch_size": 256, "learning_rate": 0.01, "threads": 1, "dropout": 0.0}


def break_labels(workspace: Workspace, dataset: Dataset, n: int, *, in_test: int = 0) -> None:
    """Give n training images, and some test images, the label of the next class."""
    positions = [*dataset.in_split("train")[:n], *dataset.in_split("test")[:in_test]]
    new = [dataset.classes[(int(dataset.labels[p]) + 1) % len(dataset.classes)] for p in positions]
    edits = [
        NewEdit(str(dataset.item_ids[p]), EditKind.LABEL, name)
        for p, name in zip(positions, new, strict=True)
    ]
    LabelJournal(workspace).append(dataset, edits)


@pytest.fixture
def base(workspace: Workspace, sample: Dataset) -> Run:
    run = create_run(workspace, sample, make_recipe(TINY), name="base")
    assert work(run.folder) == 0
    return run


def proof_of(workspace: Workspace, sample: Dataset, base: Run, **options: object) -> Run:
    return create_proof(workspace, base, edits_of_version(workspace, sample, 0), n_seeds=2, **options)


def counted_fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds of the trainings that the job really does."""
    fit, done = material.fit, []

    def counting(*arguments: object, **named: object) -> object:
        done.append(arguments[4].seed)
        return fit(*arguments, **named)

    monkeypatch.setattr(material, "fit", counting)
    return done


def test_a_proof_leaves_verdict_arms_and_report(
    workspace: Workspace, sample: Dataset, base: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_labels(workspace, sample, 1_500, in_test=40)
    run = proof_of(workspace, sample, base)
    trained = counted_fits(monkeypatch)
    assert work(run.folder) == 0
    now = status(run)
    assert now.state is RunState.FINISHED

    value = read_proof(run)
    assert (value["run"], value["base"]) == ("prove-1", "base")
    assert "NaN" not in proof_file(run).read_text()
    assert {"verdict", "ci95", "p_value", "minimum_detectable", "classes"} <= set(value)
    assert value["outcome"] == now.summary["outcome"]
    assert value["n_edits"] == 1_500
    assert list(value["arms"]) == list(ARMS)
    test = sample.in_split("test")
    for arm in ARMS:
        for seed, expected in zip((0, 1), value["arms"][arm]["accuracy_by_seed"], strict=True):
            kept = load_predictions(arm_file(run, arm, seed))
            assert kept.item_ids.tolist() == sample.item_ids[test].tolist()
            assert (kept.predicted == sample.labels[test]).mean() == pytest.approx(expected)
    assert trained == [0, 0, 0, 1, 1, 1, 1], "the base run itself is the arm before, with its seed"
    own = load_predictions(base.predictions_file).only("test")
    assert np.array_equal(own.pred_probs, load_predictions(arm_file(run, "before", 0)).pred_probs)

    assert value["difference"] < -0.01, "a third of the labels was broken"
    assert value["on_corrected"]["labels"] == "corrected"
    assert value["on_corrected"]["n"] == value["n"] == 1_000
    assert value["on_unreviewed"] is None
    assert value["test_edits"] == {"n_counted": 40, "n_reviewed_blind": 0, "n_unreviewed": 0}
    report = run.report_file.read_text()
    assert value["verdict"] in report
    assert value["on_corrected"]["verdict"] in report
    shares = [event["share"] for event in run.events.read()[0] if event["type"] == "progress"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert not list((run.folder / "arms").glob("*.checkpoint*"))


def test_nothing_is_trained_twice(
    workspace: Workspace, sample: Dataset, base: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_labels(workspace, sample, 200)
    first = proof_of(workspace, sample, base)
    assert work(first.folder) == 0
    trained = counted_fits(monkeypatch)
    second = proof_of(workspace, sample, base)
    assert work(second.folder) == 0
    assert trained == []
    same = ("verdict", "difference", "p_value", "arms", "classes")
    assert {k: read_proof(first)[k] for k in same} == {k: read_proof(second)[k] for k in same}

    third = proof_of(workspace, sample, base, changes={"learning_rate": 0.02})
    assert work(third.folder) == 0
    assert trained == [0] * 4 + [1] * 4, "another recipe"


def test_each_further_look_at_the_same_test_images_must_show_more(
    workspace: Workspace, sample: Dataset, base: Run
) -> None:
    """Other edits, recipes and seeds open no new account; the same trainings again are no new look."""
    break_labels(workspace, sample, 300)
    first, again = proof_of(workspace, sample, base), proof_of(workspace, sample, base)
    edits = edits_of_version(workspace, sample, 0)
    assert looks_at(workspace, sample) == []
    for run in (first, again):
        assert work(run.folder) == 0
    looks = read_proof(first)["looks"]
    assert (looks["number"], looks["level"], looks["warning"]) == (1, 0.045, None)
    assert read_proof(again)["looks"]["number"] == 1, "the same trainings again are no new look"

    more = create_proof(workspace, base, edits, n_seeds=3)
    shutil.rmtree(first.folder)
    assert work(more.folder) == 0
    value = read_proof(more)
    assert value["looks"]["number"] == 2, "the look outlives its run"
    free = looks_at(workspace, sample)[0].p_value < 0.045
    assert value["level"] == (0.045 if free else 0.0025)
    assert value["p_value_for_looks"] == pytest.approx(min(1.0, value["p_value"] * 0.05 / value["level"]))
    report = more.report_file.read_text()
    assert "These test images were used for a verdict once before (prove-1 with 2 seeds: p = " in report
    assert value["looks"]["warning"] in status(more).notes

    break_labels(workspace, sample, 301)
    one_more = create_proof(workspace, base, edits_of_version(workspace, sample, 0), n_seeds=2)
    assert work(one_more.folder) == 0
    assert read_proof(one_more)["looks"]["number"] == 3, "one more edit is no first look"


def test_a_stopped_proof_goes_on_with_what_is_missing(
    workspace: Workspace, sample: Dataset, base: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_labels(workspace, sample, 200)
    run = proof_of(workspace, sample, base)
    fit = material.fit

    def stopping(*arguments: object, **named: object) -> object:
        run.stop_file.touch()
        return fit(*arguments, **named)

    monkeypatch.setattr(material, "fit", stopping)
    assert work(run.folder) == 0
    assert status(run).state is RunState.STOPPED
    assert arm_file(run, "before", 0).exists()
    assert not arm_file(run, "drop", 1).exists()
    assert not proof_file(run).exists()
    with pytest.raises(NotFound, match="no verdict yet"):
        read_proof(run)
    monkeypatch.setattr(material, "fit", fit)
    shutil.rmtree(workspace.cache / proving.CACHE, ignore_errors=True)
    trained = counted_fits(monkeypatch)
    assert work(run.folder) == 0
    assert status(run).state is RunState.FINISHED
    assert len(trained) == 7, "the one that was stopped goes on; the base is reused"
    (run.folder / "arms" / "drop-1.parquet").write_bytes(b"damaged")
    verdict = read_proof(run)["verdict"]
    assert work(run.folder) == 0
    assert read_proof(run)["verdict"] == verdict, "a damaged file is read from the cache again"


def test_suggested_test_fixes_are_reported_apart(workspace: Workspace, sample: Dataset, base: Run) -> None:
    break_labels(workspace, sample, 100)
    test = sample.in_split("test")[:5]
    saw = {"run": base.id, "guess": "Bag"}
    LabelJournal(workspace).append(
        sample, [NewEdit(str(sample.item_ids[p]), EditKind.LABEL, "Bag", evidence=saw) for p in test]
    )
    n_changed = int((sample.labels[test] != sample.classes.index("Bag")).sum())
    run = proof_of(workspace, sample, base)
    assert work(run.folder) == 0
    value = read_proof(run)
    assert value["on_corrected"] is None
    assert value["on_unreviewed"]["labels"] == "suggested"
    assert value["test_edits"]["n_unreviewed"] == n_changed
    assert f"{n_changed} corrections of test labels were suggested by a model" in run.report_file.read_text()


def test_what_cannot_be_proven_is_refused_before_anything_is_trained(
    workspace: Workspace, sample: Dataset, base: Run
) -> None:
    with pytest.raises(BadInput, match="change no image that run 'base' trains on"):
        proof_of(workspace, sample, base)
    break_labels(workspace, sample, 10)
    edits = edits_of_version(workspace, sample, 0)
    with pytest.raises(BadInput, match="1 seed cannot tell a gain from luck"):
        create_proof(workspace, base, edits, n_seeds=1)
    with pytest.raises(BadInput, match="There is no recipe field 'colour'"):
        create_proof(workspace, base, edits, changes={"colour": 1})
    made = create_proof(workspace, base, edits)
    with pytest.raises(BadInput, match="is no training"):
        create_proof(workspace, made, edits)


def test_a_proof_whose_edits_are_gone_fails_with_a_sentence(
    workspace: Workspace, sample: Dataset, base: Run
) -> None:
    break_labels(workspace, sample, 10)
    run = proof_of(workspace, sample, base)
    (run.folder / "edits.npz").write_bytes(b"")
    assert work(run.folder) == 1
    assert "Start it anew." in status(run).error


def test_several_labels_and_captions_are_proven_too(workspace: Workspace, sample: Dataset) -> None:
    several = tagged(workspace, sample, 180, captions=True, split=(np.arange(180) % 3).astype(np.int8))
    recipe = make_recipe({**TINY, "inputs": "both", "caption_width": 16, "batch_size": 16})
    base = create_run(workspace, several, recipe, name="both")
    assert work(base.folder) == 0
    train = several.in_split("train")[:10]
    new = ["no" if several.labels[p, 0] == 1 else "yes" for p in train]
    edits = [
        NewEdit(str(several.item_ids[p]), EditKind.LABEL, answer, class_name="footwear")
        for p, answer in zip(train, new, strict=True)
    ]
    LabelJournal(workspace).append(several, edits)
    run = create_proof(workspace, base, edits_of_version(workspace, several, 0), n_seeds=2)
    assert work(run.folder) == 0, status(run).error
    value = read_proof(run)
    assert value["n_edits"] == 10
    assert value["measure"] == "the Hamming score"
    assert set(value["arms"]) == set(ARMS)
    assert [one["name"] for one in value["classes"]] == list(several.classes)
    before = load_predictions(arm_file(run, "before", base.recipe.seed))
    own = load_predictions(base.predictions_file).only("test")
    assert np.allclose(before.pred_probs, own.pred_probs), "the base run is the training before the edits"
