"""How soon the app is there: time from ``streamlit run`` to the first paint, against an empty Streamlit app.

``uv run python benchmarks/first_paint.py [--repeats 5] [--quick] [--json]``

Rival: an app of one line, ``st.title("Empty")``, in the same run, taken in turns with Home. Each start is a
fresh process; Chromium runs already. Painted: the page's title is in the document. Complete: the script has
ended and, on Home, the samples are drawn. On the server that is warm by then, a new Streamlit session twice
more: again, in the browser that was there before; new, in one that has to fetch Streamlit's files first.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from benchmarks.quick import needs_chromium, parse
from core.data.catalog import open_dataset
from core.json_text import json_text
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = os.environ.get("TIDYSET_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
DONE = "() => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
Times = dict[str, float]


def start(script: Path, workspace: Path, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A server of its own on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--server.headless", "true", "--browser.gatherUsageStats", "false", "--server.port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(script), *options],
        cwd=folder,
        env={**os.environ, "TIDYSET_WORKSPACE": str(workspace)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return process, port


def wait_until_up(port: int) -> None:
    while True:
        try:
            urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=1)
            return
        except OSError:
            time.sleep(0.01)


def visit(context: BrowserContext, port: int, began: float, *, gallery: bool) -> Times:
    """Seconds from ``began`` until the page is painted and complete, in a new Streamlit session."""
    page = context.new_page()
    page.goto(f"http://localhost:{port}/", wait_until="commit")
    page.wait_for_selector("h1", state="attached", timeout=60_000)
    painted = time.perf_counter() - began
    if gallery:
        page.wait_for_selector(".item", state="attached", timeout=60_000)
    page.wait_for_function(DONE, timeout=60_000)
    complete = time.perf_counter() - began
    page.close()
    return {"painted": painted, "complete": complete}


def measure(browser: Browser, script: Path, workspace: Path, folder: Path, *, gallery: bool) -> Times:
    began = time.perf_counter()
    process, port = start(script, workspace, folder)
    try:
        wait_until_up(port)
        up = time.perf_counter() - began
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        cold = visit(context, port, began, gallery=gallery)
        time.sleep(5)  # the warm-up thread ends
        again = visit(context, port, time.perf_counter(), gallery=gallery)
        context.close()
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        new = visit(context, port, time.perf_counter(), gallery=gallery)
        context.close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    later = {"again": again, "new": new}
    times = {f"{when}_{name}": seconds for when, row in later.items() for name, seconds in row.items()}
    return {"up": up, **cold, **times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parse(parser, {"repeats": 1})
    needs_chromium()
    home = ROOT / "dashboard" / "Home.py"
    times: dict[str, list[Times]] = {"empty app": [], "Home": [], "Home, first start ever": []}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        here = Path(folder)
        (here / "empty.py").write_text('import streamlit as st\n\nst.title("Empty")\n')
        open_dataset(Workspace(here / "used"), "fashion-mnist-sample")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for repeat in range(arguments.repeats):
            for name, script, workspace, gallery in (
                ("empty app", here / "empty.py", here / "used", False),
                ("Home", home, here / "used", True),
                ("Home, first start ever", home, here / f"new{repeat}", True),
            ):
                times[name].append(measure(browser, script, workspace, here, gallery=gallery))
        browser.close()
    medians = {
        name: {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}
        for name, rows in times.items()
    }
    result = {
        "repeats": arguments.repeats,
        "cores": os.cpu_count(),
        "seconds": medians,
        "home_minus_empty_painted": round(medians["Home"]["painted"] - medians["empty app"]["painted"], 3),
        "new_session_on_warm_server": medians["Home"]["again_painted"],
    }
    if arguments.json:
        print(json_text(result))
        return
    columns = list(medians["Home"])
    print(f"Medians of {arguments.repeats} starts each, taken in turns; seconds; {os.cpu_count()} cores\n")
    print(f"{'':24}" + "".join(f"{column:>15}" for column in columns))
    for name, row in medians.items():
        print(f"{name:24}" + "".join(f"{row[column]:15.2f}" for column in columns))
    print(f"\nHome paints {result['home_minus_empty_painted']:+.2f} s after the empty app (limit: +0.50).")
    print(f"A new session on a warm server: {result['new_session_on_warm_server']:.2f} s (limit: 1.00).")


if __name__ == "__main__":
    main()
