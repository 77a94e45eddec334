"""What the Agreement page shows: votes, figures, conflicts and what waits for a blind look; by version."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.data.dataset import Dataset
from core.labels.agreement import Agreement, find_conflicts, measure_agreement, votes
from core.labels.guard import GuardedLabels, guarded_labels
from core.labels.journal import Edit, EditKind, LabelJournal, live
from core.labels.versions import current_version
from core.workspace import Workspace
from dashboard import cached
from dashboard.kept import kept


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


def looks_of(workspace: Workspace, dataset: Dataset) -> Looks:
    """Everything about agreement, under the newest labels; shared by all sessions."""
    version = current_version(workspace, dataset.name)
    return _looks(str(workspace.root), dataset.fingerprint, version, workspace, dataset)


@kept
def _looks(root: str, fingerprint: str, version: int, _workspace: Workspace, _dataset: Dataset) -> Looks:
    edits = tuple(LabelJournal(_workspace).edits(_dataset.name)) if version else ()
    last_vote = max((edit.number for edit in edits if edit.kind is not EditKind.SETTLE), default=0)
    figures = _figures(root, fingerprint, last_vote, edits)
    agreement = replace(figures, conflicts=find_conflicts(votes(edits)))
    return Looks(edits, _decided(edits), agreement, guarded_labels(_workspace, _dataset))


@kept
def _figures(root: str, fingerprint: str, last_vote: int, _edits: tuple[Edit, ...]) -> Agreement:
    """The figures with their intervals take a second or two; settling a conflict leaves them as they are."""
    with cached.progress("Measuring agreement") as on_share:
        return measure_agreement(_edits, on_share=on_share)


def _decided(edits: tuple[Edit, ...]) -> dict[str, int]:
    items: dict[str, set[str]] = {}
    for edit in live(edits):
        if edit.kind in (EditKind.LABEL, EditKind.CONFIRM):
            items.setdefault(edit.who, set()).add(edit.item_id)
    return {who: len(found) for who, found in sorted(items.items())}
