"""The recipe: every choice that makes a run, as one frozen, validated object; TOML on disk.

The form on the Train page and the command line's ``--set`` are generated from the fields below: a new
field shows up in both by itself. Light on purpose (no torch), so that a page can show the form at once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import BadInput

ModelName = Literal[
    "plain-cnn",
    "small-resnet",
    "resnet18",
    "resnet50",
    "vgg11",
    "vgg19",
    "alexnet",
    "mobilenet-v3",
    "efficientnet-b0",
]

OWN_MODELS = ("plain-cnn", "small-resnet")
PUBLISHED_MODELS = tuple(name for name in get_args(ModelName) if name not in OWN_MODELS)


def _field(
    default: Any,
    group: str,
    title: str,
    description: str,
    *,
    advanced: bool = False,
    when: tuple[str, tuple[str, ...]] | None = None,
    **limits: Any,
) -> Any:
    """A recipe field.

    ``group`` is the form's section; ``advanced`` fields are folded away; ``when`` names another field and
    the values of it with which this one counts (none: any but zero), so that the form can hide it else.
    """
    extra: dict[str, Any] = {"group": group, "advanced": advanced}
    if when is not None:
        extra["when"] = [when[0], list(when[1])]
    return Field(default, title=title, description=description, json_schema_extra=extra, **limits)


class Recipe(BaseModel):
    """Every choice that makes a run. Two runs of one recipe on one data set and label version are equal."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=False)

    # Model
    model: ModelName = _field("plain-cnn", "Model", "Model", "The network's architecture.")
    width: int = _field(
        32,
        "Model",
        "Width",
        "Channels of the first block of plain-cnn and small-resnet.",
        ge=4,
        le=512,
        when=("model", OWN_MODELS),
    )
    dropout: float = _field(
        0.4, "Model", "Dropout", "Share of features dropped before the last layer.", ge=0, le=0.95
    )
    pretrained: bool = _field(
        False,
        "Model",
        "Pretrained weights",
        "Start a torchvision model from its ImageNet weights.",
        advanced=True,
        when=("model", PUBLISHED_MODELS),
    )
    weights_file: str = _field(
        "", "Model", "Weights file", "A local .safetensors file to start from instead.", advanced=True
    )
    image_size: int = _field(
        0,
        "Model",
        "Image size",
        "Side to which images are scaled; 0 keeps their own size.",
        ge=0,
        le=1024,
        advanced=True,
    )
    normalisation: Literal["standard", "minus-one-to-one", "zero-to-one"] = _field(
        "standard",
        "Model",
        "Normalisation",
        "Standard: zero mean and unit deviation over the training split.",
    )

    # Optimisation
    epochs: int = _field(10, "Optimisation", "Epochs", "Passes over the training split.", ge=1, le=10_000)
    batch_size: int = _field(128, "Optimisation", "Batch size", "Images a step.", ge=2, le=16_384)
    optimizer: Literal["sgd", "adam", "adamw"] = _field(
        "adam", "Optimisation", "Optimiser", "SGD is with Nesterov momentum."
    )
    learning_rate: float = _field(
        1e-3, "Optimisation", "Learning rate", "The highest one, for schedules.", gt=0, le=10
    )
    momentum: float = _field(
        0.9, "Optimisation", "Momentum", "For SGD.", ge=0, lt=1, advanced=True, when=("optimizer", ("sgd",))
    )
    weight_decay: float = _field(
        0.0, "Optimisation", "Weight decay", "Not applied to biases and norm layers.", ge=0, le=1
    )
    schedule: Literal["constant", "one-cycle", "cosine", "plateau"] = _field(
        "constant", "Optimisation", "Schedule", "How the learning rate moves over the run."
    )
    warmup_share: float = _field(
        0.2,
        "Optimisation",
        "Warm-up share",
        "Share of the steps in which the rate rises (one-cycle, cosine).",
        ge=0,
        le=0.9,
        advanced=True,
        when=("schedule", ("one-cycle", "cosine")),
    )
    plateau_patience: int = _field(
        3,
        "Optimisation",
        "Plateau patience",
        "Epochs without a lower validation loss before the rate drops.",
        ge=1,
        le=1000,
        advanced=True,
        when=("schedule", ("plateau",)),
    )
    plateau_factor: float = _field(
        0.5,
        "Optimisation",
        "Plateau factor",
        "What the rate is multiplied by then.",
        gt=0,
        lt=1,
        advanced=True,
        when=("schedule", ("plateau",)),
    )
    gradient_clip: float = _field(
        0.0, "Optimisation", "Gradient clipping", "Largest gradient norm; 0 for none.", ge=0, advanced=True
    )
    early_stopping_patience: int = _field(
        0,
        "Optimisation",
        "Early-stopping patience",
        "Epochs without a lower validation loss before the run ends; 0 for never.",
        ge=0,
        le=1000,
    )
    keep: Literal["best", "last"] = _field(
        "best",
        "Optimisation",
        "Weights kept",
        "Those of the epoch with the best validation accuracy, or the last ones.",
    )
    ema_decay: float = _field(
        0.0,
        "Optimisation",
        "Weight averaging",
        "Decay per step of the moving average of the weights; 0 for none.",
        ge=0,
        lt=1,
        advanced=True,
    )

    # Loss
    loss: Literal["cross-entropy", "focal"] = _field(
        "cross-entropy", "Loss", "Loss", "Focal: Lin et al. 2017."
    )
    focal_gamma: float = _field(
        2.0,
        "Loss",
        "Focal gamma",
        "How much easy images count less.",
        ge=0,
        le=10,
        advanced=True,
        when=("loss", ("focal",)),
    )
    label_smoothing: float = _field(
        0.0,
        "Loss",
        "Label smoothing",
        "Share of the target spread over all classes.",
        ge=0,
        lt=1,
        when=("loss", ("cross-entropy",)),
    )
    class_weights: Literal["none", "balanced"] = _field(
        "none", "Loss", "Class weights", "Balanced: inverse to the class's frequency."
    )
    oversample: bool = _field(
        False, "Loss", "Oversampling", "Draw images so that each class is seen equally often.", advanced=True
    )

    # Augmentation: each with its share of the images
    flip_share: float = _field(
        0.0, "Augmentation", "Horizontal flip", "Share of images mirrored left to right.", ge=0, le=1
    )
    vertical_flip_share: float = _field(
        0.0,
        "Augmentation",
        "Vertical flip",
        "Share of images mirrored top to bottom.",
        ge=0,
        le=1,
        advanced=True,
    )
    shift_share: float = _field(0.0, "Augmentation", "Shift", "Share of images moved.", ge=0, le=1)
    shift_pixels: int = _field(
        2,
        "Augmentation",
        "Shift, pixels",
        "Furthest move along each axis.",
        ge=0,
        le=64,
        advanced=True,
        when=("shift_share", ()),
    )
    rotation_share: float = _field(0.0, "Augmentation", "Rotation", "Share of images rotated.", ge=0, le=1)
    rotation_degrees: float = _field(
        10.0,
        "Augmentation",
        "Rotation, degrees",
        "Largest angle.",
        ge=0,
        le=180,
        advanced=True,
        when=("rotation_share", ()),
    )
    erasing_share: float = _field(
        0.0,
        "Augmentation",
        "Erasing",
        "Share of images with a rectangle blanked (Zhong et al. 2017).",
        ge=0,
        le=1,
    )
    erasing_size: float = _field(
        0.5,
        "Augmentation",
        "Erasing, size",
        "Longest side of the rectangle as a share of the image's.",
        gt=0,
        le=1,
        advanced=True,
        when=("erasing_share", ()),
    )
    sharpness_share: float = _field(
        0.0, "Augmentation", "Sharpness", "Share of images sharpened.", ge=0, le=1, advanced=True
    )
    sharpness_factor: float = _field(
        2.0,
        "Augmentation",
        "Sharpness, factor",
        "1 changes nothing, 0 blurs, 2 sharpens.",
        ge=0,
        le=10,
        advanced=True,
        when=("sharpness_share", ()),
    )

    # Evaluation and the machine
    validation_share: float = _field(
        0.1,
        "Evaluation",
        "Validation share",
        "Share of the training split held out, where the data set has no validation split.",
        gt=0,
        lt=0.9,
    )
    split_seed: int = _field(
        0, "Evaluation", "Split seed", "Which images are held out.", ge=0, lt=2**31, advanced=True
    )
    test_time_flip: bool = _field(
        False, "Evaluation", "Test-time flip", "Average the prediction with that of the mirrored image."
    )
    seed: int = _field(
        0, "Machine", "Seed", "Weights, order and augmentation follow from it.", ge=0, lt=2**31
    )
    precision: Literal["auto", "fp32", "bf16"] = _field(
        "auto",
        "Machine",
        "Precision",
        "Auto: bf16 where the processor has fast instructions for it.",
        advanced=True,
    )
    device: Literal["auto", "cpu", "cuda"] = _field(
        "auto", "Machine", "Device", "Auto: the GPU when there is one.", advanced=True
    )
    threads: int = _field(
        0, "Machine", "Threads", "Processor threads; 0 for all cores.", ge=0, le=1024, advanced=True
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.loss == "focal" and self.label_smoothing > 0:
            raise ValueError("label_smoothing goes with cross-entropy only; set it to 0 or change loss")
        if self.weights_file and self.pretrained:
            raise ValueError("choose either pretrained or weights_file, not both")
        return self

    def with_changes(self, changes: Mapping[str, Any]) -> Recipe:
        """A validated copy with some fields changed; strings are converted as on the command line.

        Raises:
            BadInput: An unknown field or a value out of range, named.
        """
        return make_recipe({**self.model_dump(), **changes})

    def to_toml(self) -> str:
        """The recipe as TOML, one line a field."""
        return tomli_w.dumps(self.model_dump())


PRESETS: dict[str, Recipe] = {
    "baseline": Recipe(
        normalisation="minus-one-to-one",
        epochs=15,
        learning_rate=0.00136,
        dropout=0.4117,
        rotation_share=1.0,
        flip_share=0.5,
    ),
    "fast": Recipe(
        epochs=4,
        learning_rate=5e-3,
        schedule="one-cycle",
        dropout=0.2,
        flip_share=0.5,
    ),
    "best": Recipe(
        model="small-resnet",
        dropout=0.0,
        epochs=30,
        batch_size=256,
        optimizer="sgd",
        learning_rate=0.2,
        weight_decay=5e-4,
        schedule="one-cycle",
        ema_decay=0.998,
        label_smoothing=0.05,
        flip_share=0.5,
        shift_share=1.0,
        erasing_share=0.5,
        validation_share=0.05,
        test_time_flip=True,
    ),
}
"""``baseline`` is what most people write: the plain CNN, pixels to [-1, 1], small rotations, flips."""


def make_recipe(values: Mapping[str, Any]) -> Recipe:
    """Validate ``values`` into a Recipe. Raises BadInput naming each wrong field, its value and the mend."""
    try:
        return Recipe.model_validate(dict(values))
    except ValidationError as error:
        problems = []
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                problems.append(f"There is no recipe field {name!r}.")
            elif name:
                problems.append(f"{name} = {item['input']!r}: {item['msg']}.")
            else:
                problems.append(f"{item['msg'].removeprefix('Value error, ')}.")
        raise BadInput(" ".join(problems), "`tidyset train --help-recipe` lists the fields.") from None


def load_recipe(source: str | Path) -> Recipe:
    """A preset by name, or a TOML file.

    Raises:
        BadInput: Neither, or the file is no valid recipe.
    """
    if str(source) in PRESETS:
        return PRESETS[str(source)]
    path = Path(source)
    if path.suffix != ".toml" or not path.is_file():
        known = ", ".join(PRESETS)
        raise BadInput(f"There is no recipe {str(source)!r}.", f"Give a preset ({known}) or a .toml file.")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path} is no TOML file ({error}).", "Correct that line.") from error
    return make_recipe(values)


def parse_settings(settings: list[str]) -> dict[str, str]:
    """``["epochs=3", ...]`` as a mapping. Raises BadInput for one without '='."""
    pairs = [setting.partition("=") for setting in settings]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise BadInput(f"--set {name!r} has no value.", "Write it as --set field=value.")
    return {name.strip(): value.strip() for name, _, value in pairs}
