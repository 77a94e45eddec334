"""Who is let through to what travels beside Streamlit's channel, where the workspace has accounts."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from core import workspace as workspaces
from core.errors import TidysetError
from core.people.accounts import has_accounts
from core.people.acting import acting_as, allow
from core.people.roles import Right
from dashboard.cookies import name_in
from dashboard.posted import refused


class Admission:
    """Lets only people who are signed in through to what travels beside Streamlit's own channel.

    They act (core.people.acting) for as long as the request takes. Streamlit's channel itself is open to all,
    since the form to sign in comes over it; dashboard.frame shows nothing else to whoever is not signed in.
    """

    def __init__(self, app: ASGIApp, guarded: tuple[str, ...], open_to_all: tuple[str, ...]) -> None:
        self._app = app
        self._guarded = guarded
        self._open = open_to_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path in self._open or not path.startswith(self._guarded):
            await self._app(scope, receive, send)
            return
        try:
            name = await run_in_threadpool(_admitted, Request(scope))
        except TidysetError as error:
            await refused(error)(scope, receive, send)
            return
        with acting_as(name):
            await self._app(scope, receive, send)


def _admitted(request: Request) -> str | None:
    """Who sends the request; None in a workspace without accounts. Raises NotAllowed or DamagedFile."""
    workspace = workspaces.current()
    if not has_accounts(workspace):
        return None
    name = name_in(workspace, request.cookies)
    with acting_as(name):
        allow(workspace, Right.LOOK)
    return name
