"""Networks that read the caption of an image, alone or beside the image.

Two ways to read, both for a caption alone and for both together:

- "lstm-transformer": an LSTM goes over the words; a Transformer encoder over its outputs, the image's
  features and a summary token, whose output counts.
- "gated-words": what the words and pairs of neighbouring words say at most and on average, with no memory of
  their order beyond that; a gate, learnt from both, says how much each feature of the image counts. A caption
  names most of what is there, so it is never weighed down: weighing both made the words worth less.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.models.classifier import Classifier, linear_head
from core.models.words import FIRST_WORD, NOTHING, PAD

LSTM_TRANSFORMER, GATED_WORDS = "lstm-transformer", "gated-words"
HEADS = 4
LAYERS = 2
INNER_DROPOUT = 0.1
IMAGE_DROPOUT = 0.5


class Reader(Protocol):
    """What makes features of words and, where an image is read too, of its features."""

    n_features: int

    def __call__(self, image: Tensor | None, words: Tensor) -> Tensor:
        """(n, n_features) of (n, D) image features, or None, and (n, L) words."""


class CaptionClassifier(Classifier):
    """A Classifier that reads captions; without words it takes them as empty.

    Args:
        image: What reads the image, of which only the body is used; None to read the caption alone.
        reader: What reads the caption and joins both.
        head: From the joined features to class scores.
    """

    def __init__(self, image: Classifier | None, reader: nn.Module, n_features: int, head: nn.Module) -> None:
        body = nn.Identity() if image is None else image.body
        smallest = 1 if image is None else image.smallest_side
        super().__init__(body, head, n_features, "" if image is None else image.cam_name, smallest)
        self.reader = reader
        self.reads_images = image is not None

    def features(self, images: Tensor, words: Tensor | None = None) -> Tensor:
        """(n, D) float, of normalised images (n, C, H, W) and words (n, L)."""
        seen = super().features(images) if self.reads_images else None
        return self._join(seen, images, words)

    def features_of_maps(self, maps: Tensor, words: Tensor | None = None) -> Tensor:
        """(n, D) float, of what ``maps`` gave and words (n, L)."""
        return self._join(super().features_of_maps(maps), maps, words)

    def _join(self, seen: Tensor | None, given: Tensor, words: Tensor | None) -> Tensor:
        if words is None:
            words = torch.full((len(given), 1), NOTHING, device=given.device)
        return self.reader(seen, words)  # type: ignore[no-any-return]


def with_captions(
    image: Classifier | None, kind: str, width: int, n_words: int, n_classes: int, dropout: float
) -> CaptionClassifier:
    """A network that reads captions, and the image too where there is something to read it with.

    Args:
        image: A network for images; its head is not used.
        kind: LSTM_TRANSFORMER or GATED_WORDS.
        width: Features of a word; a multiple of HEADS.
        n_words: Words of the vocabulary.
        n_classes: K.
        dropout: Before the last layer.
    """
    n_image = image.n_features if image is not None else 0
    reader: SequenceReader | GatedReader
    if kind == LSTM_TRANSFORMER:
        reader = SequenceReader(n_image, width, n_words)
    else:
        reader = GatedReader(n_image, width, n_words)
    head = linear_head(reader.n_features, n_classes, dropout)
    return CaptionClassifier(image, reader, reader.n_features, head)


class SequenceReader(nn.Module):
    """LSTM over the words, Transformer encoder over its outputs, the image and a summary token."""

    def __init__(self, n_image: int, width: int, n_words: int) -> None:
        super().__init__()
        self.n_features = width
        self.words = nn.Embedding(FIRST_WORD + n_words, width, padding_idx=PAD)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.image = _projection(n_image, width) if n_image else None
        self.summary = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.kind = nn.Parameter(torch.randn(2, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, HEADS, 2 * width, INNER_DROPOUT, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, image: Tensor | None, words: Tensor) -> Tensor:
        """(n, width) of image features (n, D), or None, and words (n, L)."""
        read, _ = self.lstm(self.words(words))
        parts = [self.summary.expand(len(words), 1, -1).to(read.dtype), read + self.kind[0]]
        if self.image is not None and image is not None:
            parts.insert(1, (self.image(image) + self.kind[1])[:, None])
        first = sum(part.shape[1] for part in parts[:-1])
        empty = torch.zeros(len(words), first, dtype=torch.bool, device=words.device)
        hidden = torch.cat([empty, words == PAD], dim=1)
        encoded = self.encoder(torch.cat(parts, dim=1), src_key_padding_mask=hidden)
        return encoded[:, 0]  # type: ignore[no-any-return]


class GatedReader(nn.Module):
    """The most and the mean of words and of pairs of neighbours; beside them the image, behind a gate."""

    def __init__(self, n_image: int, width: int, n_words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(FIRST_WORD + n_words, width, padding_idx=PAD)
        self.pairs = nn.Conv1d(width, width, 2, padding=1)
        self.text = _projection(4 * width, width)
        self.image = _projection(n_image, width) if n_image else None
        self.gate = nn.Linear(2 * width, width) if n_image else None
        self.n_features = 2 * width if n_image else width

    def forward(self, image: Tensor | None, words: Tensor) -> Tensor:
        """(n, n_features) of image features (n, D), or None, and words (n, L)."""
        there = (words != PAD)[:, :, None]
        single = self.words(words)
        pairs = self.pairs(single.transpose(1, 2)).transpose(1, 2)[:, 1:].relu()
        text = self.text(torch.cat([*_pooled(single, there), *_pooled(pairs, there)], dim=1)).relu()
        if self.image is None or self.gate is None or image is None:
            return text  # type: ignore[no-any-return]
        seen = self.image(F.dropout(image, IMAGE_DROPOUT, self.training)).relu()
        share = self.gate(torch.cat([seen, text], dim=1)).sigmoid()
        return torch.cat([share * seen, text], dim=1)


def _projection(n_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, width), nn.LayerNorm(width))


def _pooled(values: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """(n, D) the most and the mean over the places (n, L, D) that are ``there``, (n, L, 1)."""
    most = values.masked_fill(~there, torch.finfo(values.dtype).min).amax(dim=1)
    return most, (values * there).sum(dim=1) / there.sum(dim=1)
