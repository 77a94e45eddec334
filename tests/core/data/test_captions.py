import numpy as np

from core.data.captions import caption_statistics, words_of
from core.data.labels import Labels

CAPTIONS = [
    "A dog runs.",
    "a DOG sleeps, a dog's life",
    "A cat sleeps",
    "",
    "a dog runs",
    " ... ",
]


def test_words_are_lower_case_and_keep_an_apostrophe():
    assert words_of("A man's 2 bikes -- isn’t it?") == ["a", "man's", "2", "bikes", "isn’t", "it"]
    assert words_of("Ein großer Hund") == ["ein", "großer", "hund"]


def test_lengths_vocabulary_empty_and_duplicated():
    found = caption_statistics(CAPTIONS)
    assert found.lengths.tolist() == [3, 6, 3, 0, 3, 0]
    assert found.vocabulary[:2] == ("a", "dog")
    assert found.counts[:2].tolist() == [5, 3]
    assert found.in_captions[:2].tolist() == [4, 3]
    assert found.empty.tolist() == [3, 5]
    assert found.duplicated == (("A dog runs.", (0, 4)),)
    assert found.n_once == 3  # cat, dog's, life


def test_association_finds_the_word_that_goes_with_a_label():
    captions = ["a dog in the grass"] * 20 + ["a cat in the grass"] * 20 + ["the sky"] * 5
    values = np.array([[1.0, 0]] * 20 + [[0, 1.0]] * 20 + [[np.nan, np.nan]] * 5)
    labels = Labels.of(values, ("dog", "cat"))
    found = caption_statistics(captions)
    scores = found.association(labels)
    assert found.vocabulary[int(scores[:, 0].argmax())] == "dog"
    assert found.vocabulary[int(scores[:, 1].argmax())] == "cat"
    grass = found.vocabulary.index("grass")
    assert abs(scores[grass, 0]) < 0.1 < scores[:, 0].max()
    assert found.shares(found.vocabulary.index("dog"), labels, 0) == (1.0, 0.0)


def test_association_takes_one_label_an_image_too():
    found = caption_statistics(["red"] * 6 + ["blue"] * 6 + ["red"])
    scores = found.association(Labels.of(np.array([0] * 6 + [1] * 6 + [-1]), ("red", "blue")))
    red = found.vocabulary.index("red")
    assert scores[red, 0] > 0 > scores[red, 1]


def test_no_caption_at_all():
    found = caption_statistics(["", ""])
    assert found.vocabulary == ()
    assert found.association(Labels.of(np.zeros((2, 3)), "abc")).shape == (0, 3)
