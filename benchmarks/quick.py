"""What the benchmarks share: the quick form of each, and how one says that it cannot run here.

A benchmark calls ``parse(parser, QUICK)`` instead of ``parser.parse_args()``: that adds ``--quick``, which
changes the defaults to small sizes. benchmarks/all.py finds benchmarks by that flag. A quick form shows that
the claim can be measured and about what comes out; the figures of README come from the full one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping
from typing import NoReturn

from core.json_text import json_text


def parse(parser: argparse.ArgumentParser, quick: Mapping[str, object]) -> argparse.Namespace:
    """The arguments; with --quick, ``quick`` are the defaults of those that are not given."""
    parser.add_argument("--quick", action="store_true", help="small sizes, for benchmarks/all.py")
    if "--quick" in sys.argv[1:]:
        parser.set_defaults(**quick)
    return parser.parse_args()


def skip(reason: str) -> NoReturn:
    """End without a figure, since something is not on this machine; all.py shows the reason."""
    print(json_text({"skipped": reason}))
    raise SystemExit(0)


def needs(parser: argparse.ArgumentParser, options: argparse.Namespace, **what: str) -> None:
    """Each of ``what`` (option: what it names) must be given; without, the quick form is skipped."""
    for name, meaning in what.items():
        if getattr(options, name) in (None, ""):
            problem = f"needs {meaning}: --{name.replace('_', '-')}"
            if not options.quick:
                parser.error(problem)
            skip(problem)


def needs_chromium() -> None:
    """Skip where there is no Chromium."""
    named = os.environ.get("TIDYSET_CHROMIUM")
    if not (named or shutil.which("chromium") or shutil.which("google-chrome")):
        skip("needs Chromium (Debian: apt-get install chromium), or its path in TIDYSET_CHROMIUM")
