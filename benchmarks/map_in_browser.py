"""From click to interactive map, frames while panning, and memory: our map against plotly's scattergl.

Measured by embedding_map.py. For each number of points and each of the two, a server and a Chromium of its
own; WebGL runs in software where there is no graphics card, for both alike. A click on a button makes the app
draw the points, which it holds already. Interactive: the points are on the canvas, and five animation frames
in a row came within 100 ms each; the first of them counts. Then the mouse drags the map about for some
seconds, and the time between animation frames is taken. Our map draws a sample of the points while it moves
where all would be slow, and all of them when it rests. Memory is the peak of each process's resident size.
"""

from __future__ import annotations

import contextlib
import math
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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = os.environ.get("TIDYSET_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--enable-unsafe-swiftshader",
    "--use-gl=angle",
    "--use-angle=swiftshader",
]
SIZES = (10_000, 70_000, 260_000, 1_000_000)
WHO = ("ours", "plotly")
PATIENCE_SECONDS = 240
PAN_SECONDS = 4
MEGABYTE = 1024

INTERACTIVE = """
({ who, patience }) => new Promise((resolve) => {
  const clicked = performance.now();
  let drawn = null, calm = 0, first = null, last = clicked;
  const shown = () => {
    if (who === "ours") return Boolean(find(document, ".map[data-shown]"));
    const canvas = document.querySelector(".js-plotly-plot .gl-canvas-context");
    if (!canvas || !canvas.width) return false;
    const small = new OffscreenCanvas(64, 64).getContext("2d");
    small.drawImage(canvas, 0, 0, 64, 64);
    return small.getImageData(0, 0, 64, 64).data.some((value) => value);
  };
  const find = (root, selector) => {
    const found = root.querySelector(selector);
    if (found) return found;
    for (const one of root.querySelectorAll("*")) {
      const inside = one.shadowRoot && find(one.shadowRoot, selector);
      if (inside) return inside;
    }
    return null;
  };
  const frame = (now) => {
    const took = now - last;
    last = now;
    if (drawn === null && shown()) drawn = now;
    else if (drawn !== null) {
      calm = took < 100 ? calm + 1 : 0;
      if (calm === 1) first = now;
      if (calm === 5) return resolve((first - clicked) / 1000);
    }
    if (now - clicked > patience * 1000) return resolve(null);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  [...document.querySelectorAll("button")].find((button) => button.textContent.includes("Draw")).click();
})
"""
COUNT_FRAMES = """
() => {
  window.frames_ms = [];
  let last = performance.now();
  const frame = (now) => {
    window.frames_ms.push(now - last);
    last = now;
    window.counting = requestAnimationFrame(frame);
  };
  window.counting = requestAnimationFrame(frame);
}
"""


def measure(sizes: tuple[int, ...] = SIZES) -> list[dict[str, Any]]:
    """One row for each size and each of the two."""
    if CHROMIUM is None:
        sys.exit("needs Chromium (Debian: apt-get install chromium), or its path in TIDYSET_CHROMIUM")
    rows = []
    for n in sizes:
        for who in WHO:
            rows.append({"points": n, "who": who, **_measured(n, who)})
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


def _measured(n: int, who: str) -> dict[str, Any]:
    with running() as (url, server), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{url}/?n={n}&who={who}")
            page.get_by_role("button", name="Draw").wait_for()
            page.wait_for_timeout(1_500)
            before = peak_megabytes(server)
            seconds = page.evaluate(INTERACTIVE, {"who": who, "patience": PATIENCE_SECONDS})
            if seconds is None:
                return {"interactive_seconds": None}
            frames = pan(page, who)
            found = {
                "interactive_seconds": round(seconds, 2),
                "frames_a_second": round(1_000 / statistics.mean(frames), 1),
                "frame_median_ms": round(statistics.median(frames), 1),
                "frame_p95_ms": round(sorted(frames)[math.ceil(0.95 * len(frames)) - 1], 1),
                "server_mb": peak_megabytes(server),
                "server_before_mb": before,
            }
            return found | memory_of(browser)
        except TimeoutError as error:
            print(f"{n:,} points, {who}: {error}", file=sys.stderr)
            return {"interactive_seconds": None}
        finally:
            browser.close()


def pan(page: Page, who: str) -> list[float]:
    """Milliseconds between animation frames while the mouse drags the map about."""
    if who == "ours":
        page.get_by_role("button", name="Move").click()
    box = page.locator(".stage" if who == "ours" else ".nsewdrag").first.bounding_box(timeout=60_000)
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(COUNT_FRAMES)
    ends, step = time.monotonic() + PAN_SECONDS, 0
    while time.monotonic() < ends:
        step += 1
        page.mouse.move(x + 60 * ((step % 20) / 10 - 1), y + 40 * ((step % 14) / 7 - 1))
    frames: list[float] = page.evaluate("() => { cancelAnimationFrame(window.counting); return frames_ms; }")
    page.mouse.up()
    return frames[1:]


@contextlib.contextmanager
def running() -> Iterator[tuple[str, int]]:
    """The address and the process id of a server of map_app.py."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        script = str(ROOT / "benchmarks" / "map_app.py")
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)],
            cwd=ROOT,
            env={**os.environ, "TIDYSET_WORKSPACE": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        url = f"http://localhost:{port}"
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
                    break
                time.sleep(0.1)
            yield url, process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def peak_megabytes(process: int) -> int:
    """The most memory that a process has held so far, in MB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / MEGABYTE)
    return 0


def memory_of(browser: Browser) -> dict[str, int]:
    """Peaks of the tab's process and of the one that does WebGL."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    peaks: dict[str, int] = {}
    for one in processes:
        peaks[one["type"]] = max(peaks.get(one["type"], 0), peak_megabytes(int(one["id"])))
    return {"tab_mb": peaks.get("renderer", 0), "gpu_mb": peaks.get("GPU", 0)}
