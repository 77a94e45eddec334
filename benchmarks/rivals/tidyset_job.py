"""The job in Tidyset: its command line, and for the two given runs its library."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from job import Job, answers, perform

PORT = 8567
state: dict[str, Any] = {}


def tidyset(*arguments: str) -> Any:
    """A command, as one types it."""
    command = [str(Path(sys.executable).with_name("tidyset")), *arguments, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def import_(job: Job) -> None:
    tidyset("data", "import", str(job.folder / "labels.csv"), "--images", str(job.images), "--name", "job")


def look(job: Job) -> None:
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/Home.py", "--server.port", str(PORT)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        answers(f"http://localhost:{PORT}")
    finally:
        server.terminate()


def find(job: Job) -> dict[str, object]:
    found = tidyset("issues", "--data", "job", "--folds", "3", "--top", "300")
    return {
        "ranked": [ours(job)[row["item"]] for row in found["issues"]],
        "lacking": "takes no predictions of another program: it trained three networks of its own",
    }


def ours(job: Job) -> dict[str, str]:
    """The job's id of each item id."""
    if "ids" not in state:
        with (job.out / "before.csv").open("w") as file:
            tidyset("labels", "export", "--data", "job", "--output", file.name)
        with (job.out / "before.csv").open(newline="") as file:
            items = [row["item_id"] for row in csv.DictReader(file)]
        state["ids"] = {item: Path(item).stem for item in items}
    return state["ids"]


def fix(job: Job) -> None:
    with (job.out / "fixes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label"), *job.fixes.items()])
    done = tidyset("labels", "import", file.name, "--data", "job")
    assert done["n_committed"] == len(job.fixes)


def export(job: Job) -> None:
    tidyset("labels", "export", "--data", "job", "--output", str(job.out / "labels.csv"))
    with (job.out / "labels.csv").open(newline="") as file:
        job.exported({ours(job)[row["item_id"]]: row["current"] for row in csv.DictReader(file)})


def compare(job: Job) -> dict[str, object]:
    from core.evaluation.compare import compare as compared
    from core.evaluation.predictions import Predictions

    names = job.classes.tolist()
    truth = np.array([names.index(label) for label in job.labels])
    runs = [
        Predictions(job.ids, job.split, truth, probs.astype(np.float32), tuple(names), run, 0, "")
        for run, probs in (("a", job.run_a), ("b", job.run_b))
    ]
    return {
        "verdict": compared(*runs, job.ids, truth, "test").verdict,
        "lacking": "its pages compare only runs of its own; this is its library",
    }


if __name__ == "__main__":
    perform({"import": import_, "look": look, "find": find, "fix": fix, "export": export, "compare": compare})
