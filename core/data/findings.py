"""What is worth knowing about a data set, as sentences computed from its numbers.

Each finding is a function of arrays that returns a sentence, or None where there is nothing to say; none is
canned, so no finding appears for a data set that does not have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, Dataset
from core.data.labels import Labels, Task
from core.data.portraits import Portraits
from core.data.statistics import ImageStatistics

Array = NDArray[Any]
Positions = NDArray[np.int64]
MOST_GROUPS = 1_000
MOST_POSITIONS = 10_000
BLANK_DEVIATION = 1.0  # intensity steps of 255: below it, an image is one flat tone


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence with its numbers.

    Attributes:
        topic: What it is about, e.g. "balance"; unique in a list of findings.
        level: "note", or "attention" where something should be looked into before training.
        text: The sentence.
        classes: The classes that it speaks of.
        positions: Items worth looking at, if any; the first MOST_POSITIONS.
    """

    topic: str
    level: Literal["note", "attention"]
    text: str
    classes: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Pixel-identical images among the items.

    Attributes:
        n_copies: How many items could go without losing a picture.
        n_groups: Sets of identical images.
        n_across_splits: Groups with members in more than one split: a leak.
        n_conflicts: Groups whose members have different labels.
        groups: The positions of each of at most MOST_GROUPS, the conflicting and the leaking ones first.
    """

    n_copies: int
    n_groups: int
    n_across_splits: int
    n_conflicts: int
    groups: tuple[tuple[int, ...], ...]


def find_duplicates(dataset: Dataset, positions: Positions, labels: Labels) -> Duplicates:
    """Exact duplicates by content hash among ``positions``; the labels are of the whole set."""
    # 64 of the 128 bits: at a million images the odds of one false pair are 1 to 37 million.
    hashes = np.ascontiguousarray(dataset.content_hashes[positions, :8]).view(np.uint64)[:, 0]
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = hashes[1:] != hashes[:-1]
    has_copies = np.bincount(np.cumsum(is_first))[np.cumsum(is_first)] > 1
    members = positions[order[has_copies]]  # of every group, group after group
    starts = np.flatnonzero(is_first[has_copies])
    n = len(starts)
    split = Labels.of(np.asarray(dataset.split[members]), SPLITS)
    leaks, conflicts = split.contradicting(starts), labels.take(members).contradicting(starts)
    first = np.lexsort((members[starts], ~leaks, ~conflicts))[:MOST_GROUPS]
    ends = np.append(starts[1:], len(members))
    return Duplicates(
        n_copies=len(members) - n,
        n_groups=n,
        n_across_splits=int(leaks.sum()),
        n_conflicts=int(conflicts.sum()),
        groups=tuple(tuple(members[starts[k] : ends[k]].tolist()) for k in first),
    )


def skewness(values: Array) -> float:
    """Fisher's moment coefficient of skewness of the finite values; 0 where they do not vary."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if len(finite) < 3 or finite.std() < 1e-9:
        return 0.0
    return float(((finite - finite.mean()) ** 3).mean() / finite.std() ** 3)


def skew_in_words(skew: float) -> str:
    """-0.7 -> "moderately skewed to the left"; within 0.1 of zero "symmetric"."""
    size = abs(skew)
    if size < 0.1:
        return "symmetric"
    how = "slightly" if size < 0.5 else "moderately" if size < 1 else "strongly"
    return f"{how} skewed to the {'right' if skew > 0 else 'left'}"


def findings(
    dataset: Dataset, positions: Positions, labels: Labels, statistics: ImageStatistics, portraits: Portraits
) -> list[Finding]:
    """All findings on the items at ``positions``, those that need attention first.

    Args:
        dataset: The data set.
        positions: (n,) the chosen items.
        labels: N, the labels of the whole set in the version to speak of.
        statistics: Those of the whole set.
        portraits: Those of the chosen items.
    """
    if not len(positions):
        return []
    chosen = labels.take(positions)
    found = [
        _balance(dataset, chosen),
        _split_balance(dataset, positions, chosen),
        _alike(dataset, portraits),
        _intensity(statistics.mean[positions]),
        _contrast(statistics.deviation[positions]),
        _brightness_of_classes(chosen, statistics.mean[positions]),
        _duplicates(find_duplicates(dataset, positions, labels)),
        _missing(chosen),
        _sizes(dataset, positions),
        _blank(statistics, positions),
        _unreadable(statistics, positions),
    ]
    return sorted((finding for finding in found if finding), key=lambda finding: finding.level)


