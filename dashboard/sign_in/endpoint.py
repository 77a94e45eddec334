"""POST /tidyset/sign-in: name and password, for a session.

The body is ``{"name": "...", "password": "..."}`` or ``{"session": "..."}``, a session that the page itself
was given for somebody who came from a provider. The answer sets the cookie.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from core import workspace as workspaces
from core.bounded import parse_json
from core.errors import BadInput, NotAllowed, TidysetError
from core.people import sessions
from core.people.sign_in import sign_in
from dashboard.cookies import give
from dashboard.posted import answered, check_origin, read_json_body, refused

MAX_BYTES = 10_000


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field("", max_length=200)
    password: str = Field("", max_length=1_000)
    session: str = Field("", max_length=200)


async def post(request: Request) -> Response:
    """Sign in."""
    try:
        check_origin(request, "You can sign in")
        body = _parsed(await read_json_body(request, MAX_BYTES, "name and password"))
        address = request.client.host if request.client else ""
        token = await run_in_threadpool(_token, body, address)
    except TidysetError as error:
        return refused(error)
    response = answered({"signed_in": True})
    give(response, request, workspaces.current(), token)
    return response


def _parsed(body: bytes) -> _Body:
    try:
        return _Body.model_validate(parse_json(body))
    except ValueError:  # whose text would repeat the password
        raise BadInput("Name and password cannot be read.", "Reload the page.") from None


def _token(body: _Body, address: str) -> str:
    workspace = workspaces.current()
    if not body.session:
        return sign_in(workspace, body.name, body.password, address=address)
    if sessions.name_of(workspace, body.session) is None:
        raise NotAllowed("That session is over.", "Reload the page and sign in.")
    return body.session
