"""Parts side by side in processes of this machine; no Ray needed.

A process does one part after another: the names go in as lines, the answers come out as lines of JSON. It
stops what it does, checkpoint written, when its input ends, so it never outlives the job that started it.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path

from core.bounded import parse_json
from core.engines import DOES_PARTS, Ended, Task
from core.json_text import json_text
from core.workspace import PROJECT_ROOT

CLOSE_SECONDS = 30.0
"""How long a process may take to end the step it is in."""


class LocalEngine:
    """``n_places`` processes, each started when it is first needed, with its share of the cores."""

    def __init__(self, n_places: int) -> None:
        self.n_places = n_places
        self._idle: list[subprocess.Popen[str]] = []
        self._busy: dict[Task, subprocess.Popen[str]] = {}
        self._told: queue.Queue[Ended] = queue.Queue()

    def submit(self, task: Task) -> None:
        """Begin a part in an idle process, or a new one."""
        process = self._idle.pop() if self._idle else self._start()
        self._busy[task] = process
        threading.Thread(target=self._ask, args=(process, task), daemon=True).start()

    def ended(self, seconds: float) -> list[Ended]:
        """As of ``Engine``."""
        try:
            one = self._told.get(timeout=seconds)
        except queue.Empty:
            return []
        process = self._busy.pop(one.task)
        if one.answer is None:
            process.wait()
        else:
            self._idle.append(process)
        return [one]

    def count_places(self, *, asks_nodes: bool = False) -> None:
        """As of ``Engine``; they stay as many."""

    def abandon(self) -> None:
        """As of ``Engine``."""
        for process in self._busy.values():
            process.kill()

    def close(self) -> None:
        """As of ``Engine``."""
        processes = [*self._idle, *self._busy.values()]
        for process in processes:
            assert process.stdin is not None
            try:
                process.stdin.close()
            except BrokenPipeError:
                continue  # it ended by itself
        for process in processes:
            try:
                process.wait(CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._idle, self._busy = [], {}

    def _start(self) -> subprocess.Popen[str]:
        threads = max(1, (os.cpu_count() or 1) // self.n_places)
        return subprocess.Popen(
            [sys.executable, "-m", "core.engines.local"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT_ROOT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )

    def _ask(self, process: subprocess.Popen[str], task: Task) -> None:
        """Hand a part to a process and wait for its answer, in a thread."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json_text([str(task.folder), task.part]) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (OSError, ValueError):  # it died, or the engine was closed
            line = ""
        self._told.put(Ended(task, parse_json(line) if line.endswith("\n") else None))


def main() -> None:
    """What a process does: parts, until its input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a part prints goes to the log
    asked: queue.Queue[str | None] = queue.Queue()
    stop = threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            asked.put(line)
        stop.set()
        asked.put(None)

    threading.Thread(target=listen, daemon=True).start()
    module, _, function = DOES_PARTS.partition(":")
    do_part = getattr(import_module(module), function)
    while (line := asked.get()) is not None:
        folder, part = parse_json(line)
        answer = do_part(Path(folder), part, stop.is_set)
        try:
            print(json_text(answer), file=answers, flush=True)
        except BrokenPipeError:
            return


if __name__ == "__main__":
    main()
