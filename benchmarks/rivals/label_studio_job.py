"""The job in Label Studio: its server and its SDK."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from typing import Any

from job import Job, NotPossible, answers, perform

URL, TOKEN = "http://localhost:8124", "a" * 40
ASKS = """<View><Image name="image" value="$image"/>
<Choices name="label" toName="image">{}</Choices></View>"""
state: dict[str, Any] = {}


def choice(label: str) -> list[dict[str, Any]]:
    """A label, as Label Studio writes it."""
    return [{"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}]


def serve(job: Job) -> None:
    local = "LABEL_STUDIO_LOCAL_FILES_"
    served = {local + "SERVING_ENABLED": "true", local + "DOCUMENT_ROOT": str(job.folder)}
    command = ["label-studio", "start", "--no-browser", "--port", URL.rpartition(":")[2]]
    command += ["--data-dir", str(job.out / "data"), "--username", "me@example.org", "--password", "password"]
    command += ["--user-token", TOKEN, "--enable-legacy-api-token"]
    with (job.out / "server.log").open("w") as log:
        subprocess.Popen(command, env={**os.environ, **served}, stdout=log, stderr=log)
    answers(f"{URL}/health")


def import_(job: Job) -> dict[str, object]:
    from label_studio_sdk import LabelStudio

    def prediction(name: str, probs: Any) -> dict[str, Any]:
        label = str(job.classes[probs.argmax()])
        return {"model_version": name, "score": float(probs.max()), "result": choice(label)}

    serve(job)
    client = LabelStudio(base_url=URL, api_key=TOKEN, timeout=600)
    choices = "".join(f'<Choice value="{name}"/>' for name in job.classes)
    project = client.projects.create(title="job", label_config=ASKS.format(choices)).id
    client.import_storage.local.create(project=project, path=str(job.images), use_blob_urls=True)
    tasks = [
        {
            "data": {"image": f"/data/local-files/?d=images/{id_}.png", "item": id_, "split": str(split)},
            "annotations": [{"result": choice(str(label))}],
            "predictions": [prediction("run_a", a), prediction("run_b", b)],
        }
        for id_, split, label, a, b in zip(
            job.ids.tolist(), job.split, job.labels, job.run_a, job.run_b, strict=True
        )
    ]
    made = client.projects.import_tasks(project, request=tasks, return_task_ids=True)
    state.update(client=client, project=project, task_of=dict(zip(job.ids, made.task_ids, strict=True)))
    return {"lacking": "includes the start of its server, which everything goes through"}


def look(job: Job) -> None:
    image = f"{URL}/data/local-files/?d=images/{job.ids[0]}.png"
    asked = urllib.request.Request(image, headers={"Authorization": f"Token {TOKEN}"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        if not answer.read().startswith(b"\x89PNG"):
            raise OSError("the first image did not come")
    answers(f"{URL}/projects/{state['project']}/data")


def find(job: Job) -> None:
    raise NotPossible("sorts tasks by a prediction's score; ranks no labels (agreement is in its Enterprise)")


def fix(job: Job) -> None:
    for id_, label in job.fixes.items():
        (annotation,) = state["client"].annotations.list(state["task_of"][id_])
        state["client"].annotations.update(annotation.id, result=choice(label))


def export(job: Job) -> None:
    tasks = state["client"].projects.exports.as_json(state["project"], timeout=600)
    job.exported({
        task["data"]["item"]: task["annotations"][0]["result"][0]["value"]["choices"][0] for task in tasks
    })  # fmt: skip


def compare(job: Job) -> None:
    raise NotPossible("keeps both runs' predictions beside the labels, and computes nothing from them")


if __name__ == "__main__":
    perform({"import": import_, "look": look, "find": find, "fix": fix, "export": export, "compare": compare})
