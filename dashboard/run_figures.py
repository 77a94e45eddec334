"""The one figure by which a finished run is named on the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.wording import percent, points


@dataclass(frozen=True)
class Figure:
    """How a run fared on test images.

    Attributes:
        name: "accuracy", or where images have several labels "mean AUC" or "macro F1": there the share of
            right labels says little, since most labels of most images are no.
        value: From 0 to 1.
    """

    name: str
    value: float

    @property
    def text(self) -> str:
        """As it is written: "91.2 %", or "0.912"."""
        return percent(self.value) if self.name == "accuracy" else f"{self.value:.3f}"

    def change_from(self, before: float) -> str:
        """The difference to an earlier value of the same figure, with its sign."""
        change = self.value - before
        return points(change) if self.name == "accuracy" else f"{change:+.3f}"


def figure_of(summary: Mapping[str, Any]) -> Figure | None:
    """The figure of a run by its summary; None where it was scored on no test images."""
    several = (("macro_auc", "mean AUC"), ("macro_f1", "macro F1"))
    names = several if _has_several(summary) else (("accuracy", "accuracy"),)
    found = ((title, summary.get(f"test_{name}")) for name, title in names)
    return next((Figure(title, float(value)) for title, value in found if value is not None), None)


def right_share(summary: Mapping[str, Any], part: str) -> float | None:
    """The share of images of a part, "valid" or "test", that the run got right, with all their labels."""
    value = summary.get(f"{part}_exact_match" if _has_several(summary) else f"{part}_accuracy")
    return None if value is None else float(value)


def _has_several(summary: Mapping[str, Any]) -> bool:
    return summary.get("task") == "multi-label"
