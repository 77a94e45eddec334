"""The journal of label edits: append-only, durable, and deaf to repetition.

An edit is known by the session that made it and its number there. The browser sends an edit until it hears
that it is committed; sent twice, it is still one edit. Undo appends an edit that takes another back, redo
takes the undo back; nothing is ever overwritten, and the given labels are never touched.

Where an image has several labels, an edit sets one class to yes, no or unknown (``class_name`` and ``new``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Engine, func, inspect, select
from sqlalchemy.engine import Connection, Row

from core.data.dataset import UNLABELLED, Dataset, Task
from core.database.address import sqlite_file
from core.errors import BadInput, Busy, NameTaken, NotAllowed, NotFound, StorageFailed, TidysetError
from core.labels import outbox, schema
from core.labels.versions import positions_of
from core.people.acting import allow
from core.people.roles import Person, Right
from core.team.lists import Decision, settle
from core.workspace import Workspace, check_name

_MANY = 500
"""Up to so many names are asked for one by one; beyond it the whole data set's edits are read."""


class Outrun(Busy):
    """Somebody edited between the version that edits were worked out from and their commit."""


class ChangedSince(Busy):
    """The label that a person confirmed is another one by now.

    Attributes:
        now: The item's label: the name of its class, or yes, no or unknown of each class.
    """

    def __init__(self, item_id: str, changed: Sequence[str], now: tuple[str | None, ...]) -> None:
        super().__init__(
            f"{item_id!r} was changed after it was shown, and is now {', '.join(changed)}.", "Look again."
        )
        self.now = now


class EditKind(StrEnum):
    """What an edit does."""

    LABEL = "label"
    CONFIRM = "confirm"
    """A person looked, and the given label is right."""
    EXCLUDE = "exclude"
    """The image is to be left out of training."""
    INCLUDE = "include"
    LOOK = "look"
    """A blind second look: what a person saw without being shown any label. It changes no label."""
    SETTLE = "settle"
    """The label on which people who disagreed have settled."""
    UNSURE = "unsure"
    """A person looked and cannot tell: for somebody else to decide. It changes no label."""
    PROPOSE = "propose"
    """The image is of a class that the data set lacks (``new`` names it). It is left out until it has one."""
    UNDO = "undo"


SETTING = (EditKind.LABEL, EditKind.CONFIRM, EditKind.SETTLE)
"""The kinds that decide on a label."""

NOTING = (EditKind.LOOK, EditKind.UNSURE, EditKind.PROPOSE)
"""The kinds that change no label; they stay in the journal and are no part of a patch."""

MOST_NAME = 100
"""Characters of a proposed class."""

YES, NO, UNKNOWN = "yes", "no", "unknown"
ANSWERS = {YES: 1.0, NO: 0.0, UNKNOWN: float("nan")}
"""What one class of an image with several labels may be set to, and how Dataset.labels holds it."""


