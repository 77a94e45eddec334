"""Labels of N images: one class each, or yes, no and unknown for each of K classes.

Two subclasses of ``Labels`` differ in how they keep their values; ``Labels.of`` is the one place that chooses
between them, and whoever uses labels asks them instead of looking at the shape of an array.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from core.data.splits import multilabel_folds, stratified_folds, stratified_split
from core.errors import BadInput
from core.files import digest

UNLABELLED = -1
Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Task(StrEnum):
    """What a label says: one class an image, or yes / no / unknown for each class."""

    SINGLE_LABEL = "single-label"
    MULTI_LABEL = "multi-label"


@dataclass(frozen=True, eq=False)
class Labels(ABC):
    """Labels of N images over K classes; make them with ``Labels.of``.

    A *cell* is what is known or unknown by itself: the label of an image (N,), or one class of it (N, K).

    Attributes:
        values: (N,) int64 indices into ``classes``, -1 unlabelled; or (N, K) float32 with 1, 0, NaN unknown.
        classes: K names.

    Example:
        >>> labels = Labels.of(np.array([0, 1, -1]), ["cat", "dog"])
        >>> labels.known.tolist(), labels.counts.tolist(), labels.words(1)
        ([True, True, False], [1, 1], 'dog')
        >>> several = Labels.of(np.array([[1, 0], [np.nan, 1]]), ["cat", "dog"])
        >>> several.counts.tolist(), several.n_unknown, several.words(1)
        ([1, 1], 1, 'dog')
    """

    values: NDArray[Any]
    classes: tuple[str, ...]
    task: ClassVar[Task]
    unknown_value: ClassVar[float]

    @staticmethod
    def of(values: NDArray[Any], classes: Sequence[str]) -> Labels:
        """Labels whose values are (N,) integers or (N, K) floats. Raises BadInput for anything else."""
        values = np.asarray(values)
        if values.ndim == 1:
            return SingleLabels(np.asarray(values, np.int64), tuple(classes))
        if values.ndim == 2 and values.shape[1] == len(classes):
            return MultiLabels(np.asarray(values, np.float32), tuple(classes))
        raise BadInput(
            f"Labels of shape {values.shape} do not fit {len(classes)} classes.",
            "Give (images,) class indices, or (images, classes) of 1, 0 and NaN.",
        )

    def __len__(self) -> int:
        return len(self.values)

    # What is known

    @property
    @abstractmethod
    def known(self) -> Mask:
        """Which cells are known, (N,) or (N, K)."""

    @property
    @abstractmethod
    def yes(self) -> Mask:
        """(N, K) whether the class is given to the image."""

    @property
    @abstractmethod
    def no(self) -> Mask:
        """(N, K) whether the class is known not to be the image's."""

    @property
    def labeled(self) -> Mask:
        """(N,) whether anything is known of the image."""
        return self.any_cell(self.known)

    @property
    def n_unknown(self) -> int:
        """Cells that are unknown."""
        return int(self.known.size - self.known.sum())

    @property
    @abstractmethod
    def incomplete(self) -> Mask:
        """(N,) whether anything of the image is unknown."""

    @cached_property
    def counts(self) -> Ints:
        """(K,) images that each class is given to."""
        return np.asarray(self.yes.sum(axis=0), np.int64)

    @abstractmethod
    def belongs(self, column: int) -> Mask:
        """(N,) whether the class of index ``column`` is given to the image."""

    @abstractmethod
    def lacks(self, column: int) -> Mask:
        """(N,) whether the class of index ``column`` is known not to be the image's."""

    @abstractmethod
    def asked(self, column: int) -> Mask:
        """(N,) the images that tell how well a class is predicted: those it is given to where images have one
        class (its recall), those where it is known otherwise.
        """

    @staticmethod
    @abstractmethod
    def any_cell(cells: Mask) -> Mask:
        """(N,) whether any cell of an image is set, from what is shaped as ``known``."""

    @abstractmethod
    def words(self, row: int) -> str:
        """The names of the classes of one image, separated by commas; "unlabeled" or "none of them"."""

    # Against predictions and other labels

    @abstractmethod
    def predicted(self, pred_probs: NDArray[Any], thresholds: NDArray[Any] | float = 0.5) -> NDArray[Any]:
        """Predictions in the form that ``right`` takes, from probabilities (N, K).

        Args:
            thresholds: One for all, or (K,); where an image has one class the most probable one is
                predicted, whatever they are.
        """

    @abstractmethod
    def right(self, predicted: NDArray[Any]) -> Mask:
        """Which known cells are as predicted, shaped as ``known``; unknown cells are False."""

    @abstractmethod
    def confusion(self, predicted: NDArray[Any]) -> Ints:
        """Counts with rows = given, columns = predicted: (K, K), or (K, 2, 2) of no and yes."""

    @abstractmethod
    def told(self, predicted: NDArray[Any]) -> Mask:
        """(N, K) the classes that are predicted, from predictions as ``right`` takes them."""

    @abstractmethod
    def outcomes(self, predicted: NDArray[Any]) -> tuple[Ints, Ints, Ints, Ints]:
        """True positives, false positives, true negatives and false negatives of each class, each (K,), over
        what is known.
        """

    def differs(self, other: Labels) -> Mask:
        """Which cells differ from ``other``'s, of the same images and classes; unknown equals unknown."""
        return np.asarray(~((self.values == other.values) | (~self.known & ~other.known)))

    def rows_differ(self, other: Labels) -> Mask:
        """(N,) whether an image has another label in ``other``."""
        return self.any_cell(self.differs(other))

    @abstractmethod
    def contradicting(self, starts: Ints) -> Mask:
        """(n,) whether known labels within a group contradict each other; unknown ones contradict nothing.

        Args:
            starts: (n,) the row where each group begins; rows are group after group.
        """

    # Other labels made of these

    def with_values(self, values: NDArray[Any]) -> Self:
        """The same kind of labels with other values."""
        return replace(self, values=np.asarray(values, self.values.dtype))

    def take(self, rows: NDArray[Any]) -> Self:
        """Those of the given rows."""
        return self.with_values(self.values[rows])

    def excluding(self, mask: Mask) -> Self:
        """The same with nothing known of the images in ``mask`` (N,)."""
        values = np.array(self.values)
        values[mask] = self.unknown_value
        return self.with_values(values)

    @abstractmethod
    def reordered(self, classes: Sequence[str]) -> Self:
        """The same labels over the same classes in another order. Raises BadInput for other classes."""

    def _order(self, classes: Sequence[str]) -> Ints:
        """(K,) for each of the other classes its index here."""
        if sorted(classes) != sorted(self.classes) or len(set(classes)) != len(classes):
            differing = ", ".join(sorted(set(classes) ^ set(self.classes)))
            raise BadInput(
                f"The labels do not have the same classes; they differ in: {differing}.",
                "Use labels of the same data set.",
            )
        at = {name: column for column, name in enumerate(self.classes)}
        return np.array([at[name] for name in classes], np.int64)

    # Dealing

    @abstractmethod
    def folds(self, k: int, seed: int) -> Ints:
        """(N,) the fold, 0 to k - 1, of each image, every class in its share; -1 for what cannot be dealt."""

    def drawn(self, share: float, seed: int) -> Mask:
        """(N,) a draw of ``share`` of the images, every class in its share; see ``stratified_split``."""
        return stratified_split(self.values, share, seed)

    def digest(self) -> str:
        """32 hexadecimal characters over classes and values."""
        return digest(str(self.task), list(self.classes), self.values)


