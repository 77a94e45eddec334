"""Every reader against files that chance has spoiled: it reads them, or says what is wrong and what to do.

A few examples each with the other tests. For an hour, shared among the readers, each round another seed:
``TIDYSET_FUZZ_MINUTES=60 uv run pytest tests/bad_input/test_fuzz.py --timeout 0``.
What was found is kept in test_corpus.py.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from core.errors import TidysetError
from tests.bad_input.readers import NAMES, Reader, explained, readers

MINUTES = float(os.environ.get("TIDYSET_FUZZ_MINUTES", "0"))
WORDS = (
    b"",
    b"-1",
    b"nan",
    b"inf",
    b"1e999",
    b"99999999999999999999",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"\0",
    b"\xff\xfe",
    b"\r",
    b"\n",
    b"\t",
    b'"',
    b"'",
    b",",
    b";",
    b"\\",
    b"../../x",
    b"<b>",
    b"[[[[[[[[",
    b"{{{{{{{{",
    "é".encode(),
    "١".encode(),
    "\u2028".encode(),
    b"1_0",
    b"0x1",
    b"1.5",
    b" ",
    b"=",
    b"#",
    b"%",
    b"$(x)",
    b"\x1f\x8b",
)


def mutations(sound: bytes, is_text: bool) -> st.SearchStrategy[bytes]:
    """Content that was sound once: cut, with bytes changed, inserted, removed, repeated or swapped."""
    place = st.integers(0, len(sound))
    cut = place.map(lambda at: sound[:at])
    step = st.tuples(
        st.sampled_from(("change", "insert", "remove", "repeat", "word", "fill")),
        place,
        st.integers(1, 40),
        st.integers(0, 255),
        st.sampled_from(WORDS),
    )
    steps = st.lists(step, min_size=1, max_size=4).map(lambda chosen: _spoiled(sound, chosen))
    return st.one_of(steps, cut) if not is_text else st.one_of(steps, steps, cut)


def _spoiled(content: bytes, steps: list[tuple[str, int, int, int, bytes]]) -> bytes:
    for how, at, length, byte, word in steps:
        at = min(at, len(content))
        before, middle, after = content[:at], content[at : at + length], content[at + length :]
        match how:
            case "change":
                content = before + bytes([byte]) + content[at + 1 :]
            case "insert":
                content = before + bytes([byte]) * length + middle + after
            case "remove":
                content = before + after
            case "repeat":
                content = before + middle * 3 + after
            case "fill":
                content = before + bytes([byte]) * len(middle) + after
            case "word":
                content = before + word + after
    return content


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    return readers(tmp_path_factory.mktemp("readers") / "scratch")


def rounds() -> Iterator[int]:
    """One round; with TIDYSET_FUZZ_MINUTES as many as fit into a reader's share of them."""
    end = time.monotonic() + 60 * MINUTES / len(NAMES)
    number = 0
    while number == 0 or time.monotonic() < end:
        yield number
        number += 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("default")
def test_spoiled_files_are_read_or_explained(known: dict[str, Reader], name: str) -> None:
    reader = known[name]
    examples = 200 if MINUTES else 5
    for number in rounds():

        @seed(number if MINUTES else 20_261_124)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink) if MINUTES else (Phase.generate,),
        )
        @given(mutations(reader.sound, reader.is_text))
        def spoil(content: bytes) -> None:
            folder = Path(tempfile.mkdtemp(prefix="tidyset-fuzz-"))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    reader.run(content, folder)
            except TidysetError as error:
                complaint = error
            else:
                complaint = None
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            assert complaint is None or explained(complaint), str(complaint)

        spoil()


def test_the_sound_files_are_read(known: dict[str, Reader], tmp_path: Path) -> None:
    assert set(known) == set(NAMES)
    for name, reader in known.items():
        folder = tmp_path / name.replace(" ", "-").replace(".", "-")
        folder.mkdir()
        assert reader.run(reader.sound, folder) is not None, name
