"""A hostile file is one unreadable file: JSON, TOML and safetensors have bounds of bytes, depth, digits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from core import bounded
from core.bounded import MOST_DEPTH, MOST_DIGITS, Unreadable, parse_json, parse_toml
from core.cache import cache_path, cached_json
from core.data import catalog, tags
from core.errors import BadInput, DamagedFile, TidysetError
from core.files import read_json
from core.labels.answers import read_answers
from core.labels.patch import read_patch
from core.models.saved import ModelCard, build, load_card, load_model, save_model
from core.runs import store
from core.runs.recipe import Recipe, load_recipe
from core.training.checkpoint import load_checkpoint
from core.tuning.studies import trial_events
from core.workspace import Workspace

DEEP = b"[" * 100_000
HOSTILE_JSON = {
    "deep lists": DEEP,
    "closed": b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1),
    "deep tables": b'{"a":' * 100_000,
    "deep after a string": b'["]]]]]]]]", ' + DEEP,
    "digits": b"9" * 100_000,
    "too large for a float": b"1" + b"0" * MOST_DIGITS,
    "digits within": b'{"a": [-' + b"8" * 5_000 + b"]}",
    "other encoding": ("[" * 1_000).encode("utf-16"),
    "not text": b"\xff\xfe\xfd",
    "empty": b"",
}
HOSTILE_TOML = {
    "deep lists": b"x = " + DEEP,
    "deep tables": b"x = " + b"{a = " * 100_000,
    "dotted": b".".join([b"a"] * 100_000) + b" = 1",
    "dotted, quoted": b" . ".join([b'"a"'] * 100_000) + b" = 1",
    "dotted header": b"[" + b".".join([b"a"] * 100_000) + b"]",
    "dots in brackets": b"x = " + (b"{" + b".".join([b"a"] * 60) + b" = ") * 60 + b"1" + b"}" * 60,
    "digits": b"x = " + b"9" * 100_000,
    "hexadecimal digits": b"x = 0x" + b"f" * 100_000,
    "strings that do not end": b'\\"""\n' * 100_000,
    "quotes": b'"\\' * 100_000,
    "not text": b"x = '\xff'",
}


@pytest.mark.parametrize("content", HOSTILE_JSON.values(), ids=HOSTILE_JSON.keys())
def test_json_beyond_the_bounds_is_refused(content: bytes) -> None:
    with pytest.raises(Unreadable) as told:
        parse_json(content)
    assert len(str(told.value)) < 300


@pytest.mark.parametrize("content", HOSTILE_TOML.values(), ids=HOSTILE_TOML.keys())
def test_toml_beyond_the_bounds_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        parse_toml(content)
    (tmp_path / "recipe.toml").write_bytes(content)
    with pytest.raises(BadInput, match=r"recipe\.toml"):
        load_recipe(tmp_path / "recipe.toml")


def test_what_is_within_the_bounds_is_read_as_it_is() -> None:
    deepest = b"[" * MOST_DEPTH + b"]" * MOST_DEPTH
    assert json.dumps(parse_json(deepest)).encode() == deepest
    assert parse_json(b'{"a": "' + b"[" * 1_000 + b'", "n": ' + b"9" * MOST_DIGITS + b"}") == {
        "a": "[" * 1_000,
        "n": int("9" * MOST_DIGITS),
    }
    assert parse_json('"' + "9" * 1_000 + '"') == "9" * 1_000
    assert parse_json('["\\ud83d\\ude00", "\\\\ud800", "\\ud800x"]') == ["😀", "\\ud800", "\ufffdx"]
    assert parse_toml(b'x = \'[[[\' # [[[\n[a.b]\nc = [1.5, """[\n["""]\n') == {
        "x": "[[[",
        "a": {"b": {"c": [1.5, "[\n["]}},
    }
    assert parse_toml(Recipe().to_toml().encode())["model"] == "plain-cnn"


def test_a_file_of_too_many_bytes_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with file.open("wb") as sparse:
        sparse.truncate(bounded.MOST_BYTES + 1)
    with pytest.raises(DamagedFile, match=r"run\.json.*more than"):
        read_json(file)


@pytest.fixture
def one_run(workspace: Workspace) -> store.Run:
    """A run that finished, by its folder alone."""
    run = store.create_run(workspace, None, Recipe(), name="mine")
    run.events.append("finished", seconds=1.0, test_accuracy=0.5)
    return run


