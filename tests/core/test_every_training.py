"""Every experiment with every kind of recipe: it trains, or is refused before anything is made."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from core.data.dataset import Dataset, Task
from core.data.writer import write_array_dataset
from core.errors import BadInput
from core.evaluation.crossval import create_crossval
from core.evaluation.sweep import create_sweep
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.quality.active_compare import create_comparison
from core.quality.arms import edits_of_version
from core.quality.evidence import create_search, load_evidence
from core.quality.filling import JOINT, create_fill
from core.quality.proofs import create_proof
from core.quality.unknown import create_unknown
from core.runs.recipe import Recipe, make_recipe
from core.runs.store import Run, RunState, create_run, list_runs, status
from core.training.frozen import KIND as MAPS
from core.tuning.space import parse_space
from core.tuning.studies import StudyPlan, create_study, load_trials
from core.worker import material, work
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
KINDS = (
    "train", "trial", "issues", "crossval", "sweep", "tune", "prove", "fill", "unknown", "active",
)  # fmt: skip
RECIPES: dict[str, dict[str, object]] = {
    "plain": {},
    "frozen": {"model": "timm", "timm_model": "mobilenetv3_small_050", "frozen": True},
    "captions": {"inputs": "both", "caption_width": 8},
    "semi": {"semi": "fixmatch", "semi_ratio": 1},
    "ensemble": {"members": 2},
    "several": {},
}
REFUSED = {
    ("unknown", "semi"): "leave different images without a label",
    ("active", "several"): "has several labels an image",
}
"""The cells that do not train, with what is said; all the others do."""
OF_SEVERAL = ("fill", "unknown")
CLASSES = ("dark", "middle", "light")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One for all of the module: results are cached by content, and runs do not touch each other."""
    return Workspace(tmp_path_factory.mktemp("every") / "workspace")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(timm.create_model("mobilenetv3_small_050").state_dict(), path)
    return str(path)


def written(workspace: Workspace, name: str, labels: np.ndarray, *, captions: bool = True) -> Dataset:
    """72 images of 16 by 16 pixels, as light as their class says; every third is for test."""
    n = len(labels)
    kinds = np.arange(n) // 3 % 3
    rng = np.random.default_rng(0)
    pixels = (kinds[:, None, None, None] * 80 + rng.integers(0, 60, (n, 16, 16, 1))).astype(np.uint8)
    return write_array_dataset(
        workspace,
        name,
        title=name,
        task=Task.SINGLE_LABEL if labels.ndim == 1 else Task.MULTI_LABEL,
        classes=CLASSES,
        item_ids=np.array([f"{name}-{i}" for i in range(n)]),
        split=np.where(np.arange(n) % 3 == 2, 2, 0).astype(np.int8),
        labels=labels,
        images=pixels,
        captions=[f"a {CLASSES[kind]} thing" for kind in kinds] if captions else None,
    )


@pytest.fixture(scope="module")
def one(workspace: Workspace) -> Dataset:
    """One label an image; a third of the training images has none."""
    labels = np.arange(72) // 3 % 3
    labels[np.arange(72) % 9 == 1] = -1
    return written(workspace, "one", labels)


@pytest.fixture(scope="module")
def several(workspace: Workspace) -> Dataset:
    """Several labels an image, some of them unknown, and of some images all."""
    kinds = np.arange(72) // 3 % 3
    labels = np.stack([kinds == 0, kinds >= 1, kinds == 2], axis=1).astype(np.float32)
    labels[np.arange(72) % 9 == 1] = np.nan
    labels[np.arange(72) % 9 == 4, 1] = np.nan
    return written(workspace, "several", labels)


