"""How long Explore takes on the full Fashion-MNIST, 70,000 images: the first time, and after.

``uv run python benchmarks/explore.py [--repeats 5] [--quick] [--json]``

Rival: the same questions asked as in a notebook, of a pandas DataFrame of 784 pixel columns: mean,
deviation and skew of each image, pixel histogram, mean and deviation image of each class, and the images
nearest to and farthest from it. It draws nothing and keeps nothing, so it takes as long the second time.

"core" is all that the page asks core for; "page" is the whole script of the page, its charts included, run
without a browser. First: nothing in the cache. After: the same again, as when any control is used.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from streamlit.testing.v1 import AppTest

from benchmarks.quick import parse
from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.json_text import json_text
from core.labels.filters import Filter
from core.labels.versions import labels_at
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]


def notebook(dataset: Dataset) -> None:
    """The rival."""
    pixels = np.asarray(dataset.images.pixels).reshape(len(dataset), -1)
    frame = pd.DataFrame(pixels)
    mean, deviation = frame.mean(axis=1), frame.std(axis=1)
    mean.skew(), deviation.skew()
    np.histogram(frame.to_numpy(), bins=32, range=(0, 256))
    groups = frame.groupby(np.asarray(dataset.labels))
    means, _ = groups.mean(), groups.std()
    for k, part in groups:
        distance = ((part - means.loc[k]) ** 2).sum(axis=1) ** 0.5
        distance.nsmallest(12), distance.nlargest(12)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def forget() -> None:
    """Empty the server's memory, as in one that just started."""
    from dashboard.memo import MEMORY

    MEMORY.clear()


def core_once(workspace: Workspace, dataset: Dataset) -> float:
    from dashboard.explore_view import view_of

    state = labels_at(workspace, dataset)
    return seconds(lambda: view_of(workspace, dataset, state, Filter()))


def page(workspace: Workspace, data: str) -> AppTest:
    """The app in a new session, with ``data`` open and the plotting modules imported."""
    os.environ["TIDYSET_WORKSPACE"] = str(workspace.root)
    app = AppTest.from_file(str(ROOT / "dashboard" / "Home.py"), default_timeout=120)
    app.query_params["data"] = data
    app.run()
    return app


def measure(repeats: int, data: str) -> dict[str, list[float]]:
    names = ("notebook", "core, first", "core, after", "page, first", "page, after")
    times: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats):
            workspace = Workspace(Path(folder) / str(repeat))
            dataset = open_dataset(workspace, data)
            times["notebook"].append(seconds(lambda opened=dataset: notebook(opened)))
            forget()
            times["core, first"].append(core_once(workspace, dataset))
            times["core, after"].append(core_once(workspace, dataset))
            app = page(workspace, data)
            app.switch_page("../pages/explore.py").run()  # imports and first layout, from a full cache
            assert not app.exception, app.exception
            for entry in workspace.cache.rglob("*.np[yz]"):
                entry.unlink()
            forget()
            times["page, first"].append(seconds(app.run))
            times["page, after"].append(seconds(app.run))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parse(parser, {"repeats": 1, "data": "fashion-mnist-sample"})
    medians = {
        name: round(statistics.median(values), 6)
        for name, values in measure(arguments.repeats, arguments.data).items()
    }
    ratios = {name: round(medians["notebook"] / value, 1) for name, value in medians.items()}
    if arguments.json:
        print(
            json_text(
                {
                    "repeats": arguments.repeats,
                    "data": arguments.data,
                    "seconds": medians,
                    "notebook_takes_times": ratios,
                }
            )
        )
        return
    print(f"{arguments.data}; medians of {arguments.repeats}; {os.cpu_count()} cores\n")
    print(f"{'':14}{'seconds':>10}{'notebook takes':>18}")
    for name, value in medians.items():
        print(f"{name:14}{value:10.3f}{ratios[name]:17,.1f}x")
    print("\nLimits: 2 s the first time, 0.3 s after.")


if __name__ == "__main__":
    main()
