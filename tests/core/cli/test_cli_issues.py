"""``tidyset issues``, as typed."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.workspace import Workspace

SMALL = ["--folds", "2", "--set", "width=4", "--set", "epochs=1", "--set", "threads=1"]


@pytest.mark.slow
def test_labels_are_ranked_with_scores_and_reasons(workspace: Workspace, sample: Dataset) -> None:
    result = CliRunner().invoke(app, ["issues", *SMALL, "--top", "7", "--json"])
    assert result.exit_code == 0, result.stderr
    value = json.loads(result.stdout)
    assert value["n_labels"] == 6_000
    assert sum(value["by_class"].values()) == value["n_estimated"] > 0
    scores = [one["score"] for one in value["issues"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 7
    first = value["issues"][0]
    assert first["label"] != first["suggested"]
    assert first["suggested"] in first["reason"]
    assert set(first["scores"]) == {
        "confident_learning",
        "self_confidence",
        "margin",
        "neighbours",
        "dynamics",
    }
    text = CliRunner().invoke(app, ["issues", *SMALL, "--top", "1"]).stdout
    assert text.startswith(f"About {value['n_estimated']:,} of 6,000 labels are likely wrong.")
    assert value["judges"]["words"] in text
    assert value["not_judged"] == []


def test_bad_input_is_named(workspace: Workspace, sample: Dataset) -> None:
    result = CliRunner().invoke(app, ["issues", "--folds", "1", "--json"])
    assert result.exit_code == 1
    assert "1 folds do not fit" in json.loads(result.stderr)["error"]
