"""Event logs that are read again and again while they grow: what of them is kept in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from core.runs.events import Event, EventLog

Sieve = Callable[[list[Event]], list[Event]]


class Followed:
    """What counts of many logs; each time only what was added since the last call is read.

    Of all logs together a number of events is kept; the log that was not asked after for longest goes first,
    and is read anew when it is asked after again.

    Args:
        sieve: Of all events of a log so far, in order, those still worth keeping, in a new list. Of what it
            gave and what was added since, it must give what it would give of the whole log.
        most_events: Kept of all logs together.
    """

    def __init__(self, sieve: Sieve, most_events: int) -> None:
        self._sieve, self._most = sieve, most_events
        self._logs: OrderedDict[Path, tuple[int, list[Event]]] = OrderedDict()
        self._n_events = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Events kept now."""
        return self._n_events

    def __call__(self, log: EventLog) -> list[Event]:
        """What counts of a log, oldest first; nobody may change the list. Empty where there is no log."""
        with self._lock:
            offset, events = self._logs.get(log.path, (0, []))
        try:
            if log.path.stat().st_size < offset:
                offset, events = 0, []
        except OSError:
            return []
        added, offset = log.read(offset)
        if added:
            events = self._sieve([*events, *added])
        self._keep(log.path, offset, events)
        return events

    def _keep(self, path: Path, offset: int, events: list[Event]) -> None:
        with self._lock:
            self._n_events += len(events) - len(self._logs.pop(path, (0, []))[1])
            self._logs[path] = (offset, events)
            while self._n_events > self._most and len(self._logs) > 1:
                _, (_, gone) = self._logs.popitem(last=False)
                self._n_events -= len(gone)


def without_superseded(events: list[Event]) -> list[Event]:
    """Events without the progress that a later event of progress or the end of an epoch has made old."""
    kept, is_old = [], False
    for event in reversed(events):
        if event["type"] == "progress" and is_old:
            continue
        is_old = is_old or event["type"] in ("progress", "epoch")
        kept.append(event)
    return kept[::-1]
