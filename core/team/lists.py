"""Lists that are shared out: everybody is given images of their own, and no two people the same one.

A list is made once, of images in an order. Whoever works on it takes some at a time; these are kept for
them for a while, longer with every decision, and go to somebody else when nothing comes. With an overlap of n
every image goes to n different people. A decision and the note that it is done are one transaction
(``settle``, called by the journal), so a place is never done without an edit or the other way round.

Takes and edits of one data set queue up at the same lock (``edits:NAME``), in both databases.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.engine import Connection

from core.data.dataset import Dataset
from core.database.engine import connect, reading, writing
from core.database.migrate import prepare
from core.errors import BadInput, NameTaken, NotAllowed, NotFound
from core.people.acting import allow
from core.people.roles import Right
from core.team.schema import assignments, shared_lists
from core.workspace import Workspace

MOST_ITEMS = 200_000
MOST_OVERLAP = 20
AT_ONCE = 25
KEPT_SECONDS = 1_200.0
"""So long an image is kept for somebody who decides nothing."""
_BATCH = 5_000
_MANY = 100
"""Of so many edits at once it is worth while to look first which concern a list."""
_PLACE = assignments.c


@dataclass(frozen=True, slots=True)
class SharedList:
    """A list that is shared out.

    Attributes:
        fingerprint: Of the data set that it was made of.
        about: ``run`` (whose guesses are shown) and ``given`` (the class that is asked about), or None each.
        overlap: How many different people every image goes to.
        at_once: How many images a person is given at a time.
        seconds: How long they are kept for somebody who decides nothing.
        who, at: Who shared it and when, Unix time.
        closed: When it was closed; None while it is open.
    """

    id: str
    dataset: str
    fingerprint: str
    name: str
    about: dict[str, Any]
    overlap: int
    at_once: int
    seconds: float
    who: str
    at: float
    closed: float | None


@dataclass(frozen=True, slots=True)
class Share:
    """One person's part of a list: how many images they did, and how many are kept for them now."""

    person: str
    n_done: int
    n_kept: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a list is.

    Attributes:
        n_images: Of the list.
        n_places: Images times overlap: how many decisions it takes.
        n_done: How many of them were made.
        shares: By person, the most done first.
    """

    n_images: int
    n_places: int
    n_done: int
    shares: tuple[Share, ...] = field(default=())


def share(
    workspace: Workspace,
    dataset: Dataset,
    name: str,
    item_ids: Sequence[str],
    *,
    who: str,
    overlap: int = 1,
    at_once: int = AT_ONCE,
    seconds: float = KEPT_SECONDS,
    about: Mapping[str, Any] | None = None,
) -> SharedList:
    """Share these images, in this order, out to whoever takes some.

    Raises:
        BadInput: No images, too many, twice the same, or a number that makes no sense.
        NotFound: The data set has not got one of them.
        NameTaken: An open list of the data set has that name.
        NotAllowed: Whoever acts may not share lists.
    """
    allow(workspace, Right.SHARE)
    name = " ".join(name.split())
    _check(name, item_ids, overlap, at_once, seconds)
    dataset.positions(item_ids)
    made = SharedList(
        id=uuid4().hex,
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        name=name,
        about=dict(about or {}),
        overlap=overlap,
        at_once=at_once,
        seconds=seconds,
        who=who,
        at=time.time(),
        closed=None,
    )
    places = [
        {"list": made.id, "rank": rank, "slot": slot, "item_id": item_id}
        for rank, item_id in enumerate(item_ids)
        for slot in range(overlap)
    ]
    with writing(prepare(connect(workspace)), f"edits:{dataset.name}") as connection:
        if any(one.name == name for one in _open_lists(connection, dataset.name)):
            raise NameTaken(f"An open list of {dataset.name!r} is named {name!r}.", "Choose another name.")
        connection.execute(shared_lists.insert().values(**_fields(made)))
        for start in range(0, len(places), _BATCH):
            connection.execute(assignments.insert(), places[start : start + _BATCH])
    return made


def _check(name: str, item_ids: Sequence[str], overlap: int, at_once: int, seconds: float) -> None:
    if not 1 <= len(name) <= 60 or not name.isprintable():
        raise BadInput(f"{name[:60]!r} cannot name a list.", "Give it 1 to 60 characters.")
    if not item_ids:
        raise BadInput("There is nothing to share: the list is empty.", "Choose another list.")
    if len(item_ids) * overlap > MOST_ITEMS:
        raise BadInput(
            f"{len(item_ids) * overlap:,} decisions are too many for one list.",
            f"Share at most {MOST_ITEMS:,} at a time.",
        )
    if len(set(item_ids)) < len(item_ids):
        raise BadInput("The list has an image twice.", "Name every image once.")
    if not 1 <= overlap <= MOST_OVERLAP or not 1 <= at_once <= 500 or not 1 <= seconds <= 7 * 86_400:
        raise BadInput(
            f"Overlap {overlap}, {at_once} images at a time, kept for {seconds:g} s: that cannot be.",
            f"Give an overlap of 1 to {MOST_OVERLAP}, 1 to 500 images, and 1 s to 7 days.",
        )


def lists_of(workspace: Workspace, dataset_name: str, *, closed: bool = False) -> list[SharedList]:
    """The open lists of a data set, oldest first; with ``closed`` the others too."""
    with reading(prepare(connect(workspace))) as connection:
        return _open_lists(connection, dataset_name, closed=closed)


def find_list(workspace: Workspace, dataset_name: str, name_or_id: str) -> SharedList:
    """An open list by name, or any by its id. Raises NotFound."""
    found = lists_of(workspace, dataset_name, closed=True)
    for one in reversed(found):
        if one.id == name_or_id or (one.closed is None and one.name == name_or_id):
            return one
    known = ", ".join(repr(one.name) for one in found if one.closed is None) or "none"
    raise NotFound(f"{dataset_name!r} has no shared list {name_or_id!r}.", f"Open are: {known}.")


def take(
    workspace: Workspace, dataset: Dataset, shared: SharedList, person: str, n: int | None = None
) -> list[str]:
    """Ids of the images that are kept for ``person`` now, in the order of the list: some that nobody has.

    Those that were kept for them before and are not done count; all of them are kept anew.

    Args:
        n: So many in all; ``shared.at_once`` when not given.

    Raises:
        NotFound: The list is closed.
        BadInput: The data set was replaced since it was shared.
        NotAllowed: Whoever acts may not label, or is somebody else.
    """
    _check_person(workspace, person, Right.TAKE)
    if dataset.fingerprint != shared.fingerprint:
        raise BadInput(
            f"The list {shared.name!r} was made of other images than {dataset.name!r} has now.",
            "Close it, and share a new one.",
        )
    wanted = shared.at_once if n is None else n
    now = time.time()
    with writing(prepare(connect(workspace)), f"edits:{shared.dataset}") as connection:
        _check_open(connection, shared)
        mine = _kept(connection, shared.id, person)
        for rank, slot in _free(connection, shared, person, now, wanted - len(mine)):
            place = and_(_PLACE.list == shared.id, _PLACE.rank == rank, _PLACE.slot == slot)
            connection.execute(update(assignments).where(place).values(person=person))
        _keep(connection, shared, person, now)
        return _kept(connection, shared.id, person)[:wanted]


def kept_for(workspace: Workspace, shared: SharedList, person: str) -> list[str]:
    """Ids of the images that are kept for ``person`` now and not done, in the order of the list."""
    with reading(prepare(connect(workspace))) as connection:
        return _kept(connection, shared.id, person)


def release(workspace: Workspace, shared: SharedList, person: str) -> int:
    """Give back what is kept for ``person`` and not done. Returns how many images. Raises NotAllowed."""
    _check_person(workspace, person, Right.TAKE)
    with writing(prepare(connect(workspace)), f"edits:{shared.dataset}") as connection:
        theirs = and_(_PLACE.list == shared.id, _PLACE.person == person, _PLACE.done.is_(None))
        return connection.execute(update(assignments).where(theirs).values(person=None, until=None)).rowcount


def close(workspace: Workspace, shared: SharedList) -> None:
    """Give out nothing more of a list; what was decided stays. Raises NotAllowed."""
    allow(workspace, Right.SHARE)
    with writing(prepare(connect(workspace)), f"edits:{shared.dataset}") as connection:
        still_open = and_(shared_lists.c.id == shared.id, shared_lists.c.closed.is_(None))
        connection.execute(update(shared_lists).where(still_open).values(closed=time.time()))


def progress(workspace: Workspace, shared: SharedList) -> Progress:
    """How far a list is, and by whom."""
    now = time.time()
    kept = and_(_PLACE.done.is_(None), _PLACE.until >= now)
    by_person = (
        select(
            _PLACE.person,
            func.count(_PLACE.done),
            func.count().filter(kept),
        )
        .where(_PLACE.list == shared.id, _PLACE.person.is_not(None))
        .group_by(_PLACE.person)
    )
    with reading(prepare(connect(workspace))) as connection:
        n_places = (
            connection.scalar(select(func.count()).select_from(assignments).where(_PLACE.list == shared.id))
            or 0
        )
        shares = [Share(*row) for row in connection.execute(by_person)]
    shares.sort(key=lambda one: (-one.n_done, one.person))
    shown = tuple(one for one in shares if one.n_done or one.n_kept)
    return Progress(n_places // shared.overlap, n_places, sum(one.n_done for one in shares), shown)


@dataclass(frozen=True, slots=True)
class Decision:
    """What an edit means for the lists: the person is done with the image, or took that back.

    Attributes:
        class_name: The class that was set, where an image has several labels.
    """

    item_id: str
    person: str
    class_name: str | None
    done: bool
    at: float


def settle(connection: Connection, dataset: Dataset, decisions: Sequence[Decision]) -> None:
    """Note in open lists what people decided, in the transaction of the edits themselves.

    The person's own place is done. Where they were not given the image, a place that nobody holds is: nobody
    needs to be given it for that any more. What is taken back is theirs to do again. Where an image has
    several labels, setting one of them is no end unless it is the one that the list asks about.
    """
    for shared in _open_lists(connection, dataset.name):
        if shared.fingerprint != dataset.fingerprint:
            continue
        asked = shared.about.get("given")
        meant = [one for one in decisions if one.class_name in (None, asked)]
        if len(meant) > _MANY:
            there = set(connection.scalars(select(_PLACE.item_id).where(_PLACE.list == shared.id)))
            meant = [one for one in meant if one.item_id in there]
        for decision in meant:
            _settle(connection, shared, decision)
        for person in {decision.person for decision in decisions}:
            _keep(connection, shared, person, decisions[-1].at)


def _settle(connection: Connection, shared: SharedList, decision: Decision) -> None:
    of_item = and_(_PLACE.list == shared.id, _PLACE.item_id == decision.item_id)
    own = and_(of_item, _PLACE.person == decision.person)
    if not decision.done:
        until = decision.at + shared.seconds
        connection.execute(update(assignments).where(own).values(done=None, until=until))
        return
    if connection.execute(update(assignments).where(own).values(done=decision.at)).rowcount:
        return
    free = select(func.min(_PLACE.slot)).where(of_item, _is_free(shared, decision.at)).scalar_subquery()
    done = update(assignments).values(person=decision.person, done=decision.at)
    connection.execute(done.where(of_item, _PLACE.slot == free))


def _is_free(shared: SharedList, now: float) -> ColumnElement[bool]:
    """Whether a place is not done, and nobody's or no longer kept; nor kept since the clock was put back."""
    is_over = or_(_PLACE.until < now, _PLACE.until > now + 2 * shared.seconds)
    return and_(_PLACE.done.is_(None), or_(_PLACE.person.is_(None), is_over))


