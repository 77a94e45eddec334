"""The job in cleanlab."""

from __future__ import annotations

import csv

import numpy as np
from job import Job, NotPossible, perform

state: dict[str, np.ndarray] = {}


def import_(job: Job) -> None:
    names = job.classes.tolist()
    state["labels"] = np.array([names.index(label) for label in job.labels])


def look(job: Job) -> None:
    raise NotPossible("shows nothing: it is a library over arrays")


def find(job: Job) -> dict[str, object]:
    from cleanlab.filter import find_label_issues

    order = find_label_issues(state["labels"], job.pred_probs, return_indices_ranked_by="self_confidence")
    return {"ranked": job.ids[order].tolist()}


def fix(job: Job) -> None:
    names, row_of = job.classes.tolist(), {id_: row for row, id_ in enumerate(job.ids.tolist())}
    for id_, label in job.fixes.items():
        state["labels"][row_of[id_]] = names.index(label)


def export(job: Job) -> None:
    labels = dict(zip(job.ids.tolist(), job.classes[state["labels"]].tolist(), strict=True))
    with (job.out / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(labels.items())
    job.exported(labels)


def compare(job: Job) -> None:
    raise NotPossible("compares no models")


if __name__ == "__main__":
    perform({"import": import_, "look": look, "find": find, "fix": fix, "export": export, "compare": compare})
