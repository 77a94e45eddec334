"""Near-identical images of a queue brought together, so that one decision settles them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np

from core.data.dataset import Dataset
from core.errors import BadInput
from core.labels.journal import EditKind, NewEdit
from core.quality.duplicates import SimilarImages
from core.quality.pictures import Positions


@dataclass(frozen=True, eq=False)
class Batches:
    """A queue in batches; a batch is one image, or several that are nearly the same.

    Attributes:
        positions: (n,) int64, the queue's items, batch after batch.
        starts: (B + 1,) int64, where each batch starts in ``positions``, and n.
        rows: (n,) int64, where each item was in the queue.
    """

    positions: Positions
    starts: Positions
    rows: Positions

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> Positions:
        """Positions of one batch, the one that came first in the queue leading."""
        return self.positions[self.starts[index] : self.starts[index + 1]]

    @property
    def sizes(self) -> Positions:
        """(B,) how many images each batch has."""
        return np.diff(self.starts)

    def of(self, position: int) -> Positions:
        """The batch that holds an item. Raises BadInput when the queue does not have it."""
        found = np.flatnonzero(self.positions == position)
        if not len(found):
            raise BadInput(f"Item number {position} is not in this queue.", "Build the queue again.")
        return self[int(np.searchsorted(self.starts, found[0], "right")) - 1]


def groups_of(positions: Positions | Sequence[int], similar: SimilarImages) -> Batches:
    """A queue with near-identical items side by side, where the first of them stood.

    Nothing is added: a near-identical image that the queue does not hold (another split, settled already)
    stays out of it.

    Args:
        positions: (n,) the queue, in order, without repetition.
        similar: Of the same data set.
    """
    queue = np.asarray(positions, np.int64)
    group = np.repeat(np.arange(len(similar)), np.diff(similar.starts))
    order = np.argsort(similar.members, kind="stable")
    members = similar.members[order]
    place = np.searchsorted(members, queue).clip(0, max(len(members) - 1, 0))
    grouped = members[place] == queue if len(members) else np.zeros(len(queue), bool)
    first_row: dict[int, int] = {}
    leads = np.arange(len(queue))
    for row in np.flatnonzero(grouped):
        leads[row] = first_row.setdefault(int(group[order[place[row]]]), int(row))
    rows = np.argsort(leads, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(leads[rows]) != 0]) if len(rows) else np.zeros(0, np.int64)
    return Batches(queue[rows], np.r_[starts, len(rows)].astype(np.int64), rows)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a batch.

    Attributes:
        kind: A label, a confirmation, or to leave it out.
        new: Name of the class, for a label.
        who, why, evidence: As in core.labels.journal.NewEdit.
    """

    kind: EditKind
    new: str | None = None
    who: str = "annotator"
    why: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


def settle(dataset: Dataset, batch: Positions | Sequence[int], decision: Decision) -> list[NewEdit]:
    """The edits that carry out one decision on all images of a batch, for one ``LabelJournal.append``.

    Each says in its evidence which items were settled together; each can be undone by itself.
    """
    ids = [str(dataset.item_ids[int(position)]) for position in batch]
    session = uuid4().hex
    together = {"settled_with": ids} if len(ids) > 1 else {}
    return [
        NewEdit(
            item_id,
            decision.kind,
            decision.new,
            who=decision.who,
            why=decision.why,
            evidence={**decision.evidence, **together},
            session=session,
            seq=seq,
        )
        for seq, item_id in enumerate(ids, start=1)
    ]
