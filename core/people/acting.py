"""Who acts, and whether they may: whatever writes for good calls ``allow`` before it does.

The person is set around a piece of work (``acting_as``: a command, a request, a worker) or told by whoever
knows it at any moment (``tell_with``: the app, for the session whose script runs). Only the name is carried;
the role is looked up at every write, so a role taken away is gone at once. Where a workspace has accounts and
nobody is said to act, nothing is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from core.errors import NotAllowed
from core.people.accounts import accounts
from core.people.roles import LOCAL, NEEDS, SERVER, Person, Right
from core.workspace import Workspace

_acting: ContextVar[str | Person | None] = ContextVar("acting", default=None)
_tellers: list[Callable[[], str | None]] = []


@contextmanager
def acting_as(who: str | Person | None) -> Iterator[None]:
    """Let a person, by name, act in the enclosed block; None for nobody, SERVER for Tidyset itself."""
    before = _acting.set(who)
    try:
        yield
    finally:
        _acting.reset(before)


def tell_with(teller: Callable[[], str | None]) -> None:
    """Ask ``teller`` for the name wherever no ``acting_as`` says it; it answers None where it cannot know."""
    if teller not in _tellers:
        _tellers.append(teller)


def acting(workspace: Workspace) -> Person:
    """Who acts now; LOCAL in a workspace without accounts.

    Raises:
        NotAllowed: Nobody, or somebody who has no account here.
        DamagedFile: The accounts cannot be read; nobody may do anything then.
    """
    said = _acting.get()
    if isinstance(said, Person):
        return said
    known = accounts(workspace)
    if known is None:
        return LOCAL
    name = said or next((name for teller in _tellers if (name := teller())), None)
    if name is None:
        raise NotAllowed("Nobody is signed in.", "Sign in; on the command line: tidyset --as NAME ...")
    if name not in known:
        raise NotAllowed(f"{name!r} has no account here.", "An admin can add it: tidyset people add.")
    return Person(name, known[name].role)


def allow(workspace: Workspace, right: Right) -> Person:
    """Who acts, if they have the right. Raises NotAllowed or DamagedFile, before anything was written."""
    person = acting(workspace)
    if not person.may(right):
        raise NotAllowed(
            f"{person.name} is {_an(person.role)} here and may not {right}.",
            f"Ask {_an(NEEDS[right])}, or an admin to change the role.",
        )
    return person


def signed(workspace: Workspace, fallback: str) -> str:
    """The name to write under: that of whoever acts; ``fallback`` where there are no accounts."""
    return acting(workspace).name or fallback


def as_server() -> None:
    """Let this whole process act as Tidyset itself: a worker, which somebody was allowed to start."""
    _acting.set(SERVER)


def _an(role: str) -> str:
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}"
