"""How long the list of a thousand runs takes, with each run's state and result.

``uv run python benchmarks/run_list.py [--runs 1000] [--quick] [--json]``

Rival: what a first version would do, reading and parsing run.json and the whole of events.jsonl of each run
every time. First: a process that has seen none of the runs. After: the same process again, as on a page that
redraws. The runs have 30 epochs and a progress event a second for five minutes, as a real one has.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.quick import parse
from core.data.catalog import open_dataset
from core.json_text import json_text
from core.runs.recipe import PRESETS
from core.runs.store import create_run, list_runs, status
from core.workspace import Workspace

EPOCHS, PROGRESS = 30, 10


def make(workspace: Workspace, n: int) -> None:
    """n finished runs, their events alike."""
    dataset = open_dataset(workspace, "fashion-mnist-sample")
    first = create_run(workspace, dataset, PRESETS["best"], name="run-0")
    first.events.append("launched")
    first.events.append("started", n_train=4_750, n_val=250, n_test=1_000, epochs=EPOCHS)
    for epoch in range(EPOCHS):
        for step in range(PROGRESS):
            figures = {"train_loss": 0.4321, "train_accuracy": 0.8765, "images_per_second": 812.3}
            first.events.append("progress", epoch=epoch, step=step, n_steps=PROGRESS, share=0.5, **figures)
        first.events.append(
            "epoch", epoch=epoch, train_loss=0.4, valid_loss=0.5, valid_accuracy=0.9, seconds=9.0
        )
    first.events.append("finished", test_accuracy=0.91, test_macro_f1=0.91, valid_accuracy=0.9, seconds=300.0)
    first.lock_file.touch()
    about = json.loads((first.folder / "run.json").read_text())
    events, recipe = first.events_file.read_bytes(), first.recipe_file.read_bytes()
    for number in range(1, n):
        folder = workspace.runs / f"{first.id}-{number:05}"
        folder.mkdir()
        (folder / "events.jsonl").write_bytes(events)
        (folder / "recipe.toml").write_bytes(recipe)
        (folder / "lock").touch()
        (folder / "run.json").write_text(json_text({**about, "name": f"run-{number}"}))


def naive(workspace: Workspace) -> int:
    """The rival: everything is read, every time."""
    found = []
    for folder in workspace.runs.iterdir():
        about = json.loads((folder / "run.json").read_text())
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        found.append((about["created"], events[-1]["type"], events[-1].get("test_accuracy")))
    return len(sorted(found))


def ours(workspace: Workspace) -> int:
    return len([(run, status(run)) for run in list_runs(workspace)])


def seconds(work: Callable[[Workspace], int], workspace: Workspace, n: int) -> float:
    began = time.perf_counter()
    assert work(workspace) == n
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parse(parser, {"runs": 100})
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        make(workspace, arguments.runs)
        first = seconds(ours, workspace, arguments.runs)
        after, rival = [], []
        for _ in range(3):
            rival.append(seconds(naive, workspace, arguments.runs))
            after.append(seconds(ours, workspace, arguments.runs))
    result = {
        "runs": arguments.runs,
        "first_seconds": round(first, 3),
        "after_seconds": round(statistics.median(after), 3),
        "naive_seconds": round(statistics.median(rival), 3),
    }
    if arguments.json:
        print(json_text(result))
        return
    print(f"{arguments.runs:,} runs: first {first:.2f} s, after {result['after_seconds']:.2f} s")
    print(f"reading everything every time: {result['naive_seconds']:.2f} s")


if __name__ == "__main__":
    main()
