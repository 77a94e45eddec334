"""How far people agree on labels, with themselves and with each other, and where they do not.

Only votes that are independent count: a blind look, and the first decision that anybody made on an item. A
person who decides after another sees that label, and tends to follow it; such a decision is counted apart.
A vote is on one unit: an item, or one class of it where an image has several labels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.errors import BadInput
from core.labels.journal import UNKNOWN, Edit, EditKind, live
from core.labels.kappa import DRAWS, Measure, cohen, fleiss, krippendorff

Unit = tuple[str, str | None]
"""An item's id, and the class where an image has several labels."""

BLIND = "blind"
"""The queue, in an edit's evidence, that showed no label and no guess."""
_VOTING = (EditKind.LABEL, EditKind.CONFIRM, EditKind.LOOK)


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person said of one unit.

    Attributes:
        value: A class name, or yes or no.
        is_blind: They were not shown what others, or they themselves, had said.
        number: Of the edit.
    """

    who: str
    value: str
    is_blind: bool
    number: int


@dataclass(frozen=True, slots=True)
class Votes:
    """The independent votes of a data set, oldest first.

    Attributes:
        of: By unit.
        n_followed: How many decisions were left aside, because the person saw another's.
        settled: Units on which an edit has settled, and the value; with its number.
    """

    of: dict[Unit, list[Vote]]
    n_followed: int
    settled: dict[Unit, tuple[str, int]] = field(default_factory=dict)


def votes(edits: Sequence[Edit]) -> Votes:
    """The votes among all ``edits`` of a data set (oldest first); what was undone does not count."""
    found: dict[Unit, list[Vote]] = {}
    deciders: dict[Unit, str] = {}
    settled: dict[Unit, tuple[str, int]] = {}
    n_followed = 0
    for edit in live(edits):
        unit = edit.item_id, edit.class_name
        if edit.new is None or edit.new == UNKNOWN:
            continue
        if edit.kind is EditKind.SETTLE:
            settled[unit] = edit.new, edit.number
            deciders.setdefault(unit, "")
        elif edit.kind in _VOTING:
            is_blind = edit.kind is EditKind.LOOK
            if not is_blind and deciders.setdefault(unit, edit.who) != edit.who:
                n_followed += 1
                continue
            found.setdefault(unit, []).append(Vote(edit.who, edit.new, is_blind, edit.number))
    return Votes(found, n_followed, settled)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A unit on which people differ, or one person from themself.

    Attributes:
        said: The last vote of each person; of one person alone, their first decision and their blind look.
        settled: What it was settled on since, or None.
    """

    item_id: str
    class_name: str | None
    said: dict[str, str]
    settled: str | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far people agree.

    Attributes:
        with_self: By person: first vote against last blind look, Cohen's kappa.
        pairs: By pair of people: Cohen's kappa on the units that both voted on.
        fleiss: Fleiss' kappa on the units that everyone voted on; None with fewer than two people.
        alpha: Krippendorff's alpha on all units with two or more people; None without any.
        conflicts: Where people differ, or somebody from themself; the open ones first.
        n_followed: Decisions left aside, because the person saw another's.
    """

    with_self: dict[str, Measure]
    pairs: dict[tuple[str, str], Measure]
    fleiss: Measure | None
    alpha: Measure | None
    conflicts: tuple[Conflict, ...]
    n_followed: int


def measure_agreement(
    edits: Sequence[Edit],
    *,
    seed: int = 0,
    n_draws: int = DRAWS,
    on_share: Callable[[float], None] = lambda share: None,
) -> Agreement:
    """Every figure of agreement that the ``edits`` of a data set (all of them, oldest first) allow.

    Args:
        seed, n_draws: Of the bootstrap.
        on_share: Told how many of the figures are done, 0 to 1.
    """
    cast = votes(edits)
    last = _last(cast)
    people = sorted({who for said in last.values() for who in said})
    alone = {who: measured for who in people if (measured := _with_self(cast, who, seed, n_draws))}
    pairs, n_figures = {}, math.comb(len(people), 2) + 2
    for done, (a, b) in enumerate(itertools.combinations(people, 2)):
        on_share(done / n_figures)
        both = [(said[a], said[b]) for said in last.values() if a in said and b in said]
        if both:
            pairs[a, b] = cohen(both, seed=seed, n_draws=n_draws)
    rated = [list(said.values()) for said in last.values() if len(said) > 1]
    complete = [list(said.values()) for said in last.values() if len(said) == len(people) > 1]
    on_share((n_figures - 2) / n_figures)
    return Agreement(
        with_self=alone,
        pairs=pairs,
        fleiss=fleiss(complete, seed=seed, n_draws=n_draws) if complete else None,
        alpha=krippendorff(rated, seed=seed, n_draws=n_draws) if rated else None,
        conflicts=find_conflicts(cast),
        n_followed=cast.n_followed,
    )


def _with_self(cast: Votes, who: str, seed: int, n_draws: int) -> Measure | None:
    both = []
    for found in cast.of.values():
        own = [vote for vote in found if vote.who == who]
        if len(own) > 1 and own[-1].is_blind:
            both.append((own[0].value, own[-1].value))
    return cohen(both, seed=seed, n_draws=n_draws) if both else None


def find_conflicts(cast: Votes) -> tuple[Conflict, ...]:
    """Where people differ, or somebody from themself; the open ones first."""
    found = []
    for unit, said in _last(cast).items():
        differing = said if len(said) > 1 else _said_alone(cast.of[unit])
        if len(set(differing.values())) > 1:
            value, number = cast.settled.get(unit, (None, 0))
            newest = max(vote.number for vote in cast.of[unit])
            found.append(Conflict(*unit, differing, value if number > newest else None))
    return tuple(sorted(found, key=lambda conflict: conflict.settled is not None))


def _last(cast: Votes) -> dict[Unit, dict[str, str]]:
    """By unit, the last vote of each person."""
    return {unit: {vote.who: vote.value for vote in found} for unit, found in cast.of.items()}


def _said_alone(found: list[Vote]) -> dict[str, str]:
    """What the only person who voted on a unit said first, and last when blind."""
    who, first, last = found[0].who, found[0], found[-1]
    return {f"{who}, first": first.value, f"{who}, blind": last.value} if last.is_blind else {who: last.value}


# ---------------------------------------------------------------- second looks


def choose_for_second_look(
    edits: Sequence[Edit], share: float, *, seed: int, who: str | None = None
) -> list[str]:
    """Draw items that somebody decided on, for a second, blind look.

    Args:
        edits: All edits of the data set, oldest first.
        share: Of the decided items, above 0 to 1; rounded up.
        seed: The same seed draws the same items, in the same order.
        who: Draw from what this person decided, for their agreement with themself.

    Returns:
        Item ids in the order in which to look, which says nothing about that in which they were decided.

    Raises:
        BadInput: The share is none, or nothing was decided.
    """
    if not 0 < share <= 1:
        raise BadInput(f"The share to look at again is {share}.", "Give one above 0 and up to 1.")
    decided = {
        edit.item_id
        for edit in live(edits)
        if edit.kind in (EditKind.LABEL, EditKind.CONFIRM) and (who is None or edit.who == who)
    }
    if not decided:
        by = f" by {who}" if who else ""
        raise BadInput(f"No label was decided on{by}.", "Review some images first.")
    drawn = np.random.default_rng(seed).permutation(sorted(decided))
    return [str(item_id) for item_id in drawn[: int(np.ceil(share * len(decided)))]]


def looked_again(edits: Sequence[Edit], who: str) -> set[str]:
    """Ids of the items that a person has looked at blindly."""
    return {edit.item_id for edit in live(edits) if edit.kind is EditKind.LOOK and edit.who == who}


def still_to_look(edits: Sequence[Edit], item_ids: Sequence[str], who: str) -> list[str]:
    """Those of ``item_ids`` that a person has not looked at blindly since they were last decided on.

    Args:
        edits: All edits of the data set, oldest first.
    """
    seen: set[str] = set()
    for edit in live(edits):
        left_out_blind = edit.kind is EditKind.EXCLUDE and edit.evidence.get("queue") == BLIND
        if edit.who == who and (edit.kind is EditKind.LOOK or left_out_blind):
            seen.add(edit.item_id)
        elif edit.kind in (EditKind.LABEL, EditKind.CONFIRM, EditKind.SETTLE, EditKind.EXCLUDE):
            seen.discard(edit.item_id)
    return [item_id for item_id in item_ids if item_id not in seen]
