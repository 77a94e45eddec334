"""Running a trained network over many images: probabilities and features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.models import Classifier, ModelCard
from core.models.groups import against_rivals, group_softmax
from core.models.words import Words
from core.training.captions import gather_words
from core.training.finite import check_probabilities
from core.training.machine import Machine
from core.training.pixels import Normaliser, Pixels, gather

BATCH = 512
MULTI_LABEL = "multi-label"


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a network says of n images.

    Attributes:
        pred_probs: (n, K) float32; rows sum to one unless an image may have several labels.
        features: (n, D) float16, the penultimate layer of the unflipped image; None when not asked for.
    """

    pred_probs: NDArray[np.float32]
    features: NDArray[np.float16] | None


@contextmanager
def evaluating(model: Classifier) -> Iterator[Classifier]:
    """Evaluation mode without gradients; the mode is put back after."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield model
    finally:
        model.train(was_training)


def predict(
    model: Classifier,
    card: ModelCard,
    pixels: Pixels,
    positions: NDArray[np.int64],
    machine: Machine,
    *,
    with_features: bool = False,
    on_share: Callable[[float], None] | None = None,
    maps: NDArray[np.float16] | None = None,
    words: Words | None = None,
) -> Outputs:
    """Run the network over ``pixels[positions]``, batch by batch, without augmentation.

    Args:
        model: On the machine's device.
        card: How the pixels are normalised, and whether predictions average over the mirrored image.
        pixels: (N, H, W, C) uint8; read only where ``positions`` say.
        positions: (n,) which images, in the order of the result.
        machine: Where to compute; see core.training.machine.
        with_features: Keep the penultimate layer too.
        on_share: Told how much is done, from 0 to 1.
        maps: (N, h, w, channels) what the trunk makes of ``pixels``, where that is known already
            (core.training.frozen); not used where predictions average over the mirrored image.
        words: (N, L) the captions as the card's network reads them (core.training.captions), if it does.

    Raises:
        TrainingFailed: A probability is NaN: the network's weights or what it computes of them ran away.
    """
    known_maps = None if card.test_time_flip else maps
    normalise = Normaliser(card.mean, card.std, machine.device)
    n, n_classes = len(positions), len(card.classes)
    pred_probs = np.empty((n, n_classes), np.float32)
    features = np.empty((n, model.n_features), np.float16) if with_features else None
    with evaluating(model):
        for start in range(0, n, BATCH):
            rows = slice(start, start + BATCH)
            read = gather_words(words, positions[rows], machine.device)
            if known_maps is not None:
                found, batch_probs = forward_maps(model, card, known_maps[positions[rows]], machine, read)
            else:
                images = normalise(gather(pixels, positions[rows], machine.device))
                found, batch_probs = forward(model, card, images, machine, read)
            pred_probs[rows] = batch_probs.cpu().numpy()
            if features is not None:
                features[rows] = found.clamp(-65_000, 65_000).half().cpu().numpy()
            if on_share:
                on_share(min(1.0, (start + BATCH) / n))
    check_probabilities(pred_probs)
    return Outputs(pred_probs, features)


def forward(
    model: Classifier, card: ModelCard, images: Tensor, machine: Machine, words: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(features (n, D), probabilities (n, K)) of normalised images and their captions, both float32.

    Where the card says so, the probabilities are averaged with those of the mirrored images.
    """
    flip = card.test_time_flip
    with machine.autocast():
        features = model.features(images, words)
        scores = model.head(features)
        mirrored = model(images.flip(3), words) if flip else None
    probs = probabilities(scores, card)
    if mirrored is not None:
        probs = (probs + probabilities(mirrored, card)) / 2
    return features.float(), probs


def forward_maps(
    model: Classifier,
    card: ModelCard,
    maps: NDArray[np.float16],
    machine: Machine,
    words: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """As ``forward``, from what the trunk made of the images: (n, h, w, channels)."""
    inputs = torch.from_numpy(maps).to(machine.device).float().permute(0, 3, 1, 2)
    with machine.autocast():
        features = model.features_of_maps(inputs, words)
        scores = model.head(features)
    return features.float(), probabilities(scores, card)


def probabilities(scores: Tensor, card: ModelCard) -> Tensor:
    """(n, K) float32: of one class an image by softmax, of each label by itself by sigmoid."""
    if card.groups:
        return against_rivals(group_softmax(scores.float(), card.groups), card.groups)
    return scores.float().sigmoid() if card.task == MULTI_LABEL else scores.float().softmax(dim=1)
