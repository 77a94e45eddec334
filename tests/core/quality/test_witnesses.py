"""Three witnesses: what a model and CLIP say together against a label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.embeddings import zero_shot as zs
from core.errors import BadInput, DamagedFile, NotFound
from core.evaluation.of_run import predictions_of
from core.evaluation.predictions import Predictions, save_predictions
from core.files import write_array, write_json
from core.labels.versions import labels_at
from core.quality.queue import WITNESSES, QueueRequest, build_queue
from core.quality.witnesses import answers_against, three_witnesses
from core.runs.store import Run, create_run
from core.workspace import Workspace
from tests.finished_runs import finished_run
from tests.tagged import tagged


def said(
    ids: list[str], labels: list[int], guesses: list[int], sure: list[float], classes: str = "abc"
) -> Predictions:
    probs = np.full((len(ids), 3), 0.0, np.float32)
    for row, (guess, share) in enumerate(zip(guesses, sure, strict=True)):
        probs[row] = (1 - share) / 2
        probs[row, guess] = share
    split = np.array(["train" if name == "t" else "test" for name in ids])
    return Predictions(np.array(ids), split, np.array(labels), probs, tuple(classes), "run", 0, "f")


MODEL = said(
    ["u", "v", "w", "x", "y", "t"], [0, 0, 0, 1, -1, 0], [0, 1, 1, 2, 1, 1], [0.9, 0.8, 0.7, 0.9, 0.9, 0.9]
)
CLIP = said(
    ["x", "w", "v", "u", "y", "t"], [1, 0, 0, 0, -1, 0], [0, 1, 1, 1, 1, 1], [0.9, 0.9, 0.6, 0.9, 0.9, 0.9]
)


def test_two_against_the_label_come_first_by_the_less_sure() -> None:
    found = three_witnesses(MODEL, CLIP, "test")
    assert found.item_ids[found.suspects].tolist() == ["w", "v"]
    assert found.against[found.suspects] == pytest.approx([0.7, 0.6])
    assert found.counts == {
        "both_right": 0,
        "only_model": 1,
        "only_clip": 0,
        "both_against": 2,
        "both_wrong_differently": 1,
    }


def test_the_cube_is_counted_slice_by_slice() -> None:
    found = three_witnesses(MODEL, CLIP, "test")
    assert found.slice().sum() == 5
    assert np.array_equal(sum(found.slice(k) for k in (0, 1, 2, -1)), found.slice())
    assert found.item_ids[found.cell(1, 1, 0)].tolist() == ["w", "v"]
    assert found.item_ids[found.cell(1, 1)].tolist() == ["w", "v", "y"]


def test_classes_are_joined_by_name_and_strangers_refused() -> None:
    turned = said(["v"], [1], [0], [0.6], "bac")
    assert len(three_witnesses(MODEL, turned).suspects) == 1
    with pytest.raises(BadInput, match="other classes"):
        three_witnesses(MODEL, said(["v"], [0], [1], [0.6], "xyz"))
    with pytest.raises(BadInput, match="no image in common"):
        three_witnesses(MODEL, said(["q"], [0], [1], [0.6]))


def test_an_answer_that_both_speak_against_is_found_the_surest_first() -> None:
    labels = np.array([[1, 0], [0, np.nan], [1, 0]], np.float32)
    model = np.array([[0.1, 0.9], [0.2, 0.9], [0.9, 0.95]], np.float32)
    clip = np.array([[0.1, 0.4], [0.1, 0.9], [0.1, 0.4]], np.float32)
    rows, classes = answers_against(labels, model, clip, np.array([0.2, 0.3], np.float32))
    assert list(zip(rows, classes, strict=True)) == [(2, 1), (0, 0), (0, 1)]


def test_the_queue_has_what_both_speak_against_but_nothing_the_model_learned(
    workspace: Workspace, sample: Dataset
) -> None:
    trained = predictions_of(finished_run(workspace, sample, "base"))
    given = trained.labels
    other = (given + 1) % 10
    says = np.eye(10, dtype=np.float32)[other]
    model = replace(trained, pred_probs=says)
    clip = replace(trained, pred_probs=says, split=np.full(len(trained), "test"))
    state = labels_at(workspace, sample)
    found = build_queue(sample, QueueRequest(WITNESSES, "r", clip="c"), state, model, clip=clip)
    held = trained.split != "train"
    assert set(sample.item_ids[found.positions]) == set(trained.item_ids[held])
    with pytest.raises(NotFound, match="CLIP has not answered"):
        build_queue(sample, QueueRequest(WITNESSES, "r"), state, model)


def zero_shot_run(workspace: Workspace, dataset: Dataset, cosines: np.ndarray, cuts: list[float]) -> Run:
    """A finished run that has these cosines (n, K), with a threshold a class."""
    run = create_run(workspace, dataset, None, name="words", kind="zero-shot")
    single = np.full(len(dataset), -1)
    split = np.full(len(dataset), "test")
    probs = np.full((len(dataset), len(dataset.classes)), 1 / len(dataset.classes), np.float32)
    about = (dataset.classes, run.id, 0, dataset.fingerprint)
    save_predictions(
        run.predictions_file, Predictions(np.array(dataset.item_ids), split, single, probs, *about)
    )
    write_array(run.folder / zs.SCORES, cosines.astype(np.float32))
    rows = [{"threshold": cut} for cut in cuts]
    write_json(run.folder / zs.THRESHOLDS, {"figures": {"test": {"classes": rows}}})
    return run


def test_of_several_labels_the_queue_has_images_with_an_answer_that_both_speak_against(
    workspace: Workspace, sample: Dataset
) -> None:
    clothes = tagged(workspace, sample, 40, split=np.repeat([0, 2], 20).astype(np.int8))
    labels = np.array(clothes.labels)
    sure = np.where(labels == 1, 0.9, 0.1).astype(np.float32)
    sure[25, 0] = 0.95 if labels[25, 0] == 0 else 0.05
    sure[5, 0] = 1 - sure[5, 0]  # of an image that the model trained on
    sure[30, 0] = 1 - sure[30, 0]  # CLIP says as the label does
    cosines = np.where(np.nan_to_num(labels) == 1, 0.3, 0.1)
    for row in (5, 25):
        cosines[row, 0] = 0.4 - cosines[row, 0]
    clip = zs.answers_of(zero_shot_run(workspace, clothes, cosines, [0.2, 0.2, 0.2]))
    split = np.array(["train"] * 20 + ["test"] * 20)
    about = (clothes.classes, "model", 0, clothes.fingerprint)
    model = Predictions(np.array(clothes.item_ids), split, labels, sure, *about)
    state = labels_at(workspace, clothes)

    def queue(**asked: int) -> list[int]:
        request = QueueRequest(WITNESSES, "model", clip="words", **asked)
        return build_queue(clothes, request, state, model, clip=clip).positions.tolist()

    assert queue() == [25]
    assert queue(given=0) == [25]
    assert queue(given=1) == []
    few = clip.take(np.arange(20))
    request = QueueRequest(WITNESSES, "model", clip="words")
    assert not len(build_queue(clothes, request, state, model, clip=few)), "CLIP was not asked about 25"


def test_thresholds_that_do_not_fit_are_said(workspace: Workspace, sample: Dataset) -> None:
    clothes = tagged(workspace, sample, 10)
    run = zero_shot_run(workspace, clothes, np.zeros((9, 3)), [0.2, 0.2, 0.2])
    with pytest.raises(DamagedFile, match="does not fit"):
        zs.answers_of(run)
