"""Parts that need each other: all at the same time, and all again where one of them died."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from core.engines import MOST_DEATHS, Answer, Engine, Task
from core.errors import TidysetError

PATIENCE_SECONDS = 5.0
"""How long is waited, once one is gone, for another to say why: an error also tears the others away. Then,
for those that are told of the end, before they are given up. And how often is looked whether all have room.
"""


@dataclass(frozen=True)
class Group:
    """Parts that need each other.

    Attributes:
        begin: Gives the parts of a new group, given how many there is room for; those of groups before end.
        disband: Lets those of the group under way end, since one is missing.
    """

    begin: Callable[[int], list[Task]]
    disband: Callable[[], None]


def do_together(
    engine: Engine,
    group: Group,
    *,
    should_stop: Callable[[], bool],
    on_wait: Callable[[], None],
    on_death: Callable[[], None],
    poll_seconds: float = 0.5,
    patience_seconds: float = PATIENCE_SECONDS,
) -> bool:
    """Do all parts of a group; False when it was asked to stop before.

    Args:
        on_wait: Called every ``poll_seconds``.
        on_death: Called when all begin again, since one died.
        patience_seconds: As of PATIENCE_SECONDS.

    Raises:
        TidysetError: A part failed, or one died MOST_DEATHS times and once more.
    """
    for n_deaths in range(MOST_DEATHS + 1):
        if n_deaths:
            on_death()
            engine.count_places(asks_nodes=True)
        answers = _done_once(engine, group, should_stop, on_wait, poll_seconds, patience_seconds)
        if answers is None:
            return False
        for answer in answers:
            if answer is not None and answer["state"] == "failed":
                raise TidysetError(answer["problem"], answer["mend"])
        states = [answer["state"] if answer else "lost" for answer in answers]
        if "lost" not in states:
            return "stopped" not in states
    raise TidysetError(
        f"A worker died {MOST_DEATHS + 1} times.",
        "worker.log may say why; most often the memory is too small: choose fewer workers. "
        "`tidyset runs resume` goes on from the last checkpoint.",
    )


def _done_once(
    engine: Engine,
    group: Group,
    should_stop: Callable[[], bool],
    on_wait: Callable[[], None],
    poll_seconds: float,
    patience_seconds: float,
) -> list[Answer | None] | None:
    """The answers of all parts of one group, None for one that died; None when asked to stop."""
    tasks = group.begin(engine.n_places)
    for task in tasks:
        engine.submit(task)
    answers: list[Answer | None] = []
    ends = [group.disband, engine.abandon]
    torn_at: float | None = None
    looked_at = time.monotonic()
    while len(answers) < len(tasks):
        if should_stop():
            return None
        answers += [one.answer for one in engine.ended(poll_seconds)]
        now = time.monotonic()
        is_torn = any(one is None or one["state"] != "done" for one in answers)
        if now - looked_at > patience_seconds:
            looked_at = now
            engine.count_places()
            is_torn |= engine.n_places < len(tasks)  # one may wait in vain for a node that is gone
        if torn_at is None and is_torn:
            torn_at = now
        if torn_at is not None and ends and now - torn_at > patience_seconds:
            ends.pop(0)()
            torn_at = now
        on_wait()
    return answers
