"""Writing what a model would fill into the journal, all or none; and taking it back.

Every edit carries the run, its probability and its measured precision. Accepting what was taken back before
makes a new session, since the journal is deaf to what it has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.errors import BadInput
from core.evaluation.predictions import load_predictions
from core.labels.versions import FILLED_BY, LabelState, current_version, labels_at
from core.people.acting import allow
from core.people.roles import Right
from core.quality.filling import KIND, LabelFilling, answers, fillings_of, read_fill
from core.quality.queue import FILLED, QueueRequest, open_fillings
from core.runs.store import Run
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.labels.apply import Reverted
    from core.labels.journal import Edit, NewEdit


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force of what a run filled.

    Attributes:
        n: Labels.
        n_open: Of these, those that no person has decided on since.
    """

    n: int
    n_open: int


def author(run: Run) -> str:
    """Who makes a run's edits: by it they are shown, and taken back at once."""
    return f"model:{run.name}"


def session_of(run: Run, number: int = 1) -> str:
    """The session of a run's edits, the ``number``-th time that they are written."""
    return f"{FILLED_BY}{run.id}" + (f".{number}" if number > 1 else "")


def accept(workspace: Workspace, dataset: Dataset, run: Run) -> int:
    """Fill what a finished run said could be filled, in one transaction; the number of labels.

    A label that somebody has answered meanwhile, and be it with "nobody can tell", is left alone.
    Accepted again it changes nothing.

    Raises:
        NotFound, DamagedFile: The run has not finished.
        BadInput: The run is of another data set, or of before it was imported anew.
        Outrun: Somebody edited meanwhile; try again.
    """
    allow(workspace, Right.BULK)
    if run.fingerprint != dataset.fingerprint:
        raise BadInput(f"Run {run.name!r} filled another version of {dataset.name!r}.", "Fill anew.")
    found = load_predictions(run.predictions_file)
    fillings = fillings_of(read_fill(run))
    return apply_filling(
        workspace, dataset, run, fillings, dataset.positions(found.item_ids), found.pred_probs
    )


def apply_filling(
    workspace: Workspace,
    dataset: Dataset,
    run: Run,
    fillings: Sequence[LabelFilling],
    positions: NDArray[np.int64],
    probs: NDArray[Any],
) -> int:
    """Like ``accept``, of what a worker has in hand.

    Args:
        positions: (n,) of the images that may be filled.
        probs: (n, K) probability of yes.
    """
    from core.labels.journal import LabelJournal

    allow(workspace, Right.BULK)
    state = labels_at(workspace, dataset)
    new: list[NewEdit] = []
    session = session_of(run, _times_before(workspace, dataset, run) + 1)
    for k, filling in enumerate(fillings):
        found = answers(filling, probs[:, k].astype(np.float64))
        rows = np.flatnonzero(_open(state, positions, k) & ~np.isnan(found))
        new += _edits(dataset, run, filling, session, positions[rows], found[rows], probs[rows, k], len(new))
    if not new:
        return 0
    return len(LabelJournal(workspace).append(dataset, new, only_at=state.version))


def _open(state: LabelState, positions: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """(n,) unknown, not left out, and no person has said that it cannot be told."""
    unknown = np.isnan(np.asarray(state.labels)[positions, k]) & ~state.excluded[positions]
    return unknown if state.answered is None else np.asarray(unknown & ~state.answered[positions, k])


def _edits(
    dataset: Dataset,
    run: Run,
    filling: LabelFilling,
    session: str,
    positions: NDArray[np.int64],
    found: NDArray[np.float32],
    probs: NDArray[Any],
    n_before: int,
) -> list[NewEdit]:
    """The edits of one label."""
    from core.labels.journal import NO, YES, EditKind, NewEdit

    new: list[NewEdit] = []
    for at, yes, probability in zip(positions.tolist(), found == 1, probs.tolist(), strict=True):
        answer = YES if yes else NO
        evidence = {
            "run": run.id,
            "guess": answer,
            "confidence": round(probability if yes else 1 - probability, 4),
            "precision": (filling.yes if yes else filling.no).precision,
            "method": run.job["method"],
            "queue": KIND,
        }
        new.append(
            NewEdit(
                str(dataset.item_ids[at]),
                EditKind.LABEL,
                answer,
                who=author(run),
                why="filled by a model",
                evidence=evidence,
                session=session,
                seq=n_before + len(new) + 1,
                class_name=filling.name,
            )
        )
    return new


def _times_before(workspace: Workspace, dataset: Dataset, run: Run) -> int:
    """How often this run's labels were written and have all been taken back since."""
    if not current_version(workspace, dataset.name):
        return 0
    from core.labels.journal import EditFilter, LabelJournal

    journal = LabelJournal(workspace)
    ever = {edit.session for edit in journal.edits(dataset.name, chosen=EditFilter(who=author(run)))}
    return len(ever)


def standing(workspace: Workspace, dataset: Dataset, run: Run, state: LabelState) -> Standing:
    """What is in force of what ``run`` filled, under the newest labels ``state``."""
    if state.filled is None or not state.version:
        return Standing(0, 0)
    from core.labels.journal import EditFilter, LabelJournal

    n = len(LabelJournal(workspace).in_force(dataset.name, EditFilter(who=author(run))))
    return Standing(n, int(open_fillings(state, QueueRequest(FILLED, run=run.id)).sum()))


def take_back(
    workspace: Workspace, dataset: Dataset, run: Run, *, who: str, keep_confirmed: bool = False
) -> Reverted:
    """Undo all that ``run`` filled, in one transaction.

    Args:
        keep_confirmed: Leave labels that a person has decided on since, such as by confirming the image.

    Raises:
        Outrun: Others edit all the time.
    """
    from core.labels.apply import of_filter, revert_edits
    from core.labels.journal import EditFilter

    allow(workspace, Right.BULK)
    ours = of_filter(EditFilter(who=author(run)))
    state = labels_at(workspace, dataset)

    def choose(edits: Sequence[Edit]) -> tuple[list[Edit], list[Edit]]:
        targets = ours(edits)[0]
        if not keep_confirmed or state.filled is None:
            return targets, []
        still = _still_filled(dataset, state)
        return (
            [edit for edit in targets if (edit.item_id, edit.class_name) in still],
            [edit for edit in targets if (edit.item_id, edit.class_name) not in still],
        )

    return revert_edits(workspace, dataset, choose, who=who, why="filling taken back")


def _still_filled(dataset: Dataset, state: LabelState) -> set[tuple[str, str | None]]:
    """(item, class) of what models filled and no person has decided on since."""
    assert state.filled is not None
    rows, columns = np.nonzero(state.filled >= 0)
    ids = dataset.item_ids[rows].tolist()
    return {(item, dataset.classes[k]) for item, k in zip(ids, columns.tolist(), strict=True)}
