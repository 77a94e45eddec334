"""Does the server's memory stay within a bound while runs come? One session, a new run each round.

``uv run python benchmarks/memory.py [--runs 100] [--mb 20] [--quick] [--json]``

What the server keeps has one bound (TIDYSET_MEMORY_MB, 400 by default). Here it is low, so that it is reached
early: in each round a finished run is added and the pages that show runs are opened; what still rises after
the first half is beyond the bound. The same rounds without new runs stand beside.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from benchmarks.durability import DATA, Server
from benchmarks.million import command
from benchmarks.quick import parse
from benchmarks.sessions import Session, usage
from core.data.catalog import open_dataset
from core.json_text import json_text
from core.runs.store import find_run
from core.workspace import Workspace

PAGES = ("", "train", "evaluate", "issues", "embeddings")
POINTS = 10


def add_run(workspace: Workspace, number: int) -> None:
    """A copy of the run "first" under another id and name, newer than all."""
    first = find_run(workspace, "first")
    folder = workspace.runs / f"{first.id[:-6]}{number:06d}"
    shutil.copytree(first.folder, folder)
    about = json.loads((folder / "run.json").read_text())
    about |= {"name": f"run-{number}", "created": about["created"] + number}
    (folder / "run.json").write_text(json_text(about))


def rounds(made: Path, n: int, mb: int, *, new_runs: bool) -> list[float]:
    """The server's own megabytes after every tenth of n rounds."""
    found = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        workspace = Workspace(shutil.copytree(made, Path(folder) / "workspace"))
        server = Server(workspace, {"TIDYSET_MEMORY_MB": str(mb)})
        server.start()
        try:
            with Session(server.port, DATA) as session:
                for number in range(1, n + 1):
                    if new_runs:
                        add_run(workspace, number)
                    for page in PAGES:
                        session.run(page)
                    if number % max(1, n // POINTS) == 0:
                        found.append(usage(server.pid).own_mb)
        finally:
            server.kill()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--mb", type=int, default=20, help="the bound")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parse(parser, {"runs": 10})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        made = Workspace(Path(folder) / "made")
        open_dataset(made, DATA)
        small = ("--set", "epochs=1", "--set", "width=4", "--name", "first", "--json")
        command(made, "train", "--data", DATA, "--recipe", "fast", *small)
        own_mb = {
            name: rounds(made.root, options.runs, options.mb, new_runs=name == "new_runs")
            for name in ("new_runs", "the_same_run")
        }
    half = {name: values[len(values) // 2 :] for name, values in own_mb.items()}
    result = {
        "runs": options.runs,
        "bound_mb": options.mb,
        "own_mb": own_mb,
        "second_half_mb": {name: round(values[-1] - values[0], 1) for name, values in half.items()},
    }
    print(json_text(result, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