@dataclass(frozen=True, slots=True)
class NewEdit:
    """An edit that is to be made.

    Attributes:
        item_id: The item; "" for an undo, which finds it.
        kind: What to do.
        new: Name of the class, for a label; yes, no or unknown where an image has several labels; for a
            proposal, the name of a class that is not there yet.
        undoes: For an undo: the number of the edit to take back, or its (session, seq).
        who: Name of the person, as they gave it.
        why: Their reason, if they gave one.
        evidence: What was on the screen: run, guess, confidence, kind of queue.
        session: Names the browser page or command that made it; unique, so make it random.
        seq: Its number within the session.
        class_name: The class that is set, where an image has several labels; else None.
        shown: What the person saw and agreed to: the name of the item's class (None without one); with
            several labels yes, no or unknown of ``class_name``, or of each class. The edit is refused if that
            is another one by now. None for an edit that says by itself what the label is to be.
    """

    item_id: str
    kind: EditKind
    new: str | None = None
    undoes: int | tuple[str, int] | None = None
    who: str = "annotator"
    why: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    session: str = field(default_factory=lambda: uuid4().hex)
    seq: int = 1
    class_name: str | None = None
    shown: tuple[str | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """A committed edit.

    Attributes:
        number: 1, 2, 3, ... within the data set; also the label version that it makes.
        class_name: The class that is set, where an image has several labels.
        old, new: The item's label before and after, None for unlabelled; for a look, what was seen. Where an
            image has several labels: yes, no or unknown of ``class_name``, None for what names no class.
        at: Unix time of the commit.
    """

    dataset: str
    number: int
    item_id: str
    kind: EditKind
    class_name: str | None
    old: str | None
    new: str | None
    undoes: int | None
    who: str
    at: float
    why: str
    evidence: dict[str, Any]
    session: str
    seq: int


@dataclass(frozen=True, slots=True)
class EditFilter:
    """Which edits to look at; None means all.

    Attributes:
        item_id, who, session: Only those of one item, person or session.
        since, until: Only those committed from, and before, a Unix time.
        first, last: Only those with a number from, and up to, this.
    """

    item_id: str | None = None
    who: str | None = None
    session: str | None = None
    since: float | None = None
    until: float | None = None
    first: int | None = None
    last: int | None = None

    def clauses(self) -> list[ColumnElement[bool]]:
        """The same as conditions of a query."""
        columns = schema.edits.c
        same = {"item_id": self.item_id, "who": self.who, "session": self.session}
        clauses = [columns[name] == value for name, value in same.items() if value is not None]
        if self.since is not None:
            clauses.append(columns.at >= self.since)
        if self.until is not None:
            clauses.append(columns.at < self.until)
        if self.first is not None:
            clauses.append(columns.number >= self.first)
        if self.last is not None:
            clauses.append(columns.number <= self.last)
        return clauses

    def lets_through(self, edit: Edit) -> bool:
        """Whether ``edit`` is one of them."""
        return (
            (self.item_id is None or edit.item_id == self.item_id)
            and (self.who is None or edit.who == self.who)
            and (self.session is None or edit.session == self.session)
            and (self.since is None or edit.at >= self.since)
            and (self.until is None or edit.at < self.until)
            and (self.first is None or edit.number >= self.first)
            and (self.last is None or edit.number <= self.last)
        )


@dataclass(frozen=True, slots=True)
class NamedVersion:
    """A label version with a name.

    Attributes:
        at: Unix time when it got the name.
    """

    name: str
    version: int
    who: str
    why: str
    at: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """An edit that was not made, and why; the others of its batch were."""

    session: str
    seq: int
    error: TidysetError


_COLUMNS = [schema.edits.c[name] for name in Edit.__dataclass_fields__]


class LabelJournal:
    """The edits of all data sets of a workspace. Safe to use from several threads and processes.

    Every method raises Busy, StorageFailed or DamagedFile when the database cannot be used.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @cached_property
    def _engine(self) -> Engine:
        return schema.database(self._workspace)

    def append(self, dataset: Dataset, new: Sequence[NewEdit], *, only_at: int | None = None) -> list[Edit]:
        """Commit all of ``new`` in one transaction, or none. One that was committed before is not doubled.

        Args:
            only_at: Commit only if this is still the newest version, for edits that were worked out from it.

        Returns:
            The committed edits, in the order of ``new``; they are on the disk by then.

        Raises:
            BadInput: No such class, nothing to confirm, or an edit that makes no sense.
            NotFound: No such item, or no such edit to undo.
            Outrun: Somebody edited after version ``only_at``.
            EditsWait: A team's database could not be reached; they are safe on this machine and sent later,
                each on its own (not those with ``only_at``, which can be worked out again).
            NotAllowed: Whoever acts may not label, or not in that name, or takes back what is another's.
        """
        made, refused = self._append(dataset, new, strict=True, only_at=only_at)
        assert not refused
        return made

    def append_each(self, dataset: Dataset, new: Sequence[NewEdit]) -> tuple[list[Edit], list[Refusal]]:
        """Like ``append``, but an edit that cannot be made is refused and does not hold up the others."""
        return self._append(dataset, new, strict=False)

    def commit_each(self, dataset: Dataset, new: Sequence[NewEdit]) -> tuple[list[Edit], list[Refusal]]:
        """Like ``append_each``, but edits that cannot be sent now do not wait: it raises StorageFailed."""
        return self._commit(dataset, new, strict=False)

    def _append(
        self, dataset: Dataset, new: Sequence[NewEdit], *, strict: bool, only_at: int | None = None
    ) -> tuple[list[Edit], list[Refusal]]:
        """Commit, after those that wait; where the team's database is away, put them there too."""
        self._check_allowed(new)
        if sqlite_file(self._workspace.database_url):  # on the same disk, where nothing could wait either
            return self._commit(dataset, new, strict=strict, only_at=only_at)
        try:
            outbox.deliver(self._workspace)
            return self._commit(dataset, new, strict=strict, only_at=only_at)
        except StorageFailed as error:
            if only_at is not None:
                raise
            raise outbox.wait(self._workspace, dataset, new, error) from error

    def _commit(
        self, dataset: Dataset, new: Sequence[NewEdit], *, strict: bool, only_at: int | None = None
    ) -> tuple[list[Edit], list[Refusal]]:
        made: list[Edit] = []
        refused: list[Refusal] = []
        person = self._check_allowed(new)
        own = None if person.may(Right.BULK) else person.name
        with schema.writing(self._engine, f"edits:{dataset.name}") as connection:
            if only_at is not None and _newest(connection, dataset.name) != only_at:
                raise Outrun(f"Labels of {dataset.name!r} were edited at the same time.", "Try again.")
            draft = _Draft(connection, dataset, new, own, signed=bool(person.name))
            for edit in new:
                try:
                    made.append(draft.add(edit))
                except TidysetError as error:
                    if strict:
                        raise
                    refused.append(Refusal(edit.session, edit.seq, error))
            if draft.rows:
                connection.execute(schema.edits.insert(), draft.rows)
                settle(connection, dataset, draft.decisions())
        return made, refused

    def _check_allowed(self, new: Sequence[NewEdit]) -> Person:
        """Who acts, if they may make all of ``new``: in their own name, unless they may in that of others."""
        person = allow(self._workspace, Right.LABEL)
        other = next((one.who for one in new if one.who != person.name), None)
        if other is not None and not person.may(Right.BULK):
            raise NotAllowed(
                f"{person.name} may not edit labels in the name of {other!r}.", "Edit in your own."
            )
        return person

    def edits(
        self,
        dataset_name: str,
        *,
        item_id: str | None = None,
        session: str | None = None,
        newest: int | None = None,
        chosen: EditFilter | None = None,
    ) -> list[Edit]:
        """Edits of a data set, oldest first.

        Args:
            item_id: Only this item's.
            session: Only those of one session.
            newest: Only the last so many.
            chosen: Only those that it lets through.
        """
        clauses = EditFilter(item_id=item_id, session=session).clauses()
        clauses += chosen.clauses() if chosen else []
        query = select(*_COLUMNS).where(schema.edits.c.dataset == dataset_name, *clauses)
        query = query.order_by(schema.edits.c.number.desc()).limit(newest)
        with schema.reading(self._engine) as connection:
            return [_edit(row) for row in reversed(connection.execute(query).all())]

    def version(self, dataset_name: str) -> int:
        """The newest label version: how many edits there are."""
        with schema.reading(self._engine) as connection:
            return _newest(connection, dataset_name)

    def last_row(self, dataset_name: str) -> dict[str, Any] | None:
        """All that is kept of the newest edit, by column; None where there is none."""
        query = select(schema.edits).where(schema.edits.c.dataset == dataset_name)
        query = query.order_by(schema.edits.c.number.desc()).limit(1)
        with schema.reading(self._engine) as connection:
            found = connection.execute(query).mappings().first()
        return None if found is None else dict(found)

    def changes(self, dataset_name: str, version: int) -> list[tuple[Any, ...]]:
        """(number, kind, item_id, content_hash, class_name, new, undoes, session) of edits 1 to version."""
        columns = schema.edits.c
        query = (
            select(
                columns.number,
                columns.kind,
                columns.item_id,
                columns.content_hash,
                columns.class_name,
                columns.new,
                columns.undoes,
                columns.session,
            )
            .where(columns.dataset == dataset_name, columns.number <= version)
            .order_by(columns.number)
        )
        with schema.reading(self._engine) as connection:
            return [tuple(row) for row in connection.execute(query)]

    def last_to_undo(self, dataset_name: str, who: str | None = None) -> Edit:
        """The newest edit that is still in force and no undo (of ``who``, if given). Raises NotFound."""
        found = self.edits(dataset_name)
        gone = taken_back((edit.number, edit.undoes) for edit in found)
        for edit in reversed(found):
            mine = who is None or edit.who == who
            if mine and edit.kind is not EditKind.UNDO and edit.number not in gone:
                return edit
        raise NotFound(f"There is no edit of {dataset_name!r} left to undo.", "The labels are as given.")

    def last_to_redo(self, dataset_name: str, who: str | None = None) -> Edit:
        """The newest undo in force (of ``who``, if given) with no decision after it. Raises NotFound.

        Undoing it is the redo. A decision made after the undo ends what can be redone, as in any editor.
        """
        found = self.edits(dataset_name)
        kinds = {edit.number: edit.kind for edit in found}
        gone = taken_back((edit.number, edit.undoes) for edit in found)
        for edit in reversed(found):
            if (who is None or edit.who == who) and edit.number not in gone:
                if edit.undoes is None:
                    break
                if kinds[edit.undoes] is not EditKind.UNDO:
                    return edit
        raise NotFound(
            f"There is no undo of {dataset_name!r} to take back.", "Only what was undone last can be redone."
        )

    def in_force(self, dataset_name: str, chosen: EditFilter | None = None) -> list[Edit]:
        """The edits that ``chosen`` lets through and no undo takes back, oldest first; no undos.

        With ``chosen.last`` the journal is taken as it was then: a later undo does not count.
        """
        wanted = chosen or EditFilter()
        found = self.edits(dataset_name, chosen=EditFilter(last=wanted.last))
        return [edit for edit in live(found) if edit.undoes is None and wanted.lets_through(edit)]

    def name_version(self, dataset_name: str, name: str, version: int, who: str, why: str = "") -> None:
        """Give a version a name, for good.

        Raises:
            BadInput: It cannot be a name.
            NameTaken: Another version has that name.
            NotFound: There is no such version.
        """
        allow(self._workspace, Right.LABEL)
        check_name(name, "label version")
        if name.isdigit():
            raise BadInput(f"{name!r} cannot name a label version: it is a number.", "Begin with a letter.")
        with schema.writing(self._engine, f"edits:{dataset_name}") as connection:
            newest = _newest(connection, dataset_name)
            if not 0 <= version <= newest:
                raise NotFound(
                    f"{dataset_name!r} has no label version {version}.", f"Choose one from 0 to {newest}."
                )
            taken = {one.name: one.version for one in _named(connection, dataset_name)}
            if taken.get(name, version) != version:
                raise NameTaken(
                    f"Label version {taken[name]} of {dataset_name!r} is named {name!r} already.",
                    "Choose another name.",
                )
            if name not in taken:
                row = {"dataset": dataset_name, "name": name, "version": version, "who": who, "why": why}
                connection.execute(schema.named_versions.insert().values(**row, at=time.time()))

    def named_versions(self, dataset_name: str) -> list[NamedVersion]:
        """The versions that have a name, oldest first."""
        with schema.reading(self._engine) as connection:
            return _named(connection, dataset_name)


def taken_back(edits: Iterable[tuple[int, int | None]]) -> set[int]:
    """Numbers of the edits that are not in force, because an undo that is in force takes them back.

    Args:
        edits: (number, the number it undoes or None), ascending.
    """
    gone: set[int] = set()
    undos = [(number, target) for number, target in edits if target is not None]
    for number, target in reversed(undos):  # an undo is later than its target, so the last word comes first
        if number not in gone:
            gone.add(target)
    return gone


def live(edits: Sequence[Edit]) -> list[Edit]:
    """Those of ``edits`` (all of a data set up to some version) that no undo takes back; undos too."""
    gone = taken_back((edit.number, edit.undoes) for edit in edits)
    return [edit for edit in edits if edit.number not in gone]


class _Draft:
    """The rows of one transaction while they are put together; sees the journal and its own new rows.

    Args:
        own: Whose edits alone may be taken back; None for everybody's.
    """

    def __init__(
        self,
        connection: Connection,
        dataset: Dataset,
        new: Sequence[NewEdit],
        own: str | None = None,
        *,
        signed: bool = False,
    ) -> None:
        self._signed = signed
        self.rows: list[dict[str, Any]] = []
        self._own = own
        self._dataset = dataset
        self._at = time.time()
        self._next = _newest(connection, dataset.name) + 1
        self._by_key = {(e.session, e.seq): e for e in _by_key(connection, dataset.name, new)}
        targets = [edit.undoes for edit in new if isinstance(edit.undoes, int)]
        self._by_number = {e.number: e for e in _by_number(connection, dataset.name, targets)}
        self._by_number |= {e.number: e for e in self._by_key.values()}
        items = {edit.item_id for edit in new if edit.item_id}
        items |= {edit.item_id for edit in self._by_number.values()}
        self._by_item: dict[str, list[Edit]] = {}
        for edit in _by_item(connection, dataset, sorted(items)):
            self._by_item.setdefault(edit.item_id, []).append(edit)

    def add(self, new: NewEdit) -> Edit:
        """The committed edit of that session and number, or a new row.

        Raises BadInput, NotFound or ChangedSince.
        """
        known = self._by_key.get((new.session, new.seq))
        if known is not None:
            return self._if_sent_again(known, new)
        target = self._target(new) if new.kind is EditKind.UNDO else None
        item_id = target.item_id if target else new.item_id
        position = int(self._dataset.positions([item_id])[0])
        class_name = target.class_name if target else self._checked_class(new)
        history = self._by_item.setdefault(item_id, [])
        given = self._given(position, class_name)
        if new.shown is not None:
            self._check_shown(new, position, history)
        edit = Edit(
            dataset=self._dataset.name,
            number=self._next,
            item_id=item_id,
            kind=new.kind,
            class_name=class_name,
            old=_label(history, given, class_name),
            new=self._checked_label(new, given),
            undoes=target.number if target else None,
            who=new.who,
            at=self._at,
            why=new.why,
            evidence=dict(new.evidence),
            session=new.session,
            seq=new.seq,
        )
        if new.kind in (EditKind.EXCLUDE, EditKind.INCLUDE, EditKind.UNSURE, EditKind.UNDO):
            edit = replace(edit, new=_label([*history, edit], given, class_name))
        self._keep(edit, position)
        return edit

    def _if_sent_again(self, known: Edit, new: NewEdit) -> Edit:
        """The committed edit, where ``new`` is the same sent once more. Raises BadInput: it is another edit.

        Acknowledging another edit as this one would lose it without a word. Without accounts a name may have
        been changed between two tries.
        """
        same = known.kind is new.kind and (known.who == new.who or not self._signed)
        if new.kind is EditKind.UNDO:  # names an edit, not an item
            same = same and known.undoes is not None and self._target_number(new) == known.undoes
        else:
            same = same and known.item_id == new.item_id and new.new in (None, known.new)
        if same:
            return known
        was = f"{known.kind} of {known.item_id}"
        raise BadInput(
            f"Edit {new.seq} of {new.session} is already there as another one: {was}.",
            "Give every edit of a session a number of its own, or leave the session out.",
        )

    def _target_number(self, new: NewEdit) -> int | None:
        if new.undoes is None or isinstance(new.undoes, int):
            return new.undoes
        target = self._by_key.get(new.undoes)
        return target.number if target else None

    def decisions(self) -> list[Decision]:
        """What the new rows mean for the lists that a team shares; what a model said means nothing."""
        new = [self._by_number[row["number"]] for row in self.rows if not row["who"].startswith("model:")]
        return [
            Decision(
                item_id=edit.item_id,
                person=edit.who,
                class_name=edit.class_name,
                done=edit.undoes is None or self._by_number[edit.undoes].kind is EditKind.UNDO,
                at=edit.at,
            )
            for edit in new
        ]

    def _keep(self, edit: Edit, position: int) -> None:
        self._next += 1
        self._by_key[edit.session, edit.seq] = edit
        self._by_number[edit.number] = edit
        self._by_item[edit.item_id].append(edit)
        content = self._dataset.content_hashes[position].tobytes().hex()
        extra = {"content_hash": content, "fingerprint": self._dataset.fingerprint}
        self.rows.append({**_fields(edit), "kind": str(edit.kind), **extra})

    def _target(self, new: NewEdit) -> Edit:
        found = (
            self._by_number.get(new.undoes)
            if isinstance(new.undoes, int)
            else self._by_key.get(new.undoes or ("", 0))
        )
        if found is None:
            raise NotFound(
                f"There is no edit {new.undoes!r} of {self._dataset.name!r} to undo.",
                "`tidyset labels history` lists them.",
            )
        if self._own not in (None, found.who):
            raise NotAllowed(
                f"Edit {found.number} is by {found.who}; {self._own} may not take it back.", "Ask an admin."
            )
        return found

    def _check_shown(self, new: NewEdit, position: int, history: Sequence[Edit]) -> None:
        """Raises ChangedSince if the label is not what the person agreed to; BadInput if that is none."""
        every: Sequence[str | None] = self._dataset.classes if self._has_answers else [None]
        names = every if new.class_name is None else [new.class_name]
        if new.shown is None or len(new.shown) != len(names):
            raise BadInput(f"What was shown of {new.item_id!r} is no label of it.", "Reload the page.")
        now = self._label(position, history, names)
        changed = [(name, said) for name, said, was in zip(names, now, new.shown, strict=True) if said != was]
        if changed:
            told = [f"{name}: {said}" if name else said or "without a label" for name, said in changed]
            raise ChangedSince(new.item_id, told, self._label(position, history, every))

    def _label(
        self, position: int, history: Sequence[Edit], names: Sequence[str | None]
    ) -> tuple[str | None, ...]:
        return tuple(_label(history, self._given(position, name), name) for name in names)

    @property
    def _has_answers(self) -> bool:
        return self._dataset.task is Task.MULTI_LABEL

    def _checked_class(self, new: NewEdit) -> str | None:
        """The class that an edit sets where an image has several labels; None for what sets none."""
        sets_one = new.kind in (EditKind.LABEL, EditKind.LOOK, EditKind.SETTLE)
        if self._has_answers and sets_one:
            self._check_known(new.class_name)
            return new.class_name
        if new.class_name is not None:
            where = f"An edit of kind {new.kind} of {self._dataset.name!r}"
            raise BadInput(f"{where} sets no single class, but names {new.class_name!r}.", "Leave it away.")
        return None

    def _check_known(self, name: str | None) -> None:
        if name not in self._dataset.classes:
            raise BadInput(
                f"{name!r} is no class of {self._dataset.name!r}.",
                f"Choose one of {', '.join(self._dataset.classes[:40])}.",
            )

    def _checked_proposal(self, proposed: str | None) -> str:
        name = " ".join((proposed or "").split())
        if not name.isprintable() or not 1 <= len(name) <= MOST_NAME:
            raise BadInput(f"{name[:MOST_NAME]!r} names no class.", f"Give it 1 to {MOST_NAME} characters.")
        if name in self._dataset.classes:
            raise BadInput(f"{self._dataset.name!r} has a class {name!r}.", "Give the image that label.")
        return name

    def _given(self, position: int, class_name: str | None) -> str | None:
        if not self._has_answers:
            index = int(self._dataset.labels[position])
            return None if index == UNLABELLED else self._dataset.classes[index]
        if class_name not in self._dataset.classes:  # none, or one of a data set that was replaced
            return None
        value = float(self._dataset.labels[position, self._dataset.classes.index(class_name)])
        return UNKNOWN if value != value else YES if value else NO

    def _checked_label(self, new: NewEdit, given: str | None) -> str | None:
        if new.kind is EditKind.CONFIRM and not self._has_answers:
            if given is None:
                raise BadInput(f"Item {new.item_id!r} has no given label to confirm.", "Give it one.")
            return given
        if new.kind is EditKind.PROPOSE:
            return self._checked_proposal(new.new)
        if new.kind not in (EditKind.LABEL, EditKind.LOOK, EditKind.SETTLE):
            return None
        if not self._has_answers:
            self._check_known(new.new)
        elif new.new not in ANSWERS:
            raise BadInput(
                f"{new.new!r} is no answer for the class {new.class_name!r}.",
                f"Choose one of {', '.join(ANSWERS)}.",
            )
        return new.new


def _label(history: Sequence[Edit], given: str | None, class_name: str | None) -> str | None:
    """The label of one item (and class) after ``history``, its edits in order."""
    gone = taken_back((edit.number, edit.undoes) for edit in history)
    for edit in reversed(history):
        if edit.kind in SETTING and edit.class_name == class_name and edit.number not in gone:
            return edit.new
    return given


def _fields(edit: Edit) -> dict[str, Any]:
    return {name: getattr(edit, name) for name in Edit.__dataclass_fields__}


def _edit(row: Row[Any]) -> Edit:
    return Edit(**{**row._mapping, "kind": EditKind(row.kind)})


def _named(connection: Connection, dataset_name: str) -> list[NamedVersion]:
    if not inspect(connection).has_table("named_versions"):  # a journal on a disk that cannot be written
        return []
    columns = schema.named_versions.c
    query = select(*(columns[name] for name in NamedVersion.__dataclass_fields__))
    query = query.where(columns.dataset == dataset_name).order_by(columns.version, columns.at)
    return [NamedVersion(**row._mapping) for row in connection.execute(query)]


def _newest(connection: Connection, dataset_name: str) -> int:
    query = select(func.max(schema.edits.c.number)).where(schema.edits.c.dataset == dataset_name)
    return connection.scalar(query) or 0


def _by_key(connection: Connection, dataset_name: str, new: Sequence[NewEdit]) -> list[Edit]:
    """Edits committed before under the keys of ``new``, or under those that they undo."""
    keys = {(edit.session, edit.seq) for edit in new}
    keys |= {edit.undoes for edit in new if isinstance(edit.undoes, tuple)}
    columns = schema.edits.c
    query = select(*_COLUMNS).where(columns.dataset == dataset_name)
    if len(keys) <= _MANY:
        # Two lists instead of pairs, since SQLite uses its index only for these; a few more may be found.
        query = query.where(columns.session.in_({session for session, _ in keys}))
        query = query.where(columns.seq.in_({seq for _, seq in keys}))
    return [_edit(row) for row in connection.execute(query)]


def _by_number(connection: Connection, dataset_name: str, numbers: Sequence[int]) -> list[Edit]:
    columns = schema.edits.c
    query = select(*_COLUMNS).where(columns.dataset == dataset_name)
    if len(numbers) <= _MANY:
        query = query.where(columns.number.in_(numbers))
    return [_edit(row) for row in connection.execute(query)]


def _by_item(connection: Connection, dataset: Dataset, item_ids: Sequence[str]) -> list[Edit]:
    """The edits of these items that count for their labels, as core.labels.versions has it.

    What was said of other pixels, or of a class that is no more, does not; an undo does whenever it was made.
    """
    columns = schema.edits.c
    query = select(*_COLUMNS, columns.content_hash).where(columns.dataset == dataset.name)
    if len(item_ids) <= _MANY:
        query = query.where(columns.item_id.in_(item_ids))
    wanted = set(item_ids)
    # Sorted here: asked to sort, SQLite walks all edits by number instead of using the items' index.
    rows = sorted(
        (row for row in connection.execute(query) if row.item_id in wanted), key=lambda row: row.number
    )
    at = positions_of(dataset, [row.item_id for row in rows], [row.content_hash for row in rows])
    classes = set(dataset.classes)
    found = []
    for row, is_same in zip(rows, (at >= 0).tolist(), strict=True):
        known = dataset.task is Task.MULTI_LABEL or row.kind not in SETTING or row.new in classes
        if row.kind == EditKind.UNDO or (known and is_same):
            fields = {name: getattr(row, name) for name in Edit.__dataclass_fields__}
            found.append(Edit(**{**fields, "kind": EditKind(row.kind)}))
    return found
