"""What the pictures show: data sets made of the sample that ships, edits and lists of two people, a CLIP.

All of it is really computed, so that a picture shows what its page would show; docs/pictures.py asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.catalog import open_dataset
from core.data.dataset import Dataset, Task
from core.data.writer import write_array_dataset
from core.embeddings.zero_shot import validation_positions
from core.json_text import json_text
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.team import lists, presence
from core.workspace import Workspace

SAMPLE, SEVERAL, NOISY = "fashion-mnist-sample", "worn-on", "mislabelled"
WRONG = 0.4
"""Share of the labels of NOISY's training images that are not the ones given in the sample."""

_SAID = {
    "feet": ("for the feet", "to walk in", "with a flat sole"),
    "upper body": ("for the upper body", "with a round collar", "made of cotton"),
    "long sleeves": ("with long sleeves", "long-sleeved and warm", "with sleeves down to the wrist"),
}
"""What a caption of SEVERAL may say of a label that is yes."""
_GROUNDS = ("on a dark ground", "seen from the side", "laid out flat", "")


def several_labels(workspace: Workspace) -> None:
    """The sample with three labels an image, a third of them unknown, and captions in words of our own."""
    dataset = open_dataset(workspace, SAMPLE)
    rng = np.random.default_rng(0)
    worn = {"feet": (5, 7, 9), "upper body": (0, 2, 3, 4, 6), "long sleeves": (2, 4, 6)}
    truth = np.stack([np.isin(np.asarray(dataset.labels), of) for of in worn.values()], axis=1)
    kinds = [dataset.classes[int(label)].lower() for label in dataset.labels]
    labels = truth.astype(np.float32)
    labels[rng.random(labels.shape) < 1 / 3] = np.nan
    captions = [_caption(kind, list(worn), row, rng) for kind, row in zip(kinds, truth, strict=True)]
    _write(dataset, workspace, SEVERAL, "Worn on", list(worn), labels, captions)


def _caption(kind: str, names: list[str], yes: NDArray[np.bool_], rng: np.random.Generator) -> str:
    """What the thing is and one or no thing that can be seen of each label; of every tenth image nothing."""
    if rng.random() < 0.1:
        return ""
    said = [
        str(rng.choice(_SAID[name]))
        for name, one in zip(names, yes, strict=True)
        if one and rng.random() < 0.6
    ]
    return " ".join(["A", kind, *said, str(rng.choice(_GROUNDS))]).strip()


def wrong_labels(workspace: Workspace) -> None:
    """The sample with WRONG of its training labels wrong, each drawn among the other classes."""
    dataset = open_dataset(workspace, SAMPLE)
    labels = np.array(dataset.labels)
    rng = np.random.default_rng(0)
    train = dataset.in_split("train")
    rows = rng.choice(train, round(WRONG * len(train)), replace=False)
    n_classes = len(dataset.classes)
    labels[rows] = (labels[rows] + rng.integers(1, n_classes, len(rows))) % n_classes
    _write(dataset, workspace, NOISY, "Fashion with wrong labels", list(dataset.classes), labels)


def _write(
    dataset: Dataset,
    workspace: Workspace,
    name: str,
    title: str,
    classes: list[str],
    labels: NDArray[Any],
    captions: list[str] | None = None,
) -> None:
    write_array_dataset(
        workspace,
        name,
        title=title,
        task=Task.MULTI_LABEL if labels.ndim == 2 else Task.SINGLE_LABEL,
        classes=classes,
        item_ids=dataset.item_ids,
        split=np.asarray(dataset.split),
        labels=labels,
        images=np.asarray(dataset.images.pixels),
        captions=captions,
    )


def put_right(workspace: Workspace) -> None:
    """Ann has set every wrong label of NOISY right."""
    dataset, truth = open_dataset(workspace, NOISY), open_dataset(workspace, SAMPLE)
    journal = LabelJournal(workspace)
    if not journal.version(NOISY):
        names = dataset.classes
        wrong = np.flatnonzero(np.asarray(dataset.labels) != np.asarray(truth.labels))
        edits = [
            NewEdit(str(dataset.item_ids[row]), EditKind.LABEL, names[int(truth.labels[row])], who="ann")
            for row in wrong
        ]
        journal.append(dataset, edits)


