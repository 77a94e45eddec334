"""The roles, and what each may do: the one table of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.errors import BadInput


class Role(StrEnum):
    """Each may do what the ones before may."""

    VIEWER = "viewer"
    ANNOTATOR = "annotator"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether it may do all that ``other`` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Right(StrEnum):
    """What is allowed or not, in the words of the refusal."""

    LOOK = "look at anything"
    LABEL = "change labels"
    TAG = "tag images"
    TAKE = "take images of a shared list"
    BULK = "change labels in bulk, or in the name of others"
    RUN = "start, stop, change or delete runs"
    DATA = "bring in, make or delete data sets"
    SHARE = "share lists with the team, or close them"
    PEOPLE = "manage people"
    DATABASE = "move the database, or let go of what waits for it"


NEEDS = {
    Right.LOOK: Role.VIEWER,
    Right.LABEL: Role.ANNOTATOR,
    Right.TAG: Role.ANNOTATOR,
    Right.TAKE: Role.ANNOTATOR,
    Right.BULK: Role.ADMIN,
    Right.RUN: Role.ADMIN,
    Right.DATA: Role.ADMIN,
    Right.SHARE: Role.ADMIN,
    Right.PEOPLE: Role.ADMIN,
    Right.DATABASE: Role.ADMIN,
}
"""The least role that has each right."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts: a name and a role."""

    name: str
    role: Role

    def may(self, right: Right) -> bool:
        """Whether the role has the right."""
        return self.role.includes(NEEDS[right])


LOCAL = Person("", Role.ADMIN)
"""Whoever uses a workspace that has no accounts: one person on their own machine, of any name."""

SERVER = Person("tidyset", Role.ADMIN)
"""Tidyset itself, doing what somebody was allowed to ask of it: a worker, edits that had to wait."""


def role_named(name: str) -> Role:
    """The role of that name. Raises BadInput."""
    try:
        return Role(name)
    except ValueError:
        raise BadInput(f"There is no role {name!r}.", f"Choose one of {', '.join(Role)}.") from None
