from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli.output import emit
from core.files import read_json, write_json
from core.json_text import json_text, without_nan
from core.runs.events import EventLog


def strict(text: str | bytes) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf")])
def test_what_is_not_finite_is_null_wherever_it_is(bad: float) -> None:
    value = {"a": bad, "b": [1.5, (bad, {"c": bad})], "d": np.array([[1.0, bad]]), "e": "NaN"}
    right = {"a": None, "b": [1.5, [None, {"c": None}]], "d": [[1.0, None]], "e": "NaN"}
    assert strict(json_text(value)) == right
    assert strict(json_text(value, indent=1)) == right
    assert without_nan(value) == right


def test_numpy_s_scalars_are_numbers() -> None:
    value = {
        np.int64(3): np.int32(-7),
        "x": np.float32(0.5),
        "yes": np.bool_(True),
        "s": np.str_("é"),
        "l": np.longdouble(2),
    }
    assert strict(json_text(value)) == {"3": -7, "x": 0.5, "yes": True, "s": "é", "l": 2.0}
    assert strict(json_text({math.nan: 1})) == {"null": 1}


def test_the_text_fits_into_utf_8() -> None:
    assert json_text("é") == '"é"'
    assert json.loads(json_text(["é", "\udc80"]).encode()) == ["é", "\udc80"]


def test_what_json_cannot_hold_is_an_error_unless_said_what_stands_for_it() -> None:
    with pytest.raises(TypeError, match="PosixPath is no JSON value"):
        json_text({"file": Path("a")})
    assert json_text({"file": Path("a")}, other=str) == '{"file": "a"}'


def test_what_is_printed_and_written_is_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    value = {"loss": math.nan, "n": np.int64(2), "file": Path("a")}
    emit(value, "", as_json=True)
    assert strict(capsys.readouterr().out) == {"loss": None, "n": 2, "file": "a"}
    write_json(tmp_path / "a.json", {"loss": math.inf})
    assert strict((tmp_path / "a.json").read_bytes()) == {"loss": None}
    log = EventLog(tmp_path / "events.jsonl")
    log.append("note", text="x", figure=math.nan)
    assert strict(log.path.read_bytes())["figure"] is None


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"loss": NaN, "best": Infinity}')
    old = read_json(tmp_path / "old.json")
    assert math.isnan(old["loss"])
    assert strict(json_text(old)) == {"loss": None, "best": None}
