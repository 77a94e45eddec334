"""What a confusion matrix says, in sentences computed from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluation.metrics import Ints, Scores

SURE = 0.95
MAX_GROUP = 6


@dataclass(frozen=True, slots=True)
class Remark:
    """One sentence.

    Attributes:
        topic: "classes", "pair", "direction", "group" or "sureness".
        text: Plain text.
        cell: (given, predicted) that it is about, or None.
    """

    topic: str
    text: str
    cell: tuple[int, int] | None = None


def remarks(
    result: Scores, classes: tuple[str, ...], mean_confidence: float, n_sure_mistakes: int
) -> list[Remark]:
    """Sentences on one run's answers, the most useful first; none without items.

    Args:
        result: Its scores.
        classes: K class names.
        mean_confidence: Over the labelled items, 0 to 1.
        n_sure_mistakes: Mistakes made with a confidence of SURE or more.
    """
    if not result.n:
        return []
    found = [_best_and_worst(result, classes)]
    if result.n_correct < result.n:
        found += [_most_confused_pair(result, classes), *_group(result, classes)]
    found += _sureness(result, mean_confidence, n_sure_mistakes)
    return found


def largest_cell(confusion: Ints) -> tuple[int, int] | None:
    """(given, predicted) of the most frequent mistake; None without mistakes."""
    errors = confusion - np.diag(np.diagonal(confusion))
    if not errors.any():
        return None
    given, predicted = np.unravel_index(int(errors.argmax()), errors.shape)
    return int(given), int(predicted)


def _best_and_worst(result: Scores, classes: tuple[str, ...]) -> Remark:
    present = np.flatnonzero(result.support)
    order = present[np.argsort(-result.f1[present], kind="stable")]
    best, worst = int(order[0]), int(order[-1])
    if result.f1[best] == result.f1[worst]:
        return Remark("classes", f"All classes are recognised equally well (F1 {result.f1[best]:.2f}).")
    low = ", recall" if result.recall[worst] <= result.precision[worst] else ", precision"
    value = min(result.recall[worst], result.precision[worst])
    return Remark(
        "classes",
        f"{classes[best]} is recognised best (F1 {result.f1[best]:.2f}), {classes[worst]} worst "
        f"(F1 {result.f1[worst]:.2f}{low} {100 * value:.0f} %).",
    )


def _most_confused_pair(result: Scores, classes: tuple[str, ...]) -> Remark:
    errors = result.confusion - np.diag(np.diagonal(result.confusion))
    both = np.triu(errors + errors.T)
    first, second = (int(k) for k in np.unravel_index(int(both.argmax()), both.shape))
    total, n_errors = int(both[first, second]), result.n - result.n_correct
    if errors[second, first] > errors[first, second]:
        first, second = second, first
    there, back = int(errors[first, second]), int(errors[second, first])
    return Remark(
        "pair",
        f"{classes[first]} and {classes[second]} are confused most: {there:,} × {classes[first]} taken for "
        f"{classes[second]}, {back:,} × the other way; that is {100 * total / n_errors:.0f} % of all "
        f"{n_errors:,} mistakes.",
        (first, second),
    )


def _group(result: Scores, classes: tuple[str, ...]) -> list[Remark]:
    """The few classes among which more than half of the mistakes lie, if there are so few."""
    errors = result.confusion - np.diag(np.diagonal(result.confusion))
    both = errors + errors.T
    n_errors = int(errors.sum())
    group = [int(k) for k in np.unravel_index(int(both.argmax()), both.shape)]
    while errors[np.ix_(group, group)].sum() * 2 <= n_errors:
        rest = [k for k in range(len(classes)) if k not in group]
        if not rest or len(group) >= min(MAX_GROUP, len(classes) // 2):
            return []
        group.append(max(rest, key=lambda k: (int(both[k, group].sum()), -k)))
    inside = int(errors[np.ix_(group, group)].sum())
    if len(group) == 2:
        return []
    names = [classes[k] for k in sorted(group)]
    return [
        Remark(
            "group",
            f"{100 * inside / n_errors:.0f} % of the mistakes lie among {', '.join(names[:-1])} and "
            f"{names[-1]}: telling these apart is what the model has yet to learn.",
        )
    ]


def _sureness(result: Scores, mean_confidence: float, n_sure_mistakes: int) -> list[Remark]:
    found = []
    gap = mean_confidence - result.accuracy
    if abs(gap) >= 0.02:
        too = "too sure of itself" if gap > 0 else "too cautious"
        found.append(
            Remark(
                "sureness",
                f"The model is {too}: its mean confidence is {100 * mean_confidence:.0f} %, "
                f"its accuracy {100 * result.accuracy:.0f} %.",
            )
        )
    if n_sure_mistakes:
        noun = "mistake was" if n_sure_mistakes == 1 else "mistakes were"
        found.append(
            Remark(
                "sureness",
                f"{n_sure_mistakes:,} {noun} made with a confidence of {100 * SURE:.0f} % or more: "
                "wrong labels are likeliest there.",
            )
        )
    return found
