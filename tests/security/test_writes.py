"""Every change of a file is one that may fail: a full, read-only or lost disk is never a traceback."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.security.test_source import ROOT, SOURCES, keyword

CHANGES = {
    *("mkdir", "touch", "unlink", "rmdir", "write_bytes", "write_text", "rmtree", "copytree", "copy2"),
    *("copyfile", "move", "rename", "symlink_to", "hardlink_to", "makedirs", "mkdtemp", "mkstemp"),
}
OURS = {"write_bytes", "write_json", "write_array", "atomic_writer"}  # of core.files: they say StorageFailed
MODES = ("w", "a", "x", "+")


def is_change(call: ast.Call) -> bool:
    """Whether it makes, changes, moves or deletes a file."""
    function = call.func
    if not isinstance(function, ast.Attribute):
        return (
            isinstance(function, ast.Name)
            and function.id == "open"
            and _writes(call, 1)
            and "devnull" not in ast.unparse(call)
        )
    if function.attr == "open":
        return _writes(call, 0) and ast.unparse(function.value) not in {"zipfile", "tarfile", "archive"}
    owner = ast.unparse(function.value)
    if function.attr == "replace":
        return owner == "os"
    return function.attr in CHANGES


def _writes(call: ast.Call, place: int) -> bool:
    mode = call.args[place] if len(call.args) > place else keyword(call, "mode")
    text = mode.value if isinstance(mode, ast.Constant) else mode
    return isinstance(text, str) and any(letter in text for letter in MODES)


GUARDED_BY_ITS_CALLER = {("core/people/secret.py", "_kept")}
"""Functions of which one caller takes every OSError."""


def unguarded(node: ast.AST, guarded: bool = False) -> Iterator[ast.Call]:
    """The changes that stand in no block that takes an OSError."""
    if isinstance(node, ast.Call) and is_change(node) and not guarded:
        ignored = keyword(node, "ignore_errors")
        if ignored is not True:
            yield node
    if isinstance(node, ast.Try):
        caught = guarded or any(_takes(handler.type) for handler in node.handlers)
        for part in node.body:
            yield from unguarded(part, caught)
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            yield from unguarded(part, guarded)
        return
    inside = guarded
    if isinstance(node, ast.With):
        inside = guarded or any(_suppresses(item.context_expr) for item in node.items)
    for child in ast.iter_child_nodes(node):
        yield from unguarded(child, inside)


def _takes(kind: ast.expr | None) -> bool:
    return kind is None or any(word in ast.unparse(kind) for word in ("OSError", "Exception"))


def _suppresses(context: ast.expr) -> bool:
    text = ast.unparse(context)
    return ("suppress(" in text and "OSError" in text) or text.startswith("storing(")


def test_every_change_of_a_file_may_fail() -> None:
    found = []
    for path in SOURCES:
        name, tree = str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))
        tree.body = [
            one for one in tree.body if (name, getattr(one, "name", "")) not in GUARDED_BY_ITS_CALLER
        ]
        found += [f"{name}, line {call.lineno}: {ast.unparse(call)}" for call in unguarded(tree)]
    assert not found, "\n".join(found)
