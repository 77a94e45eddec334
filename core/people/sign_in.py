"""Signing in with a password: throttled, and as slow for a name that nobody has as for a wrong password."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from core.errors import NotAllowed
from core.people import sessions
from core.people.accounts import accounts, renew_hash
from core.people.acting import acting_as
from core.people.roles import SERVER
from core.workspace import Workspace

FREE_TRIES, FREE_TRIES_OF_ADDRESS = 5, 50
"""Of an address more: a whole team may come through one proxy."""
LONGEST_WAIT = 300.0
_MOST_KEPT = 10_000


class Throttle:
    """How long who must wait before the next try: not at all up to some wrong ones, then 1 s, 2 s, 4 s, ...

    Kept in memory, by name and by address, for the last 10,000 of them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def seconds_left(self, key: str, free: int = FREE_TRIES) -> float:
        """How long ``key`` has to wait, which may be wrong ``free`` times for nothing."""
        with self._lock:
            n, at = self._wrong.get(key, (0, 0.0))
            wait = min(LONGEST_WAIT, 2.0 ** min(n - free, 30)) if n >= free else 0.0
            return max(0.0, at + wait - self._clock())

    def wrong(self, key: str) -> None:
        """Count a wrong try."""
        with self._lock:
            n, _ = self._wrong.pop(key, (0, 0.0))
            self._wrong[key] = (n + 1, self._clock())
            while len(self._wrong) > _MOST_KEPT:
                self._wrong.popitem(last=False)

    def right(self, key: str) -> None:
        """Forget the wrong ones."""
        with self._lock:
            self._wrong.pop(key, None)


THROTTLE = Throttle()


def sign_in(
    workspace: Workspace, name: str, password: str, *, address: str = "", throttle: Throttle = THROTTLE
) -> str:
    """Begin a session; returns its token. Nothing tells a wrong password from a name that nobody has.

    Args:
        address: Where the try comes from.

    Raises:
        NotAllowed: Wrong, or too many wrong tries before.
        DamagedFile: The accounts cannot be read.
    """
    from core.people.passwords import is_outdated, is_right

    known = accounts(workspace) or {}
    of_name, of_address = f"name {name.casefold()}", f"address {address}"
    wait = max(throttle.seconds_left(of_name), throttle.seconds_left(of_address, FREE_TRIES_OF_ADDRESS))
    if wait > 0:
        raise NotAllowed("Too many wrong tries.", f"Try again in {max(1, round(wait))} s.")
    throttle.wrong(of_name)  # before it is known, so that many at once count too
    account = known.get(name)
    if not is_right(account.kept if account else None, password) or account is None:
        throttle.wrong(of_address)
        raise NotAllowed("Name or password is wrong.", "Try again, or ask an admin for a new password.")
    throttle.right(of_name)
    if is_outdated(account.kept):
        with acting_as(SERVER):
            renew_hash(workspace, name, account.kept, password)
    return sessions.begin(workspace, name)