def _balance(dataset: Dataset, labels: Labels) -> Finding | None:
    counts = labels.counts
    if len(counts) < 2 or not counts.sum():
        return None
    most, least = int(counts.argmax()), int(counts.argmin())
    yes = "labelled yes" if labels.task is Task.MULTI_LABEL else "images"
    if counts[least] == 0:
        empty = [dataset.classes[k] for k in np.flatnonzero(counts == 0)]
        text = f"{_listed(empty)} {'has' if len(empty) == 1 else 'have'} no {yes} here."
        return Finding("balance", "attention", text, tuple(np.flatnonzero(counts == 0).tolist()))
    ratio = counts[most] / counts[least]
    if ratio == 1:
        return Finding("balance", "note", f"All {len(counts)} classes have {counts[most]:,} {yes} each.")
    text = (
        f"{dataset.classes[most]} has {_times(ratio)} as many {yes} as {dataset.classes[least]}"
        f" ({counts[most]:,} and {counts[least]:,})"
    )
    if ratio < 1.5:
        return Finding("balance", "note", f"{text}: close to balanced.", (most, least))
    mend = "accuracy alone will flatter the large classes, so watch macro-F1"
    return Finding("balance", "attention", f"{text}; {mend}.", (most, least))


def _split_balance(dataset: Dataset, positions: Positions, labels: Labels) -> Finding | None:
    """The class whose share differs most between two splits: of the images, or of a label's known answers."""
    split = dataset.split[positions]
    present = [code for code in range(len(SPLITS)) if (split == code).any()]
    parts = [labels.take(split == code) for code in present]
    counts = np.array([part.counts for part in parts])
    totals = np.array([(part.yes | part.no).sum(axis=0) for part in parts])
    if len(present) < 2 or not totals.all():
        return None
    shares = counts / totals
    k = int(np.ptp(shares, axis=0).argmax())
    high, low = int(shares[:, k].argmax()), int(shares[:, k].argmin())
    names = [SPLITS[code] for code in present]
    gap = shares[high, k] - shares[low, k]
    if gap < 0.001:
        return Finding("splits", "note", f"The classes have the same shares in {_listed(names)}.")
    more, less = _share(shares[high, k]), _share(shares[low, k])
    said = (
        f"{dataset.classes[k]} is yes in {more} of the known answers of {names[high]} but {less} of those of"
        if labels.task is Task.MULTI_LABEL
        else f"{dataset.classes[k]} is {more} of {names[high]} but {less} of"
    )
    text = f"{said} {names[low]}, the largest difference between splits."
    return Finding("splits", "attention" if gap > 0.02 else "note", text, (k,))


def _alike(dataset: Dataset, portraits: Portraits) -> Finding | None:
    """The pair of classes whose images are most often each other's nearest neighbours: a hypothesis."""
    alone = portraits.n < 2  # the nearest other image of such a class is never of it
    nearest = np.where(alone[:, None] | alone, 0, portraits.nearest)
    drawn = nearest.sum(axis=1)
    if (drawn > 0).sum() < 2:
        return None
    shares = nearest / np.maximum(drawn, 1)[:, None]
    both = np.triu(shares + shares.T, 1)
    a, b = (int(k) for k in np.unravel_index(both.argmax(), both.shape))
    if both[a, b] < 0.02:
        text = "The nearest other image is nearly always of the same class: the classes lie well apart."
        return Finding("alike", "note", text)
    correlation = np.corrcoef(portraits.mean[a].ravel(), portraits.mean[b].ravel())[0, 1]
    if shares[b, a] > shares[a, b]:
        a, b = b, a
    one, other = dataset.classes[a], dataset.classes[b]
    text = (
        f"{one} and {other} will be the hardest to tell apart: for {_share(shares[a, b])} of {one}"
        f" the nearest other image is a {other}, for {_share(shares[b, a])} the other way round"
        f" (of {drawn.sum():,} images); their mean images correlate at {correlation:.2f}."
    )
    return Finding("alike", "note", text, (a, b))


def _intensity(mean: Array) -> Finding | None:
    finite = mean[np.isfinite(mean)]
    if len(finite) < 3:
        return None
    skew = skewness(finite)
    tail = "darker" if skew < 0 else "brighter"
    because = f": a few images are much {tail} than most" if abs(skew) >= 0.5 else ""
    text = (
        f"Mean intensity is {skew_in_words(skew)} (skewness {skew:+.2f}; median {np.median(finite):.0f},"
        f" mean {finite.mean():.0f} of 255){because}."
    )
    return Finding("intensity", "note", text)


def _contrast(deviation: Array) -> Finding | None:
    finite = deviation[np.isfinite(deviation)]
    if len(finite) < 3:
        return None
    skew = skewness(finite)
    text = (
        f"Contrast, the standard deviation within an image, is {skew_in_words(skew)}"
        f" (skewness {skew:+.2f}; half of the images lie between {np.percentile(finite, 25):.0f}"
        f" and {np.percentile(finite, 75):.0f})."
    )
    return Finding("contrast", "note", text)


