"""The comparison says plainly what a tool could not do, and counts the same lines in every script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import comparison
from benchmarks.comparison import TOOLS, cell, judged, lines_of, page


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_has_a_script_with_all_steps(tool: comparison.Tool) -> None:
    lines = lines_of(tool)
    assert {name.strip("_") for name in comparison.STEPS} <= set(lines)
    assert lines["in all"] == sum(n for name, n in lines.items() if name != "in all")


def test_a_step_that_a_tool_refuses_costs_no_line() -> None:
    (cleanlab,) = (tool for tool in TOOLS if tool.name == "cleanlab")
    assert lines_of(cleanlab)["look"] == 0 < lines_of(cleanlab)["find"]


def test_cells() -> None:
    assert cell({"cpu_seconds": 1.24, "found": 200}) == "1.2 s, 200 of 250"
    assert cell({"cpu_seconds": 1.0, "exact": False}) == "1.0 s, not as it should be"
    assert cell({"not_possible": "why"}) == "–"
    assert cell({"error": "why"}) == "failed"
    assert cell(None) == "not reached"


def test_an_export_is_checked_label_by_label(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("id,file,label,split\n1,a,Cat,train\n2,b,Dog,train\n")
    (tmp_path / "fixes.json").write_text('{"2": "Cat"}')
    (tmp_path / "flipped.json").write_text('["2"]')
    watch = comparison.Watch("nothing")
    for exported, exact in (({"1": "Cat", "2": "Cat"}, True), ({"1": "Cat", "2": "Dog"}, False)):
        (tmp_path / "exported.json").write_text(json.dumps(exported))
        step = judged("export", {"began": 1.0, "ended": 3.0}, tmp_path, tmp_path, watch)
        assert step == {"seconds": 2.0, "cpu_seconds": 0.0, "exact": exact}
    assert judged("find", {"ranked": ["2", "1"]}, tmp_path, tmp_path, watch)["found"] == 1


def test_a_process_that_leaves_its_group_is_watched_and_ended() -> None:
    watch = comparison.Watch("SIDE_BY_SIDE=test")
    command = [sys.executable, "-c", "sum(range(10**7)); print('done', flush=True); input()"]
    environment = {**os.environ, "SIDE_BY_SIDE": "test"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, start_new_session=True) as one:
        assert one.stdout is not None
        one.stdout.readline()
        watch.look()
        watch.kill()
        assert one.wait(60) < 0
    assert watch.peak_kb > 0
    assert watch.used[-1][1] > 0


def test_what_went_wrong_stands_on_the_page() -> None:
    kept = {
        "exclude_newer": "2026-01-02T00:00:00Z",
        "cores": 2,
        "tools": {
            "FiftyOne": {"error": "no database", "when": "running", "version": "1.0"},
            "cleanlab": {
                "version": "2.0",
                "seconds": 3.0,
                "cpu_seconds": 2.0,
                "peak_mb": 100,
                "load": 1.5,
                "steps": {"look": {"not_possible": "shows nothing"}, "find": {"error": "ValueError: no"}},
            },
        },
    }
    text = page(kept)
    assert "Failed while running: ``no database``" in text
    assert "- look: shows nothing." in text
    assert "- find: failed: ``ValueError: no``." in text
    assert "2026-01-02" in text
    assert "ended: 1.5 to 1.5." in text
    assert "- Set up with MongoDB" in text
