"""The job in LightlyStudio."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from job import Job, NotPossible, answers, perform

PORT = 8123
state: dict[str, Any] = {}


def import_(job: Job) -> None:
    import lightly_studio as ls
    from lightly_studio.core.annotation.annotation_create import CreateClassification
    from lightly_studio.resolvers import annotation_resolver, tag_resolver

    dataset = ls.ImageDataset.create("job")
    dataset.add_images_from_path(str(job.images), embed=False)
    row_of = {Path(file).name: row for row, file in enumerate(job.files.tolist())}
    samples = [(sample.sample_id, row_of[sample.file_name]) for sample in dataset]
    # All at once, as its example of evaluation does: one at a time took more than four minutes.
    for source, probs in (("label", None), ("run_a", job.run_a), ("run_b", job.run_b)):
        names = job.labels if probs is None else job.classes[probs.argmax(1)]
        made = [
            CreateClassification(
                class_name=str(names[row]), confidence=None if probs is None else float(probs[row].max())
            ).to_annotation_create(dataset.session, dataset.dataset_id, sample)
            for sample, row in samples
        ]
        annotation_resolver.create_many(dataset.session, dataset.collection_id, made, source)
    for part in np.unique(job.split).tolist():
        tag = tag_resolver.get_or_create_sample_tag_by_name(dataset.session, dataset.collection_id, part)
        inside = [sample for sample, row in samples if job.split[row] == part]
        tag_resolver.add_sample_ids_to_tag_id(dataset.session, tag.tag_id, inside)
    state.update(dataset=dataset, sample_of={str(job.ids[row]): sample for sample, row in samples})


def look(job: Job) -> None:
    import lightly_studio as ls

    ls.start_gui_background(host="127.0.0.1", port=PORT)
    answers(f"http://127.0.0.1:{PORT}")


def find(job: Job) -> None:
    raise NotPossible("ranks no labels; its evaluation shows where a prediction and the label differ")


def fix(job: Job) -> None:
    from lightly_studio.core.annotation.annotation_create import CreateClassification

    for id_, label in job.fixes.items():
        sample = state["dataset"].get_sample(state["sample_of"][id_])
        (given,) = (found for found in sample.annotations if found.annotation_source == "label")
        sample.delete_annotation(given)
        sample.add_annotation(CreateClassification(class_name=label), "label")


def export(job: Job) -> None:
    from lightly_studio.models.collection import SampleType
    from lightly_studio.resolvers import collection_resolver

    dataset = state["dataset"]
    labels = collection_resolver.get_or_create_child_collection(
        dataset.session, dataset.collection_id, SampleType.ANNOTATION, "label"
    )
    dataset.export().to_csv_classifications(job.out / "labels.csv", labels)
    with (job.out / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    job.exported({Path(row["file_path_abs"]).stem: row["class_name"] for row in rows})


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
