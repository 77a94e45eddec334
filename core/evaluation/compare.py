"""Two runs on the same samples: the difference, how sure it is, and a verdict in one sentence.

Differences are always second run minus first, B - A. Rows are joined by item id. What is an item's right
answer comes in as an argument, the same for both runs: labels of two versions are never mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import UNLABELLED
from core.data.item_index import ItemIndex
from core.errors import BadInput
from core.evaluation.metrics import Ints, Scores, scores
from core.evaluation.paired import (
    detectable_difference,
    holm,
    macro_f1_interval,
    mcnemar_exact,
    tango_interval,
)
from core.evaluation.predictions import LABEL_WORDS, Predictions
from core.files import Json

SIGNIFICANT = 0.05
N_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class ClassChange:
    """What changed for one class.

    Attributes:
        recall_a, recall_b: Share of its items that each run found.
        f1_a, f1_b: F1 of each run.
        only_a, only_b: Its items that only one run got right.
        p_value: Exact McNemar on its items, adjusted for all classes at once (Holm).
    """

    name: str
    support: int
    recall_a: float
    recall_b: float
    f1_a: float
    f1_b: float
    only_a: int
    only_b: int
    p_value: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs on the same n labelled items; differences are B - A.

    Attributes:
        run_a, run_b: What to call them.
        split: The split that was compared.
        label_set: Which labels both were scored on: "given", "corrected" or "suggested".
        classes: K class names.
        item_ids: (n,) str.
        labels: (n,) int64, the right answers.
        predicted_a, predicted_b: (n,) int64.
        n_unlabelled: Common items left out because they have no label.
        n_uncommon: Items of the split that only one of the runs predicted.
        macro_f1_ci95: Interval of the difference in macro-F1 (paired bootstrap, 2,000 draws, fixed seed).
    """

    run_a: str
    run_b: str
    split: str
    label_set: str
    classes: tuple[str, ...]
    item_ids: NDArray[np.str_]
    labels: Ints
    predicted_a: Ints
    predicted_b: Ints
    n_unlabelled: int
    n_uncommon: int
    macro_f1_ci95: tuple[float, float]

    def __len__(self) -> int:
        return len(self.item_ids)

    @cached_property
    def right_a(self) -> NDArray[np.bool_]:
        """(n,) whether A is right."""
        return np.asarray(self.predicted_a == self.labels)

    @cached_property
    def right_b(self) -> NDArray[np.bool_]:
        """(n,) whether B is right."""
        return np.asarray(self.predicted_b == self.labels)

    @cached_property
    def counts(self) -> dict[str, int]:
        """both_right, only_a, only_b and both_wrong; they add up to n."""
        a, b = self.right_a, self.right_b
        return {
            "both_right": int((a & b).sum()),
            "only_a": int((a & ~b).sum()),
            "only_b": int((~a & b).sum()),
            "both_wrong": int((~a & ~b).sum()),
        }

    @cached_property
    def scores_a(self) -> Scores:
        """A's scores on these items."""
        return scores(self.labels, self.predicted_a, len(self.classes))

    @cached_property
    def scores_b(self) -> Scores:
        """B's scores on these items."""
        return scores(self.labels, self.predicted_b, len(self.classes))

    @property
    def difference(self) -> float:
        """Accuracy of B minus accuracy of A."""
        return (self.counts["only_b"] - self.counts["only_a"]) / len(self)

    @cached_property
    def ci95(self) -> tuple[float, float]:
        """95 % interval of the difference (Tango's paired score interval)."""
        return tango_interval(self.counts["only_a"], self.counts["only_b"], len(self))

    @cached_property
    def p_value(self) -> float:
        """Exact McNemar test of "both are equally accurate", two-sided."""
        return mcnemar_exact(self.counts["only_a"], self.counts["only_b"])

    @property
    def detectable(self) -> float:
        """The true difference in accuracy that these items would prove four times in five."""
        return detectable_difference(self.counts["only_a"] + self.counts["only_b"], len(self))

    @property
    def outcome(self) -> str:
        """ "better" or "worse" (B than A, p below 0.05), "same" (equal answers) or "not proven"."""
        if self.p_value < SIGNIFICANT:
            return "better" if self.difference > 0 else "worse"
        return "same" if np.array_equal(self.predicted_a, self.predicted_b) else "not proven"

    @property
    def verdict(self) -> str:
        """The outcome in words, with what supports it."""
        a, b, n = self.run_a, self.run_b, f"{len(self):,}"
        if self.outcome == "same":
            return f"No difference: {a} and {b} give the same answer for all {n} images."
        low, high = (f"{100 * bound:+.1f}" for bound in self.ci95)
        size = f"{abs(100 * self.difference):.1f} points"
        sureness = f"95 % interval {low} to {high} points, exact McNemar p {_p_words(self.p_value)}"
        if self.outcome != "not proven":
            return (
                f"{b} is {self.outcome} than {a} by {size} of accuracy on the same {n} images ({sureness})."
            )
        seen = (
            f"{b} is {size} {'above' if self.difference > 0 else 'below'} {a}"
            if self.difference
            else (f"{a} and {b} are equally accurate")
        )
        return (
            f"No difference is proven: {seen} on the same {n} images, which chance alone explains "
            f"({sureness}). The smallest difference this set would show four times in five is "
            f"{100 * self.detectable:.1f} points."
        )

    @cached_property
    def class_changes(self) -> tuple[ClassChange, ...]:
        """One entry a class that has items here, in class order."""
        k = len(self.classes)
        only_a = np.bincount(self.labels[self.right_a & ~self.right_b], minlength=k)
        only_b = np.bincount(self.labels[~self.right_a & self.right_b], minlength=k)
        present = np.flatnonzero(self.scores_a.support)
        p_values = holm(np.array([mcnemar_exact(int(only_a[c]), int(only_b[c])) for c in present]))
        return tuple(
            ClassChange(
                self.classes[c],
                int(self.scores_a.support[c]),
                float(self.scores_a.recall[c]),
                float(self.scores_b.recall[c]),
                float(self.scores_a.f1[c]),
                float(self.scores_b.f1[c]),
                int(only_a[c]),
                int(only_b[c]),
                float(p_value),
            )
            for c, p_value in zip(present, p_values, strict=True)
        )

    def to_json(self) -> Json:
        """All of it but the rows, as ``tidyset compare --json`` prints it."""
        f1_a, f1_b = self.scores_a.macro_f1, self.scores_b.macro_f1
        return {
            "run_a": self.run_a,
            "run_b": self.run_b,
            "split": self.split,
            "labels": self.label_set,
            "n": len(self),
            "n_unlabelled": self.n_unlabelled,
            "n_uncommon": self.n_uncommon,
            "accuracy_a": self.scores_a.accuracy,
            "accuracy_b": self.scores_b.accuracy,
            "difference": self.difference,
            "ci95": list(self.ci95),
            "p_value": self.p_value,
            "macro_f1_a": f1_a,
            "macro_f1_b": f1_b,
            "macro_f1_difference": f1_b - f1_a,
            "macro_f1_ci95": list(self.macro_f1_ci95),
            "counts": self.counts,
            "detectable": self.detectable,
            "outcome": self.outcome,
            "verdict": self.verdict,
            "classes": [
                {name: getattr(change, name) for name in ClassChange.__dataclass_fields__}
                for change in self.class_changes
            ],
        }


