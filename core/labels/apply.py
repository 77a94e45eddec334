"""Putting a patch into the journal of any data set that holds its images, and taking it out again.

A line finds its item by the image's content. Where several items hold the same image, the one with the
line's own id is meant; without it, the copies are dealt out, one each, to the items that the patch names,
those first whose label is the line's old one (and to the same ones when it is applied again). A line whose
``old`` is not the current label is a conflict: somebody decided otherwise, and it is listed instead of made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar
from uuid import uuid4

from core.data.content import positions_of_content
from core.data.dataset import Dataset, Task
from core.errors import BadInput
from core.labels.journal import (
    NOTING,
    SETTING,
    Edit,
    EditFilter,
    EditKind,
    LabelJournal,
    NewEdit,
    Outrun,
    live,
)
from core.labels.patch import Patch, PatchLine, label_text
from core.labels.versions import LabelState, labels_at
from core.people.acting import allow
from core.people.roles import Right
from core.workspace import Workspace

TRIES = 5
Outcome = TypeVar("Outcome")
Choose = Callable[[Sequence[Edit]], tuple[list[Edit], list[Edit]]]
"""Picks, of all edits of a data set (oldest first), those to take back, and those to keep all the same."""


class Status(StrEnum):
    """What becomes of a line."""

    APPLIES = "applies"
    ALREADY = "already"
    """The label is so already."""
    CONFLICT = "conflict"
    """The label is neither the line's old nor its new one."""
    MISSING = "missing"
    """The data set has no such image (or fewer copies of it than the patch names)."""
    IMPOSSIBLE = "impossible"
    """The data set has no such class."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a patch, held against a data set.

    Attributes:
        item_id: The item that it means here; None for a missing one.
        current: That item's label now.
        copies: Ids of other items with the same image, which the patch does not name.
    """

    line: PatchLine
    status: Status
    item_id: str | None = None
    current: str | None = None
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Application:
    """What applying a patch does, or did.

    Attributes:
        findings: One a line, and one more for each copy that was asked for.
        edits: What was committed; empty after a dry run.
        session: Of these edits; reverting the session takes them back.
    """

    findings: tuple[Finding, ...]
    edits: tuple[Edit, ...]
    session: str

    def of(self, status: Status) -> list[Finding]:
        """The findings of one status."""
        return [finding for finding in self.findings if finding.status is status]


def apply_patch(
    workspace: Workspace,
    dataset: Dataset,
    patch: Patch,
    *,
    who: str,
    dry_run: bool = False,
    force: bool = False,
    copies: bool = False,
) -> Application:
    """Make a patch's edits in one transaction. What is so already is not made again.

    Args:
        who: Who applies it; each edit keeps the name of the person who decided.
        dry_run: Only say what would become of each line.
        force: Make conflicting edits too.
        copies: Give new labels also to other items with the same image.

    Raises:
        BadInput: The patch is for the other task.
        Outrun: Others edit all the time.
    """
    if not dry_run:
        allow(workspace, Right.BULK)
    if patch.task is not dataset.task:
        raise BadInput(
            f"The patch is for {patch.task} data; {dataset.name!r} is {dataset.task}.",
            "Choose a data set of the same kind.",
        )
    session = f"{patch_sessions(patch)}{uuid4().hex[:12]}"

    def attempt() -> Application:
        state = labels_at(workspace, dataset)
        before = _dealt_before(workspace, dataset, patch) if state.version else {}
        findings = held_against(dataset, state, patch, before, copies=copies)
        new = [
            _new_edit(dataset, finding, patch, who=who, session=session, seq=seq)
            for seq, finding in enumerate(findings, start=1)
            if finding.status is Status.APPLIES or (force and finding.status is Status.CONFLICT)
        ]
        made: list[Edit] = []
        if new and not dry_run:
            made = LabelJournal(workspace).append(dataset, new, only_at=state.version)
        return Application(tuple(findings), tuple(made), session)

    return until_undisturbed(attempt)


def patch_sessions(patch: Patch) -> str:
    """With what the names of all sessions begin that applied ``patch``."""
    return f"patch-{patch.id}-"


