"""Signing in with a password: throttled, and as slow for a name that nobody has as for a wrong password."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from core.errors import NotAllowed
from core.people import sessions
from core.people.accounts import accounts, renew_hash
from core.people.acting import acting_as
from core.people.roles import SERVER
from core.workspace import Workspace

FREE_TRIES, FREE_TRIES_OF_NAME = 5, 100
"""Of a name from one address, and from all addresses where nobody has signed in by that name before."""
FORGOTTEN_SECONDS = 900.0
LONGEST_WAIT = 300.0
_MOST_KEPT = 10_000


class Throttle:
    """How long who must wait before the next try: not at all up to some wrong ones, then 1 s, 2 s, 4 s, ...

    Wrong tries count for a quarter of an hour. Kept in memory, for the last 10,000 keys.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()

    def seconds_left(self, key: str, free: int = FREE_TRIES) -> float:
        """How long ``key`` has to wait, which may be wrong ``free`` times for nothing."""
        with self._lock:
            times = self._recent(key)
            if len(times) < free:
                return 0.0
            wait = min(LONGEST_WAIT, 2.0 ** min(len(times) - free, 30))
            return max(0.0, times[-1] + wait - self._clock())

    def wrong(self, key: str) -> None:
        """Count a wrong try."""
        with self._lock:
            times = self._recent(key)
            times.append(self._clock())
            self._wrong[key] = times
            self._wrong.move_to_end(key)
            while len(self._wrong) > _MOST_KEPT:
                self._wrong.popitem(last=False)

    def right(self, key: str) -> None:
        """Forget the wrong ones; ``is_known`` from here on."""
        with self._lock:
            self._wrong.pop(key, None)
            self._known[key] = None
            while len(self._known) > _MOST_KEPT:
                self._known.popitem(last=False)

    def is_known(self, key: str) -> bool:
        """Whether a try of it was right since the server began."""
        with self._lock:
            return key in self._known

    def _recent(self, key: str) -> deque[float]:
        times = self._wrong.get(key, deque(maxlen=1_000))
        while times and times[0] <= self._clock() - FORGOTTEN_SECONDS:
            times.popleft()
        return times


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
    of_name = f"name {name.casefold()}"
    of_both = f"{of_name} from {_network(address)}"
    wait = throttle.seconds_left(of_both)
    if not throttle.is_known(of_both):
        wait = max(wait, throttle.seconds_left(of_name, FREE_TRIES_OF_NAME))
    if wait > 0:
        raise NotAllowed("Too many wrong tries.", f"Try again in {max(1, round(wait))} s.")
    throttle.wrong(of_both)  # before it is known, so that many at once count too
    account = known.get(name)
    if not is_right(account.kept if account else None, password) or account is None:
        throttle.wrong(of_name)
        raise NotAllowed("Name or password is wrong.", "Try again, or ask an admin for a new password.")
    throttle.right(of_both)
    if is_outdated(account.kept):
        with acting_as(SERVER):
            renew_hash(workspace, name, account.kept, password)
    return sessions.begin(workspace, name)


def _network(address: str) -> str:
    """What an address counts as: of IPv6 its network of 64 bits, of which one machine has all addresses."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(found if found.version == 4 else ipaddress.ip_network((int(found) >> 64 << 64, 64)))
