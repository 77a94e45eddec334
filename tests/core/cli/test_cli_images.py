"""``tidyset images`` on the sample with copies put in, and with a run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.quality.image_issues import RULES
from core.workspace import Workspace
from tests.core.quality.planted import original, with_images
from tests.finished_runs import finished_run


def run_command(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["images", *arguments])
    return result.exit_code, result.stdout, result.stderr


def answer(*arguments: str) -> Any:
    code, out, err = run_command(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_copies_leaks_and_contradictions_are_counted(workspace: Workspace, sample: Dataset) -> None:
    pixels, label = original(sample, 30), int(sample.labels[30])
    dataset, (first, second) = with_images(
        workspace, sample, [(pixels, label, "test"), (pixels, (label + 1) % 10, "train")]
    )
    value = answer("--data", dataset.name, "--top", "1")
    found = value["duplicates"]
    assert (found["n_exact"], found["n_groups"]) == (1, 1 + found["n_near"])
    assert found["n_contradicting"] >= 1
    assert found["n_leaks"] >= 1
    (top,) = found["top"]
    assert set(top["items"]) == {"00010", f"{first:05d}", f"{second:05d}"}
    assert (top["exact"], top["leak"], top["contradicting"]) == (True, True, True)
    assert value["scores"] is None


def test_every_kind_is_listed_with_its_threshold(workspace: Workspace, sample: Dataset) -> None:
    value = answer("--data", sample.name, "--top", "2")
    assert [issue["kind"] for issue in value["issues"]] == [rule.kind for rule in RULES]
    dark = next(issue for issue in value["issues"] if issue["kind"] == "dark")
    assert len(dark["top"]) == 2 <= dark["n"]
    assert dark["top"][0]["score"] <= dark["top"][1]["score"] < dark["threshold"]
    assert dark["top"][0]["item"] in sample.item_ids
    assert dark["odd_is"] == "below"
    assert dark["means"] == f"the brightest hundredth is below {dark['threshold']:.0f} of 255"


def test_a_run_is_scored_with_and_without_the_leaks(workspace: Workspace, sample: Dataset) -> None:
    finished_run(workspace, sample, "r1")
    scores = answer("--data", sample.name, "--run", "r1")["scores"]
    assert set(scores) == {"run", "given"}
    given = scores["given"]
    assert given["with_leaks"]["n"] == 1000
    assert 0 < given["leaked_only"]["n"] < 40
    assert given["without_leaks"]["n"] == 1000 - given["leaked_only"]["n"]
    low, high = given["without_leaks"]["ci95"]
    assert low < given["without_leaks"]["accuracy"] < high
    item_id = str(sample.item_ids[sample.in_split("test")[0]])
    LabelJournal(workspace).append(sample, [NewEdit(item_id, EditKind.EXCLUDE)])
    corrected = answer("--data", sample.name, "--run", "r1")["scores"]["corrected"]
    assert corrected["with_leaks"]["n"] == 999


def test_people_get_sentences(workspace: Workspace, sample: Dataset) -> None:
    finished_run(workspace, sample, "r1")
    code, out, _ = run_command("--data", sample.name, "--run", "r1")
    assert code == 0
    assert "6,000 images, label version 0" in out
    assert "dark is below" in out
    assert "Accuracy of r1 on the labels as given: with leaks" in out


@pytest.mark.parametrize("arguments", [["--data", "none"], ["--run", "none"]])
def test_what_is_not_there_is_named(workspace: Workspace, arguments: list[str]) -> None:
    code, _, err = run_command(*arguments, "--json")
    assert code == 1
    assert "none" in json.loads(err)["error"]


def test_a_run_of_another_set_is_refused(workspace: Workspace, sample: Dataset) -> None:
    finished_run(workspace, sample, "r1")
    dataset, _ = with_images(workspace, sample, [])
    code, _, err = run_command("--data", dataset.name, "--run", "r1", "--json")
    assert code == 1
    assert "fashion-mnist-sample" in json.loads(err)["error"]
