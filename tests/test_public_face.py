"""``import tidyset``: light, typed, each name with an example that runs."""

from __future__ import annotations

import ast
import doctest
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import tidyset
import tidyset.data
import tidyset.jobs
import tidyset.label_issues
import tidyset.labels
import tidyset.scoring
from core.data.dataset import Dataset
from core.errors import BadInput
from core.workspace import Workspace
from tests.tagged import tagged

MODULES = (tidyset, tidyset.data, tidyset.labels, tidyset.label_issues, tidyset.scoring, tidyset.jobs)
FOLDER = Path(tidyset.__file__).parent


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace that ``tidyset`` works in."""
    folder = tmp_path_factory.mktemp("face")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDYSET_WORKSPACE", str(folder))
        yield folder


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = ("torch", "pandas", "streamlit", "plotly", "sklearn", "sqlalchemy", "pydantic")
    code = f"import sys, tidyset; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_names_are_there_documented_and_have_an_example() -> None:
    assert sorted(tidyset.__all__) == sorted(tidyset._HOME_OF)
    for name in tidyset.__all__:
        doc = getattr(tidyset, name).__doc__
        assert doc, name
        if tidyset._HOME_OF[name].startswith("tidyset") and not issubclass_of_tuple(name):
            assert "Example:" in doc or "Attributes:" in doc, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tidyset.nothing


def issubclass_of_tuple(name: str) -> bool:
    value = getattr(tidyset, name)
    return isinstance(value, type) and issubclass(value, tuple)


def test_it_only_calls_core() -> None:
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not node.module.startswith(("dashboard", "pages")), file


def test_it_is_typed() -> None:
    assert (FOLDER / "py.typed").exists()


def test_every_example_prints_what_it_says(place: Path) -> None:
    globs: dict[str, object] = {}
    results = []
    for module in MODULES:
        tests = doctest.DocTestFinder(exclude_empty=True).find(module, module.__name__)
        # A training first: other examples are about its run.
        for test in sorted(tests, key=lambda one: not one.name.endswith("jobs.train")):
            if "use_workspace" in test.name or "datasets" in test.name or test.name.endswith(".runs"):
                continue  # in a workspace of their own, below
            test.globs |= globs
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            results.append(runner.run(test, clear_globs=False))
            if "run" in test.globs:
                globs["run"] = test.globs["run"]
    assert sum(one.attempted for one in results) > 25
    assert sum(one.failed for one in results) == 0


@pytest.mark.parametrize("name", ["datasets", "runs", "use_workspace"])
def test_examples_in_a_new_workspace(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDYSET_WORKSPACE", str(tmp_path))
    (test,) = doctest.DocTestFinder().find(getattr(tidyset, name), name)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_several_labels_an_image(
    workspace: Workspace, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDYSET_WORKSPACE", str(workspace.root))
    clothes = tagged(workspace, sample, 60)
    data = tidyset.load(clothes.name)
    first = data[0]
    assert isinstance(first.labels, dict)
    assert list(first.labels) == list(data.classes)
    name = data.classes[0]
    changed = tidyset.edit(data, [first.id], name, None)
    labels = changed[0].labels
    assert isinstance(labels, dict)
    assert labels[name] is None
    assert changed.to_pandas()[name].isna().sum() == data.to_pandas()[name].isna().sum() + 1
    _image, vector = changed.to_torch()[0]
    assert vector.shape == (len(data.classes),)
    assert torch.isnan(vector[0])


def test_images_are_read_in_workers_and_left_out_ones_are_not_in_it(
    workspace: Workspace, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDYSET_WORKSPACE", str(workspace.root))
    data = tidyset.load(sample.name)
    images = data.to_torch()
    assert len(pickle.dumps(images)) < 20_000 + 16 * len(sample), "pixels are not sent to workers"
    loader = torch.utils.data.DataLoader(images, batch_size=16, num_workers=1)
    batch, labels = next(iter(loader))
    assert np.array_equal(batch[0, 0].numpy(), data[0].image[:, :, 0])
    assert labels.tolist() == data.labels[:16].tolist()


@pytest.mark.parametrize(
    ("labels", "pred_probs", "message"),
    [
        ([0, 1], [[0.5, 0.5]], "pred_probs must be"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "The labels go from 0 to 2"),
        ([0, 1], [[0.5, 0.5], [0.9, 0.9]], "Row 1 of pred_probs sums to 1.800"),
        ([0, 1], [[0.5, float("nan")], [0.5, 0.5]], "no probability"),
        ([0.0, 1.0], [[0.5, 0.5], [0.5, 0.5]], "not class indices"),
        ([[0, 2], [1, 1]], [[0.5, 0.5], [0.5, 0.5]], "other than 1, 0 and NaN"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(labels: object, pred_probs: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        tidyset.find_label_issues(labels=labels, pred_probs=pred_probs)


def test_wrong_labels_are_first_also_of_several_and_with_features() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 30)
    labels = truth.copy()
    labels[[3, 40]] = [1, 2]
    probs = np.full((90, 3), 0.05)
    probs[np.arange(90), truth] = 0.9
    features = np.eye(3)[truth] + rng.normal(0, 0.1, (90, 3))
    found = tidyset.find_label_issues(labels=labels, pred_probs=probs, features=features, classes="abc")
    assert set(found.positions[:2].tolist()) == {3, 40}
    table = found.to_pandas()
    assert table.columns.tolist() == ["position", "label", "suggested", "score", "flagged", "reason"]
    assert table.suggested[:2].tolist() == [
        ["a", "b"][int(position == 40)] for position in found.positions[:2]
    ]
    several = np.eye(3)[truth]
    several[5, 2] = 1
    many = tidyset.find_label_issues(labels=several, pred_probs=probs)
    assert (many.positions[0], many.labels[0], many.suggested[0]) == (5, "yes", "no")
    assert many.class_names is not None
    assert many.class_names[0] == "2"


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDYSET_WORKSPACE", str(tmp_path))
    notebook = json.loads((FOLDER.parent / "docs" / "python.ipynb").read_text())
    shared: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "docs/python.ipynb", "exec"), shared)
    assert isinstance(shared["data"], tidyset.Dataset)
    assert shared["data"].label_version == 2, "an edit and its undo"
