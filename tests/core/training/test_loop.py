from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import BadInput, DamagedFile, TrainingFailed
from core.runs.recipe import Recipe
from core.training.inference import predict
from core.training.loop import FitResult, fit
from core.training.order import epoch_order, n_batches
from core.training.parts import Parts

Events = list[tuple[str, dict[str, Any]]]


def train(shapes: Any, recipe: Recipe, **arguments: Any) -> tuple[FitResult, Events]:
    events: Events = []
    result = fit(
        shapes.pixels,
        shapes.labels,
        arguments.pop("parts", shapes.parts),
        shapes.classes,
        recipe,
        lambda type_, **fields: events.append((type_, fields)),
        **arguments,
    )
    return result, events


def stop_after(n_steps: int) -> Callable[[], bool]:
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked >= n_steps

    return should_stop


def weights(result: FitResult) -> dict[str, torch.Tensor]:
    return result.model.state_dict()


def assert_same(one: FitResult, other: FitResult) -> None:
    for name, tensor in weights(one).items():
        assert torch.equal(tensor, weights(other)[name]), name
    drop = {"seconds", "images_per_second"}
    for first, second in zip(one.history, other.history, strict=True):
        assert {k: v for k, v in first.items() if k not in drop} == {
            k: v for k, v in second.items() if k not in drop
        }


def test_it_learns_and_reports(shapes: Any, recipe: Recipe) -> None:
    result, events = train(shapes, recipe.with_changes({"epochs": 12}))
    assert [type_ for type_, _ in events].count("epoch") == 12
    type_, started = events[0]
    assert type_ == "started"
    assert (started["n_train"], started["n_val"], started["n_test"]) == (240, 60, 60)
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"] / 2
    assert result.history[result.best_epoch]["valid_accuracy"] == max(
        h["valid_accuracy"] for h in result.history
    )
    outputs = predict(
        result.model, result.card, shapes.pixels, shapes.parts.test, result.machine, with_features=True
    )
    accuracy = (outputs.pred_probs.argmax(1) == shapes.labels[shapes.parts.test]).mean()
    assert accuracy > 0.9
    np.testing.assert_allclose(outputs.pred_probs.sum(1), 1, rtol=1e-5)
    assert outputs.features is not None
    assert outputs.features.shape == (60, 32)
    assert outputs.features.dtype == np.float16


def test_one_seed_gives_one_result_and_another_another(shapes: Any, recipe: Recipe) -> None:
    one, _ = train(shapes, recipe)
    torch.rand(10)
    same, _ = train(shapes, recipe)
    assert_same(one, same)
    other, _ = train(shapes, recipe.with_changes({"seed": 1}))
    assert not torch.equal(weights(one)["head.1.weight"], weights(other)["head.1.weight"])


EVERYTHING = {
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "weight_decay": 0.001,
    "schedule": "one-cycle",
    "ema_decay": 0.9,
    "gradient_clip": 1.0,
    "label_smoothing": 0.1,
    "class_weights": "balanced",
    "oversample": True,
    "vertical_flip_share": 0.2,
    "rotation_share": 0.5,
    "erasing_share": 0.5,
    "sharpness_share": 0.3,
    "test_time_flip": True,
}


@pytest.mark.parametrize("n_steps", [1, 8, 13, 31])
@pytest.mark.parametrize(
    "changes",
    [{}, EVERYTHING, {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "plateau", "loss": "focal"}],
    ids=["adam", "everything", "plateau"],
)
def test_a_run_broken_off_anywhere_ends_like_an_unbroken_one(
    shapes: Any, recipe: Recipe, tmp_path: Path, changes: dict[str, Any], n_steps: int
) -> None:
    recipe = recipe.with_changes(changes)
    unbroken, _ = train(shapes, recipe)
    path = tmp_path / "checkpoint.safetensors"
    first, _ = train(shapes, recipe, checkpoint_file=path, should_stop=stop_after(n_steps))
    assert first.stopped
    resumed, events = train(shapes, recipe, checkpoint_file=path)
    assert events[0][1]["resumed_from"] == (n_steps - 1) // 8 if n_steps % 8 else n_steps // 8
    assert not resumed.stopped
    assert_same(unbroken, resumed)


