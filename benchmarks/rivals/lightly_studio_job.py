"""The job in LightlyStudio."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from job import Job, NotPossible, answers, perform

PORT = 8123
state: dict[str, Any] = {}


def import_(job: Job) -> None:
    import lightly_studio as ls
    from lightly_studio.core.annotation.annotation_create import CreateClassification

    dataset = ls.ImageDataset.create("job")
    dataset.add_images_from_path(str(job.images), embed=False)
    row_of = {Path(file).name: row for row, file in enumerate(job.files.tolist())}
    for sample in dataset:
        row = row_of[sample.file_name]
        sample.add_annotation(CreateClassification(class_name=str(job.labels[row])), "label")
        for run, probs in (("run_a", job.run_a[row]), ("run_b", job.run_b[row])):
            guess = CreateClassification(
                class_name=str(job.classes[probs.argmax()]), confidence=float(probs.max())
            )
            sample.add_annotation(guess, run)
        sample.add_tag(str(job.split[row]))
    state.update(dataset=dataset, row_of=row_of)


def look(job: Job) -> None:
    import lightly_studio as ls

    ls.start_gui_background(host="localhost", port=PORT)
    answers(f"http://localhost:{PORT}")


def find(job: Job) -> None:
    raise NotPossible("ranks no labels; its evaluation shows where a prediction and the label differ")


def fix(job: Job) -> None:
    from lightly_studio.core.annotation.annotation_create import CreateClassification

    for sample in state["dataset"]:
        id_ = str(job.ids[state["row_of"][sample.file_name]])
        if id_ in job.fixes:
            for annotation in sample.annotations:
                if annotation.annotation_source == "label":
                    sample.delete_annotation(annotation)
            sample.add_annotation(CreateClassification(class_name=job.fixes[id_]), "label")


def export(job: Job) -> None:
    state["dataset"].export().to_csv_classifications(job.out / "labels.csv")
    with (job.out / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["annotation_source"] == "label"]
    ids = (str(job.ids[state["row_of"][Path(row["file_path_abs"]).name]]) for row in rows)
    job.exported(dict(zip(ids, (row["class_name"] for row in rows), strict=True)))


def compare(job: Job) -> dict[str, object]:
    from lightly_studio.core.dataset_query.image_sample_field import ImageSampleField

    tests = state["dataset"].match(ImageSampleField.tags.contains("test"))
    evaluate = state["dataset"].evaluate(tests)
    runs = [evaluate.classification(run, "label", run).evaluation_run_id for run in ("run_a", "run_b")]
    return {
        "accuracies": [evaluate.metrics(run).accuracy for run in runs],
        "lacking": "no test of significance, and not which images only one of the two has right",
    }


if __name__ == "__main__":
    perform({"import": import_, "look": look, "find": find, "fix": fix, "export": export, "compare": compare})
