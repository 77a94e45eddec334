import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import BadInput
from core.evaluation.sweep import create_sweep, paired_gap, read_sweep, text_sweep
from core.runs.recipe import PRESETS
from core.runs.store import RunState, status
from core.tuning.grid import parse_grid
from core.worker import work
from core.workspace import Workspace
from tests.tagged import tagged

SMALL = PRESETS["caption"].with_changes(
    {"width": 4, "caption_width": 8, "epochs": 1, "batch_size": 32, "threads": 1}
)


def test_a_grid_is_every_combination() -> None:
    grid = parse_grid(["dropout=0.5|0.7", "epochs=1|3"], SMALL)
    assert grid[1] == {"dropout": 0.5, "epochs": 3}
    assert len(grid) == 4
    with pytest.raises(BadInput, match="is a range"):
        parse_grid(["dropout=0.1..0.5"], SMALL)
    with pytest.raises(BadInput, match="trainings"):
        parse_grid(["epochs=" + "|".join(map(str, range(1, 300)))], SMALL)


def test_a_paired_interval_is_narrower_than_the_images_differ() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(500)
    gap = paired_gap(hard + 0.01, hard)
    assert gap["difference"] == pytest.approx(0.01)
    assert gap["ci95"] == pytest.approx([0.01, 0.01])
    low, high = paired_gap(rng.random(500), rng.random(500))["ci95"]
    assert low < 0 < high


def test_image_caption_and_both_are_set_against_the_best(workspace: Workspace, sample: Dataset) -> None:
    clothes = tagged(workspace, sample, 600, captions=True)
    clothes_test = len(clothes.in_split("test"))
    settings = parse_grid(["inputs=image|caption|both"], SMALL)
    run = create_sweep(workspace, clothes, SMALL, settings, label_version=0)
    assert work(run.folder) == 0
    assert status(run).state is RunState.FINISHED
    value = read_sweep(run)
    assert [row["setting"]["inputs"] for row in value["rows"]] == ["image", "caption", "both"]
    assert all(row["seconds"] > 0 and 0 <= row["valid"]["mean_f1"] <= 1 for row in value["rows"])
    told = [row["against_best"] is not None for row in value["rows"]]
    assert sum(told) == (2 if clothes_test else 0)
    assert "seconds" in text_sweep(value)
