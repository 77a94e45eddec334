"""What the Agreement page shows: votes, figures, conflicts and what waits for a blind look; by version."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.data.dataset import Dataset
from core.files import digest
from core.labels.agreement import Agreement, find_conflicts, measure_agreement, votes
from core.labels.guard import GuardedLabels, guarded_labels
from core.labels.journal import Edit, EditKind, LabelJournal, live
from core.labels.versions import LabelVersion
from core.workspace import Workspace
from dashboard.memo import remembered
from dashboard.progress import progress


@dataclass(frozen=True, eq=False)
class Looks:
    """The journal of a data set, as the Agreement page reads it.

    Attributes:
        edits: All edits, oldest first.
        decided: Of each person, how many items they decided on.
        agreement: The figures and the conflicts.
        guarded: The newest labels, and the corrections of test labels that wait for a blind look.
    """

    edits: tuple[Edit, ...]
    decided: dict[str, int]
    agreement: Agreement
    guarded: GuardedLabels


@remembered()
def looks_of(workspace: Workspace, dataset: Dataset, version: LabelVersion) -> Looks:
    """Everything about agreement, under the labels of the newest version; shared by all sessions."""
    edits = tuple(LabelJournal(workspace).edits(dataset.name)) if version.number else ()
    agreement = replace(_figures(_Edits(edits)), conflicts=find_conflicts(votes(edits)))
    return Looks(edits, _decided(edits), agreement, guarded_labels(workspace, dataset))


@dataclass(frozen=True)
class _Edits:
    """Edits as the figures depend on them: settling a conflict leaves those as they are."""

    edits: tuple[Edit, ...]

    @property
    def cache_key(self) -> str:
        voting = [edit for edit in self.edits if edit.kind is not EditKind.SETTLE]
        return digest([(edit.dataset, edit.number, edit.session, edit.seq, edit.at) for edit in voting])


@remembered()
def _figures(made: _Edits) -> Agreement:
    """The figures with their intervals take a second or two."""
    with progress("Measuring agreement") as on_share:
        return measure_agreement(made.edits, on_share=on_share)


def _decided(edits: tuple[Edit, ...]) -> dict[str, int]:
    items: dict[str, set[str]] = {}
    for edit in live(edits):
        if edit.kind in (EditKind.LABEL, EditKind.CONFIRM):
            items.setdefault(edit.who, set()).add(edit.item_id)
    return {who: len(found) for who, found in sorted(items.items())}
