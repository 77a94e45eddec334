"""A finished run's network on images it has not seen: those of a data set's test split, or of any file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.catalog import list_datasets, open_dataset
from core.data.dataset import UNLABELLED, Dataset, Task
from core.data.images import as_channels, resize
from core.errors import BadInput, ImportRejected
from core.evaluation.predictions import Predictions
from core.files import digest
from core.runs.store import Run
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.data.readers.base import Hints
    from core.models import Classifier, ModelCard

SPLIT = "test"


def predict_source(
    workspace: Workspace, run: Run, source: str, *, skip_bad: bool = False
) -> tuple[Predictions, str]:
    """Run a finished run's network over a data set's test split, or over the images of a file or folder.

    Args:
        source: The name of a data set, or a path in any format that can be imported; a path that looks like
            a name can be written as ``./name``.
        skip_bad: Go on without the rows that cannot be used, instead of refusing.

    Returns:
        The predictions, all of the split "test", and a line on anything that was done to the images ("" for
        nothing).

    Raises:
        NotFound, DamagedFile: There is no such source or model, or it cannot be read.
        BadInput: Images or labels do not fit the run; says what was expected and what came.
        ImportRejected: The source has bad rows, all listed, unless ``skip_bad``.
    """
    from core.models import load_model

    model, card = load_model(run.model_file)
    if source in {entry.name for entry in list_datasets(workspace)}:
        dataset = open_dataset(workspace, source)
        positions, labels = _test_items(dataset, card, run)
        images, note = _dataset_images(dataset, positions, card, run)
        captions = [dataset.captions[at] for at in positions] if dataset.captions is not None else None
        item_ids = np.asarray(dataset.item_ids[positions])
    else:
        images, labels, note = _file_images(source, card, run, skip_bad=skip_bad)
        captions = None
        item_ids = np.array([f"row-{row + 1}" for row in range(len(images))])
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
    return predictions, note


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


def _test_items(dataset: Dataset, card: ModelCard, run: Run) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Positions of the test split, and their labels as indices into the run's classes, or as its columns."""
    if dataset.task != card.task:
        words = {Task.SINGLE_LABEL: "one label", Task.MULTI_LABEL: "several labels"}
        theirs, ours = words[dataset.task], words[Task(card.task)]
        raise BadInput(
            f"Data set {dataset.name!r} has {theirs} an image; run {run.name!r} knows {ours}.",
            f"Choose a data set with {ours} an image.",
        )
    positions = dataset.in_split(SPLIT)
    if not len(positions):
        raise BadInput(f"Data set {dataset.name!r} has no test split.", "Import it with a test split.")
    unknown = [name for name in dataset.classes if name not in card.classes]
    if unknown:
        raise BadInput(
            f"Data set {dataset.name!r} has classes that run {run.name!r} does not know: "
            f"{', '.join(unknown[:8])}. It knows: {', '.join(card.classes[:12])}.",
            "Evaluate it on data of the same classes.",
        )
    index = np.array([card.classes.index(name) for name in dataset.classes], np.int64)
    given = np.asarray(dataset.labels[positions])
    if given.ndim == 2:
        labels = np.full((len(given), len(card.classes)), np.nan, np.float32)
        labels[:, index] = given
        return positions, labels
    return positions, np.where(given == UNLABELLED, UNLABELLED, index[given])


def _dataset_images(
    dataset: Dataset, positions: NDArray[np.int64], card: ModelCard, run: Run
) -> tuple[NDArray[np.uint8], str]:
    if card.inputs == "caption":
        return np.zeros((len(positions), *card.image_size, card.channels), np.uint8), ""
    uniform = dataset.images.uniform
    if uniform is not None:
        return _fitting(np.asarray(dataset.images.resized(positions, *uniform)), card, run, dataset.name)
    height, width = card.image_size
    images = dataset.images.resized(positions, height, width, card.channels)
    return images, f"The images were scaled to {height} x {width}."


def _file_images(
    source: str, card: ModelCard, run: Run, *, skip_bad: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64], str]:
    from core.data.importer import read_labelled_images

    if card.task != Task.SINGLE_LABEL:
        raise BadInput(
            f"Run {run.name!r} knows several labels an image, and {Path(source).name} is no data set.",
            "Import it first (`tidyset data import`), and give its name.",
        )
    images, labels, problems = read_labelled_images(source, card.classes, _hints(card))
    if problems and not skip_bad:
        raise ImportRejected(problems, "Mend them, or evaluate on the rest (--skip-bad).")
    images, note = _fitting(images, card, run, Path(source).name)
    left_out = f"{len(problems):,} bad rows were left out." if problems else ""
    return images, labels, f"{note} {left_out}".strip()


def _hints(card: ModelCard) -> Hints:
    """How to read rows of pixels: as squares, unless the run's images are none."""
    from core.data.readers.base import Hints

    return Hints() if card.height == card.image_width else Hints(shape=card.image_size)


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
