"""The log of a run: whole lines only, whatever was torn or damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import StorageFailed
from core.runs.events import EventLog

SIMPLE = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    assert log.read() == ([], 0)
    log.append("started", n_train=10)
    found, offset = log.read()
    assert [(event["type"], event["n_train"]) for event in found] == [("started", 10)]
    assert found[0]["at"] > 0
    log.append("finished", test_accuracy=0.5)
    added, end = log.read(offset)
    assert [event["type"] for event in added] == ["finished"]
    assert end == log.path.stat().st_size
    assert log.read(end) == ([], end)


@given(fields=st.lists(st.dictionaries(st.sampled_from("abc"), SIMPLE), max_size=8))
def test_any_fields_come_back(
    tmp_path_factory: pytest.TempPathFactory, fields: list[dict[str, object]]
) -> None:
    log = EventLog(tmp_path_factory.mktemp("log") / "events.jsonl")
    for one in fields:
        log.append("note", **one)
    found, _ = log.read()
    assert [{name: value for name, value in one.items() if name in "abc"} for one in found] == fields


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.append("started")
    whole = log.path.stat().st_size
    with log.path.open("ab") as file:
        file.write(b'{"type": "epo')
    found, offset = log.read()
    assert ([event["type"] for event in found], offset) == (["started"], whole)
    with log.path.open("ab") as file:
        file.write(b'ch", "at": 2.0, "epoch": 0}\n')
    assert [event["type"] for event in log.read(offset)[0]] == ["epoch"]


@pytest.mark.parametrize(
    "damage",
    [
        b"\x00\x00\x00\n",
        b"{\n",
        b"[1, 2]\n",
        b'"text"\n',
        b'{"type": "epoch"}\n',
        b"\xff\xfe{}\n",
        b"\n",
        b"1,2\n",
    ],
)
def test_a_damaged_line_does_not_hide_the_rest(tmp_path: Path, damage: bytes) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.append("started")
    with log.path.open("ab") as file:
        file.write(damage)
    log.append("note", text="a\u2028b")
    found, _ = log.read()
    assert [event["type"] for event in found] == ["started", "note"]
    assert found[1]["text"] == "a\u2028b"
    assert log.n_damaged() == (damage != b"\n")


def test_a_line_that_was_never_finished_is_counted_as_damaged(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    assert log.n_damaged() == 0  # not there yet
    log.append("started")
    with log.path.open("ab") as file:
        file.write(b'{"type": "epo')
    assert log.n_damaged() == 1


def test_each_event_is_one_line(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.append("failed", error="one\ntwo", details='say "no"')
    (line,) = log.path.read_text().splitlines()
    assert json.loads(line)["error"] == "one\ntwo"


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match=r"events\.jsonl"):
        EventLog(tmp_path / "gone" / "events.jsonl").append("started")
