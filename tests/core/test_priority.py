"""A job gives way to the pages: it and what it starts run at a lower priority."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.worker.priority import AUTOGROUP, NICE, VARIABLE

TELL = """
import os, pathlib
from core.worker.priority import AUTOGROUP, give_way
give_way()
print(os.nice(0), *(AUTOGROUP.read_text().split()[-1:] if AUTOGROUP.exists() else []))
"""


@pytest.mark.parametrize(
    ("asked", "nice"), [(None, NICE), ("0", 0), ("3", 3), ("40", 19), ("-5", 0), ("low", NICE)]
)
def test_a_job_in_a_session_of_its_own_is_lowered_with_its_session(asked: str | None, nice: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if asked is not None:
        environment[VARIABLE] = asked
    before = os.nice(0)
    done = subprocess.run(
        [sys.executable, "-c", TELL],
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
        start_new_session=True,
        capture_output=True,
        text=True,
        check=True,
    )
    found, *of_session = done.stdout.split()
    assert int(found) == min(19, before + nice)
    if of_session and nice:
        assert of_session == [str(nice)]


def test_a_session_that_others_share_keeps_its_priority() -> None:
    if not AUTOGROUP.exists() or not (before := AUTOGROUP.read_text()):
        pytest.skip("the kernel does not schedule this session as a group")
    subprocess.run([sys.executable, "-c", TELL], cwd=Path(__file__).resolve().parents[2], check=True)
    assert AUTOGROUP.read_text() == before
