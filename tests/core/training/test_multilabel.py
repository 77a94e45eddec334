from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.errors import BadInput
from core.models import load_model, save_model
from core.runs.recipe import Recipe, make_recipe
from core.training.balance import drawn_by_label, label_sets
from core.training.inference import predict
from core.training.loop import fit
from core.training.multilabel import MultiLabel, treat_unknown, yes_weights
from core.training.order import epoch_order
from core.training.parts import assign_roles, make_parts

CPU = torch.device("cpu")
NAN = np.nan
LABELS = np.array([[1, 0, NAN], [0, NAN, NAN], [1, 1, 0], [NAN, NAN, NAN]], np.float32)
SCORES = torch.tensor([[2.0, -1.0, 5.0], [0.5, 0.1, -9.0], [-1.0, 1.0, 0.3], [4.0, 4.0, 4.0]])
KNOWN = ~np.isnan(LABELS)


def loss(**changes: object) -> float:
    objective = MultiLabel(make_recipe(changes), LABELS, CPU)
    return objective.loss(SCORES, torch.from_numpy(LABELS)).item()


def of_known(**settings: Any) -> torch.Tensor:
    known = torch.from_numpy(KNOWN)
    return F.binary_cross_entropy_with_logits(
        SCORES[known], torch.from_numpy(LABELS)[known], reduction="none", **settings
    )


def test_cross_entropy_is_the_mean_over_the_known_labels() -> None:
    assert loss() == pytest.approx(of_known().mean().item())


def test_the_focal_loss_without_gamma_and_the_asymmetric_loss_without_gammas_are_cross_entropy() -> None:
    plain = loss()
    assert loss(loss="focal", focal_gamma=0.0) == pytest.approx(plain)
    bare = {"asymmetric_negative": 0.0, "asymmetric_positive": 0.0, "asymmetric_margin": 0.0}
    assert loss(loss="asymmetric", **bare) == pytest.approx(plain)


def test_the_asymmetric_loss_is_the_authors_formula() -> None:
    known = torch.from_numpy(KNOWN)
    p, y = SCORES.sigmoid()[known], torch.from_numpy(LABELS)[known]
    shifted = (p - 0.05).clamp(min=0)
    expected = -(y * (1 - p) ** 1 * p.log() + (1 - y) * shifted**4 * (1 - shifted).log()).mean()
    assert loss(loss="asymmetric") == pytest.approx(expected.item(), rel=1e-5)


def test_the_soft_margin_loss_is_torchs_where_all_is_known() -> None:
    rows = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    objective = MultiLabel(make_recipe({"loss": "soft-margin"}), rows.numpy(), CPU)
    expected = torch.nn.MultiLabelSoftMarginLoss()(SCORES[:2], rows)
    assert objective.loss(SCORES[:2], rows).item() == pytest.approx(expected.item())
    of_image = [row[known].mean() for row, known in zip(_cells(), KNOWN, strict=True) if known.any()]
    assert loss(loss="soft-margin") == pytest.approx(float(np.mean(of_image)))


def _cells() -> np.ndarray:
    target = torch.from_numpy(np.nan_to_num(LABELS))
    return F.binary_cross_entropy_with_logits(SCORES, target, reduction="none").numpy()


def test_balanced_weights_let_yes_weigh_as_much_as_no() -> None:
    labels = np.array([[1, 0], [0, 0], [0, NAN], [0, NAN]], np.float32)
    np.testing.assert_allclose(yes_weights(labels), [3, 1])
    weights = torch.from_numpy(yes_weights(LABELS)).expand(4, 3)[torch.from_numpy(KNOWN)]
    y = torch.from_numpy(LABELS)[torch.from_numpy(KNOWN)]
    expected = (of_known() * (1 + y * (weights - 1))).mean().item()
    assert loss(class_weights="balanced") == pytest.approx(expected)


def test_no_unknown_label_moves_a_weight() -> None:
    objective = MultiLabel(make_recipe({}), LABELS, CPU)
    scores = SCORES.clone().requires_grad_()
    objective.loss(scores, torch.from_numpy(LABELS)).backward()
    assert scores.grad is not None
    assert (scores.grad.numpy()[~KNOWN] == 0).all()
    assert (scores.grad.numpy()[KNOWN] != 0).all()


def test_unknown_labels_are_treated_as_the_recipe_says() -> None:
    assert treat_unknown(LABELS, "masked") is LABELS
    as_no = treat_unknown(LABELS, "as-no")
    np.testing.assert_array_equal(as_no[0], [1, 0, 0])
    assert np.isnan(as_no[3]).all()  # nobody looked at it
    left_out = treat_unknown(LABELS, "left-out")
    assert np.isnan(left_out).all(axis=1).tolist() == [True, True, False, True]


