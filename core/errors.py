"""Every error that Tidyset raises on purpose.

::

    TidysetError                 anything below; the message ends with what to do next
    ├── BadInput                 a file, row or value that cannot be used
    │   ├── ImportRejected       an import with problems; carries the full report
    │   └── Unclear              a source that can be read in two ways; carries the questions
    ├── NotFound                 a data set, run, item or label version that does not exist
    ├── NameTaken                the name is in use already
    ├── Busy                     another process holds it (a running run, a locked journal)
    ├── Offline                  the network is needed and cannot be reached
    ├── DamagedFile              something in the workspace cannot be read
    ├── NotAllowed               the person or the settings do not permit it
    └── StorageFailed            a write did not reach the disk: full, read-only, gone

Command line and pages print ``str(error)``: one sentence on what is wrong (where, which row, which
value), one on the mend. Nothing else may reach a person; a traceback is a bug.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class TidysetError(Exception):
    """Base of all deliberate errors.

    Args:
        problem: What is wrong, naming the value received and what was expected.
        mend: What the reader can do about it, as a sentence.
    """

    def __init__(self, problem: str, mend: str = "") -> None:
        self.problem = problem
        self.mend = mend
        super().__init__(f"{problem} {mend}".strip())


class BadInput(TidysetError):
    """A file, row or value that cannot be used."""


class NotFound(TidysetError):
    """A data set, run, item or label version that does not exist."""


class NameTaken(TidysetError):
    """The name is in use already."""


class Busy(TidysetError):
    """Another process holds what was asked for."""


class Offline(TidysetError):
    """The network is needed and cannot be reached."""


class DamagedFile(TidysetError):
    """Something in the workspace cannot be read."""


class NotAllowed(TidysetError):
    """The person or the settings do not permit it."""


class StorageFailed(TidysetError):
    """A write did not reach the disk: full, read-only or gone."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input.

    Attributes:
        file: The file it was found in, relative to the source where that is shorter.
        row: 1-based row of a table, or item index + 1 of an array; None when the whole file is meant.
        what: The problem, naming the value received and what was expected.
        mend: What to do about it.
    """

    file: str
    row: int | None
    what: str
    mend: str

    def __str__(self) -> str:
        where = self.file if self.row is None else f"{self.file}, row {self.row}"
        return f"{where}: {self.what} {self.mend}".strip()


class ImportRejected(BadInput):
    """An import that was refused, with every problem that was found (not only the first).

    Args:
        problems: What was found; a very long report may list only the beginning.
        mend: What to do about all of it.
        n_found: How many there are, when more than are listed.
    """

    def __init__(self, problems: Sequence[Problem], mend: str, n_found: int | None = None) -> None:
        self.problems = tuple(problems)
        self.n_found = max(n_found or 0, len(self.problems))
        first = "\n".join(f"  {problem}" for problem in self.problems[:20])
        more = f"\n  and {self.n_found - 20} more" if self.n_found > 20 else ""
        noun = "problem" if self.n_found == 1 else "problems"
        super().__init__(f"{self.n_found} {noun} found:\n{first}{more}\n", mend)


class Unclear(BadInput):
    """A source that can be read in more than one way.

    Args:
        source: What it is called.
        questions: What is asked, each with (answer, option) pairs.
    """

    def __init__(self, source: str, questions: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None:
        self.questions = tuple((text, tuple(answers)) for text, answers in questions)
        listed = "\n".join(
            f"  {text}\n" + "\n".join(f"    {option}  ({answer})" for answer, option in answers)
            for text, answers in self.questions
        )
        super().__init__(
            f"{source} can be read in more than one way.\n{listed}\n", "Give the option that is meant."
        )
