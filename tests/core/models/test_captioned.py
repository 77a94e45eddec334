import numpy as np
import pytest
import torch

from core.models import ModelCard, build, load_model, model_summary, save_model
from core.models.words import FIRST_WORD, NOTHING, PAD, UNKNOWN, encode, make_vocabulary, trimmed

WORDS = ("a", "dog", "cat")
MODELS = ("lstm-transformer", "gated-words")


def card(inputs: str, caption_model: str) -> ModelCard:
    return ModelCard(
        model="plain-cnn",
        width=4,
        classes=("x", "y"),
        channels=1,
        height=16,
        image_width=16,
        mean=(0.0,),
        std=(255.0,),
        task="multi-label",
        inputs=inputs,
        caption_model=caption_model,
        caption_width=16,
        words=WORDS,
    )


def test_the_vocabulary_is_of_words_that_occur_twice():
    assert make_vocabulary(["a dog", "A cat", "a dog dog", "bird bird"]) == ("a", "dog")


def test_unseen_words_and_empty_captions_have_numbers_of_their_own():
    words = encode(["A dog!", "", "a zebra and a cat"], WORDS)
    a, dog, cat = range(FIRST_WORD, FIRST_WORD + 3)
    assert words.tolist() == [
        [a, dog, PAD, PAD, PAD],
        [NOTHING, PAD, PAD, PAD, PAD],
        [a, UNKNOWN, UNKNOWN, a, cat],
    ]
    assert trimmed(words[:2]).shape == (2, 2)


@pytest.mark.parametrize("inputs", ["caption", "both"])
@pytest.mark.parametrize("caption_model", MODELS)
def test_padding_changes_nothing_and_words_do(inputs: str, caption_model: str):
    torch.manual_seed(0)
    model = build(card(inputs, caption_model)).eval()
    images = torch.rand(2, 1, 16, 16)
    words = torch.from_numpy(encode(["a dog", "a cat"], WORDS).astype(np.int64))
    padded = torch.nn.functional.pad(words, (0, 5), value=PAD)
    with torch.no_grad():
        scores = model(images, words)
        torch.testing.assert_close(model(images, padded), scores)
        assert (model(images, words.flip(0)) - scores).abs().max() > 1e-4
        assert torch.isfinite(model(images)).all()  # no words at all: as an empty caption
        looks = (model(images.flip(0), words) - scores).abs().max() > 1e-5
    assert looks == (inputs == "both")


@pytest.mark.parametrize("caption_model", MODELS)
def test_a_saved_network_knows_its_words(tmp_path, caption_model: str):
    model = build(card("both", caption_model)).eval()
    save_model(tmp_path / "model.safetensors", model, card("both", caption_model))
    again, read = load_model(tmp_path / "model.safetensors")
    assert read.words == WORDS
    images, words = torch.rand(1, 1, 16, 16), torch.tensor([[FIRST_WORD, FIRST_WORD + 1]])
    torch.testing.assert_close(again(images, words), model(images, words))
    assert "reader" in model_summary(again, 1, (16, 16))
