"""What travels beside Streamlit's own channel: thumbnails and pictures to the browser, label edits back."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from starlette.routing import BaseRoute

ROUTES: list[BaseRoute] = []


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Start-up and shutdown of the server."""
    yield {}
