"""Handing out parts: how many at a time, again where one died, and to an end when it is asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.engines import MOST_DEATHS, Answer, Ended, Task, as_answer, do_all
from core.engines.together import Group, do_together
from core.errors import TidysetError

PARTS = [f"fold-{number}" for number in range(5)]


@dataclass
class Hands:
    """An engine that does a part whenever it is asked what has ended."""

    n_places: int = 2
    dies: Counter[str] = field(default_factory=Counter)
    answers: dict[str, Answer] = field(default_factory=dict)
    under_way: list[Task] = field(default_factory=list)
    most: int = 0
    done: list[str] = field(default_factory=list)

    def submit(self, task: Task) -> None:
        self.under_way.append(task)
        self.most = max(self.most, len(self.under_way))

    def ended(self, seconds: float) -> list[Ended]:
        task = self.under_way.pop(0)
        if self.dies[task.part] > 0:
            self.dies[task.part] -= 1
            return [Ended(task, None)]
        self.done.append(task.part)
        return [Ended(task, self.answers.get(task.part, as_answer("done")))]

    def close(self) -> None: ...


def run(hands: Hands, stop_after: int = 1_000) -> tuple[bool, list[str], list[str]]:
    """(whether all was done, what was asked for, what died)."""
    asked: list[str] = []
    died: list[str] = []

    def tasks() -> object:
        for part in PARTS:
            asked.append(part)
            yield Task(Path(), part)

    done = do_all(
        hands,
        tasks(),  # type: ignore[arg-type]
        should_stop=lambda: len(hands.done) >= stop_after,
        on_wait=lambda _: None,
        on_death=lambda task: died.append(task.part),
    )
    return done, asked, died


def test_each_part_is_done_once_and_no_more_than_there_are_places_at_a_time() -> None:
    hands = Hands(n_places=3)
    assert run(hands)[0]
    assert sorted(hands.done) == PARTS
    assert hands.most == 3


def test_a_part_whose_worker_died_is_done_again() -> None:
    hands = Hands(dies=Counter({"fold-1": 2, "fold-4": MOST_DEATHS}))
    done, _, died = run(hands)
    assert done
    assert sorted(hands.done) == PARTS
    assert Counter(died) == {"fold-1": 2, "fold-4": MOST_DEATHS}


def test_a_part_that_kills_every_worker_ends_the_job_with_a_reason() -> None:
    with pytest.raises(TidysetError, match=r"fold-2 died 4 times.*memory"):
        run(Hands(dies=Counter({"fold-2": 100})))


def test_a_part_that_failed_is_not_tried_again() -> None:
    hands = Hands(answers={"fold-1": as_answer("failed", problem="No labels.", mend="Label some.")})
    with pytest.raises(TidysetError, match=r"No labels\. Label some\."):
        run(hands)
    assert hands.done.count("fold-1") == 1


def test_nothing_new_is_begun_after_a_stop() -> None:
    hands = Hands()
    done, asked, _ = run(hands, stop_after=2)
    assert not done
    assert asked == PARTS[:3]


class Shrinks(Hands):
    """One of its places is gone from the start, which it notices when it counts them; nobody tells."""

    def ended(self, seconds: float) -> list[Ended]:
        if len(self.under_way) > 1:  # they need each other
            return []
        return super().ended(seconds)

    def count_places(self, *, asks_nodes: bool = False) -> None:
        self.n_places = 1

    def abandon(self) -> None:
        self.dies = Counter(task.part for task in self.under_way)
        self.done.append("abandoned")
        self.ended = super().ended  # type: ignore[method-assign]


def test_a_group_that_waits_for_a_place_that_is_gone_is_given_up_and_a_smaller_one_goes_on() -> None:
    hands, n_asked, disbanded = Shrinks(), [], []

    def begin(n_places: int) -> list[Task]:
        n_asked.append(n_places)
        return [Task(Path(), f"rank-{number}") for number in range(n_places)]

    assert do_together(
        hands,  # type: ignore[arg-type]
        Group(begin, lambda: disbanded.append(True)),
        should_stop=lambda: False,
        on_wait=lambda: None,
        on_death=lambda: None,
        patience_seconds=0,
    )
    assert n_asked == [2, 1]
    assert disbanded == [True]
    assert hands.done == ["abandoned", "rank-0"]
