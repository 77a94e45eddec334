"""The cache of derived arrays: same inputs, no recomputation; a broken entry is a missing one."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import cache
from core.cache import cache_path, cache_status, cached_arrays, cached_json, kept_or_made, prune
from core.workspace import Workspace


class Counted:
    """A computation that counts how often it is run."""

    def __init__(self) -> None:
        self.n_calls = 0

    def __call__(self) -> dict[str, object]:
        self.n_calls += 1
        return {"a": np.arange(4), "b": 0.5}


def test_the_second_call_reads(workspace: Workspace) -> None:
    compute = Counted()
    first = cached_arrays(workspace, "test-1", {"fingerprint": "x"}, compute)
    second = cached_arrays(workspace, "test-1", {"fingerprint": "x"}, compute)
    assert compute.n_calls == 1
    np.testing.assert_array_equal(first["a"], second["a"])
    assert second["b"] == 0.5


def test_another_input_is_another_entry(workspace: Workspace) -> None:
    compute = Counted()
    cached_arrays(workspace, "test-1", {"fingerprint": "x"}, compute)
    cached_arrays(workspace, "test-1", {"fingerprint": "y"}, compute)
    cached_arrays(workspace, "test-2", {"fingerprint": "x"}, compute)
    assert compute.n_calls == 3


@pytest.mark.parametrize("n_bytes", [0, 10, 200])
def test_a_truncated_entry_is_computed_again(workspace: Workspace, n_bytes: int) -> None:
    compute = Counted()
    cached_arrays(workspace, "test-1", {"k": 1}, compute)
    path = cache_path(workspace, "test-1", {"k": 1})
    path.write_bytes(path.read_bytes()[:n_bytes])
    np.testing.assert_array_equal(cached_arrays(workspace, "test-1", {"k": 1}, compute)["a"], np.arange(4))
    assert compute.n_calls == 2
    cached_arrays(workspace, "test-1", {"k": 1}, compute)
    assert compute.n_calls == 2


def test_an_unwritable_cache_costs_only_the_caching(workspace: Workspace) -> None:
    workspace.root.mkdir(parents=True)
    workspace.cache.write_bytes(b"a file where the folder should be")
    compute = Counted()
    assert cached_arrays(workspace, "test-1", {"k": 1}, compute)["b"] == 0.5
    assert cached_json(workspace, "test-1", {"k": 1}, lambda: [1, 2]) == [1, 2]


def test_json_is_kept(workspace: Workspace) -> None:
    assert cached_json(workspace, "test-1", {"k": 1}, lambda: {"n": 1}) == {"n": 1}
    assert cached_json(workspace, "test-1", {"k": 1}, lambda: {"n": 2}) == {"n": 1}


def filled(workspace: Workspace, *names: str) -> None:
    """Entries of about a kilobyte, the first one used longest ago."""
    for age, name in enumerate(reversed(names)):
        cached_arrays(workspace, "test-1", {"name": name}, lambda: {"a": np.zeros(1_000, np.uint8)})
        path = cache_path(workspace, "test-1", {"name": name})
        os.utime(path, (1_000_000 - age, 1_000_000 - age))


def test_the_least_recently_used_is_deleted_first(workspace: Workspace) -> None:
    filled(workspace, "a", "b", "c")
    each = cache_status(workspace).n_bytes // 3
    first = cache_path(workspace, "test-1", {"name": "a"})  # asked for: used
    gone = prune(workspace, 2 * each)
    assert (gone.n_entries, gone.n_bytes) == (1, each)
    assert first.exists()
    assert not (workspace.cache / "test-1" / cache_path(workspace, "test-1", {"name": "b"}).name).exists()
    assert cache_status(workspace).by_kind == {"test-1": (2 * each, 2)}
    assert prune(workspace, 2 * each).n_entries == 0


def test_what_is_being_written_stays_and_what_was_left_goes(workspace: Workspace) -> None:
    filled(workspace, "a")
    writing, left = (workspace.cache / "test-1" / name for name in (".b.npz.x.tmp", ".c.npz.y.tmp"))
    writing.write_bytes(b"1")
    left.write_bytes(b"2")
    os.utime(left, (1, 1))
    prune(workspace, 0)
    assert writing.exists()
    assert not left.exists()


def test_the_cache_is_kept_within_its_bound(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(workspace, "a", "b")
    monkeypatch.setattr(cache, "KEPT_BYTES", 1)
    monkeypatch.setattr(cache, "PRUNE_SECONDS", 0.0)
    cached_json(workspace, "test-2", {}, lambda: 1)
    assert cache_status(workspace).n_bytes <= 1


def test_an_open_entry_can_still_be_read(workspace: Workspace) -> None:
    path = cache_path(workspace, "test-1", {}, ".npy")
    path.parent.mkdir(parents=True)
    np.save(path, np.arange(5))
    mapped = np.load(path, mmap_mode="r")
    prune(workspace, 0)
    assert mapped.tolist() == [0, 1, 2, 3, 4]


def make_slowly(path: Path, barrier: Any, counts: Any) -> None:
    def make() -> None:
        counts.put("made")
        time.sleep(0.5)
        np.save(path, np.arange(7))

    barrier.wait(60)
    counts.put(int(kept_or_made(path, 7, make).sum()))


def test_workers_side_by_side_make_an_entry_once(workspace: Workspace) -> None:
    context = multiprocessing.get_context("fork")
    barrier, counts = context.Barrier(3), context.Queue()
    path = cache_path(workspace, "test-1", {"k": 1}, ".npy")
    workers = [context.Process(target=make_slowly, args=(path, barrier, counts)) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = [counts.get(timeout=60) for _ in range(4)]
    for worker in workers:
        worker.join(60)
    assert sorted(map(str, found)) == ["21", "21", "21", "made"]


def test_who_waits_may_give_up_and_who_fails_lets_the_next_try(workspace: Workspace) -> None:
    path = cache_path(workspace, "test-1", {"k": 1}, ".npy")

    def fails() -> None:
        raise KeyError

    def make() -> None:
        with pytest.raises(InterruptedError):
            kept_or_made(path, 3, fails, on_wait=give_up)
        np.save(path, np.zeros(3))

    def give_up() -> None:
        raise InterruptedError

    with pytest.raises(KeyError):
        kept_or_made(path, 3, fails)
    assert len(kept_or_made(path, 3, make)) == 3
    assert len(kept_or_made(path, 3, fails)) == 3


def test_where_no_lock_can_be_had_it_is_made_all_the_same(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cache_path(workspace, "test-1", {"k": 1}, ".npy")

    def no_locks(*_: object, **__: object) -> None:
        raise OSError("no locks on this file system")

    monkeypatch.setattr(cache.FileLock, "acquire", no_locks)
    assert len(kept_or_made(path, 3, lambda: np.save(path, np.zeros(3)))) == 3