def _brightness_of_classes(labels: Labels, mean: Array) -> Finding | None:
    """The brightest and darkest class, and whether brightness alone could tell them apart; (n,) each."""
    if labels.task is Task.MULTI_LABEL:
        return None
    usable = np.isfinite(mean) & labels.known
    chosen = labels.take(usable)
    counts = chosen.counts
    if (counts > 0).sum() < 2:
        return None
    averages = np.bincount(chosen.values, mean[usable], len(counts)) / np.maximum(counts, 1)
    averages[counts == 0] = np.nan
    high, low = int(np.nanargmax(averages)), int(np.nanargmin(averages))
    between = np.nansum(counts * (averages - mean[usable].mean()) ** 2) / counts.sum()
    explained = between / max(float(mean[usable].var()), 1e-9)
    text = (
        f"{labels.classes[high]} is the brightest class (mean intensity {averages[high]:.0f}),"
        f" {labels.classes[low]} the darkest ({averages[low]:.0f});"
        f" the class explains {_share(explained)} of the variance in brightness."
    )
    return Finding("brightness", "note", text, (high, low))


def _duplicates(duplicates: Duplicates) -> Finding | None:
    if not duplicates.n_copies:
        return Finding("duplicates", "note", "No two images are pixel-identical.")
    several = duplicates.n_copies > 1
    text = (
        f"{duplicates.n_copies:,} image{'s are exact copies' if several else ' is an exact copy'} of another"
    )
    bad = []
    if duplicates.n_across_splits:
        bad.append(f"{_groups(duplicates.n_across_splits)} across splits, which flatters the test result")
    if duplicates.n_conflicts:
        bad.append(f"{_groups(duplicates.n_conflicts)} with different labels, of which at most one is right")
    text += f": {' and '.join(bad)}." if bad else ", all within one split and with the same label."
    shown = tuple(position for group in duplicates.groups for position in group)[:MOST_POSITIONS]
    return Finding("duplicates", "attention" if bad else "note", text, positions=shown)


def _missing(labels: Labels) -> Finding | None:
    n_unknown = labels.n_unknown
    if not n_unknown:
        return Finding("missing", "note", "Every image is labelled; nothing is missing.")
    share = _share(n_unknown / labels.values.size)
    if labels.task is Task.SINGLE_LABEL:
        text = f"{n_unknown:,} of {len(labels):,} images ({share}) are unlabelled."
    else:
        rows = int(labels.incomplete.sum())
        text = (
            f"{n_unknown:,} of {labels.values.size:,} labels ({share}) are unknown,"
            f" in {rows:,} of {len(labels):,} images; they count as unknown, not as no."
        )
    return Finding("missing", "attention", text)


def _sizes(dataset: Dataset, positions: Positions) -> Finding | None:
    sizes = dataset.images.sizes[positions]
    low, high = sizes.min(axis=0), sizes.max(axis=0)
    if (low == high).all():
        shape = dataset.images.uniform
        colour = "" if shape is None else ", grey" if shape[2] == 1 else ", in colour"
        text = f"All {len(sizes):,} images are {low[1]} × {low[0]} pixels{colour}."
        return Finding("sizes", "note", text)
    shapes, counts = np.unique(sizes, axis=0, return_counts=True)
    common = shapes[counts.argmax()]
    text = (
        f"There are {len(shapes):,} image sizes, from {low[1]} × {low[0]} to {high[1]} × {high[0]} pixels;"
        f" {common[1]} × {common[0]} is the most frequent ({_share(counts.max() / len(sizes))})."
    )
    return Finding("sizes", "note", text)


def _blank(statistics: ImageStatistics, positions: Positions) -> Finding | None:
    blank = positions[statistics.deviation[positions] < BLANK_DEVIATION]
    if not len(blank):
        return None
    text = f"{len(blank):,} image{'s are' if len(blank) > 1 else ' is'} one flat tone, with nothing to see."
    return Finding("blank", "attention", text, positions=tuple(blank[:MOST_POSITIONS].tolist()))


def _unreadable(statistics: ImageStatistics, positions: Positions) -> Finding | None:
    bad = positions[np.isnan(statistics.mean[positions])]
    if not len(bad):
        return None
    files = "image file" if len(bad) == 1 else "image files"
    text = f"{len(bad):,} {files} cannot be decoded and will be missing in training."
    return Finding("unreadable", "attention", text, positions=tuple(bad[:MOST_POSITIONS].tolist()))


def _share(share: float) -> str:
    """0.0945 -> "9.4 %"; shares below one per mille keep two digits, so that they do not read as none."""
    return f"{100 * share:.1f} %" if share >= 0.001 or share == 0 else f"{100 * share:.2g} %"


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times" if ratio < 2 else f"{ratio:.1f} times"


def _groups(n: int) -> str:
    return f"{n:,} group{'s' if n > 1 else ''}"


def _listed(names: list[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"; more than five are counted."""
    if len(names) > 5:
        return f"{', '.join(names[:4])} and {len(names) - 4} more classes"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
