"""Long jobs give way: while someone looks at a page, the server comes first."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

VARIABLE = "TIDYSET_WORKER_NICE"
NICE = 5
"""A quarter of a processor that another process wants too, by the kernel's weights: pages come first, and a
training on a shared machine is not starved.
"""
AUTOGROUP = Path("/proc/self/autogroup")


def give_way() -> None:
    """Lower this process's priority, and that of those it starts, by TIDYSET_WORKER_NICE (0 to 19).

    Linux may schedule by session ("autogroup", sched(7)): a nice value then counts only within the session,
    and a job has one of its own. The session is therefore lowered too.
    """
    try:
        nice = min(19, max(0, int(os.environ.get(VARIABLE, NICE))))
    except ValueError:
        nice = NICE
    if not nice or not hasattr(os, "nice"):
        return
    with contextlib.suppress(OSError):
        os.nice(nice)
    if os.getsid(0) == os.getpid():  # else the session is the terminal's, or the server's
        with contextlib.suppress(OSError):
            AUTOGROUP.write_text(str(nice))
