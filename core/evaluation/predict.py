"""A finished run's network on images it has not seen: those of a data set's test split, or of any file."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.catalog import list_datasets, open_dataset
from core.data.dataset import UNLABELLED, Dataset, Task, is_labelled
from core.data.images import as_channels, resize
from core.errors import BadInput, ImportRejected, Problem
from core.evaluation.class_order import in_our_classes, places_of
from core.evaluation.predictions import Predictions
from core.files import digest
from core.people.acting import acting_as
from core.people.roles import SERVER
from core.runs.store import Run
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.models import Classifier, ModelCard

SPLIT = "test"


def predict_source(
    workspace: Workspace, run: Run, source: str, *, skip_bad: bool = False
) -> tuple[Predictions, str]:
    """Run a finished run's network over a data set's test split, or over the images of a file or folder.

    Classes meet by their names, in whatever order the source has them. Where it only numbers them, the
    numbers are places in the run's list.

    Args:
        source: The name of a data set, or a path in any format that can be imported; a path that looks like
            a name can be written as ``./name``.
        skip_bad: Go on without the rows that cannot be used and the images of classes that the run does not
            know (where an image has several labels, without those labels), instead of refusing.

    Returns:
        The predictions, all of the split "test", and a line on anything that was done to the images or the
        labels ("" for nothing).

    Raises:
        NotFound, DamagedFile: There is no such source or model, or it cannot be read.
        BadInput: Images or labels do not fit the run; says what was expected and what came.
        ImportRejected: The source has bad rows, all listed, unless ``skip_bad``.
    """
    from core.models import load_model

    model, card = load_model(run.model_file)
    with _opened(workspace, source, card) as (dataset, problems):
        is_ours = dataset.name == source
        positions = _test_positions(dataset) if is_ours else np.arange(len(dataset))
        answers = _answers(dataset, positions, card, run, "" if is_ours else Path(source).name)
        _check_usable(answers, problems, dataset, run, card.classes, Path(source).name, skip_bad=skip_bad)
        positions, labels = positions[~answers.is_unknown], answers.labels[~answers.is_unknown]
        if not len(positions):
            raise BadInput(f"{source} has no image of a class that run {run.name!r} knows.", _OTHER_DATA)
        images, image_note = _images(dataset, positions, card, run, Path(source).name)
        captions = [dataset.captions[at] for at in positions] if dataset.captions is not None else None
        item_ids = np.asarray(dataset.item_ids[positions])
    predictions = Predictions(
        item_ids=item_ids,
        split=np.full(len(images), SPLIT),
        labels=labels,
        pred_probs=predict_images(run, model, card, images, captions),
        classes=card.classes,
        run=run.id,
        label_version=0,
        fingerprint=digest(images, labels),
    )
    n_bad = len(problems) + int(answers.is_unknown.sum())
    left_out = f"{n_bad:,} bad rows were left out." if n_bad else ""
    return predictions, " ".join(note for note in (image_note, answers.note, left_out) if note)


@contextmanager
def _opened(
    workspace: Workspace, source: str, card: ModelCard
) -> Iterator[tuple[Dataset, tuple[Problem, ...]]]:
    """The data set of that name; or a file or folder, imported for the enclosed block, and its bad rows."""
    from core.data.importer import ImportOptions, import_source
    from core.data.readers.base import Hints

    if source in {entry.name for entry in list_datasets(workspace)}:
        yield open_dataset(workspace, source), ()
        return
    # Rows of pixels are read as squares, unless the run's images are none.
    hints = Hints() if card.height == card.image_width else Hints(shape=card.image_size)
    options = ImportOptions(hints=hints, test_share=0, skip_bad=True)
    with tempfile.TemporaryDirectory(prefix="tidyset-evaluate-", ignore_cleanup_errors=True) as folder:
        with acting_as(SERVER):  # nothing is written to the person's workspace, so nobody need be allowed to
            found = import_source(Workspace(Path(folder)), source, "evaluated", options)
        yield found.dataset, found.problems


_OTHER_DATA = "Evaluate it on data of the same classes."


@dataclass(frozen=True, eq=False)
class _Answers:
    """The labels of n images in the run's classes.

    Attributes:
        labels: (n,) int64 indices into the run's classes, -1 unlabeled; or (n, K) float32.
        is_unknown: (n,) bool, whether an image has a class that the run does not know.
        unknown: How many images have each such class.
        note: What was done to the labels, or "".
    """

    labels: NDArray[Any]
    is_unknown: NDArray[np.bool_]
    unknown: dict[str, int]
    note: str


def _answers(
    dataset: Dataset, positions: NDArray[np.int64], card: ModelCard, run: Run, file: str
) -> _Answers:
    given = np.asarray(dataset.labels[positions])
    if not is_labelled(given).any():
        missing = np.full((len(given), len(card.classes)), np.nan, np.float32)
        labels = np.full(len(given), UNLABELLED, np.int64) if card.task == Task.SINGLE_LABEL else missing
        return _Answers(labels, np.zeros(len(given), np.bool_), {}, "There are no labels: predictions only.")
    _check_task(dataset, card, run, file)
    places = _places(dataset.classes, card.classes, is_file=bool(file))
    labels = in_our_classes(given, places, len(card.classes))
    note = _order_note(places) if file else ""
    if given.ndim == 1:
        is_unknown = (given != UNLABELLED) & (labels == UNLABELLED)
        unknown = Counter(dataset.classes[k] for k in given[is_unknown].tolist())
        return _Answers(labels, is_unknown, dict(unknown), note)
    n_yes = {k: int((given[:, k] == 1).sum()) for k in np.flatnonzero(places == UNLABELLED).tolist()}
    unknown = Counter({dataset.classes[k]: n for k, n in n_yes.items() if n})
    return _Answers(labels, np.zeros(len(given), np.bool_), dict(unknown), note)


def _places(theirs: Sequence[str], ours: Sequence[str], *, is_file: bool) -> NDArray[np.int64]:
    """Of each of their classes the index into ours, by name; -1 for one that we do not have.

    A file that only numbers its classes means places in our list, unless ours are called by numbers.
    """
    is_numbered = all(name.isdecimal() and str(int(name)) == name for name in theirs)
    if is_file and is_numbered and not any(name.isdecimal() for name in ours):
        numbers = [int(name) if int(name) < len(ours) else UNLABELLED for name in theirs]
        return np.array(numbers, np.int64)
    return places_of(theirs, ours)


def _order_note(places: NDArray[np.int64]) -> str:
    known = places[places != UNLABELLED]
    if (np.diff(known) > 0).all():
        return ""
    return "The source lists its classes in another order; labels were matched by class name."


def _check_task(dataset: Dataset, card: ModelCard, run: Run, file: str) -> None:
    if dataset.task == card.task:
        return
    words = {Task.SINGLE_LABEL: "one label", Task.MULTI_LABEL: "several labels"}
    theirs, ours = words[dataset.task], words[Task(card.task)]
    source = file or f"Data set {dataset.name!r}"
    raise BadInput(
        f"{source} has {theirs} per image; run {run.name!r} has {ours}.",
        f"Choose data with {ours} per image.",
    )


def _check_usable(
    answers: _Answers,
    problems: Sequence[Problem],
    dataset: Dataset,
    run: Run,
    known: Sequence[str],
    source: str,
    *,
    skip_bad: bool,
) -> None:
    if skip_bad or not (problems or answers.unknown):
        return
    if not answers.unknown:
        raise ImportRejected(problems, "Mend them, or evaluate on the rest (--skip-bad).")
    classes = ", ".join(f"{name} ({n:,})" for name, n in list(answers.unknown.items())[:8])
    more = f" and {len(answers.unknown) - 8:,} more" if len(answers.unknown) > 8 else ""
    left_out = "images" if dataset.task is Task.SINGLE_LABEL else "labels"
    said = (
        f"{source} has classes that run {run.name!r} does not know: {classes}{more}. "
        f"The run knows: {', '.join(known[:12])}."
    )
    mend = f"{_OTHER_DATA} --skip-bad leaves those {left_out} out."
    if problems:
        raise ImportRejected([*problems, Problem(source, None, said, mend)], mend)
    raise BadInput(said, mend)


def _test_positions(dataset: Dataset) -> NDArray[np.int64]:
    positions = dataset.in_split(SPLIT)
    if not len(positions):
        raise BadInput(f"Data set {dataset.name!r} has no test split.", "Import it with a test split.")
    return positions


def predict_images(
    run: Run,
    model: Classifier,
    card: ModelCard,
    images: NDArray[np.uint8],
    captions: Sequence[str] | None = None,
) -> NDArray[np.float32]:
    """(N, K) probabilities for images (N, H, W, C) of the size that the card names, and their captions."""
    from core.training.captions import encoded
    from core.training.inference import predict
    from core.training.machine import choose_machine

    machine = choose_machine(run.recipe.with_changes({"device": "auto"}))
    model.to(machine.device)
    words = encoded(card, captions if captions is not None else [""] * len(images))
    return predict(model, card, images, np.arange(len(images)), machine, words=words).pred_probs


def _images(
    dataset: Dataset, positions: NDArray[np.int64], card: ModelCard, run: Run, source: str
) -> tuple[NDArray[np.uint8], str]:
    """The images as the network needs them, and what was done to them."""
    if card.inputs == "caption":
        return np.zeros((len(positions), *card.image_size, card.channels), np.uint8), ""
    uniform = dataset.images.uniform
    if uniform is not None:
        return _fitting(np.asarray(dataset.images.resized(positions, *uniform)), card, run, source)
    if run.recipe.cleaning:
        raise BadInput(
            f"Run {run.name!r} preprocesses its images, which needs images of one size; {source} has "
            "photographs.",
            "Scale the images, or use another run.",
        )
    height, width = card.image_size
    images = dataset.images.resized(positions, height, width, card.channels)
    return images, f"The images were scaled to {height} x {width}."


def _fitting(
    images: NDArray[np.uint8], card: ModelCard, run: Run, source: str
) -> tuple[NDArray[np.uint8], str]:
    """The images as the network needs them, and what was done to them.

    A run that scaled its own images has these scaled too; any other takes only the size it was trained on.
    """
    notes = []
    if run.recipe.cleaning:
        from core.data.cleaning import clean, parse

        images = clean(images, parse(run.recipe.cleaning)).images
        notes.append("The images were cleaned as the run's own.")
    _, height, width, channels = images.shape
    if (height, width) != card.image_size:
        if not run.recipe.input_size:
            raise BadInput(_wrong_size(images, card, run, source), "Scale the images, or use another run.")
        images = np.stack([resize(image, *card.image_size) for image in images])
        notes.append(f"The images were scaled from {height} x {width} to {card.height} x {card.image_width}.")
    if channels != card.channels:
        images = as_channels(images, card.channels)
        notes.append("Colour was turned into grey." if card.channels == 1 else "Grey was turned into colour.")
    return images, " ".join(notes)


def _wrong_size(images: NDArray[np.uint8], card: ModelCard, run: Run, source: str) -> str:
    n, height, width, channels = images.shape
    pixels = card.height * card.image_width * card.channels
    return (
        f"{source} holds {n:,} images of {height} x {width} with {channels} channels; "
        f"run {run.name!r} was trained on {card.height} x {card.image_width} with {card.channels}: "
        f"a pixel CSV for it has {pixels + 1} columns (label and {pixels} pixels), "
        f"a NumPy array the shape (N, {card.height}, {card.image_width}) or (N, {pixels})."
    )
