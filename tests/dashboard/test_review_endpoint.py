"""The labels POST: answers after the commit, repeats nothing, and lets nobody else in."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import Response

from core.data.dataset import Dataset
from core.errors import BadInput
from core.labels.journal import LabelJournal
from core.labels.versions import labels_at
from core.workspace import Workspace
from dashboard.review import endpoint, tokens
from dashboard.review.said import from_words, in_words
from tests.tagged import tagged

SESSION = "0123456789abcdef"


def post(body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """What the endpoint answers to a request with that body."""
    given = {"host": "localhost:8501", "content-type": "application/json", **headers}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/tidyset/labels",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    def answer() -> Response:
        return asyncio.run(endpoint.labels(Request(scope, receive)))  # type: ignore[arg-type]

    with ThreadPoolExecutor(1) as pool:  # this thread has a loop already once a browser test has run in it
        response = pool.submit(answer).result()
    return response.status_code, json.loads(bytes(response.body))


def batch(sample: Dataset, *edits: dict[str, Any], **more: Any) -> bytes:
    about = {"dataset": sample.name, "fingerprint": sample.fingerprint, "session": SESSION, "who": "Ada"}
    return json.dumps({**about, "edits": list(edits), **more}).encode()


def label(dataset: Dataset, position: int, seq: int, name: str, **more: Any) -> dict[str, Any]:
    return {"seq": seq, "item": str(dataset.item_ids[position]), "kind": "label", "label": name, **more}


@pytest.fixture
def headers(workspace: Workspace, sample: Dataset) -> dict[str, str]:
    return {"x-tidyset-token": tokens.token(workspace, sample), "sec-fetch-site": "same-origin"}


def test_edits_are_in_the_journal_when_it_answers(
    workspace: Workspace, sample: Dataset, headers: dict[str, str]
) -> None:
    evidence = {"run": "r1", "guess": "Coat", "confidence": 0.9, "queue": "misclassified"}
    body = batch(
        sample,
        label(sample, 3, 1, "Coat", evidence=evidence),
        {"seq": 2, "item": str(sample.item_ids[4]), "kind": "exclude"},
        {"seq": 3, "item": str(sample.item_ids[4]), "kind": "undo", "undoes_seq": 2},
    )
    assert post(body, headers) == (200, {"saved": [[1, 1], [2, 2], [3, 3]], "refused": []})
    first = LabelJournal(workspace).edits(sample.name)[0]
    assert (first.new, first.who, first.evidence) == ("Coat", "Ada", evidence)
    state = labels_at(workspace, sample)
    assert sample.classes[state.labels[3]] == "Coat"
    assert not state.excluded.any()


def test_a_batch_sent_again_gets_the_same_answer_and_changes_nothing(
    workspace: Workspace, sample: Dataset, headers: dict[str, str]
) -> None:
    body = batch(sample, label(sample, 0, 1, "Coat"), label(sample, 1, 2, "Bag"))
    assert post(body, headers) == post(body, headers)
    assert len(LabelJournal(workspace).edits(sample.name)) == 2


def test_one_bad_edit_does_not_hold_up_the_others(
    workspace: Workspace, sample: Dataset, headers: dict[str, str]
) -> None:
    bad = "<img src=x onerror=alert(1)>"
    status, answer = post(batch(sample, label(sample, 0, 1, bad), label(sample, 1, 2, "Bag")), headers)
    assert status == 200
    assert answer["saved"] == [[2, 1]]
    assert [one["seq"] for one in answer["refused"]] == [1]
    assert "is no class" in answer["refused"][0]["problem"]
    assert [edit.new for edit in LabelJournal(workspace).edits(sample.name)] == ["Bag"]


@pytest.mark.parametrize(
    "changed",
    [
        {"x-tidyset-token": ""},
        {"x-tidyset-token": "0" * 64},
        {"x-tidyset-token": "ü" * 64},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_stranger_is_turned_away(
    workspace: Workspace, sample: Dataset, headers: dict[str, str], changed: dict[str, str]
) -> None:
    status, answer = post(batch(sample, label(sample, 0, 1, "Bag")), {**headers, **changed})
    assert status == 403
    assert answer["problem"]
    assert not labels_at(workspace, sample).reviewed.any()


def test_without_fetch_metadata_the_origin_decides(
    workspace: Workspace, sample: Dataset, headers: dict[str, str]
) -> None:
    body = batch(sample, label(sample, 0, 1, "Bag"))
    token = {"x-tidyset-token": headers["x-tidyset-token"]}
    assert post(body, {**token, "origin": "http://evil.example"})[0] == 403
    assert post(body, {**token, "origin": "null"})[0] == 403
    assert post(body, {**token, "origin": "http://localhost:8501"})[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"dataset": 3}',
        b'{"dataset": "fashion-mnist-sample", "fingerprint": "", "session": "../..", "edits": []}',
    ],
)
def test_what_is_no_batch_is_refused(
    workspace: Workspace, sample: Dataset, headers: dict[str, str], body: bytes
) -> None:
    status, answer = post(body, headers)
    assert status == 400
    assert "Reload" in answer["mend"]


def test_sizes_types_and_names_are_checked(
    workspace: Workspace, sample: Dataset, headers: dict[str, str]
) -> None:
    edit = label(sample, 0, 1, "Bag")
    good = batch(sample, edit)
    assert post(good, {**headers, "content-type": "text/plain"})[0] == 400
    assert post(b" " * (endpoint.MAX_BYTES + 1) + good, headers)[0] == 400
    many = [{**edit, "seq": seq} for seq in range(endpoint.MAX_EDITS + 1)]
    assert post(batch(sample, *many), headers)[0] == 400
    assert post(batch(sample, {**edit, "surprise": 1}), headers)[0] == 400
    assert post(batch(sample, {**edit, "seq": -1}), headers)[0] == 400
    assert post(batch(sample, edit, dataset="../../etc"), headers)[0] == 400
    assert post(batch(sample, edit, dataset="fashion-mnist"), headers)[0] == 404  # never opened here
    assert post(batch(sample, edit, fingerprint="0" * 32), headers)[0] == 404
    assert not (workspace.root / "labels.db").exists()


def test_a_journal_that_cannot_be_written_acknowledges_nothing(
    workspace: Workspace, sample: Dataset, headers: dict[str, str]
) -> None:
    (workspace.root / "labels.db").mkdir()
    status, answer = post(batch(sample, label(sample, 0, 1, "Bag")), headers)
    assert status == 503
    assert "labels.db" in answer["problem"]
    (workspace.root / "labels.db").rmdir()
    assert post(batch(sample, label(sample, 0, 1, "Bag")), headers)[0] == 200


def test_the_token_is_of_one_workspace_and_one_content(
    workspace: Workspace, sample: Dataset, headers: dict[str, str]
) -> None:
    from dataclasses import replace

    other = replace(sample, fingerprint="0" * 32)
    assert tokens.is_valid(workspace, sample, headers["x-tidyset-token"])
    assert tokens.token(workspace, sample) == headers["x-tidyset-token"]
    assert tokens.token(workspace, other) != headers["x-tidyset-token"]
    assert tokens.token(Workspace(workspace.root / "b"), sample) != headers["x-tidyset-token"]
    assert (workspace.root / "secret.key").stat().st_mode & 0o077 == 0


def test_many_edits_in_one_batch(workspace: Workspace, sample: Dataset, headers: dict[str, str]) -> None:
    names = [sample.classes[(int(sample.labels[position]) + 1) % 10] for position in range(200)]
    body = batch(
        sample, *(label(sample, position, position + 1, name) for position, name in enumerate(names))
    )
    status, answer = post(body, headers)
    assert status == 200
    assert len(answer["saved"]) == 200
    assert np.flatnonzero(labels_at(workspace, sample).edited).tolist() == list(range(200))


def test_a_blind_look_and_one_class_of_several(
    workspace: Workspace, sample: Dataset, headers: dict[str, str]
) -> None:
    look = {**label(sample, 0, 1, "Bag"), "kind": "look"}
    status, answer = post(batch(sample, look), headers)
    assert (status, answer["saved"]) == (200, [[1, 1]])
    status, answer = post(batch(sample, label(sample, 0, 2, "yes", class_name="Bag")), headers)
    assert "sets no single class" in answer["refused"][0]["problem"]  # the sample has one label an image
    assert not labels_at(workspace, sample).reviewed.any()


def test_doubts_and_missing_classes_are_noted(
    workspace: Workspace, sample: Dataset, headers: dict[str, str]
) -> None:
    items = [str(one) for one in sample.item_ids[:3]]
    status, answer = post(
        batch(
            sample,
            {"seq": 1, "item": items[0], "kind": "unsure"},
            {"seq": 2, "item": items[1], "kind": "propose", "label": "  rain   coat "},
            {"seq": 3, "item": items[2], "kind": "propose", "label": "Coat"},
            {"seq": 4, "item": items[2], "kind": "confirm", "evidence": {"together": 2}},
        ),
        headers,
    )
    assert status == 200
    assert [seq for seq, _ in answer["saved"]] == [1, 2, 4]
    assert "has a class 'Coat'" in answer["refused"][0]["problem"]
    state = labels_at(workspace, sample)
    assert (state.unsure, dict(state.proposed)) == ((0,), {1: "rain coat"})
    assert LabelJournal(workspace).edits(sample.name)[-1].evidence == {"together": 2}


def test_who_agrees_to_a_label_that_is_another_by_now_is_told_which(
    workspace: Workspace, sample: Dataset, headers: dict[str, str]
) -> None:
    was = int(sample.labels[0])
    by_now = (was + 1) % len(sample.classes)
    confirm = {"item": str(sample.item_ids[0]), "kind": "confirm", "shown": was}
    edits = [{**confirm, "seq": 1}, label(sample, 0, 2, sample.classes[by_now]), {**confirm, "seq": 3}]
    status, answer = post(batch(sample, *edits), headers)
    assert (status, answer["saved"]) == (200, [[1, 1], [2, 2]])
    (refused,) = answer["refused"]
    assert (refused["seq"], refused["now"]) == (3, by_now)
    assert f"is now {sample.classes[by_now]}. Look again." in refused["problem"]
    for nonsense in (len(sample.classes), [1, 0]):
        assert post(batch(sample, {**confirm, "seq": 4, "shown": nonsense}), headers)[0] == 400


def test_answers_travel_as_numbers(workspace: Workspace, sample: Dataset) -> None:
    tags = tagged(workspace, sample)
    words = ("yes", "no", *["unknown"] * (len(tags.classes) - 2))
    numbers = [1, 0, *[-1] * (len(tags.classes) - 2)]
    assert in_words(tags, numbers) == words
    assert from_words(tags, words) == numbers
    assert in_words(tags, 0) == ("no",)  # of one class
    with pytest.raises(BadInput, match="is no label"):
        in_words(tags, [2])
