"""``tidyset evaluate`` and ``tidyset compare``: how good a run is, and whether another is better."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from core import workspace as workspaces
from core.cli.app import app
from core.cli.output import JsonFlag, emit, errors_explained
from core.data.dataset import is_labelled
from core.errors import BadInput
from core.files import Json
from core.runs.store import Run, find_run

if TYPE_CHECKING:
    from core.evaluation.predictions import Predictions
    from core.workspace import Workspace

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
    table: Annotated[
        Path | None,
        typer.Option("--predictions", help="Also write the prediction of each image: .csv or .parquet."),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option(
            help="Leave out bad rows, and images of classes that the run does not know, instead of refusing."
        ),
    ] = False,
    tuned: Annotated[
        bool, typer.Option(help="With several labels: at the run's own thresholds instead of one half.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure a run on other data: model summary, metrics, per-class report and confusion matrix.

    Classes meet by name, in any order. Images without labels get predictions only.
    """
    with errors_explained(as_json=as_json):
        from core.evaluation.multilabel_report import multilabel_text
        from core.evaluation.predict import predict_source
        from core.evaluation.prediction_table import prediction_rows, write_predictions
        from core.evaluation.report import text_report
        from core.files import write_bytes

        started = time.perf_counter()
        workspace = workspaces.current()
        found = find_run(workspace, run)
        predictions, note = predict_source(workspace, found, data, skip_bad=skip_bad)
        many = predictions.has_many_labels
        cut = _thresholds(found, tuned=tuned) if many else 0.5
        metrics = _metrics(predictions, cut)
        if table is not None:
            write_predictions(table.expanduser(), predictions, cut)
        rows = [] if is_labelled(predictions.labels).any() else prediction_rows(predictions, cut)
        edited, fixes = _on_edited_labels(workspace, data, predictions, cut)
        seconds = time.perf_counter() - started
        facts = {
            "data": data,
            "images": f"{len(predictions):,}",
            "run": f"{found.name} ({found.id}), trained on {found.dataset}",
            **({"note": note} if note else {}),
            **_about_fixes(fixes),
            **({"predicted": _counts_in_words(rows)} if rows else {}),
            "time": f"{seconds:.1f} s",
        }
        text = (multilabel_text if many else text_report)(
            [metrics, *edited.values()],
            heading=f"Run {found.name} on {Path(data).name}",
            facts=facts,
            model=_summary(found),
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
            "on_corrected": edited.get("corrected"),
            "on_unreviewed": edited.get("suggested"),
            "test_edits": fixes,
            "predictions": rows or None,
            "predictions_file": str(table) if table else None,
        }
        emit(value, f"The report is in {output}." if output else text, as_json=as_json)


@app.command("compare")
def compare(
    run_a: Annotated[str, typer.Argument(help="Name or id of the first run.")],
    run_b: Annotated[str, typer.Argument(help="Name or id of the second run, the newer one as a rule.")],
    split: SplitOption = "test",
    tuned: Annotated[
        bool, typer.Option(help="With several labels: at each run's own thresholds instead of one half.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say whether the second run is better than the first, on the same images, and how sure that is."""
    with errors_explained(as_json=as_json):
        from core.data.catalog import open_dataset
        from core.evaluation.compare import text_comparison
        from core.evaluation.of_run import compare_runs, predictions_of
        from core.quality.looks import record_comparison
        from core.quality.proofs import near_copies

        workspace = workspaces.current()
        a, b = find_run(workspace, run_a), find_run(workspace, run_b)
        if tuned and not predictions_of(a).has_many_labels:
            raise BadInput("There is one label an image, and no threshold.", "Leave --tuned out.")
        dataset = open_dataset(workspace, a.dataset)
        groups = near_copies(workspace, dataset, np.arange(len(dataset)))
        compared = compare_runs(workspace, a, b, split, tuned=tuned, groups=groups)
        found, text = [one.to_json() for one in compared], text_comparison(compared)
        n_pairs = record_comparison(workspace, dataset, a, b) if split == "test" else None
        if n_pairs is not None and n_pairs > 1:
            text += (
                f"\n\n{n_pairs} pairs of runs were compared on these test images; p is not adjusted for that."
            )
        value = {
            **found[0],
            "n_comparisons": n_pairs,
            "on_corrected_labels": next((one for one in found if one["labels"] == "corrected"), None),
            "on_unreviewed_labels": next((one for one in found if one["labels"] == "suggested"), None),
        }
        emit(value, text, as_json=as_json)


def _thresholds(run: Run, *, tuned: bool) -> NDArray[Any] | float:
    """The run's own thresholds, or one half for all labels."""
    from core.evaluation.thresholds import load_thresholds
    from core.models import load_card

    if not tuned:
        return 0.5
    return np.asarray(load_thresholds(run.folder, len(load_card(run.model_file).classes)).values)


def _metrics(predictions: Predictions, cut: NDArray[Any] | float) -> Json:
    from core.evaluation.multilabel_report import multilabel_metrics
    from core.evaluation.report import metrics_of

    if predictions.has_many_labels:
        return multilabel_metrics(predictions, "test", cut)
    return metrics_of(predictions, "test")


def _on_edited_labels(
    workspace: Workspace, data: str, predictions: Predictions, cut: NDArray[Any] | float
) -> tuple[dict[str, Json], dict[str, int]]:
    """The metrics on a data set's edited test labels, where they differ, and how many edits count."""
    from core.data.catalog import list_datasets, open_dataset
    from core.evaluation.of_run import on_edited_labels
    from core.labels.guard import guarded_labels

    if data not in {entry.name for entry in list_datasets(workspace)}:
        return {}, {"n_counted": 0, "n_reviewed_blind": 0, "n_unreviewed": 0}
    dataset = open_dataset(workspace, data)
    found = {
        key: {**_metrics(answers, cut), "labels": key}
        for key, answers in on_edited_labels(workspace, dataset, predictions).items()
    }
    return found, guarded_labels(workspace, dataset).fixes.to_json()


def _counts_in_words(rows: list[Json]) -> str:
    """How many images each class is predicted for, the most frequent first."""
    said = [row["predicted"] if isinstance(row["predicted"], list) else [row["predicted"]] for row in rows]
    counts = Counter(name for names in said for name in names)
    more = f" and {len(counts) - 20:,} more classes" if len(counts) > 20 else ""
    return ", ".join(f"{name} {n:,}" for name, n in counts.most_common(20)) + more


def _about_fixes(fixes: dict[str, int]) -> dict[str, str]:
    """A line on corrected test labels, for the report's head."""
    if not fixes["n_counted"] and not fixes["n_unreviewed"]:
        return {}
    words = f"{fixes['n_counted']:,} count"
    if fixes["n_unreviewed"]:
        words += f"; {fixes['n_unreviewed']:,} more were suggested by a model and wait for a blind review"
    return {"corrected test labels": words}


def _summary(run: Run) -> str:
    from core.models import load_model, model_summary

    model, card = load_model(run.model_file)
    return model_summary(model, card.channels, card.image_size)