def test_a_finished_run_is_not_trained_again(shapes: Any, recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    one, _ = train(shapes, recipe, checkpoint_file=path)
    again, events = train(shapes, recipe, checkpoint_file=path)
    assert [type_ for type_, _ in events] == ["started"]
    assert_same(one, again)
    assert again.best_epoch == one.best_epoch


def test_a_truncated_checkpoint_starts_the_run_over_with_a_note(
    shapes: Any, recipe: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    train(shapes, recipe, checkpoint_file=path, should_stop=stop_after(9))
    path.write_bytes(path.read_bytes()[:-50])
    result, events = train(shapes, recipe, checkpoint_file=path)
    notes = [fields["text"] for type_, fields in events if type_ == "note"]
    assert "is no checkpoint" in notes[0]
    assert "starts over" in notes[0]
    assert result.epoch == recipe.epochs


def test_the_checkpoint_of_another_run_is_refused(shapes: Any, recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    train(shapes, recipe, checkpoint_file=path, should_stop=stop_after(3))
    with pytest.raises(DamagedFile, match="another recipe, data set or label version"):
        train(shapes, recipe.with_changes({"batch_size": 16}), checkpoint_file=path)
    shapes.labels[shapes.parts.train[0]] ^= 1
    try:
        with pytest.raises(DamagedFile, match="another recipe"):
            train(shapes, recipe, checkpoint_file=path)
    finally:
        shapes.labels[shapes.parts.train[0]] ^= 1


def test_checkpoints_are_written_within_an_epoch(shapes: Any, recipe: Recipe, tmp_path: Path) -> None:
    _, events = train(
        shapes, recipe, checkpoint_file=tmp_path / "checkpoint.safetensors", checkpoint_seconds=0.0
    )
    steps = [(fields["epoch"], fields["step"]) for type_, fields in events if type_ == "checkpoint"]
    assert (0, 3) in steps
    assert (4, 0) in steps


def test_a_loss_that_is_no_number_says_what_to_lower(shapes: Any, recipe: Recipe) -> None:
    wild = recipe.with_changes({"optimizer": "sgd", "learning_rate": 10, "weight_decay": 1, "epochs": 30})
    with pytest.raises(TrainingFailed, match=r"became NaN in epoch \d+. Lower learning_rate \(it is 10\)"):
        train(shapes, wild)


def test_running_out_of_memory_names_the_batch_size(shapes: Any, recipe: Recipe) -> None:
    with pytest.raises(TrainingFailed, match=r"Memory ran out with batch_size 32. Lower batch_size"):
        train(shapes, recipe, should_stop=lambda: torch.empty(1 << 60) is None)


def test_early_stopping_waits_for_the_lower_rate(shapes: Any, recipe: Recipe) -> None:
    changes = {
        "epochs": 60,
        "schedule": "plateau",
        "plateau_patience": 2,
        "early_stopping_patience": 3,
        "learning_rate": 0.02,
    }
    result, events = train(shapes, recipe.with_changes(changes))
    notes = [fields["text"] for type_, fields in events if type_ == "note"]
    assert result.epoch < 60
    assert "learning rate lowered" in notes[0]
    assert notes[-1].startswith(f"Stopped early after epoch {result.epoch}")


def test_without_validation_images_the_last_weights_are_kept(shapes: Any, recipe: Recipe) -> None:
    parts = Parts(shapes.parts.train, shapes.parts.val[:0], shapes.parts.test[:0])
    result, events = train(shapes, recipe, parts=parts)
    assert result.best_epoch == recipe.epochs - 1
    assert result.history[0]["valid_accuracy"] is None
    assert ("note", {"text": "There are no validation images: the last weights are kept."}) in events


def test_images_that_only_report_change_nothing(shapes: Any, recipe: Recipe) -> None:
    changes = {"epochs": 8, "schedule": "plateau", "plateau_patience": 1, "learning_rate": 0.02}
    chosen = recipe.with_changes({**changes, "early_stopping_patience": 2})
    without = Parts(shapes.parts.train, shapes.parts.val[:0], shapes.parts.test)
    blind, _ = train(shapes, chosen, parts=without)
    watched, events = train(shapes, chosen, val_decides=False)
    assert watched.history[0]["valid_accuracy"] is not None
    assert watched.best_epoch == watched.epoch - 1
    for name, tensor in weights(blind).items():
        assert torch.equal(tensor, weights(watched)[name]), name
    assert not [f for type_, f in events if type_ == "note" and "validation" in f["text"]]


def test_only_the_batches_are_read(shapes: Any, recipe: Recipe, tmp_path: Path) -> None:
    """A data set larger than memory can be trained on: the pixels stay a memory map."""
    np.save(tmp_path / "pixels.npy", shapes.pixels)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    result = fit(mapped, shapes.labels, shapes.parts, shapes.classes, recipe)
    assert_same(result, train(shapes, recipe)[0])


def test_bf16_stays_close_to_fp32(shapes: Any, recipe: Recipe) -> None:
    half, _ = train(shapes, recipe.with_changes({"precision": "bf16", "epochs": 1}))
    full, _ = train(shapes, recipe.with_changes({"precision": "fp32", "epochs": 1}))
    assert half.machine.precision == "bf16"
    assert half.history[0]["train_loss"] == pytest.approx(full.history[0]["train_loss"], rel=0.05)


def test_a_gpu_that_is_not_there_is_said_so(shapes: Any, recipe: Recipe) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(BadInput, match="no GPU can be used"):
        train(shapes, recipe.with_changes({"device": "cuda"}))


@pytest.mark.parametrize(
    ("n", "batch", "sizes"), [(10, 4, [4, 3, 3]), (3, 2, [3]), (5, 100, [5]), (8, 4, [4, 4])]
)
def test_batches_hold_all_images_and_never_a_single_one(n: int, batch: int, sizes: list[int]) -> None:
    assert [len(part) for part in np.array_split(np.arange(n), n_batches(n, batch))] == sizes


def test_oversampling_sees_every_class_equally_often(recipe: Recipe) -> None:
    labels = np.array([0] * 90 + [1] * 9 + [2])
    order = epoch_order(labels, np.arange(100), recipe.with_changes({"oversample": True}), 0)
    assert np.bincount(labels[order]).tolist() == [34, 33, 33]
    assert set(range(90, 99)) <= set(order.tolist()), "no image of a small class is left out"


def test_every_epoch_has_its_own_order(recipe: Recipe) -> None:
    labels, train_part = np.zeros(50, np.int64), np.arange(50)
    first, second = (epoch_order(labels, train_part, recipe, epoch) for epoch in (0, 1))
    assert sorted(first) == list(range(50))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, epoch_order(labels, train_part, recipe, 0))
