"""How far people agree on labels, with themselves and with each other, and where they do not.

Only votes that are independent count: a blind look, and the first decision that anybody made on an item. A
person who decides after another sees that label, and tends to follow it; such a decision is counted apart.
A vote is on one unit: an item, or one class of it where an image has several labels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.labels.journal import UNKNOWN, Edit, EditKind, live

Unit = tuple[str, str | None]
"""An item's id, and the class where an image has several labels."""

DRAWS = 1_000
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
class Measure:
    """A figure of agreement with its interval.

    Attributes:
        value: None where it is not defined, as when all said the same class everywhere.
        ci95: Percentile bootstrap over units; None where there is no value.
        n_units: How many units it rests on.
        agreed: Share of them on which all said the same, 0 to 1.
    """

    value: float | None
    ci95: tuple[float, float] | None
    n_units: int
    agreed: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """A unit on which people differ.

    Attributes:
        said: The last vote of each person.
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
        conflicts: Where people differ, the open ones first.
        n_followed: Decisions left aside, because the person saw another's.
    """

    with_self: dict[str, Measure]
    pairs: dict[tuple[str, str], Measure]
    fleiss: Measure | None
    alpha: Measure | None
    conflicts: tuple[Conflict, ...]
    n_followed: int


def measure_agreement(edits: Sequence[Edit], *, seed: int = 0, n_draws: int = DRAWS) -> Agreement:
    """Every figure of agreement that the ``edits`` of a data set (all of them, oldest first) allow.

    Args:
        seed, n_draws: Of the bootstrap.
    """
    cast = votes(edits)
    last = {unit: {vote.who: vote.value for vote in found} for unit, found in cast.of.items()}
    people = sorted({who for said in last.values() for who in said})
    alone = {who: measured for who in people if (measured := _with_self(cast, who, seed, n_draws))}
    pairs = {}
    for a, b in itertools.combinations(people, 2):
        both = [(said[a], said[b]) for said in last.values() if a in said and b in said]
        if both:
            pairs[a, b] = cohen(both, seed=seed, n_draws=n_draws)
    rated = [list(said.values()) for said in last.values() if len(said) > 1]
    complete = [list(said.values()) for said in last.values() if len(said) == len(people) > 1]
    return Agreement(
        with_self=alone,
        pairs=pairs,
        fleiss=fleiss(complete, seed=seed, n_draws=n_draws) if complete else None,
        alpha=krippendorff(rated, seed=seed, n_draws=n_draws) if rated else None,
        conflicts=_conflicts(cast, last),
        n_followed=cast.n_followed,
    )


def _with_self(cast: Votes, who: str, seed: int, n_draws: int) -> Measure | None:
    both = []
    for found in cast.of.values():
        own = [vote for vote in found if vote.who == who]
        if len(own) > 1 and own[-1].is_blind:
            both.append((own[0].value, own[-1].value))
    return cohen(both, seed=seed, n_draws=n_draws) if both else None


def _conflicts(cast: Votes, last: dict[Unit, dict[str, str]]) -> tuple[Conflict, ...]:
    found = []
    for (item_id, class_name), said in last.items():
        if len(set(said.values())) > 1:
            unit = item_id, class_name
            value, number = cast.settled.get(unit, (None, 0))
            newest = max(vote.number for vote in cast.of[unit])
            found.append(Conflict(item_id, class_name, said, value if number > newest else None))
    return tuple(sorted(found, key=lambda conflict: conflict.settled is not None))


# ---------------------------------------------------------------- figures


def cohen(both: Sequence[tuple[str, str]], *, seed: int = 0, n_draws: int = DRAWS) -> Measure:
    """Cohen's kappa of two series of votes on the same units (statsmodels.stats.inter_rater.cohens_kappa)."""
    from statsmodels.stats.inter_rater import cohens_kappa

    codes, k = _codes([list(pair) for pair in both])
    pairs = np.array(codes)

    def kappa(chosen: NDArray[np.int64]) -> float:
        table = np.zeros((k, k))
        np.add.at(table, (pairs[chosen, 0], pairs[chosen, 1]), 1)
        return float(cohens_kappa(table, return_results=False)) if np.count_nonzero(table) > 1 else np.nan

    return _measured(kappa, codes, seed, n_draws)


def fleiss(said: Sequence[Sequence[str]], *, seed: int = 0, n_draws: int = DRAWS) -> Measure:
    """Fleiss' kappa (statsmodels.stats.inter_rater.fleiss_kappa).

    Args:
        said: For each unit the votes, of as many people for each.
    """
    from statsmodels.stats.inter_rater import fleiss_kappa

    codes, k = _codes(said)
    counts = _counts(codes, k)

    def kappa(chosen: NDArray[np.int64]) -> float:
        table = counts[chosen]
        return float(fleiss_kappa(table)) if np.count_nonzero(table.sum(axis=0)) > 1 else np.nan

    return _measured(kappa, codes, seed, n_draws)


def krippendorff(said: Sequence[Sequence[str]], *, seed: int = 0, n_draws: int = DRAWS) -> Measure:
    """Krippendorff's alpha for nominal data; units may have votes of different people and numbers of them.

    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), C.: nominal data, any number of
    observers, missing data. Units with a single vote do not count.

    Raises:
        BadInput: No unit has two votes.
    """
    codes, k = _codes([votes for votes in said if len(votes) > 1])
    if not codes:
        raise BadInput("No item has votes of two people.", "Let a second person look at some.")
    counts = _counts(codes, k)
    n_votes = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / (n_votes - 1)  # a unit's part of the diagonal

    def alpha(chosen: NDArray[np.int64]) -> float:
        totals = counts[chosen].sum(axis=0)
        n = totals.sum()
        expected = n * n - (totals * totals).sum()
        return float(1 - (n - 1) * (n - agreeing[chosen].sum()) / expected) if expected else np.nan

    return _measured(alpha, codes, seed, n_draws)


def _codes(said: Sequence[Sequence[str]]) -> tuple[list[list[int]], int]:
    """The votes as numbers, and how many values there are."""
    values = {value: code for code, value in enumerate(sorted({one for votes in said for one in votes}))}
    return [[values[one] for one in votes] for votes in said], len(values)


def _counts(codes: Sequence[Sequence[int]], k: int) -> NDArray[np.float64]:
    """(units, k) how many votes each value got."""
    return np.array([np.bincount(votes, minlength=k) for votes in codes], np.float64)


def _measured(
    figure: Callable[[NDArray[np.int64]], float], codes: list[list[int]], seed: int, n_draws: int
) -> Measure:
    """A figure of all units, and its percentiles over draws of units with replacement."""
    n = len(codes)
    agreed = float(np.mean([len(set(votes)) == 1 for votes in codes]))
    value = figure(np.arange(n))
    if np.isnan(value):
        return Measure(None, None, n, agreed)
    rng = np.random.default_rng(seed)
    drawn = np.array([figure(rng.integers(0, n, n)) for _ in range(n_draws)])
    drawn = drawn[~np.isnan(drawn)]  # a draw of units that all got one value has no figure
    low, high = np.percentile(drawn, (2.5, 97.5)) if len(drawn) else (value, value)
    return Measure(value, (float(low), float(high)), n, agreed)


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
