"""The job in Renumics Spotlight."""

from __future__ import annotations

from typing import Any

import pandas as pd
from job import Job, NotPossible, answers, perform

state: dict[str, Any] = {}


def import_(job: Job) -> None:
    state["table"] = pd.DataFrame({
        "id": job.ids, "image": job.files, "split": job.split, "label": job.labels,
        "guess": job.classes[job.pred_probs.argmax(1)], "confidence": job.pred_probs.max(1),
        "embedding": list(job.embeddings),
    })  # fmt: skip


def look(job: Job) -> None:
    from renumics import spotlight

    dtype = {"image": spotlight.Image, "embedding": spotlight.Embedding}
    # In a script, unlike a notebook, `wait` is until the last browser tab is closed.
    state["shown"] = {"dtype": dtype, "no_browser": True, "wait": False}
    state["viewer"] = spotlight.show(state["table"], **state["shown"], no_ssl=True)
    answers(f"http://{state['viewer'].host}:{state['viewer'].port}")


def find(job: Job) -> None:
    raise NotPossible(
        "finds outliers among embeddings (with cleanlab installed), no wrong labels; "
        "it shows those that another tool found"
    )


def fix(job: Job) -> None:
    table = state["table"].set_index("id")
    table.loc[list(job.fixes), "label"] = list(job.fixes.values())
    state["table"] = table.reset_index()
    state["viewer"].show(state["table"], **state["shown"])


def export(job: Job) -> None:
    state["table"][["id", "label"]].to_csv(job.out / "labels.csv", index=False)
    job.exported(dict(zip(state["table"]["id"], state["table"]["label"], strict=True)))


def compare(job: Job) -> None:
    raise NotPossible("shows a column for each run side by side, and computes nothing from them")


if __name__ == "__main__":
    perform({"import": import_, "look": look, "find": find, "fix": fix, "export": export, "compare": compare})
