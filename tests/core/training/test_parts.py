from __future__ import annotations

import numpy as np
import pytest

from core.errors import BadInput
from core.runs.recipe import Recipe, make_recipe
from core.training.parts import assign_roles, make_parts

RECIPE = make_recipe({"validation_share": 0.2})


def test_a_stratified_share_of_train_is_held_back() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 4])
    split = np.zeros(154, np.int8)
    split[:20] = 2
    roles = assign_roles(split, labels, RECIPE)
    assert np.array_equal(roles == 2, split == 2)
    assert np.bincount(labels[roles == 1]).tolist() == [16, 10, 1]
    again = assign_roles(split, labels, RECIPE)
    assert np.array_equal(roles, again)
    other = assign_roles(split, labels, RECIPE.with_changes({"split_seed": 1}))
    assert not np.array_equal(roles, other)


def test_a_validation_split_of_the_data_is_used_as_it_is() -> None:
    split = np.array([0, 0, 1, 2], np.int8)
    assert np.array_equal(assign_roles(split, np.array([0, 1, 0, 1]), RECIPE), split)


def test_a_correction_moves_no_other_image_between_the_parts() -> None:
    given = np.repeat([0, 1], 50)
    roles = assign_roles(np.zeros(100, np.int8), given, RECIPE)
    corrected = given.copy()
    corrected[:5] = 1
    before = make_parts(roles, given, np.zeros(100, bool))
    after = make_parts(roles, corrected, np.zeros(100, bool))
    assert np.array_equal(before.val, after.val)
    assert np.array_equal(before.train, after.train)


def test_unlabelled_and_excluded_images_are_left_out() -> None:
    labels = np.array([0, 1, -1, 0, 1, 1, 0])
    excluded = np.array([False, False, False, True, False, False, False])
    parts = make_parts(np.array([0, 0, 0, 0, 1, 2, 2], np.int8), labels, excluded)
    assert [part.tolist() for _, part in parts.named()] == [[0, 1], [4], [5, 6]]


def test_the_last_image_of_a_class_is_never_held_back() -> None:
    labels = np.arange(5)
    roles = assign_roles(np.zeros(5, np.int8), labels, make_recipe({"validation_share": 0.8}))
    assert (roles == 0).all()


@pytest.mark.parametrize(
    ("labels", "message"), [([0, 0, 0], "3 labelled images of 1 class "), ([-1, -1, -1], "0 labelled images")]
)
def test_too_little_to_train_on_is_said_with_the_mend(labels: list[int], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        make_parts(np.zeros(3, np.int8), np.array(labels), np.zeros(3, bool))
    assert "label some" in caught.value.mend


def test_a_recipe_is_all_that_decides() -> None:
    assert np.array_equal(
        assign_roles(np.zeros(40, np.int8), np.arange(40) % 2, Recipe(seed=1)),
        assign_roles(np.zeros(40, np.int8), np.arange(40) % 2, Recipe(seed=2)),
    )


def test_data_without_a_training_split_say_why_and_how_to_mend_it() -> None:
    roles = np.array([1, 2, 2, 2], np.int8)
    for labels in (np.array([0, 1, 0, 1]), np.array([[0.0], [1.0], [0.0], [1.0]], np.float32)):
        with pytest.raises(BadInput, match="No image is in the training split") as refused:
            make_parts(roles, labels, np.zeros(4, bool))
        assert "called test" in refused.value.mend
