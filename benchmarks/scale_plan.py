"""Write the table of docs/scale.md: what a hundred million images would take, from what a million took.

``uv run python benchmarks/scale_plan.py [--check]``

Nothing is measured here: each row is a figure of ``benchmarks/results/million.json`` times the number of
images. A test calls it with ``--check``.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmarks.readme import RESULTS, ROOT

BEGIN, END = "<!-- plan -->", "<!-- /plan -->"
N = 100_000_000
WORKERS = 64
PAGE = ROOT / "docs" / "scale.md"


def table(result: dict[str, Any], n: int = N) -> str:
    """A row a stage: the cost of one image as measured, and of n."""
    busy = (
        f"Measured with a load of {result['load_before']:.0f} to {result['load_after']:.0f} on "
        f"{result['cores']} cores: where only the time that passed is known, it is an upper bound.\n\n"
    )
    head = busy + (
        f"| Stage | One image, measured with {result['n']:,} | {n:,} images, computed: one worker "
        f"| {WORKERS} workers | on the disk |"
    )
    rows = [head, "| --- | --- | --- | --- | --- |"]
    for stage, cost in result["per_image"].items():
        # Processor time where it is known: the machine did other things beside.
        micro = cost.get("cpu_microseconds", cost["microseconds"])
        how = "of a processor" if "cpu_microseconds" in cost else "passed"
        hours = micro * n / 1e6 / 3_600
        kept = f"{cost['bytes']:,.0f} bytes" if "bytes" in cost else "nothing"
        disk = f"{cost['bytes'] * n / 1e12:.2f} TB" if "bytes" in cost else "–"
        rows.append(
            f"| {stage} | {micro:,.0f} µs {how}, {kept} | {hours:,.1f} h "
            f"| {60 * hours / WORKERS:,.0f} min | {disk} |"
        )
    return "\n".join(rows)


def with_table(page: str) -> str:
    """The page with the table between its markers. Raises ValueError without them."""
    before, rest = page.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    result = json.loads((RESULTS / "million.json").read_text())
    return f"{before}{BEGIN}\n{table(result)}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if it is behind")
    arguments = parser.parse_args()
    text = PAGE.read_text()
    new = with_table(text)
    if arguments.check:
        raise SystemExit(int(new != text))
    PAGE.write_text(new)


if __name__ == "__main__":
    main()
