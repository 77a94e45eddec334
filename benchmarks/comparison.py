"""Side by side: one job on the same data in Tidyset and in other tools, measured; writes docs/comparison.md.

``uv run python benchmarks/comparison.py [--only NAME ...] [--written] [--json]``

The job: 6,000 images of the shipped sample as PNG files and a table, 250 training labels flipped, with
predictions by models that did not see each image, embeddings, and the predictions of two runs. Import, open
the viewer, rank the labels by how likely they are wrong, correct 20, export, compare the two runs. Each tool
does it by a script of its own (benchmarks/rivals/), written as its documentation says, in a throw-away
environment of uv at its newest version on the project's exclude-newer date; nothing of it is installed here.

Time is by the clock, without installing; memory the peak of proportional set size (PSS) of all its processes;
lines are those of the step in the script, without blank ones and comments. What was measured is kept in
benchmarks/results/comparison.json; --only measures some again, --written only writes the page from there.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import csv
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.data.catalog import open_dataset
from core.data.dataset import SPLITS
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
RIVALS = ROOT / "benchmarks" / "rivals"
KEPT = ROOT / "benchmarks" / "results" / "comparison.json"
PAGE = ROOT / "docs" / "comparison.md"
STEPS = ("import", "look", "find", "fix", "export", "compare")
N_FLIPPED, N_FIXED = 250, 20
MOST_SECONDS = 1_800


@dataclass(frozen=True)
class Tool:
    """A tool: its script, what is to be installed, and what it is for, in its own words' sense."""

    name: str
    script: str
    package: str
    about: str


TOOLS = (
    Tool("Tidyset", "tidyset_job", "", "the loop: look, train, find, fix, retrain, prove"),
    Tool("FiftyOne", "fiftyone_job", "fiftyone", "data sets of images and video, viewed, queried, evaluated"),
    Tool("cleanlab", "cleanlab_job", "cleanlab", "a library that finds label errors from predictions"),
    Tool("Spotlight", "spotlight_job", "renumics-spotlight", "a viewer of tables with images and embeddings"),
    Tool("Embedding Atlas", "embedding_atlas_job", "embedding-atlas", "maps of millions of embeddings"),
    Tool("LightlyStudio", "lightly_studio_job", "lightly-studio", "curating and annotating images and video"),
)


BEGINNING = """\
# Side by side

The same job on the same data in several tools. They are made for different things, and each does more than
this job asks for: the table says who can go round the whole loop, not who is better. Written by
`uv run python benchmarks/comparison.py`; the scripts are in `benchmarks/rivals/`. Corrections are welcome.

6,000 images of Fashion-MNIST (28 x 28) as files, {flipped} training labels flipped; the same predictions
(cross-validated linear discriminant analysis), embeddings and two runs are given to each.

- **import** the data; **look**: from the call to a viewer that answers;
- **find**: how many of the {flipped} flipped labels are among the first {flipped} that it ranks;
- **fix** {fixed} labels; **export**, checked label by label; **compare** the two runs on the test images.

Times are by the clock, without installing; *processors* is the time of all processors; *memory* the peak of
all processes; *lines* what the user writes. – is a step that the tool does not do, or that did not work here;
why stands below.
"""
ENDING = """
Newest versions on {date}; {cores} cores without a GPU, load {load}. Other work ran beside, so compare the
time of processors rather than that of the clock."""


