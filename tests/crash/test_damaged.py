"""A workspace in which something is damaged: each page says what is wrong, or does without it, and goes on.

Each thing damaged in every way, on the pages that are about it; with ``TIDYSET_CRASH=full`` on every page.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core.data.catalog import open_dataset
from core.data.thumbnails import make_sheets
from core.database.engine import forget_engines
from core.embeddings.clip_models import ClipModel, remember
from core.files import write_json
from core.labels import outbox
from core.labels.journal import EditKind, NewEdit
from core.workspace import Workspace
from dashboard.memo import MEMORY
from tests.crash.pages import ALL, seen
from tests.crash.whole import CLOTHES, TAGGED, unpacked

FULL = os.environ.get("TIDYSET_CRASH") == "full"


def garbled(content: bytes) -> bytes:
    """A block in its middle is of something else, as after a lost write."""
    noise = np.random.default_rng(7).integers(0, 256, max(8, len(content) // 8), np.uint8).tobytes()
    at = len(content) // 3
    return content[:at] + noise + content[at + len(noise) :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda content: content[: len(content) // 2],
    "garbled": garbled,
    "empty": lambda content: b"",
    "other": lambda content: b"{}\n",
    "zeros": lambda content: bytes(len(content)),
}


@dataclass(frozen=True)
class Thing:
    """Something in the workspace.

    Attributes:
        files: A pattern below the workspace.
        pages: The pages that are about it.
        says: What one of those pages says of it, however it is damaged; "" where it does without.
        data: The data set to look at.
        but: A damage that cannot be told: a journal of no bytes is a new one.
    """

    name: str
    files: str
    pages: tuple[str, ...]
    says: str = ""
    data: str = CLOTHES
    but: str = ""


THINGS = [
    Thing(
        "events",
        "runs/*/events.jsonl",
        ("train", "evaluate", "overview"),
        r"of events\.jsonl of .* cannot be read|ended without a word",
    ),
    Thing("run.json", "runs/*/run.json", ("train", "embeddings"), r"run\.json"),
    Thing("recipe", "runs/*/recipe.toml", ("train", "evaluate")),
    Thing("predictions", "runs/*/predictions.parquet", ("evaluate", "relabel"), "predictions.parquet"),
    Thing("features", "runs/*/features.npy", ("evaluate", "label_next")),
    Thing("model", "runs/*/model.safetensors", ("evaluate", "embeddings")),
    Thing("metrics", "runs/*/metrics.json", ("evaluate", "train")),
    Thing("checkpoint", "runs/*/checkpoint.safetensors", ("train",)),
    Thing("evidence", "runs/*/evidence.npz", ("issues", "relabel")),
    Thing("issues", "runs/*/issues.npz", ("issues", "relabel"), r"issues\.npz"),
    Thing("positions of a map", "runs/*/positions.npy", ("embeddings",), r"positions\.npy"),
    Thing("points of a map", "runs/*/xy.npy", ("embeddings",), r"xy\.npy"),
    Thing("neighbours of a map", "runs/*/neighbours.npy", ("embeddings",), r"neighbours\.npy", but="zeros"),
    Thing("quality of a map", "runs/*/quality.json", ("embeddings",), r"quality\.json"),
    Thing("folds", "runs/*/crossval.json", ("train?mode=Cross-validate",), r"crossval\.json"),
    Thing("a trial", "runs/*/trials/*/trial.json", ("train?mode=Search",), r"trial\.json"),
    Thing("events of a trial", "runs/*/trials/*/events.jsonl", ("train?mode=Search",)),
    Thing("importances", "runs/*/importances.json", ("train?mode=Search",)),
    Thing("a study", "runs/*/study.log", ("train?mode=Search",)),
    Thing("a proof", "runs/*/proof.json", ("prove",), r"proof\.json"),
    Thing("edits of a proof", "runs/*/edits.npz", ("prove",)),
    Thing("earlier proofs", "proofs.jsonl", ("prove",), r"of proofs\.jsonl cannot be read", but="empty"),
    Thing("a comparison", "runs/*/active.json", ("label_next",)),
    Thing("thresholds", "runs/*/thresholds.json", ("evaluate",), r"thresholds\.json", TAGGED),
    Thing("a filling", "runs/*/fill.json", ("fill",), r"fill\.json", TAGGED),
    Thing("mismatches", "runs/*/mismatch.npz", ("explore", "issues?look=Captions"), r"mismatch\.npz", TAGGED),
    Thing("folds of several", "runs/*/crossval.json", ("train?mode=Cross-validate",), r"crossval", TAGGED),
    Thing("predictions of several", "runs/*/predictions.parquet", ("evaluate",), "predictions", TAGGED),
    Thing("issues of several", "runs/*/issues.npz", ("issues",), r"issues\.npz", TAGGED),
    Thing("a sweep", "runs/*/sweep.json", ("train?mode=Sweep",), r"sweep\.json", TAGGED),
    Thing("a tag", "tags/*/*.json", ("embeddings", "explore"), "tags/"),
    Thing("a preset", "presets/*.toml", ("train",), r"mine\.toml", but="empty"),
    Thing("the journal", "labels.db", ("relabel", "history", "explore"), r"labels\.db", but="empty"),
    Thing("the outbox", "outbox.db", ("relabel", "overview"), r"outbox\.db", but="empty"),
    Thing("about a data set", "datasets/clothes/dataset.json", ("overview", "explore"), r"dataset\.json"),
    Thing("labels", "datasets/clothes/labels.npy", ("explore", "train"), r"labels\.npy"),
    Thing("pixels", "datasets/clothes/images.npy", ("explore",)),
    Thing("item ids", "datasets/clothes/item_ids.npy", ("explore",), r"item_ids\.npy"),
    Thing("captions", "datasets/tagged/captions.json", ("explore",), r"captions\.json", TAGGED),
    Thing("sheets", "datasets/*/sheets/*.webp", ("explore",)),
    Thing("the cache", "cache/*/*", ("explore", "issues", "embeddings")),
    Thing("models of CLIP", "clip-models.json", ("zero_shot", "embeddings"), r"clip-models\.json"),
]
"""Those that hold a pattern of text are said; the others are made again, or nothing needs them here."""


def used(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace with everything in it, used by this process."""
    forget_engines()
    monkeypatch.setenv("TIDYSET_WORKSPACE", str(unpacked(root)))
    monkeypatch.delenv("TIDYSET_DATABASE_URL", raising=False)
    return root


