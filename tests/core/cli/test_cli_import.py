"""``tidyset data import``: the dry run, questions as an error that lists the options, titles for names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from core.cli import app
from core.workspace import Workspace

KEYS = {"format", "n_items", "classes", "columns", "unused", "warnings", "questions"}


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Eight pictures with a table in which two columns may be the label."""
    rng = np.random.default_rng(0)
    rows = ["file,species,is_male"]
    (tmp_path / "animals").mkdir()
    for i in range(8):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / "animals" / f"{i}.png")
        rows.append(f"{i}.png,{['cat', 'dog'][i // 4]},{i % 2}")
    (tmp_path / "animals" / "labels.csv").write_text("\n".join(rows))
    return tmp_path / "animals"


def run(workspace: Workspace, *words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(words), env={"TIDYSET_WORKSPACE": str(workspace.root)})
    return done.exit_code, done.stdout, done.stderr


def test_a_dry_run_shows_the_plan_and_imports_nothing(workspace: Workspace, animals: Path) -> None:
    code, out, _ = run(workspace, "data", "import", str(animals), "--dry-run", "--json")
    plan = json.loads(out)
    assert code == 0
    assert plan.keys() >= KEYS
    assert plan["questions"][0]["choices"][0]["option"] == '--label "species"'
    assert not list(workspace.datasets.glob("[!.]*/dataset.json"))
    code, out, _ = run(workspace, "data", "import", str(animals), "--dry-run")
    assert 'question: Which column of labels.csv is the label?\n    --label "species"' in out


def test_questions_are_an_error_with_the_options_that_answer(workspace: Workspace, animals: Path) -> None:
    command = ["data", "import", str(animals), "--name", "Animals of 2024", "--test-share", "0"]
    code, _, err = run(workspace, *command)
    assert code == 1
    assert '--label "is_male"' in err
    code, _, err = run(workspace, *command, "--json")
    assert json.loads(err)["questions"][0]["choices"][1]["option"] == '--label "is_male"'
    code, out, _ = run(workspace, *command, "--label", "species", "--json")
    made = json.loads(out)
    assert code == 0
    assert KEYS | {"left_out", "n_left_out"} <= made.keys()
    assert (made["name"], made["title"]) == ("animals-of-2024", "Animals of 2024")
    assert made["classes"] == {"cat": {"train": 4}, "dog": {"train": 4}}
    code, _, err = run(workspace, "data", "info", "Animals of 2024")
    assert "It is called animals-of-2024 here." in err