def compare(
    a: Predictions,
    b: Predictions,
    item_ids: NDArray[np.str_],
    labels: Ints,
    split: str,
    *,
    names: tuple[str, str] | None = None,
    label_set: str = "given",
) -> Comparison:
    """Compare two runs on the items of ``split`` that both predicted.

    Args:
        a, b: Their predictions. An item counts only if it is in ``split`` for both, so that no run is
            scored on what it was trained on.
        item_ids: (N,) str, the items whose labels are known.
        labels: (N,) int64, the right answers, -1 unlabelled (such items are left out); indices into the
            classes of ``a``.
        split: "train", "val" or "test".
        names: What to call the runs; their ids otherwise.
        label_set: What to call the labels: "given", "corrected" or "suggested".

    Raises:
        BadInput: The class names differ, or there is no labelled item in common.
    """
    order = class_order(a, b)
    rows_a, rows_b, n_uncommon = common_rows(a.only(split), b.only(split))
    ids = rows_a.item_ids
    right_answers = np.full(len(ids), UNLABELLED, np.int64)
    at = ItemIndex(item_ids).find(ids)
    right_answers[at >= 0] = labels[at[at >= 0]]
    labelled = np.flatnonzero(right_answers != UNLABELLED)
    run_a, run_b = names or (a.run, b.run)
    if not len(labelled):
        raise BadInput(
            f"Runs {run_a!r} and {run_b!r} have no labelled item of the {split} split in common.",
            "Compare two runs of the same data set, on a split that has labels.",
        )
    truth = right_answers[labelled]
    predicted_a = rows_a.predicted[labelled]
    predicted_b = order[rows_b.predicted[labelled]]
    return Comparison(
        run_a=run_a,
        run_b=run_b,
        split=split,
        label_set=label_set,
        classes=a.classes,
        item_ids=ids[labelled],
        labels=truth,
        predicted_a=predicted_a,
        predicted_b=predicted_b,
        n_unlabelled=len(ids) - len(labelled),
        n_uncommon=n_uncommon,
        macro_f1_ci95=macro_f1_interval(truth, predicted_a, predicted_b, len(a.classes), n_draws=N_DRAWS),
    )


