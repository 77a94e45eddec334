from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.runs.events import Event, EventLog
from core.runs.following import Followed, without_superseded


def log_of(path: Path, *types: str) -> EventLog:
    log = EventLog(path)
    for type_ in types:
        log.append(type_, **({"epoch": 0} if type_ == "epoch" else {"share": 0.5}))
    return log


def types_of(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("launched started progress progress progress", "launched started progress"),
        ("started progress epoch progress", "started epoch progress"),
        ("started progress note progress epoch finished", "started note epoch finished"),
        ("progress stopped launched started", "progress stopped launched started"),
        ("", ""),
    ],
)
def test_only_the_latest_progress_counts(before: str, after: str) -> None:
    events: list[Event] = [{"type": type_, "at": 0.0} for type_ in before.split()]
    assert types_of(without_superseded(events)) == after.split()


def test_a_log_that_grows_is_read_on_and_one_that_is_cut_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offsets: list[int] = []
    read = EventLog.read

    def watched(log: EventLog, offset: int = 0) -> Any:
        offsets.append(offset)
        return read(log, offset)

    monkeypatch.setattr(EventLog, "read", watched)
    follow = Followed(without_superseded, most_events=100)
    log = log_of(tmp_path / "events.jsonl", "started", "progress")
    assert types_of(follow(log)) == ["started", "progress"]
    size = log.path.stat().st_size
    log_of(log.path, "progress", "progress", "epoch")
    assert types_of(follow(log)) == ["started", "epoch"]
    assert offsets == [0, size]
    log.path.write_text("")
    assert follow(log) == []
    log.path.unlink()
    assert follow(log) == []


def test_the_log_not_asked_after_for_longest_goes_first(tmp_path: Path) -> None:
    follow = Followed(without_superseded, most_events=7)
    logs = [log_of(tmp_path / f"{n}.jsonl", "launched", "started", "epoch") for n in range(3)]
    first = follow(logs[0])
    follow(logs[1])
    assert follow(logs[0]) is first, "nothing was added, nothing is made anew"
    follow(logs[2])
    assert len(follow) == 6
    assert follow(logs[0]) is first
    assert len(follow(logs[1])) == 3, "read again"
    assert len(follow) == 6


def test_one_log_that_is_longer_than_all_may_be_is_kept_alone(tmp_path: Path) -> None:
    follow = Followed(without_superseded, most_events=2)
    long = log_of(tmp_path / "long.jsonl", *["note"] * 5)
    other = log_of(tmp_path / "other.jsonl", "started")
    follow(other)
    assert len(follow(long)) == len(follow) == 5
