"""Explore: the findings, and filters that apply to the whole page."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.workspace import Workspace
from tests.tagged import tagged

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")


@pytest.fixture
def app(workspace: Workspace) -> AppTest:
    app = AppTest.from_file(HOME, default_timeout=60).run()
    return app.switch_page("../pages/explore.py").run()


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.caption])


def test_the_page_says_what_is_in_the_data(app: AppTest) -> None:
    assert not app.exception
    assert not app.error
    assert "6,000 images of 6,000" in texts(app)
    assert "All 10 classes have 600 images each" in texts(app)
    assert "Shirt and T\\-shirt/top will be the hardest to tell apart" in texts(app)
    assert "Slightly skewed to the right" in texts(app)
    headings = [heading.value for heading in app.subheader]
    assert headings == [
        "Findings",
        "Class balance",
        "Pixel intensities",
        "Brightness and contrast",
        "Mean and deviation of each class",
        "Examples",
    ]


def test_filters_apply_to_the_whole_page(app: AppTest) -> None:
    app.button_group(key="split").set_value(["test"]).run()
    app.multiselect(key="class").set_value(["Bag", "Sandal"]).run()
    assert not app.exception
    assert "200 images of 6,000" in texts(app)
    assert "Bag and Sandal have" not in texts(app)
    assert "Coat is the brightest class" not in texts(app)
    assert "Bag is the brightest class" in texts(app)


def test_a_filter_that_lets_nothing_through_says_so(app: AppTest) -> None:
    app.selectbox(key="label").set_value("edited").run()
    assert not app.exception
    assert "No image passes these filters" in app.info[0].value
    assert not app.subheader


@pytest.mark.parametrize("rows", ["By class"])
def test_the_histograms_can_be_shown_by_class(app: AppTest, rows: str) -> None:
    control = next(group for group in app.button_group if rows in group.options)
    control.set_value([rows]).run()
    assert not app.exception


def test_captions_are_told_of_where_there_are_any(workspace: Workspace, sample: Dataset) -> None:
    tagged(workspace, sample, 200, captions=True)
    app = AppTest.from_file(HOME, default_timeout=60)
    app.query_params["data"] = "tagged"
    app = app.run().switch_page("../pages/explore.py").run()
    assert not app.exception
    said = {card.label: card for card in app.metric}
    assert said["Without a word"].value == "20"
    words = next(table.value for table in app.table if "Words" in table.value)
    of_footwear = words.set_index("Label").loc["footwear", "Words"]
    assert "boot" in of_footwear
    assert " % / " in of_footwear
    assert "trouser" not in of_footwear
