"""Edits that wait on this machine, because the team's database could not be reached when they were made.

They are kept in ``outbox.db`` of the workspace, on the disk before anybody hears of it. An edit is known by
its session and number there, so one that is also sent by other ways is still one edit. ``deliver`` sends what
waits, oldest first; what the journal then refuses stays, with the reason, until somebody lets it go.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sqlalchemy import (
    JSON,
    Column,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    func,
    select,
)
from sqlalchemy.dialects.sqlite import insert

from core.data.dataset import Dataset
from core.database.engine import is_sealed, open_address, reading, writing
from core.errors import BadInput, Busy, NotFound, StorageFailed
from core.people.acting import acting_as, allow
from core.people.roles import SERVER, Right
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.labels.journal import NewEdit

BATCH = 500

_metadata = MetaData()
_edits = Table(
    "waiting",
    _metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("dataset", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("session", String, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("edit", JSON, nullable=False),
    Column("at", Float, nullable=False),  # Unix time since when it waits
    Column("problem", String),  # why the journal refused it
    UniqueConstraint("dataset", "session", "seq"),
)


class EditsWait(StorageFailed):
    """The database could not be reached; the edits are safe on this machine and are sent once it can."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An edit that waits.

    Attributes:
        number: 1, 2, 3, ... in the order in which they came.
        edit: Arguments of ``NewEdit``.
        at: Unix time since when it waits.
        problem: Why the journal refused it; None while it was not sent.
    """

    number: int
    dataset: str
    fingerprint: str
    edit: dict[str, Any]
    at: float
    problem: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of sending the edits that waited.

    Attributes:
        n_sent: How many are in the journal now.
        refused: Why others are not; they stay.
    """

    n_sent: int
    refused: tuple[str, ...] = ()


def outbox_file(workspace: Workspace) -> Path:
    """outbox.db; there only once an edit had to wait."""
    return workspace.root / "outbox.db"


def keep(workspace: Workspace, dataset: Dataset, new: Sequence[NewEdit]) -> int:
    """Put edits into the outbox; one that is there already stays as it is.

    Returns:
        How many wait now; these are on the disk by then.

    Raises:
        StorageFailed: They could not be written, and are not kept.
    """
    common = {"dataset": dataset.name, "fingerprint": dataset.fingerprint, "at": time.time()}
    rows = [{**common, "session": one.session, "seq": one.seq, "edit": asdict(one)} for one in new]
    with writing(_open(workspace)) as connection:
        connection.execute(insert(_edits).on_conflict_do_nothing(), rows)
    return n_waiting(workspace)


def wait(workspace: Workspace, dataset: Dataset, new: Sequence[NewEdit], why: StorageFailed) -> StorageFailed:
    """Put edits into the outbox. Returns the error that says so, or that they are not safe there either."""
    try:
        n = keep(workspace, dataset, new)
    except (StorageFailed, Busy) as error:
        return StorageFailed(f"{why.problem} Nor can edits wait on this machine: {error.problem}", why.mend)
    counted = "1 label edit waits" if n == 1 else f"{n:,} label edits wait"
    return EditsWait(
        f"{why.problem} {counted} on this machine.",
        f"None is lost: they are sent once the database answers, or by `tidyset db send`. {why.mend}",
    )


def n_waiting(workspace: Workspace) -> int:
    """How many edits wait to be sent, without those that were refused."""
    if not outbox_file(workspace).exists():
        return 0
    with reading(_open(workspace)) as connection:
        query = select(func.count()).select_from(_edits).where(_edits.c.problem.is_(None))
        return connection.scalar(query) or 0


def waiting(workspace: Workspace, *, refused: bool = False) -> list[Waiting]:
    """The edits that wait to be sent, oldest first; with ``refused`` those that the journal refused."""
    if not outbox_file(workspace).exists():
        return []
    columns = [_edits.c[name] for name in Waiting.__dataclass_fields__]
    which = _edits.c.problem.is_not(None) if refused else _edits.c.problem.is_(None)
    with reading(_open(workspace)) as connection:
        found = connection.execute(select(*columns).where(which).order_by(_edits.c.number))
        return [Waiting(**row._mapping) for row in found]


def let_go_of_refused(workspace: Workspace) -> int:
    """Forget the edits that the journal refused. Returns how many."""
    allow(workspace, Right.DATABASE)
    if not outbox_file(workspace).exists():
        return 0
    with writing(_open(workspace)) as connection:
        return connection.execute(_edits.delete().where(_edits.c.problem.is_not(None))).rowcount


def deliver(workspace: Workspace) -> Delivery:
    """Send what waits to the journal, in the order in which it came.

    Raises:
        StorageFailed, Busy: The database still cannot be used; what was not sent goes on waiting.
    """
    with acting_as(SERVER):  # whoever made them was allowed to when they began to wait
        return _delivered(workspace)


def _delivered(workspace: Workspace) -> Delivery:
    n_sent, refused = 0, list[str]()
    for _, group in groupby(waiting(workspace), key=lambda one: (one.dataset, one.fingerprint)):
        while batch := list(islice(group, BATCH)):
            problems = _send(workspace, batch)
            _settle(workspace, batch, problems)
            n_sent += len(batch) - len(problems)
            refused += problems.values()
    return Delivery(n_sent, tuple(refused))


def _send(workspace: Workspace, batch: Sequence[Waiting]) -> dict[int, str]:
    """Commit a batch. Returns, by number in the outbox, why an edit can never be made."""
    from core.data.catalog import open_dataset
    from core.labels.journal import LabelJournal  # which puts edits in here

    name = batch[0].dataset
    try:
        dataset = open_dataset(workspace, name)
        if batch[0].fingerprint != dataset.fingerprint:
            raise NotFound(f"Data set {name!r} was replaced by another content.")
        new = [_new_edit(one) for one in batch]
        _, refusals = LabelJournal(workspace).commit_each(dataset, new)
    except NotFound as error:
        return {one.number: str(error) for one in batch}
    except BadInput as error:  # of one of them, which must not hold up the others
        if len(batch) == 1:
            return {batch[0].number: str(error)}
        return {number: why for one in batch for number, why in _send(workspace, [one]).items()}
    numbers = {(edit.session, edit.seq): one.number for edit, one in zip(new, batch, strict=True)}
    return {numbers[one.session, one.seq]: str(one.error) for one in refusals}


def _new_edit(one: Waiting) -> NewEdit:
    from core.labels.journal import EditKind, NewEdit

    # JSON knows no tuples.
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in one.edit.items()
    }
    return NewEdit(**{**known, "kind": EditKind(one.edit["kind"])})


def _settle(workspace: Workspace, batch: Sequence[Waiting], problems: dict[int, str]) -> None:
    done = [one.number for one in batch if one.number not in problems]
    with writing(_open(workspace)) as connection:
        connection.execute(_edits.delete().where(_edits.c.number.in_(done)))
        for number, problem in problems.items():
            connection.execute(_edits.update().where(_edits.c.number == number).values(problem=problem))


def _open(workspace: Workspace) -> Engine:
    engine = open_address(f"sqlite:///{outbox_file(workspace)}")
    if engine not in _READY and not is_sealed(engine):
        with writing(engine) as connection:
            _metadata.create_all(connection)
        _READY.add(engine)
    return engine


_READY: WeakSet[Engine] = WeakSet()
