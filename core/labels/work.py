"""Who edited how much of a data set's labels."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import case, func, select

from core.database.engine import reading
from core.labels.schema import database, edits
from core.workspace import Workspace

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Work:
    """What somebody did.

    Attributes:
        n_edits: Of the data set's labels, ever; undos count.
        n_last_day: In the last 24 hours.
        at: When the last one was, Unix time.
    """

    person: str
    n_edits: int
    n_last_day: int
    at: float


def work_of(workspace: Workspace, dataset_name: str) -> list[Work]:
    """By person, the most edits of the last day first."""
    recent = func.sum(case((edits.c.at >= time.time() - DAY_SECONDS, 1), else_=0))
    query = select(edits.c.who, func.count(), recent, func.max(edits.c.at))
    query = query.where(edits.c.dataset == dataset_name).group_by(edits.c.who)
    with reading(database(workspace)) as connection:
        found = [Work(*row) for row in connection.execute(query)]
    return sorted(found, key=lambda one: (-one.n_last_day, -one.n_edits, one.person))
