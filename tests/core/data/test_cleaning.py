"""The cleaning pipeline: what each step does, how it is written, and that a run uses it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data.cleaning import as_text, clean, parse, rightly_separated, states
from core.data.dataset import Dataset
from core.errors import BadInput
from core.runs.recipe import Recipe, make_recipe
from core.training.pixels import run_pixels
from core.workspace import Workspace

PIPELINE = "blur 1 | threshold 0.4 | erode 1 | dilate 1 | extract 2 12 | align 28 | reassemble"


def two_bars(n: int = 3) -> np.ndarray:
    """(n, 56, 56): a large upright bar at the left, a lying one at the right, and noise."""
    images = np.random.default_rng(0).integers(0, 60, (n, 56, 56), dtype=np.uint8)
    images[:, 10:40, 8:14] = 255
    images[:, 20:26, 30:50] = 255
    return images


def test_characters_are_found_from_left_to_right_and_put_side_by_side() -> None:
    *_, found, aligned, last = states(two_bars(), parse(PIPELINE))
    assert found.found is not None
    assert found.found.tolist() == [2, 2, 2]
    assert found.boxes is not None
    assert (found.boxes[:, 0, 3] <= found.boxes[:, 1, 1]).all()
    assert aligned.characters is not None
    assert aligned.characters.shape == (3, 2, 28, 28)
    assert last.images.shape == (3, 28, 56)
    left, right = last.images[0, :, :28] > 127, last.images[0, :, 28:] > 127
    assert left.any(axis=1).sum() > 2 * left.any(axis=0).sum()  # upright
    assert right.any(axis=0).sum() > 2 * right.any(axis=1).sum()  # lying


def test_each_step_does_what_it_says() -> None:
    images = two_bars(1)
    blurred, binary, thin, thick = (
        clean(images, parse(text)).images[0, :, :, 0]
        for text in ("blur 2", "threshold", "threshold | erode 2", "threshold | dilate 2")
    )
    assert blurred[:8].std() < images[0, :8].std() / 3
    assert set(np.unique(binary)) == {0, 255}
    assert (binary > 0).sum() == 30 * 6 + 6 * 20
    assert (thin > 0).sum() < (binary > 0).sum() < (thick > 0).sum()


def test_the_share_in_which_two_were_found() -> None:
    images = two_bars(4)
    images[0, 20:26, 30:50] = 0
    assert clean(images, parse(PIPELINE)).separated_share == 0.75
    assert clean(images, parse("blur 1")).separated_share is None


def test_right_boxes_are_one_for_each_character() -> None:
    truth = np.array([[[0, 0, 10, 10], [20, 20, 30, 30]]] * 4)
    found = truth.copy()
    found[0] = found[0, ::-1]  # the order does not matter
    found[1, 1] = [0, 0, 10, 9]  # two for the digit, none for the letter
    found[2, 0] = [0, 0, 30, 30]  # one for both
    found[3, 1] = -1
    assert rightly_separated(found, truth).tolist() == [True, False, False, False]


def test_text_and_steps_are_the_same() -> None:
    assert as_text(parse(PIPELINE)) == PIPELINE
    assert as_text(parse("extract")) == "extract 2 12"
    for text, said in (
        ("sharpen", "no step 'sharpen'"),
        ("blur x", "'x' is no number"),
        ("blur 99", "Sigma, pixels is 99"),
        ("align 28", "right after extract"),
        ("erode 1 2", "takes 1 numbers"),
    ):
        with pytest.raises(BadInput, match=said):
            parse(text)
    with pytest.raises(BadInput, match="no step"):
        make_recipe({"cleaning": "polish"})


def test_the_command_line_tries_a_pipeline(workspace: Workspace) -> None:
    arguments = [
        "data",
        "clean",
        "fashion-mnist-sample",
        "--steps",
        "threshold | extract 1",
        "--images",
        "50",
    ]
    about = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert about["steps"] == "threshold 0 | extract 1 12"
    assert 0 <= about["separated_share"] <= 1


def test_a_run_trains_on_cleaned_images(workspace: Workspace, sample: Dataset) -> None:
    told = []
    recipe = Recipe(cleaning="threshold 0.5 | extract 1 5 | align 20 | reassemble")
    pixels = run_pixels(
        workspace, sample, recipe, lambda type_, **fields: told.append(fields.get("text", ""))
    )
    assert pixels.shape == (6_000, 20, 20, 1)
    assert any("exactly 1 character" in text for text in told)
    assert run_pixels(workspace, sample, recipe).shape == pixels.shape
