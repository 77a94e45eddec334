"""LIME: which patches of an image, and which words of its caption, move the model's answer.

Ribeiro, Singh and Guestrin 2016. Patches are greyed out and words left out at random; a weighted ridge
regression of the class's probability on what was left tells what each is worth. Patches are squares of a
grid: no segmentation can be wrong about them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.cache import cached_arrays
from core.data.captions import words_of
from core.data.dataset import Dataset
from core.errors import BadInput
from core.evaluation.seen import fed_to
from core.runs.store import Run
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.models import Classifier, ModelCard

GRID = 8
N_SAMPLES = 400
BATCH = 20
KERNEL_WIDTH = 0.25
RIDGE = 1.0
Floats = NDArray[np.float32]
OnShare = Callable[[float], None]


def _no_word(_share: float) -> None:
    """For callers that do not wait."""


@dataclass(frozen=True, eq=False)
class Weights:
    """What patches and words are worth for one class of one image.

    Attributes:
        patches: (GRID, GRID) float32, above 0 where a patch speaks for the class; zero without an image.
        words: The words of the caption, in order; () where none is read.
        word_weights: (n,) float32, of each.
    """

    patches: Floats
    words: tuple[str, ...]
    word_weights: Floats


def lime(
    workspace: Workspace,
    run: Run,
    dataset: Dataset,
    position: int,
    class_index: int,
    on_share: OnShare = _no_word,
) -> Weights:
    """The weights for one image of a run, computed once for each run, image and class.

    Args:
        on_share: Told how much of the asking is done, 0 to 1, now and then.

    Raises:
        NotFound, DamagedFile: There is no model, or it or the image cannot be read.
        BadInput: There is no such class.
    """
    caption = dataset.captions[position] if dataset.captions is not None else ""
    key = {
        "run": run.id,
        "written": run.model_file.stat().st_mtime_ns if run.model_file.exists() else 0,
        "image": bytes(np.asarray(dataset.content_hashes[position])).hex(),
        "caption": caption,
        "class": class_index,
    }

    def compute() -> dict[str, Any]:
        from core.models import load_model

        model, card = load_model(run.model_file)
        pixels = fed_to(run, dataset, position, card)
        found = explain_image(model, card, pixels, class_index, caption, on_share=on_share)
        return {"patches": found.patches, "word_weights": found.word_weights}

    kept = cached_arrays(workspace, "lime-1", key, compute)
    weights = np.asarray(kept["word_weights"], np.float32)
    words = tuple(words_of(caption)[: len(weights)])
    return Weights(np.asarray(kept["patches"], np.float32), words, weights)


def explain_image(
    model: Classifier,
    card: ModelCard,
    pixels: NDArray[np.uint8],
    class_index: int,
    caption: str = "",
    seed: int = 0,
    on_share: OnShare = _no_word,
) -> Weights:
    """LIME of one image.

    Args:
        model: The network; it is put into evaluation mode.
        card: How its input is made.
        pixels: (H, W, C) uint8, of the size the model was trained on.
        class_index: The class whose probability is explained.
        caption: Of the image, for networks that read it.
        on_share: As of ``lime``.
    """
    if not 0 <= class_index < len(card.classes):
        raise BadInput(f"There is no class {class_index}; the model knows 0 to {len(card.classes) - 1}.")
    words = words_of(caption)[:64] if card.inputs != "image" else []
    n_patches = GRID * GRID if card.inputs != "caption" else 0
    rng = np.random.default_rng(seed)
    kept = rng.random((N_SAMPLES, n_patches + len(words))) < rng.uniform(0.3, 0.9, (N_SAMPLES, 1))
    kept[0] = True
    if kept.shape[1] == 0:
        return Weights(np.zeros((GRID, GRID), np.float32), (), np.zeros(0, np.float32))
    answers = _answers(model, card, pixels, words, kept, class_index, on_share)
    weights = ridge(kept.astype(np.float64), answers)
    patches = weights[:n_patches] if n_patches else np.zeros(GRID * GRID)
    return Weights(
        patches.reshape(GRID, GRID).astype(np.float32), tuple(words), weights[n_patches:].astype(np.float32)
    )


def ridge(kept: NDArray[np.float64], answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M,) the worth of each part: a ridge regression in which samples near the whole image weigh more.

    Args:
        kept: (S, M) 1 where a part was left, 0 where it was taken away.
        answers: (S,) the model's probability.
    """
    distance = 1 - np.sqrt(kept.mean(axis=1))  # one minus the cosine to the whole image
    near = np.exp(-(distance**2) / KERNEL_WIDTH**2)[:, None]
    centred = kept - (near * kept).sum(axis=0) / near.sum()
    gaps = answers - (near[:, 0] * answers).sum() / near.sum()
    left = (near * centred).T @ centred + RIDGE * np.eye(kept.shape[1])
    return np.asarray(np.linalg.solve(left, (near * centred).T @ gaps), np.float64)


def _answers(
    model: Classifier,
    card: ModelCard,
    pixels: NDArray[np.uint8],
    words: list[str],
    kept: NDArray[np.bool_],
    class_index: int,
    on_share: OnShare,
) -> NDArray[np.float64]:
    """(S,) the class's probability for each sample."""
    from core.training.captions import encoded
    from core.training.inference import predict
    from core.training.machine import Machine, choose_machine

    machine: Machine = choose_machine(_cpu())
    height, width, channels = pixels.shape
    n_patches = kept.shape[1] - len(words)
    rows, columns = np.arange(height) * GRID // height, np.arange(width) * GRID // width
    patch = rows[:, None] * GRID + columns[None, :]
    grey = pixels.reshape(-1, channels).mean(axis=0)
    found = []
    for start in range(0, len(kept), BATCH):
        part = kept[start : start + BATCH]
        images = np.broadcast_to(pixels, (len(part), *pixels.shape))
        if n_patches:
            images = np.where(part[:, patch][..., None], images, grey).astype(np.uint8)
        texts = [
            " ".join(w for w, there in zip(words, row[n_patches:], strict=True) if there) for row in part
        ]
        said = predict(
            model, card, images, np.arange(len(part)), machine, words=encoded(card, texts)
        ).pred_probs
        found.append(said[:, class_index].astype(np.float64))
        on_share((start + len(part)) / len(kept))
    return np.concatenate(found)


def _cpu() -> Any:
    """A GPU is left to those who train; bfloat16, where the processor is made for it, is precise enough."""
    from core.runs.recipe import Recipe

    return Recipe(device="cpu")
