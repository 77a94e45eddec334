"""Figures that must be readable whatever the data: scales with ticks, single points that are seen."""

from __future__ import annotations

import numpy as np

from dashboard.charts import explore, training


def test_a_background_makes_the_intensities_logarithmic_with_ticks_to_read() -> None:
    shares = np.array([0.6, *np.linspace(0.004, 0.03, 25)])
    axis = explore.pixel_intensities(shares / shares.sum()).layout.yaxis
    assert axis.type == "log"
    assert axis.title.text == "Share of pixels (log scale)"
    assert {"0.5 %", "1 %", "2 %", "5 %", "50 %"} <= set(axis.ticktext)
    wide = explore.pixel_intensities(np.array([0.99999, *[1e-6] * 10])).layout.yaxis
    assert "0.001 %" in wide.ticktext
    assert len(wide.ticktext) < 10


def test_where_no_intensity_dwarfs_the_rest_the_scale_is_linear() -> None:
    axis = explore.pixel_intensities(np.full(26, 1 / 26)).layout.yaxis
    assert axis.type != "log"
    assert axis.title.text == "Share of pixels"


def test_a_run_of_one_epoch_is_drawn_as_a_mark() -> None:
    for points in ([(1.0, 0.1)], [(1.0, 90.0), (1.0, 95.0)]):
        found = training.spec("images_per_second", [("r", {"images_per_second": points})], {"r": "red"}, 1)
        assert found["series"][0]["showSymbol"]
    long = [(n / 10, 1.0) for n in range(30)]
    found = training.spec("images_per_second", [("r", {"images_per_second": long})], {"r": "red"}, 3)
    assert not found["series"][0]["showSymbol"]
