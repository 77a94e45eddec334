"""A bar over what a page waits for: after a second it tells the time left, and at the end it goes away."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from dashboard import cached


def test_the_time_left_is_told_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    place, clock = Mock(), iter([100.0, 100.5, 110.0])
    monkeypatch.setattr(cached.st, "empty", lambda: place)
    monkeypatch.setattr(cached.time, "monotonic", lambda: next(clock))
    with cached.progress("Reading") as on_share:
        on_share(0.05)
        on_share(0.25)
        place.empty.assert_not_called()
    texts = [call.args[1] for call in place.progress.call_args_list]
    assert texts == ["Reading", "Reading, 30 s left"]
    place.empty.assert_called_once()
