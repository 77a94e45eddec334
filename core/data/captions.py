"""What there is to know about captions: how long they are, which words they use, and which words go with
which label; images without a caption, and captions that several images share.

A word is a run of letters and digits, in lower case; an apostrophe within it is part of it. Association is
the log-odds ratio with an informative Dirichlet prior, as a z-score (Monroe, Colaresi and Quinn 2008,
"Fightin' Words"): frequent words that go with a label come first, not rare ones that did so by chance.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.data.labels import Labels

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
PRIOR = 0.01  # pretended occurrences of the commonest word for one of all words
LEAST_IMAGES = 5  # words of fewer captions say little about a label

Ints = NDArray[np.int64]


def words_of(caption: str) -> list[str]:
    """The words of a caption, in order and in lower case."""
    return WORD.findall(caption.lower())


@dataclass(frozen=True, eq=False)
class CaptionStatistics:
    """Figures of n captions.

    Attributes:
        lengths: (n,) words of each.
        vocabulary: The V words that occur, the most frequent first.
        counts: (V,) how often each occurs.
        in_captions: (V,) in how many captions.
        empty: Positions, among those looked at, of captions without a word.
        duplicated: (caption, positions) of each that several images have, the most common first; captions
            without a word are not among them.
        used: (n, V) whether a caption uses a word, as one sorted array of words for each caption.
    """

    lengths: Ints
    vocabulary: tuple[str, ...]
    counts: Ints
    in_captions: Ints
    empty: Ints
    duplicated: tuple[tuple[str, tuple[int, ...]], ...]
    used: tuple[Ints, ...]

    @property
    def n_words(self) -> int:
        """All words of all captions."""
        return int(self.lengths.sum())

    @property
    def n_once(self) -> int:
        """Words that occur a single time: those a model cannot learn."""
        return int((self.counts == 1).sum())

    @cached_property
    def _incidence(self) -> tuple[Ints, Ints]:
        """(caption, word) of each use."""
        sizes = [len(words) for words in self.used]
        rows = np.repeat(np.arange(len(self.used)), sizes)
        return rows, np.concatenate([*self.used, np.zeros(0, np.int64)]).astype(np.int64)

    def association(self, labels: Labels) -> NDArray[np.float64]:
        """(V, K) z-scores: how much more often a word is in captions of images with a label than of others.

        Args:
            labels: n; unknown ones are left out. Of one class an image each class counts as a label.
        """
        has, lacks = labels.yes, labels.no
        rows, words = self._incidence
        n_words, scores = len(self.vocabulary), []
        prior = PRIOR * self.in_captions
        for k in range(len(labels.classes)):
            yes = np.bincount(words[has[rows, k]], minlength=n_words) + prior
            no = np.bincount(words[lacks[rows, k]], minlength=n_words) + prior
            odds = np.log(yes / (yes.sum() - yes)) - np.log(no / (no.sum() - no))
            scores.append(np.where(self.in_captions >= LEAST_IMAGES, odds / np.sqrt(1 / yes + 1 / no), 0.0))
        return np.stack(scores, axis=1) if scores else np.zeros((n_words, 0))

    def shares(self, word: int, labels: Labels, k: int) -> tuple[float, float]:
        """The share of the captions with a word among images with label ``k``, and among those without."""
        rows, words = self._incidence
        has = np.zeros(len(self.used), bool)
        has[rows[words == word]] = True
        return _share(has[labels.belongs(k)]), _share(has[labels.lacks(k)])


def caption_statistics(captions: Sequence[str]) -> CaptionStatistics:
    """All of it, of n captions."""
    split = [words_of(caption) for caption in captions]
    counts = Counter(word for words in split for word in words)
    vocabulary = tuple(word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    number = {word: index for index, word in enumerate(vocabulary)}
    used = tuple(np.unique(np.array([number[word] for word in words], np.int64)) for words in split)
    return CaptionStatistics(
        lengths=np.array([len(words) for words in split], np.int64),
        vocabulary=vocabulary,
        counts=np.array([counts[word] for word in vocabulary], np.int64),
        in_captions=np.bincount(
            np.concatenate([*used, np.zeros(0, np.int64)]).astype(np.int64), minlength=len(vocabulary)
        ),
        empty=np.flatnonzero([not words for words in split]),
        duplicated=_duplicated(captions, split),
        used=used,
    )


def _duplicated(captions: Sequence[str], split: list[list[str]]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Captions of the same words, by their first spelling."""
    places: dict[str, list[int]] = {}
    for position, words in enumerate(split):
        if words:
            places.setdefault(" ".join(words), []).append(position)
    shared = [positions for positions in places.values() if len(positions) > 1]
    shared.sort(key=lambda positions: -len(positions))
    return tuple((captions[positions[0]].strip(), tuple(positions)) for positions in shared)


def _share(has: NDArray[np.bool_]) -> float:
    return float(has.mean()) if len(has) else 0.0
