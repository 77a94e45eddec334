"""The registry: every metric by name and task, with what a form, a table or a search has to know of it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.data.labels import Labels, Task
from core.errors import BadInput
from core.metrics.scores import Scores, mean_of_classes, score

Floats = NDArray[np.float64]
Per = Literal["whole", "class", "cell"]
Compute = Callable[[Scores], Any]
ENTRY_POINTS = "tidyset.metrics"
"""Entry points of this group name modules whose metrics are added when the registry is first read."""
BOTH_TASKS = (Task.SINGLE_LABEL, Task.MULTI_LABEL)


@dataclass(frozen=True)
class Metric:
    """One figure that says how good predictions are.

    Attributes:
        name: In files, commands and code, such as "macro_f1".
        title: On pages and in charts.
        compute: From Scores: a number; or with ``per="class"`` (K,), with ``per="cell"`` values shaped as the
            labels' cells. NaN is what cannot be told. With ``weighted`` the draws are the first axis of both.
        tasks: Which labels it is for.
        needs: "labels" where predicted labels suffice, "probs" where it takes probabilities.
        higher_is_better: False for losses and errors.
        per: What it is a mean of: the classes or cells that are not NaN.
        weighted: Whether ``compute`` heeds the weights of Scores; what does not is computed draw by draw.
        digits: Decimals where it is written as a number.
        percent: Whether pages write it as percent.
        each_epoch: Whether training computes it after every epoch, on validation images.
        curve: Whether the training curves have a chart of it.
        aliases: Other names by which files and commands of earlier versions know it.
    """

    name: str
    title: str
    compute: Compute
    tasks: tuple[Task, ...] = BOTH_TASKS
    needs: Literal["labels", "probs"] = "labels"
    higher_is_better: bool = True
    per: Per = "whole"
    weighted: bool = False
    digits: int = 4
    percent: bool = False
    each_epoch: bool = True
    curve: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its aliases."""
        return (self.name, *self.aliases)

    def __call__(self, labels: Labels, pred_probs: NDArray[Any], thresholds: Any = 0.5) -> float:
        """The figure of probabilities (N, K); NaN where it cannot be told."""
        return self.value(score(labels, pred_probs, thresholds))

    def value(self, scores: Scores) -> float:
        """The figure of scores without weights; NaN where it cannot be told."""
        return float(self._mean(scores, self._computed(scores)))

    def of_classes(self, scores: Scores) -> Floats | None:
        """(K,) the values that it is the mean of, NaN where a class has none; None for other metrics."""
        return np.asarray(self._computed(scores), np.float64) if self.per == "class" else None

    def of_cells(self, scores: Scores) -> Floats | None:
        """(N,) or (N, K) the values that it is the mean of, NaN where nothing is known; None likewise."""
        return np.asarray(self._computed(scores), np.float64) if self.per == "cell" else None

    def draws(self, scores: Scores) -> tuple[Floats, Floats | None]:
        """Of each draw in the weights of ``scores``, the figure (D,) and those of the classes (D, K).

        Where the figure is no mean over classes, the second is None.
        """
        if self.weighted or self.per == "cell":
            computed = np.asarray(self._computed(scores), np.float64)
        else:
            computed = np.stack([np.asarray(self._computed(one), np.float64) for one in _each_draw(scores)])
        means = computed if self.per == "whole" else self._mean(scores, computed)
        return means, computed if self.per == "class" else None

    def text(self, value: float | None) -> str:
        """As it is written, such as "91.2 %" or "0.9120"; "-" where it cannot be told."""
        if value is None or math.isnan(value):
            return "-"
        return f"{100 * value:.1f} %" if self.percent else f"{value:.{self.digits}f}"

    def better(self, one: float, other: float) -> bool:
        """Whether the first value is better than the second."""
        return one > other if self.higher_is_better else one < other

    def _computed(self, scores: Scores) -> Any:
        return self.compute(scores) if len(scores.labels) else self._nothing(scores)

    def _nothing(self, scores: Scores) -> Any:
        shape: dict[Per, tuple[int, ...]] = {
            "whole": (),
            "class": (len(scores.labels.classes),),
            "cell": scores.labels.known.shape,
        }
        return np.full(shape[self.per], np.nan)

    def _mean(self, scores: Scores, computed: Any) -> Floats:
        if self.per == "whole":
            return np.asarray(computed, np.float64)
        if self.per == "class":
            return mean_of_classes(np.asarray(computed, np.float64))
        return scores.mean_of_cells(np.asarray(computed, np.float64))


