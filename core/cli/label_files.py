"""``tidyset labels``: what reads and writes files (export, apply, merge, revert, import), and agreement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from core.cli.labels import (
    SAMPLE,
    DataOption,
    FirstOption,
    LastOption,
    PersonOption,
    SessionOption,
    SinceOption,
    WhoOption,
    WhyOption,
    chosen_edits,
    labels,
    line_of,
    row_of,
    writer,
)
from core.cli.output import JsonFlag, emit, errors_explained
from core.data import catalog
from core.errors import BadInput
from core.wording import percent
from core.workspace import current

if TYPE_CHECKING:
    from core.labels.agreement import Agreement
    from core.labels.apply import Application, Finding
    from core.labels.journal import EditFilter
    from core.labels.kappa import Measure

PATCH_ENDING = ".jsonl"
DryRunFlag = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")]


@labels.command("export")
def export_command(
    output: Annotated[
        Path,
        typer.Option(
            help="What to write. A file ending in .jsonl is a patch, .csv and .parquet are tables, .npz has "
            "images and labels, .json is for Label Studio; folders need --format."
        ),
    ],
    data: DataOption = SAMPLE,
    chosen_format: Annotated[
        Literal["patch", "table", "npz", "folders", "huggingface", "label-studio"] | None,
        typer.Option("--format", help="The format; from the file's ending when not given."),
    ] = None,
    version: Annotated[
        str, typer.Option(help="Label version: a number (0 for the given labels), a name, or newest.")
    ] = "newest",
    person: PersonOption = None,
    session: SessionOption = None,
    since: SinceOption = None,
    first: FirstOption = None,
    last: LastOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the labels for other tools, or the edits (all, or those chosen by --person, ...) as a patch."""
    with errors_explained(as_json=as_json):
        output = output.expanduser()
        chosen = chosen_edits(person, session, since, first, last)
        if chosen_format == "patch" or (chosen_format is None and output.suffix == PATCH_ENDING):
            if version != "newest" and last is not None:
                raise BadInput("--version and --to both end the range of edits.", "Give one of them.")
            _export_patch(output, data, chosen, version, as_json=as_json)
        else:
            if any((person, session, since, first, last)):
                raise BadInput(
                    "Only a patch can hold the edits of one person, session or time.",
                    "Let --output end in .jsonl, or leave the choice away.",
                )
            _export_labels(output, data, chosen_format, version, as_json=as_json)


def _export_patch(output: Path, data: str, chosen: EditFilter, version: str, *, as_json: bool) -> None:
    from dataclasses import replace

    from core.labels.compare import version_number
    from core.labels.patch import export_patch, write_patch

    dataset = catalog.open_dataset(current(), data)
    if version != "newest":
        chosen = replace(chosen, last=version_number(current(), dataset.name, version))
    patch = export_patch(current(), dataset, chosen)
    write_patch(patch, output)
    value = {"file": str(output), "format": "patch", "n_edits": len(patch.lines), "patch": patch.id}
    emit(value, f"{output}: a patch of {_edits(len(patch.lines))}", as_json=as_json)


def _export_labels(
    output: Path, data: str, chosen_format: str | None, version: str, *, as_json: bool
) -> None:
    from core.labels.compare import version_number
    from core.labels.export import Format, export_labels, format_of
    from core.labels.versions import labels_at

    chosen = Format(chosen_format) if chosen_format else format_of(output)
    dataset = catalog.open_dataset(current(), data)
    state = labels_at(current(), dataset, version_number(current(), dataset.name, version))
    n = export_labels(dataset, state, output, chosen)
    n_edited = int(state.edited.sum())
    value = {
        "file": str(output),
        "format": str(chosen),
        "n_items": n,
        "n_edited": n_edited,
        "version": state.version,
    }
    text = f"{output}: {n:,} items, {n_edited:,} of them relabelled, label version {state.version}"
    emit(value, text, as_json=as_json)


