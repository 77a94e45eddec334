"""How good predictions are, by every metric that Tidyset knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.metrics import metrics_for, score
from tidyset.label_issues import checked


def metrics(
    labels: Any, pred_probs: Any, *, classes: Sequence[str] | None = None, thresholds: Any = 0.5
) -> dict[str, float]:
    """Score predictions by all metrics that fit the labels.

    Args:
        labels: (N,) class indices, -1 for none; or (N, K) of 1, 0 and NaN for unknown.
        pred_probs: (N, K) probabilities. With one label an image, rows sum to one.
        classes: K names; only errors name them.
        thresholds: Where images have several labels, the probability from which on the answer is yes: one for
            all, or (K,).

    Returns:
        By name, such as "macro_f1"; NaN for what cannot be told, as the AUC of classes that never occur.

    Raises:
        BadInput: The arrays do not fit together.

    Example:
        >>> import numpy as np, tidyset
        >>> found = tidyset.metrics(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
        >>> round(found["accuracy"], 3), round(found["macro_f1"], 3)
        (0.667, 0.667)
    """
    values, probs = checked(np.asarray(labels), np.asarray(pred_probs), classes)
    found = score(values, probs, thresholds)
    return {name: one.value(found) for name, one in metrics_for(values.task).items()}