def text_comparison(comparisons: Sequence[Comparison]) -> str:
    """What ``tidyset compare`` prints: each comparison's verdict, counts and changed classes."""
    return "\n\n".join(_one_text(comparison) for comparison in comparisons)


def _one_text(found: Comparison) -> str:
    counts = found.counts
    f1_low, f1_high = (f"{100 * bound:+.1f}" for bound in found.macro_f1_ci95)
    f1_change = 100 * (found.scores_b.macro_f1 - found.scores_a.macro_f1)
    lines = [
        f"On the {LABEL_WORDS[found.label_set]} of the {found.split} split:",
        found.verdict,
        "",
        f"  {found.run_a}: accuracy {found.scores_a.accuracy:.4f}, macro-F1 {found.scores_a.macro_f1:.4f}",
        f"  {found.run_b}: accuracy {found.scores_b.accuracy:.4f}, macro-F1 {found.scores_b.macro_f1:.4f}",
        f"  macro-F1 changes by {f1_change:+.1f} points (95 % bootstrap interval {f1_low} to {f1_high})",
        f"  both right {counts['both_right']:,}, only {found.run_a} {counts['only_a']:,}, "
        f"only {found.run_b} {counts['only_b']:,}, both wrong {counts['both_wrong']:,}",
    ]
    changed = [change for change in found.class_changes if change.only_a + change.only_b]
    if changed:
        width = max(len(change.name) for change in changed)
        lines += ["", f"  {'class':<{width}}  recall before  after    F1 before  after    p (Holm)"]
        lines += [
            f"  {c.name:<{width}}  {c.recall_a:13.3f}  {c.recall_b:.3f}  {c.f1_a:11.3f}  {c.f1_b:.3f}"
            f"  {c.p_value:10.3f}"
            for c in changed
        ]
    return "\n".join(lines)


def class_order(a: Predictions, b: Predictions) -> Ints:
    """(K,) for each class of B, its index among A's. Raises BadInput."""
    if sorted(a.classes) != sorted(b.classes):
        differing = ", ".join(sorted(set(a.classes) ^ set(b.classes)))
        raise BadInput(
            f"The runs do not know the same classes; they differ in: {differing}.",
            "Compare two runs of the same data set.",
        )
    return np.array([a.classes.index(name) for name in b.classes], np.int64)


def common_rows(a: Predictions, b: Predictions) -> tuple[Predictions, Predictions, int]:
    """The rows of the items that both have, in A's order, and how many items only one has."""
    in_b = ItemIndex(b.item_ids).find(a.item_ids)
    rows = np.flatnonzero(in_b >= 0)
    return a.take(rows), b.take(in_b[rows]), len(a) + len(b) - 2 * len(rows)


def _p_words(p_value: float) -> str:
    return "below 0.001" if p_value < 0.001 else f"= {p_value:.3f}"
