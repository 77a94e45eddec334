"""A CLIP model in a process of its own that stays for a while: edited prompts are encoded at once.

Pages import no torch. They ask this process, which is started on the first text that is not in the cache and
ends by itself when nobody asks for ten minutes, or when the process that started it ends. Questions and
answers are lines of JSON; vectors go through the cache.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from core.bounded import parse_json
from core.embeddings.clip import Encoder, kept_texts
from core.embeddings.clip_models import ClipModel, model_digest, model_of
from core.errors import BadInput, TidysetError
from core.json_text import json_text
from core.workspace import PROJECT_ROOT, Workspace

Floats = NDArray[np.float32]
IDLE_SECONDS = 600.0
MOST = 2
"""Processes at once: each holds a whole model."""


class Resident:
    """The process for one model, as its client sees it. Any number of threads may ask."""

    def __init__(self, workspace: Workspace, model: ClipModel) -> None:
        self.workspace, self.model = workspace, model
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def warm(self) -> None:
        """Start loading the model, without waiting for it."""
        with self._lock:
            self._start()

    def texts(self, texts: Sequence[str]) -> Floats:
        """(T, D) unit vectors, from the cache or from the process.

        Raises:
            BadInput: A text that cannot be encoded.
            TidysetError: The model cannot be loaded.
        """
        found = kept_texts(self.workspace, self.model, texts)
        if found is None:
            self._ask({"texts": list(texts)})
            found = kept_texts(self.workspace, self.model, texts)
        if found is None:
            raise TidysetError("The encoded prompts could not be kept.", "Free some disk space.")
        return found

    def picture(self, path: Path) -> Floats:
        """(D,) unit vector of a picture file. Raises as ``texts`` does, and DamagedFile for no picture."""
        return np.asarray(self._ask({"picture": str(path)})["vector"], np.float32)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._process is not None:
                self._process.terminate()
                self._process.wait()
                self._process = None

    def _start(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "core.embeddings.resident", str(self.workspace.root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=PROJECT_ROOT,
                text=True,
                bufsize=1,
            )
            self._send(self._process, {"model": self.model.to_json()})
        return self._process

    def _ask(self, question: dict[str, object]) -> dict[str, object]:
        with self._lock:
            for _ in range(2):  # it may have ended from idleness just now
                process = self._start()
                with contextlib.suppress(OSError, ValueError):
                    self._send(process, question)
                    assert process.stdout is not None
                    if line := process.stdout.readline():
                        return _answer(line)
                process.kill()
                process.wait()
            raise TidysetError(
                f"The process that holds {self.model.key} ended.", "Try again; is there enough memory?"
            )

    @staticmethod
    def _send(process: subprocess.Popen[str], value: dict[str, object]) -> None:
        assert process.stdin is not None
        process.stdin.write(json_text(value) + "\n")
        process.stdin.flush()


def _answer(line: str) -> dict[str, object]:
    value = dict(parse_json(line))
    if "error" in value:
        raise BadInput(str(value["error"]), str(value.get("mend", "")))
    return value


_RESIDENTS: dict[tuple[str, str], Resident] = {}
_GUARD = threading.Lock()


def resident(workspace: Workspace, model: ClipModel) -> Resident:
    """The process for a model, shared by all who ask in this one; the oldest ends when there are too many."""
    key = (str(workspace.root), model_digest(model))
    with _GUARD:
        if key not in _RESIDENTS:
            while len(_RESIDENTS) >= MOST:
                _RESIDENTS.pop(next(iter(_RESIDENTS))).close()
            _RESIDENTS[key] = Resident(workspace, model)
        return _RESIDENTS[key]


def serve(root: str, questions: IO[str], answers: IO[str], idle_seconds: float = IDLE_SECONDS) -> None:
    """Answer until ``questions`` ends or nothing comes for ``idle_seconds``; the first line is the model."""
    waiting: list[str] = []
    arrived = threading.Condition()

    def read() -> None:
        for line in questions:
            with arrived:
                waiting.append(line)
                arrived.notify()
        with arrived:
            waiting.append("")
            arrived.notify()

    threading.Thread(target=read, daemon=True).start()
    encoder: Encoder | None = None
    failed: TidysetError | None = None
    while True:
        with arrived:
            if not waiting and not arrived.wait(idle_seconds):
                return
            line = waiting.pop(0)
        if not line:
            return
        question = parse_json(line)
        if encoder is None:
            encoder = Encoder(Workspace(Path(root)), model_of(question["model"]))
            try:
                _ = encoder.towers
            except TidysetError as error:
                failed = error
            continue
        answers.write(json_text(_answered(encoder, question, failed)) + "\n")
        answers.flush()


def _answered(
    encoder: Encoder, question: dict[str, object], failed: TidysetError | None
) -> dict[str, object]:
    from core.data.images import decode

    try:
        if failed is not None:
            raise failed
        if "picture" in question:
            pixels = decode(Path(str(question["picture"])))
            return {"vector": encoder.towers.encode_picture(pixels).tolist()}
        texts = question["texts"]
        assert isinstance(texts, list)
        return {"n": len(encoder.texts(texts))}
    except TidysetError as error:
        return {"error": error.problem, "mend": error.mend}


if __name__ == "__main__":
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # what libraries print is no answer
        serve(sys.argv[1], sys.stdin, out)
