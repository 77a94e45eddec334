"""What the commands print: text for people, one JSON object with --json; errors as one sentence, exit 1."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from core.errors import ImportRejected, TidysetError, Unclear

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object (or list) and nothing else.")]


def emit(value: Any, text: str, *, as_json: bool) -> None:
    """Print ``value`` as JSON, or ``text`` for people."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=str) if as_json else text)


@contextlib.contextmanager
def errors_explained(*, as_json: bool = False) -> Iterator[None]:
    """Turn a TidysetError of the enclosed block into a message on stderr and exit status 1.

    With --json the message is an object with ``error`` and ``mend`` (and ``problems`` or
    ``questions`` for an import).
    """
    try:
        yield
    except TidysetError as error:
        if as_json:
            report: dict[str, Any] = {"error": error.problem, "mend": error.mend}
            if isinstance(error, ImportRejected):
                report["problems"] = [
                    {"file": p.file, "row": p.row, "what": p.what, "mend": p.mend} for p in error.problems
                ]
            if isinstance(error, Unclear):
                report["questions"] = [
                    {"question": text, "choices": [{"answer": a, "option": o} for a, o in answers]}
                    for text, answers in error.questions
                ]
            print(json.dumps(report, ensure_ascii=False), file=sys.stderr)
        else:
            print(f"tidyset: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
