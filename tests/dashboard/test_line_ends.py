"""Lines that are named at their ends: names apart, each beside its line as far as it can be."""

from __future__ import annotations

import pytest

from dashboard.charts import crossval, training
from dashboard.charts.line_ends import apart, name_lines
from dashboard.charts.template import PALETTE, figure


@pytest.mark.parametrize(
    ("heights", "moved"),
    [
        ([0.0, 5.0], [0.0, 5.0]),
        ([1.0, 0.0], [1.5, -0.5]),
        ([3.0, 3.0, 3.0], [1.0, 3.0, 5.0]),
        ([0.0, 3.0, 3.5], [0.0, 2.25, 4.25]),
        ([0.0, 1.5, 2.0, 9.0], [-5 / 6, 7 / 6, 19 / 6, 9.0]),
        ([], []),
    ],
)
def test_names_move_as_little_as_it_takes(heights: list[float], moved: list[float]) -> None:
    assert apart(heights, 2.0) == pytest.approx(moved)


def named(option: dict) -> list[str]:
    return [line["endLabel"]["formatter"].split("} ")[1] for line in option["series"] if "endLabel" in line]


def run(n: int = 3) -> dict[str, list[tuple[float, float]]]:
    fields = [field for part in training.METRICS.values() for field in part]
    return {field: [(epoch, 1 / (1 + epoch)) for epoch in range(n)] for field in fields}


def test_one_run_has_its_parts_named_and_several_their_names_once() -> None:
    assert named(training.spec("loss", [("r1", run())], {"r1": PALETTE[0]}, 3)) == ["train", "validation"]
    assert named(training.spec("learning_rate", [("r1", run())], {"r1": PALETTE[0]}, 3)) == []
    two = [("r1", run()), ("r2", run() | {"valid_loss": []})]
    colours = training.run_colours(["r1", "r2"])
    assert named(training.spec("loss", two, colours, 3)) == ["r1", "r2"]
    assert named(training.spec("images_per_second", two, colours, 3)) == ["r1", "r2"]
    many = [(f"r{k}", run()) for k in range(training.MOST_NAMED + 1)]
    assert named(training.spec("loss", many, training.run_colours([name for name, _ in many]), 3)) == []


def test_the_mean_of_folds_is_named_and_has_no_legend() -> None:
    curves = {"train_loss": [[1.0, 0.5], [0.9, 0.4]], "valid_loss": [[1.1, 0.6], [1.0, 0.5]]}
    option = crossval.spec(curves, "loss")
    assert named(option) == ["Training", "Held-out fold"]
    assert "legend" not in option


def test_a_figure_names_its_lines_and_has_no_legend() -> None:
    fig = figure(height=300)
    for name, height in (("margin", 0.5), ("random", 0.5)):
        fig.add_scatter(x=[1, 2], y=[0.1, height], name=name, error_y={"array": [0.1, 0.1]})
    name_lines(fig, {"margin": (2, 0.5), "random": (2, 0.5)}, {"margin": PALETTE[0], "random": PALETTE[1]})
    assert [one.text for one in fig.layout.annotations] == ["●", "margin", "●", "random"]
    assert fig.layout.annotations[1].y < fig.layout.annotations[3].y
    assert fig.layout.showlegend is False