def correct(workspace: Workspace) -> None:
    """Forty labels that Ann decided on, twelve of which Bob looked at too, without seeing her answer."""
    dataset = open_dataset(workspace, SAMPLE)
    journal = LabelJournal(workspace)
    if journal.version(SAMPLE):
        return
    rng = np.random.default_rng(0)
    chosen = rng.choice(dataset.in_split("train"), 40, replace=False).tolist()

    def edits(rows: list[int], kind: EditKind, who: str, shift: int) -> list[NewEdit]:
        return [
            NewEdit(
                str(dataset.item_ids[row]),
                kind,
                dataset.classes[(int(dataset.labels[row]) + (i % 3 == 0) * shift) % len(dataset.classes)],
                who=who,
            )
            for i, row in enumerate(rows)
        ]

    journal.append(dataset, edits(chosen, EditKind.LABEL, "ann", 2))
    journal.append(dataset, edits(chosen[:12], EditKind.LOOK, "bob", 4))


def share_out(workspace: Workspace) -> None:
    """Two shared lists, on which Ann and Bob are at work."""
    dataset = open_dataset(workspace, SAMPLE)
    if not lists.lists_of(workspace, SAMPLE):
        ids = [str(one) for one in dataset.item_ids[dataset.in_split("train")]]
        shoes = lists.share(workspace, dataset, "Shoes that look alike", ids[:240], who="ann")
        lists.share(workspace, dataset, "Shirts, by two people each", ids[240:360], who="ann", overlap=2)
        for who in ("ann", "bob"):
            places = lists.take(workspace, dataset, shoes, who)[: 18 if who == "ann" else 7]
            labels = np.asarray(dataset.labels)[dataset.positions(places)].tolist()
            confirmed = [
                NewEdit(one, EditKind.CONFIRM, dataset.classes[label], who=who)
                for one, label in zip(places, labels, strict=True)
            ]
            LabelJournal(workspace).append(dataset, confirmed)


def be_here(workspace: Workspace) -> None:
    """Ann and Bob are at work now; two minutes later nobody is."""
    for who, doing in (("ann", "Shoes that look alike"), ("bob", "Shoes that look alike")):
        presence.note(workspace, who, SAMPLE, doing)


CLIP = {
    "embed_dim": 64,
    "vision_cfg": {"layers": 2, "width": 64, "head_width": 16, "patch_size": 7, "image_size": 28},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 1},
}
STEPS, BATCH = 400, 128


def small_clip(workspace: Workspace) -> tuple[Path, Path]:
    """(checkpoint, config) of a CLIP of two small towers that has learned the words of the sample's classes.

    Published weights need the network and hundreds of megabytes. As in Zhai et al. 2022 (LiT,
    arXiv:2111.07991) the text tower, here a random one, is left as it is, and the image tower learns to
    answer to it. It never sees the images that the page tunes prompts on, nor those of the test split.
    """
    import open_clip
    import torch

    folder = workspace.root / "clip"
    checkpoint, config = folder / "small.pt", folder / "small.json"
    if checkpoint.exists():
        return checkpoint, config
    folder.mkdir(exist_ok=True)
    config.write_text(json_text(CLIP))
    open_clip.add_model_config(config)
    torch.manual_seed(0)
    model = open_clip.create_model("small", pretrained=None, load_weights=False)
    _learn(model, open_dataset(workspace, SAMPLE))
    torch.save(model.state_dict(), checkpoint)
    return checkpoint, config


def _learn(model: Any, dataset: Dataset) -> None:
    """Let the image tower tell the classes' words apart on the training images."""
    import open_clip
    import torch

    words = open_clip.tokenize([f"a photo of a {name}" for name in dataset.classes], context_length=12)
    learned = [
        parameter.requires_grad_(name.startswith("visual") or name in ("text_projection", "logit_scale"))
        for name, parameter in model.named_parameters()
    ]
    optimizer = torch.optim.AdamW([one for one in learned if one.requires_grad], weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=STEPS)
    mean, deviation = (
        torch.tensor(one).view(1, 3, 1, 1)
        for one in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    pixels, train = np.asarray(dataset.images.pixels), dataset.in_split("train")
    train = np.setdiff1d(train, validation_positions(dataset))
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        rows = rng.choice(train, BATCH)
        grey = torch.tensor(pixels[rows].reshape(-1, 1, 28, 28) / 255, dtype=torch.float32)
        seen = model.encode_image((grey.expand(-1, 3, -1, -1) - mean) / deviation, normalize=True)
        asked = model.encode_text(words, normalize=True)
        labels = torch.tensor(np.asarray(dataset.labels)[rows])
        loss = torch.nn.functional.cross_entropy(model.logit_scale.exp() * seen @ asked.T, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
