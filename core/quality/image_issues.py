"""Images that are odd in themselves: blank, dark, bright, flat, blurry, of odd size, unlike their class.

What counts as dark depends on the data: a threshold lies three interquartile ranges outside the middle half
of the set (Tukey's outer fence, Exploratory Data Analysis, 1977), but never where everybody, or nobody, would
call an image dark. So a set of night photographs is not all dark, and in a set of even light nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cache import cache_path, cached_arrays
from core.data.dataset import Dataset
from core.data.findings import BLANK_DEVIATION
from core.data.labels import Task
from core.data.statistics import BINS, ImageStatistics, image_statistics
from core.files import digest
from core.labels.versions import LabelState
from core.quality import pictures
from core.quality.pictures import Floats, Positions, Progress
from core.workspace import Workspace

FENCE = 3.0
"""Interquartile ranges between the middle half of the values and a threshold."""
NEIGHBOURS = 5
FEWEST = 20
"""Images that a class must have before one of them can be unlike the others."""
_REFERENCES = 2_048
_BLOCK = 1_024
_STEP = 256 / BINS
_HALF = float(np.log(2)) / FENCE
_LEAST_SPREAD = 0.02
_KIND = "outliers-1"

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rule:
    """What makes an image odd in one respect.

    Attributes:
        kind: Its name in JSON and addresses, e.g. "dark".
        title: Its name for people.
        says: What the value is, with ``{value}`` and ``{threshold}``.
        means: What makes an image one of these, with ``{threshold}`` in its unit.
        upper: Whether values above the threshold are odd, rather than below.
        log: Whether the fence is taken on the logarithm: for values that are ratios by nature.
        fence: Interquartile ranges.
        least_spread: What the interquartile range counts as at least (of the logarithm, with ``log``).
        bounds: Between which values the threshold must lie.
    """

    kind: str
    title: str
    says: str
    means: str
    upper: bool = False
    log: bool = False
    fence: float = FENCE
    least_spread: float = 0.0
    bounds: tuple[float, float] = (-np.inf, np.inf)

    def threshold(self, values: Values) -> float:
        """Where odd begins, for the values (N,) of a set; NaN among them are left out."""
        finite = values[np.isfinite(values)]
        if not len(finite):
            return self.bounds[0] if self.upper else self.bounds[1]
        if self.log:
            finite = np.log(np.maximum(finite, 1e-6))
        low, high = np.quantile(finite, [0.25, 0.75])
        reach = self.fence * max(float(high - low), self.least_spread)
        edge = float(high) + reach if self.upper else float(low) - reach
        return float(np.clip(np.exp(edge) if self.log else edge, *self.bounds))


UNREADABLE = Rule(
    "unreadable",
    "Unreadable",
    "the file cannot be decoded",
    "the file cannot be decoded",
    upper=True,
    bounds=(0.5, 0.5),
)
BLANK = Rule(
    "blank",
    "Blank",
    "one flat tone: intensities deviate by {value:.2f} of 255, and below {threshold:.0f} nothing can be seen",
    "intensities deviate by less than {threshold:.0f} of 255",
    bounds=(BLANK_DEVIATION, BLANK_DEVIATION),
)
DARK = Rule(
    "dark",
    "Dark",
    "its brightest hundredth is at {value:.0f} of 255; dark is below {threshold:.0f} in this set",
    "the brightest hundredth is below {threshold:.0f} of 255",
    least_spread=_STEP,
    bounds=(32, 128),
)
BRIGHT = Rule(
    "bright",
    "Bright",
    "all but its darkest twentieth is above {value:.0f} of 255; bright is above {threshold:.0f} in this set",
    "all but the darkest twentieth is above {threshold:.0f} of 255",
    upper=True,
    least_spread=_STEP,
    bounds=(144, 232),
)
LOW_CONTRAST = Rule(
    "low-contrast",
    "Low contrast",
    "intensities deviate by {value:.1f} of 255; little is below {threshold:.1f} in this set",
    "intensities deviate by less than {threshold:.1f} of 255",
    log=True,
    bounds=(5, 40),
)
BLURRY = Rule(
    "blurry",
    "Blurry",
    "its steepest edges reach {value:.2f} of its contrast; blurry is below {threshold:.2f} in this set",
    "the steepest edges are below {threshold:.2f} of the contrast",
    log=True,
    least_spread=0.1,
    bounds=(0.1, 0.9),
)
SMALL = Rule(
    "small",
    "Small",
    "it has the area of {value:.0f} × {value:.0f} pixels; small is below {threshold:.0f} in this set",
    "the area is below that of {threshold:.0f} × {threshold:.0f} pixels",
    log=True,
    least_spread=_HALF,
)
LARGE = Rule(
    "large",
    "Large",
    "it has the area of {value:.0f} × {value:.0f} pixels; large is above {threshold:.0f} in this set",
    "the area is above that of {threshold:.0f} × {threshold:.0f} pixels",
    upper=True,
    log=True,
    least_spread=_HALF,
)
ODD_SHAPE = Rule(
    "odd-shape",
    "Odd shape",
    "its shape is {value:.1f} times narrower or wider than is usual; odd is above {threshold:.1f}",
    "the shape is over {threshold:.1f} times narrower or wider than is usual",
    upper=True,
    log=True,
    bounds=(2.0, np.inf),
)
OUTLIER = Rule(
    "outlier",
    "Unlike its class",
    "it is farther from the images of its class than usual, by {value:.1f} interquartile ranges;"
    " odd is above {threshold:.0f}",
    "farther from its class than usual by over {threshold:.0f} interquartile ranges",
    upper=True,
    bounds=(FENCE, FENCE),
)
RULES = (UNREADABLE, BLANK, DARK, BRIGHT, LOW_CONTRAST, BLURRY, SMALL, LARGE, ODD_SHAPE, OUTLIER)


@dataclass(frozen=True, eq=False)
class ImageIssue:
    """The images that are odd in one respect.

    Attributes:
        rule: In which.
        threshold: Where odd begins, in the unit of the values.
        positions: (n,) int64, the worst first.
        values: (n,) float64, their values.
    """

    rule: Rule
    threshold: float
    positions: Positions
    values: Values

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def means(self) -> str:
        """What makes an image one of these, in words with the threshold."""
        return self.rule.means.format(threshold=self.threshold)

    def why(self, row: int) -> str:
        """Why the image at ``row`` is listed, in words with its numbers."""
        return self.rule.says.format(value=self.values[row], threshold=self.threshold)


def image_issues(
    workspace: Workspace,
    dataset: Dataset,
    state: LabelState,
    on_progress: Progress = lambda share: None,
) -> list[ImageIssue]:
    """One entry for each of RULES, in that order, without the images that a person left out.

    A blank or unreadable image is listed as that and nothing else, but for its size.

    Args:
        workspace: Whose cache to use.
        dataset: The data set.
        state: Its labels: an outlier is one within its class.
        on_progress: Called with the share done, 0 to 1, while images are read.
    """
    statistics = image_statistics(workspace, dataset, lambda share: on_progress(0.9 * share))
    measured = _measured(statistics, dataset)
    on_progress(0.9)
    measured["outlier"] = _distance_to_own(workspace, dataset, state, statistics)
    on_progress(1.0)
    return [_issue(rule, measured[rule.kind], state.excluded) for rule in RULES]


def is_known(workspace: Workspace, dataset: Dataset, state: LabelState) -> bool:
    """Whether image_issues would answer at once."""
    return cache_path(workspace, _KIND, _outlier_key(dataset, state)).exists()


def _issue(rule: Rule, values: Values, excluded: NDArray[np.bool_]) -> ImageIssue:
    threshold = rule.threshold(values)
    with np.errstate(invalid="ignore"):
        odd = (values > threshold) if rule.upper else (values < threshold)
    positions = np.flatnonzero(odd & ~excluded)
    found = values[positions]
    order = np.argsort(-found if rule.upper else found, kind="stable")
    return ImageIssue(rule, threshold, positions[order], found[order])


def _measured(statistics: ImageStatistics, dataset: Dataset) -> dict[str, Values]:
    """(N,) values for each rule but the outliers, NaN where one has no meaning."""
    deviation = statistics.deviation.astype(np.float64)
    something = deviation >= BLANK_DEVIATION
    upto = np.cumsum(statistics.histogram, axis=1, dtype=np.float64)
    height, width = dataset.images.sizes.T.astype(np.float64)
    shape = np.log(np.maximum(width, 1) / np.maximum(height, 1))

    def of_visible(values: NDArray[Any]) -> Values:
        return np.where(something, values, np.nan)

    return {
        "unreadable": np.isnan(deviation).astype(np.float64),
        "blank": deviation,
        "dark": of_visible(_percentile(upto, 0.99)),
        "bright": of_visible(_percentile(upto, 0.05)),
        "low-contrast": of_visible(deviation),
        "blurry": of_visible(statistics.sharpness),
        "small": np.sqrt(height * width),
        "large": np.sqrt(height * width),
        "odd-shape": np.exp(np.abs(shape - np.median(shape))) if len(shape) else shape,
    }


def _percentile(upto: Values, share: float) -> Values:
    """(N,) the intensity that ``share`` of an image's pixels lie below, from shares (N, 32) up to each bin.

    Within a bin it is interpolated, and in an image of no pixels it is 256.
    """
    reached = upto >= share - 1e-3  # the shares were kept in half precision
    index = np.where(reached.any(axis=1), reached.argmax(axis=1), BINS - 1)
    rows = np.arange(len(upto))
    below = np.where(index > 0, upto[rows, index - 1], 0.0)
    inside = np.maximum(upto[rows, index] - below, 1e-9)
    return np.asarray((index + np.clip((share - below) / inside, 0, 1)) * _STEP)


def _outlier_key(dataset: Dataset, state: LabelState) -> dict[str, object]:
    return {"fingerprint": dataset.fingerprint, "labels": digest(np.asarray(state.labels))}


def _distance_to_own(
    workspace: Workspace, dataset: Dataset, state: LabelState, statistics: ImageStatistics
) -> Values:
    """(N,) how much farther the fifth nearest image of its class is than usual; NaN where unknown."""

    def compute() -> dict[str, Floats]:
        positions, vectors = pictures.vectors_of(workspace, dataset, statistics)
        labels = state.current.take(positions)
        # Where an image may have several classes it is none's: all are held against all.
        single = labels.task is Task.SINGLE_LABEL
        out = np.full(len(dataset), np.nan)
        for label in np.unique(labels.values) if single else [None]:
            rows = np.flatnonzero(labels.values == label) if single else np.arange(len(labels))
            if len(rows) >= FEWEST:
                out[positions[rows]] = _relative_distance(vectors[rows])
        return {"distance": out.astype(np.float32)}

    kept = cached_arrays(workspace, _KIND, _outlier_key(dataset, state), compute)
    return kept["distance"].astype(np.float64)


def _relative_distance(vectors: Floats) -> Values:
    """(n,) the distance to the fifth nearest of a seeded draw of at most 2,048 others.

    In interquartile ranges above the upper quartile: each class has a spread of its own.
    """
    drawn = np.random.default_rng(0).permutation(len(vectors))[:_REFERENCES]
    reference = vectors[drawn]
    lengths = np.einsum("ij,ij->i", reference, reference)
    fifth = np.empty(len(vectors))
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        squared = np.einsum("ij,ij->i", block, block)[:, None] + lengths - 2 * block @ reference.T
        squared[squared < 1e-6] = 0  # itself
        fifth[start : start + _BLOCK] = np.partition(squared, NEIGHBOURS, axis=1)[:, NEIGHBOURS]
    distance = np.sqrt(np.maximum(fifth, 0))
    low, high = np.quantile(distance, [0.25, 0.75])
    return np.asarray((distance - high) / max(float(high - low), _LEAST_SPREAD))
