"""A bar over what a page waits for: after a second it tells the time left, and at the end it goes away."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import Mock

import pytest

from core.errors import NotFound
from dashboard import progress

ROOT = Path(__file__).resolve().parents[2]
SPINNERS = {
    "dashboard/embeddings_search.py": 3,  # milliseconds with a million images; CLIP is loaded once
    "dashboard/evidence.py": 1,  # PyTorch is loaded once, then one image: below a second; LIME has a bar
    "dashboard/import_dialog.py": 1,  # how many files and rows there are is what is being found out
    "dashboard/picker.py": 1,  # a built-in data set is put into the workspace, once, in a second or two
    "dashboard/zero_shot_panels.py": 1,  # CLIP is loaded once, and nobody knows how long; it counts up
}
"""Where nothing can be told but that it goes on: everything else that takes long has a bar."""


def test_the_time_left_is_told_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    place, clock = Mock(), iter([100.0, 100.5, 110.0])
    monkeypatch.setattr(progress.st, "empty", lambda: place)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.progress("Reading") as on_share:
        on_share(0.05)
        on_share(0.25)
        place.empty.assert_not_called()
    texts = [call.args[1] for call in place.progress.call_args_list]
    assert texts == ["Reading", "Reading, 30 s left"]
    place.empty.assert_called_once()


def test_the_bar_goes_away_where_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Mock()
    monkeypatch.setattr(progress.st, "empty", lambda: place)
    with pytest.raises(NotFound), progress.progress("Copying"):
        raise NotFound("It is gone.", "Make it again.")
    place.empty.assert_called_once()


def test_a_bar_is_not_drawn_again_within_a_blink(monkeypatch: pytest.MonkeyPatch) -> None:
    place, clock = Mock(), iter([100.0, 100.5, 100.51, 100.7])
    monkeypatch.setattr(progress.st, "empty", lambda: place)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.progress("Drawing") as on_share:
        for share in (0.1, 0.2, 0.3):
            on_share(share)
    assert [call.args[0] for call in place.progress.call_args_list] == [0.1, 0.3]


def test_no_spinner_stands_for_work_whose_progress_could_be_told() -> None:
    pages = [*(ROOT / "dashboard").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]
    counted = {
        path.relative_to(ROOT).as_posix(): len(re.findall(r"st\.spinner\(|show_spinner=", path.read_text()))
        for path in pages
    }
    assert {path: n for path, n in counted.items() if n} == SPINNERS
