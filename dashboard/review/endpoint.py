"""POST /tidyset/labels: takes edits from the review component and answers after they are on the disk.

The body is JSON::

    {"dataset": "...", "fingerprint": "...", "session": "...", "who": "...",
     "edits": [{"seq": 1, "item": "...", "kind": "label", "label": "Coat", "evidence": {...}}, ...]}

and so is the answer: ``{"saved": [[seq, number], ...], "refused": [{"seq": 2, "problem": "..."}]}``, or, with
a status of 400 and above, ``{"problem": "...", "mend": "..."}``. An edit sent twice is saved once. Where an
image has several labels, ``class_name`` is the class and ``label`` is yes, no or unknown. An edit that agrees
to the label on the screen brings it along (``shown``, as in dashboard.review.said); if it is another one by
now, the edit is refused and the answer has it (``now``). Where the workspace has accounts, ``who`` must be
the person who is signed in.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from core import workspace as workspaces
from core.bounded import parse_json
from core.data.dataset import Dataset, dataset_folder
from core.errors import BadInput, NotAllowed, NotFound, TidysetError
from core.labels.journal import ChangedSince, EditKind, LabelJournal, NewEdit, Refusal
from core.people.acting import allow
from core.people.roles import Right
from core.team import presence
from core.workspace import Workspace, check_name
from dashboard.memo import opened
from dashboard.posted import answered, check_origin, read_json_body, refused
from dashboard.review import tokens
from dashboard.review.said import Said, from_words, in_words

MAX_BYTES = 1_000_000
MAX_EDITS = 500
TOKEN_HEADER = "x-tidyset-token"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Evidence(_Strict):
    """What the person saw when deciding."""

    run: Annotated[str, Field(max_length=100)] | None = None
    guess: Annotated[str, Field(max_length=500)] | None = None
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    queue: Annotated[str, Field(max_length=100)] | None = None
    together: Annotated[int, Field(ge=2, le=10_000)] | None = None  # near-identical images settled at once


class _Edit(_Strict):
    seq: Annotated[int, Field(ge=0, lt=2**53)]
    item: Annotated[str, Field(min_length=1, max_length=4_000)]
    kind: Literal["label", "confirm", "exclude", "include", "look", "settle", "unsure", "propose", "undo"]
    label: Annotated[str, Field(max_length=500)] | None = None
    class_name: Annotated[str, Field(max_length=500)] | None = None
    undoes_seq: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    shown: Said | None = None
    evidence: _Evidence = _Evidence()


class _Batch(_Strict):
    dataset: Annotated[str, Field(max_length=64)]
    fingerprint: Annotated[str, Field(max_length=32)]
    session: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
    who: Annotated[str, Field(max_length=100)] = ""
    edits: Annotated[list[_Edit], Field(max_length=MAX_EDITS)]


async def labels(request: Request) -> Response:
    """Append a batch of edits to the journal."""
    try:
        check_origin(request, "Labels can be edited")
        body = await read_json_body(request, MAX_BYTES, "edits")
        token = request.headers.get(TOKEN_HEADER, "")
        answer = await run_in_threadpool(_append, workspaces.current(), _parsed(body), token)
    except TidysetError as error:
        return refused(error)
    return answered(answer)


def _parsed(body: bytes) -> _Batch:
    try:
        return _Batch.model_validate(parse_json(body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"The edits cannot be read: {where}: {first['msg']}.", "Reload the page.") from None
    except ValueError:
        raise BadInput("The edits are not JSON.", "Reload the page.") from None


def _append(workspace: Workspace, batch: _Batch, token: str) -> dict[str, Any]:
    dataset = _dataset(workspace, batch)
    if not tokens.is_valid(workspace, dataset, token):
        raise NotAllowed("This page is not from this workspace's server.", "Reload the page.")
    person, said = allow(workspace, Right.LABEL), batch.who.strip()
    if person.name and said != person.name:
        raise NotAllowed(
            f"These edits are in the name of {said!r}; {person.name} is signed in.", "Reload the page."
        )
    new = [_new_edit(dataset, batch, edit, said or "annotator") for edit in batch.edits]
    saved, not_made = LabelJournal(workspace).append_each(dataset, new)
    if person.name:
        presence.note(workspace, person.name, dataset.name)
    return {
        "saved": [[edit.seq, edit.number] for edit in saved],
        "refused": [_told(dataset, one) for one in not_made],
    }


def _told(dataset: Dataset, refusal: Refusal) -> dict[str, Any]:
    told: dict[str, Any] = {"seq": refusal.seq, "problem": str(refusal.error)}
    if isinstance(refusal.error, ChangedSince):
        told["now"] = from_words(dataset, refusal.error.now)
    return told


def _new_edit(dataset: Dataset, batch: _Batch, edit: _Edit, who: str) -> NewEdit:
    return NewEdit(
        item_id=edit.item,
        kind=EditKind(edit.kind),
        new=edit.label,
        class_name=edit.class_name,
        undoes=None if edit.undoes_seq is None else (batch.session, edit.undoes_seq),
        who=who,
        evidence=edit.evidence.model_dump(exclude_none=True),
        session=batch.session,
        seq=edit.seq,
        shown=None if edit.shown is None else in_words(dataset, edit.shown),
    )


def _dataset(workspace: Workspace, batch: _Batch) -> Dataset:
    """The data set of the batch; a request never puts one into the workspace."""
    name = check_name(batch.dataset, "data set")
    if not (dataset_folder(workspace, name) / "dataset.json").exists():
        raise NotFound(f"There is no data set {name!r}.", "Reload the page.")
    dataset = opened(workspace, name)
    if dataset.fingerprint != batch.fingerprint:
        raise NotFound(f"Data set {name!r} was replaced by another content.", "Reload the page.")
    return dataset
