"""Stratified draws."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.data.splits import stratified_folds, stratified_split


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=80), st.floats(0, 0.9), st.integers(0, 99))
def test_each_class_gives_its_share_and_keeps_one(labels: list[int], share: float, seed: int) -> None:
    codes = np.array(labels)
    drawn = stratified_split(codes, share, seed)
    for k in np.unique(codes):
        n, n_drawn = int((codes == k).sum()), int(drawn[codes == k].sum())
        wanted = max(round(share * n), 1) if share > 0 else 0
        assert n_drawn == (min(wanted, n - 1) if k >= 0 else 0)
    np.testing.assert_array_equal(drawn, stratified_split(codes, share, seed))


def test_rare_labels_are_shared_out_fairly() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((2_000, 5)) < [0.5, 0.2, 0.1, 0.02, 0.01]).astype(np.float32)
    labels[rng.random(labels.shape) < 0.1] = np.nan
    drawn = stratified_split(labels, 0.2, 0)
    assert abs(drawn.mean() - 0.2) < 0.01
    positive = labels == 1
    shares = positive[drawn].sum(axis=0) / positive.sum(axis=0)
    np.testing.assert_allclose(shares, 0.2, atol=0.06)


def test_folds_share_out_every_class() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 4, 403)
    labels[:3] = 4  # fewer than there are folds
    folds = stratified_folds(labels, 5, seed=1)
    assert ((folds == -1) == (labels == -1)).all()
    sizes = np.bincount(folds[folds >= 0], minlength=5)
    assert sizes.max() - sizes.min() <= 1
    for label in range(5):
        counts = np.bincount(folds[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(folds, stratified_folds(labels, 5, seed=1))
    assert (folds != stratified_folds(labels, 5, seed=2)).any()
