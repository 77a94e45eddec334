"""Review queues where an image has several labels, and queues narrowed down by who has looked."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.dataset import SPLITS, Dataset
from core.errors import BadInput
from core.evaluation.predictions import Predictions
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.reviewers import decided_by, reviewers
from core.labels.versions import labels_at
from core.quality.queue import QueueRequest, build_queue
from core.workspace import Workspace
from tests.tagged import tagged


@pytest.fixture
def tags(workspace: Workspace, sample: Dataset) -> Dataset:
    return tagged(workspace, sample)


@pytest.fixture
def predictions(tags: Dataset) -> Predictions:
    """A model that is sure and right, but for item 5, on whose first class it is sure and wrong."""
    known = np.nan_to_num(tags.labels, nan=0.5)
    yes = np.clip(known, 0.1, 0.9).astype(np.float32)
    yes[5, 0] = 1 - yes[5, 0]
    yes[7, 2] = 0.55 if yes[7, 2] > 0.5 else 0.45
    return Predictions(
        np.array(tags.item_ids),
        np.array(SPLITS)[tags.split],
        np.array(tags.labels),
        yes,
        tags.classes,
        "r",
        0,
        tags.fingerprint,
    )


def say(workspace: Workspace, tags: Dataset, position: int, kind: EditKind, who: str, **more: str) -> None:
    edit = NewEdit(str(tags.item_ids[position]), kind, who=who, **more)  # type: ignore[arg-type]
    LabelJournal(workspace).append(tags, [edit])


def positions_of(workspace: Workspace, tags: Dataset, request: QueueRequest, **more: object) -> list[int]:
    return build_queue(tags, request, labels_at(workspace, tags), **more).positions.tolist()  # type: ignore[arg-type]


def test_where_the_model_is_surest_against_a_label_comes_first(
    workspace: Workspace, tags: Dataset, predictions: Predictions
) -> None:
    request = QueueRequest("misclassified")
    assert positions_of(workspace, tags, request, predictions=predictions) == [5]
    asked = QueueRequest("misclassified", given=1)
    assert positions_of(workspace, tags, asked, predictions=predictions) == []
    queue = build_queue(tags, request, labels_at(workspace, tags), predictions)
    assert [k for k, _ in queue.top(0)] == [0, 1, 2]  # all classes, in their order


def test_the_least_sure_answer_of_an_image_counts(
    workspace: Workspace, tags: Dataset, predictions: Predictions
) -> None:
    unsure = positions_of(workspace, tags, QueueRequest("least-confident", given=2), predictions=predictions)
    assert unsure[0] == 7
    below = QueueRequest("below-threshold", given=2, threshold=0.6)
    assert positions_of(workspace, tags, below, predictions=predictions) == [7]


def test_one_answer_can_be_asked_for(workspace: Workspace, tags: Dataset) -> None:
    unknown = positions_of(workspace, tags, QueueRequest("all", given=1, answer="unknown"))
    assert unknown == list(range(0, len(tags), 4))
    yes = positions_of(workspace, tags, QueueRequest("all", given=0, answer="yes"))
    assert yes == np.flatnonzero(tags.labels[:, 0] == 1).tolist()
    any_unknown = positions_of(workspace, tags, QueueRequest("all", answer="unknown"))
    assert any_unknown == unknown
    with pytest.raises(BadInput, match="no answer 'perhaps'"):
        positions_of(workspace, tags, QueueRequest("all", answer="perhaps"))


def test_reviewed_means_the_class_that_is_asked_about(workspace: Workspace, tags: Dataset) -> None:
    say(workspace, tags, 0, EditKind.LABEL, "Ada", class_name="sleeves", new="no")
    say(workspace, tags, 1, EditKind.CONFIRM, "Ada")
    rest = QueueRequest("all", given=1)
    assert positions_of(workspace, tags, rest, skip_reviewed=True)[:2] == [2, 3]
    assert positions_of(workspace, tags, QueueRequest("all", given=0), skip_reviewed=True)[:2] == [0, 2]
    state = labels_at(workspace, tags)
    assert state.answered is not None
    assert np.argwhere(state.answered).tolist() == [[0, 1]]
    assert state.reviewed_for(0)[:3].tolist() == [False, True, False]


def test_what_nobody_could_tell_and_missing_classes_have_queues(workspace: Workspace, tags: Dataset) -> None:
    say(workspace, tags, 4, EditKind.UNSURE, "Ada")
    say(workspace, tags, 9, EditKind.PROPOSE, "Ada", new="hat")
    assert positions_of(workspace, tags, QueueRequest("not-sure"), skip_reviewed=True) == [4]
    assert positions_of(workspace, tags, QueueRequest("new-class")) == [9]
    say(workspace, tags, 4, EditKind.LABEL, "Bob", class_name="sleeves", new="yes")
    assert positions_of(workspace, tags, QueueRequest("not-sure")) == []


def test_a_queue_of_what_one_person_saw_and_another_did_not(workspace: Workspace, sample: Dataset) -> None:
    for position, who in ((3, "Ada"), (4, "Ada"), (4, "Bob"), (6, "Bob")):
        say(workspace, sample, position, EditKind.CONFIRM, who)
    LabelJournal(workspace).append(
        sample, [NewEdit("", EditKind.UNDO, undoes=1, who="Ada")]
    )  # Ada takes back what she said of item 3
    assert reviewers(workspace, sample) == ["Ada", "Bob"]
    ada, bob = (decided_by(workspace, sample, who) for who in ("Ada", "Bob"))
    assert (np.flatnonzero(ada).tolist(), np.flatnonzero(bob).tolist()) == ([4], [4, 6])
    assert positions_of(workspace, sample, QueueRequest("all"), seen=bob, unseen=ada) == [6]
    assert not decided_by(workspace, sample, "Eve").any()


def test_before_the_first_edit_there_are_no_reviewers(workspace: Workspace, sample: Dataset) -> None:
    assert reviewers(workspace, sample) == []
