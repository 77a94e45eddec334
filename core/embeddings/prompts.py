"""What CLIP is asked for each class: names, synonyms and templates.

The vector of a class is the mean of the unit vectors of all its prompts, scaled to length one, as in
Radford et al. 2021 (arXiv:2103.00020), section 3.1.4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset, Task
from core.errors import BadInput
from core.files import Json, digest, read_json

Floats = NDArray[np.float32]
PLAIN = ("a photo of a {}",)
ENSEMBLE = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
"""The seven templates that OpenAI found to do most of what eighty do (CLIP's ImageNet notebook)."""

_COCO = (
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
)
"""COCO's categories by number, from 1; 12 is not used. Enough to know its numbering by."""
_SURE = 0.6
_FEWEST = 20


@dataclass(frozen=True)
class ClassPrompts:
    """What is asked for one class.

    Attributes:
        words: The class in words: its name, then synonyms.
        templates: Of this class only; empty for those of the whole set.
    """

    words: tuple[str, ...]
    templates: tuple[str, ...] = ()


@dataclass(frozen=True)
class PromptSet:
    """What is asked for each of K classes, in the order of the data set's classes.

    Attributes:
        classes: K class names, as the data set has them.
        asked: K times what is asked.
        templates: Used where a class has none of its own; each holds {} once or more.
    """

    classes: tuple[str, ...]
    asked: tuple[ClassPrompts, ...]
    templates: tuple[str, ...] = PLAIN

    def texts(self, k: int) -> tuple[str, ...]:
        """The prompts of class k: every word in every template."""
        own = self.asked[k].templates or self.templates
        return tuple(template.replace("{}", word) for template in own for word in self.asked[k].words)

    def with_class(self, k: int, words: Sequence[str], templates: Sequence[str] = ()) -> PromptSet:
        """The same with other words and templates for one class. Raises BadInput."""
        asked = list(self.asked)
        asked[k] = ClassPrompts(tuple(words), tuple(templates))
        return checked(replace(self, asked=tuple(asked)))

    @property
    def cache_key(self) -> str:
        """A hash of all that is asked."""
        return digest(self.to_json())

    def to_json(self) -> Json:
        """As a file of prompts: ``{"templates": [...], "classes": {name: {"words": [...]}}}``."""
        return {
            "templates": list(self.templates),
            "classes": {
                name: {"words": list(one.words), "templates": list(one.templates)}
                for name, one in zip(self.classes, self.asked, strict=True)
            },
        }


def default_prompts(dataset: Dataset, templates: Sequence[str] = PLAIN) -> PromptSet:
    """The class names as they are, in the given templates; numbers that captions explain, in words.

    Raises:
        BadInput: A template without {}.
    """
    words = named_by_captions(dataset) or tuple(_readable(name) for name in dataset.classes)
    return checked(
        PromptSet(dataset.classes, tuple(ClassPrompts((word,)) for word in words), tuple(templates))
    )


def _readable(name: str) -> str:
    """ "T-shirt/top" and "fire_hydrant" as people write them."""
    return " ".join(name.replace("_", " ").replace("/", " or ").split())


def named_by_captions(dataset: Dataset) -> tuple[str, ...] | None:
    """Names for classes that are numbers of the COCO categories, if the captions bear that out; else None.

    A numbering is only a guess until something confirms it: of the classes with enough images, most must be
    the one whose images' captions use the word most often.
    """
    numbers = [int(name) for name in dataset.classes if name.isdecimal()]
    if (
        dataset.captions is None
        or len(numbers) != len(dataset.classes)
        or dataset.task is not Task.MULTI_LABEL
    ):
        return None
    if not all(1 <= number <= len(_COCO) and _COCO[number - 1] for number in numbers):
        return None
    names = [_COCO[number - 1] for number in numbers]
    has = np.asarray(dataset.labels) == 1
    step = max(1, len(dataset) // 5_000)
    captions = [caption.lower() for caption in dataset.captions[::step]]
    has = has[::step]
    confirmed = []
    for k, name in enumerate(names):
        said = np.array([name in caption for caption in captions])
        counts = has[said].sum(axis=0) / np.maximum(has.sum(axis=0), 1)
        if has[:, k].sum() >= _FEWEST:
            confirmed.append(int(counts.argmax()) == k)
    return tuple(names) if confirmed and np.mean(confirmed) >= _SURE else None


def checked(prompts: PromptSet) -> PromptSet:
    """The same set. Raises BadInput naming the first thing wrong with it."""
    if len(prompts.asked) != len(prompts.classes):
        raise BadInput(
            f"There are prompts for {len(prompts.asked)} classes; the data set has {len(prompts.classes)}.",
            "Give one line a class, in their order.",
        )
    if not prompts.templates:
        raise BadInput("There is no template.", f"Write at least one, such as {PLAIN[0]!r}.")
    for template in prompts.templates:
        _check_template(template, "")
    for name, one in zip(prompts.classes, prompts.asked, strict=True):
        if not one.words or not all(word.strip() for word in one.words):
            raise BadInput(f"The prompt of class {name!r} is empty.", "Write what to look for.")
        for template in one.templates:
            _check_template(template, f" of class {name!r}")
    return prompts


def _check_template(template: str, whose: str) -> None:
    if "{}" not in template:
        raise BadInput(
            f"The template {template!r}{whose} has no {{}}.", "Put {} where the name of the class belongs."
        )


def read_prompts(path: Path, dataset: Dataset) -> PromptSet:
    """A file of prompts (see ``PromptSet.to_json``); a class may also be just a list of words.

    Raises:
        BadInput: Its classes are not those of the data set, or a prompt cannot be used.
        DamagedFile: It is no JSON.
    """
    value = read_json(path)
    try:
        return prompts_of(value, dataset.classes, dataset.name)
    except BadInput as error:
        raise BadInput(f"{path.name}: {error.problem}", error.mend) from None


def prompts_of(value: Json, classes: Sequence[str], dataset_name: str) -> PromptSet:
    """Prompts from JSON, checked against the classes. Raises BadInput."""
    given = value.get("classes")
    if not isinstance(given, dict):
        raise BadInput("A set of prompts has no 'classes'.", 'Write {"classes": {"cat": ["cat", "kitten"]}}.')
    missing = [name for name in classes if name not in given]
    unknown = [name for name in given if name not in classes]
    if missing or unknown:
        parts = [
            f"{word}: {', '.join(names[:5])}"
            for word, names in (("missing", missing), ("unknown", unknown))
            if names
        ]
        raise BadInput(
            f"The classes of the prompts are not those of {dataset_name!r} ({'; '.join(parts)}).",
            "Name every class of the data set once.",
        )
    asked = []
    for name in classes:
        one = given[name]
        parts_of_one = {"words": one} if isinstance(one, list) else one
        if not isinstance(parts_of_one, dict):
            raise BadInput(f"The prompts of class {name!r} are {one!r}.", 'Write a list of words: ["cat"].')
        words = _texts(parts_of_one.get("words", []), f"words of class {name!r}")
        own = _texts(parts_of_one.get("templates", []), f"templates of class {name!r}")
        asked.append(ClassPrompts(words, own))
    templates = _texts(value.get("templates") or list(PLAIN), "templates")
    return checked(PromptSet(tuple(classes), tuple(asked), templates))


def _texts(found: object, what: str) -> tuple[str, ...]:
    """A list of texts. Raises BadInput."""
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise BadInput(f"The {what} are {found!r}; a list of texts was expected.", 'Write ["one", "two"].')
    return tuple(found)


def split_words(text: str) -> tuple[str, ...]:
    """ "cat, kitten; tom" -> ("cat", "kitten", "tom"): names in one line, as people write them."""
    return tuple(word.strip() for word in re.split(r"[,;\n]", text) if word.strip())


def class_vectors(prompts: PromptSet, encode: Callable[[Sequence[str]], Floats]) -> Floats:
    """(K, D) unit vectors, one a class.

    Args:
        encode: Texts to unit vectors (T, D); called once a class, so that editing one class encodes only it.
    """
    rows = [encode(prompts.texts(k)).mean(axis=0) for k in range(len(prompts.classes))]
    vectors = np.stack(rows)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
