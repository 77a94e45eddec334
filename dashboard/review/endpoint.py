"""POST /tidyset/labels: takes edits from the review component and answers after they are on the disk.

The body is JSON::

    {"dataset": "...", "fingerprint": "...", "session": "...", "who": "...",
     "edits": [{"seq": 1, "item": "...", "kind": "label", "label": "Coat", "evidence": {...}}, ...]}

and so is the answer: ``{"saved": [[seq, number], ...], "refused": [{"seq": 2, "problem": "..."}]}``, or, with
a status of 400 and above, ``{"problem": "...", "mend": "..."}``. An edit sent twice is saved once. Where an
image has several labels, ``class_name`` is the class and ``label`` is yes, no or unknown.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import workspace as workspaces
from core.data.dataset import Dataset, dataset_folder
from core.errors import BadInput, Busy, NotAllowed, NotFound, StorageFailed, TidysetError
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.workspace import Workspace, check_name
from dashboard.opened import opened
from dashboard.review import tokens

MAX_BYTES = 1_000_000
MAX_EDITS = 500
TOKEN_HEADER = "x-tidyset-token"
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


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
        _check_origin(request)
        body = await _body(request)
        token = request.headers.get(TOKEN_HEADER, "")
        answer = await run_in_threadpool(_append, workspaces.current(), _parsed(body), token)
    except TidysetError as error:
        return _answer({"problem": error.problem, "mend": error.mend}, _status(error))
    return _answer(answer, 200)


def _check_origin(request: Request) -> None:
    """Only a page of this very server may post: another site's page cannot forge these headers."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        same = site == "same-origin"
    else:
        same = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not same:
        raise NotAllowed("Labels can be edited only from Tidyset's own page.", "Open it and edit there.")


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise BadInput("The edits must be sent as application/json.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise BadInput(f"One request may hold at most {MAX_BYTES:,} bytes.", "Send fewer edits at once.")
    return body


def _parsed(body: bytes) -> _Batch:
    try:
        return _Batch.model_validate(json.loads(body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"The edits cannot be read: {where}: {first['msg']}.", "Reload the page.") from None
    except (ValueError, RecursionError):
        raise BadInput("The edits are not JSON.", "Reload the page.") from None


def _append(workspace: Workspace, batch: _Batch, token: str) -> dict[str, Any]:
    dataset = _dataset(workspace, batch)
    if not tokens.is_valid(workspace, dataset, token):
        raise NotAllowed("This page is not from this workspace's server.", "Reload the page.")
    new = [_new_edit(batch, edit) for edit in batch.edits]
    saved, refused = LabelJournal(workspace).append_each(dataset, new)
    return {
        "saved": [[edit.seq, edit.number] for edit in saved],
        "refused": [{"seq": one.seq, "problem": str(one.error)} for one in refused],
    }


def _new_edit(batch: _Batch, edit: _Edit) -> NewEdit:
    return NewEdit(
        item_id=edit.item,
        kind=EditKind(edit.kind),
        new=edit.label,
        class_name=edit.class_name,
        undoes=None if edit.undoes_seq is None else (batch.session, edit.undoes_seq),
        who=batch.who.strip() or "annotator",
        evidence=edit.evidence.model_dump(exclude_none=True),
        session=batch.session,
        seq=edit.seq,
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


def _status(error: TidysetError) -> int:
    if isinstance(error, NotAllowed):
        return 403
    if isinstance(error, NotFound):
        return 404
    return 503 if isinstance(error, StorageFailed | Busy) else 400 if isinstance(error, BadInput) else 500


def _answer(content: dict[str, Any], status: int) -> Response:
    return JSONResponse(content, status, HEADERS)
