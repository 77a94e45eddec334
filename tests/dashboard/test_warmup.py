"""What is alive once the server is warm is out of the cycle collector's sight."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

AFTER_WARMING = """
import gc, weakref
import dashboard.frame, plotly.graph_objects, pandas
from dashboard.warmup import spare_the_collector

class Node:
    pass

def cycle():
    one, other = Node(), Node()
    one.other, other.one = other, one
    return weakref.ref(one)

gc.disable()
garbage = cycle()
before = len(gc.get_objects())
spare_the_collector()
assert garbage() is None, "what was garbage before is kept for ever"
after = cycle()
gc.collect()
assert after() is None, "what becomes garbage later is not collected"
print(before, len(gc.get_objects()))
"""


def test_collections_walk_what_came_after_and_garbage_from_before_is_gone() -> None:
    told = subprocess.run(
        [sys.executable, "-c", AFTER_WARMING], cwd=ROOT, capture_output=True, text=True, check=True
    )
    before, walked = map(int, told.stdout.split())
    assert before > 100_000
    assert walked < before / 100
