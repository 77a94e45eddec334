"""Who may upload, and how much: Streamlit holds what is uploaded in memory, and asks neither."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import Runtime

from core import workspace as workspaces
from core.errors import BadInput, Busy, TidysetError
from core.people.acting import allow
from core.people.roles import Right
from dashboard.posted import refused

MOST_FILES, MOST_FILES_IN_ALL = 10, 100
MOST_BYTES, MOST_BYTES_IN_ALL = 2 << 30, 6 << 30
"""Of a session, and of all sessions together."""
_LOCK = threading.Lock()
_UNDER_WAY: Counter[str] = Counter()
_BYTES_UNDER_WAY: Counter[str] = Counter()


class UploadBounds:
    """Lets uploads through of people who may edit, as long as there are not too many of them."""

    def __init__(self, app: ASGIApp, below: str) -> None:
        self._app = app
        self._below = below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        path = scope.get("path", "")
        if scope["type"] != "http" or scope["method"] != "PUT" or not path.startswith(self._below):
            await self._app(scope, receive, send)
            return
        try:
            allow(workspaces.current(), Right.LABEL)
            with room_for(path.removeprefix(self._below).partition("/")[0], _announced(Request(scope))):
                await self._app(scope, receive, send)
        except TidysetError as error:
            await refused(error)(scope, receive, send)


def _announced(request: Request) -> int:
    """The length that a request says it has. Raises BadInput where it says none: it could go on for ever."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or len(length) > 15:
        raise BadInput("An upload must say how long it is.", "Upload it from Tidyset's own page.")
    return int(length)


@contextmanager
def room_for(session: str, n_bytes: int) -> Iterator[None]:
    """Count an upload of a session for as long as it is under way. Raises Busy where there is no room."""
    with _LOCK:
        files, held = _held()
        files, held = files + _UNDER_WAY, held + _BYTES_UNDER_WAY
        if files[session] >= MOST_FILES or held[session] + n_bytes > MOST_BYTES:
            said = f"This page holds {files[session]} uploads of {held[session]:,} bytes; more are refused."
            raise Busy(said, "Import or remove those first, or reload the page.")
        if files.total() >= MOST_FILES_IN_ALL or held.total() + n_bytes > MOST_BYTES_IN_ALL:
            raise Busy("The server holds too many uploads at the moment.", "Try again in some minutes.")
        _UNDER_WAY[session] += 1
        _BYTES_UNDER_WAY[session] += n_bytes
    try:
        yield
    finally:
        with _LOCK:
            _UNDER_WAY[session] -= 1
            _BYTES_UNDER_WAY[session] -= n_bytes


def _held() -> tuple[Counter[str], Counter[str]]:
    """Number and bytes of the uploads in Streamlit's memory, by session."""
    stored = getattr(Runtime.instance().uploaded_file_mgr, "file_storage", {}) if Runtime.exists() else {}
    sessions = {session: list(files.values()) for session, files in list(stored.items())}
    n_bytes = {session: sum(len(one.data) for one in files) for session, files in sessions.items()}
    return Counter({session: len(files) for session, files in sessions.items()}), Counter(n_bytes)