@dataclass(frozen=True, eq=False)
class SingleLabels(Labels):
    """One class an image: values are (N,) int64, -1 unlabelled."""

    task = Task.SINGLE_LABEL
    unknown_value = UNLABELLED

    @property
    def known(self) -> Mask:
        """(N,)."""
        return np.asarray(self.values >= 0)

    @property
    def yes(self) -> Mask:
        """(N, K)."""
        return np.asarray(self.values[:, None] == np.arange(len(self.classes)))

    @property
    def no(self) -> Mask:
        """(N, K): every other class of a labeled image."""
        return np.asarray(~self.yes & self.known[:, None])

    @property
    def incomplete(self) -> Mask:
        """(N,)."""
        return np.asarray(~self.known)

    @cached_property
    def counts(self) -> Ints:
        """(K,)."""
        return np.bincount(self.values[self.known], minlength=len(self.classes))

    def belongs(self, column: int) -> Mask:
        """(N,)."""
        return np.asarray(self.values == column)

    def lacks(self, column: int) -> Mask:
        """(N,)."""
        return np.asarray(self.known & (self.values != column))

    def asked(self, column: int) -> Mask:
        """(N,) the images of the class."""
        return self.belongs(column)

    @staticmethod
    def any_cell(cells: Mask) -> Mask:
        """(N,): a cell is an image."""
        return np.asarray(cells)

    def words(self, row: int) -> str:
        """The class of one image, or "unlabeled"."""
        value = int(self.values[row])
        return self.classes[value] if value >= 0 else "unlabeled"

    def predicted(self, pred_probs: NDArray[Any], thresholds: NDArray[Any] | float = 0.5) -> Ints:
        """(N,) the most probable class."""
        return np.asarray(pred_probs.argmax(axis=1), np.int64)

    def right(self, predicted: NDArray[Any]) -> Mask:
        """(N,)."""
        return np.asarray((self.values == predicted) & self.known)

    def confusion(self, predicted: NDArray[Any]) -> Ints:
        """(K, K)."""
        k, rows = len(self.classes), self.known
        counts = np.bincount(self.values[rows] * k + predicted[rows], minlength=k * k)
        return counts.reshape(k, k)

    def contradicting(self, starts: Ints) -> Mask:
        """(n,)."""
        return _vary(self.values, self.known, starts)

    def told(self, predicted: NDArray[Any]) -> Mask:
        """(N, K)."""
        return np.asarray(predicted[:, None] == np.arange(len(self.classes)))

    def outcomes(self, predicted: NDArray[Any]) -> tuple[Ints, Ints, Ints, Ints]:
        """Each class against all others."""
        pairs = self.confusion(predicted)
        hit, given, said = np.diagonal(pairs), pairs.sum(axis=1), pairs.sum(axis=0)
        return hit, said - hit, pairs.sum() - given - said + hit, given - hit

    def reordered(self, classes: Sequence[str]) -> Self:
        """The same labels, as indices into the other order."""
        back = np.append(np.argsort(self._order(classes)), UNLABELLED)  # -1 finds the last
        return replace(self, values=back[self.values], classes=tuple(classes))

    def folds(self, k: int, seed: int) -> Ints:
        """Unlabeled images are in no fold."""
        return stratified_folds(self.values, k, seed)


