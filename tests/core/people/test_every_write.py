"""Nothing in core writes for good without asking who acts; what does not ask is named here, and why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.security.test_writes import CHANGES, OURS, is_change

ROOT = Path(__file__).resolve().parents[3]
CHANGE = "<a change of a file>"
WRITES = {CHANGE, *CHANGES, *OURS, "delete_file", "make_folder", "writing", "Popen", "save_file", "savez"}
ASKS = {"allow", "_check_allowed", "_check_person", "_changing"}
BELOW = ("core/files.py", "core/cache.py", "core/database/", "core/worker/", "core/training/", "core/models/")
"""What others write with, and what a worker does, which somebody was allowed to start."""
CLI = "core/cli/"  # each command by what it writes: test_every_command.py
FREE = {
    "derived from what is there, in cache/: the same for everybody, and safe to delete": {
        "core/data/statistics.py": "atomic_memmap image_statistics",
        "core/data/thumbnails.py": "make_sheets sheet_bytes sheet_file",
        "core/embeddings/blocks.py": "compute gathered",
        "core/embeddings/clip.py": "Encoder.images Encoder.texts Encoder.towers clip_features keep_rate "
        "kept_texts",
        "core/embeddings/resident.py": "Resident.picture Resident.texts Resident.warm serve",
    },
    "only reached through what has asked": {
        "core/data/builder.py": "DatasetBuilder.add DatasetBuilder.finish",  # the constructor asks
        "core/data/columns.py": "write_texts",
        "core/data/download.py": "fetch",
        "core/data/importer.py": "import_source opened_source understand",  # the builder asks
        "core/data/readers/archives.py": "unpack",
        "core/data/uploads.py": "forget_old",
        "core/data/writer.py": "publish sweep_unfinished",
        "core/labels/outbox.py": "deliver keep n_waiting wait waiting",  # the journal asks before it puts in
        "core/quality/proofs.py": "create_proof",  # create_run asks
        "core/runs/index.py": "claim forget record",  # the store asks
    },
    "what a worker leaves in its run's folder": {
        "core/engines/local.py": "LocalEngine.submit",
        "core/evaluation/predictions.py": "save_predictions",
        "core/quality/evidence.py": "save_evidence",
        "core/quality/label_issues.py": "save_issues",
        "core/quality/mismatch.py": "save_mismatches",
        "core/tuning/studies.py": "save_trial",
        "core/tuning/study_log.py": "append_entries",
    },
    "a file outside the workspace, where the operating system decides": {
        "core/evaluation/prediction_table.py": "write_predictions",
        "core/labels/patch.py": "write_patch",
        "core/runs/export.py": "export_csv",
        "core/doctor.py": "examine",
    },
    "what this machine remembers outside of workspaces": {"core/remembered.py": "forget remember"},
    "what signing in itself needs": {
        "core/people/accounts.py": "accounts find_account",  # note that there are accounts
        "core/people/secret.py": "secret_of signature",
        "core/people/sessions.py": "begin end",
        "core/team/presence.py": "note",
    },
}
"""Functions that need not ask, by the reason why."""


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """(name, function) of a module, (Class.name, method) of its classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}", inner


def called(function: ast.FunctionDef) -> set[str]:
    """The last part of every name that is called in it, and whatever is handed on as a function."""
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            names |= {CHANGE} if is_change(node) else set()
            target = node.func
            names.add(target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", ""))
        elif isinstance(node, ast.Name):
            names.add(node.id)
    return names


def reached(name: str, calls: dict[str, set[str]]) -> set[str]:
    """All that a function calls, through functions of its own module too."""
    found: set[str] = set()
    open_ones = [name]
    seen = set()
    while open_ones:
        one = open_ones.pop()
        if one in seen:
            continue
        seen.add(one)
        found |= calls[one]
        open_ones += [other for other in calls if other.rpartition(".")[2] in calls[one]]
    return found


def unasked() -> set[str]:
    """Public functions and methods of core that write, and do not ask."""
    found = set()
    for path in sorted((ROOT / "core").rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        if place.startswith((*BELOW, CLI)):
            continue
        calls = {name: called(function) for name, function in functions(ast.parse(path.read_text("utf-8")))}
        for name in calls:
            is_public = not name.rpartition(".")[2].startswith("_")
            names = reached(name, calls)
            if is_public and names & WRITES and not names & ASKS:
                found.add(f"{place}:{name}")
    return found


def test_whatever_writes_asks_who_acts() -> None:
    free = {
        f"{place}:{name}"
        for places in FREE.values()
        for place, names in places.items()
        for name in names.split()
    }
    assert unasked() == free
