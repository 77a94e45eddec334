"""``tidyset evaluate`` and ``tidyset compare``: how good a run is, and whether another is better."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from core import workspace as workspaces
from core.cli.app import app
from core.cli.output import JsonFlag, emit, errors_explained
from core.runs.store import Run, find_run

SplitOption = Annotated[Literal["test", "val", "train"], typer.Option(help="Which images to compare on.")]


@app.command("evaluate")
def evaluate(
    run: Annotated[str, typer.Argument(help="Name or id of a finished run.")],
    data: Annotated[
        str,
        typer.Option(
            help="A data set (its test split is used), or a file or folder in any format that can be "
            "imported, such as a CSV of a label and the pixels."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(help="Where to write the report; it is printed when not given.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option(help="Leave bad rows out instead of refusing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure a run on other data: model summary, metrics, per-class report and confusion matrix."""
    with errors_explained(as_json=as_json):
        from core.evaluation.predict import predict_source
        from core.evaluation.report import metrics_of, text_report
        from core.files import write_bytes

        started = time.perf_counter()
        workspace = workspaces.current()
        found = find_run(workspace, run)
        predictions, note = predict_source(workspace, found, data, skip_bad=skip_bad)
        metrics = metrics_of(predictions, "test")
        seconds = time.perf_counter() - started
        facts = {
            "data": data,
            "images": f"{len(predictions):,}",
            "run": f"{found.name} ({found.id}), trained on {found.dataset}",
            **({"note": note} if note else {}),
            "time": f"{seconds:.1f} s",
        }
        text = text_report(
            [metrics], heading=f"Run {found.name} on {Path(data).name}", facts=facts, model=_summary(found)
        )
        if output is not None:
            write_bytes(output.expanduser(), text.encode())
        value = {
            "run": found.name,
            "data": data,
            "test_accuracy": metrics["accuracy"],
            "test_macro_f1": metrics["macro_f1"],
            "seconds": round(seconds, 2),
            "note": note,
            "report": str(output) if output else None,
            **metrics,
        }
        emit(value, f"The report is in {output}." if output else text, as_json=as_json)


@app.command("compare")
def compare(
    run_a: Annotated[str, typer.Argument(help="Name or id of the first run.")],
    run_b: Annotated[str, typer.Argument(help="Name or id of the second run, the newer one as a rule.")],
    split: SplitOption = "test",
    as_json: JsonFlag = False,
) -> None:
    """Say whether the second run is better than the first, on the same images, and how sure that is."""
    with errors_explained(as_json=as_json):
        from core.evaluation.compare import text_comparison
        from core.evaluation.of_run import compare_runs

        workspace = workspaces.current()
        found = compare_runs(workspace, find_run(workspace, run_a), find_run(workspace, run_b), split)
        value = found[0].to_json()
        value["on_corrected_labels"] = found[1].to_json() if len(found) > 1 else None
        emit(value, text_comparison(found), as_json=as_json)


def _summary(run: Run) -> str:
    from core.models import load_model, model_summary

    model, card = load_model(run.model_file)
    return model_summary(model, card.channels, card.image_size)
