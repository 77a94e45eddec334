"""One million images: what import, every page, training and labelling take, in time, memory and disk.

``uv run python benchmarks/million.py [--quick] [--n 1000000] [--workspace FOLDER] [--json]``

The images are made from Fashion-MNIST (benchmarks/augmented.py). Everything goes through what a person uses:
`tidyset data import`, `tidyset train` (one epoch of the `fast` preset, narrower, over --epoch-images
images, then the model's opinion of all of them) and the real app, whose pages are opened over WebSockets.
Memory is that of the process, from the kernel: "own" without what is only mapped from files, which the
kernel may drop at any time. Times on a busy machine say little, so processor seconds stand beside them.
The cost of one image, per stage, is what docs/scale.md reckons with. --quick takes 20,000 images; with
--workspace everything is kept there, and a call that was broken off is gone on with.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import augmented
from benchmarks.annotators import WHO, Person
from benchmarks.durability import Server
from benchmarks.quick import parse
from benchmarks.sessions import PAGES, Session, cpu_seconds, percentile, usage
from core.data import thumbnails
from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.json_text import json_text
from core.team.lists import share
from core.workspace import Workspace
from dashboard import links
from dashboard.review import tokens

ROOT = Path(__file__).resolve().parents[1]
NAME = "million"
RUN = "short"
LABEL_SECONDS = 10.0
LISTED = 10_000
"""More than one person can label in that time."""
LIMIT_MB, LIMIT_SECONDS = 1_500, 2.0


def command(workspace: Workspace, *arguments: str) -> tuple[dict[str, float], str]:
    """Run ``tidyset`` in a process of its own: time, processor time, peak memory; and what it printed."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", "from core.cli import app; app()", *arguments],
        env={**os.environ, "TIDYSET_WORKSPACE": str(workspace.root)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"tidyset {' '.join(arguments)} failed: {printed}")
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(used.ru_maxrss / 1024, 1),
    }, printed


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class Kept:
    """What was measured so far, in the workspace: a call that was broken off goes on after the last stage."""

    def __init__(self, workspace: Workspace) -> None:
        self._file = workspace.root / "measured.json"
        self.stages: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def measure(self, stage: str, work: Callable[[], Any]) -> Any:
        """The stage's figures, measured now unless they were before."""
        if stage not in self.stages:
            print(f"{time.strftime('%H:%M:%S')} {stage} ...", file=sys.stderr)
            self.stages[stage] = work()
            self._file.write_text(json_text(self.stages))
        return self.stages[stage]


def imported(workspace: Workspace, n: int, source: Path | None) -> dict[str, Any]:
    """Make the images, unless they are in ``source``, and import them."""
    made = workspace.root / "source"
    if source is None:
        augmented.write(made, n, seed=0)
    shutil.rmtree(workspace.datasets / NAME, ignore_errors=True)
    found, _ = command(workspace, "data", "import", str(source or made), "--name", NAME)
    shutil.rmtree(made, ignore_errors=True)
    found["images_per_second"] = round(n / found["seconds"])
    found["bytes_per_image"] = round(size_of(workspace.datasets / NAME) / n, 1)
    return found


def trained(workspace: Workspace, arguments: argparse.Namespace) -> dict[str, Any]:
    """A short training, and what its events say of it."""
    settings = ("epochs=1", f"epoch_images={arguments.epoch_images}", f"width={arguments.width}")
    wanted = ("--recipe", "fast", *(part for one in settings for part in ("--set", one)))
    found, _ = command(workspace, "train", "--data", NAME, *wanted, "--name", RUN, "--json")
    folder = next(run for run in workspace.runs.iterdir() if _name_of(run) == RUN)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    epoch = next(event for event in events if event["type"] == "epoch")
    found["width"], found["epoch_images"] = arguments.width, arguments.epoch_images
    found["epoch_seconds"] = round(epoch["seconds"], 2)
    found["after_epoch_seconds"] = round(events[-1]["at"] - epoch["at"], 2)
    found["run_bytes"] = size_of(folder)
    return found


def _name_of(folder: Path) -> str:
    return str(json.loads((folder / "run.json").read_text())["name"])


