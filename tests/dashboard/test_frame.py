"""What every page keeps to, so that nothing that is pressed is lost."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_no_page_stops_streamlit() -> None:
    """``st.stop`` throws away what was pressed in a fragment meanwhile; ``end_page`` does not."""
    stops = [
        f"{path.relative_to(ROOT)}, line {node.lineno}"
        for folder in ("pages", "dashboard")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "st.stop"
    ]
    assert not stops
