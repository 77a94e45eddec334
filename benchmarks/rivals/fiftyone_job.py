"""The job in FiftyOne (with its brain)."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
from job import Job, answers, perform

state: dict[str, Any] = {}


def import_(job: Job) -> None:
    import fiftyone as fo

    def guesses(probs: np.ndarray) -> list[Any]:
        return [
            fo.Classification(
                label=job.classes[row.argmax()], confidence=row.max(), logits=np.log(row + 1e-9)
            )
            for row in probs
        ]

    dataset = fo.Dataset()
    columns = zip(
        job.ids.tolist(), job.files.tolist(), job.split.tolist(), job.labels.tolist(),
        guesses(job.pred_probs), guesses(job.run_a), guesses(job.run_b), strict=True,
    )  # fmt: skip
    dataset.add_samples([
        fo.Sample(
            filepath=file, tags=[split], item=id_, label=fo.Classification(label=label),
            guess=guess, run_a=a, run_b=b,
        )
        for id_, file, split, label, guess, a, b in columns
    ])  # fmt: skip
    state["dataset"] = dataset


def look(job: Job) -> None:
    import fiftyone as fo

    state["session"] = fo.launch_app(state["dataset"], remote=True, port=5151)
    answers("http://localhost:5151")


def find(job: Job) -> dict[str, object]:
    import fiftyone.brain as fob

    fob.compute_mistakenness(state["dataset"], "guess", label_field="label", use_logits=True)
    return {"ranked": state["dataset"].sort_by("mistakenness", reverse=True).values("item")}


def fix(job: Job) -> None:
    from fiftyone import ViewField as F

    for sample in state["dataset"].match(F("item").is_in(list(job.fixes))):
        sample.label.label = job.fixes[sample.item]
        sample.save()


def export(job: Job) -> None:
    import fiftyone as fo

    fields = {"item": "id", "label.label": "label"}
    path = str(job.out / "labels.csv")
    state["dataset"].export(dataset_type=fo.types.CSVDataset, labels_path=path, fields=fields)
    with open(path, newline="") as file:
        job.exported({row["id"]: row["label"] for row in csv.DictReader(file)})


def compare(job: Job) -> dict[str, object]:
    from fiftyone import ViewField as F

    tests = state["dataset"].match_tags("test")
    shares = [
        tests.evaluate_classifications(run, gt_field="label", eval_key=f"eval_{run}").metrics()["accuracy"]
        for run in ("run_a", "run_b")
    ]
    only_b = tests.match(~F("eval_run_a") & F("eval_run_b")).count()
    return {
        "accuracies": [float(share) for share in shares],
        "only_b": only_b,
        "lacking": "no test of significance",
    }


if __name__ == "__main__":
    perform({"import": import_, "look": look, "find": find, "fix": fix, "export": export, "compare": compare})