def make_inputs(folder: Path) -> None:
    """Images, table, predictions: see the module's first lines. The same every time."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import cross_val_predict

    dataset = open_dataset(Workspace(folder / "workspace"), "fashion-mnist-sample")
    classes = np.array([name.replace("/", "-") for name in dataset.classes])
    pixels, truth = np.asarray(dataset.images.pixels)[..., 0], np.asarray(dataset.labels)
    split = np.array(SPLITS)[np.asarray(dataset.split)]
    ids = [f"{i:05d}" for i in range(len(truth))]
    (folder / "images").mkdir()
    for id_, image in zip(ids, pixels, strict=True):
        Image.fromarray(image).save(folder / "images" / f"{id_}.png")
    rng, given = np.random.default_rng(0), truth.copy()
    flipped = rng.choice(np.flatnonzero(split == "train"), N_FLIPPED, replace=False)
    given[flipped] = (given[flipped] + rng.integers(1, len(classes), N_FLIPPED)) % len(classes)
    flat = PCA(64, random_state=0).fit_transform(pixels.reshape(len(pixels), -1) / 255)
    model = LinearDiscriminantAnalysis()
    train = split == "train"
    runs = {
        name: model.fit(flat[train, :n], given[train]).predict_proba(flat[:, :n])
        for name, n in (("run_a", 16), ("run_b", 64))
    }
    probs = cross_val_predict(model, flat, given, method="predict_proba", cv=3)
    np.savez(folder / "arrays.npz", classes=classes, pred_probs=probs, embeddings=flat.astype("f4"), **runs)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "file", "label", "split"])
        for id_, label, part in zip(ids, classes[given].tolist(), split.tolist(), strict=True):
            table.writerow([id_, f"images/{id_}.png", label, part])
    fixes = {ids[i]: str(classes[truth[i]]) for i in flipped[:N_FIXED]}
    (folder / "fixes.json").write_text(json.dumps(fixes))
    (folder / "flipped.json").write_text(json.dumps([ids[i] for i in flipped]))


def exclude_newer() -> str:
    """The project's date: no tool is newer."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return str(settings["tool"]["uv"]["exclude-newer"])


def command_of(tool: Tool) -> list[str]:
    """Python in the tool's own environment."""
    if not tool.package:
        return [sys.executable]
    where = ["uv", "run", "--quiet", "--isolated", "--no-project", "--python", "3.11"]
    return [*where, "--exclude-newer", exclude_newer(), "--with", tool.package, "python"]


def pss(process: int) -> int:
    """Proportional set size of a process in kB; 0 when it is gone."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def members(group: int) -> list[int]:
    """The processes of a process group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(folder.name)) == group:
                found.append(int(folder.name))
    return found


class Peak(threading.Thread):
    """Watches the memory of a process group until it is told to stop."""

    def __init__(self, group: int) -> None:
        super().__init__(daemon=True)
        self.group, self.kilobytes, self.ended = group, 0, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.5):
            self.kilobytes = max(self.kilobytes, sum(map(pss, members(self.group))))


def measured(tool: Tool, folder: Path) -> dict[str, Any]:
    """Install (timed apart), then the job."""
    began = time.monotonic()
    ask = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    asked = subprocess.run(
        [*command_of(tool), "-c", ask, tool.package or "tidyset"], capture_output=True, text=True
    )
    if asked.returncode:
        return {"error": asked.stderr.strip().splitlines()[-1], "when": "installing"}
    about = {"version": asked.stdout.split()[-1], "install_seconds": round(time.monotonic() - began, 1)}
    with tempfile.TemporaryDirectory() as out:
        return about | performed(tool, folder, Path(out))


