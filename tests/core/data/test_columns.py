"""Strings in bytes instead of objects, unique ids, and finding items among many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.data import columns, item_index
from core.data.columns import Seen, Texts, joined, write_texts
from core.data.item_index import ItemIndex
from core.files import digest


def texts(*values: str) -> Texts:
    found = Texts()
    for value in values:
        found.append(value)
    return found


def test_texts_are_what_was_added() -> None:
    found = texts("a", "", "grüße", "日本")
    assert list(found) == ["a", "", "grüße", "日本"]
    assert found[-1] == "日本"
    assert found[1:3] == ["", "grüße"]
    assert found.has_words
    assert not texts("", "").has_words


def test_they_are_written_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "BLOCK", 3)
    values = [f"item-{k}" * (1 + k % 2) for k in range(10)]
    write_texts(tmp_path / "ids.npy", texts(*values))
    written = np.load(tmp_path / "ids.npy")
    assert written.tolist() == values
    assert digest(joined(written)) == digest("\n".join(values).encode())


def test_an_id_is_new_once(tmp_path: Path) -> None:
    for folder in (tmp_path, None):
        seen = Seen(folder)
        assert [seen.add(name) for name in ("a", "b", "a", "A")] == [True, True, False, True]
        seen.close()


def test_items_are_found_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_index, "BLOCK", 7)
    ids = np.array([f"image-{k}" for k in range(100)])
    index = ItemIndex(ids)
    np.testing.assert_array_equal(index.find(ids[::-1]), np.arange(100)[::-1])
    wanted = ["image-7", "no", "image-77", "a name that is longer than any of them", ""]
    assert index.find(wanted).tolist() == [7, -1, 77, -1, -1]
    assert index.find([]).tolist() == []


def test_ids_of_the_same_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_index, "_hashes", lambda ids: np.zeros(len(ids), np.uint64))
    ids = np.array(["a", "b", "c"])
    assert ItemIndex(ids).find(["c", "a", "x"]).tolist() == [2, 0, -1]
