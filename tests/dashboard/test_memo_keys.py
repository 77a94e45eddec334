"""Two data sets of equal content share what follows from the content, and nothing that belongs to a name."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from core.data.catalog import delete_dataset
from core.data.dataset import Dataset, Task
from core.data.writer import write_array_dataset
from core.database.engine import forget_engines
from core.embeddings.clip_models import ClipModel
from core.embeddings.prompts import default_prompts
from core.evaluation.of_run import label_sets
from core.labels.filters import Filter
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at, newest_version
from core.workspace import Workspace
from dashboard import agreement_view, evaluate_view, explore_view, issues_view, memo
from dashboard.zero_shot_several import Pair
from tests.answered_runs import guessed_run

ROOT = Path(__file__).resolve().parents[2]
N = 60
ABOUT_LABELS = {"LabelState", "LabelVersion", "LabelSet"}


class Remembered(NamedTuple):
    """A function that is remembered, as its source has it."""

    module: str
    name: str
    by_content: bool

    @property
    def function(self) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(importlib.import_module(self.module), self.name)
        return found

    @property
    def parameters(self) -> dict[str, str]:
        """Their annotations, without those that are only told of the progress."""
        given = inspect.signature(self.function).parameters
        return {name: str(one.annotation) for name, one in given.items() if not name.startswith("on_")}


def all_remembered() -> list[Remembered]:
    found = []
    for path in sorted([*(ROOT / "dashboard").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        functions = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)
        ]
        for function in functions:
            marks = [ast.unparse(one) for one in function.decorator_list]
            if any(mark.startswith("remembered(") for mark in marks):
                name = module.removesuffix(".__init__")
                found.append(Remembered(name, function.name, "remembered(by_content=True)" in marks))
    return found


REMEMBERED = all_remembered()


def small(workspace: Workspace, sample: Dataset, name: str, *, title: str = "Clothes") -> Dataset:
    return write_array_dataset(
        workspace,
        name,
        title=title,
        task=Task.SINGLE_LABEL,
        classes=sample.classes,
        item_ids=np.asarray(sample.item_ids[:N]),
        split=np.asarray(sample.split[:N]),
        labels=np.asarray(sample.labels[:N]),
        images=sample.images.resized(np.arange(N), 28, 28, 1),
    )


def relabel(workspace: Workspace, dataset: Dataset, position: int, label: str, who: str = "ann") -> None:
    edit = NewEdit(str(dataset.item_ids[position]), EditKind.LABEL, label, who=who)
    LabelJournal(workspace).append(dataset, [edit])


def exclude(workspace: Workspace, dataset: Dataset, position: int) -> None:
    edit = NewEdit(str(dataset.item_ids[position]), EditKind.EXCLUDE, who="bob")
    LabelJournal(workspace).append(dataset, [edit])


@pytest.fixture
def copies(workspace: Workspace, sample: Dataset) -> tuple[Dataset, Dataset]:
    """The same images under two names, with one edit each: not the same."""
    one, two = (small(workspace, sample, name) for name in ("one", "two"))
    assert one.fingerprint == two.fingerprint
    relabel(workspace, one, 3, "Bag")
    exclude(workspace, two, 5)
    return one, two


def arguments(workspace: Workspace, dataset: Dataset) -> dict[str, object]:
    """A value of every type that remembered functions take."""
    state, run = labels_at(workspace, dataset), guessed_run(workspace, dataset, f"of-{dataset.name}")
    everything: Any = np.arange(len(dataset))
    marks = np.stack([state.labels == k for k in range(len(dataset.classes))], axis=1).astype(np.float32)
    nothing: Any = None
    return {
        "Workspace": workspace,
        "Dataset": dataset,
        "LabelState": state,
        "LabelVersion": newest_version(workspace, dataset),
        "LabelSet": label_sets(workspace, dataset)[-1],
        "Run": run,
        "Run | None": run,
        "tuple[Run, Run]": (run, run),
        "tuple[Run, ...]": (run,),
        "Filter": Filter(("train",)),
        "ClipModel": ClipModel("a", "RN50", "openai"),
        "PromptSet": default_prompts(dataset),
        "View": explore_view.View(dataset, everything, state.current, nothing, nothing, []),
        "Pair": Pair(everything, marks * ~state.excluded[:, None], marks, marks),
        "_Edits": agreement_view._Edits(tuple(LabelJournal(workspace).edits(dataset.name))),
        "str": "val",
        "bool": True,
        "tuple[int, ...]": (1, 2),
        "tuple[tuple[float, ...], ...]": ((0.5,), (0.4,)),
    }


@pytest.fixture
def key_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Remembered, dict[str, object]], object]:
    """What a call would be remembered under; nothing is computed."""
    monkeypatch.setattr(memo.MEMORY, "get", lambda key, compute: key)

    def key(one: Remembered, values: dict[str, object]) -> object:
        given = {name: values[kind] for name, kind in one.parameters.items()}
        told = {name: None for name in inspect.signature(one.function).parameters if name.startswith("on_")}
        if "name" in given:  # of a data set that is to be opened
            given["name"] = values["Dataset"].name  # type: ignore[attr-defined]
        return one.function(**given, **told)

    return key


def test_all_that_the_server_remembers_is_found() -> None:
    names = {one.name for one in REMEMBERED}
    assert names >= {"_open", "_labels", "predictions", "view_of", "evaluation", "looks_of", "answers"}
    sources = {path.name: path.read_text() for path in [*(ROOT / "dashboard").rglob("*.py")]}
    others = ("@st.cache_data", "@st.cache_resource", "lru_cache(", "MEMORY.get(")
    assert [name for name, text in sources.items() if any(one in text for one in others)] == ["memo.py"]


def test_no_function_shares_by_name_or_number(
    workspace: Workspace,
    copies: tuple[Dataset, Dataset],
    sample: Dataset,
    tmp_path: Path,
    key_of: Callable[[Remembered, dict[str, object]], object],
) -> None:
    elsewhere = Workspace(tmp_path / "elsewhere")
    other = small(elsewhere, sample, "one")
    relabel(elsewhere, other, 4, "Coat")
    one, two = (arguments(workspace, dataset) for dataset in copies)
    three = arguments(elsewhere, other)
    for function in REMEMBERED:
        keys = [key_of(function, values) for values in (one, two, three)]
        assert keys[0] == key_of(function, one), f"{function}: the same call is remembered"
        assert hash(keys[0]) is not None
        assert (keys[0] == keys[1]) == function.by_content, function
        assert keys[0] != keys[2], f"{function}: another workspace"


@pytest.mark.parametrize("one", REMEMBERED, ids=lambda one: f"{one.module}.{one.name}")
def test_what_depends_on_labels_has_the_data_set_in_its_key(one: Remembered) -> None:
    kinds = set(one.parameters.values())
    if one.by_content:
        assert not any(word in kind for kind in kinds for word in (*ABOUT_LABELS, "Run", "View", "str |"))
    elif kinds & ABOUT_LABELS:
        assert "Dataset" in kinds
    if "LabelVersion" in kinds:
        assert "Workspace" in kinds, "the journal is the workspace's"


def test_each_copy_has_its_own_labels_whatever_was_looked_at_before(
    workspace: Workspace, copies: tuple[Dataset, Dataset]
) -> None:
    for dataset, other in (copies, copies[::-1]):
        memo.MEMORY.clear()
        memo.labels(workspace, other)
        state, right = memo.labels(workspace, dataset), labels_at(workspace, dataset)
        assert state.version == 1
        np.testing.assert_array_equal(state.labels, right.labels)
        np.testing.assert_array_equal(state.excluded, right.excluded)
        assert memo.labels(workspace, dataset) is state


def test_each_copy_has_its_own_agreement_view_survey_and_answers(
    workspace: Workspace, copies: tuple[Dataset, Dataset]
) -> None:
    looks, views, surveys, sets = [], [], [], []
    for dataset in copies:
        state, version = memo.labels(workspace, dataset), newest_version(workspace, dataset)
        looks.append(agreement_view.looks_of(workspace, dataset, version))
        views.append(explore_view.view_of(workspace, dataset, state, Filter()))
        surveys.append(issues_view.survey(workspace, dataset, state))
        sets.append(evaluate_view.choices_of_labels(workspace, dataset, version)[-1].labels)
    assert [one.edits[0].who for one in looks] == ["ann", "bob"]
    assert [one.decided for one in looks] == [{"ann": 1}, {}]
    given = np.asarray(copies[0].labels)
    assert views[0].portraits.n[8] == (given == 8).sum() + 1, "the bag of the edit, in the first only"
    assert views[1].portraits.n[8] == (given == 8).sum()
    assert views[0].statistics is views[1].statistics, "pixels are read once for both"
    assert surveys[0] is not surveys[1]
    assert all(one.wait(60) for one in surveys)
    assert (sets[0][5], sets[1][5]) == (given[5], -1), "left out of the second only"
    assert (sets[0][3], sets[1][3]) == (8, given[3])


def test_a_journal_put_back_with_as_many_edits_is_read_again(workspace: Workspace, sample: Dataset) -> None:
    dataset, file = small(workspace, sample, "one"), workspace.root / "labels.db"
    relabel(workspace, dataset, 3, "Bag")
    forget_engines()  # all of it is in the file then
    backup = shutil.copy(file, workspace.root / "backup.db")
    file.unlink()
    relabel(workspace, dataset, 3, "Coat")
    assert memo.labels(workspace, dataset).labels[3] == 4
    forget_engines()
    os.replace(backup, file)
    assert memo.labels(workspace, dataset).labels[3] == 8
    assert memo.labels(workspace, dataset).version == 1


def test_a_data_set_made_again_under_its_name_is_another(workspace: Workspace, sample: Dataset) -> None:
    small(workspace, sample, "one")
    before = memo.opened(workspace, "one")
    assert memo.opened(workspace, "one") is before
    view = explore_view.view_of(workspace, before, memo.labels(workspace, before), Filter())
    delete_dataset(workspace, "one")
    small(workspace, sample, "one", title="Clothes again")
    now = memo.opened(workspace, "one")
    assert (now.title, now.fingerprint) == ("Clothes again", before.fingerprint)
    assert explore_view.view_of(workspace, now, memo.labels(workspace, now), Filter()).dataset is now
    assert view.dataset is before


def test_two_workspaces_of_one_process_share_nothing_of_their_journals(
    workspace: Workspace, sample: Dataset, tmp_path: Path
) -> None:
    elsewhere = Workspace(tmp_path / "elsewhere")
    here, there = small(workspace, sample, "one"), small(elsewhere, sample, "one")
    relabel(workspace, here, 3, "Bag")
    relabel(elsewhere, there, 3, "Coat")
    assert [memo.labels(*one).labels[3] for one in ((workspace, here), (elsewhere, there))] == [8, 4]
    assert memo.opened(workspace, "one").folder != memo.opened(elsewhere, "one").folder


def test_a_run_that_wrote_its_results_anew_is_read_again(workspace: Workspace, sample: Dataset) -> None:
    run = guessed_run(workspace, small(workspace, sample, "one"), "first")
    before = memo.predictions(run)
    run.events.append("note", text="the log grows while others look")
    assert memo.predictions(run) is before
    os.utime(run.predictions_file, ns=(1, 1))
    assert memo.predictions(run) is not before
