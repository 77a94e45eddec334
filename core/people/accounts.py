"""The people of a workspace: ``people.txt``, a line ``name:role:hash`` each, readable by its owner only.

The hash is empty for whoever signs in elsewhere (OpenID Connect) or only on the command line. Where
there never was one there are no accounts, and whoever uses the workspace may do everything. A damaged one, or
one that is lost or out of sight, lets nobody in.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from core import remembered
from core.errors import BadInput, Busy, DamagedFile, NameTaken, NotFound
from core.files import delete_file, storage_failed, write_bytes
from core.people.roles import Role
from core.workspace import Workspace

MOST_NAME = 100
_HEAD = "# The people of this workspace: name:role:hash of the password. `tidyset people` changes it.\n"


@dataclass(frozen=True, slots=True)
class Account:
    """A person's account.

    Attributes:
        name: As it stands beside their edits; for OpenID Connect their e-mail address.
        kept: The hash of the password; "" for none.
    """

    name: str
    role: Role
    kept: str = ""


def people_file(workspace: Workspace) -> Path:
    """people.txt; there only where there are accounts."""
    return workspace.root / "people.txt"


def has_accounts(workspace: Workspace) -> bool:
    """Whether people sign in here, also while the accounts are out of sight."""
    return people_file(workspace).exists() or _had_accounts(workspace)


def _marker(workspace: Workspace) -> Path:
    """There in a workspace that has accounts, even where people.txt is lost."""
    return workspace.root / ".accounts"


def _had_accounts(workspace: Workspace) -> bool:
    return remembered.remembers(workspace.root, "accounts") or _marker(workspace).exists()


def _note_accounts(workspace: Workspace) -> None:
    """Remember, in the workspace and outside it, that it has accounts, for when they are out of sight."""
    with contextlib.suppress(OSError):
        if not _marker(workspace).exists():
            _marker(workspace).touch()
    remembered.remember(workspace.root, "accounts")


def clear_accounts(workspace: Workspace) -> None:
    """Go back to a workspace without accounts. Where they are lost already, whoever has the folder may.

    Raises:
        NotAllowed: Whoever acts is no admin.
        StorageFailed: The file cannot be deleted.
    """
    from core.people.acting import allow
    from core.people.roles import Right

    if people_file(workspace).exists():
        allow(workspace, Right.PEOPLE)
    delete_file(people_file(workspace))
    delete_file(_marker(workspace))
    remembered.forget(workspace.root, "accounts")


def accounts(workspace: Workspace) -> dict[str, Account] | None:
    """All accounts by name; None where there are none and never were. Raises DamagedFile, naming the line."""
    file = people_file(workspace)
    try:
        found = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        if _had_accounts(workspace):
            raise DamagedFile(
                f"{file} is gone, and this workspace has accounts. Nobody can sign in.",
                "Mount its folder again, or restore it; `tidyset people clear` goes on without accounts.",
            ) from None
        return None
    except OSError as error:
        raise _damaged(file, None, str(error.strerror)) from error
    _note_accounts(workspace)
    return _read(file, found.st_mtime_ns, found.st_size, found.st_ino)


@functools.lru_cache(maxsize=8)
def _read(file: Path, written_ns: int, size: int, identity: int) -> dict[str, Account]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise _damaged(file, None, f"cannot be read ({type(error).__name__})") from error
    found: dict[str, Account] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            one = _account(file, number, line)
            if any(one.name.casefold() == name.casefold() for name in found):
                raise _damaged(file, number, "names somebody a second time")
            found[one.name] = one
    if not any(one.role is Role.ADMIN for one in found.values()):
        raise _damaged(file, None, "names no admin")
    return found


def _account(file: Path, number: int, line: str) -> Account:
    """One line. What is wrong is told without repeating it: it may hold a hash."""
    from core.people.passwords import is_hash

    parts = line.split(":")
    if len(parts) != 3:
        raise _damaged(file, number, f"has {len(parts)} fields instead of name:role:hash")
    name, role, kept = parts
    if not _is_name(name):
        raise _damaged(file, number, "has a name that cannot be one")
    if role not in set(Role):
        raise _damaged(file, number, f"has the role {role[:20]!r}, which is none of {', '.join(Role)}")
    if kept and not is_hash(kept):
        raise _damaged(file, number, "has a hash that is none of Argon2id")
    return Account(name, Role(role), kept)


def _damaged(file: Path, number: int | None, what: str) -> DamagedFile:
    where = f"{file}, line {number}," if number else f"{file}"
    return DamagedFile(f"{where} {what}. Nobody can sign in.", "Mend it, or restore the file from a copy.")


def _is_name(name: str) -> bool:
    return 1 <= len(name) <= MOST_NAME and name == name.strip() and name.isprintable() and ":" not in name


def find_account(workspace: Workspace, name: str) -> Account:
    """The account of that name. Raises NotFound or DamagedFile."""
    found = (accounts(workspace) or {}).get(name)
    if found is None:
        raise NotFound(f"There is no account {name!r}.", "`tidyset people list` names them.")
    return found


def add_account(workspace: Workspace, name: str, role: Role, password: str | None = None) -> Account:
    """Make an account; with the first one, which must be an admin's, the workspace has accounts.

    Raises:
        BadInput: It cannot be a name, the password is weak, or the first is no admin.
        NameTaken: There is one of that name, perhaps in capitals.
        NotAllowed: Whoever acts is no admin.
    """
    if not _is_name(name):
        raise BadInput(f"{name!r} cannot be a name.", f"Give 1 to {MOST_NAME} characters without a colon.")
    new = replace(Account(name, role), kept=_checked_hash(name, password))
    with _changing(workspace) as people:
        if any(name.casefold() == other.casefold() for other in people):
            raise NameTaken(f"There is an account {name!r} already.", "Choose another name.")
        if not people and role is not Role.ADMIN:
            raise BadInput(
                "The first account must be an admin's: nobody could add others.", "Add --role admin."
            )
        people[name] = new
    return new


def set_role(workspace: Workspace, name: str, role: Role) -> Account:
    """Change a role; it counts from the next thing on that the person does. Raises NotFound, NotAllowed."""
    with _changing(workspace) as people:
        people[name] = replace(_known(people, name), role=role)
    return people[name]


def set_password(workspace: Workspace, name: str, password: str | None) -> Account:
    """Change a password, or take it away with None; who is signed in with the old one is signed out.

    Raises NotFound, NotAllowed, BadInput.
    """
    kept = _checked_hash(name, password)
    with _changing(workspace, own=name) as people:
        people[name] = replace(_known(people, name), kept=kept)
    return people[name]


def renew_hash(workspace: Workspace, name: str, before: str, password: str) -> None:
    """Hash a password that was just found right with today's parameters, unless it was changed meanwhile."""
    from core.people.passwords import hashed

    kept = hashed(password)
    with _changing(workspace, own=name) as people:
        if _known(people, name).kept == before:
            people[name] = replace(people[name], kept=kept)


