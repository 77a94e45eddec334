"""The map on the Python side: outlines against an independent rule, values and what the browser fetches."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.data.dataset import Dataset
from core.errors import NotFound
from dashboard import embedding_map, links
from dashboard.charts import embeddings as charts
from dashboard.embedding_map import NONE, Cloud
from dashboard.embedding_map.outline import drawn_on_chart, outline_of, points_inside
from dashboard.embedding_map.published import Shelf, publish
from dashboard.embedding_map.standalone import page_of
from dashboard.routes import ROUTES

SQUARE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]


def sent(**changes: Any) -> dict[str, Any]:
    return {"outline": SQUARE, "hidden": [], "colour": "label", "points": "here", **changes}


def test_points_inside_agree_with_the_winding_of_a_star() -> None:
    """Inside a star-shaped outline a point is nearer to the middle than the outline in its direction."""
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    reach = 0.6 + 0.25 * np.cos(5 * angles)
    corners = reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    xy = np.random.default_rng(0).uniform(-1, 1, (20_000, 2)).astype(np.float32)
    distance, direction = np.hypot(*xy.T), np.arctan2(xy[:, 1], xy[:, 0])
    edge = 0.6 + 0.25 * np.cos(5 * direction)
    clear = np.abs(distance - edge) > 0.002  # the outline has straight edges between its corners
    assert (points_inside(xy, corners)[clear] == (distance < edge)[clear]).all()


def test_what_an_outline_encloses_twice_is_selected_as_the_canvas_paints_it() -> None:
    angle, radius = np.linspace(0, 4 * np.pi, 120, endpoint=False), np.linspace(1, 0.9, 120)
    twice = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    back = np.concatenate([twice[:60], twice[:60][::-1]])  # and undone by going back the same way
    xy = np.array([[0, 0], [0.5, 0.5], [0.95, 0.5]], np.float32)
    assert points_inside(xy, twice).tolist() == [True, True, False]
    assert points_inside(xy, twice[::-1]).tolist() == [True, True, False]
    assert not points_inside(xy, back).any()


def test_the_middle_of_an_outline_that_crosses_itself_is_as_it_is_painted() -> None:
    """The map's canvas paints the middle, plotly does not."""
    angles = np.deg2rad(90 + 144 * np.arange(5))
    pentagram = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    xy = np.array([[0, 0], [0, 0.7], [0, 1.1]], np.float32)
    assert points_inside(xy, pentagram).tolist() == [True, True, False]
    lasso = {"x": pentagram[:, 0].tolist(), "y": pentagram[:, 1].tolist()}
    assert drawn_on_chart({"lasso": [lasso]}, xy).tolist() == [False, True, False]


def test_hidden_values_are_not_selected() -> None:
    outline = outline_of(sent(hidden=[2, NONE]), "here")
    assert outline is not None
    xy = np.full((4, 2), 0.5, np.float32)
    values = np.array([1, 2, NONE, 3], np.uint16)
    assert outline.marks(xy, {"label": values}).tolist() == [True, False, False, True]
    assert outline.marks(xy, {"other": values}).all()


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "outline",
        sent(points="an older map"),
        sent(outline=SQUARE[:2]),
        sent(outline=[[0, 0], [1, 0], [float("nan"), 1]]),
        sent(outline=[[0, 0], [1, 0], ["1", "1"]]),
        sent(outline=[[0, 0, 0]] * 4),
        sent(outline=[[0, 0]] * 20_001),
        sent(hidden=None),
    ],
)
def test_what_is_no_outline_of_this_map_selects_nothing(wrong: Any) -> None:
    assert outline_of(wrong, "here") is None


def test_values_keep_classes_and_scores_and_tell_what_is_missing() -> None:
    label = embedding_map.classes("Label", np.array([0, 300, -1]), [f"c{k}" for k in range(301)])
    assert label.values.tolist() == [0, 300, NONE]
    score = embedding_map.score("Issue", np.array([0.2, np.nan, 0.6, 0.4]))
    assert score.values.tolist() == [0, NONE, 1000, 500]
    assert embedding_map.score("Confidence", np.array([0.25]), unit=True).values.tolist() == [250]
    assert embedding_map.score("Flat", np.array([3.0, 3.0])).values.tolist() == [0, 0]
    assert embedding_map.score("None", np.array([np.nan])).values.tolist() == [NONE]


def test_the_browser_gets_the_bytes_once_and_for_ever() -> None:
    xy = np.array([[0.5, -0.25], [1, 0]], ">f4")
    with TestClient(Starlette(routes=ROUTES)) as client:
        answer = client.get(f"/{publish(xy)}")
        assert np.frombuffer(answer.content, "<f4").tolist() == [0.5, -0.25, 1, 0]
        assert "immutable" in answer.headers["cache-control"]
        missing = client.get(f"/{links.points('0' * 32)}")
    assert missing.status_code == 404
    assert missing.headers["cache-control"] == "no-store"
    assert publish(xy) == publish(xy.copy()) != publish(-xy)


