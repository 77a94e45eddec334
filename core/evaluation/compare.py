"""Two runs on the same samples: the difference, how sure it is, and a verdict in one sentence.

This asks whether *these two models* differ: one training of each, so only the items (or whole groups of them)
are drawn at random. Whether one *way of training* is better needs several seeds: core.evaluation.proof.

Differences are always second run minus first, B - A. Rows are joined by item id. What is an item's right
answer comes in as an argument, the same for both runs: labels of two versions are never mixed. The verdict is
on right answers by known answers: accuracy, or of several labels an image the Hamming score. An item is one
draw with all its answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.item_index import ItemIndex
from core.data.labels import Labels, Task
from core.errors import BadInput
from core.evaluation.crossed import detectable_by, grouped_sums, over_groups, sign_flip
from core.evaluation.paired import (
    FEWEST_DISCORDANT,
    Z_95,
    Z_POWER_80,
    detectable_difference,
    holm,
    mcnemar_exact,
    tango_interval,
)
from core.evaluation.predictions import LABEL_WORDS, Predictions
from core.files import Json
from core.metrics.bootstrap import N_DRAWS, Interval, bootstrap_scores, percentiles
from core.metrics.registry import find_metric
from core.metrics.scores import Scores, score

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
SIGNIFICANT = 0.05
FIGURES = {Task.SINGLE_LABEL: ("macro_f1",), Task.MULTI_LABEL: ("mean_f1", "macro_auc", "macro_f1")}
"""The metrics whose difference stands beside the verdict, with a bootstrap interval."""
MEASURES = {Task.SINGLE_LABEL: "accuracy", Task.MULTI_LABEL: "the Hamming score"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of both runs; ``ci95`` is the interval of b - a, None where too few draws have one."""

    name: str
    a: float
    b: float
    ci95: tuple[float, float] | None

    @property
    def difference(self) -> float:
        """B minus A."""
        return self.b - self.a

    def to_json(self) -> Json:
        """Its values, None for what cannot be told."""
        values = {"a": self.a, "b": self.b, "difference": self.difference}
        plain: Json = {name: None if math.isnan(value) else value for name, value in values.items()}
        return {**plain, "ci95": None if self.ci95 is None else list(self.ci95)}