@labels.command("apply")
def apply_command(
    patch_file: Annotated[Path, typer.Argument(metavar="PATCH", help="The patch file.")],
    data: DataOption = SAMPLE,
    dry_run: DryRunFlag = False,
    force: Annotated[
        bool, typer.Option("--force", help="Make edits too whose old label is not the current one.")
    ] = False,
    copies: Annotated[
        bool, typer.Option("--copies", help="Give labels also to other items with the same image.")
    ] = False,
    who: WhoOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make the edits of a patch, all in one go; images are found by their content. Twice changes nothing."""
    with errors_explained(as_json=as_json):
        from core.labels.apply import apply_patch
        from core.labels.patch import read_patch

        patch = read_patch(patch_file.expanduser())
        dataset = catalog.open_dataset(current(), data)
        done = apply_patch(
            current(), dataset, patch, who=writer(who), dry_run=dry_run, force=force, copies=copies
        )
        emit(_application(done, dry_run=dry_run), _application_text(done, dry_run=dry_run), as_json=as_json)


def _application(done: Application, *, dry_run: bool) -> dict[str, Any]:
    from core.labels.apply import Status

    return {
        "dry_run": dry_run,
        "n_committed": len(done.edits),
        "session": done.session if done.edits else None,
        "counts": {str(status): len(done.of(status)) for status in Status},
        "applies": [_finding(finding) for finding in done.of(Status.APPLIES)],
        "conflicts": [_finding(finding) for finding in done.of(Status.CONFLICT)],
        "missing": [_finding(finding) for finding in done.of(Status.MISSING)],
        "impossible": [_finding(finding) for finding in done.of(Status.IMPOSSIBLE)],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    from core.labels.patch import row_of as patch_row

    return {
        "item": finding.item_id,
        "current": finding.current,
        "copies": list(finding.copies),
        "line": patch_row(finding.line),
    }


def _application_text(done: Application, *, dry_run: bool) -> str:
    from core.labels.apply import Status
    from core.labels.patch import text_of

    applies, already = len(done.of(Status.APPLIES)), len(done.of(Status.ALREADY))
    verb = f"{_edits(applies)} would be made" if dry_run else f"{_edits(len(done.edits))} made"
    lines = [f"{verb}, {already:,} in force already"]
    reasons = {
        Status.CONFLICT: "the label is another by now (--force makes them all the same)",
        Status.MISSING: "the data set has no such image",
        Status.IMPOSSIBLE: "the data set has no such class",
    }
    for status, reason in reasons.items():
        found = done.of(status)
        if found:
            lines.append(f"{len(found):,} {status}: {reason}")
            lines += [f"  {text_of(one.line)}{_instead(one)}" for one in found[:20]]
            lines += [f"  and {len(found) - 20:,} more"] if len(found) > 20 else []
    with_copies = [finding for finding in done.findings if finding.copies]
    if with_copies:
        lines.append(f"{len(with_copies):,} images are in the data set more than once:")
        lines += [f"  {one.item_id} is the same as {', '.join(one.copies)}" for one in with_copies[:20]]
    if done.edits:
        lines.append(f"Take it back with: tidyset labels revert --session {done.session}")
    return "\n".join(lines)


def _instead(finding: Finding) -> str:
    return f", but it is {finding.current or 'unlabelled'}" if finding.status == "conflict" else ""


@labels.command("merge")
def merge_command(
    a: Annotated[Path, typer.Argument(help="A patch file.")],
    b: Annotated[Path, typer.Argument(help="Another one.")],
    output: Annotated[Path, typer.Option(help="The patch to write.")],
    prefer: Annotated[
        Literal["a", "b", "newest"] | None,
        typer.Option(help="Which side counts where they differ; neither when not given."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make one patch of two. Where they differ, both sides are listed, and neither kept without --prefer."""
    with errors_explained(as_json=as_json):
        from core.labels.patch import merge_patches, read_patch, text_of, write_patch
        from core.labels.patch import row_of as patch_row

        merged = merge_patches(read_patch(a.expanduser()), read_patch(b.expanduser()), prefer)
        write_patch(merged.patch, output.expanduser())
        n = len(merged.patch.lines)
        value = {
            "file": str(output),
            "n_edits": n,
            "patch": merged.patch.id,
            "prefer": prefer,
            "conflicts": [{"a": patch_row(one.a), "b": patch_row(one.b)} for one in merged.conflicts],
        }
        lines = [f"{output}: a patch of {_edits(n)}"]
        if merged.conflicts:
            settled = (
                f"taken from {prefer}" if prefer else "left out (--prefer a, b or newest takes one side)"
            )
            lines.append(f"{len(merged.conflicts):,} conflicts, {settled}:")
            lines += [f"  a: {text_of(one.a)}\n  b: {text_of(one.b)}" for one in merged.conflicts]
        emit(value, "\n".join(lines), as_json=as_json)


@labels.command("revert")
def revert_command(
    patch_file: Annotated[
        Path | None,
        typer.Argument(metavar="[PATCH]", help="A patch file that was applied, or exported, here."),
    ] = None,
    person: PersonOption = None,
    session: SessionOption = None,
    since: SinceOption = None,
    first: FirstOption = None,
    last: LastOption = None,
    data: DataOption = SAMPLE,
    dry_run: DryRunFlag = False,
    who: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Take edits back by appending undos: those of a patch, a session, a person or a range of versions."""
    with errors_explained(as_json=as_json):
        from core.labels.apply import of_filter, of_patch, revert_edits
        from core.labels.patch import read_patch

        is_chosen = any((person, session, since, first, last))
        if (patch_file is None) == (not is_chosen):
            raise BadInput(
                "A revert needs either a patch or a choice of edits.",
                "Name a patch file, or give --session, --person, --since, --from or --to.",
            )
        dataset = catalog.open_dataset(current(), data)
        choose = (
            of_patch(read_patch(patch_file.expanduser()))
            if patch_file
            else of_filter(chosen_edits(person, session, since, first, last))
        )
        done = revert_edits(current(), dataset, choose, who=writer(who), why=why, dry_run=dry_run)
        value = {
            "dry_run": dry_run,
            "n_committed": len(done.edits),
            "session": done.edits[0].session if done.edits else None,
            "taken_back": [row_of(edit) for edit in done.targets],
            "kept": [row_of(edit) for edit in done.kept],
        }
        verb = "would be taken back" if dry_run else "taken back"
        lines = [f"{_edits(len(done.targets))} {verb}"]
        if done.kept:
            lines.append(f"{_edits(len(done.kept))} kept, because somebody decided again since:")
            lines += [line_of(edit) for edit in done.kept]
        emit(value, "\n".join(lines), as_json=as_json)


@labels.command("import")
def import_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="A table (CSV, TSV, Parquet) with columns item_id and label; Label Studio or COCO JSON; "
            "CVAT for images 1.1 XML."
        ),
    ],
    data: DataOption = SAMPLE,
    dry_run: DryRunFlag = False,
    who: WhoOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Take in labels that people gave in another tool or wrote into a table, for images of the data set."""
    with errors_explained(as_json=as_json):
        from core.labels.foreign import import_labels

        dataset = catalog.open_dataset(current(), data)
        done = import_labels(current(), dataset, file.expanduser(), who=writer(who), dry_run=dry_run)
        value = {
            "source": str(done.source),
            "dry_run": dry_run,
            "n_answers": done.n_answers,
            "n_edits": len(done.new),
            "n_committed": len(done.edits),
            "n_changes": len(done.changes),
            "n_same": done.n_same,
            "conflicts": list(done.conflicts),
            "session": done.edits[0].session if done.edits else None,
            "unmatched": list(done.unmatched),
            "ambiguous": [{"name": name, "items": list(items)} for name, items in done.ambiguous],
        }
        verb = "would be made" if dry_run else "made"
        lines = [f"{done.n_answers:,} answers of {done.source}: {_edits(len(done.new))} {verb}"]
        lines += [f"of them {len(done.changes):,} change a label, the others confirm one"] if done.new else []
        lines += [f"decided so already: {done.n_same:,}"] if done.n_same else []
        if done.conflicts:
            lines.append(f"{len(done.conflicts):,} were edited here after the export, and left alone:")
            lines += [f"  {item}" for item in done.conflicts[:20]]
        if done.unmatched:
            lines.append(f"{len(done.unmatched):,} name images that {dataset.name} does not have:")
            lines += [f"  {name}" for name in done.unmatched[:20]]
        if done.ambiguous:
            lines.append(f"{len(done.ambiguous):,} may mean several images; give paths or item ids:")
            lines += [f"  {name}: {', '.join(items[:5])}" for name, items in done.ambiguous[:20]]
        emit(value, "\n".join(lines), as_json=as_json)


@labels.command("agreement")
def agreement_command(
    choose: Annotated[
        float | None,
        typer.Option(help="Instead: draw this share of the decided items for a second, blind look."),
    ] = None,
    person: Annotated[
        str | None, typer.Option(help="With --choose: only what this person decided on.")
    ] = None,
    test_fixes: Annotated[
        bool,
        typer.Option(
            help="Instead: the test images with corrections that a model suggested and that wait for a blind "
            "look, mixed with others."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the draw, and of the intervals.")] = 0,
    data: DataOption = SAMPLE,
    who: Annotated[
        str | None, typer.Option(help="Who looks again, to mark what they have seen; your account's name.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """How far people agree with each other and with themselves, with 95 % intervals, and where they differ.

    Only blind looks and first decisions count. Settle a difference with `labels edit --as settle`.
    """
    with errors_explained(as_json=as_json):
        from core.labels.agreement import (
            choose_for_second_look,
            looked_again,
            measure_agreement,
            still_to_look,
        )
        from core.labels.guard import blind_review, guarded_labels
        from core.labels.journal import LabelJournal
        from core.labels.versions import current_version

        dataset = catalog.open_dataset(current(), data)
        any_edits = current_version(current(), dataset.name)
        edits = LabelJournal(current()).edits(dataset.name) if any_edits else []
        if test_fixes:
            drawn = blind_review(dataset, guarded_labels(current(), dataset), edits, seed=seed)
            drawn = still_to_look(edits, drawn, writer(who))
            emit({"items": drawn, "seed": seed}, "\n".join(drawn), as_json=as_json)
            return
        if choose is not None:
            drawn = choose_for_second_look(edits, choose, seed=seed, who=person)
            seen = [item for item in drawn if item in looked_again(edits, writer(who))]
            value = {"items": drawn, "seen": seen, "seed": seed, "share": choose}
            marked = [f"{item}  (seen)" if item in seen else item for item in drawn]
            emit(value, "\n".join(marked), as_json=as_json)
            return
        if person is not None:
            raise BadInput("--person goes with --choose.", "Give --choose 0.1 too, or leave it away.")
        found = measure_agreement(edits, seed=seed)
        emit(_agreement(found), _agreement_text(found), as_json=as_json)


def _agreement(found: Agreement) -> dict[str, Any]:
    return {
        "with_self": {who: _measure(one) for who, one in found.with_self.items()},
        "cohen_kappa": [{"people": list(pair), **(_measure(one) or {})} for pair, one in found.pairs.items()],
        "fleiss_kappa": _measure(found.fleiss),
        "krippendorff_alpha": _measure(found.alpha),
        "n_followed": found.n_followed,
        "conflicts": [
            {"item": one.item_id, "class": one.class_name, "said": one.said, "settled": one.settled}
            for one in found.conflicts
        ],
    }


def _measure(one: Measure | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "value": one.value,
        "ci95": list(one.ci95) if one.ci95 else None,
        "n": one.n_units,
        "agreed": one.agreed,
        "strength": one.strength or None,
    }


def _agreement_text(found: Agreement) -> str:
    rows = [(f"{who} with themself, Cohen's kappa", one) for who, one in found.with_self.items()]
    rows += [(f"{a} and {b}, Cohen's kappa", one) for (a, b), one in found.pairs.items()]
    rows += [("all, Fleiss' kappa", found.fleiss)] if found.fleiss else []
    rows += [("all, Krippendorff's alpha", found.alpha)] if found.alpha else []
    if not rows:
        return (
            "Nobody has looked twice yet, and no two people at one image.\n"
            "Draw some for a blind look with: tidyset labels agreement --choose 0.1"
        )
    lines = [_measure_line(title, one) for title, one in rows]
    if found.n_followed:
        lines.append(f"{found.n_followed:,} decisions do not count: the person saw another's label")
    open_ones = [one for one in found.conflicts if one.settled is None]
    lines.append(f"{len(found.conflicts):,} conflicts, {len(open_ones):,} of them open")
    for one in open_ones[:50]:
        named = f" ({one.class_name})" if one.class_name else ""
        lines.append(
            f"  {one.item_id}{named}: {', '.join(f'{who} {said}' for who, said in one.said.items())}"
        )
    return "\n".join(lines)


def _measure_line(title: str, one: Measure) -> str:
    if one.value is None or one.ci95 is None:
        figure = "not defined: all votes are one class"
    else:
        figure = f"{one.value:.3f} (95 %: {one.ci95[0]:.3f} to {one.ci95[1]:.3f}), {one.strength}"
    return f"{title:<44} {figure}; agreed on {percent(one.agreed)} of {one.n_units:,}"


def _edits(n: int) -> str:
    return f"{n:,} edit" if n == 1 else f"{n:,} edits"