def problems(thing: Thing, pages: tuple[str, ...]) -> list[str]:
    """What is wrong with how the pages take it."""
    forget_engines()
    MEMORY.clear()
    found, said = [], False
    for page in pages:
        name, _, query = page.partition("?")
        asked = dict(part.split("=") for part in query.split("&") if part)
        shown = seen(name, thing.data, **asked)
        found += [f"{page}: {one}" for one in shown.broke]
        said = said or bool(re.search(thing.says, "\n".join([shown.text, *shown.errors])))
    return found if said or not thing.says else [*found, f"{pages} do not say {thing.says!r}"]


def made(thing: Thing, root: Path) -> list[Path]:
    """Its files; those that only using the workspace makes are made first."""
    workspace = Workspace(root)
    if thing.files == "outbox.db":
        outbox.keep(workspace, open_dataset(workspace, CLOTHES), [NewEdit("x", EditKind.EXCLUDE)])
    elif thing.files == "clip-models.json":
        remember(workspace, ClipModel("tiny", "x", checkpoint="/x.pt", config="/x.json"))
    elif thing.name == "importances":  # the search in the archive has too few trials to tell them
        (log,) = root.glob("runs/*/study.log")
        write_json(log.with_name("importances.json"), {"learning_rate": 1.0})
    elif thing.files.startswith("cache") or "sheets" in thing.files:
        make_sheets(open_dataset(workspace, CLOTHES))
        for page in thing.pages:
            seen(page, CLOTHES)
    forget_engines()
    return [file for file in sorted(root.glob(thing.files)) if file.is_file()]


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.name)
def test_what_is_damaged_is_said_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thing: Thing
) -> None:
    found = []
    for how, damage in DAMAGES.items():
        if how == thing.but:
            continue
        root = used(tmp_path / how / "workspace", monkeypatch)
        files = made(thing, root)
        assert files, "nothing there to damage"
        for file in files:
            file.write_bytes(damage(file.read_bytes()))
        pages = tuple(dict.fromkeys([*thing.pages, *ALL])) if FULL else thing.pages
        found += [f"{how}: {one}" for one in problems(thing, pages)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", ALL if FULL else ("overview", "label_next", "history"))
def test_what_an_earlier_version_left_is_shown_where_images_have_several_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    used(tmp_path / "workspace", monkeypatch)
    shown = seen(page, TAGGED)
    assert not shown.broke
    assert not shown.errors
