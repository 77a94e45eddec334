"""Data of one's own, brought in through the browser: refused files are mended, then opened and seen."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.workspace import Workspace
from tests.browser.conftest import Server, settled

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
PATIENCE = 120_000  # milliseconds
CLASSES = {"boots": 9, "shirts": 6, "trousers": 1}
"""The folders, and the class of the shipped sample whose images they hold."""
EACH = 12


def class_folders(root: Path, sample: Dataset) -> Path:
    """A folder for each class, with real images."""
    for name, kind in CLASSES.items():
        folder = root / name
        folder.mkdir(parents=True)
        for number, position in enumerate(np.flatnonzero(np.asarray(sample.labels) == kind)[:EACH]):
            pixels = np.asarray(sample.images.read(int(position)))[:, :, 0]
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def zipped(folder: Path, to: Path) -> Path:
    with zipfile.ZipFile(to, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
    return to


def upload(dialog: Locator, file: Path) -> None:
    """Give the dialog this file only, as choosing one from the browser's own window does."""
    before = dialog.get_by_test_id("stFileChipDeleteBtn")
    while before.count():
        before.first.locator("button").or_(before.first).first.click()
        settled(dialog.page)
    dialog.locator("input[type=file]").set_input_files(file)
    settled(dialog.page)


def cell(dialog: Locator, words: str) -> Locator:
    """A cell of the table of problems: drawn on a canvas, inside which its words stand for screen readers."""
    return dialog.locator("canvas [role=gridcell]").filter(has_text=words).first


def test_a_zip_of_class_folders_is_refused_mended_imported_and_seen(
    page: Page, server: Server, sample: Dataset, tmp_path: Path
) -> None:
    expect.set_options(timeout=PATIENCE)
    folders = class_folders(tmp_path / "wardrobe", sample)
    good = zipped(folders, tmp_path / "my wardrobe.zip")
    (folders / "shirts" / "3.png").write_bytes(b"\x89PNG, but no picture")
    bad = zipped(folders, tmp_path / "broken.zip")
    letter = tmp_path / "letter.csv"
    letter.write_text("Dear Sir,\nplease find enclosed\n")

    page.goto(server.url)
    page.get_by_role("button", name="Import data").click()
    dialog = page.get_by_role("dialog", name="Import data")
    expect(dialog.get_by_text("Known formats:")).to_be_visible()

    # No data at all: said at once, with the file and the mend.
    upload(dialog, letter)
    expect(dialog.get_by_text("letter.csv is in no format that is known here.")).to_be_visible()
    expect(dialog.get_by_text("Give idx files, .pkl arrays")).to_be_visible()

    # Data with a fault: said by the worker, with file and mend; nothing is there; the dialog goes on.
    upload(dialog, bad)
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("broken")
    dialog.get_by_role("button", name="Import", exact=True).click()
    expect(dialog.get_by_text("1 problem found; nothing was imported.")).to_be_visible()
    for words in ("shirts/3.png", "Replace it, or leave it out."):  # the file, and the mend
        expect(cell(dialog, words)).to_be_attached()
    dialog.get_by_role("button", name="Choose something else").click()

    # The folder that was zipped: seen what it is before anything is imported.
    dialog.get_by_text("Path on this machine").click()
    path = dialog.get_by_label("File or folder")
    path.fill(str(folders))
    path.press("Enter")
    expect(dialog.get_by_text("3 classes")).to_be_visible()
    dialog.get_by_text("Upload", exact=True).first.click()

    upload(dialog, good)
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("my_wardrobe")
    dialog.get_by_role("button", name="Import", exact=True).click()
    expect(dialog.get_by_text(f"{EACH * len(CLASSES)} images are there: ")).to_be_visible()
    dialog.get_by_role("button", name="Open it").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("heading", level=1, name="my_wardrobe")).to_be_visible()
    page.get_by_role("link", name="Explore").click()
    for name in CLASSES:
        expect(page.get_by_text(f"{name} · {EACH} images")).to_be_visible()
    made = open_dataset(Workspace(server.workspace), "my_wardrobe")
    assert made.classes == tuple(CLASSES)
    assert len(made) == EACH * len(CLASSES)


def test_a_zip_with_a_folder_around_it_is_shown_asked_about_and_imported(
    page: Page, server: Server, sample: Dataset, tmp_path: Path
) -> None:
    expect.set_options(timeout=PATIENCE)
    root = tmp_path / "set"
    rows = ["image,garment,season"]
    for split, first in (("train", 0), ("val", 6)):
        for name, kind in CLASSES.items():
            for position in np.flatnonzero(np.asarray(sample.labels) == kind)[first : first + 4]:
                file = root / "wardrobe" / split / "images" / f"{name}-{position}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.asarray(sample.images.read(int(position)))[:, :, 0]).save(file)
                relative = file.relative_to(root / "wardrobe")
                rows.append(f"{relative},{name},{'winter' if position % 2 else 'summer'}")
    (root / "wardrobe" / "about.csv").write_text("\n".join(rows))
    (root / "README.txt").write_text("about these pictures")
    packed = tmp_path / "wrapped.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(path for path in root.rglob("*") if path.is_file()):
            archive.write(file, file.relative_to(root))

    page.goto(server.url)
    page.get_by_role("button", name="Import data").click()
    dialog = page.get_by_role("dialog", name="Import data")
    upload(dialog, packed)
    question = "Which column of wardrobe/about.csv is the label?"
    expect(dialog.get_by_text(question)).to_be_visible()
    expect(dialog.get_by_role("button", name="Import", exact=True)).to_be_disabled()
    dialog.get_by_text("garment: boots, shirts, trousers").click()
    settled(page)
    expect(dialog.get_by_text(question)).to_have_count(0)
    expect(
        dialog.get_by_text("24 images, images with a table of labels: one label per image, 3 classes.")
    ).to_be_visible()
    for name in CLASSES:
        expect(cell(dialog, name)).to_be_attached()
    title = dialog.get_by_label("Name", exact=True)
    title.fill("Wardrobe of 2024")
    title.press("Enter")
    settled(page)
    dialog.get_by_role("button", name="Import", exact=True).click()
    expect(dialog.get_by_text("24 images are there: 12 train, 12 val.")).to_be_visible()
    made = open_dataset(Workspace(server.workspace), "wardrobe-of-2024")
    assert (made.title, made.classes) == ("Wardrobe of 2024", tuple(CLASSES))
    assert [len(made.in_split(split)) for split in ("train", "val")] == [12, 12]
