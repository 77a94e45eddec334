"""Learning from unlabelled images, ensembles and students, on the shapes problem; labels in groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import BadInput
from core.models import load_model, save_model
from core.models.groups import against_rivals, group_softmax
from core.runs.recipe import Recipe
from core.training.diversity import diversity, out_of_bag
from core.training.grouped import Grouped
from core.training.inference import predict
from core.training.loop import FitResult, fit
from core.training.multilabel import MultiLabel
from core.training.objective import make_objective
from core.training.semi import Consistency, Unlabelled, pseudo_counts
from core.training.stages import bootstrap, fit_stages

Events = list[tuple[str, dict[str, Any]]]


class Few:
    """The shapes, of which only twelve training images keep their label."""

    def __init__(self, shapes: Any) -> None:
        self.pixels, self.classes, self.truth = shapes.pixels, shapes.classes, shapes.labels
        train = shapes.parts.train
        kept = np.concatenate([train[shapes.labels[train] == k][:4] for k in range(3)])
        self.labels = shapes.labels.copy()
        self.labels[np.setdiff1d(train, kept)] = -1
        self.parts = replace(shapes.parts, train=np.sort(kept))
        self.unlabelled = Unlabelled(np.setdiff1d(train, kept), shapes.labels)

    def train(self, recipe: Recipe, with_: Any = fit, **arguments: Any) -> tuple[FitResult, Events]:
        events: Events = []
        result = with_(
            self.pixels,
            self.labels,
            self.parts,
            self.classes,
            recipe,
            lambda type_, **fields: events.append((type_, fields)),
            unlabelled=self.unlabelled,
            **arguments,
        )
        return result, events

    def accuracy(self, result: FitResult) -> float:
        test = self.parts.test
        outputs = predict(result.model, result.card, self.pixels, test, result.machine)
        return float((outputs.pred_probs.argmax(1) == self.truth[test]).mean())


@pytest.fixture(scope="module")
def few(shapes: Any) -> Few:
    return Few(shapes)


@pytest.fixture
def quick(recipe: Recipe) -> Recipe:
    return recipe.with_changes(
        {"batch_size": 12, "epoch_images": 120, "ema_decay": 0.9, "semi_threshold": 0.8}
    )


@pytest.mark.parametrize("how", ["fixmatch", "flexmatch", "uda", "mean-teacher"])
def test_unlabelled_images_are_learnt_from_and_measured(few: Few, quick: Recipe, how: str) -> None:
    result, events = few.train(quick.with_changes({"semi": how, "epochs": 6}))
    last = [fields for type_, fields in events if type_ == "epoch"][-1]
    assert 0 < last["pseudo_share"] <= 1
    assert last["pseudo_precision"] > 0.5
    assert {"student_accuracy", "teacher_accuracy"} <= set(last)
    assert few.accuracy(result) > 0.6


@pytest.mark.parametrize("how", ["flexmatch", "uda"])
def test_a_stopped_semi_supervised_run_ends_as_an_unbroken_one(
    few: Few, quick: Recipe, tmp_path: Path, how: str
) -> None:
    recipe = quick.with_changes({"semi": how, "epochs": 2})
    whole, _ = few.train(recipe)
    asked = iter([False] * 13 + [True])
    stopped, _ = few.train(recipe, checkpoint_file=tmp_path / "c", should_stop=lambda: next(asked))
    assert stopped.stopped
    resumed, _ = few.train(recipe, checkpoint_file=tmp_path / "c")
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name


def test_answers_are_aligned_to_how_often_classes_are_labelled(quick: Recipe) -> None:
    recipe = quick.with_changes({"semi": "uda"})
    prior = torch.tensor([0.5, 0.25, 0.25])
    objective = make_objective(recipe, np.array([0, 0, 1, 2]), 3, torch.device("cpu"))
    unlabelled = Unlabelled(np.arange(4))
    semi = Consistency(recipe, objective, unlabelled, 3, torch.device("cpu"), prior)
    biased = torch.tensor([[0.1, 0.8, 0.1]]).log().repeat(64, 1)
    for _ in range(1_000):
        aligned = semi.aligned(biased)
    torch.testing.assert_close(aligned.softmax(1)[0], prior, atol=1e-3, rtol=0)


def test_no_unlabelled_images_is_said(few: Few, quick: Recipe) -> None:
    for how, with_ in (("fixmatch", fit), ("teacher-student", fit_stages)):
        with pytest.raises(BadInput, match="there are none"):
            with_(few.pixels, few.labels, few.parts, few.classes, quick.with_changes({"semi": how}))
    with pytest.raises(ValueError, match="several networks"):
        few.train(quick.with_changes({"members": 2}))


def test_teachers_label_images_for_a_student(few: Few, quick: Recipe, tmp_path: Path) -> None:
    recipe = quick.with_changes({"semi": "teacher-student", "members": 2, "epochs": 3, "semi_threshold": 0.6})
    result, events = few.train(recipe, fit_stages, checkpoint_file=tmp_path / "checkpoint.safetensors")
    kinds = [type_ for type_, _ in events]
    assert kinds.count("started") == 1
    assert kinds.count("stage") == 3
    pseudo = next(fields for type_, fields in events if type_ == "pseudo")
    assert pseudo["n_used"] > 0
    assert 0 < pseudo["pseudo_precision"] <= 1
    compared = next(fields for type_, fields in events if type_ == "round")
    assert {"teacher_accuracy", "student_accuracy"} < set(compared)
    assert [epoch["epoch"] for epoch in result.history] == list(range(9))
    shares = [fields["share"] for type_, fields in events if type_ == "epoch"]
    assert shares == sorted(shares)
    again, events = few.train(recipe, fit_stages, checkpoint_file=tmp_path / "checkpoint.safetensors")
    assert "epoch" not in [type_ for type_, _ in events]  # every network was there already
    for name, tensor in result.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name])


def test_an_ensemble_is_one_network_that_is_kept_as_any_other(
    few: Few, quick: Recipe, tmp_path: Path
) -> None:
    recipe = quick.with_changes({"members": 2, "member_models": "plain-cnn,small-resnet", "epochs": 2})
    result, events = few.train(recipe, fit_stages)
    about = next(fields for type_, fields in events if type_ == "ensemble")
    assert 0 <= about["diversity"] <= 1
    assert about["out_of_bag"] is not None
    assert result.figures["diversity"] == about["diversity"]
    said = next(fields["text"] for type_, fields in events if type_ == "note")
    assert said.startswith("2 networks together: ")
    assert f"differ on {100 * about['diversity']:.1f} %" in said
    test = few.parts.test
    outputs = predict(result.model, result.card, few.pixels, test, result.machine, with_features=True)
    np.testing.assert_allclose(outputs.pred_probs.sum(1), 1, rtol=1e-4)
    save_model(tmp_path / "model.safetensors", result.model, result.card)
    model, card = load_model(tmp_path / "model.safetensors")
    assert card.members == ("plain-cnn", "small-resnet")
    loaded = predict(model.to(result.machine.device), card, few.pixels, test, result.machine)
    np.testing.assert_allclose(loaded.pred_probs, outputs.pred_probs, atol=1e-5)


def test_an_ensemble_is_distilled_into_one_network(few: Few, quick: Recipe) -> None:
    result, events = few.train(quick.with_changes({"members": 2, "distil": True, "epochs": 2}), fit_stages)
    assert result.card.members == ()
    assert [fields["name"] for type_, fields in events if type_ == "stage"][-1] == "distilled network"


def test_a_bootstrap_draws_all_classes() -> None:
    labels = np.array([0] * 50 + [1])
    for seed in range(20):
        drawn = bootstrap(labels, np.arange(51), seed)
        assert len(drawn) == 51
        assert set(labels[drawn]) == {0, 1}


def test_out_of_bag_asks_only_who_did_not_see_the_image() -> None:
    bags = [np.array([0, 0, 1]), np.array([1, 1, 2])]
    said = out_of_bag(bags, np.arange(3), lambda i, rows: np.full((len(rows), 2), i + 1.0, np.float32))
    np.testing.assert_array_equal(said, [[2, 2], [np.nan, np.nan], [1, 1]])


def test_diversity_is_how_often_members_differ() -> None:
    one = np.array([[0.9, 0.1], [0.9, 0.1]], np.float32)
    assert diversity(np.stack([one, one]), several=False) == 0
    assert diversity(np.stack([one, one[:, ::-1]]), several=True) == 1


def test_one_label_a_group_passes_one_half() -> None:
    scores = torch.randn(200, 36) * 0.1
    probs = group_softmax(scores, (10, 26))
    decided = against_rivals(probs, (10, 26)) > 0.5
    assert (decided[:, :10].sum(1) == 1).all()
    assert (decided[:, 10:].sum(1) == 1).all()
    assert (decided[:, 10:].float().argmax(1) == probs[:, 10:].argmax(1)).all()


def test_groups_learn_from_the_groups_that_are_known() -> None:
    labels = np.array([[1, 0, 0, 1, 0], [0, 1, np.nan, np.nan, np.nan]], np.float32)
    recipe = Recipe(label_groups="2+3")
    objective = Grouped(recipe, labels, torch.device("cpu"))
    scores = torch.tensor([[9.0, 0, 0, 9, 0], [0, 9, 5, -5, 0]])
    assert objective.loss(scores, torch.from_numpy(labels)) < 0.01
    assert objective.right(scores, torch.from_numpy(labels)) == 2
    pseudo = objective.pseudo(objective.probs(scores), torch.full((5,), 0.9))
    assert pseudo.tolist()[0] == [1, 0, 0, 1, 0]
    with pytest.raises(BadInput, match="the data has 5"):
        Grouped(Recipe(label_groups="10+26"), labels, torch.device("cpu"))


def test_pseudo_labels_of_several_labels() -> None:
    probs = torch.tensor([[0.99, 0.5, 0.01]])
    pseudo = MultiLabel.pseudo(probs, torch.full((3,), 0.95))
    assert pseudo[0, 0] == 1
    assert pseudo[0, 1].isnan()
    assert pseudo[0, 2] == 0
    assert pseudo_counts(pseudo, torch.tensor([[1.0, 1, 0]])) == [1, 1, 1, 1]
