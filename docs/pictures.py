"""The pictures of README and of these pages: every page over a prepared workspace, light and dark.

``uv run python docs/pictures.py [--only NAME ...] [--workspace FOLDER] [--pause 3] [--prepare]``

The workspace is made with the command line, on the sample that ships: two runs, edits, a search for label
errors, a map, a proof; then Chromium visits each page. FOLDER keeps it, so that pictures can be taken again
in a minute; what is there already is not made again. They are WebP, docs/pictures/NAME-light.webp and -dark.
In a page ``<!-- picture NAME: what it shows -->`` and ``<!-- /picture -->`` mark the place of one; what
stands between them is written here.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Error, Page, sync_playwright

from core.errors import NotFound
from core.files import write_json
from core.quality import active_compare
from core.runs.store import find_run, list_runs
from core.workspace import Workspace
from docs import picture_data as data
from docs.picture_data import NOISY, SAMPLE, SEVERAL
from tests.browser.conftest import ARGUMENTS, CHROMIUM, Server, settled

HERE = Path(__file__).resolve().parent / "pictures"
FEW, FULL = "few", "fashion-mnist"
SMALL = ("--recipe", "fast", "--set", "width=16", "--set", "epochs=3")  # some seconds each
PAGES = (HERE.parents[1] / "README.md", *HERE.parent.glob("*.md"))
PLACE = re.compile(
    r"<!-- picture (?P<name>[a-z-]+): (?P<alt>[^\n]*) -->\n(?:<picture>.*?</picture>\n)?<!-- /picture -->",
    re.DOTALL,
)
WIDTH, HEIGHT = 1280, 860
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
QUALITY = 78
PATIENCE = 120_000
WHO = "ann"
"""Whose name pages show, whoever takes the pictures."""


@dataclass(frozen=True)
class Picture:
    """What to photograph.

    Attributes:
        name: Of the file.
        address: Page and query.
        text: Something that is on the page once it is complete.
        needs: The parts of the workspace that it shows.
        before: What to do before the picture is taken.
    """

    name: str
    address: str
    text: str
    needs: tuple[str, ...] = ()
    before: Callable[[Page], None] | None = None


def to_the(heading: str) -> Callable[[Page], None]:
    """Scroll until a heading stands at the top."""

    def scroll(page: Page) -> None:
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(1_500)  # what is below takes its room
        page.get_by_role("heading", name=heading).first.evaluate(
            "node => node.scrollIntoView({block: 'start'})"
        )

    return scroll


def to_the_verdict(page: Page) -> None:
    """Scroll until the choice of a proof stands at the top, and its verdict below it."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1_500)  # as above
    page.locator(".st-key-proof").evaluate("node => node.scrollIntoView({block: 'start'})")


def tour_on(page: Page) -> None:
    """Begin the tour."""
    page.get_by_role("button", name="Tour", exact=True).click()
    page.locator(".st-key-tour").wait_for()


def an_example(page: Page) -> None:
    """Let Clean begin with the steps that it offers."""
    page.get_by_role("button", name="Begin with an example").click()
    page.get_by_text("As they are").first.wait_for()


def where_it_is_done(page: Page) -> None:
    """Open the choice of where the trials of a search are done."""
    page.get_by_test_id("stMain").get_by_role("button", name="This machine").first.click()
    page.get_by_text("Side by side").first.wait_for()


