"""``tidyset images``: copies, leaks and odd images of a data set, and what the leaks do to a run's score."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.app import app
from core.cli.output import JsonFlag, emit, errors_explained
from core.data import catalog
from core.data.dataset import SPLITS, Dataset, Task
from core.errors import BadInput
from core.wording import counted, percent
from core.workspace import Workspace, current

if TYPE_CHECKING:
    from core.quality.duplicates import Duplicates, Group, SimilarImages
    from core.quality.image_issues import ImageIssue
    from core.quality.leaks import Score


@app.command("images")
def images(
    data: Annotated[str, typer.Option("--data", help="Name of the data set.")] = "fashion-mnist-sample",
    run: Annotated[
        str | None, typer.Option(help="A finished run: its test score with and without the leaked images.")
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="How many images and groups to list of each kind.")] = 5,
    as_json: JsonFlag = False,
) -> None:
    """Find images that occur twice, leak into the test split, or are dark, blank, blurry or out of place."""
    with errors_explained(as_json=as_json):
        from core.labels.versions import labels_at
        from core.quality.duplicates import duplicates, similar_images
        from core.quality.image_issues import image_issues

        workspace = current()
        dataset = catalog.open_dataset(workspace, data)
        state = labels_at(workspace, dataset)
        similar = similar_images(workspace, dataset, _show_share)
        groups = duplicates(dataset, similar, state)
        issues = image_issues(workspace, dataset, state)
        value = {
            "data": dataset.name,
            "n_items": len(dataset),
            "label_version": state.version,
            "issues": [_issue(dataset, issue, top) for issue in issues],
            "duplicates": _duplicates(dataset, groups, top),
            "scores": _scores(workspace, dataset, similar, run) if run else None,
        }
        emit(value, _text(value), as_json=as_json)


def _show_share(share: float) -> None:
    """How far the search for copies is, on a terminal; the line is cleared at the end."""
    if sys.stderr.isatty():
        text = "\r\x1b[K" if share >= 1 else f"\r{percent(share, 0)} of the images compared"
        print(text, end="", file=sys.stderr, flush=True)


def _issue(dataset: Dataset, issue: ImageIssue, top: int) -> dict[str, Any]:
    listed = range(min(top, len(issue)))
    return {
        "kind": issue.rule.kind,
        "n": len(issue),
        "odd_is": "above" if issue.rule.upper else "below",
        "threshold": round(issue.threshold, 4),
        "means": issue.means,
        "top": [
            {
                "item": str(dataset.item_ids[issue.positions[row]]),
                "score": round(float(issue.values[row]), 4),
                "why": issue.why(row),
            }
            for row in listed
        ],
    }


def _duplicates(dataset: Dataset, found: Duplicates, top: int) -> dict[str, Any]:
    from core.quality.duplicates import to_leave_out

    return {
        "n_groups": len(found.groups),
        "n_exact": len(found.exact),
        "n_near": len(found.near),
        "n_leaks": len(found.leaks),
        "n_contradicting": len(found.conflicts),
        "n_images": sum(len(group) for group in found.groups),
        "n_to_leave_out": len(to_leave_out(dataset, found.groups)),
        "top": [_group(dataset, group) for group in found.groups[:top]],
    }


def _group(dataset: Dataset, group: Group) -> dict[str, Any]:
    return {
        "items": [str(dataset.item_ids[position]) for position in group.positions],
        "splits": [SPLITS[dataset.split[position]] for position in group.positions],
        "exact": group.exact,
        "leak": group.leak,
        "contradicting": group.conflict,
        "distance": round(group.distance, 4),
    }


def _scores(workspace: Workspace, dataset: Dataset, similar: SimilarImages, name: str) -> dict[str, Any]:
    """The run's test score with, without and on the leaked images, on the given and the corrected labels."""
    from core.evaluation.of_run import label_sets, predictions_of, scored_on
    from core.quality.leaks import leaked_score
    from core.runs.store import find_run

    run = find_run(workspace, name)
    if run.dataset != dataset.name:
        raise BadInput(
            f"Run {run.name!r} is of data set {run.dataset!r}, not of {dataset.name!r}.",
            f"Give --data {run.dataset}, or another run.",
        )
    if dataset.task is not Task.SINGLE_LABEL:
        raise BadInput(f"{dataset.name!r} has several labels an image, which no run scores yet.")
    predictions = predictions_of(run)
    found: dict[str, Any] = {"run": run.name}
    for labels in label_sets(workspace, dataset):
        leaked = leaked_score(dataset, similar, scored_on(predictions, dataset, labels))
        found[labels.key] = {
            "with_leaks": _score(leaked.all),
            "without_leaks": _score(leaked.without),
            "leaked_only": _score(leaked.leaked),
        }
    return found


def _score(score: Score) -> dict[str, Any]:
    if not score.n:
        return {"n": 0, "accuracy": None, "macro_f1": None, "ci95": None}
    return {
        "n": score.n,
        "accuracy": score.accuracy,
        "macro_f1": score.macro_f1,
        "ci95": list(score.interval),
    }


def _text(value: dict[str, Any]) -> str:
    lines = [f"{value['data']}: {value['n_items']:,} images, label version {value['label_version']}", ""]
    for issue in value["issues"]:
        lines.append(f"{issue['kind']:<14} {issue['n']:>7,}   {issue['means']}")
        lines += [f"    {one['item']}  {one['why']}" for one in issue["top"]]
    groups = value["duplicates"]
    lines += [
        "",
        f"{counted(groups['n_groups'], 'group')} of copies ({groups['n_exact']:,} of identical pixels): "
        f"{groups['n_leaks']:,} across splits, {groups['n_contradicting']:,} with contradicting labels; "
        f"training can do without {counted(groups['n_to_leave_out'], 'image')}",
    ]
    for group in groups["top"]:
        marks = [mark for mark in ("exact", "leak", "contradicting") if group[mark]]
        lines.append(f"    {', '.join(group['items'])}  {' '.join(marks) or 'near'}")
    from core.evaluation.predictions import LABEL_WORDS

    scores = value["scores"] or {}
    for key in ("given", "corrected", "suggested"):
        if key in scores:
            parts = [
                f"{name.replace('_', ' ')} {part['accuracy']:.4f} (n = {part['n']:,})"
                for name, part in scores[key].items()
                if part["n"]
            ]
            lines.append(f"Accuracy of {scores['run']} on the {LABEL_WORDS[key]}: {', '.join(parts)}")
    return "\n".join(lines)
