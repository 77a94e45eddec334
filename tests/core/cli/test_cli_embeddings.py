"""``tidyset embed`` and ``tidyset similar`` on images of the sample."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.workspace import Workspace
from tests.core.embeddings.test_embedding_job import part
from tests.finished_runs import finished_run


def answer(*arguments: str) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def few(workspace: Workspace, sample: Dataset) -> Dataset:
    return part(workspace, sample, "few", np.arange(400))


def test_a_map_is_made_and_other_images_are_placed_on_it(
    workspace: Workspace, sample: Dataset, few: Dataset
) -> None:
    value = answer("embed", "--data", "few", "--name", "first", "--neighbors", "10")
    assert value["n_items"] == 400
    assert 0.8 < value["quality"]["trustworthiness"] <= 1
    assert any(name in value["mixed"][0] for name in few.classes)
    part(workspace, sample, "new", np.arange(400, 420))
    placed = answer("embed", "--data", "new", "--onto", "first")
    assert placed["n_items"] == 20


def test_the_images_most_like_one_come_nearest_first(workspace: Workspace, sample: Dataset) -> None:
    finished_run(workspace, sample, "r1")
    own = str(sample.item_ids[10])
    found = answer("similar", "--data", sample.name, "--run", "r1", "--id", own, "--top", "5")["similar"]
    scores = [row["similarity"] for row in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.9
    assert own not in [row["item"] for row in found]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("embed", "--data", "few", "--onto", "nowhere"), "no map 'nowhere'"),
        (("embed", "--data", "few", "--method", "tsne"), "tsne"),
        (("embed", "--data", "few", "--neighbors", "1"), "n_neighbors is 1"),
        (("similar", "--data", "few", "--id", "no such"), "no such"),
        (("similar", "--data", "few", "--id", "00001", "--run", "gone"), "gone"),
    ],
)
def test_what_cannot_be_done_is_said(few: Dataset, arguments: tuple[str, ...], word: str) -> None:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code != 0
    assert word in result.stderr
    assert "Traceback" not in result.stderr