def _free(
    connection: Connection, shared: SharedList, person: str, now: float, n: int
) -> list[tuple[int, int]]:
    """(rank, slot) of up to ``n`` images that have a free place and that ``person`` has not had, in order."""
    if n <= 0:
        return []
    theirs = assignments.alias("theirs")
    had = select(theirs.c.rank).where(
        theirs.c.list == shared.id, theirs.c.person == person, theirs.c.rank == _PLACE.rank
    )
    query = (
        select(_PLACE.rank, func.min(_PLACE.slot))
        .where(_PLACE.list == shared.id, _is_free(shared, now), ~had.exists())
        .group_by(_PLACE.rank)
        .order_by(_PLACE.rank)
        .limit(n)
    )
    return [(rank, slot) for rank, slot in connection.execute(query)]


def _kept(connection: Connection, list_id: str, person: str) -> list[str]:
    """Ids of what is kept for ``person``; also what would be free by now but nobody took."""
    theirs = and_(_PLACE.list == list_id, _PLACE.person == person, _PLACE.done.is_(None))
    query = select(_PLACE.item_id).where(theirs).order_by(_PLACE.rank)
    return [str(item_id) for item_id in connection.scalars(query)]


def _keep(connection: Connection, shared: SharedList, person: str, now: float) -> None:
    theirs = and_(_PLACE.list == shared.id, _PLACE.person == person, _PLACE.done.is_(None))
    connection.execute(update(assignments).where(theirs).values(until=now + shared.seconds))


def _check_person(workspace: Workspace, person: str, right: Right) -> None:
    acting = allow(workspace, right)
    if acting.name != person and not acting.may(Right.BULK):
        raise NotAllowed(f"{acting.name} may not act for {person!r}.", "Act for yourself.")


def _check_open(connection: Connection, shared: SharedList) -> None:
    closed = connection.execute(select(shared_lists.c.closed).where(shared_lists.c.id == shared.id)).first()
    if closed is None or closed[0] is not None:
        raise NotFound(f"The list {shared.name!r} is closed.", "Choose another, or share a new one.")


def _open_lists(connection: Connection, dataset_name: str, *, closed: bool = False) -> list[SharedList]:
    columns = [shared_lists.c[name] for name in SharedList.__dataclass_fields__]
    query = select(*columns).where(shared_lists.c.dataset == dataset_name).order_by(shared_lists.c.at)
    if not closed:
        query = query.where(shared_lists.c.closed.is_(None))
    return [SharedList(**row._mapping) for row in connection.execute(query)]


def _fields(one: SharedList) -> dict[str, Any]:
    return {name: getattr(one, name) for name in SharedList.__dataclass_fields__}
