"""Return on effort: minutes without breaks, precision by band, errors left, and when to stop."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import BadInput
from core.evaluation.metrics import wilson_interval
from core.labels.journal import Edit, EditKind, LabelJournal, NewEdit
from core.quality.effort import Effort, advise, bands, effort, errors_left, seconds_at_work
from core.workspace import Workspace


def test_breaks_are_no_work() -> None:
    """Ten decisions two seconds apart, lunch, five more: 8 + 4 gaps, and the first of each stretch."""
    times = np.concatenate([np.arange(10) * 2.0, 4_000 + np.arange(5) * 2.0])
    assert seconds_at_work(times) == pytest.approx(2.0 * 15)
    assert seconds_at_work(times[::-1]) == pytest.approx(2.0 * 15)
    assert seconds_at_work(times[:1]) == 0.0
    assert seconds_at_work(np.array([0.0, 500.0])) == 0.0


def timed(edits: list[Edit], seconds: float) -> list[Edit]:
    """The same edits, each so many seconds after the one before."""
    return [replace(edit, at=1_000 + seconds * number) for number, edit in enumerate(edits)]


def test_effort_counts_images_and_errors_once(workspace: Workspace, sample: Dataset) -> None:
    ids, names = sample.item_ids.tolist(), sample.classes
    other = [names[(int(label) + 1) % 10] for label in sample.labels[:6]]
    given = [names[int(label)] for label in sample.labels[:6]]
    new = [
        NewEdit(ids[0], EditKind.LABEL, other[0]),  # an error
        NewEdit(ids[1], EditKind.CONFIRM),  # none
        NewEdit(ids[2], EditKind.EXCLUDE),  # an error
        NewEdit(ids[3], EditKind.LABEL, other[3]),  # undone: nothing
        NewEdit("", EditKind.UNDO, undoes=4),
        NewEdit(ids[4], EditKind.LABEL, other[4]),  # back to what it was: no error
        NewEdit(ids[4], EditKind.LABEL, given[4]),
        NewEdit(ids[5], EditKind.LOOK, other[5]),  # a look decides nothing
    ]
    journal = LabelJournal(workspace)
    journal.append(sample, new)
    found = effort(timed(journal.edits(sample.name), 3.0))
    assert (found.n_reviewed, found.n_errors) == (4, 2)
    assert found.minutes == pytest.approx(8 * 3 / 60)
    assert found.errors_per_minute == pytest.approx(2 / (24 / 60))
    assert found.errors_per_100 == 50


def test_two_people_work_at_once(workspace: Workspace, sample: Dataset) -> None:
    new = [
        NewEdit(item, EditKind.CONFIRM, who=who)
        for item, who in zip(sample.item_ids[:40].tolist(), ["ann", "bob"] * 20, strict=True)
    ]
    journal = LabelJournal(workspace)
    journal.append(sample, new)
    found = effort(timed(journal.edits(sample.name), 1.0))
    assert found.minutes == pytest.approx(2 * 20 * 2 / 60)
    assert found.images_per_minute == pytest.approx(30)


def test_no_edits_are_no_effort() -> None:
    found = effort([])
    assert (found.n_reviewed, found.n_errors, found.minutes) == (0, 0, 0.0)
    assert math.isnan(found.errors_per_minute)
    assert math.isnan(found.errors_per_100)


RNG = np.random.default_rng(0)
SCORES = RNG.random(2_000)
ERRORS = RNG.random(2_000) < SCORES**4  # a good score: errors are where it is high


def test_precision_by_band_with_wilson_intervals() -> None:
    reviewed = SCORES > 0.6
    found = bands(SCORES, reviewed, ERRORS, [0, 0.5, 0.8, 1.0])
    assert [(band.low, band.high) for band in found] == [(0.8, 1.0), (0.5, 0.8), (0.0, 0.5)]
    top = found[0]
    assert (top.n, top.n_reviewed, top.n_left) == (int((SCORES >= 0.8).sum()),) * 2 + (0,)
    assert top.precision == pytest.approx(ERRORS[SCORES >= 0.8].mean())
    assert top.ci95 == wilson_interval(top.n_errors, top.n_reviewed)
    assert math.isnan(found[2].precision)
    assert sum(band.n for band in found) == 2_000


def test_bands_of_equal_count() -> None:
    found = bands(SCORES, SCORES > 2, ERRORS, n_bands=4)
    assert [band.n for band in found] == [500] * 4
    assert found[0].low > found[1].low
    equal = bands(np.ones(10), np.ones(10, bool), np.ones(10, bool))
    assert [(band.n, band.precision) for band in equal] == [(10, 1.0)]
    assert bands(np.zeros(0), np.zeros(0, bool), np.zeros(0, bool)) == ()


def test_limits_that_do_not_rise_and_lengths_that_differ_are_refused() -> None:
    with pytest.raises(BadInput, match="do not rise"):
        bands(SCORES, ERRORS, ERRORS, [0.5, 0.5])
    with pytest.raises(BadInput, match="1 reviews"):
        bands(SCORES, ERRORS[:1], ERRORS)


def test_the_errors_left_are_estimated_from_reviews_at_random() -> None:
    inside = 0
    for seed in range(20):
        reviewed = np.random.default_rng(100 + seed).random(2_000) < 0.3
        left = errors_left(bands(SCORES, reviewed, ERRORS))
        truth = int((ERRORS & ~reviewed).sum())
        assert left.n == pytest.approx(truth, rel=0.35)
        assert left.n_left == int((~reviewed).sum())
        inside += left.low <= truth <= left.high
    assert inside == 20


def test_an_unseen_band_counts_as_high_as_the_one_before() -> None:
    found = bands(SCORES, SCORES >= 0.9, ERRORS, [0, 0.9, 1.0])
    left = errors_left(found)
    assert left.n == pytest.approx(found[1].n * found[0].precision)
    assert left.low == 0
    upside_down = errors_left(bands(SCORES, SCORES < 0.9, ERRORS, [0, 0.9, 1.0]))
    assert upside_down.n == pytest.approx((SCORES >= 0.9).sum() * ERRORS[SCORES < 0.9].mean())
    assert math.isnan(errors_left(bands(SCORES, SCORES > 2, ERRORS)).n)


PACE = Effort(600, 50, 20.0)


def test_advice_to_go_on_where_errors_are_likely() -> None:
    given = advise(PACE, bands(SCORES, SCORES > 0.9, ERRORS, [0, 0.5, 0.8, 1.0]))
    assert given.go_on
    assert given.next_per_100 > 50
    assert given.sentence.startswith("Go on: the next 100 images should hold about ")
    assert "about 3 minutes of work" in given.sentence
    assert "are left among" in given.sentence


def test_advice_to_stop_where_hardly_any_are_left() -> None:
    scores = np.linspace(0, 1, 4_000)
    given = advise(PACE, bands(scores, scores > 0.2, scores > 0.95, [0, 0.5, 1.0]))
    assert not given.go_on
    assert given.sentence.startswith("Stop: the next 100 images should hold about 0 errors (0 to 0)")
    assert "fewer than the 2 that make it worth it" in given.sentence
    everything = advise(PACE, bands(scores, scores >= 0, scores > 0.95))
    assert everything.sentence == "Stop: every flagged image has been looked at."


def test_a_few_reviews_without_an_error_are_not_enough_to_stop() -> None:
    scores = np.linspace(0, 1, 4_000)
    given = advise(PACE, bands(scores, scores > 0.995, scores > 2, [0, 0.5, 1.0]))
    assert given.go_on
    assert given.sentence.startswith("Go on to be sure: ")
    nothing = advise(Effort(0, 0, 0.0), bands(scores, scores > 2, scores > 2))
    assert nothing.go_on
    assert nothing.sentence.startswith("Start: ")
