"""All JSON that leaves goes through core.json_text: read from the source."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("core", "dashboard", "pages", "benchmarks", "docs")
MAKERS = {"dumps", "dump", "JSONResponse", "JSONEncoder", "model_dump_json"}
ALLOWED = {
    "core/json_text.py": "it is the place itself",
    "core/files.py": "text that is hashed, of which nothing is read",
    "core/database/move.py": "text that is hashed, of which nothing is read",
    "core/training/checkpoint.py": "a checkpoint's counters, where infinity has to survive",
    "core/training/loop.py": "counters between the processes of a group, where infinity has to survive",
    "core/tuning/study_log.py": "what Optuna reads back, where infinity has to survive",
    "benchmarks/rivals/job.py": "runs where Tidyset is not installed; no floats",
}


def makers_of_json(path: Path) -> list[str]:
    """What a file calls or imports that makes JSON, with its line; pickles and TOML are others'."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in MAKERS:
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr not in ("dump", "dumps") or owner in ("json", "orjson", "simplejson"):
                found.append(f"{node.attr}, line {node.lineno}")
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if names & MAKERS and (node.module or "").split(".")[0] in ("json", "orjson", "starlette"):
                found.append(f"import of {', '.join(sorted(names & MAKERS))}, line {node.lineno}")
    return found


def test_nobody_else_makes_json() -> None:
    found = {
        str(path.relative_to(ROOT)): makers
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if (makers := makers_of_json(path))
    }
    others = {path: makers for path, makers in found.items() if path not in ALLOWED}
    assert not others, "write JSON by core.json_text.json_text: a bare NaN is no JSON"
    assert set(found) == set(ALLOWED), "these need no exception any more"


def test_a_maker_is_found(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    for text in ("import json\njson.dumps(1)", "from json import dump", "import json\nf = json.dump"):
        file.write_text(text)
        assert makers_of_json(file), text
    file.write_text("import pickle\npickle.dumps(1)\nimport json\njson.loads('1')")
    assert not makers_of_json(file)