PICTURES = (
    Picture("home", "/", "Last runs", ("first",)),
    Picture("explore", "/explore", "will be the hardest to tell apart"),
    Picture("clean", "/clean", "Begin with an example", (), an_example),
    Picture("train", "/train", "Runs", ("first",)),
    Picture("evaluate", "/evaluate?run=first", "Confusion matrix", ("first",), to_the("Confusion matrix")),
    Picture("compare", "/evaluate?run=second&compare=first", "McNemar", ("first", "second")),
    Picture("embeddings", "/embeddings", "trustworth", ("first", "map")),
    Picture("zero-shot", "/zero_shot", "Confusion matrix", ("clip",)),
    Picture("issues", "/issues", "Likely wrong", ("search",)),
    Picture(
        "relabel", "/relabel?queue=Model disagrees&queue_run=first&queue_split=val", "Refresh", ("first",)
    ),
    Picture(
        "label-next",
        f"/label_next?data={FEW}",
        "Best on average",
        ("few", "strategies"),
        to_the("Label next"),
    ),
    Picture("fill", f"/fill?data={SEVERAL}", "can be filled", ("filling",), to_the("What can be filled")),
    Picture("captions", f"/explore?data={SEVERAL}", "In most captions", ("several",), to_the("Captions")),
    Picture("agreement", "/agreement", "Agreement", ("edits",)),
    Picture("team", "/team", "What each has done", ("edits", "team")),
    Picture("history", "/history", "History", ("edits",)),
    Picture("prove", f"/prove?data={NOISY}", "Change of accuracy", ("wrong", "proof"), to_the_verdict),
    Picture("clusters", "/train?mode=Search", "Trials", ("first",), where_it_is_done),
    Picture("large-map", f"/embeddings?data={FULL}", "trustworth", ("first", "large-map")),
    Picture("tour", "/", "Last runs", ("first",), tour_on),
)


def tidyset(workspace: Workspace, *arguments: str) -> None:
    """One command of the command line in the workspace."""
    environment = {**os.environ, "TIDYSET_WORKSPACE": str(workspace.root)}
    print("tidyset", *arguments, file=sys.stderr, flush=True)
    command = [str(Path(sys.executable).with_name("tidyset")), *arguments, "--json"]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def made(workspace: Workspace, name: str) -> bool:
    """Whether there is a run of this name; a comparison of strategies goes by a name of its own."""
    if name == "strategies":
        return bool(list_runs(workspace, kind=active_compare.KIND))
    try:
        find_run(workspace, name)
    except NotFound:
        return False
    return True


def prepare(workspace: Workspace, needs: set[str]) -> None:
    """What the pages show. Each part is made once."""
    if {"few", "strategies"} & needs and not (workspace.datasets / FEW).exists():
        tidyset(workspace, "data", "hide", SAMPLE, "--name", FEW, "--labels", "1000")
    if {"several", "filling"} & needs and not (workspace.datasets / SEVERAL).exists():
        data.several_labels(workspace)
    if "wrong" in needs and not (workspace.datasets / NOISY).exists():
        data.wrong_labels(workspace)
    for name, command in _parts(workspace, needs).items():
        if name == "second" and {"second", "edits"} & needs:
            data.correct(workspace)
            if "team" in needs:
                data.share_out(workspace)
        if name == "proof" and "proof" in needs:
            data.put_right(workspace)
        if name in needs and not made(workspace, name):
            tidyset(workspace, *command)


def _parts(workspace: Workspace, needs: set[str]) -> dict[str, tuple[str, ...]]:
    """The command that makes each part, in the order in which they are made."""
    train = ("train", *SMALL, "--data")
    clip = [str(path) for path in data.small_clip(workspace)] if "clip" in needs else ["", ""]
    asked = ("--strategies", "random,margin,badge,typical", "--seeds", "5", "--set", "epochs=12")
    return {
        "first": (*train, SAMPLE, "--name", "first"),
        "search": ("issues", "--data", SAMPLE, "--folds", "2", *SMALL, "--name", "search"),
        "map": ("embed", "--data", SAMPLE, "--run", "first", "--name", "map"),
        "large-map": ("embed", "--data", FULL, "--run", "first", "--name", "large-map"),
        "second": (*train, SAMPLE, "--name", "second"),
        "wrong": (*train, NOISY, "--name", "wrong"),
        "proof": ("prove", "wrong", "--seeds", "5", "--name", "proof"),
        "few": (*train, FEW, "--name", "few"),
        "strategies": ("active", "compare", "--data", FEW, *SMALL, *asked),
        "filling": ("fill", "--data", SEVERAL, *SMALL, "--dry-run", "--name", "filling"),
        "clip": (
            *("zero-shot", "--data", SAMPLE, "--model", "sample-words", "--name", "clip"),
            *("--checkpoint", clip[0], "--config", clip[1]),
        ),
    }


