"""Labels that people gave elsewhere (core.labels.answers), as edits of the items that they are about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from core.data.dataset import Dataset, Task
from core.data.problems import ProblemLog
from core.labels.answers import Answer, Source, read_answers
from core.labels.apply import until_undisturbed
from core.labels.journal import ANSWERS, NO, YES, Edit, EditKind, LabelJournal, NewEdit
from core.labels.label_table import wrong_answer
from core.labels.matching import matched
from core.labels.patch import label_text
from core.labels.versions import LabelState, labels_at
from core.people.acting import allow
from core.people.roles import Right
from core.workspace import Workspace

MOST_WHO, MOST_WHEN, MOST_FILE = 100, 64, 200
"""Characters of what is kept with an edit."""
BY_MODELS = "model:"
"""What the names of models begin with, which are no people."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that was read, checked, and matched to the items of a data set.

    Attributes:
        name: What the person calls the file.
        items: (position, answer) of those that are in the data set.
        unmatched: Names of images that the data set has not got.
        ambiguous: (name, ids of the items) of those that may be several images of it.
    """

    source: Source
    name: str
    items: tuple[tuple[int, Answer], ...]
    unmatched: tuple[str, ...]
    ambiguous: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the answers of a file.

    Attributes:
        source: The tool.
        n_answers: How many there were.
        n_same: How many say what is decided already.
        new: The edits that were to be made.
        changes: Those of them that change a label; the others confirm one.
        edits: Those that were committed; empty after a dry run.
        unmatched: Names of images that the data set has not got.
        conflicts: Items that were edited after a table was exported, and changed in that too: left alone.
        ambiguous: (name, ids of the items) of those that may be several images: none is labeled.
    """

    source: Source
    n_answers: int
    n_same: int
    new: tuple[NewEdit, ...]
    changes: tuple[NewEdit, ...]
    edits: tuple[Edit, ...]
    unmatched: tuple[str, ...]
    conflicts: tuple[str, ...] = ()
    ambiguous: tuple[tuple[str, tuple[str, ...]], ...] = ()


def import_labels(
    workspace: Workspace, dataset: Dataset, file: Path, *, who: str, dry_run: bool = False
) -> Imported:
    """Append what a file of another tool says. Raises what ``prepare`` and ``take_in`` raise."""
    if not dry_run:
        allow(workspace, Right.BULK)
    return take_in(workspace, dataset, prepare(dataset, file), who=who, dry_run=dry_run)


def prepare(dataset: Dataset, file: Path | bytes, name: str = "") -> Prepared:
    """Read a file, check it, and match it to the items.

    Args:
        file: The file, or what is in it.
        name: What the person calls the file; not needed where ``file`` is a path.

    Raises:
        NotFound: There is no such file.
        BadInput: It is of none of these tools.
        ImportRejected: Answers cannot be used (an unknown class, several classes); all of them are listed.
    """
    name = name or (file.name if isinstance(file, Path) else "the file")
    source, answers = read_answers(file, name, dataset.classes)
    found = matched(dataset, answers)
    _check(dataset, name, found.items)
    return Prepared(source, name, tuple(found.items), tuple(found.unmatched), tuple(found.ambiguous))


def take_in(
    workspace: Workspace, dataset: Dataset, prepared: Prepared, *, who: str, dry_run: bool = False
) -> Imported:
    """Append what a file says, in one transaction. What is decided so already is not doubled.

    Where an image has several labels, the classes that it was given become yes, the others no.

    Args:
        who: Who imports; named for the answers of which the file names nobody.
    """
    if not dry_run:
        allow(workspace, Right.BULK)
    session = f"import-{uuid4().hex}"

    def attempt() -> Imported:
        state = labels_at(workspace, dataset)
        new, changes, conflicts = list[NewEdit](), list[NewEdit](), list[str]()
        n_same = 0
        for position, answer in prepared.items:
            item_id = str(dataset.item_ids[position])
            if _was_edited_since(dataset, state, position, answer):
                conflicts.append(item_id)
                continue
            steps = _steps(dataset, state, position, answer)
            n_same += not steps
            evidence = {
                "source": str(prepared.source),
                "file": prepared.name[:MOST_FILE],
                "decided": answer.when[:MOST_WHEN],
            }
            for step in steps:
                edit = NewEdit(
                    item_id,
                    step.kind,
                    step.value,
                    class_name=step.class_name,
                    who=answer.who or who,
                    evidence={key: text for key, text in evidence.items() if text},
                    session=session,
                    seq=len(new) + 1,
                )
                new.append(edit)
                changes += [edit] * step.is_change
        made: list[Edit] = []
        if new and not dry_run:
            made = LabelJournal(workspace).append(dataset, new, only_at=state.version)
        n_answers = len(prepared.items) + len(prepared.unmatched) + len(prepared.ambiguous)
        return Imported(
            prepared.source,
            n_answers,
            n_same,
            tuple(new),
            tuple(changes),
            tuple(made),
            prepared.unmatched,
            tuple(conflicts),
            prepared.ambiguous,
        )

    return until_undisturbed(attempt)


