"""Did the edits help? Trainings before and after, on the same test items, and a verdict in one sentence.

Arms are ways to train that differ in their training labels only; each is trained with the same seeds. Two of
them keep the verdict honest: as many random edits (the placebo), and the edited items left out (drop). What
is compared is right answers by known answers: accuracy, or of several labels an image the Hamming score. An
item is one draw with all its answers; those of one image are not independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.labels import Labels, Task
from core.errors import BadInput
from core.evaluation.crossed import LEVEL, Effect, Floats, Ints, Right, crossed, effect, over_groups
from core.evaluation.paired import holm, mcnemar_exact
from core.evaluation.predictions import LABEL_WORDS
from core.files import Json
from core.metrics.bootstrap import N_DRAWS, drawn_weights, percentiles
from core.metrics.scores import Scores

BEFORE, AFTER, PLACEBO, DROP = "before", "after", "placebo", "drop"
ARMS = (BEFORE, AFTER, PLACEBO, DROP)
FIRST_LEVEL, LATER_LEVELS = 0.045, 0.005
MEASURES = {Task.SINGLE_LABEL: "accuracy", Task.MULTI_LABEL: "the Hamming score"}


@dataclass(frozen=True, slots=True)
class ClassEffect:
    """What the edits changed for one class; means over seeds.

    Attributes:
        p_value: Of "its recall is the same", adjusted for all classes at once (Holm).
    """

    name: str
    support: int
    recall_before: float
    recall_after: float
    f1_before: float
    f1_after: float
    difference: float
    p_value: float


@dataclass(frozen=True, eq=False)
class Proof:
    """Arms on the same n labeled test items; differences are minus the arm before the edits.

    Attributes:
        label_set: Which right answers they are scored on: "given" or "corrected".
        seeds: The S seeds that every arm was trained with.
        labels: Of the n items, over K classes.
        predicted: By arm, (S, n) int64 or (S, n, K) bool. "before" and "after" at least.
        groups: (n,) which group each item belongs to, or None: each by itself.
        look: 1 more than the earlier looks at these test images that ended without a verdict.
    """

    label_set: str
    seeds: tuple[int, ...]
    labels: Labels
    predicted: Mapping[str, NDArray[Any]]
    groups: NDArray[Any] | None = None
    look: int = 1

    @property
    def measure(self) -> str:
        """What is compared, in words."""
        return MEASURES[self.labels.task]

    @property
    def level(self) -> float:
        """What p must be below for a verdict, after earlier looks."""
        return look_level(self.look)

    @cached_property
    def asked(self) -> Ints:
        """(n,) known answers of each item."""
        return np.asarray(self.labels.known.reshape(len(self.labels), -1).sum(axis=1), np.int64)

    @cached_property
    def right(self) -> Right:
        """(A, S, n) right answers of each item, the arms in the order of ``predicted``."""
        n = len(self.labels)
        arms = [
            [self.labels.right(one).reshape(n, -1).sum(axis=1) for one in guesses]
            for guesses in self.predicted.values()
        ]
        return np.array(arms, np.int64)

    @cached_property
    def scores(self) -> Mapping[str, list[Scores]]:
        """By arm, the scores of each seed."""
        return {arm: [Scores(self.labels, one) for one in guess] for arm, guess in self.predicted.items()}

    def accuracies(self, arm: str) -> list[float]:
        """Of each seed."""
        found = self.right[list(self.predicted).index(arm)].sum(axis=1) / self.asked.sum()
        return [float(one) for one in found]

    def macro_f1s(self, arm: str) -> list[float]:
        """Of each seed."""
        return [float(one.counts.f1[one.counts.occurs].mean()) for one in self.scores[arm]]

    def accuracy(self, arm: str) -> float:
        """Mean over seeds."""
        return float(np.mean(self.accuracies(arm)))

    def macro_f1(self, arm: str) -> float:
        """Mean over seeds."""
        return float(np.mean(self.macro_f1s(arm)))

    def against(self, first: str, second: str) -> Effect:
        """The effect of ``second`` over ``first``. Raises BadInput when too little was trained."""
        arms = list(self.predicted)
        return effect(
            self.right,
            arms.index(first),
            arms.index(second),
            asked=self.asked,
            groups=self.groups,
            level=self.level,
        )

    @cached_property
    def effect(self) -> Effect:
        """The effect of the edits: after, minus before."""
        return self.against(BEFORE, AFTER)

    @cached_property
    def over_placebo(self) -> Effect | None:
        """The difference of differences, paired by seed and item: what the edits change minus what as many
        random edits change. None where no placebo was trained.
        """
        return self.against(PLACEBO, AFTER) if PLACEBO in self.predicted else None

    @cached_property
    def macro_f1_ci95(self) -> tuple[float, float]:
        """Of the change in macro-F1, from the model of the test, over items and seeds.

        Macro-F1 is no mean over items, so its linear part stands in for it (``macro_f1_parts``).
        """
        values = [[macro_f1_parts(one) for one in self.scores[arm]] for arm in self.predicted]
        arms = list(self.predicted)
        parts = over_groups(np.array(values), self.groups)
        model = crossed(parts, arms.index(BEFORE), arms.index(AFTER))
        middle = self.macro_f1(AFTER) - self.macro_f1(BEFORE)
        shift = middle - model.difference
        return max(-1.0, model.ci95[0] + shift), min(1.0, model.ci95[1] + shift)

    @cached_property
    def bootstrap_ci95(self) -> tuple[float, float]:
        """Of the change in the score of these very models: only the items (or groups) are drawn again."""
        arms = list(self.predicted)
        before, after = (self.right[arms.index(arm)].mean(axis=0) for arm in (BEFORE, AFTER))
        n = len(self.labels)
        units = np.arange(n) if self.groups is None else np.unique(self.groups, return_inverse=True)[1]
        draws = [
            (weights @ (after - before)) / np.maximum(weights @ self.asked, 1)
            for weights in drawn_weights(units, N_DRAWS, 0)
        ]
        return percentiles(np.concatenate(draws))

    @cached_property
    def mcnemar(self) -> list[Json]:
        """Of each seed, the items that one arm answers better, and the exact McNemar test of that pair of
        models (of several answers an item: the sign test).
        """
        rows = []
        arms = list(self.predicted)
        before, after = (self.right[arms.index(arm)] for arm in (BEFORE, AFTER))
        for seed, a, b in zip(self.seeds, before, after, strict=True):
            only_a, only_b = int((a > b).sum()), int((b > a).sum())
            p_value = mcnemar_exact(only_a, only_b)
            rows.append({"seed": seed, "only_before": only_a, "only_after": only_b, "p_value": p_value})
        return rows

    @property
    def p_for_looks(self) -> float:
        """The p-value after paying for earlier looks at these test images; compare it with 0.05."""
        return min(1.0, self.effect.p_value * look_penalty(self.look))

    @property
    def outcome(self) -> str:
        """ "gain" or "loss" (p below the level of this look), else "not proven".

        A gain must also be significantly more than what as many random edits bring.
        """
        if self.p_for_looks >= LEVEL:
            return "not proven"
        if self.effect.difference < 0:
            return "loss"
        return "gain" if self.beats_placebo else "not proven"

    @property
    def beats_placebo(self) -> bool:
        """Whether the edits are significantly better than as many random ones (one-sided, same level)."""
        found = self.over_placebo
        return found is None or (found.difference > 0 and found.p_value / 2 < self.level)

    @property
    def verdict(self) -> str:
        """The outcome in words, with what supports it."""
        found = self.effect
        size = f"{abs(100 * found.difference):.2f} points"
        low, high = (f"{100 * bound:+.2f}" for bound in found.ci95)
        where = (
            f"the same {len(self.labels):,} test images{self._group_words}, mean of {len(self.seeds)} seeds"
        )
        interval = f"95 % interval {low} to {high} points"
        if self.outcome != "not proven":
            word = "Gain: the edits raise" if self.outcome == "gain" else "Loss: the edits lower"
            sureness = f"{interval}, p {_p_words(found.p_value)}"
            return f"{word} {self.measure} by {size} on {where} ({sureness}){self._placebo_words}."
        p_words = f"p {_p_words(found.p_value)}"
        if self.look > 1:
            p_words += f"; the level is {self.level:.2g} after {self.look - 1} looks without a verdict"
        moved = f"rises by {size}" if found.difference > 0 else f"falls by {size}"
        changed = f"{self.measure} {moved if found.difference else 'stays the same'} on {where} ({interval})"
        if self.over_placebo is not None and self.p_for_looks < LEVEL:
            p_words = f"one-sided p {_p_words(self.over_placebo.p_value / 2)}"
            return (
                f"No significant difference from as many random edits ({p_words}): "
                f"{changed}{self._placebo_words}."
            )
        return (
            f"No significant difference ({p_words}): {changed}; minimum detectable difference "
            f"(80 % power) {100 * found.detectable:.2f} points."
        )

    @property
    def _group_words(self) -> str:
        n = self.effect.n_units
        return f" ({n:,} groups)" if n < len(self.labels) else ""

    @property
    def _placebo_words(self) -> str:
        if PLACEBO not in self.predicted:
            return ""
        change = 100 * (self.accuracy(PLACEBO) - self.accuracy(BEFORE))
        return f"; as many random edits change it by {change:+.2f} points"

    @cached_property
    def class_effects(self) -> tuple[ClassEffect, ...]:
        """One entry a class that has test items, in class order."""
        present = np.flatnonzero(self.labels.counts)
        p_values = holm(np.array([self._class_p(int(k)) for k in present]))
        return tuple(self._class_effect(int(k), float(p)) for k, p in zip(present, p_values, strict=True))

    def _class_p(self, index: int) -> float:
        rows = np.flatnonzero(self.labels.belongs(index))
        if len(rows) < 2:
            return 1.0
        arms = list(self.predicted)
        told = np.array([[one.said[rows, index] for one in self.scores[arm]] for arm in arms])
        groups = None if self.groups is None else self.groups[rows]
        if groups is not None and len(np.unique(groups)) < 2:
            return 1.0
        return effect(told, arms.index(BEFORE), arms.index(AFTER), groups=groups).p_value

    def _class_effect(self, index: int, p_value: float) -> ClassEffect:
        def mean(arm: str, name: str) -> float:
            return float(np.mean([one.counts.ratio(name)[index] for one in self.scores[arm]]))

        before, after = mean(BEFORE, "recall"), mean(AFTER, "recall")
        return ClassEffect(
            self.labels.classes[index],
            int(self.labels.counts[index]),
            before,
            after,
            mean(BEFORE, "f1"),
            mean(AFTER, "f1"),
            after - before,
            p_value,
        )

    def to_json(self) -> Json:
        """All figures, as ``tidyset prove --json`` prints them."""
        found, placebo = self.effect, self.over_placebo
        return {
            "labels": self.label_set,
            "measure": self.measure,
            "n": len(self.labels),
            "n_groups": found.n_units,
            "seeds": list(self.seeds),
            "outcome": self.outcome,
            "verdict": self.verdict,
            "difference": found.difference,
            "ci95": list(found.ci95),
            "p_value": found.p_value,
            "level": self.level,
            "p_value_for_looks": self.p_for_looks,
            "minimum_detectable": found.detectable,
            "over_placebo": _effect_json(placebo) if placebo else None,
            "bootstrap_ci95": list(self.bootstrap_ci95),
            "macro_f1_difference": self.macro_f1(AFTER) - self.macro_f1(BEFORE),
            "macro_f1_ci95": list(self.macro_f1_ci95),
            "mcnemar": self.mcnemar,
            "arms": {arm: self._arm_json(arm) for arm in self.predicted},
            "classes": [asdict(one) for one in self.class_effects],
        }

    def _arm_json(self, arm: str) -> Json:
        figures: Json = {
            "accuracy": self.accuracy(arm),
            "accuracy_by_seed": self.accuracies(arm),
            "macro_f1": self.macro_f1(arm),
            "macro_f1_by_seed": self.macro_f1s(arm),
        }
        return figures if arm == BEFORE else figures | _effect_json(self.against(BEFORE, arm))


def _effect_json(found: Effect) -> Json:
    return {"difference": found.difference, "ci95": list(found.ci95), "p_value": found.p_value}


def macro_f1_parts(scores: Scores) -> Floats:
    """(n,) values of the items whose mean is macro-F1, and whose variance is that of macro-F1.

    Its linear part: macro-F1 plus each item's influence on it (the infinitesimal jackknife; Efron and
    Tibshirani 1993, chapter 21).
    """
    counts, known = scores.counts, scores.labels.yes | scores.labels.no
    kept, f1 = np.flatnonzero(counts.occurs), counts.f1
    yes, said = scores.labels.yes[:, kept], (scores.said & known)[:, kept]
    per_item = (counts.support + counts.n_predicted)[kept] / len(yes)
    influence = (2.0 * (yes & said) - f1[kept] * (yes * 1.0 + said)) / per_item
    return np.asarray(f1[kept].mean() + influence.mean(axis=1))


def make_proof(
    classes: tuple[str, ...],
    seeds: tuple[int, ...],
    labels: NDArray[Any],
    predicted: Mapping[str, NDArray[Any]],
    *,
    label_set: str = "given",
    groups: NDArray[Any] | None = None,
    look: int = 1,
) -> Proof:
    """Score arms on the items that have a label.

    Args:
        labels: (N,) int64 the right answers, -1 unlabeled (such items are left out); or (N, K) float, 1 yes,
            0 no, NaN unknown.
        predicted: By arm, (S, N) int64, columns as ``labels``; or (S, N, K) bool.
        label_set: What to call the labels.
        groups: (N,) which group an item belongs to: images that are no independent draws, such as near
            copies or those of one patient. With fewer than six there is never a verdict.
        look: 1 more than the earlier looks that ended without a verdict.

    Raises:
        BadInput: Fewer than two items (or groups) are labeled, or fewer than two seeds.
    """
    answers = Labels.of(labels, classes)
    kept = np.flatnonzero(answers.labeled)
    own = None if groups is None else np.asarray(groups)[kept]
    n_units = len(kept) if own is None else len(np.unique(own))
    if n_units < 2 or len(seeds) < 2:
        raise BadInput(
            f"{n_units} labeled test images (or groups) and {len(seeds)} seeds cannot be tested.",
            "At least two of each are needed; five seeds and some hundred images are a good start.",
        )
    arms = {arm: guess[:, kept] for arm, guess in predicted.items()}
    return Proof(label_set, seeds, answers.take(kept), arms, own, look)


def look_level(look: int) -> float:
    """What p must be below at a look: 0.045 at the first, then 0.005 / (k (k - 1)) at look k.

    Only looks that ended without a verdict count: the levels of looks 1, 2, 3, ... sum to 0.05, so that a
    wrong verdict over all looks has a chance of at most 5 %, however they depend on each other (the online
    fallback procedure of Tian and Ramdas, Statistical Methods in Medical Research 30, 2021).
    """
    return FIRST_LEVEL if look == 1 else LATER_LEVELS / (look * (look - 1))


def look_penalty(look: int) -> float:
    """What the p-value is multiplied by to be compared with 0.05 at any look."""
    return LEVEL / look_level(look)


def text_proof(value: Json) -> str:
    """One proof's JSON form for people: verdict, arms and classes."""
    lines = [f"On the {LABEL_WORDS[value['labels']]} of the test split:", value["verdict"], ""]
    if value.get("n_groups", value["n"]) < value["n"]:
        lines.insert(
            2, f"  {value['n']:,} test images in {value['n_groups']:,} groups that count as one draw each"
        )
    measure = value.get("measure", "accuracy").removeprefix("the ")
    if measure != "accuracy":
        lines.append(f"  accuracy: {measure}, the share of known labels that are answered rightly")
    lines.append("  arm      accuracy  macro-F1   against before, points (95 %)         p")
    for arm, figures in value["arms"].items():
        line = f"  {arm:<8} {figures['accuracy']:.4f}    {figures['macro_f1']:.4f}"
        if "difference" in figures:
            low, high = (100 * bound for bound in figures["ci95"])
            change = f"{100 * figures['difference']:+.2f} ({low:+.2f} to {high:+.2f})"
            line += f"     {change:<33} {figures['p_value']:.3f}"
        lines.append(line)
    low, high = (100 * bound for bound in value["macro_f1_ci95"])
    lines += [
        "",
        f"  macro-F1 changes by {100 * value['macro_f1_difference']:+.2f} points "
        f"(95 % interval over items and seeds: {low:+.2f} to {high:+.2f})",
        f"  minimum detectable difference (80 % power): {100 * value['minimum_detectable']:.2f} points",
    ]
    test = ("only before right", "only after", "McNemar")
    if measure != "accuracy":
        test = ("images better before", "better after", "sign test")
    lines += [
        f"  seed {one['seed']}: {test[0]} {one['only_before']:,}, {test[1]} {one['only_after']:,}, "
        f"exact {test[2]} p {_p_words(one['p_value'])}"
        for one in value["mcnemar"]
    ]
    width = max(len(one["name"]) for one in value["classes"])
    lines += ["", f"  {'class':<{width}}  images  recall before  after    F1 before  after    p (Holm)"]
    lines += [
        f"  {one['name']:<{width}}  {one['support']:>6,}  {one['recall_before']:13.3f}  "
        f"{one['recall_after']:.3f}  {one['f1_before']:11.3f}  {one['f1_after']:.3f}  {one['p_value']:10.3f}"
        for one in value["classes"]
    ]
    return "\n".join(lines)


def _p_words(p_value: float) -> str:
    return "below 0.001" if p_value < 0.001 else f"= {p_value:.3f}"
