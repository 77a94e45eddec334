"""The pictures of README and of these pages: every page over a prepared workspace, light and dark.

``uv run python docs/pictures.py [--only NAME ...] [--workspace FOLDER] [--prepare]``

The workspace is made with the command line, on the sample that ships: two runs, edits, a search for label
errors, a map, a proof; then Chromium visits each page. FOLDER keeps it, so that pictures can be taken again
in a minute; what is there already is not made again. They are WebP, docs/pictures/NAME-light.webp and -dark.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from core.data.catalog import open_dataset
from core.errors import NotFound
from core.files import write_json
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.runs.store import find_run
from core.workspace import Workspace
from tests.browser.conftest import ARGUMENTS, CHROMIUM, Server, settled

HERE = Path(__file__).resolve().parent / "pictures"
SAMPLE, FEW = "fashion-mnist-sample", "few"
WIDTH, HEIGHT = 1280, 860
QUALITY = 78
PATIENCE = 300_000


@dataclass(frozen=True)
class Picture:
    """What to photograph.

    Attributes:
        name: Of the file.
        address: Page and query.
        text: Something that is on the page once it is complete.
        before: What to do before the picture is taken.
    """

    name: str
    address: str
    text: str
    before: Callable[[Page], None] | None = None


def to_the(heading: str) -> Callable[[Page], None]:
    """Scroll until a heading stands at the top."""

    def scroll(page: Page) -> None:
        page.get_by_role("heading", name=heading).first.evaluate(
            "node => node.scrollIntoView({block: 'start'})"
        )

    return scroll


def tour_on(page: Page) -> None:
    """Begin the tour."""
    page.get_by_role("button", name="Tour", exact=True).click()
    page.locator(".st-key-tour").wait_for()


PICTURES = (
    Picture("home", "/", "Last runs"),
    Picture("explore", "/explore", "will be the hardest to tell apart"),
    Picture("clean", "/clean", "Clean"),
    Picture("train", "/train", "Runs"),
    Picture("evaluate", "/evaluate?run=second", "Confusion matrix", to_the("Confusion matrix")),
    Picture("compare", "/evaluate?run=second&compare=first", "McNemar"),
    Picture("embeddings", "/embeddings", "trustworth"),
    Picture("zero-shot", "/zero_shot", "Zero-shot"),
    Picture("issues", "/issues", "Likely wrong"),
    Picture("relabel", "/relabel?queue=Model disagrees&queue_run=second&queue_split=val", "Refresh"),
    Picture("label-next", f"/label_next?data={FEW}", "Label next"),
    Picture("fill", "/fill", "Fill in"),
    Picture("agreement", "/agreement", "Agreement"),
    Picture("history", "/history", "History"),
    Picture("prove", "/prove", "Prove"),
    Picture("tour", "/", "Last runs", tour_on),
)


def tidyset(workspace: Workspace, *arguments: str) -> None:
    """One command of the command line in the workspace."""
    environment = {**os.environ, "TIDYSET_WORKSPACE": str(workspace.root)}
    print("tidyset", *arguments, file=sys.stderr, flush=True)
    command = [str(Path(sys.executable).with_name("tidyset")), *arguments, "--json"]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def made(workspace: Workspace, name: str) -> bool:
    """Whether there is a run of this name."""
    try:
        find_run(workspace, name)
    except NotFound:
        return False
    return True


def prepare(workspace: Workspace) -> None:
    """What the pages show. Each part is made once."""
    parts = (
        ("first", ("train", "--data", SAMPLE, "--recipe", "fast", "--name", "first")),
        ("search", ("issues", "--data", SAMPLE, "--folds", "3", "--name", "search")),
        ("map", ("embed", "--data", SAMPLE, "--run", "first", "--name", "map")),
    )
    for name, command in parts:
        if not made(workspace, name):
            tidyset(workspace, *command)
    if not made(workspace, "second"):
        correct(workspace)
        tidyset(workspace, "train", "--data", SAMPLE, "--recipe", "fast", "--name", "second")
    if not made(workspace, "proof"):
        tidyset(workspace, "prove", "first", "--seeds", "2", "--set", "epochs=2", "--name", "proof")
    if not (workspace.datasets / FEW).exists():
        tidyset(workspace, "data", "hide", SAMPLE, "--name", FEW, "--labels", "250")
        tidyset(workspace, "train", "--data", FEW, "--recipe", "fast", "--name", "few")
    write_json(workspace.root / "tour.json", {"state": "left", "seen": ["Look", "Find"]})


def correct(workspace: Workspace) -> None:
    """Forty labels that Ann decided on, twelve of which Bob looked at too, without seeing her answer."""
    dataset = open_dataset(workspace, SAMPLE)
    rng = np.random.default_rng(0)
    chosen = rng.choice(dataset.in_split("train"), 40, replace=False).tolist()
    journal = LabelJournal(workspace)

    def edits(rows: list[int], kind: EditKind, who: str, shift: int) -> list[NewEdit]:
        return [
            NewEdit(
                str(dataset.item_ids[row]),
                kind,
                dataset.classes[(int(dataset.labels[row]) + (i % 3 == 0) * shift) % len(dataset.classes)],
                who=who,
            )
            for i, row in enumerate(rows)
        ]

    journal.append(dataset, edits(chosen, EditKind.LABEL, "ann", 2))
    journal.append(dataset, edits(chosen[:12], EditKind.LOOK, "bob", 4))


def photograph(browser: Browser, url: str, picture: Picture, scheme: str) -> bytes:
    """The page as PNG."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    try:
        page.goto(url + picture.address)
        page.get_by_text(picture.text).first.wait_for(state="attached")
        settled(page)
        if picture.before is not None:
            picture.before(page)
            settled(page)
        page.wait_for_timeout(2_500)  # charts and thumbnails fade in
        return page.screenshot()
    finally:
        context.close()


def keep(png: bytes, path: Path) -> int:
    """Write it as WebP; returns its size in bytes."""
    Image.open(io.BytesIO(png)).convert("RGB").save(path, "WEBP", quality=QUALITY, method=6)
    return path.stat().st_size


def main() -> None:
    """Prepare, then photograph."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[one.name for one in PICTURES])
    parser.add_argument("--workspace", type=Path, help="kept, so that it is prepared once")
    parser.add_argument("--prepare", action="store_true", help="prepare the workspace and take no picture")
    wanted = parser.parse_args()
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = (wanted.workspace or Path(folder) / "workspace").resolve()
        root.mkdir(parents=True, exist_ok=True)
        prepare(Workspace(root))
        if wanted.prepare:
            return
        server = Server(root)
        server.start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
                for picture in PICTURES:
                    if wanted.only and picture.name not in wanted.only:
                        continue
                    for scheme in ("light", "dark"):
                        write_json(root / "tour.json", {"state": "left", "seen": ["Look", "Find"]})
                        png = photograph(browser, server.url, picture, scheme)
                        size = keep(png, HERE / f"{picture.name}-{scheme}.webp")
                        print(f"{picture.name}-{scheme}.webp: {size / 1000:.0f} kB", flush=True)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
