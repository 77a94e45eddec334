"""How far the models can be trusted that say which labels are wrong: how often they are right themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluation.metrics import wilson_interval
from core.quality.label_issues import LabelIssues
from core.training.scores import roc_auc
from core.wording import percent

LEAST_ACCURACY = 0.5
"""Below it more of the judges' contradictions are their own mistakes than not."""

LEAST_AUC = 0.6
"""Below it a model hardly knows more of a label than which answer is usual."""


@dataclass(frozen=True)
class Judges:
    """How good the judging models are on the labels that they judged, none of which they trained on.

    Attributes:
        several: Whether images have several labels.
        value: 0 to 1: accuracy on the labels as they are; of several labels the ROC AUC, mean of the classes.
        interval: Of the accuracy, Wilson's at 95 %; None for the ROC AUC.
        usual: The share of the largest class, which a model has that always names that; one half for the AUC.
    """

    several: bool
    value: float
    interval: tuple[float, float] | None
    usual: float

    @property
    def weak(self) -> bool:
        """Whether what they contradict says little about the labels."""
        if self.interval is None:
            return self.value < LEAST_AUC
        return self.value < LEAST_ACCURACY or self.interval[0] <= self.usual

    def words(self) -> str:
        """How good they are, in a sentence."""
        if self.interval is None:
            return (
                f"On images they did not train on, the judging models have an ROC AUC of {self.value:.3f} "
                "(mean of the classes; one half is a coin)."
            )
        low, high = self.interval
        return (
            f"On images they did not train on, the judging models agree with {percent(self.value)} of "
            f"the labels (95 %: {100 * low:.1f} to {percent(high)}); {percent(self.usual)} are of the "
            "largest class."
        )

    def warning(self) -> str | None:
        """What to make of the list where they are weak; None where they are not."""
        if not self.weak:
            return None
        return (
            "The judging models hardly know these classes: most of what they contradict are their own "
            "mistakes, not wrong labels. Search again with a stronger recipe or more images before you "
            "follow this list."
        )


def judges(found: LabelIssues) -> Judges:
    """How good the models are that made ``found``."""
    if found.about is None:
        right = found.pred_probs.argmax(axis=1) == found.labels
        n_right, n = int(right.sum()), len(right)
        usual = float(np.bincount(found.labels).max() / n)
        return Judges(False, n_right / n, wilson_interval(n_right, n), usual)
    aucs = [
        roc_auc(found.labels[found.about == k] == 1, found.pred_probs[found.about == k, 1])
        for k in np.unique(found.about)
    ]
    return Judges(True, float(np.mean(aucs)), None, 0.5)