def _each_draw(scores: Scores) -> list[Scores]:
    """The images of each draw, as often as they are in it."""
    assert scores.weights is not None
    rows = np.arange(len(scores.labels))
    plain = Scores(scores.labels, scores.predicted, scores.pred_probs, scores.thresholds)
    return [plain.take(np.repeat(rows, one.astype(np.int64))) for one in scores.weights]


_REGISTRY: dict[Task, dict[str, Metric]] = {task: {} for task in BOTH_TASKS}


def metric(name: str, title: str, **about: Any) -> Callable[[Compute], Metric]:
    """Register a function of Scores as a metric; ``about`` are the other attributes of Metric.

    Raises:
        BadInput: A metric of this name, or with it as an alias, is there for the task.

    Example:
        >>> @metric("n_wrong", "Wrong", higher_is_better=False, digits=0)
        ... def n_wrong(scores):
        ...     return (scores.labels.known & ~scores.right).sum()
        >>> unregister(n_wrong)
    """

    def register(compute: Compute) -> Metric:
        made = Metric(name, title, compute, **about)
        for task in made.tasks:
            taken = [other for other in _REGISTRY[task].values() if {*other.names} & {*made.names}]
            if taken:
                raise BadInput(
                    f"There is a metric {taken[0].name!r} for {task} data already.", "Choose another name."
                )
        for task in made.tasks:
            _REGISTRY[task][name] = made
        return made

    return register


def unregister(one: Metric) -> None:
    """Take a metric out of the registry again."""
    for task in one.tasks:
        _REGISTRY[task].pop(one.name, None)


def metrics_for(task: Task | str) -> Mapping[str, Metric]:
    """All metrics of a task by name, in the order in which they are shown; the first is the headline."""
    _load_all()
    return _REGISTRY[Task(task)]


def find_metric(name: str, task: Task | str) -> Metric:
    """The metric of a name or an alias, with hyphens or underscores.

    Raises:
        BadInput: There is none for this task.
    """
    wanted = name.replace("-", "_")
    there = metrics_for(task)
    for one in there.values():
        if wanted in one.names:
            return one
    raise BadInput(
        f"There is no metric {name!r} for {Task(task)} data.", f"Choose one of {', '.join(there)}."
    )


def figure_of(values: Mapping[str, Any], one: Metric, part: str = "") -> float | None:
    """The value of a metric in what a run wrote, by its name or an alias; None where it has none.

    Args:
        values: An event, a summary or metrics.json.
        part: What its name begins with there: "valid" or "test".
    """
    keys = [f"{part}_{name}" if part else name for name in one.names]
    return next((float(values[key]) for key in keys if values.get(key) is not None), None)


def valid_figures(labels: Labels, pred_probs: NDArray[Any]) -> dict[str, float | None]:
    """What an epoch's event says of the validation images: "valid_accuracy" and so on, under every name that
    a metric has; None where it cannot be told.
    """
    scores = score(labels, pred_probs)
    found: dict[str, float | None] = {}
    for one in metrics_for(labels.task).values():
        if one.each_epoch:
            value = one.value(scores)
            found |= {f"valid_{name}": value if math.isfinite(value) else None for name in one.names}
    return found


def epoch_metrics(task: Task | str | None = None) -> dict[str, Metric]:
    """The metrics that training computes after every epoch, of one task or of both, by name."""
    tasks = BOTH_TASKS if task is None else (Task(task),)
    return {n: one for t in tasks for n, one in metrics_for(t).items() if one.each_epoch}


def find_epoch_metric(name: str, task: Task | str | None = None) -> Metric | None:
    """One of those, by a name or an alias, with hyphens or underscores; None where it is none."""
    wanted = name.replace("-", "_")
    return next((one for one in epoch_metrics(task).values() if wanted in one.names), None)


@cache
def _load_all() -> None:
    """Our own metrics, then those of installed packages; one that fails is left out with a warning."""
    import_module("core.metrics.library")
    for point in entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except Exception as error:
            warnings.warn(
                f"The metrics of {point.value} cannot be used ({type(error).__name__}: {error}).",
                stacklevel=2,
            )
