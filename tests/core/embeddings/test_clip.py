"""Loading CLIP models and their features: a tiny random model, and files that must be refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from core.data.dataset import Dataset
from core.embeddings.clip import Encoder, clip_features, kept_features, model_facts
from core.embeddings.clip_models import ClipModel, find_model, list_models, model_digest
from core.embeddings.clip_towers import ClipTowers, read_state
from core.errors import BadInput, DamagedFile, NotFound, Offline
from core.workspace import Workspace
from tests.tiny_clip import CONFIG, write_tiny_clip


@pytest.fixture
def model(workspace: Workspace, tmp_path: Path) -> ClipModel:
    checkpoint, config = write_tiny_clip(tmp_path / "tiny")
    return find_model(workspace, "tiny", checkpoint=checkpoint, config=config)


def test_features_are_those_of_open_clip(workspace: Workspace, sample: Dataset, model: ClipModel) -> None:
    positions = np.arange(70)
    found = Encoder(workspace, model).images(sample, positions)
    network, _, transform = open_clip.create_model_and_transforms("tiny", pretrained=model.checkpoint)
    network.eval()
    pictures = [Image.fromarray(sample.images.read(int(p))[:, :, 0]) for p in positions]
    with torch.no_grad():
        wanted = network.encode_image(torch.stack([transform(one) for one in pictures]), normalize=True)
    assert found.dtype == np.float32
    assert np.abs(found - wanted.numpy()).max() < 0.01
    assert (found * wanted.numpy()).sum(axis=1).min() > 0.9999


def test_texts_are_those_of_open_clip(workspace: Workspace, model: ClipModel) -> None:
    texts = ("a photo of a cat", "a dog")
    network = open_clip.create_model("tiny", pretrained=model.checkpoint).eval()
    with torch.no_grad():
        tokens = open_clip.get_tokenizer("tiny", context_length=12)(list(texts))
        wanted = network.encode_text(tokens, normalize=True).numpy()
    assert Encoder(workspace, model).texts(texts) == pytest.approx(wanted, abs=1e-5)


def test_what_is_kept_needs_no_model(workspace: Workspace, sample: Dataset, model: ClipModel) -> None:
    positions = sample.in_split("test")[:600]
    assert kept_features(workspace, sample, model, positions) is None
    told: list[float] = []
    made = Encoder(workspace, model).images(sample, positions, lambda share, text: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0
    kept = kept_features(workspace, sample, model, positions)
    assert kept is not None
    assert np.array_equal(kept, made)
    facts = model_facts(workspace, model)
    assert facts is not None
    assert facts.images_per_second is not None
    assert facts.context_length == 12


def test_a_broken_off_computation_goes_on(workspace: Workspace, sample: Dataset, model: ClipModel) -> None:
    positions = sample.in_split("test")[:700]

    class Enough(Exception):
        pass

    def stop_late(share: float, text: str) -> None:
        if share > 0.8:
            raise Enough

    with pytest.raises(Enough):
        Encoder(workspace, model).images(sample, positions, stop_late)
    texts: list[str] = []
    Encoder(workspace, model).images(sample, positions, lambda share, text: texts.append(text))
    assert texts[-1] == "images 188 of 188"  # 700 less the first block


def test_all_images_in_the_order_of_the_data_set(
    workspace: Workspace, sample: Dataset, model: ClipModel
) -> None:
    values = clip_features(workspace, sample, model.key)
    assert values.shape == (len(sample), 16)
    assert np.linalg.norm(values, axis=1) == pytest.approx(1, abs=1e-4)
    test = sample.in_split("test")
    again = kept_features(workspace, sample, model, test)
    assert again is not None
    assert np.array_equal(values[test], again)


def test_a_checkpoint_is_remembered_by_its_name(workspace: Workspace, model: ClipModel) -> None:
    assert find_model(workspace, "tiny") == model
    assert model in list_models(workspace)
    with pytest.raises(NotFound, match="openai-vit-b-32"):
        find_model(workspace, "tinny")


def test_other_weights_are_another_model(workspace: Workspace, model: ClipModel, tmp_path: Path) -> None:
    before = model_digest(model)
    write_tiny_clip(tmp_path / "tiny", seed=1)
    os.utime(model.checkpoint, ns=(1, 1))
    assert model_digest(model) != before
    squashed = find_model(workspace, "tiny", resize="squash")
    assert model_digest(squashed) != model_digest(model)
    assert ClipTowers(squashed).preprocessing.resize == "squash"


@pytest.mark.parametrize("text", ["", "   ", "word " * 30])
def test_a_text_that_cannot_be_read_is_refused(workspace: Workspace, model: ClipModel, text: str) -> None:
    with pytest.raises(BadInput, match=r"empty|32 tokens; tiny reads 12"):
        Encoder(workspace, model).texts((text,))


class Danger:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("echo loaded",)


def test_pickled_code_is_refused_unread(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"state_dict": Danger()}, path)
    with pytest.raises(BadInput, match=r"evil\.pt holds pickled code"):
        read_state(path)
    assert "loaded" not in capfd.readouterr().out


def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), path)
    with pytest.raises(BadInput, match="TorchScript"):
        read_state(path)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_corrupt_file_is_named(workspace: Workspace, model: ClipModel, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(Path(model.checkpoint).read_bytes()[:5_000])
    with pytest.raises(DamagedFile, match=f"cut{suffix}"):
        read_state(path)


def test_weights_of_another_model_are_told_by_their_keys(
    workspace: Workspace, model: ClipModel, tmp_path: Path
) -> None:
    other = {**CONFIG, "embed_dim": 24}
    checkpoint, _ = write_tiny_clip(tmp_path / "other", "wider", **other)
    wrong = find_model(workspace, "wrong", checkpoint=checkpoint, config=model.config)
    with pytest.raises(BadInput, match=r"no checkpoint of tiny: .*another shape.*\(16, 16\)|instead of"):
        ClipTowers(wrong)
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "resnet.pt")
    stranger = find_model(workspace, "stranger", checkpoint=tmp_path / "resnet.pt", config=model.config)
    with pytest.raises(BadInput, match=r"keys missing .*1 unknown .conv.weight"):
        ClipTowers(stranger)


def test_bad_names_and_files_are_refused(workspace: Workspace, tmp_path: Path, model: ClipModel) -> None:
    with pytest.raises(NotFound, match="no checkpoint"):
        find_model(workspace, "x", checkpoint=tmp_path / "none.pt")
    (tmp_path / "empty.json").write_text(json.dumps({"embed_dim": 3}))
    with pytest.raises(BadInput, match="lacks vision_cfg, text_cfg"):
        find_model(workspace, "x", checkpoint=model.checkpoint, config=tmp_path / "empty.json")
    with pytest.raises(BadInput, match=r"knows no model 'ViT-B-23' \(but .*ViT-B-32"):
        ClipTowers(find_model(workspace, "ViT-B-23", pretrained="openai"))
    with pytest.raises(BadInput, match="no published weights 'opanai'"):
        ClipTowers(find_model(workspace, "ViT-B-32", pretrained="opanai"))


def test_without_the_network_the_way_out_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Offline, match="local checkpoint"):
        ClipTowers(find_model(workspace, "openai-vit-b-32"))
