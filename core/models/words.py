"""From captions to numbers: a vocabulary of words, kept with the model, and what becomes of other words.

A word that the vocabulary lacks is UNKNOWN, and so are words of a single training caption: so a model learns
what an unknown word is worth. A caption without a word is NOTHING.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.data.captions import words_of

PAD, UNKNOWN, NOTHING = 0, 1, 2
FIRST_WORD = 3
LEAST_CAPTIONS = 2
LARGEST = 30_000
LONGEST = 64

Words = NDArray[np.int32]


def make_vocabulary(captions: Sequence[str]) -> tuple[str, ...]:
    """The words of at least LEAST_CAPTIONS captions, the most frequent first, at most LARGEST."""
    counts = Counter(word for caption in captions for word in set(words_of(caption)))
    often = [(word, n) for word, n in counts.items() if n >= LEAST_CAPTIONS]
    return tuple(word for word, _ in sorted(often, key=lambda item: (-item[1], item[0]))[:LARGEST])


def encode(captions: Sequence[str], vocabulary: Sequence[str]) -> Words:
    """(n, L) the words of each caption as numbers: FIRST_WORD plus their place in the vocabulary, UNKNOWN
    for others, PAD after the last one. L is the length of the longest, at most LONGEST; what follows is cut.
    """
    number = {word: FIRST_WORD + place for place, word in enumerate(vocabulary)}
    rows = [
        [number.get(word, UNKNOWN) for word in words_of(caption)[:LONGEST]] or [NOTHING]
        for caption in captions
    ]
    encoded = np.full((len(rows), max(map(len, rows), default=1)), PAD, np.int32)
    for row, words in zip(encoded, rows, strict=True):
        row[: len(words)] = words
    return encoded


def trimmed(words: Words) -> Words:
    """The same without the columns that hold nothing but PAD; at least one column is left."""
    used = int((words != PAD).any(axis=0).sum())
    return words[:, : max(1, used)]
