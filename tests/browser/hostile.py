"""A workspace in which every name that a person or a data set can give is markup that would run a script."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from core.data.dataset import load_dataset
from core.data.tags import add_tag
from core.database.engine import forget_engines
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.workspace import Workspace
from tests.crash.whole import CLOTHES, TAGGED, unpacked

MARKUP = (
    "<img src=x onerror=window.pwned=1>",
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=1</script>",
    '"><svg onload=window.pwned=1>',
    "<a href='javascript:window.pwned=1'>go</a>",
    "[go](javascript:window.pwned=1)",
    "![](https://evil.example/x.png)",
    "'-window.pwned-'",
    "{{constructor.constructor('window.pwned=1')()}}",
    "<style>*{display:none}</style>",
)


def hostile(root: Path) -> Path:
    """The workspace with everything in it (tests.crash.whole), all its names replaced by markup."""
    unpacked(root)
    for name in (CLOTHES, TAGGED):
        _rename_all(root, name)
    for run in (root / "runs").glob("*/run.json"):
        about = json.loads(run.read_text())
        wicked = MARKUP[len(about["name"]) % len(MARKUP)]
        run.write_text(
            json.dumps({**about, "name": f"{about['name']} {wicked}", "notes": wicked, "tags": MARKUP[:2]})
        )
        with (run.parent / "events.jsonl").open("a") as events:
            events.write(json.dumps({"type": "note", "at": 1.7e9, "text": wicked}) + "\n")
    (root / "labels.db").unlink()
    shutil.rmtree(root / "tags")
    workspace = Workspace(root)
    clothes = load_dataset(root / "datasets" / CLOTHES)
    ids = [str(one) for one in clothes.item_ids]
    edits = [
        NewEdit(ids[k], EditKind.LABEL, clothes.classes[k % 10], who=wicked, why=wicked, seq=k)
        for k, wicked in enumerate(MARKUP, 1)
    ]
    edits.append(NewEdit(ids[30], EditKind.PROPOSE, MARKUP[0], who=MARKUP[1], session="p"))
    LabelJournal(workspace).append(clothes, edits)
    forget_engines()
    for wicked in MARKUP:
        add_tag(workspace, clothes, wicked, ids[:2])
    return root


def _rename_all(root: Path, name: str) -> None:
    """Classes, item ids, title and captions of a data set, and the same in what its runs say."""
    folder = root / "datasets" / name
    about = json.loads((folder / "dataset.json").read_text())
    classes = {one: f"{MARKUP[k % len(MARKUP)]} {k}" for k, one in enumerate(about["classes"])}
    about |= {"classes": [*classes.values()], "title": MARKUP[0], "info": {MARKUP[0]: MARKUP[1]}}
    (folder / "dataset.json").write_text(json.dumps(about))
    if (folder / "captions.json").exists():
        captions = json.loads((folder / "captions.json").read_text())["captions"]
        wicked = [f"{one} {MARKUP[k % len(MARKUP)]}" for k, one in enumerate(captions)]
        (folder / "captions.json").write_text(json.dumps({"captions": wicked}))
    ids = np.load(folder / "item_ids.npy").tolist()
    renamed = {one: f"{one}/{MARKUP[k % len(MARKUP)]}" for k, one in enumerate(ids)}
    np.save(folder / "item_ids.npy", np.array([*renamed.values()]))
    for run in (root / "runs").iterdir():
        if json.loads((run / "run.json").read_text())["dataset"] == name:
            _rename_in_run(run, classes, renamed)


def _rename_in_run(run: Path, classes: dict[str, str], ids: dict[str, str]) -> None:
    for path in run.rglob("*.json*"):
        text = path.read_text()
        for old, new in classes.items():
            text = text.replace(json.dumps(old), json.dumps(new))
        path.write_text(text)
    for path in run.rglob("predictions.parquet"):
        table = pq.read_table(path)
        metadata = {**table.schema.metadata, b"classes": "\x1f".join(classes.values()).encode()}
        at = table.column_names.index("item_id")
        names: Sequence[str] = [ids[one] for one in table["item_id"].to_pylist()]
        table = table.set_column(at, "item_id", [names])
        pq.write_table(table.replace_schema_metadata(metadata), path)
