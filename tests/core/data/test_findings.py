"""Findings say what is in the numbers, and nothing when it is not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.data.findings import (
    Finding,
    find_duplicates,
    findings,
    skew_in_words,
    skewness,
)
from core.data.portraits import portraits
from core.data.statistics import image_statistics
from core.workspace import Workspace
from tests.core.data.photographs import DAMAGED, N, photographs
from tests.tagged import tagged


def said(
    workspace: Workspace,
    dataset: Dataset,
    positions: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> dict[str, Finding]:
    """The findings by topic."""
    positions = np.arange(len(dataset)) if positions is None else positions
    given = dataset.given if labels is None else dataset.given.with_values(labels)
    statistics = image_statistics(workspace, dataset)
    key: dict[str, object] = {"of": positions.tolist()[:50], "labels": given.digest()}
    drawn = portraits(workspace, statistics, positions, given, key)
    return {f.topic: f for f in findings(dataset, positions, given, statistics, drawn)}


def test_the_sample_is_balanced_and_has_its_known_pair(workspace: Workspace, sample: Dataset) -> None:
    found = said(workspace, sample)
    assert found["balance"].text == "All 10 classes have 600 images each."
    assert found["alike"].classes == (6, 0)
    assert "Shirt and T-shirt/top will be the hardest to tell apart" in found["alike"].text
    assert found["duplicates"].text == "No two images are pixel-identical."
    assert found["missing"].text == "Every image is labelled; nothing is missing."
    assert {finding.level for finding in found.values()} == {"note"}


def test_imbalance_is_named_with_both_classes_and_its_size(workspace: Workspace, sample: Dataset) -> None:
    bags, coats = np.flatnonzero(sample.labels == 8), np.flatnonzero(sample.labels == 4)
    some = np.sort(np.concatenate([bags[:400], coats[:100]]))
    two = replace(sample, classes=("coat", "bag"))
    found = said(workspace, two, some, np.where(sample.labels == 8, 1, 0))
    assert found["balance"].level == "attention"
    assert found["balance"].text.startswith("bag has 4.0 times as many images as coat (400 and 100)")


def test_a_missing_class_is_named(workspace: Workspace, sample: Dataset) -> None:
    found = said(workspace, sample, np.flatnonzero(sample.labels != 2))
    assert found["balance"].text == "Pullover has no images here."
    assert found["balance"].classes == (2,)


def test_a_class_that_is_rarer_in_one_split_is_found(workspace: Workspace, sample: Dataset) -> None:
    keep = (sample.split == 0) | (sample.labels != 1) | (np.arange(len(sample)) % 4 == 0)
    found = said(workspace, sample, np.flatnonzero(keep))
    assert found["splits"].level == "attention"
    assert found["splits"].text.startswith("Trouser is 10.0 % of train but ")


def test_copies_across_splits_and_with_other_labels_need_attention(
    workspace: Workspace, sample: Dataset
) -> None:
    test = sample.in_split("test")[0]
    train = sample.in_split("train")[:3]
    hashes = np.array(sample.content_hashes)
    hashes[test] = hashes[train[0]]
    hashes[train[2]] = hashes[train[1]]
    labels = np.array(sample.labels)
    labels[test] = labels[train[0]]
    labels[train[1]], labels[train[2]] = 3, 4
    copied = replace(sample, content_hashes=hashes)
    found = find_duplicates(copied, np.arange(len(sample)), sample.given.with_values(labels))
    assert (found.n_copies, found.n_groups, found.n_across_splits, found.n_conflicts) == (2, 2, 1, 1)
    assert found.groups[0] == (train[1], train[2]), "conflicts first"
    assert find_duplicates(copied, sample.in_split("test"), sample.given.with_values(labels)).n_copies == 0
    text = said(workspace, copied, labels=labels)["duplicates"].text
    assert text == (
        "2 images are exact copies of another: 1 group across splits, which flatters the test result and"
        " 1 group with different labels, of which at most one is right."
    )


def test_unknown_labels_are_counted_as_unknown(workspace: Workspace, tmp_path: Path) -> None:
    dataset = photographs(tmp_path / "set")
    found = said(workspace, dataset)
    assert dataset.given.n_unknown == 4
    assert found["missing"].text.startswith("4 of 24 labels (16.7 %) are unknown, in 4 of 8 images")
    assert found["unreadable"].positions == (DAMAGED,)
    assert found["sizes"].text.startswith(f"There are {N} image sizes, from 60 × 40 to 200 × 40 pixels")
    assert "alike" not in found


def test_with_several_labels_shares_are_of_known_answers(workspace: Workspace, sample: Dataset) -> None:
    clothes = tagged(workspace, sample, 200, split=np.where(np.arange(200) < 100, 0, 2).astype(np.int8))
    labels = np.array(clothes.labels)
    labels[:, 1] = np.where(np.arange(200) < 100, 1, 0)
    labels[::4, 1] = np.nan
    text = said(workspace, clothes, labels=labels)["splits"].text
    assert text.startswith(
        "sleeves is yes in 100.0 % of the known answers of train but 0.0 % of those of test"
    )


def test_unlabelled_images_are_counted(workspace: Workspace, sample: Dataset) -> None:
    labels = np.where(np.arange(len(sample)) < 60, -1, sample.labels)
    found = said(workspace, sample, labels=labels)
    assert found["missing"].text == "60 of 6,000 images (1.0 %) are unlabelled."


def test_a_class_of_one_image_is_not_told_apart_by_what_is_nearest(
    workspace: Workspace, sample: Dataset
) -> None:
    kept = np.flatnonzero(np.isin(sample.labels, (1, 9)))[:200]
    one = np.flatnonzero(sample.labels == 6)[:1]
    found = said(workspace, sample, np.concatenate([kept, one]))["alike"]
    assert sample.classes[6] not in found.text


def test_no_items_no_findings(workspace: Workspace, sample: Dataset) -> None:
    assert said(workspace, sample, np.arange(0)) == {}


@pytest.mark.parametrize(
    ("skew", "words"),
    [
        (0.05, "symmetric"),
        (-0.3, "slightly skewed to the left"),
        (0.7, "moderately skewed to the right"),
        (2.0, "strongly skewed to the right"),
    ],
)
def test_skew_in_words(skew: float, words: str) -> None:
    assert skew_in_words(skew) == words


def test_skewness_of_an_exponential_is_two() -> None:
    values = np.random.default_rng(0).exponential(size=200_000)
    assert skewness(values) == pytest.approx(2, abs=0.1)
    assert skewness(-values) == pytest.approx(-2, abs=0.1)
    assert skewness(np.full(10, 3.0)) == 0
    assert skewness(np.array([np.nan, 1.0])) == 0
