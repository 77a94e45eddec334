"""A trained network as one file: weights and all that is needed to rebuild and feed it, in safetensors."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from core.bounded import MOST_HEADER_BYTES, parse_json, read_metadata, read_shapes, read_tensors
from core.errors import DamagedFile, NotFound
from core.files import READ_ERRORS, write_bytes
from core.json_text import json_text
from core.models.captioned import with_captions
from core.models.classifier import Classifier
from core.models.ensemble import ensemble_of
from core.models.zoo import create_model

FORMAT = 1
MOST = 1 << 20
MOST_SIDE = 1 << 14
"""Pixels along an image: data sets are trained on at their own size."""
MOST_MEMBERS = 64
"""Of any size or count on a card; more is a damaged file, not a network."""


@dataclass(frozen=True)
class ModelCard:
    """All that is needed to rebuild a saved network and to feed it.

    Attributes:
        model: Its name in the zoo.
        width: Channels of the first block, for the own networks.
        classes: The K class names, in the order of its scores.
        channels: C of its images.
        height: Height of its images.
        image_width: Width of its images.
        mean: Per channel, what is subtracted from pixels 0 to 255.
        std: Per channel, what they are then divided by.
        test_time_flip: Whether predictions are averaged with those of the mirrored image.
        task: "single-label" (its scores become probabilities by softmax) or "multi-label" (by sigmoid).
        head: "linear" or "convolutional" for a network of core.models.backbones, "" for the others.
        timm_model: Which network of timm, for model "timm".
        groups: Sizes of groups of labels of which exactly one is right (core.models.groups); empty: none.
        members: Names of the networks of an ensemble (core.models.ensemble); empty for one network.
        vote: "soft" or "hard", of an ensemble.
        inputs: "image", "caption" or "both": what it reads.
        caption_model: How it reads captions (core.models.captioned), "" if it does not.
        caption_width: Features of a word.
        words: Its vocabulary; see core.models.words.
    """

    model: str
    width: int
    classes: tuple[str, ...]
    channels: int
    height: int
    image_width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    test_time_flip: bool = False
    task: str = "single-label"
    head: str = ""
    timm_model: str = ""
    groups: tuple[int, ...] = ()
    members: tuple[str, ...] = ()
    vote: str = "soft"
    inputs: str = "image"
    caption_model: str = ""
    caption_width: int = 0
    words: tuple[str, ...] = ()

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of its images."""
        return self.height, self.image_width


def build(
    card: ModelCard, *, dropout: float = 0.0, pretrained: bool = False, weights_file: str | None = None
) -> Classifier:
    """A fresh network as the card describes it, in training mode.

    Args:
        dropout, pretrained, weights_file: As for create_model.

    Raises:
        As create_model.
    """
    if card.members:
        return _ensemble(card)
    image = None
    if card.inputs != "caption":
        image = create_model(
            card.model,
            len(card.classes),
            card.channels,
            card.image_size,
            width=card.width,
            dropout=dropout,
            pretrained=pretrained,
            weights_file=weights_file,
            head=card.head,
            timm_model=card.timm_model,
        )
        if card.inputs == "image":
            return image
    kind, width = card.caption_model, card.caption_width
    return with_captions(image, kind, width, len(card.words), len(card.classes), dropout)


def _ensemble(card: ModelCard) -> Classifier:
    members = [build(replace(card, model=name, members=())) for name in card.members]
    return ensemble_of(members, card.task, card.groups, card.vote)


def save_model(path: Path, model: Classifier, card: ModelCard) -> None:
    """Write weights and card, atomically. Raises StorageFailed."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    # One entry: safetensors writes several in random order, and equal models should be equal files.
    metadata = {"card": json_text({"format": FORMAT, **asdict(card)})}
    write_bytes(path, save(tensors, metadata))


def load_card(path: Path) -> ModelCard:
    """The card of a saved network, without its weights. Raises NotFound or DamagedFile."""
    if not path.exists():
        raise NotFound(f"There is no model in {path}.", "Let the run finish, or resume it.")
    try:
        values = dict[str, Any](parse_json(read_metadata(path)["card"], most_bytes=MOST_HEADER_BYTES))
        if (written := values.pop("format", FORMAT)) != FORMAT:
            raise ValueError(f"format {written!r}; this version reads {FORMAT}")
        for name, kind in get_type_hints(ModelCard).items():
            if name in values:
                values[name] = _of_kind(name, values[name], kind)
        card = ModelCard(**values)
        if not 0 < max(card.image_size) <= MOST_SIDE or len(card.members) > MOST_MEMBERS:
            raise ValueError(f"images of {card.image_size}, {len(card.members):,} members")
        return card
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedFile(
            f"{path} is no model of Tidyset ({error}).", "Resume the run to write it again."
        ) from error


def _of_kind(name: str, value: Any, kind: Any) -> Any:
    """A value of JSON as the field of that name holds it. Raises ValueError where it is of another kind."""
    if parts := get_args(kind):
        if isinstance(value, list):
            return tuple(_of_kind(name, one, parts[0]) for one in value)
    elif kind is float:
        if type(value) in (int, float) and abs(value) <= MOST:  # NaN is not
            return float(value)
    elif type(value) is kind and not (kind is int and not 0 <= value <= MOST):
        return value
    raise ValueError(f"{name} is {str(value)[:40]!r}")


def _check_shapes(card: ModelCard, path: Path) -> None:
    """Raises ValueError where the network of the card is not that of the file's tensors.

    It is laid out without memory first: a card that announces a huge network could take all of it, or hours.
    """
    import torch

    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in build(card).state_dict().items()}
    stored = read_shapes(path)
    wrong = sorted(name for name in wanted.keys() | stored.keys() if wanted.get(name) != stored.get(name))
    if wrong:
        raise ValueError(f"its card describes another network: {', '.join(wrong[:3])}")


def load_model(path: Path) -> tuple[Classifier, ModelCard]:
    """Rebuild the network that ``save_model`` wrote, in evaluation mode, on the CPU.

    Raises:
        NotFound, DamagedFile: There is none, or it cannot be read.
    """
    card = load_card(path)
    try:
        _check_shapes(card, path)
        model = build(card).eval()
        model.load_state_dict(read_tensors(path))
    except (*READ_ERRORS, ZeroDivisionError) as error:
        raise DamagedFile(f"{path} cannot be read ({error}).", "Resume the run to write it again.") from error
    return model, card
