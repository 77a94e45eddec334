"""Every reader against files that chance has spoiled: it reads them, or says what is wrong and what to do.

A few examples each with the other tests. For an hour, shared among the readers, each round another seed:
``TIDYSET_FUZZ_MINUTES=60 uv run pytest tests/bad_input/test_fuzz.py --timeout 0``; TIDYSET_FUZZ_SEED is the
first of them, so that another hour tries other files. It goes on after a find (TIDYSET_FUZZ_FINDS names a
folder for them) and fails at the end. What was found is kept in corpus.py.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from core.errors import TidysetError
from tests.bad_input.mutations import mutations
from tests.bad_input.readers import NAMES, Reader, explained, readers

MINUTES = float(os.environ.get("TIDYSET_FUZZ_MINUTES", "0"))
FIRST_SEED = int(os.environ.get("TIDYSET_FUZZ_SEED", "0"))
FINDS = os.environ.get("TIDYSET_FUZZ_FINDS")


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


def fault_of(reader: Reader, content: bytes) -> str:
    """What is wrong with how ``content`` is taken: where it was raised and what; "" where nothing is."""
    folder = Path(tempfile.mkdtemp(prefix="tidyset-fuzz-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.run(content, folder)
    except TidysetError as error:
        return "" if explained(error) else f"not explained: {error}"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{Path(place.filename).name}:{place.lineno}: {type(error).__name__}: {error}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return ""


def kept(name: str, number: int, content: bytes) -> None:
    """Keep a find in the folder that TIDYSET_FUZZ_FINDS names."""
    if FINDS:
        folder = Path(FINDS)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name.replace(' ', '-')}-{number}").write_bytes(content)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("default")
def test_spoiled_files_are_read_or_explained(known: dict[str, Reader], name: str) -> None:
    reader = known[name]
    faults: dict[str, str] = {}
    for number in rounds():

        @seed(FIRST_SEED + number if MINUTES else 20_261_124)
        @settings(
            max_examples=200 if MINUTES else 5,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate,),
        )
        @given(mutations(reader.sound, reader.is_text, Path(reader.file).suffix))
        def spoil(content: bytes) -> None:
            fault = fault_of(reader, content)
            if fault and fault.split(" ")[0] not in faults:
                kept(name, len(faults), content)
                faults[fault.split(" ")[0]] = fault

        spoil()
    assert not faults, "\n".join(faults.values())


def test_the_sound_files_are_read(known: dict[str, Reader], tmp_path: Path) -> None:
    assert set(known) == set(NAMES)
    for name, reader in known.items():
        folder = tmp_path / name.replace(" ", "-").replace(".", "-")
        folder.mkdir()
        assert reader.run(reader.sound, folder) is not None, name
