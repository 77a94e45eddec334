"""How long the Train page takes with a thousand runs in its table: the first time, and drawn again.

``uv run python benchmarks/run_page.py [--quick] [--runs 1000] [--json]``

The whole script of the page, run without a browser, in a process that has seen none of the runs; they are
those of benchmarks/run_list.py. Again: the median of five, and the processor's mean beside it, since a busy
machine makes any page slow.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from benchmarks.quick import parse
from benchmarks.run_list import make
from core.json_text import json_text
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 5


def drawn(workspace: Workspace, n: int) -> dict[str, Any]:
    """The page's seconds."""
    os.environ["TIDYSET_WORKSPACE"] = str(workspace.root)
    app = AppTest.from_file(str(ROOT / "dashboard" / "Home.py"), default_timeout=300)
    app.query_params["data"] = "fashion-mnist-sample"
    app.run()
    began = time.perf_counter()
    app.switch_page("../pages/train.py").run()
    first, again, used = time.perf_counter() - began, [], time.process_time()
    for _ in range(REPEATS):
        began = time.perf_counter()
        app.run()
        again.append(time.perf_counter() - began)
    assert len(app.dataframe[0].value) == n, app.exception
    return {
        "runs": n,
        "first_seconds": round(first, 3),
        "again_seconds": round(statistics.median(again), 3),
        "again_cpu_seconds": round((time.process_time() - used) / REPEATS, 3),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parse(parser, {"runs": 100})
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        make(workspace, arguments.runs)
        result = drawn(workspace, arguments.runs)
    if arguments.json:
        print(json_text(result))
        return
    print(f"{arguments.runs:,} runs: first {result['first_seconds']:.2f} s")
    print(f"again {result['again_seconds']:.2f} s, of a processor {result['again_cpu_seconds']:.2f} s")


if __name__ == "__main__":
    main()
