"""The job of docs/comparison.md as each tool's script sees it: the inputs, and a stop watch for each step.

Only the standard library and NumPy: every script runs in the tool's own environment, without Tidyset.
"""

from __future__ import annotations

import csv
import json
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

STEPS = ("import", "look", "find", "fix", "export", "compare")


class NotPossible(Exception):
    """The tool does not do this step; the reason is what the page says."""


class Job:
    """The folder that benchmarks/comparison.py made, and the folder for what comes out.

    Attributes:
        ids, files, split: (N,) str, of each image.
        labels: (N,) str, the labels as given, some of them wrong.
        classes: The K class names.
        pred_probs: (N, K) probabilities by models that did not see the image.
        embeddings: (N, D) float32.
        run_a, run_b: (N, K) probabilities of two runs.
        fixes: Id and right label of twenty images.
    """

    def __init__(self, folder: Path, out: Path) -> None:
        with (folder / "labels.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        self.folder, self.out = folder, out
        self.images = folder / "images"
        self.ids, self.split, self.labels = (np.array([row[key] for row in rows]) for key in
                                             ("id", "split", "label"))  # fmt: skip
        self.files = np.array([str(folder / row["file"]) for row in rows])
        arrays = np.load(folder / "arrays.npz", allow_pickle=False)
        self.classes = arrays["classes"]
        self.pred_probs, self.embeddings = arrays["pred_probs"], arrays["embeddings"]
        self.run_a, self.run_b = arrays["run_a"], arrays["run_b"]
        self.fixes: dict[str, str] = json.loads((folder / "fixes.json").read_text())

    def exported(self, labels: dict[str, str]) -> None:
        """Hand over what the tool exported, read back by id, to be checked."""
        (self.out / "exported.json").write_text(json.dumps(labels))


def answers(url: str, patience: float = 600) -> None:
    """Wait until a page is served."""
    ends = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                answer.read()
            return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


def perform(steps: dict[str, Callable[[Job], dict[str, Any] | None]]) -> None:
    """Do the steps in order and print what each took and found; one that fails ends the job."""
    job = Job(Path(sys.argv[1]), Path(sys.argv[2]))
    done: dict[str, Any] = {}
    for name in STEPS:
        began = time.time()
        try:
            found = steps[name](job) or {}
        except NotPossible as reason:
            done[name] = {"not_possible": str(reason)}
            continue
        except Exception as error:
            traceback.print_exc()
            done[name] = {"error": f"{type(error).__name__}: {error}"}
            break
        done[name] = {"began": began, "ended": time.time(), **found}
    (job.out / "steps.json").write_text(json.dumps(done))
