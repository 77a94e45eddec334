"""Two runs on the same images with several labels each: the differences, how sure they are, and a verdict.

Differences are always second run minus first, B - A, over known labels only. Their intervals come from a
paired bootstrap: images are drawn with replacement, each with all its labels and both runs' answers (Efron
and Tibshirani 1993), so that labels of one image are never taken for independent. Whether one label is told
better is an exact McNemar test on its known answers, adjusted for all labels (Holm).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.item_index import ItemIndex
from core.errors import BadInput
from core.evaluation.compare import SIGNIFICANT, class_order, common_rows
from core.evaluation.multilabel import Floats, MultiLabelScores, multilabel_scores
from core.evaluation.multilabel_bootstrap import drawn_figures, mean_of_rows
from core.evaluation.paired import holm, mcnemar_exact
from core.evaluation.predictions import LABEL_WORDS, Predictions
from core.files import Json

N_DRAWS = 1000
TITLES = {"mean_f1": "mean F1 of the images", "macro_auc": "mean ROC AUC", "macro_f1": "macro F1"}
Interval = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of both runs; ``ci95`` is the interval of b - a, None where too few draws have one."""

    name: str
    a: float
    b: float
    ci95: Interval

    @property
    def difference(self) -> float:
        """B minus A."""
        return self.b - self.a


@dataclass(frozen=True, slots=True)
class LabelChange:
    """What changed for one label.

    Attributes:
        n_known: Its known answers among these images.
        auc, f1: Of both runs, with the interval of the difference.
        only_a, only_b: Known answers that only one run got right.
        p_value: Exact McNemar, adjusted for all labels at once (Holm).
    """

    name: str
    n_known: int
    auc: Figure
    f1: Figure
    only_a: int
    only_b: int
    p_value: float


@dataclass(frozen=True, eq=False)
class MultiLabelComparison:
    """Two runs on the same n images; differences are B - A.

    Attributes:
        run_a, run_b: What to call them.
        split, label_set: Of what images, and scored on which labels: "given", "corrected" or "suggested".
        item_ids: (n,) str, the images with a known label.
        scores_a, scores_b: Of both, on the same labels.
        n_uncommon: Images of the split that only one of the runs predicted.
        figures: mean_f1, the headline, then macro_auc and macro_f1.
        labels: One entry a label, in order.
    """

    run_a: str
    run_b: str
    split: str
    label_set: str
    classes: tuple[str, ...]
    item_ids: NDArray[np.str_]
    scores_a: MultiLabelScores
    scores_b: MultiLabelScores
    n_uncommon: int
    figures: tuple[Figure, ...]
    labels: tuple[LabelChange, ...]

    def __len__(self) -> int:
        return len(self.item_ids)

    @cached_property
    def n_known(self) -> int:
        """Known labels."""
        return int(self.scores_a.known.sum())

    @property
    def outcome(self) -> str:
        """ "better" or "worse" (B than A, by mean F1), "same" (equal answers) or "not proven"."""
        headline = self.figures[0]
        if np.array_equal(self.scores_a.predicted, self.scores_b.predicted):
            return "same"
        if headline.ci95 is not None and (headline.ci95[0] > 0 or headline.ci95[1] < 0):
            return "better" if headline.difference > 0 else "worse"
        return "not proven"

    @property
    def verdict(self) -> str:
        """The outcome in words, with what supports it."""
        a, b, headline = self.run_a, self.run_b, self.figures[0]
        of = f"the same {len(self):,} images ({self.n_known:,} known labels)"
        if self.outcome == "same":
            return f"No difference: {a} and {b} give the same answers for {of}."
        size, sure = f"{abs(100 * headline.difference):.1f} points", _in_words(headline)
        if self.outcome != "not proven":
            return f"{b} is {self.outcome} than {a} by {size} of {TITLES['mean_f1']} on {of}; {sure}."
        place = "above" if headline.difference > 0 else "below"
        return (
            f"No difference is proven: {b} is {size} of {TITLES['mean_f1']} {place} {a} on {of}, which "
            f"chance alone explains; {sure}."
        )

    def only_right(self, k: int, second: bool) -> NDArray[np.int64]:
        """Rows whose known label k only one run got right: the second, or the first."""
        right_a, right_b = (_right(scores)[:, k] for scores in (self.scores_a, self.scores_b))
        mask = right_b & ~right_a if second else right_a & ~right_b
        return np.flatnonzero(mask & self.scores_a.known[:, k])

    def to_json(self) -> Json:
        """All of it but the rows, as ``tidyset compare --json`` prints it."""
        return {
            "run_a": self.run_a,
            "run_b": self.run_b,
            "split": self.split,
            "labels": self.label_set,
            "task": "multi-label",
            "n": len(self),
            "n_known": self.n_known,
            "n_unknown": int(self.scores_a.known.size - self.n_known),
            "n_uncommon": self.n_uncommon,
            "outcome": self.outcome,
            "verdict": self.verdict,
            "figures": {one.name: _figure_json(one) for one in self.figures},
            "classes": [
                {**asdict(one), "auc": _figure_json(one.auc), "f1": _figure_json(one.f1)}
                for one in self.labels
            ],
        }


