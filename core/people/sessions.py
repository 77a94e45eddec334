"""Sessions of people who are signed in: a small file each in ``sessions/``, named by a hash of its token.

The token is 256 random bits, known to the browser only. A session ends when the person signs out or is
removed, their password changes, or after a week. Files rather than the database, so that people stay signed
in while a team's database is away; every server over the workspace sees them.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
import time
from pathlib import Path

from core.errors import DamagedFile
from core.files import read_json, write_json
from core.people.accounts import Account, accounts, find_account
from core.workspace import Workspace

LASTS_SECONDS = 7 * 86_400.0


def begin(workspace: Workspace, name: str) -> str:
    """Begin a session of a person who has shown who they are; returns its token. Raises NotFound."""
    account = find_account(workspace, name)
    _forget_old(workspace)
    token = secrets.token_urlsafe(32)
    about = {"name": name, "until": time.time() + LASTS_SECONDS, "proof": _proof(account)}
    write_json(_file(workspace, token), about, private=True)
    return token


def name_of(workspace: Workspace, token: str) -> str | None:
    """Whose session it is; None for a token that is none, or no longer. Raises DamagedFile (the accounts)."""
    known = accounts(workspace)
    file = _file(workspace, token)
    if not token or not known or not file.exists():
        return None
    try:
        about = read_json(file)
        name, until, proof = str(about["name"]), float(about["until"]), str(about["proof"])
    except (DamagedFile, KeyError, TypeError, ValueError):
        return None
    account = known.get(name)
    if account is None or time.time() >= until or not hmac.compare_digest(proof, _proof(account)):
        return None
    return name


def end(workspace: Workspace, token: str) -> None:
    """Sign out."""
    with contextlib.suppress(OSError):
        _file(workspace, token).unlink()


def _proof(account: Account) -> str:
    """Changes with the password."""
    return hashlib.sha256(f"{account.name}:{account.kept}".encode()).hexdigest()


def _file(workspace: Workspace, token: str) -> Path:
    name = hashlib.sha256(token.encode(errors="replace")).hexdigest()
    return workspace.root / "sessions" / f"{name}.json"


def _forget_old(workspace: Workspace) -> None:
    for file in (workspace.root / "sessions").glob("*.json"):
        with contextlib.suppress(OSError):  # another server was faster
            if time.time() - file.stat().st_mtime > LASTS_SECONDS:
                file.unlink()
