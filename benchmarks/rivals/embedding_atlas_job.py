"""The job in Embedding Atlas."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pandas as pd
from job import Job, NotPossible, answers, perform

PORT = 5055


def import_(job: Job) -> None:
    table = pd.DataFrame({
        "id": job.ids, "image": [{"bytes": Path(file).read_bytes()} for file in job.files],
        "split": job.split, "label": job.labels, "guess": job.classes[job.pred_probs.argmax(1)],
        "confidence": job.pred_probs.max(1), "embedding": list(job.embeddings),
    })  # fmt: skip
    table.to_parquet(job.out / "table.parquet")


def look(job: Job) -> dict[str, object]:
    command = ["embedding-atlas", str(job.out / "table.parquet"), "--vector", "embedding"]
    command += ["--image", "image", "--port", str(PORT), "--duckdb", "server"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        answers(f"http://localhost:{PORT}")
    finally:
        server.terminate()
    return {"lacking": "makes its map of the embeddings (UMAP) and their graph before it answers"}


def find(job: Job) -> None:
    raise NotPossible("has no score for labels; a map coloured by label shows some of them to the eye")


def fix(job: Job) -> None:
    raise NotPossible("is for reading: a value cannot be changed")


def export(job: Job) -> None:
    raise NotPossible("exports a selection of rows, as they came; there is no changed label to export")


def compare(job: Job) -> None:
    raise NotPossible("can colour the map by a column of each run, and computes nothing from them")


if __name__ == "__main__":
    perform({"import": import_, "look": look, "find": find, "fix": fix, "export": export, "compare": compare})
