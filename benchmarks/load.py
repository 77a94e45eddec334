"""Twenty sessions browse and five trainings run for half an hour: does the server stay fast and of one size?

``uv run python benchmarks/load.py [--quick] [--minutes 30] [--sessions 20] [--trainings 5] [--json]``

Each session is a WebSocket of the real app that goes from page to page of the sample at random, thinks for
one to five seconds after each, and now and then reloads: a new session in place of the old one. Trainings are
runs of the `fast` preset as the Train page launches them; when one is over, the next one starts. Every five
seconds the server's own memory, threads, open files and children are read from /proc. What the server keeps
of results has a bound (TIDYSET_MEMORY_MB); it is low here (``--kept-mb``), so that it is reached in the first
half and a rise in the second is a leak, not a cache that fills. Flat means that the slope of memory over the
second half, with its 95 % interval from a moving-block bootstrap (samples follow one another, so a plain
interval would be too narrow), is compatible with none or below one megabyte a minute. At the end all sessions
are closed, and what is then left is counted again.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import WebSocketException

from benchmarks.durability import DATA, Server
from benchmarks.quick import parse
from benchmarks.sessions import PAGES, Session, Usage, percentile, usage
from core.data.catalog import open_dataset
from core.json_text import json_text
from core.runs import launch
from core.runs.recipe import PRESETS
from core.runs.store import create_run, list_runs, status
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_SECONDS = 5.0
THINKING = (1.0, 5.0)
RELOADS = 0.05
BLOCK, DRAWS = 12, 1_000
FLAT_MB_A_MINUTE = 1.0
KEPT_SECONDS, SETTLING_SECONDS = 125.0, 30.0


@dataclass
class Visitor:
    """Someone who browses.

    Attributes:
        seconds: By page, of every run of its script.
        errors: Tracebacks that were shown, and answers that never came.
    """

    port: int
    seed: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    n_sessions: int = 0

    def browse(self, until: float) -> None:
        """Page after page, until then."""
        rng = random.Random(self.seed)
        while time.monotonic() < until:
            self.n_sessions += 1
            try:
                with Session(self.port, DATA) as session:
                    while time.monotonic() < until:
                        page = rng.choice(PAGES)
                        self.seconds.setdefault(page or "home", []).append(session.run(page, timeout=120))
                        self.errors += session.errors
                        session.errors.clear()
                        time.sleep(rng.uniform(*THINKING))
                        if rng.random() < RELOADS:
                            break
            except (OSError, TimeoutError, WebSocketException) as error:
                self.errors.append(f"{type(error).__name__}: {error}")


def keep_training(workspace: Workspace, n: int, until: float) -> int:
    """As many trainings as that at any time; returns how many were started."""
    dataset = open_dataset(workspace, DATA)
    started = 0
    while time.monotonic() < until:
        n_active = sum(status(run).state.active for run in list_runs(workspace))
        for _ in range(n - n_active):
            started += 1
            launch.start(create_run(workspace, dataset, PRESETS["fast"], name=f"load-{started}"))
        time.sleep(2)
    return started


def sampled(pid: int, until: float) -> list[tuple[float, Usage]]:
    """(minutes, what the server uses), every few seconds."""
    began, found = time.monotonic(), []
    while time.monotonic() < until:
        found.append(((time.monotonic() - began) / 60, usage(pid)))
        time.sleep(SAMPLE_SECONDS)
    return found


def slope(minutes: NDArray[np.float64], values: NDArray[np.float64]) -> dict[str, Any]:
    """Least-squares slope of values over minutes, and its 95 % interval by a moving-block bootstrap of the
    residuals (Künsch 1989).
    """
    fitted = np.polyfit(minutes, values, 1)
    residuals = values - np.polyval(fitted, minutes)
    rng = np.random.default_rng(0)
    n, block = len(values), min(BLOCK, len(values))
    drawn = []
    for _ in range(DRAWS):
        starts = rng.integers(0, n - block + 1, -(-n // block))
        rows = (starts[:, None] + np.arange(block)).ravel()[:n]
        drawn.append(np.polyfit(minutes, np.polyval(fitted, minutes) + residuals[rows], 1)[0])
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"per_minute": round(float(fitted[0]), 4), "ci95": [round(float(low), 4), round(float(high), 4)]}


def browsed(
    workspace: Workspace, minutes: float, n_sessions: int, n_trainings: int, kept_mb: float
) -> dict[str, Any]:
    server = Server(workspace, {"TIDYSET_MEMORY_MB": str(kept_mb)})
    server.start()
    try:
        with Session(server.port, DATA) as session:
            for page in PAGES:
                session.run(page)  # imports and the first sight of the data: a server that just started
        before = usage(server.pid)
        until = time.monotonic() + 60 * minutes
        visitors = [Visitor(server.port, seed) for seed in range(n_sessions)]
        threads = [threading.Thread(target=visitor.browse, args=(until,)) for visitor in visitors]
        started: list[int] = []
        trainer = threading.Thread(
            target=lambda: started.append(keep_training(workspace, n_trainings, until))
        )
        load = os.getloadavg()[0]
        for thread in (*threads, trainer):
            thread.start()
        samples = sampled(server.pid, until)
        for thread in (*threads, trainer):
            thread.join()
        after = settled(server, before)
        result = summary(visitors, samples, before, after)
    finally:
        for run in list_runs(workspace):
            if status(run).state.active:
                launch.request_stop(run)
        server.kill()
    return {
        "minutes": minutes,
        "sessions": n_sessions,
        "trainings": n_trainings,
        "trainings_started": sum(started),
        "kept_mb": kept_mb,
        "cores": os.cpu_count(),
        "load_before": round(load, 1),
        "load_after": round(os.getloadavg()[0], 1),
        **result,
    }


def summary(
    visitors: list[Visitor], samples: list[tuple[float, Usage]], before: Usage, after: Usage
) -> dict[str, Any]:
    """Pages, memory, and what was left behind."""
    by_page: dict[str, list[float]] = {}
    for visitor in visitors:
        for page, seconds in visitor.seconds.items():
            by_page.setdefault(page, []).extend(seconds)
    together = [one for seconds in by_page.values() for one in seconds]
    half = samples[len(samples) // 2 :]
    times = np.array([minute for minute, _ in half])
    trends = {
        name: slope(times, np.array([float(getattr(one, name)) for _, one in half]))
        for name in ("own_mb", "threads", "files")
    }
    errors = [error for visitor in visitors for error in visitor.errors]
    return {
        "page_runs": len(together),
        "sessions_opened": sum(visitor.n_sessions for visitor in visitors),
        "median_seconds": round(percentile(together, 0.5), 3),
        "p95_seconds": round(percentile(together, 0.95), 3),
        "cpu_seconds_a_page": round((samples[-1][1].cpu_seconds - before.cpu_seconds) / len(together), 3),
        "p95_by_page": {
            page: round(percentile(seconds, 0.95), 3) for page, seconds in sorted(by_page.items())
        },
        "own_mb": {
            "before": before.own_mb,
            "half_time": half[0][1].own_mb,
            "end": half[-1][1].own_mb,
            "after": after.own_mb,
        },
        "trend_of_second_half": trends,
        "flat": trends["own_mb"]["ci95"][0] <= 0 or trends["own_mb"]["ci95"][1] <= FLAT_MB_A_MINUTE,
        "left": {
            name: getattr(after, name) - getattr(before, name) for name in ("threads", "files", "children")
        },
        "n_errors": len(errors),
        "errors": sorted(set(errors))[:10],
    }


def settled(server: Server, before: Usage) -> Usage:
    """What the server uses once it has let go of the sessions. Streamlit keeps each for two minutes, as its
    browser may come back, and forgets the expired ones when the next one comes or goes: one more does.
    """
    time.sleep(KEPT_SECONDS)
    with Session(server.port, DATA) as session:
        session.run(PAGES[0])
    until = time.monotonic() + SETTLING_SECONDS
    while time.monotonic() < until:
        now = usage(server.pid)
        if now.files <= before.files and now.threads <= before.threads:
            break
        time.sleep(SAMPLE_SECONDS)
    return now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--trainings", type=int, default=5)
    parser.add_argument("--kept-mb", type=float, default=20.0)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parse(parser, {"minutes": 1.0, "sessions": 6, "trainings": 1})
    minutes, sessions, trainings = arguments.minutes, arguments.sessions, arguments.trainings
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        workspace = Workspace(Path(folder))
        open_dataset(workspace, DATA)
        made = [sys.executable, "-c", "from core.cli import app; app()", "train", "--data", DATA]
        environment = {**os.environ, "TIDYSET_WORKSPACE": str(workspace.root)}
        subprocess.run(
            [*made, "--recipe", "fast", "--set", "epochs=1", "--name", "first"],
            cwd=ROOT,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        result = browsed(workspace, minutes, sessions, trainings, arguments.kept_mb)
    if arguments.json:
        print(json_text(result))
        return
    print(f"{sessions} sessions, {trainings} trainings, {minutes:g} minutes; load {result['load_after']}")
    print(f"{result['page_runs']:,} page runs: median {result['median_seconds']:.2f} s")
    print(
        f"95th percentile {result['p95_seconds']:.2f} s; {result['cpu_seconds_a_page']:.2f} s of a processor"
    )
    trend = result["trend_of_second_half"]["own_mb"]
    print(f"memory {result['own_mb']}; {trend['per_minute']:+.2f} MB a minute, {trend['ci95']}")
    print(f"left behind {result['left']}; {result['n_errors']} errors {result['errors']}")


if __name__ == "__main__":
    main()