@pytest.mark.parametrize("name", ["events.jsonl", "run.json", "recipe.toml"])
@pytest.mark.parametrize("more", [b"\n" + DEEP + b"\n", b"\nx = " + b"9" * 100_000, b"\n" + b"a." * 50_000])
def test_a_run_that_was_copied_here_breaks_no_other(
    workspace: Workspace, one_run: store.Run, name: str, more: bytes
) -> None:
    other = workspace.runs / "20200101-000000-aaaaaa"
    shutil.copytree(one_run.folder, other)
    content = more if name == "run.json" else (other / name).read_bytes() + more
    (other / name).write_bytes(content)
    runs = store.list_runs(workspace, kind=None)
    assert {run.id for run in runs} | {folder.name for folder, _ in store.damaged_runs(workspace)} == {
        one_run.id,
        other.name,
    }
    assert one_run.id in {run.id for run in runs}
    for run in runs:
        assert store.status(run).state is store.RunState.FINISHED
    if name == "events.jsonl":
        assert next(run for run in runs if run.id == other.name).events.n_damaged() == 1
    if name == "recipe.toml":
        with pytest.raises(BadInput, match=r"recipe\.toml"):
            _ = next(run for run in runs if run.id == other.name).recipe


@pytest.mark.parametrize("about", [{"parent": {}}, {"name": 9**30, "created": 9**30}, {"job": [[]]}])
def test_values_of_another_kind_make_a_damaged_run(
    workspace: Workspace, one_run: store.Run, about: dict[str, object]
) -> None:
    manifest = one_run.folder / "run.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **about}))
    with pytest.raises(DamagedFile, match=r"run\.json"):
        store.load_run(one_run.folder)


@pytest.mark.parametrize("content", [DEEP, b'{"a":' * 100_000, b"9" * 100_000])
def test_other_files_of_the_workspace_are_unreadable_by_themselves(
    workspace: Workspace, one_run: store.Run, tmp_path: Path, content: bytes
) -> None:
    folder = workspace.datasets / "hostile"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_bytes(content)
    assert {one.name: one.state for one in catalog.list_datasets(workspace)}["hostile"] == "damaged"
    tag = workspace.root / "tags" / "hostile" / "bad.json"
    tag.parent.mkdir(parents=True)
    tag.write_bytes(content)
    with pytest.raises(TidysetError, match=r"bad\.json"):
        tags._read(tag)
    path = cache_path(workspace, "kind", {"a": 1}, ".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    assert cached_json(workspace, "kind", {"a": 1}, lambda: 7) == 7
    log = trial_events(one_run, 0)
    log.path.parent.mkdir(parents=True)
    log.path.write_bytes(content + b"\n")
    assert log.read() == ([], len(content) + 1)
    for read, name in ((read_patch, "edits.jsonl"), (read_answers, "tool.json")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TidysetError, match=name):
            read(tmp_path / name)


CARD = ModelCard("plain-cnn", 4, ("a", "b"), 1, 8, 8, (0.0,), (1.0,))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A small network in its file."""
    save_model(tmp_path / "model.safetensors", build(CARD), CARD)
    return tmp_path / "model.safetensors"


def rewritten(path: Path, card: str) -> Path:
    """The file with another card over the same tensors."""
    from safetensors.torch import load_file, save_file

    save_file(load_file(path), path, {"card": card})
    return path


@pytest.mark.parametrize(
    "card",
    ["[" * 100_000, '{"a":' * 100_000, '{"width": ' + "9" * 5_000 + "}"],
    ids=["lists", "tables", "digits"],
)
def test_a_card_beyond_the_bounds_is_a_damaged_model(saved: Path, card: str) -> None:
    with pytest.raises(DamagedFile, match=r"model\.safetensors"):
        load_card(rewritten(saved, card))


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 1_500},
        {"width": 1 << 20},
        {"classes": ["x"] * 100_000},
        {"height": 1 << 20, "image_width": 1 << 20},
        {"members": ["plain-cnn"] * 10_000},
        {"model": "resnet50"},
    ],
    ids=["width", "huge width", "classes", "images", "members", "model"],
)
def test_a_card_of_another_network_than_the_tensors_is_refused_unbuilt(
    saved: Path, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = json.loads(bounded.read_metadata(saved)["card"])
    rewritten(saved, json.dumps({**card, **changes}))
    made: list[torch.device] = []
    first = torch.nn.Linear.__init__

    def noted(self: torch.nn.Linear, *args: object, **more: object) -> None:
        first(self, *args, **more)  # type: ignore[arg-type]
        made.append(self.weight.device)

    monkeypatch.setattr(torch.nn.Linear, "__init__", noted)
    with pytest.raises(DamagedFile, match=r"model\.safetensors"):
        load_model(saved)
    assert {device.type for device in made} <= {"meta"}


def test_a_header_that_says_it_is_huge_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes((1 << 40).to_bytes(8, "little") + b"{}")
    for load in (load_card, load_checkpoint):
        with pytest.raises(DamagedFile, match=r"x\.safetensors"):
            load(file)
