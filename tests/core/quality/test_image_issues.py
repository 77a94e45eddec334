from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import Dataset
from core.data.importer import ImportOptions, import_source
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.quality.image_issues import RULES, ImageIssue, Rule, image_issues, is_known
from core.workspace import Workspace
from tests.core.data.photographs import DAMAGED, photographs
from tests.core.quality.planted import blurred, original, with_images


def issues(workspace: Workspace, dataset: Dataset) -> dict[str, ImageIssue]:
    found = image_issues(workspace, dataset, labels_at(workspace, dataset))
    assert [issue.rule for issue in found] == list(RULES)
    return {issue.rule.kind: issue for issue in found}


def test_planted_faults_are_found_and_little_else(workspace: Workspace, sample: Dataset) -> None:
    shirt = original(sample, 600)
    bag = sample.classes.index("Bag")
    trouser = original(sample, int(np.flatnonzero(sample.labels == sample.classes.index("Trouser"))[0]))
    faults = {
        "blank": np.full((28, 28), 130, np.uint8),
        "dark": (shirt * 0.15).astype(np.uint8),
        "bright": (205 + shirt * 0.19).astype(np.uint8),
        "low-contrast": (110 + shirt * 0.04).astype(np.uint8),
        "blurry": blurred(shirt, 1.2),
        "outlier": np.random.default_rng(0).integers(0, 255, (28, 28)).astype(np.uint8),
    }
    planted = [(pixels, int(sample.labels[600]), "train") for pixels in faults.values()]
    dataset, places = with_images(workspace, sample, [*planted, (trouser, bag, "train")])
    found = issues(workspace, dataset)
    for kind, place in zip(faults, places, strict=False):
        assert place in found[kind].positions, kind
    assert places[0] not in found["dark"].positions, "a blank image is blank and nothing else"
    assert len(found["unreadable"]) == len(found["small"]) == len(found["odd-shape"]) == 0
    others = {kind: len(set(issue.positions.tolist()) - set(places)) for kind, issue in found.items()}
    assert all(n <= 25 for n in others.values()), others


def test_the_worst_come_first_and_say_why(workspace: Workspace, sample: Dataset) -> None:
    dark = issues(workspace, sample)["dark"]
    assert (np.diff(dark.values) >= 0).all()
    assert (dark.values < dark.threshold).all()
    assert dark.why(0) == (
        f"its brightest hundredth is at {dark.values[0]:.0f} of 255; "
        f"dark is below {dark.threshold:.0f} in this set"
    )
    outliers = issues(workspace, sample)["outlier"]
    assert (np.diff(outliers.values) <= 0).all()
    assert "farther from the images of its class" in outliers.why(0)


def test_what_was_left_out_is_listed_no_more(workspace: Workspace, sample: Dataset) -> None:
    before = issues(workspace, sample)["dark"]
    item_id = str(sample.item_ids[before.positions[0]])
    LabelJournal(workspace).append(sample, [NewEdit(item_id, EditKind.EXCLUDE)])
    assert issues(workspace, sample)["dark"].positions.tolist() == before.positions[1:].tolist()


def test_outliers_follow_the_labels(workspace: Workspace, sample: Dataset) -> None:
    state = labels_at(workspace, sample)
    assert not is_known(workspace, sample, state)
    shares: list[float] = []
    image_issues(workspace, sample, state, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert is_known(workspace, sample, state)
    boot = int(np.flatnonzero(sample.labels == sample.classes.index("Ankle boot"))[0])
    edit = NewEdit(str(sample.item_ids[boot]), EditKind.LABEL, "Trouser")
    LabelJournal(workspace).append(sample, [edit])
    assert not is_known(workspace, sample, labels_at(workspace, sample))
    assert boot in issues(workspace, sample)["outlier"].positions


def test_a_threshold_lies_outside_the_middle_half_but_within_its_bounds() -> None:
    values = np.r_[np.linspace(100, 140, 401), 5.0, np.nan]
    assert Rule("a", "A", "", "").threshold(values) == pytest.approx(110 - 3 * 20, abs=0.3)
    assert Rule("a", "A", "", "", upper=True).threshold(values) == pytest.approx(130 + 3 * 20, abs=0.3)
    assert Rule("a", "A", "", "", bounds=(90, 200)).threshold(values) == 90
    assert Rule("a", "A", "", "", bounds=(0, 40)).threshold(values) == 40
    assert Rule("a", "A", "", "", least_spread=30).threshold(values) == pytest.approx(20, abs=0.3)
    logarithmic = Rule("a", "A", "", "", log=True).threshold(values)
    assert logarithmic == pytest.approx(110 * (110 / 130) ** 3, rel=0.01)


def test_nothing_is_odd_where_there_is_nothing() -> None:
    for rule in RULES:
        assert not np.isnan(rule.threshold(np.full(3, np.nan)))


def test_sizes_and_shapes_of_files(workspace: Workspace, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sizes = {f"{k:02d}": (100 + k, 80) for k in range(30)}
    sizes |= {"small": (30, 24), "large": (400, 330), "wide": (400, 40)}
    for name, (width, height) in sizes.items():
        (tmp_path / "set" / "a").mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (height, width, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "set" / "a" / f"{name}.png")
    dataset = import_source(workspace, tmp_path / "set", "sizes", ImportOptions()).dataset
    found = issues(workspace, dataset)

    def names(kind: str) -> list[str]:
        return [Path(str(dataset.item_ids[k])).stem for k in found[kind].positions]

    assert names("small") == ["small"]
    assert names("large") == ["large"]
    assert names("odd-shape") == ["wide"]


def test_a_file_that_cannot_be_decoded_is_listed_as_that(workspace: Workspace, tmp_path: Path) -> None:
    found = issues(workspace, photographs(tmp_path))
    assert found["unreadable"].positions.tolist() == [DAMAGED]
    assert all(DAMAGED not in found[kind].positions for kind in ("blank", "dark", "bright", "outlier"))


REAL = os.environ.get("TIDYSET_REAL_DATA")


@pytest.mark.skipif(REAL is None, reason="needs the real sets: name their folder in TIDYSET_REAL_DATA")
def test_few_real_photographs_are_odd(workspace: Workspace) -> None:
    assert REAL is not None
    source = Path(REAL) / "aimonk_multilabel" / "aimonk_972_short192_q80.zip"
    dataset = import_source(workspace, source, "shop", ImportOptions(skip_bad=True)).dataset
    found = issues(workspace, dataset)
    assert all(len(issue) < 0.05 * len(dataset) for issue in found.values())
    assert 0 < len(found["odd-shape"]) < 10
