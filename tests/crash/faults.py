"""Faults at an exact point of an action: killed, or refused by the disk, at its n-th change of a file.

The action runs in a fork of this process, under an audit hook (PEP 578) that sees each file opened for
writing, made, renamed or removed below the workspace, before it happens.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import TidysetError

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}
FINE, EXPLAINED, CRASHED = 0, 10, 11
Action = Callable[[], object]


def _changes(event: str, arguments: tuple[Any, ...], below: str) -> bool:
    if event == "open":
        path, mode, flags = arguments
        writes = any(letter in (mode or "") for letter in "wax+") or (
            mode is None and flags & (os.O_WRONLY | os.O_RDWR)
        )
        return bool(writes) and str(path).startswith(below)
    return event in CHANGES and str(arguments[0]).startswith(below)


def forked(action: Action, prepare: Callable[[], None]) -> int:
    """Run ``action`` in a fork after ``prepare``; its exit status, or minus the signal that ended it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            prepare()
            action()
            os._exit(FINE)
        except TidysetError as error:
            os._exit(EXPLAINED if error.mend else CRASHED)
        except BaseException:
            traceback.print_exc()
            os._exit(CRASHED)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def killed_at(number: int, action: Action, below: Path) -> int:
    """Run it in a fork that is killed (SIGKILL) just before its change ``number``; -9 if it came so far."""
    return forked(action, lambda: _on_change(number, below, lambda: os.kill(os.getpid(), signal.SIGKILL)))


def refused_at(number: int, action: Action, below: Path, code: int = errno.ENOSPC) -> int:
    """Run it in a fork in which the change ``number`` and every later one fails with ``code``."""

    def fail() -> None:
        raise OSError(code, os.strerror(code))

    return forked(action, lambda: _on_change(number, below, fail))


def limited_to(n_bytes: int, action: Action) -> int:
    """Run it in a fork in which no file can grow beyond ``n_bytes``: writes fail half-way."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))

    return forked(action, limit)


def _on_change(number: int, below: Path, do: Callable[[], None]) -> None:
    seen = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if _changes(event, arguments, str(below)):
            seen += 1
            if seen > number:
                do()

    sys.addaudithook(hook)