def until_undisturbed(attempt: Callable[[], Outcome]) -> Outcome:
    """Work the edits out again when somebody else edited in between, up to ``TRIES`` times. Raises Outrun."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(Outrun):
            return attempt()
    return attempt()


def _dealt_before(workspace: Workspace, dataset: Dataset, patch: Patch) -> dict[str, str]:
    """For items of the patch, the item that stood for each when it was applied here before."""
    prefix = patch_sessions(patch)
    edits = LabelJournal(workspace).in_force(dataset.name)
    edits = [edit for edit in edits if edit.session.startswith(prefix)]
    return {str(edit.evidence.get("patch_item")): edit.item_id for edit in edits}


def held_against(
    dataset: Dataset,
    state: LabelState,
    patch: Patch,
    dealt_before: Mapping[str, str] = MappingProxyType({}),
    *,
    copies: bool = False,
) -> list[Finding]:
    """What each line means for ``dataset`` under the labels ``state``.

    Args:
        dealt_before: For ids in the patch, ids in ``dataset`` that stood for them before.
        copies: Find also items that the patch does not name, for labels.
    """
    by_image: dict[str, list[PatchLine]] = {}
    for line in patch.lines:
        by_image.setdefault(line.image, []).append(line)
    holders = positions_of_content(dataset, list(by_image))
    findings = []
    for lines, found in zip(by_image.values(), holders, strict=True):
        positions = found.tolist()
        dealt = _dealt_out(dataset, state, lines, positions, dealt_before)
        findings += _of_one_image(dataset, state, lines, positions, dealt, copies=copies)
    return findings


def _of_one_image(
    dataset: Dataset,
    state: LabelState,
    lines: list[PatchLine],
    positions: list[int],
    dealt: dict[str, int],
    *,
    copies: bool,
) -> list[Finding]:
    free = [position for position in positions if position not in dealt.values()]
    others = tuple(str(dataset.item_ids[position]) for position in free)
    findings = []
    for line in lines:
        if line.item not in dealt:
            findings.append(Finding(line, Status.MISSING))
            continue
        findings.append(_finding(dataset, state, line, dealt[line.item], others))
        if copies and line.kind in SETTING and line.item == lines[0].item:
            findings += [_finding(dataset, state, line, position, ()) for position in free]
    return findings


def _dealt_out(
    dataset: Dataset,
    state: LabelState,
    lines: list[PatchLine],
    positions: list[int],
    dealt_before: Mapping[str, str],
) -> dict[str, int]:
    """Which item of this data set each item of the patch is; ``lines`` all have one image."""
    named = {str(dataset.item_ids[position]): position for position in positions}
    dealt: dict[str, int] = {}
    for known in ({line.item: line.item for line in lines}, dealt_before):
        for item in dict.fromkeys(line.item for line in lines if line.item not in dealt):
            position = named.get(known.get(item, ""))
            if position is not None and position not in dealt.values():
                dealt[item] = position
    free = [position for position in positions if position not in dealt.values()]
    for item in dict.fromkeys(line.item for line in lines if line.item not in dealt):
        own = [line for line in lines if line.item == item]

        def fit(position: int, own: list[PatchLine] = own) -> tuple[int, int]:
            statuses = [_status(dataset, state, line, position) for line in own]
            return -statuses.count(Status.APPLIES), -statuses.count(Status.ALREADY)

        if free:
            dealt[item] = best = min(free, key=fit)
            free.remove(best)
    return dealt


def _finding(
    dataset: Dataset, state: LabelState, line: PatchLine, position: int, others: tuple[str, ...]
) -> Finding:
    current = label_text(dataset, state.labels, position, line.class_name)
    status = _status(dataset, state, line, position)
    return Finding(line, status, str(dataset.item_ids[position]), current, others)


def _status(dataset: Dataset, state: LabelState, line: PatchLine, position: int) -> Status:
    if line.kind in (EditKind.EXCLUDE, EditKind.INCLUDE):
        is_so = bool(state.excluded[position]) is (line.kind is EditKind.EXCLUDE)
        return Status.ALREADY if is_so else Status.APPLIES
    is_single = dataset.task is Task.SINGLE_LABEL
    if not is_single and line.class_name is None:
        return Status.ALREADY if state.confirmed[position] else Status.APPLIES
    if (line.new if is_single else line.class_name) not in dataset.classes:
        return Status.IMPOSSIBLE
    current = label_text(dataset, state.labels, position, line.class_name)
    if current == line.new:
        is_decided = bool(state.edited[position] or state.confirmed[position])
        confirms = is_single and line.old == line.new and not is_decided
        return Status.APPLIES if confirms else Status.ALREADY
    return Status.APPLIES if current == line.old else Status.CONFLICT


def _new_edit(
    dataset: Dataset, finding: Finding, patch: Patch, *, who: str, session: str, seq: int
) -> NewEdit:
    line = finding.line
    assert finding.item_id is not None
    kind = line.kind
    if dataset.task is Task.SINGLE_LABEL and kind in (EditKind.LABEL, EditKind.CONFIRM):
        position = int(dataset.positions([finding.item_id])[0])
        is_given = label_text(dataset, dataset.labels, position, None) == line.new
        kind = EditKind.CONFIRM if is_given else EditKind.LABEL
    decided = datetime.fromtimestamp(line.when, UTC).isoformat(timespec="microseconds")
    return NewEdit(
        item_id=finding.item_id,
        kind=kind,
        new=line.new,
        class_name=line.class_name,
        who=line.who,
        why=line.why,
        evidence={
            **line.evidence,
            "patch": patch.id,
            "patch_item": line.item,
            "decided": decided,
            "applied_by": who,
        },
        session=session,
        seq=seq,
    )


@dataclass(frozen=True, slots=True)
class Reverted:
    """What taking edits back did, or would do.

    Attributes:
        targets: The edits that are taken back, newest first.
        edits: The undos that were committed; empty after a dry run.
        kept: Edits that stay, because somebody decided anew on the same since.
    """

    targets: tuple[Edit, ...]
    edits: tuple[Edit, ...]
    kept: tuple[Edit, ...] = ()


def revert_edits(
    workspace: Workspace,
    dataset: Dataset,
    choose: Choose,
    *,
    who: str,
    why: str = "",
    dry_run: bool = False,
) -> Reverted:
    """Append undos, in one transaction, of the edits that ``choose`` picks.

    Args:
        choose: See ``of_filter`` and ``of_patch``.

    Raises:
        Outrun: Others edit all the time.
    """
    session = f"revert-{uuid4().hex}"

    def attempt() -> Reverted:
        journal = LabelJournal(workspace)
        edits = journal.edits(dataset.name)
        targets, kept = choose(edits)
        targets.sort(key=lambda edit: -edit.number)
        new = [
            NewEdit("", EditKind.UNDO, undoes=edit.number, who=who, why=why, session=session, seq=seq)
            for seq, edit in enumerate(targets, start=1)
        ]
        made: list[Edit] = []
        if new and not dry_run:
            made = journal.append(dataset, new, only_at=edits[-1].number)
        return Reverted(tuple(targets), tuple(made), tuple(kept))

    return until_undisturbed(attempt)


def of_filter(chosen: EditFilter) -> Choose:
    """Chooses what ``chosen`` lets through, of what is in force; also undos of edits beyond it."""
    lets_through = chosen.lets_through

    def choose(edits: Sequence[Edit]) -> tuple[list[Edit], list[Edit]]:
        by_number = {edit.number: edit for edit in edits}
        return [
            edit
            for edit in live(edits)
            if lets_through(edit) and (edit.undoes is None or not lets_through(by_number[edit.undoes]))
        ], []

    return choose


def of_patch(patch: Patch) -> Choose:
    """Chooses what came from ``patch``: applied from it, or exported into it.

    Of edits that one line sums up, those back to the line's old label. An edit that is followed by another
    decision on the same is kept.
    """
    prefix = patch_sessions(patch)
    made_by = {
        (line.item, line.who, line.when, _aspect(line.kind, line.class_name)): line for line in patch.lines
    }

    def choose(edits: Sequence[Edit]) -> tuple[list[Edit], list[Edit]]:
        histories: dict[tuple[str, str], list[Edit]] = {}
        for edit in live(edits):
            if edit.undoes is None and edit.kind not in NOTING:
                histories.setdefault((edit.item_id, _aspect(edit.kind, edit.class_name)), []).append(edit)
        targets: list[Edit] = []
        kept: list[Edit] = []
        for (item_id, aspect), history in histories.items():
            lines = [made_by.get((item_id, edit.who, round(edit.at, 6), aspect)) for edit in history]
            ours = [
                edit
                for edit, line in zip(history, lines, strict=True)
                if line or edit.session.startswith(prefix)
            ]
            if ours and ours[-1] is not history[-1]:
                kept.append(ours[-1])
            elif ours:
                targets += _back_to(history, lines[-1], prefix)
        return targets, kept

    return choose


def _aspect(kind: EditKind, class_name: str | None) -> str:
    return f"label {class_name or ''}" if kind in SETTING else "excluded"


def _back_to(history: list[Edit], line: PatchLine | None, prefix: str) -> list[Edit]:
    """The newest edit of an item's ``history``, and those before it that ``line`` sums up with it."""
    found = [history[-1]]
    if line is None or history[-1].session.startswith(prefix) or line.kind not in SETTING:
        return found
    for edit in reversed(history[:-1]):
        if edit.new == line.old:
            break
        found.append(edit)
    return found
