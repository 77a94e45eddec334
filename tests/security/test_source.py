"""What no line of the source may do: unpickle, run text, build SQL from values, write down a secret."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from core.data.readers import pickled

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for package in ("core", "dashboard", "pages") for path in (ROOT / package).rglob("*.py")
)
SCRIPTS = sorted(path for folder in ("benchmarks", "docs") for path in (ROOT / folder).rglob("*.py"))
RESTRICTED = (
    ROOT / "core" / "data" / "readers" / "pickled.py"
)  # its unpickler knows NumPy's names and no others
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
SECRETS = ("token", "secret", "password", "cookie", "database_url", "session_id")
SQL_WORDS = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "DROP ", "ALTER ", "PRAGMA ", "SET ")
TAKES_SQL = {"text", "exec_driver_sql", "DDL", "execute", "scalar", "scalars"}
# What may stand between braces in SQL: constants of the module and a trigger's verb; never a value.
CONSTANT = re.compile(r"_?[A-Z][A-Z_]*|int|verb|lower")


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """(name or last part of the dotted name, call) of each call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute):
                yield function.attr, node
            elif isinstance(function, ast.Name):
                yield function.id, node


def keyword(call: ast.Call, name: str) -> object:
    found = next((one.value for one in call.keywords if one.arg == name), None)
    return found.value if isinstance(found, ast.Constant) else found


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def faults(
    check: Callable[[ast.Module, Path], Iterator[tuple[ast.expr | ast.stmt, str]]],
    sources: Sequence[Path] = SOURCES,
) -> list[str]:
    """What a check finds in all of the source, each with its place."""
    return [
        f"{path.relative_to(ROOT)}, line {call.lineno}: {what}"
        for path in sources
        for call, what in check(ast.parse(path.read_text(encoding="utf-8")), path)
    ]


def test_images_are_opened_in_one_place() -> None:
    """Whatever else opens an image has no list of formats and no bound."""
    opener = ROOT / "core" / "data" / "image_opening.py"

    def check(tree: ast.Module, path: Path) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "PIL.Image":
                yield node, "imports of Image what hides where it is from"
        for name, call in calls(tree):
            owner = ast.unparse(call.func).rpartition(".")[0]
            if name == "open" and owner in {"Image", "PIL.Image"} and path != opener:
                yield call, "opens an image by itself"
            if name == "exif_transpose":
                yield call, "writes EXIF data again, which may be odd"

    assert faults(check) == []


def test_nothing_is_unpickled_or_run_from_text() -> None:
    def check(tree: ast.Module, path: Path) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in {"numpy", "torch"}:
                for alias in node.names:
                    if alias.name == "load":
                        yield node, f"load of {node.module} by a name that hides where it is from"
        for name, call in calls(tree):
            owner = ast.unparse(call.func).rpartition(".")[0]
            if not owner and name in RUNS_TEXT:
                yield call, "runs text"
            if owner in UNPICKLERS and path != RESTRICTED:
                yield call, "unpickles"
            if name == "load" and owner in {"np", "numpy"} and keyword(call, "allow_pickle") is not False:
                yield call, "np.load without allow_pickle=False"
            if name == "load" and owner == "torch" and keyword(call, "weights_only") is not True:
                yield call, "torch.load without weights_only=True can run code"
            if name in {"read_pickle", "to_pickle"} and owner in {"pd", "pandas"}:
                yield call, "pandas unpickles"
            if keyword(call, "shell") is True:
                yield call, "goes through a shell"
            if keyword(call, "trust_remote_code") is True:
                yield call, "runs code from a hub"

    assert faults(check, [*SOURCES, *SCRIPTS]) == []


PARSERS = {"json", "tomllib", "safetensors", "safetensors.torch", "yaml", "orjson"}
PARSES = {"load", "loads", "load_file", "safe_open", "JSONDecoder", "model_validate_json", "fromstring"}
PARSE_UNBOUNDED = {
    "core/bounded.py": "the one place",
    "core/labels/answers.py": "XML of CVAT, of bounded size and refused where it declares entities",
}


def test_json_toml_and_safetensors_are_parsed_in_one_place() -> None:
    """Where depth, digits and bytes are bounded: one forgotten json.loads is a page that a file can break."""

    def check(tree: ast.Module, path: Path) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
        if str(path.relative_to(ROOT)) in PARSE_UNBOUNDED:
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in PARSERS:
                for alias in node.names:
                    if alias.name in PARSES:
                        yield node, f"takes {alias.name} of {node.module}; core.bounded has it within bounds"
            if isinstance(node, ast.Attribute) and node.attr in PARSES:
                owner = ast.unparse(node.value)
                if owner in PARSERS | {"ElementTree"} or node.attr == "model_validate_json":
                    yield node, f"{owner}.{node.attr}; core.bounded has it within bounds"

    assert faults(check) == []
    assert all((ROOT / name).exists() for name in PARSE_UNBOUNDED)


def test_only_the_restricted_unpickler_takes_anything_from_the_modules_that_unpickle() -> None:
    """Naming pickle's error, to explain a refused file, is all that the rest may do with it."""
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if path == RESTRICTED or not imported(tree) & UNPICKLERS:
            continue
        attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        used = {n.attr for n in attributes if isinstance(n.value, ast.Name) and n.value.id in UNPICKLERS}
        assert used == {"UnpicklingError"}, path


def test_the_restricted_unpickler_knows_numpy_s_names_and_no_others() -> None:
    assert {module.partition(".")[0] for module, _ in pickled._NAMES} == {"numpy", "_codecs"}
    assert not {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"} & pickled._OPCODES


def test_sql_holds_no_value() -> None:
    def check(tree: ast.Module, path: Path) -> Iterator[tuple[ast.Call, str]]:
        if not imported(tree) & {"sqlalchemy", "sqlite3", "psycopg", "alembic", "core"}:
            return
        for name, call in calls(tree):
            statement = call.args[0] if call.args and name in TAKES_SQL else None
            if isinstance(statement, ast.JoinedStr):
                names = _names([part for part in statement.values if isinstance(part, ast.FormattedValue)])
                values = {one for one in names if not CONSTANT.fullmatch(one)}
                if values and any(word in ast.unparse(statement).upper() for word in SQL_WORDS):
                    yield call, f"give {values} as bound parameters"
            if isinstance(statement, ast.BinOp | ast.Call) and _is_sql(statement):
                yield call, "SQL put together from parts"

    assert faults(check) == []


def _is_sql(node: ast.AST) -> bool:
    """Whether text that looks like SQL is joined (+, %) with something, or formatted."""
    put_together = isinstance(node, ast.BinOp) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"
    )
    texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return put_together and any(word in text.upper() for text in texts for word in SQL_WORDS)


def test_no_secret_is_logged_or_printed() -> None:
    """Nothing that is called token, secret, password, session or the like stands in a log call or print."""

    def check(tree: ast.Module, path: Path) -> Iterator[tuple[ast.Call, str]]:
        for name, call in calls(tree):
            owner = ast.unparse(call.func).rpartition(".")[0].rpartition(".")[2]
            if name == "print" or owner in {"_log", "log", "logger", "logging"}:
                told = {one for one in _names([call]) if any(part in one.lower() for part in SECRETS)}
                if told:
                    yield call, f"writes down {told}"

    assert faults(check) == []


def _names(nodes: Sequence[ast.AST]) -> set[str]:
    """Every name and attribute in the nodes."""
    found = [node for top in nodes for node in ast.walk(top)]
    return {n.id for n in found if isinstance(n, ast.Name)} | {
        n.attr for n in found if isinstance(n, ast.Attribute)
    }
