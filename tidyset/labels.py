"""Labels changed from Python: edits in the same journal as those made in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from core.cli.app import account
from core.data.dataset import Task
from core.errors import BadInput
from core.labels.journal import NO, UNKNOWN, YES, EditKind, LabelJournal, NewEdit
from tidyset.data import Dataset, as_person

_ANSWERS = {True: YES, False: NO, None: UNKNOWN}


@as_person
def edit(
    data: Dataset, ids: str | Sequence[str], label: str, answer: bool | None = True, *, why: str = ""
) -> Dataset:
    """Set the label of some images, as one step that can be undone.

    Args:
        data: The data set.
        ids: The id of an image, or several.
        label: The name of a class.
        answer: Where images have several labels: whether ``label`` is the image's, None for unknown.
        why: A note that the history shows.

    Returns:
        The same images with the newest labels.

    Raises:
        BadInput: There is no such class, or one label an image cannot be answered with no.
        NotFound: There is no such image.

    Example:
        >>> import tidyset
        >>> data = tidyset.load("fashion-mnist-sample")
        >>> first = data[0].id
        >>> data = tidyset.edit(data, first, "Coat")
        >>> data[0].labels
        'Coat'
        >>> tidyset.undo(data)[0].labels
        'Ankle boot'
    """
    several = data.task == Task.MULTI_LABEL
    if not several and answer is not True:
        raise BadInput("An image has one label here, which an answer cannot deny.", "Set another label.")
    session = f"python-{uuid4().hex}"
    edits = [
        NewEdit(
            item_id=one,
            kind=EditKind.LABEL,
            new=_ANSWERS[answer] if several else label,
            class_name=label if several else None,
            who=account(),
            why=why,
            session=session,
            seq=seq,
        )
        for seq, one in enumerate([ids] if isinstance(ids, str) else ids, 1)
    ]
    LabelJournal(data._workspace).append(data._source, edits)
    return Dataset(data._workspace, data._source, data._positions)


@as_person
def undo(data: Dataset) -> Dataset:
    """Undo the newest edit, or all edits of the newest ``tidyset.edit``; returns the newest labels.

    Raises:
        NotFound: There is nothing to undo.

    Example:
        See ``tidyset.edit``.
    """
    journal = LabelJournal(data._workspace)
    last = journal.last_to_undo(data.name)
    step = [last]
    if last.session.startswith("python-"):
        step = [one for one in journal.in_force(data.name) if one.session == last.session]
    session = f"python-{uuid4().hex}"
    undone = [
        NewEdit(item_id="", kind=EditKind.UNDO, undoes=one.number, who=account(), session=session, seq=seq)
        for seq, one in enumerate(reversed(step), 1)
    ]
    journal.append(data._source, undone)
    return Dataset(data._workspace, data._source, data._positions)
