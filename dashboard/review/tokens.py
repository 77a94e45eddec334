"""Who may write labels: only a page of this server, which carries a token that nobody else can make."""

from __future__ import annotations

import hmac

from core.data.dataset import Dataset
from core.people.secret import signature
from core.workspace import Workspace


def token(workspace: Workspace, dataset: Dataset) -> str:
    """The token for edits of this content of this data set. Raises StorageFailed."""
    return signature(workspace, f"labels|{dataset.name}|{dataset.fingerprint}")


def is_valid(workspace: Workspace, dataset: Dataset, given: str) -> bool:
    """Whether ``given`` is that token; takes as long for a near miss as for any other."""
    return hmac.compare_digest(token(workspace, dataset).encode(), given.encode())


def store(workspace: Workspace, name: str = "") -> str:
    """Names the workspace in the browser, so that what waits there reaches no other. Raises StorageFailed.

    Args:
        name: Of whoever is signed in: what waits there is sent only once that person is signed in again.
    """
    return signature(workspace, f"store|{name}" if name else "store")[:16]
