"""``tidyset train``: the same worker that the Train page launches, followed on one line."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from core.cli.app import app
from core.cli.engines import Address, EngineName
from core.cli.output import JsonFlag, emit, errors_explained
from core.engines import EnginePlan
from core.errors import BadInput, TidysetError
from core.runs.store import Run, RunState, RunStatus
from core.wording import counted, percent


def _list_recipe_fields(wanted: bool) -> None:
    if wanted:
        typer.echo(recipe_help())
        raise typer.Exit


@app.command("train")
def train(
    data: Annotated[str, typer.Option(help="Name of the data set.")] = "fashion-mnist-sample",
    recipe: Annotated[
        str, typer.Option(help="A preset (baseline, fast, best, or one of your own) or a .toml file.")
    ] = "baseline",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field: --set epochs=3. Can be repeated.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run; made up when not given.")] = None,
    labels: Annotated[
        str, typer.Option(help="Which labels: latest, given (no corrections), or a version's number.")
    ] = "latest",
    engine: EngineName = "local",
    address: Address = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that train the run together, or the members of an ensemble side by side. When "
            "not given: one here, as many as there is room for on Ray."
        ),
    ] = None,
    detach: Annotated[bool, typer.Option(help="Start it and return; `tidyset runs list` shows it.")] = False,
    as_json: JsonFlag = False,
    help_recipe: Annotated[
        bool,
        typer.Option(
            "--help-recipe",
            callback=_list_recipe_fields,
            is_eager=True,
            help="List the recipe's fields with their ranges.",
        ),
    ] = False,
) -> None:
    """Train a model. Ctrl-C stops it so that `tidyset runs resume` can go on."""
    with errors_explained(as_json=as_json):
        from core.engines import assign, engine_plan
        from core.runs.launch import start

        plan = engine_plan(engine, address, workers)
        run = assign(make_run(data, recipe, settings or [], name, labels, plan), plan)
        start(run)
        if detach:
            value = {"run": run.name, "id": run.id, "state": "starting"}
            emit(
                value,
                f"{run.name} started; `tidyset runs show {run.name}` tells how it goes.",
                as_json=as_json,
            )
            return
        follow(run, as_json=as_json)


def make_run(
    data: str, recipe: str, settings: Sequence[str], name: str | None, labels: str, plan: EnginePlan
) -> Run:
    """The folder of a new run. Raises TidysetError for anything that cannot be."""
    from core.data.catalog import open_dataset
    from core.engines.one_run import check_one_run
    from core.labels.versions import labels_at
    from core.runs.presets import find_recipe
    from core.runs.recipe import parse_settings
    from core.runs.store import create_run
    from core.workspace import current

    workspace = current()
    chosen = find_recipe(workspace, recipe).with_changes(parse_settings(list(settings)))
    check_one_run(chosen, plan)
    dataset = open_dataset(workspace, data)
    version = labels_at(workspace, dataset, version_number(labels)).version
    return create_run(workspace, dataset, chosen, name=name, label_version=version)


def version_number(labels: str) -> int | None:
    """None for the newest label version, 0 for the given labels, else the number. Raises BadInput."""
    if labels in ("latest", "given"):
        return None if labels == "latest" else 0
    if not labels.isdecimal():
        raise BadInput(f"--labels {labels!r} is no label version.", "Give latest, given, or a number.")
    return int(labels)


def follow(run: Run, *, as_json: bool = False) -> None:
    """Show a run on one line until it ends, then print its result. Ctrl-C stops the run, cleanly.

    Raises:
        TidysetError: The run failed or its worker died; the message says how to go on.
        typer.Exit: It was stopped (status 130).
    """
    now = wait_for(run, as_json=as_json)
    if run.kind == "prove":
        from core.quality.proofs import read_proof, text_result

        proof = read_proof(run)
        emit({**proof, "id": run.id}, f"{text_result(proof)}\n\n  report  {run.report_file}", as_json=as_json)
        return
    summary = {key: value for key, value in now.summary.items() if key not in ("type", "at")}
    emit({**summary, "run": run.name, "id": run.id}, result_text(run, summary), as_json=as_json)


def wait_for(run: Run, *, as_json: bool = False) -> RunStatus:
    """Show a run on one line until it has finished; Ctrl-C stops it. Raises as ``follow`` does."""
    from core.runs.launch import request_stop, wait
    from core.runs.store import status

    line = LiveLine()
    try:
        while (now := status(run)).state.active:
            line.show(progress_text(run, now))
            for epoch in now.epochs[line.n_kept :]:
                line.keep(epoch_text(epoch))
            time.sleep(0.25)
    except KeyboardInterrupt:
        line.show(f"{run.name}: stopping after this step ...")
        if status(run).state.active:
            request_stop(run)
        now = wait(run)
    for epoch in now.epochs[line.n_kept :]:
        line.keep(epoch_text(epoch))
    line.clear()
    if now.state is RunState.STOPPED:
        text = f"{run.name} is stopped; `tidyset runs resume {run.name}` goes on."
        emit({"run": run.name, "id": run.id, "state": "stopped"}, text, as_json=as_json)
        raise typer.Exit(130)
    if now.state is not RunState.FINISHED:
        error = now.error or "The run ended without a result."
        raise TidysetError(f"Run {run.name!r} {now.state.value}: {error}")
    return now


def result_text(run: Run, summary: dict[str, Any]) -> str:
    """The result for people."""
    lines = [f"{run.name}: {counted(summary['epochs'], 'epoch')} in {summary['seconds']:.1f} s"]
    if summary.get("task") == "multi-label":
        return "\n".join([*lines, *_multilabel_lines(summary), f"  report      {run.report_file}"])
    for title, part in (("test", "test"), ("validation", "valid")):
        if (accuracy := summary.get(f"{part}_accuracy")) is not None:
            lines.append(f"  {title:<11} accuracy {accuracy:.4f}, macro F1 {summary[f'{part}_macro_f1']:.4f}")
    return "\n".join([*lines, f"  report      {run.report_file}"])


_MULTILABEL_FIGURES = {
    "exact_match": "exact match",
    "macro_auc": "mean AUC",
    "mean_average_precision": "mAP",
    "macro_f1": "macro F1",
    "hamming": "Hamming",
    "jaccard": "Jaccard",
}


def _multilabel_lines(summary: dict[str, Any]) -> list[str]:
    lines = []
    for title, part in (("test", "test"), ("validation", "valid"), ("test, tuned", "test_tuned")):
        there = [(words, summary.get(f"{part}_{name}")) for name, words in _MULTILABEL_FIGURES.items()]
        figures = [f"{words} {value:.4f}" for words, value in there if value is not None]
        if figures:
            lines.append(f"  {title:<11} {', '.join(figures)}")
    return lines


def progress_text(run: Run, now: RunStatus) -> str:
    """One line on where a run is."""
    if now.started is None or (now.progress is None and not now.epochs):
        text = (now.progress or {}).get("text") or "starting"
        return f"{run.name}: {text} ..."
    progress = now.progress or now.epochs[-1]
    if "text" in progress:
        left = f" · {duration(now.seconds_left)} left" if now.seconds_left is not None else ""
        return f"{run.name}: {progress['text']}{left}"
    figures = [f"{run.name}: epoch {progress['epoch'] + 1} of {now.started['epochs']}"]
    figures.append(f"{percent(now.share, 0)}")
    if now.seconds_left is not None:
        figures.append(f"{duration(now.seconds_left)} left")
    figures.append(f"loss {progress['train_loss']:.3f}, accuracy {progress['train_accuracy']:.3f}")
    figures.append(f"{progress['images_per_second']:,.0f} images/s")
    return " · ".join(figures)


def epoch_text(epoch: dict[str, Any]) -> str:
    """One line on a finished epoch."""
    parts = [
        f"epoch {epoch['epoch'] + 1:>3}",
        f"train {epoch['train_loss']:.4f} / {epoch['train_accuracy']:.4f}",
    ]
    if epoch.get("valid_accuracy") is not None:
        parts.append(f"validation {epoch['valid_loss']:.4f} / {epoch['valid_accuracy']:.4f}")
    if epoch.get("valid_exact_match") is not None:
        parts.append(f"exact {epoch['valid_exact_match']:.4f}")
    if epoch.get("pseudo_share") is not None:
        right = epoch.get("pseudo_precision")
        rightly = f", {percent(right)} right" if right else ""
        parts.append(f"pseudo-labels {percent(epoch['pseudo_share'], 0)}{rightly}")
    if epoch.get("valid_macro_auc") is not None:
        parts.append(f"AUC {epoch['valid_macro_auc']:.4f}")
    return "   ".join([*parts, f"{epoch['seconds']:.1f} s", f"{epoch['images_per_second']:,.0f} images/s"])


def duration(seconds: float) -> str:
    """``75`` as "1 min 15 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class LiveLine:
    """One line of the terminal that is written over, on stderr; where that is no terminal, only what is kept.

    Attributes:
        n_kept: Lines kept so far.
    """

    def __init__(self) -> None:
        self.n_kept = 0
        self._is_live = sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Write over the line."""
        if self._is_live:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def keep(self, text: str) -> None:
        """Print a line that stays."""
        self.clear()
        sys.stderr.write(f"{text}\n")
        self.n_kept += 1

    def clear(self) -> None:
        """Empty the live line."""
        self.show("")


def recipe_help() -> str:
    """The recipe's fields by section: default, range or choices, meaning."""
    from core.runs.recipe import Recipe, metric_choices

    lines: list[str] = []
    group = ""
    for name, about in Recipe.model_json_schema()["properties"].items():
        if about["group"] != group:
            group = about["group"]
            lines += ["", group]
        lines.append(
            f"  {name:<23}  {field_range(about):<20}  {about['default']!s:<13}  {about['description']}"
        )
        if "enum" in about or "metric" in about:
            lines.append(f"{'':27}{' | '.join(about.get('enum') or metric_choices())}")
    head = "Fields of a recipe: name, range, default, meaning. Set one with --set name=value."
    return "\n".join([head, *lines])


def field_range(about: dict[str, Any]) -> str:
    """What values a field takes, from its JSON schema."""
    if "enum" in about or "metric" in about:
        return "one of"
    if about["type"] in ("boolean", "string"):
        return "true | false" if about["type"] == "boolean" else "text"
    low = f"above {about['exclusiveMinimum']}" if "exclusiveMinimum" in about else about["minimum"]
    if "exclusiveMaximum" in about:
        return f"{low} to below {about['exclusiveMaximum']}"
    return f"{low} to {about['maximum']}" if "maximum" in about else f"{low} or more"
