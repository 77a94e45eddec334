"""The manual is whole: every page is in its index, every link and picture is there, pictures are small."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

from benchmarks.comparison import KEPT, PAGE
from benchmarks.comparison import page as comparison
from core.data.dataset import Dataset

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
assert spec is not None
assert spec.loader is not None
pictures = importlib.util.module_from_spec(spec)
sys.modules["pictures"] = pictures
spec.loader.exec_module(pictures)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")]
PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 4_000_000
NO_PICTURE = {
    "README.md": "an index",
    "architecture.md": "about the code",
    "comparison.md": "a table of figures",
    "database.md": "commands and addresses: no page shows which database it is, as long as it is there",
    "numbers.md": "a table of figures",
    "python.md": "names; the notebook beside it shows what they give",
    "importing.md": "commands and a table",
    "statistics.md": "formulas",
    "security.md": "promises, and the tests that keep them",
}
"""Pages of the manual without a picture, and why."""
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|(?:src|srcset|href)=\"([^\"#]+)\"")


def named(page: Path) -> list[str]:
    """The files that a page links to or shows."""
    found = ["".join(pair) for pair in LINK.findall(page.read_text())]
    return [link for link in found if not link.startswith(("http:", "https:"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    assert not [link for link in named(page) if not (page.parent / link).exists()]


def test_the_index_has_every_page() -> None:
    index = {(ROOT / "docs" / link).resolve() for link in named(ROOT / "docs" / "README.md")}
    assert not {page for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"} - index


def test_pictures_are_at_their_places_in_light_and_dark_and_all_are_small() -> None:
    assert not [page.name for page in pictures.PAGES if pictures.shown(page) != page.read_text()]
    kept = {path.name for path in PICTURES.iterdir()}
    placed = {found["name"] for page in pictures.PAGES for found in pictures.PLACE.finditer(page.read_text())}
    assert placed == {picture.name for picture in pictures.PICTURES}
    assert kept == {f"{name}-{scheme}.webp" for name in placed for scheme in pictures.SCHEMES}
    assert sum((PICTURES / name).stat().st_size for name in kept) < MOST_BYTES


def test_every_page_on_a_task_has_a_picture() -> None:
    without = {
        page.name for page in (ROOT / "docs").glob("*.md") if not pictures.PLACE.search(page.read_text())
    }
    assert without == set(NO_PICTURE)


def test_the_comparison_says_what_was_measured() -> None:
    assert PAGE.read_text() == comparison(json.loads(KEPT.read_text())), "benchmarks/comparison.py --written"


def test_the_images_that_readme_names_are_in_the_shipped_sample(sample: Dataset) -> None:
    named_ids = re.findall(
        r"--data fashion-mnist-sample --item (\S+) --label (.+)", (ROOT / "README.md").read_text()
    )
    assert named_ids
    for item_id, label in named_ids:
        (position,) = sample.positions([item_id])
        assert label in sample.classes
        assert sample.classes[int(sample.labels[position])] != label, "the edit mends something"
