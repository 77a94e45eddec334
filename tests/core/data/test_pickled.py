"""Pickles of arrays are read; pickles of anything else are refused before anything of them runs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.dataset import Task
from core.data.importer import ImportOptions, import_source, recognise
from core.data.readers.pickled import read_pickle
from core.errors import BadInput
from core.workspace import Workspace


def dump(path: Path, value: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["uint8", ">i4", "float64", "bool"])
def test_arrays_of_numbers_come_back(tmp_path: Path, protocol: int, dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    found = read_pickle(dump(tmp_path / "images.pkl", {"a": array, "b": np.asfortranarray(array)}, protocol))
    np.testing.assert_array_equal(found["a"], array)
    np.testing.assert_array_equal(found["b"], array)
    assert found["a"].dtype == array.dtype


class Runs:
    """What a hostile file does: it names a function, and has it called."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def hostile(mark: Path) -> dict[str, Any]:
    return {
        "system": Runs(os.system, f"touch {mark}"),
        "eval": Runs(eval, f"open({str(mark)!r}, 'w')"),
        "getattr": Runs(getattr, Runs(__import__, "os"), "system"),
        "load": Runs(np.load, str(mark)),
        "in a dictionary": {"images": np.zeros((2, 2)), "extra": Runs(os.mkdir, str(mark))},
        "in an object array": np.array([Runs(os.mkdir, str(mark))], dtype=object),
        "an object array": np.array([{}, None], dtype=object),
        "a record dtype": np.zeros(2, [("a", "i4")]),
        "a set": {1, 2},
    }


@pytest.mark.parametrize("name", hostile(Path("x")))
def test_a_hostile_pickle_is_refused_and_runs_nothing(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "mark"
    for protocol in (2, 4, 5):
        with pytest.raises(BadInput, match=r"only arrays|other than arrays|no sound pickle"):
            read_pickle(dump(tmp_path / "images.pkl", hostile(mark)[name], protocol))
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0f.",  # announces 2**60 bytes
        b"\x80\x04Nr\xff\xff\xff\x7f.",  # a memo that would need gigabytes
        b"\x80\x04\x82\x01.",  # an extension code
        b"\x80\x02cnumpy\nndarray\n(M\xff\xffM\xff\xffM\xff\xfft\x85R.",  # numpy.ndarray((65535, ...))
        b"not a pickle",
    ],
)
def test_broken_and_greedy_pickles_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images.pkl"
    path.write_bytes(content)
    with pytest.raises(BadInput):
        read_pickle(path)


def test_the_competitions_files_are_a_data_set(tmp_path: Path, workspace: Workspace) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "combo"
    folder.mkdir()
    labels = np.zeros((20, 36))
    labels[np.arange(20), rng.integers(0, 10, 20)] = 1
    labels[np.arange(20), rng.integers(10, 36, 20)] = 1
    for name, n in (("images_l", 20), ("images_ul", 30), ("images_test", 10)):
        dump(folder / f"{name}.pkl", rng.integers(0, 256, (n, 56, 56), dtype=np.uint8))
    dump(folder / "labels_l.pkl", labels)
    assert recognise(folder).task is Task.MULTI_LABEL
    dataset = import_source(workspace, folder, "combo", ImportOptions(skip_bad=True)).dataset
    assert dataset.classes[9:12] == ("9", "A", "B")
    assert np.isnan(dataset.labels).all(axis=1).sum() == 40
    assert {split: len(dataset.in_split(split)) for split in dataset.splits} == {"train": 50, "test": 10}
    of = {str(name): row for row, name in enumerate(dataset.item_ids)}
    np.testing.assert_array_equal(dataset.labels[of["images_l-000003"]], labels[3])
