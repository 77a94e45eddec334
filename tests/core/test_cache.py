"""The cache of derived arrays: same inputs, no recomputation; a broken entry is a missing one."""

from __future__ import annotations

import numpy as np
import pytest

from core.cache import cache_path, cached_arrays, cached_json
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
