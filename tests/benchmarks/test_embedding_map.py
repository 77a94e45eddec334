"""The benchmark of the map would see a bad search or a bad map: its figures are right on small input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import embedding_map
from benchmarks.embedding_map import in_browser, measure_maps, measure_recall, measure_search
from benchmarks.readme import embedding_map as claims


@pytest.fixture
def values() -> np.ndarray:
    """Twenty clouds of 200 points each."""
    rng = np.random.default_rng(0)
    middles = np.repeat(3 * rng.standard_normal((20, 8)), 200, axis=0)
    return (middles + rng.standard_normal(middles.shape)).astype(np.float32)


def test_a_bad_search_is_seen(values: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    assert measure_recall(values)["recall"] == 1
    good = measure_search(values)
    assert good["items"] == 4_000
    assert good["recall_at_10"] > 0.9
    search = embedding_map.search
    monkeypatch.setattr(
        embedding_map, "search", lambda values, index, query, k: search(values, index, -query, k)
    )
    assert measure_search(values)["recall_at_10"] < 0.1


def test_a_bad_map_is_seen(values: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_map, "umap_learn", lambda values: values[:, : sum(range(2_000_000)) and 2])
    monkeypatch.setattr(embedding_map, "our_map", lambda values: np.random.default_rng(0).random((4_000, 2)))
    found = measure_maps(values, rounds=1)
    assert len(found["runs"]["fast-umap"]) == 2 * len(found["runs"]["umap-learn"]) == 2
    assert found["trustworthiness_difference"] < -0.1


def test_a_rival_that_never_came_is_said_so() -> None:
    row: dict[str, Any] = {"points": 10, "who": "plotly", "interactive_seconds": None}
    assert in_browser(row).endswith("not interactive")
    figures = {"seconds": 1.0, "trustworthiness": 0.9}
    result = {
        "items": 10,
        "dimensions": 2,
        "map": {
            "runs": {"fast-umap": [figures], "umap-learn": [figures]},
            "time_ratio": 1.0,
            "cpu_ratio": 1.0,
        },
        "neighbours": {"recall": 1.0},
        "search": {"items": 10, "median_ms": 1, "p99_ms": 2, "recall_at_10": 1, "exact_median_ms": 3},
        "browser": [row, {**row, "who": "ours", "interactive_seconds": 0.5}],
    }
    assert "0.5 s (plotly's scattergl: never s)" in claims(result)[1][1]