def performed(tool: Tool, folder: Path, out: Path) -> dict[str, Any]:
    """What the script's steps took and found, and the memory of all its processes."""
    script = RIVALS / f"{tool.script}.py"
    environment = {
        **os.environ,
        "TIDYSET_WORKSPACE": str(out / "workspace"),
        "FIFTYONE_DATABASE_DIR": str(out / "mongo"),
        "FIFTYONE_DO_NOT_TRACK": "true",
        "HF_HUB_OFFLINE": "1",
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = subprocess.Popen(
        [*command_of(tool), str(script), str(folder), str(out)],
        cwd=ROOT if not tool.package else out,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    peak = Peak(process.pid)
    peak.start()
    try:
        _, words = process.communicate(timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        words = f"took more than {MOST_SECONDS} s"
    finally:
        peak.ended.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    file = out / "steps.json"
    if not file.exists():
        return {"error": (words.strip().splitlines() or ["no word"])[-1], "when": "running"}
    steps = json.loads(file.read_text())["steps"]
    return {
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_mb": round(peak.kilobytes / 1024),
        "steps": {name: judged(name, step, folder, out) for name, step in steps.items()},
    }


def judged(name: str, step: dict[str, Any], folder: Path, out: Path) -> dict[str, Any]:
    """A step with what can be checked: how many flips are found first, whether the export is right."""
    step = dict(step)
    if "ranked" in step:
        ranked = step.pop("ranked")[:N_FLIPPED]
        step["found"] = len(set(ranked) & set(json.loads((folder / "flipped.json").read_text())))
    if name == "export" and "seconds" in step:
        fixes = json.loads((folder / "fixes.json").read_text())
        exported = json.loads((out / "exported.json").read_text())
        with (folder / "labels.csv").open(newline="") as file:
            wanted = {row["id"]: fixes.get(row["id"], row["label"]) for row in csv.DictReader(file)}
        step["exact"] = exported == wanted
    return step


def lines_of(tool: Tool) -> dict[str, int]:
    """Lines that the user writes: of each step's function, and "in all" with what they share."""
    source = (RIVALS / f"{tool.script}.py").read_text()
    found = {"in all": 0}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = {
                line
                for statement in body
                for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
                if source.splitlines()[line - 1].strip()
            }
            refuses = len(body) == 1 and isinstance(body[0], ast.Raise)
            found[node.name.strip("_")] = 0 if refuses else len(lines)
            found["in all"] += 0 if refuses else len(lines)
    return found


def cell(step: dict[str, Any] | None) -> str:
    """One step of one tool, in a few words."""
    if step is None:
        return "not reached"
    if "not_possible" in step:
        return "–"
    if "error" in step:
        return "failed"
    words = f"{step['seconds']:.1f} s"
    if "found" in step:
        words += f", {step['found']} of {N_FLIPPED}"
    if step.get("exact") is False:
        words += ", not as it should be"
    return words


def table(kept: dict[str, Any]) -> list[str]:
    """Markdown rows: a tool each."""
    rows = [
        f"| | version | {' | '.join(STEPS)} | in all | processors | memory | lines |",
        "| --- " * (len(STEPS) + 6) + "|",
    ]
    for tool in TOOLS:
        found = kept["tools"].get(tool.name)
        if not found:
            continue
        if "steps" not in found:
            failed = " | ".join(["–"] * (len(STEPS) + 4))
            rows.append(f"| {tool.name} | {found.get('version', '–')} | {failed} |")
            continue
        cells = " | ".join(cell(found["steps"].get(name)) for name in STEPS)
        rows.append(
            f"| {tool.name} | {found['version']} | {cells} | {found['seconds']:.0f} s | "
            f"{found['cpu_seconds']:.0f} s | {found['peak_mb']:,} MB | {lines_of(tool)['in all']} |"
        )
    return rows


def remarks(kept: dict[str, Any]) -> list[str]:
    """What each tool is for, and what could not be done, with the reason or the error."""
    lines = []
    for tool in TOOLS:
        found = kept["tools"].get(tool.name)
        if not found:
            continue
        lines += ["", f"**{tool.name}**: {tool.about}."]
        if "error" in found:
            lines.append(f"- Failed while {found['when']}: `{found['error']}`")
        for name, step in found.get("steps", {}).items():
            for kind, words in (("not_possible", "{}"), ("error", "failed: `{}`"), ("lacking", "{}")):
                if kind in step:
                    lines.append(f"- {name}: {words.format(step[kind])}.")
    return lines


def page(kept: dict[str, Any]) -> str:
    """docs/comparison.md."""
    ended = ENDING.format(date=kept["exclude_newer"][:10], cores=kept["cores"], load=kept["load"])
    start = BEGINNING.format(flipped=N_FLIPPED, fixed=N_FIXED)
    return "\n".join([start, *table(kept), ended, *remarks(kept), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=[tool.name for tool in TOOLS], help="measure these again"
    )
    parser.add_argument("--written", action="store_true", help="measure nothing, write the page again")
    parser.add_argument("--json", action="store_true", help="print what is kept, and nothing else")
    wanted = parser.parse_args()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {"tools": {}}
    if not wanted.written:
        kept |= {"exclude_newer": exclude_newer(), "cores": os.cpu_count()}
        with tempfile.TemporaryDirectory() as folder:
            make_inputs(Path(folder))
            for tool in TOOLS:
                if not wanted.only or tool.name in wanted.only:
                    print(f"{tool.name} ...", file=sys.stderr, flush=True)
                    kept["tools"][tool.name] = measured(tool, Path(folder))
                    kept["load"] = round(os.getloadavg()[0], 1)
                    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    PAGE.write_text(page(kept))
    print(json.dumps(kept) if wanted.json else PAGE.read_text())


if __name__ == "__main__":
    main()
