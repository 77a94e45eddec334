"""Who may write labels: only a page of this server, which carries a token that nobody else can make."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets

from core.data.dataset import Dataset
from core.files import storage_failed
from core.workspace import Workspace

_BYTES = 32


def token(workspace: Workspace, dataset: Dataset) -> str:
    """The token for edits of this content of this data set. Raises StorageFailed."""
    message = f"labels|{dataset.name}|{dataset.fingerprint}".encode()
    return hmac.new(_secret(workspace), message, hashlib.sha256).hexdigest()


def is_valid(workspace: Workspace, dataset: Dataset, given: str) -> bool:
    """Whether ``given`` is that token; takes as long for a near miss as for any other."""
    return hmac.compare_digest(token(workspace, dataset).encode(), given.encode())


def store(workspace: Workspace) -> str:
    """Names the workspace in the browser, so that what waits there reaches no other. Raises StorageFailed."""
    return hmac.new(_secret(workspace), b"store", hashlib.sha256).hexdigest()[:16]


def _secret(workspace: Workspace) -> bytes:
    """The workspace's secret, which survives a restart of the server; made by whoever asks first."""
    path = workspace.root / "secret.key"
    try:
        with contextlib.suppress(FileNotFoundError):
            found = path.read_bytes()
            if len(found) == _BYTES:
                return found
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
        try:
            os.link(temporary, path)  # fails where another process was first
        except FileExistsError:
            if len(path.read_bytes()) != _BYTES:
                os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return path.read_bytes()
    except OSError as error:
        raise storage_failed(path, error) from error