@pytest.fixture(scope="module")
def whole(workspace: Workspace) -> Dataset:
    """Every image has its one label, and none has a caption."""
    return written(workspace, "whole", np.arange(72) // 3 % 3, captions=False)


@pytest.fixture(scope="module")
def edited(workspace: Workspace, one: Dataset, several: Dataset, whole: Dataset) -> None:
    """A label of each data set corrected, for a proof to be about."""
    for dataset in (one, whole):
        edit = NewEdit(str(dataset.item_ids[0]), EditKind.LABEL, CLASSES[1])
        LabelJournal(workspace).append(dataset, [edit])
    edit = NewEdit(str(several.item_ids[0]), EditKind.LABEL, "no", class_name=CLASSES[0])
    LabelJournal(workspace).append(several, [edit])


def recipe_of(column: str, weights: str) -> Recipe:
    more = {"weights_file": weights} if column == "frozen" else {}
    tiny = {"width": 4, "epochs": 1, "batch_size": 16, "threads": 1, "precision": "fp32", "keep_by": "auto"}
    return make_recipe({**tiny, **RECIPES[column], **more})


def makers(workspace: Workspace, dataset: Dataset, recipe: Recipe) -> dict[str, Callable[[], Run]]:
    """By kind, what makes such a run."""
    few = {"seeds": 1, "ways": ["masked", "joint"]}
    plan = StudyPlan(parse_space(["learning_rate=1e-3..1e-2"], recipe), 1)

    def proof() -> Run:
        base = create_run(workspace, dataset, recipe)
        return create_proof(workspace, base, edits_of_version(workspace, dataset, 0), n_seeds=2)

    return {
        "train": lambda: create_run(workspace, dataset, recipe),
        "trial": lambda: create_run(workspace, dataset, recipe, kind="trial"),
        "issues": lambda: create_search(workspace, dataset, recipe, label_version=0, n_folds=2),
        "crossval": lambda: create_crossval(workspace, dataset, recipe, label_version=0, n_folds=2),
        "sweep": lambda: create_sweep(workspace, dataset, recipe, [{"dropout": 0.1}], label_version=0),
        "tune": lambda: create_study(
            workspace,
            dataset,
            recipe,
            plan if dataset.task is Task.SINGLE_LABEL else StudyPlan(plan.axes, 1, "macro_auc"),
            label_version=0,
        ),
        "prove": proof,
        "fill": lambda: create_fill(workspace, dataset, recipe, method=JOINT, precision=0.6, n_folds=2,
                                    apply=False),
        "unknown": lambda: create_unknown(workspace, dataset, recipe, **few),  # type: ignore[arg-type]
        "active": lambda: create_comparison(
            workspace, dataset, recipe, strategies=["badge"], start=6, step=3, rounds=1, seeds=1
        ),
    }  # fmt: skip


@pytest.mark.usefixtures("edited")
@pytest.mark.parametrize("column", RECIPES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_or_is_refused_before_anything_is_made(
    workspace: Workspace, one: Dataset, several: Dataset, weights: str, kind: str, column: str
) -> None:
    dataset = several if column == "several" or kind in OF_SEVERAL else one
    make = makers(workspace, dataset, recipe_of(column, weights))[kind]
    if (kind, column) in REFUSED:
        n_before = len(list_runs(workspace, kind=None))
        with pytest.raises(BadInput, match=REFUSED[kind, column]) as refused:
            make()
        assert refused.value.mend
        assert len(list_runs(workspace, kind=None)) == n_before
        return
    run = make()
    assert work(run.folder) == 0, status(run).error
    assert status(run).state is RunState.FINISHED
    assert not [*run.folder.rglob("stage-*"), *run.folder.glob("parts/*")], "nothing is left to go on from"
    if kind == "tune":
        (trial,) = load_trials(run)
        assert trial.n_epochs == (3 if column == "ensemble" else 1), (
            "the networks', and that of them together"
        )
    if kind == "issues":
        learnt = np.asarray(dataset.split) != 2
        area = load_evidence(run).area
        known = np.asarray(dataset.labels) >= 0
        missing = np.isnan(area[learnt.reshape(-1, *[1] * (known.ndim - 1)) & known]).mean()
        assert missing < (0.4 if column == "ensemble" else 1e-9), "a member may not have drawn an image"


@pytest.mark.parametrize("kind", KINDS)
def test_what_there_is_nothing_to_learn_from_for_is_refused_before_anything_is_made(
    workspace: Workspace, whole: Dataset, edited: None, kind: str
) -> None:
    for column, problem in (("semi", "there are none|labels all images"), ("captions", "have none")):
        recipe = recipe_of(column, "")
        make = makers(workspace, whole, recipe)[kind]
        if kind == "active" and column == "semi":
            make = lambda recipe=recipe: create_comparison(  # noqa: E731
                workspace, whole, recipe, strategies=["badge"], start=24, step=24, rounds=1, seeds=1
            )
        with pytest.raises(BadInput, match="one label an image" if kind in OF_SEVERAL else problem):
            make()
    assert all(run.dataset != whole.name for run in list_runs(workspace, kind=None))


def test_each_setting_of_a_sweep_is_asked_about(workspace: Workspace, whole: Dataset) -> None:
    with pytest.raises(BadInput, match="reads captions"):
        create_sweep(workspace, whole, recipe_of("plain", ""), [{}, {"inputs": "caption"}], label_version=0)


def test_edits_that_label_all_images_leave_nothing_to_learn_from(workspace: Workspace, weights: str) -> None:
    labels = np.arange(72) // 3 % 3
    labels[1] = -1
    nearly = written(workspace, "nearly", labels)
    base = create_run(workspace, nearly, recipe_of("semi", weights))
    LabelJournal(workspace).append(nearly, [NewEdit(str(nearly.item_ids[1]), EditKind.LABEL, CLASSES[0])])
    with pytest.raises(BadInput, match="there are none"):
        create_proof(workspace, base, edits_of_version(workspace, nearly, 0), n_seeds=2)


def test_a_frozen_backbone_runs_once_for_all_experiments(
    workspace: Workspace, one: Dataset, weights: str, edited: None
) -> None:
    """Where the normalisation is the same for all."""
    recipe = recipe_of("frozen", weights).with_changes({"normalisation": "zero-to-one", "members": 2})
    kept = workspace.cache / MAPS
    before = set(kept.glob("*.npy")) if kept.exists() else set()
    for kind in ("train", "crossval", "sweep", "prove", "active"):
        run = makers(workspace, one, recipe)[kind]()
        assert work(run.folder) == 0, status(run).error
    assert len(set(kept.glob("*.npy")) - before) == 1


def test_no_image_teaches_without_its_label_where_it_is_judged(
    workspace: Workspace, one: Dataset, several: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[set[int], set[int]]] = []
    fit = material.fit

    def watched(*arguments: object, **named: object) -> object:
        parts, unlabelled = arguments[2], named["unlabelled"]
        judged = {*parts.val.tolist(), *parts.test.tolist()}  # type: ignore[attr-defined]
        seen.append((judged, set(unlabelled.positions.tolist())))  # type: ignore[attr-defined]
        return fit(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(material, "fit", watched)
    recipe = recipe_of("semi", "").with_changes({"dropout": 0.17})
    for kind, dataset in (("crossval", one), ("prove", one), ("fill", several), ("active", one)):
        del seen[:]
        run = makers(workspace, dataset, recipe)[kind]()
        assert work(run.folder) == 0, status(run).error
        in_test = set(np.flatnonzero(np.asarray(dataset.split) == 2).tolist())
        assert seen
        for judged, unlabeled in seen:
            assert unlabeled
            assert not unlabeled & (judged | in_test)
    filled = [unlabeled for _, unlabeled in seen]
    assert filled[0] != filled[-1]


@pytest.mark.parametrize("column", ["plain", "ensemble"])
@pytest.mark.parametrize("kind", ["issues", "fill", "unknown", "active", "prove"])
def test_a_training_that_was_stopped_goes_on_from_its_checkpoint(
    workspace: Workspace,
    one: Dataset,
    several: Dataset,
    edited: None,
    kind: str,
    column: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And what it comes to is what an unbroken one comes to."""
    recipe = recipe_of(column, "").with_changes({"epochs": 3, "seed": 11, "early_stopping_patience": 0})
    dataset = several if kind in OF_SEVERAL else one
    run = makers(workspace, dataset, recipe)[kind]()
    monkeypatch.setattr(material, "POLL_SECONDS", 0.0)
    began: list[int | None] = []
    name = "fit_stages" if recipe.has_stages else "fit"
    train = getattr(material, name)

    def stopping(*arguments: object, **named: object) -> object:
        tell = arguments[5]

        def on_event(type_: str, **fields: object) -> None:
            tell(type_, **fields)  # type: ignore[operator]
            if type_ == "epoch" and fields["epoch"] == (3 if recipe.has_stages else 0):
                run.stop_file.touch()

        return train(*arguments[:5], on_event, **named)

    monkeypatch.setattr(material, name, stopping)
    assert work(run.folder) == 0
    assert status(run).state is RunState.STOPPED, status(run).error
    assert list((run.folder / "parts").rglob("*checkpoint*"))

    def going_on(*arguments: object, **named: object) -> object:
        tell = arguments[5]

        def on_event(type_: str, **fields: object) -> None:
            if type_ == "epoch":
                began.append(fields["epoch"])  # type: ignore[arg-type]
            tell(type_, **fields)  # type: ignore[operator]

        return train(*arguments[:5], on_event, **named)

    monkeypatch.setattr(material, name, going_on)
    assert work(run.folder) == 0, status(run).error
    assert status(run).state is RunState.FINISHED
    assert began[0] == (4 if recipe.has_stages else 1)
    if kind == "issues":
        whole = makers(workspace, dataset, recipe)[kind]()
        for path in (workspace.cache).glob("issue-fold-*"):
            path.rename(path.with_name(f"gone-{column}"))
        assert work(whole.folder) == 0
        broken, unbroken = load_evidence(run), load_evidence(whole)
        assert np.array_equal(broken.area, unbroken.area, equal_nan=True)
        assert np.array_equal(broken.pred_probs, unbroken.pred_probs, equal_nan=True)


def test_only_material_calls_the_training_loop() -> None:
    """Beside core.training itself, and what measures the loop."""
    callers = set()
    for path in [*(ROOT / "core").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("core.training"):
                named = {alias.name for alias in node.names}
                if named & {"fit", "fit_stages", "fit_member", "train_stage", "Trainer", "loop", "stages"}:
                    callers.add(path.relative_to(ROOT).as_posix())
    outside = {name for name in callers if not name.startswith("core/training/")}
    assert outside == {"core/worker/material.py"}