@dataclass(frozen=True, slots=True)
class _Step:
    """An edit that an answer makes, and whether it changes a label."""

    kind: EditKind
    class_name: str | None
    value: str | None
    is_change: bool


def _was_edited_since(dataset: Dataset, state: LabelState, position: int, answer: Answer) -> bool:
    """Whether the label is neither what it was when the answer was given, nor what the answer says."""
    if answer.was is None:
        return False
    if not answer.answers:
        now = label_text(dataset, state.labels, position, None)
        return (now or "",) not in (answer.was or ("",), answer.classes)
    pairs = zip(answer.answers, answer.was, strict=True)
    return any(
        label_text(dataset, state.labels, position, name) not in (said, was) for (name, said), was in pairs
    )


def _steps(dataset: Dataset, state: LabelState, position: int, answer: Answer) -> list[_Step]:
    if dataset.task is Task.MULTI_LABEL:
        every = ((name, YES if name in answer.classes else NO) for name in dataset.classes)
        found = [
            _Step(EditKind.LABEL, name, said, is_change=True)
            for name, said in answer.answers or every
            if label_text(dataset, state.labels, position, name) != said
        ]
        confirms = answer.confirms and (found or not state.confirmed[position])
        return [*found, _Step(EditKind.CONFIRM, None, None, is_change=False)] if confirms else found
    (name,) = answer.classes
    is_now = label_text(dataset, state.labels, position, None) == name
    is_decided = bool(state.edited[position] or state.confirmed[position])
    if is_now and (is_decided or not answer.confirms):
        return []
    is_given = label_text(dataset, dataset.labels, position, None) == name
    kind = EditKind.CONFIRM if is_given else EditKind.LABEL
    return [_Step(kind, None, name, is_change=not is_now)]


def _check(dataset: Dataset, file: str, items: Sequence[tuple[int, Answer]]) -> None:
    log = ProblemLog()
    times = Counter(position for position, _ in items)
    for position, answer in items:
        named = [*answer.classes, *(name for name, _ in answer.answers)]
        unknown = [name for name in named if name not in dataset.classes]
        if wrong := _wrong_name(answer.who):
            log.add(file, answer.row, wrong, "Give a person's name, or leave the cell empty.")
        elif unknown:
            said = f"{unknown[0]!r} is no class of {dataset.name!r}."
            log.add(file, answer.row, said, f"Choose one of {', '.join(dataset.classes[:40])}.")
        elif dataset.task is Task.SINGLE_LABEL and len(answer.classes) != 1:
            said = f"It gives {len(answer.classes)} classes; one was expected."
            log.add(file, answer.row, said, "Give each image one class.")
        elif wrong := wrong_answer(answer.answers):
            log.add(file, answer.row, f"{wrong!r} is no answer.", f"Write {', '.join(ANSWERS)}, 1 or 0.")
        elif times[position] > 1:
            said = f"Item {dataset.item_ids[position]} has {times[position]} answers."
            log.add(file, answer.row, said, "Keep one, or import each person's answers as a patch.")
    if log.n_found:
        raise log.rejected("Mend the file; nothing of it was used.")


def _wrong_name(who: str) -> str:
    """Why somebody cannot be called so; "" if they can."""
    if len(who) > MOST_WHO or not who.isprintable():
        return f"{who[:40]!r} is no name: more than {MOST_WHO} characters, or some that cannot be printed."
    return f"{who!r} is the name of a model, not of a person." if who.startswith(BY_MODELS) else ""
