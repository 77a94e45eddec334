"""What says how good a model is: the registry of metrics, the scores they are computed from, one bootstrap.

A metric is added in one place, ``library.py`` or a package's own module named by the entry-point group
``tidyset.metrics``; training, tuning, reports, commands and pages read the registry.

Example:
    >>> import numpy as np
    >>> from core.data.labels import Labels
    >>> labels = Labels.of(np.array([0, 1, 1]), ["cat", "dog"])
    >>> probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    >>> round(find_metric("accuracy", labels.task)(labels, probs), 3)
    0.667
"""

from core.metrics.registry import (
    Metric,
    epoch_metrics,
    figure_of,
    find_epoch_metric,
    find_metric,
    metric,
    metrics_for,
    valid_figures,
)
from core.metrics.scores import Counts, Scores, mean_of_classes, score

__all__ = [
    "Counts",
    "Metric",
    "Scores",
    "epoch_metrics",
    "figure_of",
    "find_epoch_metric",
    "find_metric",
    "mean_of_classes",
    "metric",
    "metrics_for",
    "score",
    "valid_figures",
]