def test_the_figures_are_over_known_labels_and_labels_with_both_answers() -> None:
    probs = np.array([[0.9, 0.2, 0.5], [0.4, 0.5, 0.5], [0.3, 0.6, 0.5], [0.5, 0.5, 0.5]], np.float32)
    found = MultiLabel.figures(probs, LABELS)
    assert found["valid_accuracy"] == pytest.approx(4 / 6)
    assert found["valid_macro_auc"] == pytest.approx((0.5 + 1.0) / 2)
    assert MultiLabel.figures(probs, np.full((4, 3), NAN, np.float32))["valid_macro_auc"] is None


def test_rare_answers_come_more_often() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((1000, 2), np.float32)
    labels[:20, 0] = 1
    labels[:, 1] = rng.random(1000) < 0.5
    train = np.arange(1000)
    drawn = drawn_by_label(labels, train, rng)
    assert len(drawn) == 1000
    assert 250 < (drawn < 20).sum() < 350  # twenty images of weight 20 against 980 of about 2
    order = epoch_order(labels, train, make_recipe({"oversample": True, "oversample_by": "label-set"}), 0)
    shares = np.bincount(label_sets(labels)[order]) / 1000
    np.testing.assert_allclose(shares, 0.25, atol=0.01)


def test_validation_images_have_their_share_of_every_answer() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((1000, 3)) < (0.05, 0.5, 0.9)).astype(np.float32)
    labels[rng.random((1000, 3)) < 0.3] = NAN
    roles = assign_roles(np.zeros(1000, np.int8), labels, make_recipe({"validation_share": 0.2}))
    for answer in (0, 1):
        of = labels == answer
        np.testing.assert_allclose(of[roles == 1].sum(axis=0), 0.2 * of.sum(axis=0), atol=2)
    parts = make_parts(roles, labels, np.zeros(1000, bool))
    unknown = np.isnan(labels).all(axis=1)
    assert len(parts.train) + len(parts.val) == (~unknown).sum()
    with pytest.raises(BadInput, match="too little to train on"):
        make_parts(roles, np.full((1000, 3), NAN, np.float32), np.zeros(1000, bool))


def bars(shapes: Any) -> np.ndarray:
    """The toy problem with two labels: lying, and standing; a third of them unknown."""
    labels = np.stack([shapes.labels == 0, shapes.labels == 1], axis=1).astype(np.float32)
    labels[np.random.default_rng(0).random(labels.shape) < 0.3] = NAN
    labels[np.isnan(labels).all(axis=1), 0] = 0
    return labels


@pytest.mark.parametrize("name", ["cross-entropy", "focal", "asymmetric", "soft-margin"])
def test_it_learns_with_every_loss(shapes: Any, recipe: Recipe, name: str) -> None:
    labels = bars(shapes)
    chosen = recipe.with_changes({"loss": name, "epochs": 12, "oversample": True})
    result = fit(shapes.pixels, labels, shapes.parts, ("lying", "standing"), chosen)
    best = result.history[result.best_epoch]["valid_macro_auc"]
    assert best == max(epoch["valid_macro_auc"] for epoch in result.history)
    assert best > 0.9
    full = np.stack([shapes.labels == 0, shapes.labels == 1], axis=1).astype(np.float32)
    outputs = predict(result.model, result.card, shapes.pixels, shapes.parts.test, result.machine)
    assert MultiLabel.figures(outputs.pred_probs, full[shapes.parts.test])["valid_macro_auc"] > 0.9


def test_a_run_goes_on_where_it_stopped(shapes: Any, recipe: Recipe, tmp_path: Path) -> None:
    labels, classes = bars(shapes), ("lying", "standing")
    whole = fit(shapes.pixels, labels, shapes.parts, classes, recipe)
    asked = iter([False] * 11 + [True] * 99)
    file = tmp_path / "checkpoint.safetensors"
    fit(shapes.pixels, labels, shapes.parts, classes, recipe, checkpoint_file=file,
        should_stop=lambda: next(asked))  # fmt: skip
    resumed = fit(shapes.pixels, labels, shapes.parts, classes, recipe, checkpoint_file=file)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name


def test_the_saved_network_still_answers_each_label_by_itself(
    shapes: Any, recipe: Recipe, tmp_path: Path
) -> None:
    result = fit(
        shapes.pixels, bars(shapes), shapes.parts, ("a", "b"), recipe.with_changes({"keep_by": "macro-f1"})
    )
    save_model(tmp_path / "m", result.model, result.card)
    model, card = load_model(tmp_path / "m")
    assert card.task == "multi-label"
    before = predict(result.model, result.card, shapes.pixels, shapes.parts.test, result.machine)
    model = model.to(result.machine.device).to(memory_format=torch.channels_last)
    after = predict(model, card, shapes.pixels, shapes.parts.test, result.machine)
    np.testing.assert_array_equal(before.pred_probs, after.pred_probs)
    assert not np.allclose(after.pred_probs.sum(axis=1), 1)


def test_losses_of_several_labels_do_not_fit_one(shapes: Any, recipe: Recipe) -> None:
    with pytest.raises(BadInput, match="'asymmetric' does not fit data with one label"):
        fit(
            shapes.pixels,
            shapes.labels,
            shapes.parts,
            shapes.classes,
            recipe.with_changes({"loss": "asymmetric"}),
        )