def compare_labels(
    a: Predictions,
    b: Predictions,
    item_ids: NDArray[np.str_],
    labels: NDArray[np.float32],
    split: str,
    *,
    thresholds: tuple[NDArray[Any] | float, NDArray[Any] | float] = (0.5, 0.5),
    names: tuple[str, str] | None = None,
    label_set: str = "given",
    n_draws: int = N_DRAWS,
    seed: int = 0,
    on_share: Callable[[float], None] = lambda share: None,
) -> MultiLabelComparison:
    """Compare two runs on the images of ``split`` that both predicted.

    Args:
        a, b: Their predictions; an image counts only if it is in ``split`` for both.
        item_ids: (N,) str, the images whose labels are given.
        labels: (N, K) 1, 0 and NaN unknown; columns in the order of the classes of ``a``.
        thresholds: Of each run, from which on a label is yes; (K,) in its own order of classes.
        on_share: Told how many of the draws are done, 0 to 1.

    Raises:
        BadInput: The class names differ, or there is no image with a known label in common.
    """
    order = class_order(a, b)
    rows_a, rows_b, n_uncommon = common_rows(a.only(split), b.only(split))
    at = ItemIndex(item_ids).find(rows_a.item_ids)
    known = np.flatnonzero(at >= 0)
    truth = labels[at[known]]
    has_label = ~np.isnan(truth).all(axis=1)
    rows = known[has_label]
    run_a, run_b = names or (a.run, b.run)
    if not len(rows):
        raise BadInput(
            f"Runs {run_a!r} and {run_b!r} have no image of the {split} split with a known label in common.",
            "Compare two runs of the same data set, on a split that has labels.",
        )
    probs_b = np.empty_like(rows_b.pred_probs[rows])
    probs_b[:, order] = rows_b.pred_probs[rows]
    cut_b = np.asarray(thresholds[1], np.float64)
    if cut_b.ndim:
        ordered = np.empty_like(cut_b)
        ordered[order] = cut_b
        cut_b = ordered
    scores_a = multilabel_scores(truth[has_label], rows_a.pred_probs[rows], thresholds[0])
    scores_b = multilabel_scores(truth[has_label], probs_b, cut_b)
    figures, changes = _differences(scores_a, scores_b, a.classes, n_draws, seed, on_share)
    return MultiLabelComparison(
        run_a,
        run_b,
        split,
        label_set,
        a.classes,
        rows_a.item_ids[rows],
        scores_a,
        scores_b,
        n_uncommon,
        figures,
        changes,
    )