@dataclass(frozen=True, eq=False)
class MultiLabels(Labels):
    """Yes, no and unknown of K classes: values are (N, K) float32 with 1, 0 and NaN."""

    task = Task.MULTI_LABEL
    unknown_value = float("nan")

    @property
    def known(self) -> Mask:
        """(N, K)."""
        return np.asarray(~np.isnan(self.values))

    @property
    def yes(self) -> Mask:
        """(N, K)."""
        return np.asarray(self.values == 1)

    @property
    def no(self) -> Mask:
        """(N, K)."""
        return np.asarray(self.values == 0)

    @property
    def incomplete(self) -> Mask:
        """(N,)."""
        return np.asarray(np.isnan(self.values).any(axis=1))

    def belongs(self, column: int) -> Mask:
        """(N,)."""
        return np.asarray(self.values[:, column] == 1)

    def lacks(self, column: int) -> Mask:
        """(N,)."""
        return np.asarray(self.values[:, column] == 0)

    def asked(self, column: int) -> Mask:
        """(N,) where yes or no is known."""
        return self.known[:, column]

    @staticmethod
    def any_cell(cells: Mask) -> Mask:
        """(N,): a cell is one class of an image."""
        return np.asarray(cells.any(axis=1))

    def words(self, row: int) -> str:
        """The classes of one image."""
        if not self.known[row].any():
            return "unlabeled"
        return ", ".join(self.classes[k] for k in np.flatnonzero(self.values[row] == 1)) or "none of them"

    def predicted(self, pred_probs: NDArray[Any], thresholds: NDArray[Any] | float = 0.5) -> Mask:
        """(N, K) whether yes is predicted: from its threshold on."""
        return np.asarray(pred_probs >= thresholds)

    def right(self, predicted: NDArray[Any]) -> Mask:
        """(N, K)."""
        return np.asarray((self.yes == predicted) & self.known)

    def confusion(self, predicted: NDArray[Any]) -> Ints:
        """(K, 2, 2)."""
        given, said = (self.no, self.yes), (~predicted, predicted)
        counts = [[(row & column).sum(axis=0) for column in said] for row in given]
        return np.asarray(np.moveaxis(np.array(counts, np.int64), 2, 0))

    def contradicting(self, starts: Ints) -> Mask:
        """(n,): of any class."""
        return np.asarray(_vary(self.values, self.known, starts).any(axis=1))

    def told(self, predicted: NDArray[Any]) -> Mask:
        """(N, K)."""
        return np.asarray(predicted, np.bool_)

    def outcomes(self, predicted: NDArray[Any]) -> tuple[Ints, Ints, Ints, Ints]:
        """Of known labels."""
        pairs = self.confusion(predicted)
        return pairs[:, 1, 1], pairs[:, 0, 1], pairs[:, 0, 0], pairs[:, 1, 0]

    def reordered(self, classes: Sequence[str]) -> Self:
        """The same labels, their columns in the other order."""
        return replace(self, values=self.values[:, self._order(classes)], classes=tuple(classes))

    def folds(self, k: int, seed: int) -> Ints:
        """Every image is in a fold, also one of which nothing is known."""
        return multilabel_folds(self.values, k, seed)


def _vary(values: NDArray[Any], known: Mask, starts: Ints) -> Mask:
    """(n,) or (n, K) whether known values differ within a group."""
    if not len(starts):
        return np.zeros((0, *values.shape[1:]), bool)
    low = np.minimum.reduceat(np.where(known, values, np.inf), starts, axis=0)
    high = np.maximum.reduceat(np.where(known, values, -np.inf), starts, axis=0)
    return np.asarray(high > low)
