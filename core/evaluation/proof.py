"""Did the edits help? Trainings before and after, on the same test items, and a verdict in one sentence.

Arms are ways to train that differ in their training labels only; each is trained with the same seeds. Two of
them keep the verdict honest: as many random edits (the placebo), and the edited items left out (drop).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import is_labelled
from core.errors import BadInput
from core.evaluation.crossed import Effect, Intervals, Right, bootstrap, effect
from core.evaluation.metrics import Floats, scores
from core.evaluation.paired import holm, mcnemar_exact
from core.evaluation.predictions import LABEL_WORDS
from core.files import Json

BEFORE, AFTER, PLACEBO, DROP = "before", "after", "placebo", "drop"
ARMS = (BEFORE, AFTER, PLACEBO, DROP)
SIGNIFICANT = 0.05


class ArmScores(Protocol):
    """Of one training: what a proof compares. Arrays are (K,), NaN for a class without test items."""

    @property
    def accuracy(self) -> float:
        """Right answers by answers."""

    @property
    def macro_f1(self) -> float:
        """Mean of ``f1`` over the classes."""

    @property
    def recall(self) -> Floats:
        """Of each class."""

    @property
    def f1(self) -> Floats:
        """Of each class."""


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
    """Arms on the same n labelled test items; differences are minus the arm before the edits.

    Attributes:
        label_set: Which right answers they are scored on: "given" or "corrected".
        classes: K class names.
        seeds: The S seeds that every arm was trained with.
        labels: (n,) int64, the right answers; of several labels: core.evaluation.proof_several.
        predicted: By arm, (S, n) int64. "before" and "after" at least.
        look: 1 for the first verdict on these edits; each later one must show more (``look_penalty``).
    """

    label_set: str
    classes: tuple[str, ...]
    seeds: tuple[int, ...]
    labels: NDArray[Any]
    predicted: Mapping[str, NDArray[Any]]
    look: int = 1

    measure: ClassVar[str] = "accuracy"

    @cached_property
    def right(self) -> Right:
        """(A, S, n), the arms in the order of ``predicted``."""
        return np.stack([guesses == self.labels for guesses in self.predicted.values()])

    @cached_property
    def scores(self) -> Mapping[str, Sequence[ArmScores]]:
        """By arm, the scores of each seed."""
        return {
            arm: [scores(self.labels, guess, len(self.classes)) for guess in guesses]
            for arm, guesses in self.predicted.items()
        }

    def accuracy(self, arm: str) -> float:
        """Mean over seeds."""
        return float(np.mean([one.accuracy for one in self.scores[arm]]))

    def macro_f1(self, arm: str) -> float:
        """Mean over seeds."""
        return float(np.mean([one.macro_f1 for one in self.scores[arm]]))

    def against(self, first: str, second: str) -> Effect:
        """The effect of ``second`` over ``first``. Raises BadInput when too little was trained."""
        arms = list(self.predicted)
        return effect(self.right, arms.index(first), arms.index(second), most=self.answers_each)

    @property
    def answers_each(self) -> float:
        """How many answers a test item has on average."""
        return 1.0

    @cached_property
    def effect(self) -> Effect:
        """The effect of the edits: after, minus before."""
        return self.against(BEFORE, AFTER)

    @cached_property
    def intervals(self) -> Intervals:
        """Bootstrap intervals, over items and seeds, of what the edits change."""
        before, after = self.predicted[BEFORE], self.predicted[AFTER]
        return bootstrap(self.labels, before, after, len(self.classes))

    @cached_property
    def mcnemar(self) -> list[Json]:
        """Of each seed, the items that one arm answers better, and the exact McNemar test of that pair of
        models (of several answers an item: the sign test).
        """
        rows = []
        arms = list(self.predicted)
        before, after = (self.right[arms.index(arm)].astype(np.int64) for arm in (BEFORE, AFTER))
        for seed, a, b in zip(self.seeds, before, after, strict=True):
            only_a, only_b = int((a > b).sum()), int((b > a).sum())
            p_value = mcnemar_exact(only_a, only_b)
            rows.append({"seed": seed, "only_before": only_a, "only_after": only_b, "p_value": p_value})
        return rows

    @property
    def p_for_looks(self) -> float:
        """The p-value after paying for earlier looks at the same edits."""
        return min(1.0, self.effect.p_value * look_penalty(self.look))

    @property
    def outcome(self) -> str:
        """ "gain" or "loss" (p below 0.05, earlier looks paid for), else "not proven".

        A gain must also be more than what as many random edits bring.
        """
        found = self.effect
        if self.p_for_looks >= SIGNIFICANT:
            return "not proven"
        if found.difference < 0:
            return "loss"
        return "not proven" if self._placebo_does_as_well else "gain"

    @property
    def _placebo_does_as_well(self) -> bool:
        return PLACEBO in self.predicted and self.accuracy(PLACEBO) >= self.accuracy(AFTER)

    @property
    def verdict(self) -> str:
        """The outcome in one sentence, with what supports it."""
        found = self.effect
        size = f"{abs(100 * found.difference):.2f} points"
        low, high = (f"{100 * bound:+.2f}" for bound in found.ci95)
        where = f"the same {len(self.labels):,} test images, mean of {len(self.seeds)} seeds"
        sureness = f"95 % interval {low} to {high} points, p {_p_words(found.p_value)}"
        if self.outcome != "not proven":
            word = "Gain: the edits raise" if self.outcome == "gain" else "Loss: the edits lower"
            what = f"{word} {self.measure} by {size} on {where} ({sureness})"
            return f"{what}{self._placebo_words}{self._look_words}."
        if self.p_for_looks >= SIGNIFICANT > found.p_value:
            moved = "rises" if found.difference > 0 else "falls"
            return (
                f"Not proven: {self.measure} {moved} by {size} on {where} ({sureness}), but who looks again "
                f"and again finds something sooner or later{self._look_words}."
            )
        if found.p_value < SIGNIFICANT:
            return (
                f"Not proven: {self.measure} rises by {size} on {where} ({sureness}), "
                f"but as many random edits raise it as much{self._placebo_words}."
            )
        moved = (
            f"{self.measure} {'rises' if found.difference > 0 else 'falls'} by {size}"
            if found.difference
            else f"{self.measure} stays the same"
        )
        return (
            f"Not proven: {moved} on {where}, which luck alone could explain ({sureness}); the smallest gain "
            f"that this test set would show four times in five is {100 * found.detectable:.2f} points"
            f"{self._look_words}."
        )

    @property
    def _placebo_words(self) -> str:
        if PLACEBO not in self.predicted:
            return ""
        change = 100 * (self.accuracy(PLACEBO) - self.accuracy(BEFORE))
        return f"; as many random edits change it by {change:+.2f} points"

    @property
    def _look_words(self) -> str:
        if self.look == 1:
            return ""
        penalty = look_penalty(self.look)
        return (
            f"; this is look {self.look} at the same edits, where p counts {penalty} times: "
            f"{_p_words(self.p_for_looks).removeprefix('= ')}"
        )

    @cached_property
    def class_effects(self) -> tuple[ClassEffect, ...]:
        """One entry a class that has test items, in class order."""
        present = [k for k in range(len(self.classes)) if self.right_of(k).shape[2]]
        p_values = holm(np.array([self._class_p(int(c)) for c in present]))
        return tuple(self._class_effect(int(c), float(p)) for c, p in zip(present, p_values, strict=True))

    def right_of(self, index: int) -> Right:
        """(A, S, m) whether the m test items of a class are answered rightly."""
        return self.right[:, :, self.labels == index]

    def _class_p(self, index: int) -> float:
        right = self.right_of(index)
        arms = list(self.predicted)
        if right.shape[2] < 2:
            return 1.0
        return effect(right, arms.index(BEFORE), arms.index(AFTER)).p_value

    def _class_effect(self, index: int, p_value: float) -> ClassEffect:
        recall = {arm: _mean([one.recall[index] for one in self.scores[arm]]) for arm in (BEFORE, AFTER)}
        f1 = {arm: _mean([one.f1[index] for one in self.scores[arm]]) for arm in (BEFORE, AFTER)}
        return ClassEffect(
            self.classes[index],
            self.right_of(index).shape[2],
            recall[BEFORE],
            recall[AFTER],
            f1[BEFORE],
            f1[AFTER],
            recall[AFTER] - recall[BEFORE],
            p_value,
        )

    def to_json(self) -> Json:
        """All figures, as ``tidyset prove --json`` prints them."""
        found, intervals = self.effect, self.intervals
        return {
            "labels": self.label_set,
            "measure": self.measure,
            "n": len(self.labels),
            "seeds": list(self.seeds),
            "outcome": self.outcome,
            "verdict": self.verdict,
            "difference": found.difference,
            "ci95": list(found.ci95),
            "p_value": found.p_value,
            "p_value_for_looks": self.p_for_looks,
            "minimum_detectable": found.detectable,
            "bootstrap_ci95": list(intervals.accuracy),
            "macro_f1_difference": self.macro_f1(AFTER) - self.macro_f1(BEFORE),
            "macro_f1_ci95": list(intervals.macro_f1),
            "mcnemar": self.mcnemar,
            "arms": {arm: self._arm_json(arm) for arm in self.predicted},
            "classes": [
                {name: getattr(change, name) for name in ClassEffect.__dataclass_fields__}
                for change in self.class_effects
            ],
        }

    def _arm_json(self, arm: str) -> Json:
        figures: Json = {
            "accuracy": self.accuracy(arm),
            "accuracy_by_seed": [one.accuracy for one in self.scores[arm]],
            "macro_f1": self.macro_f1(arm),
            "macro_f1_by_seed": [one.macro_f1 for one in self.scores[arm]],
        }
        if arm != BEFORE:
            found = self.against(BEFORE, arm)
            figures |= {
                "difference": found.difference,
                "ci95": list(found.ci95),
                "p_value": found.p_value,
            }
        return figures


def make_proof(
    classes: tuple[str, ...],
    seeds: tuple[int, ...],
    labels: NDArray[Any],
    predicted: Mapping[str, NDArray[Any]],
    *,
    label_set: str = "given",
    look: int = 1,
) -> Proof:
    """Score arms on the items that have a label.

    Args:
        labels: (N,) int64 the right answers, -1 unlabelled (such items are left out); or (N, K) float, 1 yes,
            0 no, NaN unknown.
        predicted: By arm, (S, N) int64, columns as ``labels``; or (S, N, K) bool.
        label_set: What to call the labels.
        look: 1 for the first verdict on these edits.

    Raises:
        BadInput: Fewer than two items are labelled, or fewer than two seeds.
    """
    kept = np.flatnonzero(is_labelled(labels))
    if len(kept) < 2 or len(seeds) < 2:
        raise BadInput(
            f"{len(kept)} labelled test images and {len(seeds)} seeds cannot prove anything.",
            "At least two of each are needed; three seeds and some hundred images are a good start.",
        )
    arms = {arm: guess[:, kept] for arm, guess in predicted.items()}
    if labels.ndim == 2:
        from core.evaluation.proof_several import SeveralProof

        return SeveralProof(label_set, classes, seeds, labels[kept], arms, look)
    return Proof(label_set, classes, seeds, labels[kept], arms, look)


def look_penalty(look: int) -> int:
    """What the p-value of look 1, 2, 3, ... at the same edits is multiplied by: 1, 3, 6, ...

    Look k is so held to the level 0.05 * 2 / (k (k + 1)); over any number of looks these sum to below 0.1.
    """
    return look * (look + 1) // 2


def text_proof(value: Json) -> str:
    """One proof's JSON form for people: verdict, arms and classes."""
    lines = [f"On the {LABEL_WORDS[value['labels']]} of the test split:", value["verdict"], ""]
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
        f"(95 % bootstrap over items and seeds: {low:+.2f} to {high:+.2f})",
        f"  smallest gain that this would show four times in five: "
        f"{100 * value['minimum_detectable']:.2f} points",
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


def _mean(values: list[np.float64]) -> float:
    return float(np.mean(values))


def _p_words(p_value: float) -> str:
    return "below 0.001" if p_value < 0.001 else f"= {p_value:.3f}"