def test_the_oldest_arrays_go_first_and_those_in_use_stay() -> None:
    shelf = Shelf(3_000)
    names = [shelf.put(np.full(1_000, k, np.uint8)) for k in range(3)]
    assert shelf.put(np.zeros(1_000, np.uint8)) == names[0]
    shelf.put(np.full(1_000, 9, np.uint8))
    assert len(shelf.get(names[0])) == 1_000
    with pytest.raises(NotFound, match="no longer kept"):
        shelf.get(names[1])


def test_what_is_asked_of_the_browser_names_only_addresses(sample: Dataset) -> None:
    label = embedding_map.classes("Label", np.zeros(3), ["a"])
    cloud = Cloud(
        np.zeros((3, 2), np.float32), np.array([5, 6, 7]), {"label": label}, "label", ("label", "no")
    )
    spec = embedding_map.spec_of(sample, cloud)
    assert spec["tip"] == ["label"]
    assert spec["marks"] is None
    assert len(str(spec)) < 1_500
    assert spec["thumbnails"]["sheets"] == links.sheets(sample)


def test_a_page_of_its_own_brings_points_names_and_pictures_along(sample: Dataset) -> None:
    label = embedding_map.classes("Label", np.array([0, 1]), ["a", "</script><b>"])
    xy = np.array([[0.5, -0.25], [1, 0]], np.float32)
    lines = np.zeros((1, 2, 2), np.float32)
    cloud = Cloud(xy, np.array([5, 6]), {"label": label}, "label", contours=lines, title="<i>Two</i>")
    page = page_of(sample, cloud, "What it & shows", ["<one>"])
    found = re.search(r'id="spec">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    spec = json.loads(found[1])
    _, points = spec["points"].split("base64,")
    assert np.frombuffer(base64.b64decode(points), "<f4").tolist() == [0.5, -0.25, 1, 0]
    assert spec["contours"].startswith("data:")
    assert spec["attributes"]["label"]["names"][1] == "</script><b>"
    assert len(spec["thumbnails"]["sheets"]) == 6
    assert links.ROOT + "/" not in page
    assert "<title>&lt;i&gt;Two&lt;/i&gt;</title>" in page
    assert "What it &amp; shows" in page
    assert "<li>&lt;one&gt;</li>" in page
    assert "http" not in page.replace("http://www.w3.org/", "")


def test_without_webgl_a_chart_shows_ten_thousand_points_that_can_be_told_apart() -> None:
    n = 30_000
    xy = np.random.default_rng(0).random((n, 2)).astype(np.float32)
    label = embedding_map.classes("Label", np.arange(n) % 4 - 1, ["a", "b", "c"])
    lit = np.arange(n) < 100
    drawn = charts.scatter(xy, label, lit)
    rows = np.concatenate([trace.customdata for trace in drawn.data])
    assert len(rows) == len(set(rows.tolist())) == charts.MOST_POINTS
    assert [trace.name for trace in drawn.data] == ["a", "b", "c", "unknown"]
    for trace in drawn.data:
        own = np.asarray(trace.customdata)
        assert np.array_equal(np.asarray(trace.x), xy[own, 0])
        assert ((np.asarray(trace.marker.opacity) > 0.5) == lit[own]).all()
    assert {one.text for one in drawn.layout.annotations} == {"a", "b", "c"}
    heights = sorted(one.y for one in drawn.layout.annotations)
    assert min(np.diff(heights)) * charts.HEIGHT >= 0.99 * charts.LINE  # all three are in the middle
    assert not drawn.layout.showlegend
    score = charts.scatter(xy[:50], embedding_map.score("Confidence", np.r_[np.nan, np.ones(49)]), None)
    assert [len(trace.x) for trace in score.data] == [49, 1]


def test_a_lasso_or_a_box_on_the_chart_takes_all_points_in_it() -> None:
    xy = np.random.default_rng(0).random((30_000, 2)).astype(np.float32)
    square = {"x": [0.2, 0.6, 0.6, 0.2], "y": [0.1, 0.1, 0.5, 0.5]}
    inside = ((xy > (0.2, 0.1)) & (xy < (0.6, 0.5))).all(axis=1)
    assert np.array_equal(drawn_on_chart({"lasso": [square], "box": []}, xy), inside)
    assert np.array_equal(drawn_on_chart({"box": [{"x": [0.6, 0.2], "y": [0.5, 0.1]}]}, xy), inside)
    assert not drawn_on_chart({}, xy).any()
