"""Collecting what is wrong with an input: all of it, not the first only, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.errors import ImportRejected, Problem
from core.files import Json

LISTED = 1_000


def _as_text(name: str) -> str:
    """A file name of bytes that are no UTF-8, with those written out, so that it can be shown and kept."""
    return name.encode(errors="backslashreplace").decode()


@dataclass(eq=False)
class ProblemLog:
    """The problems of one import; the first thousand are kept in full, the rest are counted."""

    n_found: int = 0
    n_noted: int = 0
    listed: list[Problem] = field(default_factory=list)

    def add(self, file: str, row: int | None, what: str, mend: str) -> None:
        """Note one problem: ``row`` is 1-based, None for the whole file."""
        self.n_found += 1
        if len(self.listed) < LISTED:
            self.listed.append(Problem(_as_text(file), row, _as_text(what), mend))

    def note(self, file: str, row: int | None, what: str, mend: str) -> None:
        """Note something that is left out and is no reason to refuse the rest."""
        self.n_noted += 1
        self.add(file, row, what, mend)

    @property
    def refuses(self) -> bool:
        """Whether there is anything but notes."""
        return self.n_found > self.n_noted

    def as_json(self) -> Json:
        """The report as it is kept beside a data set."""
        problems = [{"file": p.file, "row": p.row, "what": p.what, "mend": p.mend} for p in self.listed]
        return {"n_found": self.n_found, "problems": problems}

    def rejected(self, mend: str) -> ImportRejected:
        """The error that carries the report."""
        return ImportRejected(self.listed, mend, n_found=self.n_found)
