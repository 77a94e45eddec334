"""``tidyset cache``: how much derived data is kept, and deleting what was not used for longest."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated

import typer

from core import cache as caches
from core.cli.app import app
from core.cli.output import JsonFlag, emit, errors_explained
from core.errors import BadInput
from core.workspace import current

cache = typer.Typer(help="Derived data that can be made again: how much there is; delete some.")
app.add_typer(cache, name="cache")

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = re.compile(r"([0-9]+(?:[.][0-9]+)?)\s*([KMGT]?)B?", re.IGNORECASE)


@cache.command("status")
def status_command(*, as_json: JsonFlag = False) -> None:
    """Say how much is kept, by what it is."""
    found = caches.cache_status(current())
    limit = {"limit_bytes": caches.KEPT_BYTES}
    head = f"{_words(found.n_bytes)} in {found.n_entries:,} files; at most {_words(caches.KEPT_BYTES)}"
    emit({**asdict(found), **limit}, "\n".join([head, *_by_kind(found)]), as_json=as_json)


@cache.command("prune")
def prune_command(
    keep: Annotated[str, typer.Option(help="How much may stay: 5GB, 500MB, 0.")], *, as_json: JsonFlag = False
) -> None:
    """Delete what was used least recently, until no more than --keep is left."""
    with errors_explained(as_json=as_json):
        gone = caches.prune(current(), bytes_of(keep))
        head = f"{_words(gone.n_bytes)} in {gone.n_entries:,} files deleted"
        emit(asdict(gone), "\n".join([head, *_by_kind(gone)]), as_json=as_json)


def bytes_of(text: str) -> int:
    """ "5GB" -> 5,000,000,000. Raises BadInput."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise BadInput(f"{text!r} is no size.", "Write it as 5GB, 500MB or 0.")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _by_kind(found: caches.CacheStatus) -> list[str]:
    return [f"  {kind:<24} {_words(total):>10} {n:>7,}" for kind, (total, n) in found.by_kind.items()]


def _words(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"