def remove_account(workspace: Workspace, name: str) -> None:
    """Remove an account, and sign the person out; their edits stay under their name.

    Raises NotFound, NotAllowed; BadInput for the last admin.
    """
    with _changing(workspace) as people:
        _known(people, name)
        del people[name]


def _known(people: dict[str, Account], name: str) -> Account:
    if name not in people:
        raise NotFound(f"There is no account {name!r}.", "`tidyset people list` names them.")
    return people[name]


def _checked_hash(name: str, password: str | None) -> str:
    if password is None:
        return ""
    from core.people.passwords import check_password, hashed

    check_password(password, name)
    return hashed(password)


@contextmanager
def _changing(workspace: Workspace, own: str | None = None) -> Iterator[dict[str, Account]]:
    """All accounts, to be changed; written when the block ends. ``own``: that person may do it too."""
    from core.people.acting import acting, allow
    from core.people.roles import Right

    file = people_file(workspace)
    if acting(workspace).name != (own or object()):
        allow(workspace, Right.PEOPLE)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(".people.lock"), timeout=10):
            people = dict(accounts(workspace) or {})
            yield people
            if not any(one.role is Role.ADMIN for one in people.values()):
                raise BadInput("That is the last admin.", "Make somebody else an admin first.")
            lines = [f"{one.name}:{one.role}:{one.kept}\n" for one in people.values()]
            write_bytes(file, "".join([_HEAD, *lines]).encode(), private=True)
            _note_accounts(workspace)
    except Timeout:
        raise Busy("Somebody else changes the accounts.", "Try again.") from None
    except OSError as error:
        raise storage_failed(file, error) from error
