"""``tidyset evaluate`` and ``tidyset compare`` on a run that was really trained, and on real files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.files import read_json
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.runs.store import Run
from core.workspace import Workspace
from tests.finished_runs import finished_run


@pytest.fixture
def r1(workspace: Workspace, sample: Dataset) -> Run:
    return finished_run(workspace, sample, "r1")


def run_command(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def write_csv(path: Path, dataset: Dataset, *, header: bool = True) -> Path:
    """The test split as people have it: a label and 784 pixels a row."""
    positions = dataset.in_split("test")
    pixels = np.asarray(dataset.images.pixels[positions]).reshape(len(positions), -1)
    rows = np.column_stack([dataset.labels[positions], pixels])
    names = ",".join(["label", *(f"pixel{i + 1}" for i in range(784))]) if header else ""
    np.savetxt(path, rows, fmt="%d", delimiter=",", header=names, comments="")
    return path


@pytest.mark.parametrize("form", ["csv with header", "csv without", "npz", "npz one-hot", "data set"])
def test_the_same_images_give_the_metrics_of_the_training_run(
    r1: Run, sample: Dataset, tmp_path: Path, form: str
) -> None:
    positions = sample.in_split("test")
    images = np.asarray(sample.images.pixels[positions])[..., 0]
    source: object = tmp_path / "test.npz"
    if form.startswith("csv"):
        source = write_csv(tmp_path / "test.csv", sample, header="with header" in form)
    elif form == "npz":
        np.savez(tmp_path / "test.npz", images=images, labels=sample.labels[positions])
    elif form == "npz one-hot":
        np.savez(tmp_path / "test.npz", images=images, labels=np.eye(10)[sample.labels[positions]])
    else:
        source = sample.name
    code, out, err = run_command("evaluate", "r1", "--data", source, "--json")
    assert code == 0, err
    value, own = json.loads(out), read_json(r1.metrics_file)["test"]
    for name in ("accuracy", "macro_f1", "n", "confusion", "top_k"):
        assert value[name] == own[name], name
    assert value["nll"] == pytest.approx(own["nll"], rel=1e-4)
    assert value["test_accuracy"] == own["accuracy"]


def test_unconfirmed_fixes_of_test_labels_are_reported_apart(
    r1: Run, workspace: Workspace, sample: Dataset
) -> None:
    own, led = sample.in_split("test")[:2]
    saw = {"run": r1.id, "guess": "Bag"}
    names = {p: sample.classes[(int(sample.labels[p]) + 1) % 10] for p in (own, led)}
    fixes = [
        NewEdit(str(sample.item_ids[p]), EditKind.LABEL, names[p], evidence=evidence)
        for p, evidence in ((own, {}), (led, saw))
    ]
    LabelJournal(workspace).append(sample, fixes)
    value = json.loads(run_command("evaluate", "r1", "--data", sample.name, "--json")[1])
    assert value["test_edits"] == {"n_counted": 1, "n_reviewed_blind": 0, "n_unreviewed": 1}
    assert (value["on_corrected"]["labels"], value["on_unreviewed"]["labels"]) == ("corrected", "suggested")
    assert value["accuracy"] == read_json(r1.metrics_file)["test"]["accuracy"], "on the labels as given"
    text = run_command("evaluate", "r1", "--data", sample.name)[1]
    assert "1 count; 1 more were suggested by a model and wait for a blind review" in text
    assert "Test split, corrected labels, with those that nobody reviewed blind" in text

    LabelJournal(workspace).append(sample, [NewEdit(fixes[1].item_id, EditKind.LOOK, names[led])])
    value = json.loads(run_command("evaluate", "r1", "--data", sample.name, "--json")[1])
    assert value["test_edits"] == {"n_counted": 2, "n_reviewed_blind": 1, "n_unreviewed": 0}
    assert value["on_unreviewed"] is None


def test_the_report_has_all_its_parts(r1: Run, sample: Dataset, tmp_path: Path) -> None:
    report = tmp_path / "out" / "report.txt"
    code, out, err = run_command("evaluate", "r1", "--data", sample.name, "--output", report)
    assert code == 0, err
    assert str(report) in out
    text = report.read_text()
    for part in ("Run r1 on", "BatchNorm2d", "parameters", "accuracy:", "Ankle boot", "Confusion matrix"):
        assert part in text
    assert "Test split" in run_command("evaluate", "r1", "--data", sample.name)[1]


def test_images_of_another_size_are_refused_with_what_was_expected(r1: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "big.npz", images=np.zeros((4, 32, 32), np.uint8), labels=np.arange(4))
    code, _, err = run_command("evaluate", "r1", "--data", tmp_path / "big.npz", "--json")
    error = json.loads(err)["error"]
    assert code == 1
    for part in ("4 images of 32 x 32", "trained on 28 x 28", "785 columns", "(N, 784)"):
        assert part in error


def test_colour_is_turned_into_grey_and_said(r1: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (10, 28, 28, 3), np.uint8)
    np.savez(tmp_path / "colour.npz", images=colour, labels=np.arange(10))
    code, out, err = run_command("evaluate", "r1", "--data", tmp_path / "colour.npz", "--json")
    assert code == 0, err
    assert json.loads(out)["note"] == "Colour was turned into grey."


def test_bad_rows_are_listed_or_left_out(r1: Run, sample: Dataset, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "test.csv", sample)
    lines = path.read_text().splitlines()
    lines[3] = "99" + lines[3][lines[3].index(",") :]
    lines[7] = lines[7].rpartition(",")[0]
    path.write_text("\n".join(lines) + "\n")
    code, _, err = run_command("evaluate", "r1", "--data", path, "--json")
    assert code == 1
    assert len(json.loads(err)["problems"]) == 2
    code, out, err = run_command("evaluate", "r1", "--data", path, "--skip-bad", "--json")
    assert code == 0, err
    assert json.loads(out)["n"] == 998
    assert "2 bad rows" in json.loads(out)["note"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate", "r9", "--data", "fashion-mnist-sample"), "no run 'r9'"),
        (("evaluate", "r1", "--data", "./nowhere.csv"), "nowhere.csv"),
        (("compare", "r1", "r9"), "no run 'r9'"),
    ],
)
def test_what_does_not_exist_is_named(r1: Run, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = run_command(*arguments)
    assert code == 1
    assert said in err
    assert "Traceback" not in err


def test_two_runs_are_compared(r1: Run, workspace: Workspace, sample: Dataset) -> None:
    finished_run(workspace, sample, "r2", seed=1, epochs=1)
    code, out, err = run_command("compare", "r1", "r2", "--json")
    assert code == 0, err
    value = json.loads(out)
    assert value["n"] == 1000
    assert value["difference"] == pytest.approx(value["accuracy_b"] - value["accuracy_a"])
    assert value["ci95"][0] < value["difference"] < value["ci95"][1]
    assert 0 <= value["p_value"] <= 1
    assert value["on_corrected_labels"] is None
    assert value["verdict"] in run_command("compare", "r1", "r2")[1]
    assert json.loads(run_command("compare", "r1", "r2", "--split", "val", "--json")[1])["n"] == 500


def test_corrected_labels_are_a_second_comparison(r1: Run, workspace: Workspace, sample: Dataset) -> None:
    finished_run(workspace, sample, "r2", seed=1, epochs=1)
    before = json.loads(run_command("compare", "r1", "r2", "--json")[1])
    correct_three_test_labels(workspace, sample)
    value = json.loads(run_command("compare", "r1", "r2", "--json")[1])
    assert {**value, "on_corrected_labels": None} == before, "the given labels stay the first comparison"
    corrected = value["on_corrected_labels"]
    assert (corrected["labels"], corrected["n"]) == ("corrected", 1000)
    supports = [{entry["name"]: entry["support"] for entry in half["classes"]} for half in (value, corrected)]
    assert supports[0] != supports[1]


def correct_three_test_labels(workspace: Workspace, dataset: Dataset) -> None:
    """Edit three labels of the test split through the journal."""
    wrong = [position for position in dataset.in_split("test") if dataset.labels[position] == 6][:3]
    edits = [NewEdit(str(dataset.item_ids[position]), EditKind.LABEL, "T-shirt/top") for position in wrong]
    LabelJournal(workspace).append(dataset, edits)
