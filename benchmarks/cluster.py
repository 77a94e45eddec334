"""What a Ray cluster gains and costs: eight trials on two of its workers against one, and against no Ray.

``uv run python benchmarks/cluster.py [--trials 8] [--repeats 3] [--quick] [--json]``

The cluster has two nodes (two raylets, over loopback) of one processor each on this machine. The same search,
`tidyset tune` with a fixed number of epochs and nothing broken off, is done in a plain process, in two
processes of the local engine, and on one and two workers of the cluster, each in a workspace of its own, so
that nothing is found in a cache. The ways take turns, so that what else the machine does meets them alike.
Two workers cannot gain more here than two processes do; where the two processors are threads of one core,
that is less than two. Overhead of Ray: one worker against the plain process, the whole command (joining the
cluster and starting the worker count).

One run trained by two workers, in float32: how far its probabilities on the test images are from those of one
process, beside how far one process with two threads is from one with one, where nothing differs but the order
in which numbers are added up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.million import command
from benchmarks.quick import parse, skip
from core.evaluation.predictions import load_predictions
from core.json_text import json_text
from core.runs.store import find_run
from core.workspace import Workspace

DATA = "fashion-mnist-sample"
RECIPE = ("--recipe", "fast", "--set", "threads=1", "--set", "precision=fp32")
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
ATTEMPTS = 3


@contextmanager
def cluster() -> Iterator[str]:
    """The address of a cluster of two nodes of one processor each."""
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        skip("needs Ray: uv sync --extra cluster")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for attempt in range(ATTEMPTS):  # on a busy machine Ray gives up after 15 seconds (its issue 65983)
        made = Cluster()
        try:
            made.add_node(**NODE, include_dashboard=False)
            made.add_node(**NODE)
            break
        except Exception:  # Ray raises no other
            made.shutdown()
            if attempt == ATTEMPTS - 1:
                raise
    try:
        yield str(made.address)
    finally:
        made.shutdown()


def seconds_of_search(options: argparse.Namespace, *where: str) -> float:
    """The whole command ``tidyset tune``, in a workspace of its own."""
    with tempfile.TemporaryDirectory() as folder:
        taken, printed = command(
            Workspace(Path(folder)),
            *("tune", "--data", DATA, *RECIPE, "--set", f"width={options.width}"),
            *("--set", f"epochs={options.epochs}", "--trials", str(options.trials), "--no-prune"),
            *("--space", "learning_rate=1e-3..3e-2:log", *where, "--json"),
        )
    n_finished = json.loads(printed)["n_by_state"]["finished"]
    assert n_finished == options.trials, printed
    return taken["seconds"]


def searches(options: argparse.Namespace, address: str) -> dict[str, list[float]]:
    """Seconds by way, each ``repeats`` times, in turns."""
    on_ray = ("--engine", "ray", "--address", address, "--workers")
    ways = {
        "plain": (),
        "two_processes": ("--workers", "2"),
        "one_on_ray": (*on_ray, "1"),
        "two_on_ray": (*on_ray, "2"),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.repeats):
        for name, where in ways.items():
            found[name].append(seconds_of_search(options, *where))
    return found


def one_run(options: argparse.Namespace, address: str) -> dict[str, Any]:
    """One run by one process (with one thread, with two), two local workers, and two on the cluster."""
    ways = {
        "one_process": (),
        "two_threads": ("--set", "threads=2"),
        "two_workers": ("--workers", "2"),
        "two_on_ray": ("--engine", "ray", "--address", address, "--workers", "2"),
    }
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        arguments = ("train", "--data", DATA, *RECIPE, "--set", f"width={options.width}")
        arguments = (*arguments, "--set", f"epochs={options.epochs}", "--json")
        seconds, probabilities, accuracy = {}, {}, {}
        for name, where in ways.items():
            taken, _ = command(workspace, *arguments, "--name", name.replace("_", "-"), *where)
            run = find_run(workspace, name.replace("_", "-"))
            predictions = load_predictions(run.predictions_file)
            in_test = predictions.split == "test"
            seconds[name] = taken["seconds"]
            probabilities[name] = predictions.pred_probs[in_test]
            accuracy[name] = float(np.mean((predictions.predicted == predictions.labels)[in_test]))
    base = probabilities["one_process"]
    return {
        "n_images": len(base),
        "seconds": seconds,
        "accuracy": accuracy,
        "against_one_process": {
            name: {
                "largest_difference": float(np.abs(probabilities[name] - base).max()),
                "mean_difference": float(np.abs(probabilities[name] - base).mean()),
                "same_prediction": float(np.mean(probabilities[name].argmax(1) == base.argmax(1))),
            }
            for name in ways
            if name != "one_process"
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=4, help="of each training")
    parser.add_argument("--width", type=int, default=16, help="channels of the first layer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parse(parser, {"trials": 2, "epochs": 1, "width": 4, "repeats": 1})
    os.environ["TIDYSET_WORKER_NICE"] = "0"  # Ray's workers have the priority of the cluster: alike for all
    load_before = os.getloadavg()[0]
    with cluster() as address:
        seconds = searches(options, address)
        equality = one_run(options, address)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    result = {
        "trials": options.trials,
        "epochs": options.epochs,
        "width": options.width,
        "repeats": options.repeats,
        "cores": os.cpu_count(),
        "load_before": round(load_before, 1),
        "load_after": round(os.getloadavg()[0], 1),
        "seconds": seconds,
        "speed_up_on_ray": round(median["one_on_ray"] / median["two_on_ray"], 3),
        "speed_up_of_processes": round(median["plain"] / median["two_processes"], 3),
        "ray_against_plain": round(median["one_on_ray"] / median["plain"], 3),
        "ray_adds_seconds": round(median["one_on_ray"] - median["plain"], 2),
        "one_run": equality,
    }
    print(json_text(result, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
