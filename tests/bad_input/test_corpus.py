"""Each broken input of the corpus has the error that it should: the file, the row, and what to do."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from core.errors import ImportRejected, TidysetError
from tests.bad_input.corpus import Case, cases
from tests.bad_input.readers import FORGIVING, NAMES, Reader, explained, readers

CASES = cases()


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    return readers(tmp_path_factory.mktemp("readers") / "scratch")


def test_there_are_many_and_no_two_are_the_same() -> None:
    assert len({(case.reader, case.content) for case in CASES}) == len(CASES) >= 200
    assert {case.reader for case in CASES} == set(NAMES) - FORGIVING


@pytest.mark.parametrize("reader", [name for name in NAMES if name not in FORGIVING])
@pytest.mark.filterwarnings("default")
def test_every_broken_input_is_refused_in_words_that_help(
    known: dict[str, Reader], reader: str, tmp_path: Path
) -> None:
    wrong = []
    for case in (case for case in CASES if case.reader == reader):
        folder = tmp_path / "case"
        folder.mkdir()
        with pytest.raises(TidysetError) as raised:
            known[reader].run(case.content, folder)
        if fault := fault_of(case, known[reader], raised.value):
            wrong.append(f"{case.name}: {fault}: {raised.value}")
        shutil.rmtree(folder)
    assert not wrong, "\n".join(wrong)


def fault_of(case: Case, reader: Reader, error: TidysetError) -> str:
    """What the error lacks; "" for nothing."""
    if not re.search(case.says, str(error)):
        return f"does not say {case.says!r}"
    if not explained(error):
        return "does not say what to do"
    if (case.file or Path(reader.file).stem) not in str(error):
        return "does not name the file"
    rows = [problem.row for problem in error.problems] if isinstance(error, ImportRejected) else []
    return f"does not name row {case.row}" if case.row is not None and case.row not in rows else ""