@contextmanager
def served(workspace: Workspace) -> Iterator[Server]:
    server = Server(workspace)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def pages(server: Server, names: tuple[str, ...], errors: list[str]) -> dict[str, Any]:
    """Each page in a session of its own: the first time on this server, then again; memory after each."""
    found: dict[str, Any] = {}
    for page in names:
        before = cpu_seconds(server.pid)
        with Session(server.port, NAME) as session:
            first = session.run(page)
            between = cpu_seconds(server.pid)
            after = sorted(session.run(page) for _ in range(3))[1]
            errors += session.errors
        now = usage(server.pid)
        found[page or "home"] = {
            "first_seconds": round(first, 2),
            "first_cpu_seconds": round(between - before, 2),
            "after_seconds": round(after, 2),
            "after_cpu_seconds": round((now.cpu_seconds - between) / 3, 2),
            "resident_mb": now.resident_mb,
            "own_mb": now.own_mb,
            "peak_mb": now.peak_mb,
        }
    return found


def opened(server: Server) -> dict[str, float]:
    """Until Home has been drawn in a new session of a warm server; the median of five, and the mean of the
    processor's.
    """
    times, before = [], cpu_seconds(server.pid)
    for _ in range(5):
        began = time.perf_counter()
        with Session(server.port, NAME) as session:
            session.run("")
        times.append(time.perf_counter() - began)
    used = (cpu_seconds(server.pid) - before) / len(times)
    return {"seconds": round(percentile(times, 0.5), 3), "cpu_seconds": round(used, 3)}


def sheets(server: Server, dataset: Dataset) -> dict[str, Any]:
    """Thumbnail sheets as the browser asks for them: none is made before it is looked at."""
    folder = dataset.folder / "sheets"
    shutil.rmtree(folder, ignore_errors=True)
    total = thumbnails.n_sheets(dataset)
    asked = sorted({round(k * (total - 1) / 19) for k in range(20)})
    times = []
    for number in asked:
        address = f"{links.sheets(dataset)}{number}.webp"
        began = time.perf_counter()
        urllib.request.urlopen(f"http://localhost:{server.port}/{address}").read()
        times.append(time.perf_counter() - began)
    return {
        "sheets": total,
        "made": len(asked),
        "seconds_each": round(percentile(times, 0.5), 3),
        "bytes_per_image": round(size_of(folder) / (len(asked) * thumbnails.TILES), 1),
    }


def labelled(server: Server, workspace: Workspace, dataset: Dataset, seconds: float) -> dict[str, Any]:
    """One person labels as fast as the answers come, on the Relabel page: a list of the first images."""
    ids = [str(item_id) for item_id in dataset.item_ids[:LISTED]]
    shared = share(workspace, dataset, "first", ids, who=WHO.format(0))
    person = Person(0, dataset, tokens.token(workspace, dataset), server.port, shared, workspace)
    with Session(server.port, NAME) as session:
        session.run("relabel")
        person.label_for(seconds, paced=False)
        page = session.run("relabel")
    return {
        "edits": len(person.milliseconds),
        "median_ms": round(percentile(person.milliseconds, 0.5), 1),
        "p99_ms": round(percentile(person.milliseconds, 0.99), 1),
        "page_after_seconds": round(page, 2),
    }


def measured(workspace: Workspace, arguments: argparse.Namespace) -> dict[str, Any]:
    kept, errors = Kept(workspace), list[str]()
    load = os.getloadavg()[0]
    kept.measure("import", lambda: imported(workspace, arguments.n, arguments.source))
    kept.measure("list", lambda: command(workspace, "data", "list", "--json")[0])
    dataset = open_dataset(workspace, NAME)
    with served(workspace) as server:
        kept.measure("before_training", lambda: pages(server, PAGES, errors))
        kept.measure("opening", lambda: opened(server))
        kept.measure("thumbnails", lambda: sheets(server, dataset))
        kept.measure("training", lambda: while_training(server, workspace, arguments))
        kept.measure("after_training", lambda: pages(server, PAGES, errors))
        kept.measure("labelling", lambda: labelled(server, workspace, dataset, LABEL_SECONDS))
        kept.measure("opening_at_the_end", lambda: opened(server))
        kept.measure("server", lambda: asdict(usage(server.pid)))
    result: dict[str, Any] = {
        "n": arguments.n,
        "cores": os.cpu_count(),
        "load_before": round(load, 1),
        "load_after": round(os.getloadavg()[0], 1),
        **kept.stages,
    }
    result["per_image"] = per_image(result)
    result["errors"] = errors
    # A call that goes on has a server of its own: the peak is that of all of them.
    seen = [result["server"], *result["before_training"].values(), *result["after_training"].values()]
    result["server_peak_mb"] = max(one["peak_mb"] for one in seen)
    result["within_limits"] = {
        "opens": result["opening"]["seconds"] < LIMIT_SECONDS,
        "server_memory": result["server_peak_mb"] < LIMIT_MB,
    }
    return result


