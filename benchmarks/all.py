"""Every claim of README with its figure: each benchmark is run, and beside it stands the figure that is kept.

``uv run python benchmarks/all.py [--quick] [--only NAME ...] [--give NAME "ARGUMENTS"] [--json]``

Benchmarks are the files here that take --quick; nothing lists them. With --quick each runs on small sizes, a
minute or so each, so its figures say that the claim can be measured, not what it comes to; without, all run
in full, which takes hours. One whose data or weights are not on this machine says so and is no failure
(--give passes it what it needs: --give clip "--source FOLDER --checkpoint FILE --config FILE"). One that
fails is reported with its last words, and the exit status is 1.

They run one after another, each in a process and over a workspace of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.readme import CLAIMS, RESULTS, kept_claims
from core.json_text import json_text

HERE = Path(__file__).resolve().parent
MOST_SECONDS = {True: 900, False: 24 * 3600}
"""Time for one benchmark, by whether it is quick."""
OWN = {"all", "quick", "comparison"}


def benchmarks() -> list[str]:
    """Names of the benchmarks: those that README quotes in its order, then the others."""
    found = {path.stem for path in HERE.glob("*.py") if takes_quick(path.read_text())} - OWN
    return [*(name for name in CLAIMS if name in found), *sorted(found - CLAIMS.keys())]


def takes_quick(source: str) -> bool:
    """Whether a script has the flag, by ``benchmarks.quick.parse`` or by its own."""
    return "benchmarks.quick import" in source or '"--quick"' in source


def run(name: str, arguments: Sequence[str], *, quick: bool) -> dict[str, Any]:
    """One benchmark: its state ("ok", "skipped" or "failed"), what it printed, and how long it took."""
    flags = ["--json", "--quick"] if quick else ["--json"]
    command = [sys.executable, str(HERE / f"{name}.py"), *flags, *arguments]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TIDYSET_WORKSPACE": folder} if quick else None
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=MOST_SECONDS[quick], env=environment
            )
            words, failed = done.stderr.strip().splitlines(), done.returncode != 0
            printed = None if failed else json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            words, failed, printed = [f"took more than {MOST_SECONDS[quick]} s"], True, None
        except ValueError:
            words, failed, printed = ["printed no JSON"], True, None
    state = {"name": name, "seconds": round(time.monotonic() - began, 1)}
    if failed or printed is None:
        return {**state, "state": "failed", "reason": words[-1] if words else f"exit {done.returncode}"}
    if "skipped" in printed:
        return {**state, "state": "skipped", "reason": printed["skipped"]}
    return {**state, "state": "ok", "result": printed}


def claims(name: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Each claim of a benchmark: what README says of it (kept), and what was measured now."""
    if name not in CLAIMS:
        return []
    kept = kept_claims(name, RESULTS)
    now = CLAIMS[name](found["result"]) if found["state"] == "ok" else []
    return [
        {
            "claim": (old or new)[0],
            "kept": old[1] if old else None,
            "now": new[1] if new else None,
            "now_of": new[0] if new and old and new[0] != old[0] else None,
        }
        for old, new in itertools.zip_longest(kept, now)
        if old or new
    ]


def all_of(names: Sequence[str], given: dict[str, Sequence[str]], *, quick: bool) -> Iterator[dict[str, Any]]:
    """Each benchmark with its claims, as it ends."""
    for number, name in enumerate(names, 1):
        print(f"{number} of {len(names)}: {name} ...", file=sys.stderr, flush=True)
        found = run(name, given.get(name, ()), quick=quick)
        try:
            yield {**found, "claims": claims(name, found)}
        except (KeyError, IndexError, TypeError, ValueError) as error:
            reason = f"README's words do not fit what it printed: {error!r}"
            yield {**found, "state": "failed", "reason": reason, "claims": []}


def as_text(one: dict[str, Any]) -> str:
    """A benchmark with its claims."""
    why = f": {one['reason']}" if "reason" in one else ""
    lines = [f"{one['name']} ({one['seconds']:.0f} s) {one['state']}{why}"]
    for claim in one["claims"]:
        lines += [f"  {claim['claim']}", f"    kept: {claim['kept'] or 'nothing yet'}"]
        if claim["now"]:
            small = f"  [{claim['now_of']}]" if claim["now_of"] else ""
            lines.append(f"    now:  {claim['now']}{small}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--only", nargs="+", choices=benchmarks(), help="these and no others")
    parser.add_argument(
        "--give", nargs=2, action="append", default=[], metavar=("NAME", "ARGUMENTS"), help="to one benchmark"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    wanted = parser.parse_args()
    given = {name: shlex.split(text) for name, text in wanted.give}
    done = []
    for one in all_of(wanted.only or benchmarks(), given, quick=wanted.quick):
        done.append(one)
        if not wanted.json:
            print(as_text(one), flush=True)
    if wanted.json:
        print(json_text({"quick": wanted.quick, "cores": os.cpu_count(), "benchmarks": done}, indent=1))
    raise SystemExit(int(any(one["state"] == "failed" for one in done)))


if __name__ == "__main__":
    main()
