"""The figure of a comparison of what is done with unknown labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.files import Json
from dashboard.charts.intervals import differences

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def against_masked(value: Json, titles: Mapping[str, str]) -> Figure:
    """Of each way the difference in mean ROC AUC to a masked loss, in points, with its interval."""
    rows = [one for one in value["ways"] if one["against_masked"]]
    return differences(
        [
            (titles[one["way"]], one["against_masked"]["macro_auc"], f"ROC AUC {one['macro_auc']:.3f}")
            for one in reversed(rows)
        ],
        "Mean ROC AUC minus that of masked, in points",
    )