def _differences(
    a: MultiLabelScores,
    b: MultiLabelScores,
    classes: Sequence[str],
    n_draws: int,
    seed: int,
    on_share: Callable[[float], None],
) -> tuple[tuple[Figure, ...], tuple[LabelChange, ...]]:
    drawn = [drawn_figures(one, n_draws, seed, in_part(on_share, done, 2)) for done, one in enumerate((a, b))]
    gaps = {name: drawn[1][name] - drawn[0][name] for name in drawn[0]}
    with np.errstate(invalid="ignore"):
        macro = {name: mean_of_rows(gaps[name]) for name in ("auc", "f1")}
    figures = (
        Figure("mean_f1", a.samples("f1"), b.samples("f1"), _interval(gaps["mean_f1"])),
        Figure("macro_auc", a.macro_auc, b.macro_auc, _interval(macro["auc"])),
        Figure("macro_f1", a.macro("f1"), b.macro("f1"), _interval(macro["f1"])),
    )
    only_a, only_b = _discordant(a, b)
    p_values = holm(
        np.array([mcnemar_exact(int(x), int(y)) for x, y in zip(only_a, only_b, strict=True)], np.float64)
    )
    f1_a, f1_b = a.counts.f1, b.counts.f1
    changes = tuple(
        LabelChange(
            name,
            int(a.counts.n[k]),
            Figure("auc", float(a.auc[k]), float(b.auc[k]), _interval(gaps["auc"][:, k])),
            Figure("f1", float(f1_a[k]), float(f1_b[k]), _interval(gaps["f1"][:, k])),
            int(only_a[k]),
            int(only_b[k]),
            float(p_values[k]),
        )
        for k, name in enumerate(classes)
    )
    return figures, changes


def in_part(on_share: Callable[[float], None], done: int, n: int) -> Callable[[float], None]:
    """What the next of ``n`` parts tells its own share to, when ``done`` of them are done."""
    return lambda share: on_share((done + share) / n)


def _right(scores: MultiLabelScores) -> NDArray[np.bool_]:
    """(n, K) whether the answer is the known label; without meaning where it is unknown."""
    return np.asarray(scores.predicted == (scores.labels == 1))


def _discordant(a: MultiLabelScores, b: MultiLabelScores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(K,) known answers that only a, and only b, got right."""
    right_a, right_b = _right(a) & a.known, _right(b) & b.known
    return (right_a & ~right_b).sum(axis=0), (right_b & ~right_a).sum(axis=0)


def _interval(draws: Floats) -> Interval:
    """95 % of the draws lie within; None where fewer than half of them have a value."""
    there = draws[~np.isnan(draws)]
    if 2 * len(there) < len(draws) or not len(there):
        return None
    low, high = np.quantile(there, [0.025, 0.975])
    return float(low), float(high)


def _figure_json(one: Figure) -> Json:
    found = {"a": one.a, "b": one.b, "difference": one.difference}
    plain: Json = {name: None if np.isnan(value) else value for name, value in found.items()}
    return {**plain, "ci95": list(one.ci95) if one.ci95 is not None else None}


def _in_words(one: Figure) -> str:
    if one.ci95 is None:
        return "too few images for an interval"
    return f"95 % interval {100 * one.ci95[0]:+.1f} to {100 * one.ci95[1]:+.1f} points"


def text_comparisons(comparisons: Sequence[MultiLabelComparison]) -> str:
    """What ``tidyset compare`` prints: each comparison's verdict, figures and labels."""
    return "\n\n".join(_one_text(one) for one in comparisons)


def _one_text(found: MultiLabelComparison) -> str:
    lines = [f"On the {LABEL_WORDS[found.label_set]} of the {found.split} split:", found.verdict, ""]
    lines += [
        f"  {TITLES[one.name]:<22} {one.a:.4f} -> {one.b:.4f}   {_in_words(one)}" for one in found.figures
    ]
    width = max(len(one.name) for one in found.labels)
    head = f"{'known':>7}  {'AUC':>17}  {'95 % interval':>16}  {'F1':>17}  {'95 % interval':>16}  p (Holm)"
    lines += ["", f"  {'label':<{width}}  {head}"]
    for one in found.labels:
        cells = (f"{_pair(part)}  {_ends(part):>16}" for part in (one.auc, one.f1))
        mark = " *" if one.p_value < SIGNIFICANT else ""
        lines.append(
            f"  {one.name:<{width}}  {one.n_known:>7,}  {'  '.join(cells)}  {one.p_value:8.3f}{mark}"
        )
    return "\n".join(lines)


def _pair(one: Figure) -> str:
    return f"{'-':>17}" if np.isnan(one.a) or np.isnan(one.b) else f"{one.a:7.3f} -> {one.b:.3f} "


def _ends(one: Figure) -> str:
    return "-" if one.ci95 is None else f"{one.ci95[0]:+.3f} to {one.ci95[1]:+.3f}"
