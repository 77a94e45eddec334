"""Labels of both tasks, held against plain loops over images and classes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.data.labels import Labels, MultiLabels, SingleLabels, Task
from core.errors import BadInput

CLASSES = ("cat", "dog", "owl")
single_values = st.lists(st.integers(-1, 2), max_size=12).map(lambda rows: np.array(rows, np.int64))
several_values = st.lists(
    st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=3, max_size=3), max_size=12
).map(lambda rows: np.array(rows, np.float32).reshape(-1, 3))
any_values = single_values | several_values


def answer(values: NDArray[Any], row: int, column: int) -> bool | None:
    """Whether the class is given to the image; None where nobody knows."""
    if values.ndim == 1:
        return None if values[row] < 0 else bool(values[row] == column)
    return None if np.isnan(values[row, column]) else bool(values[row, column] == 1)


def test_one_place_chooses_the_kind() -> None:
    assert isinstance(Labels.of(np.array([0, -1]), CLASSES), SingleLabels)
    assert isinstance(Labels.of(np.zeros((2, 3)), CLASSES), MultiLabels)
    assert Labels.of(np.array([0]), CLASSES).task is Task.SINGLE_LABEL
    assert Labels.of(np.zeros((1, 3)), CLASSES).task is Task.MULTI_LABEL


@pytest.mark.parametrize("shape", [(2, 2), (2, 3, 1), ()])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="do not fit 3 classes"):
        Labels.of(np.zeros(shape), CLASSES)


@given(any_values)
@settings(max_examples=60, deadline=None)
def test_what_is_known_as_a_loop_finds_it(values: NDArray[Any]) -> None:
    labels = Labels.of(values, CLASSES)
    table = [[answer(values, row, column) for column in range(3)] for row in range(len(values))]
    assert labels.yes.tolist() == [[one is True for one in row] for row in table]
    assert labels.no.tolist() == [[one is False for one in row] for row in table]
    assert labels.labeled.tolist() == [any(one is not None for one in row) for row in table]
    assert labels.incomplete.tolist() == [any(one is None for one in row) for row in table]
    assert labels.counts.tolist() == [sum(row[column] is True for row in table) for column in range(3)]
    assert labels.belongs(1).tolist() == [row[1] is True for row in table]
    assert labels.lacks(1).tolist() == [row[1] is False for row in table]
    assert labels.n_unknown == int((~labels.known).sum())


@given(any_values, st.permutations(CLASSES))
@settings(max_examples=60, deadline=None)
def test_another_order_of_the_classes_gives_the_same_answers(values: NDArray[Any], order: list[str]) -> None:
    labels = Labels.of(values, CLASSES)
    other = labels.reordered(order)
    for column, name in enumerate(order):
        assert np.array_equal(other.yes[:, column], labels.yes[:, CLASSES.index(name)])
        assert np.array_equal(other.no[:, column], labels.no[:, CLASSES.index(name)])
    assert np.array_equal(other.reordered(CLASSES).values, labels.values, equal_nan=True)


@pytest.mark.parametrize("classes", [("cat", "dog"), ("cat", "dog", "cow"), ("cat", "cat", "dog")])
def test_other_classes_are_refused(classes: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="do not have the same classes"):
        Labels.of(np.array([0]), CLASSES).reordered(classes)


@given(any_values, st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_right_answers_and_confusion_agree(values: NDArray[Any], seed: int) -> None:
    labels = Labels.of(values, CLASSES)
    predicted = labels.predicted(np.random.default_rng(seed).random((len(values), 3)))
    right, confusion = labels.right(predicted), labels.confusion(predicted)
    assert not (right & ~labels.known).any()
    assert confusion.sum() == labels.known.sum()
    assert np.trace(confusion, axis1=-2, axis2=-1).sum() == right.sum()


def test_confusion_counts_given_by_predicted() -> None:
    labels = Labels.of(np.array([0, 0, 1, -1]), CLASSES)
    assert labels.confusion(np.array([0, 1, 1, 2])).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    several = Labels.of(np.array([[1.0], [1.0], [0.0], [np.nan]]), ["cat"])
    predicted = np.array([[True], [False], [True], [True]])
    assert several.confusion(predicted).tolist() == [[[0, 1], [1, 1]]]


def test_probabilities_become_the_most_probable_class_or_those_from_their_threshold() -> None:
    probs = np.array([[0.2, 0.5, 0.3], [0.6, 0.7, 0.1]])
    assert Labels.of(np.array([0, 0]), CLASSES).predicted(probs).tolist() == [1, 1]
    several = Labels.of(np.zeros((2, 3)), CLASSES)
    assert several.predicted(probs, np.array([0.5, 0.5, 0.1])).tolist() == [
        [False, True, True],
        [True, True, True],
    ]


@given(any_values, st.data())
@settings(max_examples=60, deadline=None)
def test_left_out_images_are_unknown_and_all_else_stays(values: NDArray[Any], data: st.DataObject) -> None:
    labels = Labels.of(values, CLASSES)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))), bool)
    left = labels.excluding(mask)
    assert not left.labeled[mask].any()
    assert not left.rows_differ(labels)[~mask].any()
    assert left.rows_differ(labels)[mask].tolist() == labels.labeled[mask].tolist()
    assert np.array_equal(labels.values, values, equal_nan=True)


def test_words_of_an_image() -> None:
    assert [Labels.of(np.array([1, -1]), CLASSES).words(row) for row in (0, 1)] == ["dog", "unlabeled"]
    several = Labels.of(np.array([[1, 0, 1], [0, np.nan, 0], [np.nan] * 3]), CLASSES)
    assert [several.words(row) for row in range(3)] == ["cat, owl", "none of them", "unlabeled"]


def test_the_digest_is_over_values_and_classes() -> None:
    labels = Labels.of(np.array([0, 1]), CLASSES)
    assert labels.digest() == Labels.of(np.array([0, 1], np.int32), CLASSES).digest()
    assert labels.digest() != labels.take([1, 0]).digest()
    assert labels.digest() != Labels.of(np.array([0, 1]), ("cat", "dog", "elk")).digest()


def test_folds_deal_every_class_in_its_share() -> None:
    labels = Labels.of(np.repeat([0, 1, -1], [10, 20, 5]), CLASSES)
    folds = labels.folds(5, seed=0)
    assert (folds[30:] == -1).all()
    assert [np.bincount(folds[labels.belongs(k)]).tolist() for k in (0, 1)] == [[2] * 5, [4] * 5]
    several = Labels.of((np.arange(60).reshape(20, 3) % 4 == 0).astype(np.float32), CLASSES)
    assert sorted(np.bincount(several.folds(2, seed=0)).tolist()) == [10, 10]


@pytest.mark.parametrize(
    ("values", "contradicting"),
    [
        (np.array([2, 2, -1]), False),
        (np.array([1, 2, -1]), True),
        (np.array([[1, np.nan, 0], [1, 0, 0]]), False),
        (np.array([[1, 0, 0], [0, 0, 0]]), True),
    ],
)
def test_known_labels_of_a_group_contradict_each_other(values: NDArray[Any], contradicting: bool) -> None:
    labels = Labels.of(values, CLASSES)
    assert labels.contradicting(np.zeros(1, np.int64)).tolist() == [contradicting]
    assert not labels.contradicting(np.arange(len(values))).any(), "an image by itself contradicts nothing"
    assert labels.take([]).contradicting(np.zeros(0, np.int64)).shape == (0,)
