"""Captions as a network is fed them: words as numbers, encoded once for all images, read batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.models import ModelCard
from core.models.words import NOTHING, PAD, Words, encode, make_vocabulary, trimmed
from core.runs.recipe import Recipe
from core.runs.trainable import no_captions


def with_words(
    card: ModelCard, recipe: Recipe, captions: Sequence[str] | None, train: NDArray[np.int64]
) -> ModelCard:
    """The card of a network that reads what the recipe says, with the vocabulary of the training captions.

    Args:
        captions: N, of all images; None where there are none.
        train: Positions of the training images.

    Raises:
        BadInput: Captions are to be read and there are none.
    """
    if recipe.inputs == "image":
        return card
    if captions is None:
        raise no_captions(recipe.inputs)
    return replace(
        card,
        inputs=recipe.inputs,
        caption_model=recipe.caption_model,
        caption_width=recipe.caption_width,
        words=make_vocabulary([captions[at] for at in train.tolist()]),
    )


def encoded(card: ModelCard, captions: Sequence[str] | None) -> Words | None:
    """(n, L) the captions in the card's vocabulary; None if its network reads none."""
    if card.inputs == "image":
        return None
    return encode(captions if captions is not None else [], card.words)


def gather_words(words: Words | None, positions: NDArray[np.int64], device: torch.device) -> Tensor | None:
    """(n, l) int64 on ``device``, cut to the longest of these captions; None where no captions are read."""
    if words is None:
        return None
    return torch.from_numpy(trimmed(words[positions]).astype(np.int64)).to(device)


def forgotten(words: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """The words with each caption emptied with probability ``share``: so the image alone has to do, too."""
    if share == 0:
        return words
    gone = torch.rand(len(words), generator=generator, device=generator.device) < share
    emptied = torch.full_like(words, PAD)
    emptied[:, 0] = NOTHING
    return torch.where(gone[:, None], emptied, words)
