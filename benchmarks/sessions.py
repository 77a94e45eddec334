"""Sessions of the real app for benchmarks: a WebSocket as a browser holds it; what a process uses."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

PAGES = (
    "",
    "explore",
    "clean",
    "train",
    "evaluate",
    "embeddings",
    "issues",
    "relabel",
    "label_next",
    "fill",
    "agreement",
    "history",
    "prove",
    "zero_shot",
    "team",
)
"""As they are named in addresses; "" is Home."""
MEGA = 2**20


class Session:
    """One visitor with a page open; used as a context manager.

    Attributes:
        errors: Text of every traceback that a page showed.
    """

    def __init__(self, port: int, data: str) -> None:
        self._query = f"data={data}"
        # A browser sends no pings; with them a busy machine would look like a lost connection.
        self._open = ExitStack()
        self._channel = self._open.enter_context(
            connect(
                f"ws://localhost:{port}/_stcore/stream",
                subprotocols=["streamlit"],
                max_size=None,
                open_timeout=120,
                ping_interval=None,
            )
        )
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def run(self, page: str, more: str = "", timeout: float = 600) -> float:
        """Open a page, or run it again; returns the seconds until its script has finished.

        Args:
            page: One of PAGES.
            more: What else is in the address, such as ``split=test``.

        Raises:
            TimeoutError: It takes longer than ``timeout`` seconds for one message.
        """
        asked, told = BackMsg(), ForwardMsg()
        asked.rerun_script.page_name = page
        asked.rerun_script.query_string = f"{self._query}&{more}" if more else self._query
        began = time.perf_counter()
        self._channel.send(asked.SerializeToString())
        while True:
            told.ParseFromString(self._channel.recv(timeout=timeout))
            kind = told.WhichOneof("type")
            if kind == "delta" and told.delta.new_element.HasField("exception"):
                self.errors.append(f"{page}: {told.delta.new_element.exception.message[:300]}")
            if kind == "script_finished":
                return time.perf_counter() - began


@dataclass(frozen=True)
class Usage:
    """What a process uses.

    Attributes:
        resident_mb: Memory in use, with the pages of files that are mapped.
        own_mb: Without those: what cannot be dropped.
        peak_mb: The greatest ``resident_mb`` so far.
        threads, files, children: How many there are.
        cpu_seconds: Processor time so far.
    """

    resident_mb: float
    own_mb: float
    peak_mb: float
    threads: int
    files: int
    children: int
    cpu_seconds: float


def usage(pid: int) -> Usage:
    """What the process ``pid`` uses now; Linux only."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}

    def mega(name: str) -> float:
        return round(int(found[name][0]) * 1024 / MEGA, 1)

    parents = [_parent(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return Usage(
        mega("VmRSS"),
        mega("RssAnon"),
        mega("VmHWM"),
        int(found["Threads"][0]),
        len(os.listdir(f"/proc/{pid}/fd")),
        parents.count(pid),
        cpu_seconds(pid),
    )


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, all its threads together."""
    fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended meanwhile
        return 0


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of them do not exceed; NaN of none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 1_000) * len(ordered) // 1_000) - 1)]
