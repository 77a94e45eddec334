"""Passwords: which are good enough, hashed with Argon2id, compared in constant time.

Parameters: the second recommended option of RFC 9106 (section 4): 3 passes over 64 MiB in 4 lanes, salt of 16
bytes, tag of 32. OWASP's Password Storage Cheat Sheet asks for at least 19 MiB and 2 passes.
"""

from __future__ import annotations

import functools
import threading

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.profiles import RFC_9106_LOW_MEMORY

from core.errors import BadInput

SHORTEST, LONGEST = 10, 200
_AT_ONCE = threading.BoundedSemaphore(2)  # each takes 64 MiB: many attempts at once may not take all memory
_HASHER = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


def check_password(password: str, name: str) -> None:
    """Raises BadInput where it is too short, too long, or the person's own name."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(
            f"The password has {len(password)} characters.",
            f"Take one of {SHORTEST} to {LONGEST} characters.",
        )
    if password.casefold() == name.casefold() or len(set(password)) < 4:
        raise BadInput("That password is guessed at once.", "Take several words that nobody would expect.")


def hashed(password: str) -> str:
    """Its hash, with salt and parameters, in PHC form."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def is_right(kept: str | None, password: str) -> bool:
    """Whether the hash is that of the password; takes as long where there is no hash (None or "")."""
    with _AT_ONCE:
        try:
            right = _HASHER.verify(kept or _of_nobody(), password)
        except Argon2Error:
            return False
    return right and bool(kept)


def is_outdated(kept: str) -> bool:
    """Whether it was made with other parameters than those of today."""
    return _HASHER.check_needs_rehash(kept)


def is_hash(text: str) -> bool:
    """Whether it is an Argon2id hash that can be checked without taking all memory."""
    try:
        found = extract_parameters(text)
    except InvalidHashError:
        return False
    return text.startswith("$argon2id$") and found.memory_cost <= 2**21 and found.time_cost <= 64


@functools.cache
def _of_nobody() -> str:
    return _HASHER.hash("nobody's password, to take as long as somebody's")