@dataclass(frozen=True, slots=True)
class ClassChange:
    """What changed for one class.

    Attributes:
        support: Items that it is given to.
        n_known: Answers that ``only_a``, ``only_b`` and the p-value are about: the items of the class where
            items have one, those where it is known where they have several.
        recall_a, recall_b: Share of its items that each run found.
        f1_a, f1_b: F1 of each run.
        figures: By "f1" and "auc", with the interval of the difference, where they were computed.
        only_a, only_b: Answers that only one run got right.
        p_value: Exact test on them, adjusted for all classes at once (Holm).
    """

    name: str
    support: int
    n_known: int
    recall_a: float
    recall_b: float
    f1_a: float
    f1_b: float
    figures: Mapping[str, Figure]
    only_a: int
    only_b: int
    p_value: float

    def to_json(self) -> Json:
        """Its values."""
        names = ("name", "support", "n_known", "recall_a", "recall_b", "f1_a", "f1_b")
        return {
            **{name: getattr(self, name) for name in names},
            **{name: one.to_json() for name, one in self.figures.items()},
            **{name: getattr(self, name) for name in ("only_a", "only_b", "p_value")},
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs on the same n labeled items; differences are B - A.

    Attributes:
        run_a, run_b: What to call them.
        split: The split that was compared.
        label_set: Which labels both were scored on: "given", "corrected" or "suggested".
        item_ids: (n,) str.
        scores_a, scores_b: Of both, on the same labels.
        intervals: By metric, the bootstrap of the difference.
        groups: (n,) which group each item belongs to, or None: each by itself.
        n_unlabelled: Common items left out because nothing is known of them.
        n_uncommon: Items of the split that only one of the runs predicted.
    """

    run_a: str
    run_b: str
    split: str
    label_set: str
    item_ids: NDArray[np.str_]
    scores_a: Scores
    scores_b: Scores
    intervals: Mapping[str, Interval]
    groups: NDArray[Any] | None
    n_unlabelled: int
    n_uncommon: int

    def __len__(self) -> int:
        return len(self.item_ids)

    @property
    def labels(self) -> Labels:
        """The right answers."""
        return self.scores_a.labels

    @property
    def classes(self) -> tuple[str, ...]:
        """K names."""
        return self.labels.classes

    @property
    def measure(self) -> str:
        """What the verdict is about, in words."""
        return MEASURES[self.labels.task]

    @property
    def n_known(self) -> int:
        """Known answers."""
        return int(self.labels.known.sum())

    @cached_property
    def n_units(self) -> int:
        """Items, or groups where items belong together."""
        return len(self) if self.groups is None else len(np.unique(self.groups))

    @cached_property
    def counts(self) -> dict[str, int]:
        """both_right, only_a, only_b and both_wrong; they add up to the known answers."""
        a, b, known = self.scores_a.right, self.scores_b.right, self.labels.known
        return {
            "both_right": int((a & b).sum()),
            "only_a": int((a & ~b).sum()),
            "only_b": int((~a & b).sum()),
            "both_wrong": int((known & ~a & ~b).sum()),
        }

    @property
    def accuracy_a(self) -> float:
        """Right answers of A by known answers."""
        return float(self.scores_a.right.sum() / self.n_known)

    @property
    def accuracy_b(self) -> float:
        """Right answers of B by known answers."""
        return float(self.scores_b.right.sum() / self.n_known)

    @property
    def difference(self) -> float:
        """Score of B minus score of A."""
        return (self.counts["only_b"] - self.counts["only_a"]) / self.n_known

    @cached_property
    def _gaps(self) -> Ints:
        """(n,) right answers of B minus those of A, of each item."""
        gaps = self.scores_b.right.astype(np.int64) - self.scores_a.right
        return np.asarray(gaps.reshape(len(self), -1).sum(axis=1), np.int64)

    @property
    def _is_mcnemar(self) -> bool:
        return self.labels.task is Task.SINGLE_LABEL and self.n_units == len(self)

    @cached_property
    def p_value(self) -> float:
        """Exact sign-flip test over items (or groups) of "both are equally good", two-sided.

        Of one label an item, and no groups, it is McNemar's exact test.
        """
        if self._is_mcnemar:
            return mcnemar_exact(self.counts["only_a"], self.counts["only_b"])
        return sign_flip(grouped_sums(self._gaps, self.groups))

    @cached_property
    def standard_error(self) -> float:
        """Of the difference, over items (or groups): a ratio of sums, by its linear part."""
        asked = self.labels.known.reshape(len(self), -1).sum(axis=1)
        parts = over_groups((self._gaps - self.difference * asked)[None] / asked.mean(), self.groups)
        return float(parts.std(ddof=1) / math.sqrt(parts.shape[1])) if parts.shape[1] > 1 else math.inf

    @cached_property
    def ci95(self) -> tuple[float, float]:
        """95 % interval of the difference: Tango's paired score interval of McNemar's test; of groups or of
        several labels, by t with one degree of freedom less than there are groups or items.

        Where the exact test finds nothing, it has 0 within.
        """
        if self._is_mcnemar or self.standard_error == 0:
            n_gain, n_loss = self.n_units * (self.difference > 0), self.n_units * (self.difference < 0)
            if self._is_mcnemar:
                n_loss, n_gain = self.counts["only_a"], self.counts["only_b"]
            low, high = tango_interval(n_loss, n_gain, self.n_units)
        else:
            half = _t_quantile(max(self.n_units - 1, 1), Z_95) * self.standard_error
            low, high = max(-1.0, self.difference - half), min(1.0, self.difference + half)
        if self.p_value >= SIGNIFICANT:
            low, high = min(low, 0.0), max(high, 0.0)
        return low, high

    @cached_property
    def detectable(self) -> float:
        """The minimum detectable difference: a true one of that size is found with a power of 80 %."""
        if self._is_mcnemar:
            return detectable_difference(self.counts["only_a"] + self.counts["only_b"], len(self))
        least = min(1.0, FEWEST_DISCORDANT * len(self) / self.n_units / self.n_known)
        if not math.isfinite(self.standard_error):
            return 1.0
        if self.n_units < 2:
            return 1.0
        df = self.n_units - 1
        errors = _t_quantile(df, Z_95) + _t_quantile(df, Z_POWER_80)
        return min(1.0, max(least, detectable_by(errors, self.standard_error, self.n_units)))

    @property
    def outcome(self) -> str:
        """ "better" or "worse" (B than A, p below 0.05), "same" (equal answers) or "not proven"."""
        if self.p_value < SIGNIFICANT:
            return "better" if self.difference > 0 else "worse"
        same = np.array_equal(self.scores_a.predicted, self.scores_b.predicted)
        return "same" if same else "not proven"

    @property
    def verdict(self) -> str:
        """The outcome in words, with what supports it."""
        a, b, images = self.run_a, self.run_b, f"{len(self):,} images{self._unit_words}"
        if self.outcome == "same":
            return f"No difference: {a} and {b} give the same answer for all {images}."
        low, high = (f"{100 * bound:+.1f}" for bound in self.ci95)
        size, p_words = f"{abs(100 * self.difference):.1f} points", f"p {_p_words(self.p_value)}"
        interval = f"95 % interval {low} to {high} points"
        if self.outcome != "not proven":
            sure = f"{interval}, {p_words}"
            return (
                f"{b} is {self.outcome} than {a} by {size} of {self.measure} on the same {images} ({sure})."
            )
        seen = (
            f"{b} is {size} of {self.measure} {'above' if self.difference > 0 else 'below'} {a}"
            if self.difference
            else f"{a} and {b} are equal in {self.measure}"
        )
        few = self.n_units < FEWEST_DISCORDANT
        minimum = f"minimum detectable difference (80 % power) {100 * self.detectable:.1f} points"
        return (
            f"No significant difference ({p_words}): {seen} on the same {images} ({interval}); "
            f"{f'fewer than {FEWEST_DISCORDANT} give no verdict' if few else minimum}."
        )

    @property
    def _unit_words(self) -> str:
        known = f"{self.n_known:,} known labels" if self.labels.task is Task.MULTI_LABEL else ""
        groups = f"{self.n_units:,} groups" if self.groups is not None else ""
        words = ", ".join(filter(None, (known, groups)))
        return f" ({words})" if words else ""

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """The metrics beside the verdict, in the order of FIGURES."""
        return tuple(
            self._figure(name, lambda metric, scores: metric.value(scores), self.intervals[name].draws)
            for name in FIGURES[self.labels.task]
        )

    def _figure(self, name: str, value: Callable[[Any, Scores], float], draws: NDArray[Any]) -> Figure:
        metric = find_metric(name, self.labels.task)
        told = draws[~np.isnan(draws)]
        ends = percentiles(draws) if 2 * len(told) >= len(draws) and len(told) else None
        return Figure(name, value(metric, self.scores_a), value(metric, self.scores_b), ends)

    def figure(self, name: str) -> Figure:
        """One of ``figures``."""
        return next(one for one in self.figures if one.name == name)

    @cached_property
    def class_changes(self) -> tuple[ClassChange, ...]:
        """One entry a class of which anything is known, in class order."""
        asked = [np.flatnonzero(self.labels.asked(k)) for k in range(len(self.classes))]
        present = [k for k, rows in enumerate(asked) if len(rows)]
        found = [self._gap_of_class(k, asked[k]) for k in present]
        p_values = holm(np.array([p_value for _, _, p_value in found], np.float64))
        return tuple(
            self._change(k, len(asked[k]), only_a, only_b, float(p_value))
            for k, (only_a, only_b, _), p_value in zip(present, found, p_values, strict=True)
        )

    def _gap_of_class(self, k: int, rows: Ints) -> tuple[int, int, float]:
        """(only A right, only B right, p-value) of the answers about one class."""
        truth = self.labels.yes[rows, k]
        right_a, right_b = (scores.said[rows, k] == truth for scores in (self.scores_a, self.scores_b))
        gaps = right_b.astype(np.int64) - right_a
        sums = grouped_sums(gaps, None if self.groups is None else self.groups[rows])
        return int((gaps < 0).sum()), int((gaps > 0).sum()), sign_flip(sums)

    def _change(self, k: int, n_known: int, only_a: int, only_b: int, p_value: float) -> ClassChange:
        a, b = self.scores_a.counts, self.scores_b.counts
        figures = {
            short: self._figure(name, lambda metric, scores: float(metric.of_classes(scores)[k]), draws[:, k])
            for short, name in (("auc", "macro_auc"), ("f1", "macro_f1"))
            if name in self.intervals and (draws := self.intervals[name].of_classes) is not None
        }
        return ClassChange(
            self.classes[k],
            int(self.labels.counts[k]),
            n_known,
            float(a.recall[k]),
            float(b.recall[k]),
            float(a.f1[k]),
            float(b.f1[k]),
            figures,
            only_a,
            only_b,
            p_value,
        )

    def only_right(self, *, second: bool, k: int | None = None) -> Ints:
        """Rows that only one run got right: the second, or the first; all of it, or class ``k``."""
        a, b = self.scores_a.right, self.scores_b.right
        if a.ndim > 1 and k is not None:
            a, b = a[:, k], b[:, k]
        better, other = (b, a) if second else (a, b)
        return np.flatnonzero(self.labels.any_cell(better & ~other) if k is None else better & ~other)

    def to_json(self) -> Json:
        """All of it but the rows, as ``tidyset compare --json`` prints it."""
        f1 = self.figure("macro_f1")
        return {
            "run_a": self.run_a,
            "run_b": self.run_b,
            "split": self.split,
            "labels": self.label_set,
            "task": str(self.labels.task),
            "measure": self.measure,
            "n": len(self),
            "n_groups": self.n_units,
            "n_known": self.n_known,
            "n_unknown": self.labels.n_unknown,
            "n_unlabelled": self.n_unlabelled,
            "n_uncommon": self.n_uncommon,
            "accuracy_a": self.accuracy_a,
            "accuracy_b": self.accuracy_b,
            "difference": self.difference,
            "ci95": list(self.ci95),
            "p_value": self.p_value,
            "macro_f1_a": f1.a,
            "macro_f1_b": f1.b,
            "macro_f1_difference": f1.difference,
            "macro_f1_ci95": None if f1.ci95 is None else list(f1.ci95),
            "counts": self.counts,
            "detectable": self.detectable,
            "outcome": self.outcome,
            "verdict": self.verdict,
            "figures": {one.name: one.to_json() for one in self.figures},
            "classes": [change.to_json() for change in self.class_changes],
        }


def compare(
    a: Predictions,
    b: Predictions,
    item_ids: NDArray[np.str_],
    labels: NDArray[Any],
    split: str,
    *,
    thresholds: tuple[NDArray[Any] | float, NDArray[Any] | float] = (0.5, 0.5),
    names: tuple[str, str] | None = None,
    label_set: str = "given",
    groups: NDArray[Any] | None = None,
    n_draws: int = N_DRAWS,
    on_share: Callable[[float], None] = lambda share: None,
) -> Comparison:
    """Compare two runs on the items of ``split`` that both predicted.

    Args:
        a, b: Their predictions. An item counts only if it is in ``split`` for both, so that no run is
            scored on what it was trained on.
        item_ids: (N,) str, the items whose labels are known.
        labels: (N,) int64, the right answers, -1 unlabeled; or (N, K) 1, 0 and NaN unknown; classes in the
            order of ``a``. Items of which nothing is known are left out.
        split: "train", "val" or "test".
        thresholds: Of each run, from which on a label is yes where items have several; (K,) in its own order
            of classes.
        names: What to call the runs; their ids otherwise.
        label_set: What to call the labels: "given", "corrected" or "suggested".
        groups: (N,) which items belong together and are one draw, such as near copies. With fewer than six
            groups that differ there is no verdict.
        n_draws: Bootstrap draws of the metrics beside the verdict.
        on_share: Called with the share of the draws that is done.

    Raises:
        BadInput: The class names differ, or there is no labeled item in common.
    """
    order = class_order(a, b)
    rows_a, rows_b, n_uncommon = common_rows(a.only(split), b.only(split))
    at = ItemIndex(item_ids).find(rows_a.item_ids)
    truth = Labels.of(labels, a.classes)
    known = np.flatnonzero(at >= 0)
    known = known[truth.take(at[known]).labeled]
    run_a, run_b = names or (a.run, b.run)
    if not len(known):
        raise BadInput(
            f"Runs {run_a!r} and {run_b!r} have no labelled item of the {split} split in common.",
            "Compare two runs of the same data set, on a split that has labels.",
        )
    probs_b = np.empty_like(rows_b.pred_probs[known])
    probs_b[:, order] = rows_b.pred_probs[known]
    cut_b = np.empty(len(order))
    cut_b[order] = np.broadcast_to(np.asarray(thresholds[1], np.float64), len(order))
    answers = truth.take(at[known])
    scores = score(answers, rows_a.pred_probs[known], thresholds[0]), score(answers, probs_b, cut_b)
    own = None if groups is None else np.unique(groups[at[known]], return_inverse=True)[1]
    if own is not None and own.max() + 1 == len(own):
        own = None
    intervals = bootstrap_scores(
        FIGURES[answers.task], *scores, groups=own, n_draws=n_draws, on_share=on_share
    )
    return Comparison(
        run_a,
        run_b,
        split,
        label_set,
        rows_a.item_ids[known],
        *scores,
        intervals,
        own,
        len(rows_a) - len(known),
        n_uncommon,
    )


def same_answers(one: Comparison, other: Comparison) -> bool:
    """Whether both are of the same items with the same right answers."""
    same_ids = np.array_equal(one.item_ids, other.item_ids)
    return same_ids and not one.labels.differs(other.labels).any()


def text_comparison(comparisons: Sequence[Comparison]) -> str:
    """What ``tidyset compare`` prints: each comparison's verdict, counts and changed classes."""
    return "\n\n".join(_one_text(comparison) for comparison in comparisons)


def _one_text(found: Comparison) -> str:
    counts, name = found.counts, found.measure.removeprefix("the ")
    lines = [
        f"On the {LABEL_WORDS[found.label_set]} of the {found.split} split:",
        found.verdict,
        "",
        f"  {name}: {found.accuracy_a:.4f} -> {found.accuracy_b:.4f}",
    ]
    for one in found.figures:
        title = find_metric(one.name, found.labels.task).title
        lines.append(f"  {title}: {one.a:.4f} -> {one.b:.4f}, bootstrap {_interval_words(one)}")
    lines.append(
        f"  both right {counts['both_right']:,}, only {found.run_a} {counts['only_a']:,}, "
        f"only {found.run_b} {counts['only_b']:,}, both wrong {counts['both_wrong']:,}"
    )
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


def _interval_words(one: Figure) -> str:
    if one.ci95 is None:
        return "has too few images for an interval"
    low, high = (f"{100 * bound:+.1f}" for bound in one.ci95)
    return f"95 % interval of the difference {low} to {high} points"


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


def _t_quantile(df: int, z: float) -> float:
    """Of Student's t, from that of the normal distribution: exact to 0.001 from five degrees of freedom on.

    The expansion of Abramowitz and Stegun (1964), 26.7.5, so that a page opens without scipy.
    """
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(sum(term / df**power for power, term in enumerate(terms)))


def _p_words(p_value: float) -> str:
    return "below 0.001" if p_value < 0.001 else f"= {p_value:.3f}"
