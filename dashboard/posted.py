"""What every POST of ours must be, and how it is answered: from our own page, JSON, of a bounded size."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core.errors import BadInput, Busy, NotAllowed, NotFound, StorageFailed, TidysetError
from core.json_text import json_text
from dashboard.borders import is_own_origin

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def check_origin(request: Request, what: str) -> None:
    """Only a page of this very server may post: another site's page cannot forge these headers.

    Args:
        what: What is posted, as the refusal says it: "Labels can be edited".
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        same = site == "same-origin"
    else:
        same = origin is None or is_own_origin(origin, request.headers.get("host", ""))
    if not same:
        raise NotAllowed(f"{what} only from Tidyset's own page.", "Open it and do it there.")


async def read_json_body(request: Request, most_bytes: int, what: str) -> bytes:
    """The body of a request, if it says that it is JSON. Raises BadInput for another, or for too much.

    Args:
        what: What is in it, such as "edits".
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise BadInput(f"The {what} must be sent as application/json.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise BadInput(
                f"One request may hold at most {most_bytes:,} bytes.", f"Send fewer {what} at once."
            )
    return body


def answered(content: dict[str, Any], status: int = 200) -> Response:
    """JSON that nobody keeps."""
    return Response(json_text(content), status, HEADERS, media_type="application/json")


def refused(error: TidysetError) -> Response:
    """The error as JSON, under the status that fits."""
    return answered({"problem": error.problem, "mend": error.mend}, _status(error))


def _status(error: TidysetError) -> int:
    if isinstance(error, NotAllowed):
        return 403
    if isinstance(error, NotFound):
        return 404
    return 503 if isinstance(error, StorageFailed | Busy) else 400 if isinstance(error, BadInput) else 500
