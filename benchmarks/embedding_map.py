"""A map of 70,000 x 128 features: how long it takes, how good it is, how it moves; search among a million.

``uv run python benchmarks/embedding_map.py [--rounds 1] [--features FILE.npy] [--no-browser]
[--quick] [--json]``

Rival for the map: ``umap.UMAP().fit_transform(features)``, all defaults: no seed, so in all threads. In
turns: ours, umap-learn, ours. Both compiled before, on 2,000 points; timed is the way from features to
coordinates. Quality of both is measured alike, on the same 2,000 points (core.embeddings.quality).

The features are those of a `fast` run on full Fashion-MNIST with width 16, which has 128; it is trained first
(two minutes) unless --features names a file with such an array. The million: these, and points drawn at
random between an image and one of its ten nearest. A query is one of them; none is asked twice.

The browser's part, with plotly's scattergl as rival, is map_in_browser.py.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.map_in_browser import SIZES
from benchmarks.map_in_browser import measure as measure_browser
from benchmarks.quick import parse
from core.data.catalog import open_dataset
from core.embeddings.features import FeatureSource, features_of
from core.embeddings.layout import fuzzy_graph, lay_out
from core.embeddings.neighbours import (
    build_index,
    most_similar,
    nearest,
    neighbour_graph,
    recall,
    search,
)
from core.embeddings.projection import principal_components
from core.embeddings.quality import map_quality
from core.json_text import json_text
from core.runs.recipe import PRESETS
from core.runs.store import create_run, status
from core.workspace import Workspace

N_NEIGHBOURS = 15
N_SAMPLED = 2_000
N_QUERIES, N_EXACT = 200, 50
MILLION = 1_000_000


QUICK = {"data": "fashion-mnist-sample", "million": 20_000, "sizes": [10_000]}


def trained_features(data: str) -> np.ndarray:
    """(N, 128) float32, of a run that is trained in a workspace of its own."""
    from core.worker import work

    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        dataset = open_dataset(workspace, data)
        run = create_run(workspace, dataset, PRESETS["fast"].with_changes({"width": 16}))
        if work(run.folder):
            sys.exit(status(run).error)
        return np.array(features_of(workspace, dataset, FeatureSource("run", run.id)).values)


def our_map(values: np.ndarray) -> np.ndarray:
    """What the worker does for method fast-umap, from features to coordinates."""
    start = principal_components(values)
    rows, distances = neighbour_graph(values, N_NEIGHBOURS - 1)
    return lay_out(fuzzy_graph(rows, distances), start)


def umap_learn(values: np.ndarray) -> np.ndarray:
    import umap

    return umap.UMAP().fit_transform(values)


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """The result, and seconds by the clock and of all processors together."""
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, {
        "seconds": round(time.perf_counter() - clock, 2),
        "cpu_seconds": round(time.process_time() - processor, 2),
    }


def measure_maps(values: np.ndarray, rounds: int) -> dict[str, Any]:
    for method in (our_map, umap_learn):
        method(values[:: max(1, len(values) // 2_000)])
    rows: dict[str, list[dict[str, float]]] = {"fast-umap": [], "umap-learn": []}
    for turn in range(rounds):
        order = [("fast-umap", our_map), ("umap-learn", umap_learn), ("fast-umap", our_map)]
        for name, method in order:
            xy, cost = timed(lambda method=method: method(values))
            found = map_quality(values, xy, None, 0, n_sampled=N_SAMPLED)
            assert found is not None
            quality = {name: round(getattr(found, name), 4) for name in ("trustworthiness", "continuity")}
            rows[name].append({"turn": turn, **cost, **quality})
            print(f"{name}: {rows[name][-1]}", file=sys.stderr, flush=True)
    ours, rival = (
        {key: statistics.mean(row[key] for row in rows[name]) for key in rows[name][0]}
        for name in ("fast-umap", "umap-learn")
    )
    return {
        "runs": rows,
        "time_ratio": round(ours["seconds"] / rival["seconds"], 3),
        "cpu_ratio": round(ours["cpu_seconds"] / rival["cpu_seconds"], 3),
        "trustworthiness_difference": round(ours["trustworthiness"] - rival["trustworthiness"], 4),
    }


def measure_recall(values: np.ndarray) -> dict[str, Any]:
    """Of the neighbours that the map is made from."""
    drawn = np.sort(np.random.default_rng(0).choice(len(values), N_SAMPLED, replace=False))
    (found, _), cost = timed(lambda: neighbour_graph(values, N_NEIGHBOURS - 1))
    exact, _ = nearest(values, values[drawn], N_NEIGHBOURS)
    others = np.stack([row[row != own][: N_NEIGHBOURS - 1] for row, own in zip(exact, drawn, strict=True)])
    return {"recall": round(recall(found[drawn], others), 4), **cost}


def a_million(values: np.ndarray, n: int = MILLION) -> np.ndarray:
    """``n`` vectors between neighbours."""
    rows, _ = neighbour_graph(values, 10)
    rng = np.random.default_rng(0)
    out = np.resize(values, (n, values.shape[1]))
    for start in range(len(values), n, 50_000):
        block = out[start : start + 50_000]
        owners = np.arange(start, start + len(block)) % len(values)
        others = values[rows[owners, rng.integers(0, 10, len(block))]]
        block += rng.random((len(block), 1), np.float32) * (others - block)
    return out


def measure_search(values: np.ndarray) -> dict[str, Any]:
    """One image among a million: by the index and exactly, one query at a time."""
    index, building = timed(lambda: build_index(values))
    drawn = np.random.default_rng(1).choice(len(values), N_QUERIES, replace=False)
    by_index = [clocked(lambda row=row: search(values, index, values[row], 11)) for row in drawn.tolist()]
    exactly = [
        clocked(lambda row=row: most_similar(values, values[row], 11)) for row in drawn[:N_EXACT].tolist()
    ]
    truth, found = (np.stack([rows[1:] for (rows, _), _ in part[:N_EXACT]]) for part in (exactly, by_index))
    times, exact_times = ([ms for _, ms in part] for part in (by_index, exactly))
    return {
        "items": len(values),
        "median_ms": round(statistics.median(times), 1),
        "p99_ms": round(float(np.quantile(times, 0.99)), 1),
        "exact_median_ms": round(statistics.median(exact_times), 1),
        "recall_at_10": round(recall(found, truth), 4),
        "index_seconds": building["seconds"],
    }


def clocked(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result, and milliseconds by the clock."""
    began = time.perf_counter()
    result = work()
    return result, 1_000 * (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--data", default="fashion-mnist", help="whose images are trained on")
    parser.add_argument("--million", type=int, default=MILLION, help="vectors to search among")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="points in Chromium")
    parser.add_argument("--features", type=Path, help="an .npy file with (n, D) float32")
    parser.add_argument("--no-browser", action="store_true", help="leave the part in Chromium out")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parse(parser, QUICK)
    file = arguments.features
    values = np.load(file, allow_pickle=False) if file else trained_features(arguments.data)
    result = {
        "items": len(values),
        "dimensions": values.shape[1],
        "cores": os.cpu_count(),
        "map": measure_maps(values, arguments.rounds),
        "neighbours": measure_recall(values),
        "search": measure_search(a_million(values, arguments.million)),
        "browser": [] if arguments.no_browser else measure_browser(tuple(arguments.sizes)),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json_text(result) if arguments.json else as_text(result))


