"""The import rules of docs/architecture.md, checked on the source and in fresh processes."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "torchvision", "sklearn", "umap", "open_clip", "statsmodels", "torchmetrics", "scipy"}

# Lower layers first; a module may import its own layer and those below.
LAYERS = (
    {
        "core.errors",
        "core.bounded",
        "core.remembered",
        "core.wording",
        "core.files",
        "core.json_text",
        "core.workspace",
        "core.cache",
        "core.database",
        "core.people",
    },
    {"core.data", "core.labels", "core.team"},
    {"core.metrics"},
    {"core.runs"},
    {"core.engines"},
    {"core.tuning"},
    {"core.models"},
    {"core.training"},
    {"core.evaluation", "core.embeddings"},
    {"core.quality"},
    {"core.worker", "core.cli", "core.doctor"},
)
LIGHT = [
    "core.data.catalog",
    "core.data.importer",
    "core.data.statistics",
    "core.labels.journal",
    "core.labels.versions",
    "core.metrics",
    "core.runs.launch",
    "core.runs.recipe",
    "core.runs.store",
    "core.embeddings.features",
    "core.embeddings.landscape",
    "core.embeddings.layout",
    "core.embeddings.maps",
    "core.embeddings.neighbours",
    "core.embeddings.projection",
    "core.embeddings.purity",
    "core.embeddings.quality",
    "core.evaluation.compare",
    "core.evaluation.metrics",
    "core.evaluation.predictions",
    "core.evaluation.proof",
    "core.evaluation.selective",
    "core.evaluation.crossval",
    "core.tuning.space",
    "core.tuning.studies",
    "core.quality.arms",
    "core.quality.batches",
    "core.quality.duplicates",
    "core.quality.effort",
    "core.quality.image_issues",
    "core.quality.leaks",
    "core.quality.proofs",
    "core.quality.queue",
    "core.cli",
    "dashboard.frame",
    "dashboard.routes",
]


def modules(package: str) -> list[tuple[str, Path]]:
    """(dotted name, file) of every module below a package folder."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found.append((".".join(parts).removesuffix(".__init__"), path))
    return found


def imports(path: Path) -> set[str]:
    """Every absolute module that a file names in an import, wherever it stands."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: a relative import"
            named |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return named


def layer(module: str) -> int | None:
    """The layer of a core module; None for anything else."""
    for index, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return index
    return None


@pytest.mark.parametrize(("module", "path"), modules("core"))
def test_core_imports_only_downward(module: str, path: Path) -> None:
    own = layer(module)
    assert own is not None or module == "core", f"{module} is in no layer: add it to LAYERS"
    for named in imports(path):
        assert named.partition(".")[0] not in {"streamlit", "plotly", "dashboard", "pages"}, (
            f"{module} imports {named}"
        )
        theirs = layer(named)
        if own is not None and theirs is not None:
            assert theirs <= own, f"{module} imports {named}, which lies above it"


@pytest.mark.parametrize(("module", "path"), modules("dashboard"))
def test_the_dashboard_imports_no_page(module: str, path: Path) -> None:
    assert not [name for name in imports(path) if name.partition(".")[0] == "pages"]


@pytest.mark.parametrize(("module", "path"), modules("pages"))
def test_a_page_is_thin(module: str, path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)], "a page has no classes"
    foreign = {name.partition(".")[0] for name in imports(path)} & (HEAVY | {"sqlalchemy", "plotly"})
    assert not foreign, f"{module} imports {foreign}"


@pytest.mark.parametrize("module", LIGHT)
def test_a_light_module_brings_in_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print(*(set(sys.modules) & {HEAVY!r}))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == ""


def package(module: str) -> str:
    """What the diagram shows a module as: pages, dashboard, or the part of core that it is in."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "core" else parts[0]


def real_arrows() -> set[tuple[str, str]]:
    """Which package of the diagram imports which."""
    every = [pair for folder in ("core", "dashboard", "pages") for pair in modules(folder)]
    known = {package(module) for module, _ in every} - {"core"}
    found = {
        (package(module), package(named))
        for module, path in every
        for named in imports(path)
        if {package(module), package(named)} <= known
    }
    return {(a, b) for a, b in found if a != b}


def reached(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """All pairs that are joined along arrows."""
    while longer := {(a, d) for a, b in arrows for c, d in arrows if b == c} - arrows:
        arrows = arrows | longer
    return arrows


def test_the_diagram_shows_the_real_imports() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    drawn = set(re.findall(r"^ +([a-z._]+) --> ([a-z._]+)$", text, re.MULTILINE))
    assert drawn, "docs/architecture.md has no diagram"
    real = real_arrows()
    assert not drawn - real, "the diagram has arrows that no import goes along"
    assert not real - reached(drawn), "imports that the diagram does not show"


SHOW_PAGES = f"""
import sys
from streamlit.testing.v1 import AppTest
test = AppTest.from_file({str(ROOT / "dashboard" / "Home.py")!r}, default_timeout=60).run()
assert not test.exception, test.exception
for page in ("explore", "train", "evaluate", "embeddings", "issues", "relabel", "history", "team", "prove"):
    test.switch_page(f"../pages/{{page}}.py").run()
    assert not test.exception, test.exception
print(*(set(sys.modules) & {HEAVY!r}))
"""


def test_no_page_imports_anything_heavy_to_show_itself(workspace: object) -> None:
    result = subprocess.run(
        [sys.executable, "-c", SHOW_PAGES], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == ""
