from __future__ import annotations

import pytest

from dashboard.run_figures import Figure, figure_of, right_share

SEVERAL = {"task": "multi-label", "test_accuracy": 0.938, "test_exact_match": 0.44, "valid_exact_match": 0.41}


def test_one_label_an_image_is_named_by_accuracy() -> None:
    figure = figure_of({"test_accuracy": 0.9123})
    assert figure == Figure("accuracy", 0.9123)
    assert (figure.text, figure.change_from(0.9)) == ("91.2 %", "+1.2 pt")
    assert right_share({"test_accuracy": 0.9123}, "test") == 0.9123


def test_the_share_of_right_labels_does_not_pass_for_how_good_a_run_with_several_is() -> None:
    figure = figure_of({**SEVERAL, "test_macro_auc": 0.61})
    assert figure == Figure("mean AUC", 0.61)
    assert (figure.text, figure.change_from(0.6)) == ("0.610", "+0.010")
    assert figure_of({**SEVERAL, "test_macro_auc": None, "test_macro_f1": 0.2}) == Figure("macro F1", 0.2)
    assert figure_of(SEVERAL) is None
    assert [right_share(SEVERAL, part) for part in ("valid", "test")] == [0.41, 0.44]


@pytest.mark.parametrize("summary", [{}, {"task": "multi-label"}, {"n_items": 4}])
def test_without_test_images_there_is_none(summary: dict[str, object]) -> None:
    assert figure_of(summary) is None
    assert right_share(summary, "test") is None
