import numpy as np
import pytest

from core.data.dataset import Dataset
from core.evaluation.lime import GRID, explain_image, ridge
from core.runs.recipe import PRESETS
from core.training.loop import fit
from core.training.parts import Parts
from core.workspace import Workspace
from tests.tagged import tagged


def test_the_part_that_decides_gets_the_weight() -> None:
    rng = np.random.default_rng(0)
    kept = (rng.random((300, 10)) < 0.6).astype(float)
    weights = ridge(kept, 0.2 + 0.6 * kept[:, 3])
    assert weights.argmax() == 3
    assert weights[3] == pytest.approx(0.6, abs=0.06)
    assert np.abs(np.delete(weights, 3)).max() < 0.03


def test_the_word_that_names_the_thing_speaks_for_it(workspace: Workspace, sample: Dataset) -> None:
    clothes = tagged(workspace, sample, 160, captions=True)
    everything = np.arange(160)
    small = {"width": 4, "epochs": 6, "batch_size": 16, "learning_rate": 0.01, "caption_width": 16}
    recipe = PRESETS["caption"].with_changes({**small, "inputs": "both", "threads": 1, "dropout": 0.0})
    pixels = np.array(clothes.images.pixels)
    parts = Parts(everything[:130], everything[130:], everything[:0])
    result = fit(pixels, np.array(clothes.labels), parts, clothes.classes, recipe, captions=clothes.captions)
    sneaker = next(at for at in everything if "sneaker" in clothes.captions[at])
    shares: list[float] = []
    found = explain_image(
        result.model.cpu(),
        result.card,
        pixels[sneaker],
        0,
        "a sneaker on white ground",
        on_share=shares.append,
    )
    assert shares == sorted(shares)
    assert len(shares) > 1
    assert shares[-1] == 1
    assert found.patches.shape == (GRID, GRID)
    assert found.words[int(found.word_weights.argmax())] == "sneaker"
