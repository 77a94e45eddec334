"""Filters choose items by split, class and what became of the label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import BadInput
from core.labels.filters import Filter, LabelFilter, select
from core.labels.versions import LabelState


def state_of(dataset: Dataset) -> LabelState:
    """Item 0 relabelled to 3, item 1 confirmed, item 2 excluded."""
    n = len(dataset)
    labels = np.array(dataset.labels)
    labels[0] = 3
    edited, confirmed, excluded = (np.arange(n) == place for place in range(3))
    return LabelState(labels, edited, confirmed, excluded, 3, classes=dataset.classes)


def test_no_filter_keeps_everything(sample: Dataset) -> None:
    assert select(sample, state_of(sample), Filter()).tolist() == list(range(len(sample)))


def test_split_and_class_use_the_labels_of_the_version(sample: Dataset) -> None:
    chosen = select(sample, state_of(sample), Filter(splits=("test",), classes=(3, 4)))
    assert len(chosen) == 200
    assert set(sample.split[chosen]) == {2}
    assert 0 in select(sample, state_of(sample), Filter(classes=(3,)))
    assert sample.labels[0] != 3


@pytest.mark.parametrize(
    ("state", "expected"),
    [(LabelFilter.EDITED, [0]), (LabelFilter.CONFIRMED, [1]), (LabelFilter.EXCLUDED, [2])],
)
def test_label_states(sample: Dataset, state: LabelFilter, expected: list[int]) -> None:
    assert select(sample, state_of(sample), Filter(state=state)).tolist() == expected


def test_given_is_what_nobody_touched(sample: Dataset) -> None:
    untouched = select(sample, state_of(sample), Filter(state=LabelFilter.GIVEN))
    assert untouched.tolist() == list(range(3, len(sample)))


def test_unlabelled_in_one_or_many_labels(sample: Dataset) -> None:
    state = state_of(sample)
    assert not len(select(sample, state, Filter(state=LabelFilter.UNLABELLED)))
    several = np.ones((len(sample), 2), np.float32)
    several[5, 1] = np.nan
    many = replace(state, labels=several, classes=("cat", "dog"))
    assert select(sample, many, Filter(state=LabelFilter.UNLABELLED)).tolist() == [5]
    several[7] = 0
    assert 7 not in select(sample, many, Filter(classes=(0, 1)))


def test_an_unknown_split_is_named(sample: Dataset) -> None:
    with pytest.raises(BadInput, match="no split 'dev'"):
        select(sample, state_of(sample), Filter(splits=("dev",)))