def photograph(
    page: Page, url: str, picture: Picture, scheme: Literal["light", "dark"], pause: float
) -> bytes:
    """The page as PNG."""
    page.emulate_media(color_scheme=scheme)
    page.goto(url + picture.address)
    page.get_by_text(picture.text).first.wait_for(state="attached")
    settled(page)
    if picture.before is not None:
        picture.before(page)
        settled(page)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1_000 * pause)
    return page.screenshot()


def keep(png: bytes, path: Path) -> int:
    """Write it as WebP; returns its size in bytes."""
    Image.open(io.BytesIO(png)).convert("RGB").save(path, "WEBP", quality=QUALITY, method=6)
    return path.stat().st_size


def shown(page: Path) -> str:
    """The text of a page with each picture that is there at its place, and nothing where it is not."""

    def element(place: re.Match[str]) -> str:
        name, alt = place["name"], place["alt"]
        begin = f"<!-- picture {name}: {alt} -->\n"
        if not all((HERE / f"{name}-{scheme}.webp").exists() for scheme in SCHEMES):
            return f"{begin}<!-- /picture -->"
        folder = HERE.relative_to(page.parent).as_posix()
        dark = f'<source media="(prefers-color-scheme: dark)" srcset="{folder}/{name}-dark.webp">'
        light = f'<img alt="{alt}" src="{folder}/{name}-light.webp">'
        return f"{begin}<picture>\n  {dark}\n  {light}\n</picture>\n<!-- /picture -->"

    return PLACE.sub(element, page.read_text())


def main() -> None:
    """Prepare, then photograph."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[one.name for one in PICTURES])
    parser.add_argument("--workspace", type=Path, help="kept, so that it is prepared once")
    parser.add_argument(
        "--pause", type=float, default=3, help="seconds for charts and thumbnails to be drawn"
    )
    parser.add_argument("--prepare", action="store_true", help="prepare the workspace and take no picture")
    wanted = parser.parse_args()
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = (wanted.workspace or Path(folder) / "workspace").resolve()
        root.mkdir(parents=True, exist_ok=True)
        wanted_ones = [one for one in PICTURES if not wanted.only or one.name in wanted.only]
        prepare(Workspace(root), {part for one in wanted_ones for part in one.needs})
        not_taken = [] if wanted.prepare else take(root, wanted_ones, wanted.pause)
    for page in PAGES:
        page.write_text(shown(page))
    if not_taken:
        sys.exit("\n".join(["These could not be taken and are as they were:", *not_taken]))


def take(root: Path, pictures: Sequence[Picture], pause: float) -> list[str]:
    """Photograph pages of a workspace; says which could not be, and why."""
    os.environ["TIDYSET_USER"] = WHO
    not_taken = []
    server = Server(root)
    server.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.set_default_timeout(PATIENCE)
            page.set_default_navigation_timeout(PATIENCE)
            for picture in pictures:
                for scheme in SCHEMES:
                    write_json(root / "tour.json", {"state": "left", "seen": ["Look", "Find"]})
                    if "team" in picture.needs:
                        data.be_here(Workspace(root))
                    try:
                        png = photograph(page, server.url, picture, scheme, pause)
                    except Error as error:
                        not_taken.append(f"{picture.name}-{scheme}: {error.message}")
                        continue
                    size = keep(png, HERE / f"{picture.name}-{scheme}.webp")
                    print(f"{picture.name}-{scheme}.webp: {size / 1000:.0f} kB", flush=True)
    finally:
        server.kill()
    return not_taken


if __name__ == "__main__":
    main()
