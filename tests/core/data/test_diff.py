"""Comparing two data sets, and what is exported coming back equal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset, Task
from core.data.diff import diff_datasets
from core.data.importer import ImportOptions, import_source
from core.data.writer import write_array_dataset
from core.labels.export import Format, export_labels
from core.labels.versions import labels_at
from core.workspace import Workspace


def made(
    workspace: Workspace, name: str, labels: np.ndarray, classes: tuple[str, ...], split: list[int]
) -> Dataset:
    n = len(labels)
    images = np.arange(n * 16, dtype=np.uint8).reshape(n, 4, 4, 1) * 7
    return write_array_dataset(
        workspace,
        name,
        title="",
        task=Task.SINGLE_LABEL if labels.ndim == 1 else Task.MULTI_LABEL,
        classes=classes,
        item_ids=np.array([f"item-{k}" for k in range(n)]),
        split=np.array(split, np.int8),
        labels=labels,
        images=images,
    )


def test_what_differs_is_named(workspace: Workspace) -> None:
    a = made(workspace, "a", np.array([0, 1, -1, 0]), ("cat", "dog"), [0, 0, 1, 2])
    order = np.array([3, 1, 0, 2])
    b = replace(
        a,
        item_ids=np.array(["w", "x", "y", "z"]),
        labels=np.asarray(a.labels)[order],
        split=a.split[order],
        content_hashes=a.content_hashes[order],
    )
    assert diff_datasets(a, b).is_equal
    found = diff_datasets(
        a, replace(b, labels=np.array([0, 1, 1, -1]), split=np.array([2, 0, 0, 0], np.int8))
    )
    assert not found.is_equal
    assert found.labels == (("item-0", "cat", "dog"),)
    assert found.splits == (("item-2", "val", "train"),)
    assert diff_datasets(a, replace(b, classes=("dog", "cat"))).classes == (("cat", "dog"), ("dog", "cat"))
    assert diff_datasets(a, replace(b, captions=("", "a dog", "", ""))).n_captions == 1
    other = replace(b, content_hashes=np.concatenate([b.content_hashes[:3], b.content_hashes[3:] ^ 1]))
    assert (diff_datasets(a, other).only_a, diff_datasets(a, other).only_b) == (1, 1)


def test_the_command_compares_corrected_labels(workspace: Workspace) -> None:
    made(workspace, "a", np.array([0, 1]), ("cat", "dog"), [0, 2])
    made(workspace, "b", np.array([1, 1]), ("cat", "dog"), [0, 2])
    run = CliRunner().invoke
    assert json.loads(run(app, ["data", "diff", "a", "b", "--json"]).stdout)["equal"] is False
    assert "1 labels" in run(app, ["data", "diff", "a", "b"]).stdout
    run(app, ["labels", "edit", "--data", "a", "--item", "item-0", "--label", "dog"])
    assert json.loads(run(app, ["data", "diff", "a", "b", "--json"]).stdout)["equal"] is True
    assert json.loads(run(app, ["data", "diff", "a", "b", "--given", "--json"]).stdout)["equal"] is False


NAMES = ("cat", "None", "NA", "007", "7", "a, b", "caf\u00e9", "traffic light", "unknown", "train", "x|y")
ROUND = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("form", [Format.NPZ])
@ROUND
@given(data=st.data())
def test_what_is_written_comes_back_equal(
    workspace: Workspace, tmp_path: Path, form: Format, data: st.DataObject
) -> None:
    classes = tuple(data.draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True)))
    n = data.draw(st.integers(4, 8))
    split = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    if data.draw(st.booleans()):
        rows = st.lists(st.integers(-1, len(classes) - 1), min_size=n, max_size=n)
        labels = np.array(data.draw(rows), np.int64)
    else:
        cells = st.lists(
            st.sampled_from([0.0, 1.0, np.nan]), min_size=n * len(classes), max_size=n * len(classes)
        )
        labels = np.array(data.draw(cells), np.float32).reshape(n, -1)
    number = len(list(tmp_path.iterdir()))
    before = made(workspace, f"a{number}", labels, classes, split)
    path = tmp_path / (f"{number}.npz" if form is Format.NPZ else str(number))
    export_labels(before, labels_at(workspace, before), path, form)
    after = import_source(workspace, path, f"b{number}", ImportOptions()).dataset
    assert diff_datasets(before, after).to_json() == {**diff_datasets(before, after).to_json(), "equal": True}
