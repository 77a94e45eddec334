"""The workspace's secret: what signs tokens, and names things that nobody else may guess."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from core.files import storage_failed
from core.workspace import Workspace

_BYTES = 32


def signature(workspace: Workspace, message: str) -> str:
    """What only who knows the secret can say of ``message``: 64 hexadecimal digits. Raises StorageFailed."""
    return hmac.new(secret_of(workspace), message.encode(), hashlib.sha256).hexdigest()


def secret_of(workspace: Workspace) -> bytes:
    """The workspace's secret, which survives a restart of the server; made by whoever asks first.

    Where it cannot be kept, as on a read-only disk, this process goes on with its own: pages can be looked
    at, and what they send is refused by the journal with the reason. Once it can be, that one is kept.

    Raises StorageFailed where there is one that cannot be read.
    """
    path = workspace.root / "secret.key"
    own = _OWN.setdefault(path, secrets.token_bytes(_BYTES))
    try:
        with contextlib.suppress(FileNotFoundError):
            found = path.read_bytes()
            if len(found) == _BYTES:
                return found
    except OSError as error:
        raise storage_failed(path, error) from error
    try:
        return _kept(path, own)
    except OSError:
        return own


_OWN: dict[Path, bytes] = {}
"""By file, the secret that this process would keep there."""


def _kept(path: Path, own: bytes) -> bytes:
    """Keep ``own``, unless another process was first; returns what is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(own)
        try:
            os.link(temporary, path)  # fails where another process was first
        except FileExistsError:
            if len(path.read_bytes()) != _BYTES:
                os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path.read_bytes()