def as_text(result: dict[str, Any]) -> str:
    lines = [f"{result['items']:,} x {result['dimensions']} features, {result['cores']} cores", ""]
    lines += [
        f"{name:<12}{row['seconds']:8.1f} s{row['cpu_seconds']:8.1f} s of processors   "
        f"trustworthiness {row['trustworthiness']:.4f}   continuity {row['continuity']:.4f}"
        for name, rows in result["map"]["runs"].items()
        for row in rows
    ]
    found, searched = result["neighbours"], result["search"]
    return "\n".join([
        *lines,
        f"time ratio {result['map']['time_ratio']:.2f}, of processors {result['map']['cpu_ratio']:.2f}; "
        f"trustworthiness {result['map']['trustworthiness_difference']:+.4f} (limit: -0.01)",
        f"neighbours: {found['recall']:.1%} of the exact ones in {found['seconds']:.1f} s",
        f"one among {searched['items']:,}: median {searched['median_ms']:.1f} ms, 99th percentile "
        f"{searched['p99_ms']:.1f} ms (limit: 50), {searched['recall_at_10']:.1%} of the exact 10 "
        f"(exact: {searched['exact_median_ms']:.0f} ms; index: {searched['index_seconds']:.0f} s)",
        *map(in_browser, result["browser"]),
    ])  # fmt: skip


def in_browser(row: dict[str, Any]) -> str:
    """A line of the browser's part."""
    start = f"{row['points']:>9,} points, {row['who']:<7}"
    if row["interactive_seconds"] is None:
        return f"{start} not interactive"
    return (
        f"{start} interactive in {row['interactive_seconds']:6.2f} s, "
        f"a frame {row['frame_median_ms']:6.1f} ms (95th percentile {row['frame_p95_ms']:.0f}); "
        f"MB at most: server {row['server_mb']}, "
        f"tab {row['tab_mb']}, WebGL {row['gpu_mb']}"
    )


if __name__ == "__main__":
    main()
