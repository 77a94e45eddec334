"""What the Issues page shows of the images: found once, in a thread, while the page says how far it is."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from core.data.dataset import Dataset
from core.evaluation.of_run import label_sets, scored_on
from core.labels.versions import LabelState
from core.quality.duplicates import Duplicates, SimilarImages, duplicates, similar_images
from core.quality.image_issues import ImageIssue, image_issues
from core.quality.leaks import LeakedScore, leaked_score
from core.runs.store import Run
from core.workspace import Workspace
from dashboard import memo

_COPIES = 0.85
"""The part of the time that the search for copies takes; it reads the images first."""
_FEWEST = 0.03
"""Below this share there is nothing to judge the rest by."""


@dataclass(frozen=True, eq=False)
class Survey:
    """All that is found in the images of a data set, under one version of its labels.

    Attributes:
        similar: The groups of copies, whatever was left out.
        copies: Those groups under the labels.
        issues: One entry for each kind, in the order of core.quality.image_issues.RULES.
    """

    similar: SimilarImages
    copies: Duplicates
    issues: list[ImageIssue]

    def issue(self, kind: str) -> ImageIssue | None:
        """The images that are odd in the way of that name; None for no such kind."""
        return next((issue for issue in self.issues if issue.rule.kind == kind), None)


class Work:
    """A survey that is being made, or was."""

    def __init__(self, make: Callable[[Callable[[float], None]], Survey]) -> None:
        self.share = 0.0
        self._result: Survey | None = None
        self._error: Exception | None = None
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(make,), name="tidyset-survey", daemon=True)
        self._thread.start()

    def _run(self, make: Callable[[Callable[[float], None]], Survey]) -> None:
        try:
            self._result = make(self._note)
        except Exception as error:  # it belongs to whoever asks for the result
            self._error = error

    def _note(self, share: float) -> None:
        self.share = share

    def wait(self, seconds: float) -> bool:
        """Wait until it is done, for so long at most; whether it is."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> Survey:
        """The survey, once it is done. Raises what went wrong."""
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise RuntimeError("The survey is still being made: wait() for it first.")
        return self._result

    @property
    def failed(self) -> bool:
        """Whether it ended without a result."""
        return self._error is not None

    @property
    def seconds_left(self) -> float | None:
        """How long it will take yet, judged by the share done; None at the beginning."""
        if self.share < _FEWEST:
            return None
        return (time.monotonic() - self._began) * (1 - self.share) / self.share


class _Works:
    """The last few surveys; each is made once, however many sessions ask, and again after an error."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Work] = OrderedDict()

    def get(self, key: Hashable, start: Callable[[], Work]) -> Work:
        with self._lock:
            work = self._kept.pop(key, None)
            if work is None or work.failed:
                work = start()
            self._kept[key] = work
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
            return work


_works = _Works(8)
_reading: defaultdict[Hashable, threading.Lock] = defaultdict(threading.Lock)
"""By workspace and content of the data set: its images are read by one thread at a time."""


def survey(workspace: Workspace, dataset: Dataset, state: LabelState) -> Work:
    """The survey of a data set's images under ``state``; begun when nobody asked for it before."""

    def make(note: Callable[[float], None]) -> Survey:
        # An edit meanwhile starts another survey, which must not read all again.
        with _reading[workspace.cache_key, dataset.content_key]:
            similar = similar_images(workspace, dataset, lambda share: note(_COPIES * share))
            issues = image_issues(
                workspace, dataset, state, lambda share: note(_COPIES + (1 - _COPIES) * share)
            )
        return Survey(similar, duplicates(dataset, similar, state), issues)

    key = (workspace.cache_key, dataset.cache_key, state.cache_key)
    return _works.get(key, lambda: Work(make))


@dataclass(frozen=True, slots=True)
class RunScore:
    """A run's test score with and without leaks, on one set of labels ("given" or "corrected")."""

    labels: str
    score: LeakedScore


def leaks_in(workspace: Workspace, dataset: Dataset, found: Survey, run: Run) -> list[RunScore]:
    """What the leaks do to a run's score, on the given labels and, where there are edits, the corrected."""
    predictions = memo.predictions(run)
    return [
        RunScore(labels.key, leaked_score(dataset, found.similar, scored_on(predictions, dataset, labels)))
        for labels in label_sets(workspace, dataset)
    ]


def leave_out(
    workspace: Workspace, dataset: Dataset, reasons: Mapping[int, str], who: str, issue: str
) -> list[int]:
    """Exclude items from training, each for its reason, in one commit.

    Args:
        reasons: Why, by position; kept with the edit.
        who: The person's name.
        issue: The kind of issue, kept as evidence.

    Returns:
        The numbers of the edits, for ``take_back``.
    """
    from core.labels.journal import EditKind, LabelJournal, NewEdit

    new = [
        NewEdit(str(dataset.item_ids[k]), EditKind.EXCLUDE, who=who, why=why, evidence={"issue": issue})
        for k, why in reasons.items()
    ]
    return [edit.number for edit in LabelJournal(workspace).append(dataset, new)]


def take_back(workspace: Workspace, dataset: Dataset, numbers: Sequence[int], who: str) -> None:
    """Undo edits, in one commit."""
    from core.labels.journal import EditKind, LabelJournal, NewEdit

    undo = [NewEdit("", EditKind.UNDO, undoes=number, who=who) for number in numbers]
    LabelJournal(workspace).append(dataset, undo)
