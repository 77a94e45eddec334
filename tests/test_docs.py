"""The manual is whole: every page is in its index, every link and picture is there, pictures are small."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.comparison import KEPT, PAGE
from benchmarks.comparison import page as comparison

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")]
PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 4_000_000
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|(?:src|srcset|href)=\"([^\"#]+)\"")


def named(page: Path) -> list[str]:
    """The files that a page links to or shows."""
    found = ["".join(pair) for pair in LINK.findall(page.read_text())]
    return [link for link in found if not link.startswith(("http:", "https:"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    assert not [link for link in named(page) if not (page.parent / link).exists()]


def test_the_index_has_every_page() -> None:
    index = {(ROOT / "docs" / link).resolve() for link in named(ROOT / "docs" / "README.md")}
    assert not {page for page in PAGES if page.parent.name == "docs" and page.name != "README.md"} - index


def test_each_page_has_a_picture_in_light_and_dark_and_all_are_small() -> None:
    kept = {path.name for path in PICTURES.iterdir()}
    shown = {Path(link).name for page in PAGES for link in named(page) if link.endswith(".webp")}
    assert kept == shown, "a picture that no page shows, or that is not there: docs/pictures.py"
    assert {name.replace("-light.", "-dark.") for name in kept} == {n for n in kept if "-dark." in n}
    assert sum((PICTURES / name).stat().st_size for name in kept) < MOST_BYTES


def test_the_comparison_says_what_was_measured() -> None:
    assert PAGE.read_text() == comparison(json.loads(KEPT.read_text())), "benchmarks/comparison.py --written"
