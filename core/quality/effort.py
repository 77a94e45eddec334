"""What reviewing brought: errors found per minute, how far the flags can be trusted, when to stop.

Pure functions over the journal's edits and over arrays; scores are higher where an error is likelier.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.evaluation.metrics import wilson_interval
from core.labels.journal import Edit, EditKind, taken_back

PAUSE_SECONDS = 60.0
"""Between two decisions of one person, longer than this is a break and not work."""
WORTH_PER_100 = 2.0
"""Errors in a hundred reviewed images below which going on is hardly worth it, where nobody says else."""
_DECIDING = (EditKind.LABEL, EditKind.CONFIRM, EditKind.EXCLUDE, EditKind.SETTLE)


@dataclass(frozen=True, slots=True)
class Effort:
    """What was done and what came of it.

    Attributes:
        n_reviewed: Images that somebody decided about, undone decisions not counted.
        n_errors: Those of them of which a label is now another, or that were left out.
        minutes: Time at work, of all people together; breaks are not counted.
    """

    n_reviewed: int
    n_errors: int
    minutes: float

    @property
    def errors_per_minute(self) -> float:
        """NaN where no time was measured."""
        return self.n_errors / self.minutes if self.minutes else float("nan")

    @property
    def images_per_minute(self) -> float:
        """NaN where no time was measured."""
        return self.n_reviewed / self.minutes if self.minutes else float("nan")

    @property
    def errors_per_100(self) -> float:
        """Errors in a hundred reviewed images; NaN without any."""
        return 100 * self.n_errors / self.n_reviewed if self.n_reviewed else float("nan")


def effort(edits: Sequence[Edit], *, pause_seconds: float = PAUSE_SECONDS) -> Effort:
    """Measure the review of one data set.

    Args:
        edits: The journal's edits, oldest first, undos among them.
        pause_seconds: A longer gap between two decisions of a person counts as a break.
    """
    last: dict[tuple[str, str | None], Edit] = {}
    first: dict[tuple[str, str | None], Edit] = {}
    gone = taken_back((edit.number, edit.undoes) for edit in edits)
    for edit in edits:
        if edit.kind in _DECIDING and edit.number not in gone:
            first.setdefault((edit.item_id, edit.class_name), edit)
            last[edit.item_id, edit.class_name] = edit
    wrong = {
        edit.item_id
        for key, edit in last.items()
        if edit.kind is EditKind.EXCLUDE or edit.new != first[key].old
    }
    times: dict[str, list[float]] = defaultdict(list)
    for edit in edits:
        times[edit.who].append(edit.at)
    seconds = sum(seconds_at_work(np.array(one), pause_seconds=pause_seconds) for one in times.values())
    return Effort(len({item_id for item_id, _ in last}), len(wrong), seconds / 60)


def seconds_at_work(times: NDArray[np.float64], *, pause_seconds: float = PAUSE_SECONDS) -> float:
    """Time that one person spent on decisions made at ``times``.

    The decision that begins a stretch of work took time too: it counts as long as the median of the others.

    Args:
        times: (n,) Unix seconds, in any order.
        pause_seconds: A longer gap ends a stretch.
    """
    gaps = np.diff(np.sort(times))
    at_work = gaps[gaps <= pause_seconds]
    if not len(at_work):
        return 0.0
    n_stretches = 1 + int((gaps > pause_seconds).sum())
    return float(at_work.sum() + n_stretches * np.median(at_work))


@dataclass(frozen=True, slots=True)
class Band:
    """The images with a score from ``low`` to ``high``.

    Attributes:
        n: Images in it.
        n_reviewed: Those that somebody decided about.
        n_errors: Errors among those.
        precision: Share of the reviewed ones that were errors; NaN without any.
        ci95: Its Wilson interval; (0, 1) without any.
    """

    low: float
    high: float
    n: int
    n_reviewed: int
    n_errors: int
    precision: float
    ci95: tuple[float, float]

    @property
    def n_left(self) -> int:
        """Images that nobody has looked at."""
        return self.n - self.n_reviewed


def bands(
    scores: NDArray[np.float64],
    reviewed: NDArray[np.bool_],
    is_error: NDArray[np.bool_],
    edges: Sequence[float] | None = None,
    *,
    n_bands: int = 10,
) -> tuple[Band, ...]:
    """How often a flag was right, band by band, the most suspicious first.

    Args:
        scores: (N,) higher where an error is likelier.
        reviewed: (N,) whether somebody decided about the image.
        is_error: (N,) whether that found an error; looked at only where ``reviewed``.
        edges: Rising limits of the bands, the outermost included; a score on a limit is in the upper band.
            Bands of equal count when not given, fewer where many scores are equal.
        n_bands: How many, where ``edges`` are not given.

    Raises:
        BadInput: The lengths differ, or the limits do not rise.
    """
    if not len(scores) == len(reviewed) == len(is_error):
        raise BadInput(
            f"{len(scores)} scores were given with {len(reviewed)} reviews and {len(is_error)} errors.",
            "Give one of each for every image.",
        )
    if not len(scores):
        return ()
    limits = np.unique(np.quantile(scores, np.linspace(0, 1, n_bands + 1))) if edges is None else edges
    limits = np.asarray(limits, np.float64)
    if edges is not None and (len(limits) < 2 or (np.diff(limits) <= 0).any()):
        raise BadInput(f"The limits {list(edges)} do not rise.", "Give at least two rising numbers.")
    last = max(len(limits) - 2, 0)
    index = np.clip(np.searchsorted(limits, scores, side="right") - 1, 0, last)
    inside = (scores >= limits[0]) & (scores <= limits[-1])
    found = []
    for number in range(last, -1, -1):
        here = (index == number) & inside
        n_reviewed, n_errors = int((here & reviewed).sum()), int((here & reviewed & is_error).sum())
        found.append(
            Band(
                float(limits[number]),
                float(limits[min(number + 1, len(limits) - 1)]),
                int(here.sum()),
                n_reviewed,
                n_errors,
                n_errors / n_reviewed if n_reviewed else float("nan"),
                wilson_interval(n_errors, n_reviewed),
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ErrorsLeft:
    """Errors that are probably among the images that nobody has looked at.

    Attributes:
        n: The estimate; NaN where nothing was reviewed.
        low, high: From the 95 % intervals of the bands' precision.
        n_left: Images that nobody has looked at.
    """

    n: float
    low: float
    high: float
    n_left: int


def errors_left(found: Sequence[Band]) -> ErrorsLeft:
    """Estimate the errors left from the precision of each band.

    A band in which nothing was reviewed counts like the next more suspicious one that was (or the first one
    that was), with a lower limit of 0.
    Where only the most suspicious images of a band were reviewed, the estimate is rather too high: a few
    reviews at random make it honest.

    Args:
        found: As ``bands`` gives them, the most suspicious first.
    """
    estimate, low, high = 0.0, 0.0, 0.0
    precision = next((band.precision for band in found if band.n_reviewed), float("nan"))
    ceiling = 1.0
    for band in found:
        if band.n_reviewed:
            precision, ceiling = band.precision, band.ci95[1]
        floor = band.ci95[0] if band.n_reviewed else 0.0
        estimate += band.n_left * precision if band.n_left else 0.0
        low += band.n_left * floor
        high += band.n_left * ceiling
    n_left = sum(band.n_left for band in found)
    return ErrorsLeft(estimate, low, high, n_left)


@dataclass(frozen=True, slots=True)
class Advice:
    """Whether to go on, and why.

    Attributes:
        go_on: Whether the next images are worth the time.
        sentence: The same in words, with the numbers.
        next_per_100: Errors to be expected in the next hundred images; NaN where nothing tells.
    """

    go_on: bool
    sentence: str
    next_per_100: float


def advise(done: Effort, found: Sequence[Band], *, worth_per_100: float = WORTH_PER_100) -> Advice:
    """Whether to go on with the most suspicious band that is not finished.

    Args:
        done: What was reviewed so far.
        found: As ``bands`` gives them.
        worth_per_100: Errors in a hundred images that make a review worth it.
    """
    left = errors_left(found)
    if not left.n_left:
        return Advice(False, "Stop: every flagged image has been looked at.", float("nan"))
    reviewed = [band for band in found if band.n_reviewed]
    if not reviewed:
        return Advice(
            True, "Start: nothing was reviewed yet, so nothing tells how good the flags are.", np.nan
        )
    following = next(band for band in found if band.n_left)
    judged_by = following if following.n_reviewed else _before(found, following) or reviewed[0]
    per_100, (low, high) = 100 * judged_by.precision, judged_by.ci95
    pace = done.images_per_minute
    minutes = f", about {100 / pace:.0f} minutes of work" if pace == pace and pace > 0 else ""
    left_words = f"about {left.n:,.0f} errors ({left.low:,.0f} to {left.high:,.0f}) are left"
    expected = (
        f"the next 100 images should hold about {per_100:.0f} errors ({100 * low:.0f} to {100 * high:.0f})"
    )
    if 100 * high < worth_per_100:
        why = f"fewer than the {worth_per_100:g} that make it worth it"
        sentence = f"Stop: {expected}{minutes}, {why}; {left_words} among {left.n_left:,} images."
        return Advice(False, sentence, per_100)
    sure = "" if 100 * low >= worth_per_100 or per_100 >= worth_per_100 else " to be sure"
    sentence = f"Go on{sure}: {expected}{minutes}; {left_words} among {left.n_left:,} images."
    return Advice(True, sentence, per_100)


def _before(found: Sequence[Band], band: Band) -> Band | None:
    """The nearest more suspicious band in which something was reviewed."""
    more = [one for one in found[: found.index(band)] if one.n_reviewed]
    return more[-1] if more else None
