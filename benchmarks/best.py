"""How good it gets: the ``best`` preset on Fashion-MNIST, through the same worker that the app launches.

``uv run python benchmarks/best.py [--seeds 0 1] [--out FOLDER] [--set k=v] [--quick] [--json]``

Each seed is a run in the workspace FOLDER. A seed that is finished there is not trained again, one that was
broken off goes on from its checkpoint: so the benchmark can be stopped at any time and started again.
Decisions are made on a validation share of the training images; test images are looked at once, at the end.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from benchmarks.quick import parse
from core.cli.training import LiveLine, epoch_text, progress_text
from core.data.catalog import open_dataset
from core.errors import NotFound, TidysetError
from core.json_text import json_text
from core.runs import launch
from core.runs.recipe import PRESETS, Recipe, parse_settings
from core.runs.store import Run, RunState, create_run, find_run, status
from core.workspace import PROJECT_ROOT, Workspace, current

QUICK = {
    "seeds": [0],
    "data": "fashion-mnist-sample",
    "set": ["epochs=1", "width=16"],
    "out": current().root / "benchmark-best-quick",
}


def run_of(workspace: Workspace, data: str, recipe: Recipe) -> Run:
    """The run of a seed: the one that is there, or a new one."""
    name = f"best-{recipe.seed}"
    try:
        run = find_run(workspace, name)
    except NotFound:
        return create_run(workspace, open_dataset(workspace, data), recipe, name=name)
    if run.recipe != recipe or run.dataset != data:
        raise TidysetError(
            f"Run {name} in {workspace.root} is of another recipe or data set.", "Choose another --out."
        )
    return run


def result_of(run: Run) -> dict[str, Any]:
    """Train what is left to train, and return the fields of the finished event."""
    if status(run).state not in (RunState.FINISHED, RunState.RUNNING):
        launch.start(run)
    line = LiveLine()
    try:
        while (now := launch.wait(run, timeout=1)).state.active:
            line.show(progress_text(run, now))
            for epoch in now.epochs[line.n_kept :]:
                line.keep(epoch_text(epoch))
    except KeyboardInterrupt:
        line.keep("Stopping; start again to go on.")
        launch.request_stop(run)
        launch.wait(run)
        raise SystemExit(130) from None
    line.clear()
    if now.state is not RunState.FINISHED:
        raise TidysetError(f"{run.name} {now.state.value}: {now.error}")
    return dict(now.summary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "data" / "workspace" / "benchmark-best")
    parser.add_argument("--set", action="append", default=[], metavar="k=v", help="change the recipe")
    parser.add_argument("--json", action="store_true")
    arguments = parse(parser, QUICK)
    workspace = Workspace(arguments.out.resolve())
    recipe = PRESETS["best"].with_changes(parse_settings(arguments.set))
    results = [
        result_of(run_of(workspace, arguments.data, recipe.with_changes({"seed": seed})))
        for seed in arguments.seeds
    ]
    accuracies = [result["test_accuracy"] for result in results]
    mean = statistics.mean(accuracies)
    if arguments.json:
        fields = ("test_accuracy", "test_macro_f1", "valid_accuracy", "seconds", "parameters", "best_epoch")
        rows = [
            {"seed": seed, **{name: result[name] for name in fields}}
            for seed, result in zip(arguments.seeds, results, strict=True)
        ]
        print(json_text({"data": arguments.data, "mean_test_accuracy": mean, "results": rows}))
        return
    print(f"The best preset on {arguments.data}: {recipe.model}, {results[0]['parameters']:,} parameters\n")
    print(f"{'seed':>4} {'epochs':>6} {'minutes':>8} {'validation':>11} {'test':>7} {'macro F1':>9}")
    for seed, result in zip(arguments.seeds, results, strict=True):
        print(
            f"{seed:>4} {result['epochs']:>6} {result['seconds'] / 60:>8.1f} "
            f"{result['valid_accuracy']:>11.4f} {result['test_accuracy']:>7.4f} "
            f"{result['test_macro_f1']:>9.4f}"
        )
    print(f"\nmean test accuracy {mean:.4f}")


if __name__ == "__main__":
    main()
