"""What the server keeps in memory: bounded in bytes, the least recently used first, computed once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.data.dataset import Dataset
from dashboard.memo import Memory, remembered, size_of


def array(n: int = 1_000) -> NDArray[np.uint8]:
    return np.zeros(n, np.uint8)


def test_the_least_recently_used_goes_first() -> None:
    memory = Memory(2_500)
    memory.get("a", array)
    memory.get("b", array)
    memory.get("a", array)
    memory.get("c", array)
    computed: list[str] = []
    for key in "abc":
        memory.get(key, lambda key=key: (computed.append(key), array())[1])  # type: ignore[misc]
    assert computed[0] == "b"
    assert memory.n_bytes <= 2_500


def test_one_larger_than_the_budget_is_kept_alone() -> None:
    memory = Memory(500)
    assert memory.get("large", array) is memory.get("large", array)
    assert len(memory) == 1


def test_a_result_that_grew_is_measured_anew() -> None:
    @dataclass(frozen=True, eq=False)
    class Result:
        values: NDArray[np.uint8]

        @cached_property
        def more(self) -> NDArray[np.uint8]:
            return array(50_000)

    memory = Memory(1_000_000)
    found = memory.get("a", lambda: Result(array()))
    before = memory.n_bytes
    assert len(found.more) == 50_000
    memory.get("a", lambda: found)
    assert memory.n_bytes >= before + 50_000


def test_several_threads_compute_a_key_once_and_an_error_is_not_kept() -> None:
    memory, calls, begun = Memory(10_000), [], threading.Event()

    def slow() -> NDArray[np.uint8]:
        calls.append(1)
        begun.wait(30)
        return array()

    threads = [threading.Thread(target=memory.get, args=("a", slow)) for _ in range(8)]
    for thread in threads:
        thread.start()
    begun.set()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert not memory._busy

    def fails() -> None:
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):  # noqa: PT011 - the one from above
            memory.get("b", fails)


def test_what_counts_is_memory_not_files(tmp_path: Path, sample: Dataset) -> None:
    np.save(tmp_path / "a.npy", array(100_000))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert size_of(mapped[10:]) == 0
    assert size_of(np.asarray(mapped)) == 0
    whole = array(100_000)
    assert size_of((whole[:10], whole[10:])) < 101_000
    assert 10_000 * 25 < size_of([str(k) for k in range(10_000)]) < 10_000 * 80
    assert size_of({"dataset": sample}) < 1_000


def test_every_argument_counts_but_those_that_are_told_of_the_progress() -> None:
    calls: list[object] = []

    @remembered()
    def double(n: object, on_share: object = None) -> object:
        calls.append(n)
        return n

    assert [double(1, object()), double(n=1), double(2)] == [1, 1, 2]
    assert [type(double(one)) for one in (1, 1.0, True)] == [int, float, bool]
    assert calls == [1, 2, 1.0, True]


def test_an_argument_that_cannot_tell_what_it_depends_on_is_refused(sample: Dataset) -> None:
    @remembered()
    def count(things: object) -> int:
        return 1

    assert count((sample, Path("a"), None, ("b", 2))) == 1
    for unknown in (array(), [1], {"a": 1}, (1, [2])):
        with pytest.raises(TypeError, match="'things' has no cache_key"):
            count(unknown)


def test_what_is_not_there_yet_is_asked_for_again() -> None:
    found: list[int] = []

    @remembered()
    def first(of: str) -> int | None:
        return found[0] if found else None

    assert first("a") is None
    found.append(5)
    assert first("a") == 5
