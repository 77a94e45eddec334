"""The Prove page: empty, without edits, and with a verdict."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.files import read_json, write_json
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.quality.arms import edits_of_version
from core.quality.proofs import KIND, create_proof, read_proof
from core.runs.recipe import make_recipe
from core.runs.store import Run, RunState, create_run, find_run, list_runs, status
from core.worker import work
from core.workspace import Workspace
from dashboard.wording import figures_in
from tests.finished_runs import finished_run

ROOT = Path(__file__).resolve().parents[2]
TINY = {"width": 4, "epochs": 1, "batch_size": 256, "learning_rate": 0.01, "threads": 1}


def opened() -> AppTest:
    test = AppTest.from_file(str(ROOT / "dashboard" / "Home.py"), default_timeout=60).run()
    test.switch_page("../pages/prove.py").run()
    assert not test.exception
    assert not test.error, [message.value for message in test.error]
    return test


def break_labels(workspace: Workspace, dataset: Dataset, n: int, split: str = "train") -> None:
    positions = dataset.in_split(split)[:n]
    edits = [
        NewEdit(str(dataset.item_ids[p]), EditKind.LABEL, dataset.classes[(int(dataset.labels[p]) + 1) % 10])
        for p in positions
    ]
    LabelJournal(workspace).append(dataset, edits)


def tiny_run(workspace: Workspace, dataset: Dataset) -> Run:
    run = create_run(workspace, dataset, make_recipe(TINY), name="tiny")
    assert work(run.folder) == 0
    return run


def test_without_a_run_it_leads_to_train(workspace: Workspace, sample: Dataset) -> None:
    test = opened()
    assert "There is no finished run yet." in test.markdown[-1].value
    assert "Train a model" in [button.label for button in test.button]


def test_without_edits_there_is_nothing_to_prove(workspace: Workspace, sample: Dataset) -> None:
    finished_run(workspace, sample, "r1")
    break_labels(workspace, sample, 3, "test")
    test = opened()
    button = next(button for button in test.button if button.label == "Prove it")
    assert button.disabled
    assert any("there is nothing to prove" in caption.value for caption in test.caption)
    assert "Correct labels" in [button.label for button in test.button]


def test_it_starts_a_proof_with_the_seeds_that_were_asked_for(workspace: Workspace, sample: Dataset) -> None:
    tiny_run(workspace, sample)
    break_labels(workspace, sample, 30)
    test = opened()
    assert any("30 training images changed since tiny. 11 trainings" in c.value for c in test.caption)
    test.number_input(key="prove_seeds").set_value(2)
    next(button for button in test.button if button.label == "Prove it").click()
    test.run()
    assert not test.exception
    (run,) = list_runs(workspace, kind=KIND)
    assert run.job["seeds"] == [0, 1]
    from core.runs import launch

    assert launch.wait(run, timeout=200).state is RunState.FINISHED


def test_it_begins_with_the_newest_run_that_did_not_learn_from_the_edits(
    workspace: Workspace, sample: Dataset
) -> None:
    finished_run(workspace, sample, "before")
    break_labels(workspace, sample, 3)
    after = finished_run(workspace, sample, "after")
    about = read_json(after.folder / "run.json")
    write_json(after.folder / "run.json", {**about, "label_version": 3})
    assert find_run(workspace, "after").label_version == 3
    assert opened().selectbox(key="prove_base").value == "before"


def test_it_shows_the_verdict_on_given_and_on_corrected_labels(workspace: Workspace, sample: Dataset) -> None:
    base = tiny_run(workspace, sample)
    break_labels(workspace, sample, 1_500)
    break_labels(workspace, sample, 40, "test")
    run = create_proof(workspace, base, edits_of_version(workspace, sample, 0), n_seeds=2)
    assert work(run.folder) == 0
    assert status(run).state is RunState.FINISHED
    value = read_proof(run)
    test = opened()
    told = [*test.success, *test.warning, *test.info]
    assert figures_in(value["verdict"]) in [message.value for message in told]
    assert [metric.label.split(",")[0] for metric in test.metric] == [
        "Accuracy",
        "Macro-F1",
        "p",
        "Minimum detectable difference",
    ]
    table = test.dataframe[-1].value
    assert table["Class"].tolist() == [one["name"] for one in value["classes"]]

    test.segmented_control(key="prove_answers").set_value("corrected").run()
    told = [*test.success, *test.warning, *test.info]
    assert figures_in(value["on_corrected"]["verdict"]) in [message.value for message in told]
