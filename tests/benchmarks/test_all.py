"""benchmarks/all.py finds every benchmark, tells what did not run and why, and fails when one fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import all as every
from benchmarks.readme import CLAIMS


def test_every_benchmark_of_readme_has_a_quick_form() -> None:
    assert set(CLAIMS) <= set(every.benchmarks())


def test_each_file_that_prints_json_is_found_or_is_known_to_be_no_benchmark() -> None:
    printing = {path.stem for path in every.HERE.glob("*.py") if '"--json"' in path.read_text()}
    assert printing - set(every.benchmarks()) <= every.OWN, "give it --quick: benchmarks/quick.py"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(every, "HERE", tmp_path)
    monkeypatch.setattr(every, "RESULTS", tmp_path)
    (tmp_path / "good.py").write_text('print(\'{"runs": 7}\')  # "--quick"')
    (tmp_path / "absent.py").write_text('print(\'{"skipped": "needs a file"}\')  # "--quick"')
    (tmp_path / "bad.py").write_text('raise SystemExit("no such thing")  # "--quick"')
    (tmp_path / "none.py").write_text("print(1)")
    (tmp_path / "good.json").write_text(json.dumps({"runs": 1000}))
    monkeypatch.setitem(every.CLAIMS, "good", lambda result: [(f"{result['runs']} runs", "soon")])
    return tmp_path


def test_what_ran_what_did_not_and_why(folder: Path) -> None:
    names = every.benchmarks()
    assert names == ["good", "absent", "bad"], "README's first"
    good, absent, bad = every.all_of(names, {}, quick=True)
    assert good["claims"] == [{"claim": "1000 runs", "kept": "soon", "now": "soon", "now_of": "7 runs"}]
    assert (absent["state"], absent["reason"]) == ("skipped", "needs a file")
    assert (bad["state"], bad["reason"]) == ("failed", "no such thing")
    assert "needs a file" in every.as_text(absent)


def test_what_another_machine_measured_is_told_too(folder: Path) -> None:
    (folder / "good-on-gpu.json").write_text(json.dumps({"runs": 3}))
    (good,) = every.all_of(["good"], {}, quick=True)
    assert [(one["claim"], one["now"]) for one in good["claims"]] == [("1000 runs", "soon"), ("3 runs", None)]


@pytest.mark.parametrize(("name", "status"), [("good", 0), ("absent", 0), ("bad", 1)])
def test_the_exit_status(
    folder: Path, name: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["all.py", "--quick", "--json", "--only", name])
    with pytest.raises(SystemExit) as ended:
        every.main()
    assert ended.value.code == status
    assert json.loads(capsys.readouterr().out)["benchmarks"][0]["name"] == name


def test_words_that_do_not_fit_are_a_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(every.CLAIMS, "good", lambda result: [(result["missing"], "")])
    (found,) = every.all_of(["good"], {}, quick=True)
    assert found["state"] == "failed"
    assert "missing" in found["reason"]
