"""The process that keeps a model for edited prompts: as a function, and as the process it is."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.embeddings.clip import Encoder, kept_texts
from core.embeddings.clip_models import ClipModel, find_model
from core.embeddings.resident import Resident, resident, serve
from core.errors import BadInput
from core.workspace import Workspace
from tests.tiny_clip import write_tiny_clip


@pytest.fixture
def model(workspace: Workspace, tmp_path: Path) -> ClipModel:
    checkpoint, config = write_tiny_clip(tmp_path / "tiny")
    return find_model(workspace, "tiny", checkpoint=checkpoint, config=config)


def answers(workspace: Workspace, model: ClipModel, *questions: object) -> list[dict[str, object]]:
    lines = "".join(json.dumps(one) + "\n" for one in ({"model": model.to_json()}, *questions))
    out = io.StringIO()
    serve(str(workspace.root), io.StringIO(lines), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_each_question_has_one_answer(workspace: Workspace, model: ClipModel, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (200, 30, 30)).save(tmp_path / "red.png")
    texts, long, picture, none = answers(
        workspace,
        model,
        {"texts": ["a dog", "a cat"]},
        {"texts": ["word " * 40]},
        {"picture": str(tmp_path / "red.png")},
        {"picture": str(tmp_path / "none.png")},
    )
    assert texts == {"n": 2}
    assert kept_texts(workspace, model, ("a dog", "a cat")) is not None
    assert "42 tokens" in str(long["error"])
    assert np.linalg.norm(picture["vector"]) == pytest.approx(1, abs=1e-4)  # type: ignore[arg-type]
    assert "cannot be decoded" in str(none["error"])


def test_a_model_that_cannot_be_loaded_says_so_to_every_question(
    workspace: Workspace, model: ClipModel
) -> None:
    Path(model.checkpoint).write_bytes(b"nothing")
    first, second = answers(workspace, model, {"texts": ["a"]}, {"texts": ["b"]})
    assert first == second
    assert "cannot be read as a checkpoint" in str(first["error"])


def test_a_process_answers_and_is_started_again_after_it_ended(
    workspace: Workspace, model: ClipModel
) -> None:
    kept = resident(workspace, model)
    assert resident(workspace, model) is kept
    try:
        found = kept.texts(("a red bus",))
        assert found == pytest.approx(Encoder(workspace, model).texts(("a red bus",)))
        with pytest.raises(BadInput, match="tiny reads 12"):
            kept.texts(("word " * 30,))
        kept.close()
        assert kept.texts(("a red bus",)) == pytest.approx(found)  # from the cache: no process is needed
        assert kept.texts(("a blue bus",)).shape == (1, 16)
    finally:
        kept.close()


def test_what_is_kept_starts_no_process(workspace: Workspace, model: ClipModel) -> None:
    Encoder(workspace, model).texts(("a dog",))
    asked = Resident(workspace, model)
    asked.texts(("a dog",))
    assert asked._process is None