def so_far(workspace: Workspace, n: int) -> dict[str, Any]:
    """What a call that was broken off has measured; at least up to the training."""
    stages = Kept(workspace).stages
    loads = {"load_before": round(os.getloadavg()[2], 1), "load_after": round(os.getloadavg()[0], 1)}
    result = {"n": n, "cores": os.cpu_count(), **loads, **stages, "unfinished": True}
    return {**result, "per_image": per_image(result)}


def while_training(server: Server, workspace: Workspace, arguments: argparse.Namespace) -> dict[str, Any]:
    """A short training, with somebody on the Train page all the time."""
    training: dict[str, Any] = {}
    worker = threading.Thread(target=lambda: training.update(trained(workspace, arguments)))
    worker.start()
    seconds = []
    with Session(server.port, NAME) as session:
        while worker.is_alive():
            seconds.append(session.run("train"))
            time.sleep(2)
    worker.join()
    return {**training, "train_page_p95_seconds": round(percentile(seconds, 0.95), 2)}


def per_image(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Microseconds and bytes of one image, by stage."""
    n, training = result["n"], result["training"]

    def micro(seconds: float, images: int) -> float:
        return round(1e6 * seconds / images, 2)

    explore = result["before_training"]["explore"]
    return {
        "import": {
            "microseconds": micro(result["import"]["seconds"], n),
            "cpu_microseconds": micro(result["import"]["cpu_seconds"], n),
            "bytes": result["import"]["bytes_per_image"],
        },
        "thumbnail": {
            "microseconds": micro(result["thumbnails"]["seconds_each"], thumbnails.TILES),
            "bytes": result["thumbnails"]["bytes_per_image"],
        },
        "statistics": {
            "microseconds": micro(explore["first_seconds"], n),
            "cpu_microseconds": micro(explore["first_cpu_seconds"], n),
        },
        "training, an image of an epoch": {
            "microseconds": micro(training["epoch_seconds"], training["epoch_images"])
        },
        "opinion and features": {
            "microseconds": micro(training["after_epoch_seconds"], n),
            "bytes": round(training["run_bytes"] / n, 1),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1_000_000, help="how many images")
    parser.add_argument("--epoch-images", type=int, default=50_000, help="images of the one epoch")
    parser.add_argument("--so-far", action="store_true", help="print what --workspace has so far")
    parser.add_argument("--width", type=int, default=8, help="of the network that is trained")
    parser.add_argument("--source", type=Path, help="folder of images that benchmarks/augmented.py made")
    parser.add_argument("--workspace", type=Path, help="keep the data set in this folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parse(parser, {"n": 20_000, "epoch_images": 5_000})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        workspace = Workspace((arguments.workspace or Path(folder)).resolve())
        workspace.root.mkdir(parents=True, exist_ok=True)
        result = so_far(workspace, arguments.n) if arguments.so_far else measured(workspace, arguments)
    if arguments.json or arguments.so_far:
        print(json_text(result))
        return
    print(f"{arguments.n:,} images; load {result['load_after']} on {result['cores']} cores\n")
    done = result["import"]
    print(f"import: {done['seconds']:.0f} s, {done['peak_mb']:.0f} MB at most")
    print(
        f"opens in {result['opening']['seconds']:.2f} s; server {result['server_peak_mb']:.0f} MB at most\n"
    )
    for when in ("before_training", "after_training"):
        print(when.replace("_", " "))
        for page, one in result[when].items():
            times = f"{one['first_seconds']:8.2f} s first {one['after_seconds']:8.2f} s after"
            print(f"  {page:12}{times} {one['resident_mb']:8.0f} MB")
    for stage, cost in result["per_image"].items():
        print(f"{stage:32}" + ", ".join(f"{value:,} {unit}" for unit, value in cost.items()))
    print("\n".join(result["errors"]))


if __name__ == "__main__":
    main()
