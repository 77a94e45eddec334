"""The cookie that holds a session's token: named after the workspace, since cookies know no ports."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from core.people import sessions
from core.people.accounts import has_accounts
from core.people.secret import signature
from core.workspace import Workspace


def token_in(workspace: Workspace, cookies: Mapping[str, str]) -> str:
    """The token that a browser brings; "" for none."""
    found = cookies.get(name_of(workspace), "")
    return found if isinstance(found, str) else ""  # a test without a browser has stand-ins for cookies


def name_in(workspace: Workspace, cookies: Mapping[str, str]) -> str | None:
    """Who a browser's cookies say is signed in. Raises DamagedFile: the accounts."""
    return sessions.name_of(workspace, token_in(workspace, cookies)) if has_accounts(workspace) else None


def give(response: Response, request: Request, workspace: Workspace, token: str) -> None:
    """Let the browser keep the token, where no script and no other site's page reaches it."""
    response.set_cookie(
        name_of(workspace),
        token,
        max_age=int(sessions.LASTS_SECONDS),
        httponly=True,
        samesite="strict",
        secure=request.headers.get("origin", "").startswith("https:"),
    )


def name_of(workspace: Workspace) -> str:
    """What the cookie of a workspace is called. Raises StorageFailed."""
    return f"tidyset_{signature(workspace, 'cookie')[:16]}"
