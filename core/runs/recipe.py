"""The recipe: every choice that makes a run, as one frozen, validated object; TOML on disk.

The form on the Train page and the command line's ``--set`` are generated from the fields below: a new
field shows up in both by itself. Light on purpose (no torch), so that a page can show the form at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.bounded import parse_toml
from core.errors import BadInput
from core.files import read_limited
from core.metrics import epoch_metrics, find_epoch_metric

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
    "efficientnet-lite0",
    "xception",
    "timm",
]

OWN_MODELS = ("plain-cnn", "small-resnet")
PUBLISHED_MODELS = tuple(name for name in get_args(ModelName) if name not in OWN_MODELS)
ONE_LABEL, MANY_LABELS = "single-label", "multi-label"
NO_GROUPS = "none"
LOSSES = {
    ONE_LABEL: ("cross-entropy", "focal"),
    MANY_LABELS: ("cross-entropy", "focal", "asymmetric", "soft-margin"),
}
"""By task, the losses that there are."""


def _field(
    default: Any,
    group: str,
    title: str,
    description: str,
    *,
    advanced: bool = False,
    when: tuple[str, tuple[str, ...]] | None = None,
    task: str = "",
    choices: Mapping[str, tuple[str, ...]] | None = None,
    metric: bool = False,
    later: bool = False,
    **limits: Any,
) -> Any:
    """A recipe field.

    ``group`` is the form's section; ``advanced`` fields are folded away; ``when`` names another field and
    the values of it with which this one counts (none: any but zero), so that the form can hide it else;
    ``task`` is the only task for which it counts; ``choices`` are those that fit each task; ``metric`` marks
    a field that names one (``metric_choices``); ``later`` marks one that the first version did not have.
    """
    extra: dict[str, Any] = {"group": group, "advanced": advanced}
    if task:
        extra["task"] = task
    if choices:
        extra["choices"] = {name: list(names) for name, names in choices.items()}
    if metric:
        extra["metric"] = True
    if later:
        extra["later"] = True
    if when is not None:
        extra["when"] = [when[0], list(when[1])]
    return Field(default, title=title, description=description, json_schema_extra=extra, **limits)


def metric_choices(task: str | None = None) -> list[str]:
    """What a field that names a metric can be, for one task or for both."""
    return ["auto", *(name.replace("_", "-") for name in epoch_metrics(task))]


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
    timm_model: str = _field(
        "",
        "Model",
        "timm name",
        "Any convolutional network of timm, such as tf_efficientnet_lite0 or convnext_atto.",
        when=("model", ("timm",)),
        later=True,
    )
    pretrained: bool = _field(
        False,
        "Model",
        "Pretrained weights",
        "Start a published model from its ImageNet weights, fetched once.",
        advanced=True,
        when=("model", PUBLISHED_MODELS),
    )
    weights_file: str = _field(
        "", "Model", "Weights file", "A local .safetensors file to start from instead.", advanced=True
    )
    frozen: bool = _field(
        False,
        "Model",
        "Frozen backbone",
        "Train only what follows the pretrained layers; without augmentation these run once for all runs.",
        advanced=True,
        when=("model", PUBLISHED_MODELS),
        later=True,
    )
    head: Literal["linear", "convolutional"] = _field(
        "linear",
        "Model",
        "Head",
        "Convolutional: two convolutions between a published model's features and the last layer.",
        advanced=True,
        when=("model", PUBLISHED_MODELS),
        later=True,
    )
    inputs: Literal["image", "caption", "both"] = _field(
        "image",
        "Model",
        "Reads",
        "The image, its caption, or both together; captions need a data set that has them.",
        later=True,
    )
    caption_model: Literal["lstm-transformer", "gated-words"] = _field(
        "gated-words",
        "Model",
        "Caption model",
        "An LSTM over the words and a Transformer encoder over its outputs and the image; or words and pairs "
        "of words, and beside them the image, behind a gate.",
        when=("inputs", ("caption", "both")),
        later=True,
    )
    caption_width: int = _field(
        128,
        "Model",
        "Caption width",
        "Features of a word; a multiple of 4.",
        ge=8,
        le=1024,
        multiple_of=4,
        advanced=True,
        when=("inputs", ("caption", "both")),
        later=True,
    )
    caption_dropout: float = _field(
        0.0,
        "Model",
        "Captions forgotten",
        "How many training captions are emptied in each step, so that the image alone has to do, too.",
        ge=0,
        le=0.95,
        advanced=True,
        when=("inputs", ("caption", "both")),
        later=True,
    )
    image_size: int = _field(
        0,
        "Model",
        "Image size",
        "Side to which images are scaled; 0 keeps their own size, or where they differ in it, their shape.",
        ge=0,
        le=1024,
        advanced=True,
    )
    image_height: int = _field(
        0,
        "Model",
        "Image height",
        "Height to which images are scaled, where they are no squares; needs the width too.",
        ge=0,
        le=1024,
        advanced=True,
        later=True,
    )
    image_width: int = _field(
        0,
        "Model",
        "Image width",
        "Width to which images are scaled; needs the height too.",
        ge=0,
        le=1024,
        advanced=True,
        later=True,
    )
    normalisation: Literal["standard", "minus-one-to-one", "zero-to-one", "imagenet"] = _field(
        "standard",
        "Model",
        "Normalisation",
        "Standard: zero mean and unit deviation over the training split. ImageNet: as most published "
        "weights expect.",
    )

    cleaning: str = _field(
        "",
        "Model",
        "Cleaning",
        "Steps that clean the images first, as the Clean page composes them, such as blur 1 | threshold 0.4.",
        advanced=True,
        later=True,
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
    layer_decay: float = _field(
        1.0,
        "Optimisation",
        "Layer-wise decay",
        "What the learning rate is multiplied by from each stage of the network to the one before; 1: alike.",
        gt=0,
        le=1,
        advanced=True,
        later=True,
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
        "Those of the best epoch on validation, or the last ones.",
    )
    keep_by: str = _field(
        "auto",
        "Optimisation",
        "Best epoch by",
        "The figure that says which epoch is best. Auto: accuracy; with several labels the mean ROC AUC.",
        advanced=True,
        when=("keep", ("best",)),
        metric=True,
        later=True,
    )
    ema_decay: float = _field(
        0.0,
        "Optimisation",
        "Weight averaging",
        "Decay per step of the moving average of the weights; 0 for none. The first steps decay faster, by "
        "(1 + step) / (10 + step).",
        ge=0,
        lt=1,
        advanced=True,
    )

    # Loss
    loss: Literal["cross-entropy", "focal", "asymmetric", "soft-margin"] = _field(
        "cross-entropy",
        "Loss",
        "Loss",
        "Focal: Lin et al. 2017. Asymmetric: Ridnik et al. 2021. With several labels an image, cross-entropy "
        "is the binary one of each label.",
        choices=LOSSES,
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
    asymmetric_negative: float = _field(
        4.0,
        "Loss",
        "Gamma of no",
        "How much easy labels that are no count less.",
        ge=0,
        le=10,
        advanced=True,
        when=("loss", ("asymmetric",)),
        task=MANY_LABELS,
        later=True,
    )
    asymmetric_positive: float = _field(
        1.0,
        "Loss",
        "Gamma of yes",
        "How much easy labels that are yes count less.",
        ge=0,
        le=10,
        advanced=True,
        when=("loss", ("asymmetric",)),
        task=MANY_LABELS,
        later=True,
    )
    asymmetric_margin: float = _field(
        0.05,
        "Loss",
        "Margin of no",
        "Labels that are no count nothing below this probability.",
        ge=0,
        lt=0.5,
        advanced=True,
        when=("loss", ("asymmetric",)),
        task=MANY_LABELS,
        later=True,
    )
    unknown_labels: Literal["masked", "as-no", "left-out"] = _field(
        "masked",
        "Loss",
        "Unknown labels",
        "Masked: they count for nothing. As no: as if they were no. Left out: images with one are not used.",
        task=MANY_LABELS,
        later=True,
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
        "none",
        "Loss",
        "Class weights",
        "Balanced: inverse to the class's frequency; with several labels, yes weighs as much as no.",
    )
    oversample: bool = _field(
        False, "Loss", "Oversampling", "Draw images so that each class is seen equally often.", advanced=True
    )
    oversample_by: Literal["label", "label-set"] = _field(
        "label",
        "Loss",
        "Oversample by",
        "Label: yes and no of each label come closer to balance. Label set: each combination of labels does.",
        advanced=True,
        when=("oversample", ()),
        task=MANY_LABELS,
        later=True,
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
    crop_share: float = _field(
        0.0,
        "Augmentation",
        "Random crop",
        "Share of images of which a part is cut out at random and scaled up.",
        ge=0,
        le=1,
        advanced=True,
        later=True,
    )
    crop_least: float = _field(
        0.7,
        "Augmentation",
        "Random crop, least",
        "Shortest side of the part, of the image's.",
        gt=0,
        le=1,
        advanced=True,
        when=("crop_share", ()),
        later=True,
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
    elastic_share: float = _field(
        0.0,
        "Augmentation",
        "Elastic",
        "Share of images bent as if printed on rubber (Simard, Steinkraus and Platt 2003): for handwriting.",
        ge=0,
        le=1,
        later=True,
    )
    elastic_pixels: float = _field(
        1.2,
        "Augmentation",
        "Elastic, pixels",
        "How far points are moved: the standard deviation along each axis.",
        gt=0,
        le=100,
        advanced=True,
        when=("elastic_share", ()),
        later=True,
    )
    elastic_spacing: float = _field(
        5.0,
        "Augmentation",
        "Elastic, spacing",
        "Pixels between the points that are moved; what lies between them follows smoothly.",
        ge=1,
        le=1000,
        advanced=True,
        when=("elastic_share", ()),
        later=True,
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

    # Few labels, and several networks
    label_groups: str = _field(
        "",
        "Few labels",
        "Exactly one of",
        "Sizes of groups of labels of which exactly one is right, such as 10+26: one digit and one letter. "
        "Empty: as the data set says, if it does; none: every label stands by itself.",
        task=MANY_LABELS,
        advanced=True,
        later=True,
    )
    semi: Literal["none", "fixmatch", "flexmatch", "uda", "mean-teacher", "teacher-student"] = _field(
        "none",
        "Few labels",
        "Unlabelled images",
        "How they are learnt from. FixMatch: Sohn et al. 2020. FlexMatch: Zhang et al. 2021. UDA: Xie et al. "
        "2020, aligned as in ReMixMatch. Mean teacher: Tarvainen and Valpola 2017. Teacher-student: networks "
        "trained on the labels label the rest.",
        later=True,
    )
    semi_threshold: float = _field(
        0.95,
        "Few labels",
        "Threshold",
        "How sure a pseudo-label must be to be used.",
        ge=0.5,
        lt=1,
        when=("semi", ("fixmatch", "flexmatch", "teacher-student")),
        later=True,
    )
    semi_temperature: float = _field(
        0.5,
        "Few labels",
        "Temperature",
        "Below 1 what unlabelled images are answered is sharpened before it teaches.",
        ge=0.05,
        le=1,
        advanced=True,
        when=("semi", ("uda",)),
        later=True,
    )
    semi_weight: float = _field(
        1.0,
        "Few labels",
        "Weight",
        "Of the unlabelled images in the loss.",
        ge=0,
        le=1000,
        advanced=True,
        when=("semi", ("fixmatch", "flexmatch", "uda", "mean-teacher")),
        later=True,
    )
    semi_ratio: int = _field(
        3,
        "Few labels",
        "Unlabelled a step",
        "Unlabelled images for each labelled one.",
        ge=1,
        le=32,
        when=("semi", ("fixmatch", "flexmatch", "uda", "mean-teacher")),
        later=True,
    )
    semi_rampup: float = _field(
        0.2,
        "Few labels",
        "Ramp-up",
        "Part of the run over which their weight rises from 0.",
        ge=0,
        le=1,
        advanced=True,
        when=("semi", ("fixmatch", "flexmatch", "uda", "mean-teacher")),
        later=True,
    )
    semi_strength: float = _field(
        1.0,
        "Few labels",
        "Strength",
        "Of the strong augmentation, in which a pseudo-label must still hold.",
        ge=0,
        le=2,
        advanced=True,
        when=("semi", ("fixmatch", "flexmatch", "uda")),
        later=True,
    )
    semi_rounds: int = _field(
        1,
        "Few labels",
        "Rounds",
        "How often teachers are trained anew on what the last student answered.",
        ge=1,
        le=10,
        when=("semi", ("teacher-student",)),
        later=True,
    )
    epoch_images: int = _field(
        0,
        "Few labels",
        "Images an epoch",
        "Labelled images drawn in an epoch, again and again where there are fewer; 0: each once.",
        ge=0,
        le=10_000_000,
        advanced=True,
        later=True,
    )
    members: int = _field(
        1,
        "Few labels",
        "Networks",
        "Members of an ensemble, or teachers of a student.",
        ge=1,
        le=50,
        later=True,
    )
    member_models: str = _field(
        "",
        "Few labels",
        "Their models",
        "Several architectures in turn, parted by commas; empty: the recipe's own.",
        advanced=True,
        later=True,
    )
    bootstrap: bool = _field(
        True,
        "Few labels",
        "Bootstrap",
        "Each network draws its own training images, with repetition.",
        advanced=True,
        later=True,
    )
    vote: Literal["soft", "hard"] = _field(
        "soft",
        "Few labels",
        "Votes",
        "Soft: the mean of their probabilities. Hard: one vote each.",
        advanced=True,
        later=True,
    )
    distil: bool = _field(
        False,
        "Few labels",
        "Distil",
        "Train one network on what the ensemble answers, and keep that one.",
        advanced=True,
        later=True,
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
        if bool(self.image_height) != bool(self.image_width):
            raise ValueError("set image_height and image_width together, or neither")
        if self.image_size and self.image_height:
            raise ValueError("set either image_size, for squares, or image_height and image_width")
        if self.model in OWN_MODELS and (self.frozen or self.head != "linear"):
            raise ValueError(f"frozen and head are for published models; {self.model} has neither")
        if self.frozen and not (self.pretrained or self.weights_file):
            raise ValueError("a frozen backbone needs weights: set pretrained or weights_file")
        sizes = [] if self.label_groups in ("", NO_GROUPS) else self.label_groups.split("+")
        if any(not size.isdecimal() or size == "0" for size in sizes):
            raise ValueError("write label_groups as sizes, such as 10+26, or none")
        if self.inputs != "image" and (self.semi != "none" or self.members > 1):
            raise ValueError(f"semi and members go with images alone, not with inputs = {self.inputs}")
        if self.cleaning and self.input_size:
            raise ValueError("cleaning sets the size of the images (align); leave image_size at 0")
        _check_cleaning(self.cleaning)
        if self.distil and self.members < 2:
            raise ValueError("distil needs an ensemble: set members to 2 or more")
        if self.semi not in ("none", "teacher-student") and self.members > 1:
            raise ValueError(f"members go with semi = none or teacher-student, not {self.semi}")
        unknown = [name for name in self.architectures if name not in get_args(ModelName)]
        if unknown:
            raise ValueError(f"member_models: there is no model {unknown[0]!r}")
        if (self.model == "timm") != bool(self.timm_model):
            raise ValueError("timm_model names the network of model = timm; set both or neither")
        return self

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(height, width) to which images are scaled; None for their own size."""
        if self.image_size:
            return self.image_size, self.image_size
        return (self.image_height, self.image_width) if self.image_height else None

    @property
    def groups(self) -> tuple[int, ...]:
        """Sizes of the groups of labels of which exactly one is right; empty: labels stand by themselves."""
        return _sizes(self.label_groups)

    @property
    def architectures(self) -> tuple[str, ...]:
        """The model of each member of an ensemble in turn; at least one."""
        named = [name.strip() for name in self.member_models.split(",") if name.strip()]
        return tuple(named) or (self.model,)

    @property
    def network(self) -> str:
        """What the model is called: its architecture, what reads the captions, or both."""
        of_images, of_captions = self.timm_model or self.model, f"{self.caption_model} on captions"
        return {"image": of_images, "caption": of_captions, "both": f"{of_images} + {of_captions}"}[
            self.inputs
        ]

    @property
    def stem(self) -> str:
        """What a run of it is called after."""
        return self.caption_model if self.inputs == "caption" else self.model

    @property
    def has_stages(self) -> bool:
        """Whether several networks are trained."""
        return self.members > 1 or self.semi == "teacher-student"

    @property
    def needs_unlabeled(self) -> bool:
        """Whether it cannot be trained without images that have no label."""
        return self.semi != "none"

    @property
    def uses_unlabeled(self) -> bool:
        """Whether images without a label change what is trained."""
        return self.needs_unlabeled or self.distil

    @property
    def runs_backbone_once(self) -> bool:
        """Whether what its backbone makes of an image is the same in every epoch, so that it can be kept.

        Consistency training shows the network each image augmented strongly, whatever the recipe says.
        """
        same_images = not self.augments and self.semi in ("none", "teacher-student")
        return self.frozen and self.inputs != "caption" and same_images

    def of_one_network(self) -> Recipe:
        """The recipe of one of its networks: no ensemble, no student."""
        return self.model_copy(update={"members": 1, "member_models": "", "distil": False, "semi": "none"})

    @property
    def n_networks(self) -> int:
        """How many networks are trained: members, students, and what an ensemble is distilled into."""
        rounds = self.semi_rounds if self.semi == "teacher-student" else 0
        return self.members * max(1, rounds) + (rounds or int(self.distil and self.members > 1))

    @property
    def augments(self) -> bool:
        """Whether an image looks different from epoch to epoch."""
        return any(
            value > 0 for name, value in self.model_dump().items() if name.endswith("_share")
            and name not in ("warmup_share", "validation_share")
        )  # fmt: skip

    def fitting(self, label_groups: str, n_classes: int) -> Recipe:
        """The recipe with the groups that a data set declares, where it names none itself.

        Args:
            label_groups: As the data set has them; "" for none. Those that are not of all its classes do not
                count: somebody gave its images other classes.
        """
        if self.label_groups or sum(_sizes(label_groups)) != n_classes:
            return self
        return self.model_copy(update={"label_groups": label_groups})

    def check_task(self, task: str) -> None:
        """Raises BadInput where a choice does not fit the task ("single-label" or "multi-label")."""
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            choices = extra.get("choices") if isinstance(extra, dict) else None
            fitting: Any = choices.get(task) if isinstance(choices, dict) else None
            value = getattr(self, name)
            if isinstance(extra, dict) and extra.get("metric") and not find_epoch_metric(value, task):
                fitting = metric_choices(task)
            if isinstance(fitting, list) and value not in fitting:
                raise BadInput(
                    f"{name} = {value!r} does not fit data with "
                    f"{'one label' if task == ONE_LABEL else 'several labels'} an image.",
                    f"Choose one of {', '.join(map(str, fitting))}.",
                )

    def deciding_figure(self, auto: str) -> str:
        """The field that says which epoch is best; ``auto`` is the metric where none is asked for."""
        return f"valid_{auto if self.keep_by == 'auto' else self.keep_by.replace('-', '_')}"

    def signed(self, figure: float | None) -> float | None:
        """A value of the deciding figure so that more is better."""
        one = None if self.keep_by == "auto" else find_epoch_metric(self.keep_by)
        lower = one is not None and not one.higher_is_better
        return -figure if lower and figure is not None else figure

    @field_validator("keep_by")
    @classmethod
    def _names_a_metric(cls, value: str) -> str:
        if value != "auto" and find_epoch_metric(value) is None:
            raise ValueError(f"Input should be one of {', '.join(metric_choices())}")
        return value

    def deciding_values(self) -> dict[str, Any]:
        """All that decides the result, for keys: without the machine's fields.

        A field that an earlier version did not have is there only where it differs from its default, so
        what earlier versions kept is still found.
        """
        values = self.model_dump(exclude={"threads", "device", "precision"})
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra.get("later") and values.get(name) == field.default:
                del values[name]
        return values

    def with_changes(self, changes: Mapping[str, Any]) -> Recipe:
        """A validated copy with some fields changed; strings are converted as on the command line.

        Raises:
            BadInput: An unknown field or a value out of range, named.
        """
        return make_recipe({**self.model_dump(), **changes})

    def to_toml(self) -> str:
        """The recipe as TOML, one line a field."""
        return tomli_w.dumps(self.model_dump())


def _sizes(label_groups: str) -> tuple[int, ...]:
    return () if label_groups in ("", NO_GROUPS) else tuple(map(int, label_groups.split("+")))


def _check_cleaning(text: str) -> None:
    """Raises ValueError for steps that there are not."""
    if text:
        from core.data.cleaning import parse  # PIL is needed only then

        try:
            parse(text)
        except BadInput as error:
            raise ValueError(str(error)) from error


_FEW = Recipe(
    epochs=24,
    batch_size=16,
    epoch_images=1_600,
    semi_ratio=7,
    semi_rampup=0.05,
    semi_strength=1.3,
    learning_rate=5e-3,
    schedule="one-cycle",
    dropout=0.0,
    ema_decay=0.99,
    flip_share=0.5,
    shift_share=1.0,
    keep="last",
)
_CHARACTERS = Recipe(
    model="small-resnet",
    width=16,
    epochs=10,
    batch_size=64,
    learning_rate=5e-3,
    schedule="one-cycle",
    dropout=0.0,
    ema_decay=0.99,
    shift_share=1.0,
    shift_pixels=4,
    rotation_share=0.25,
    sharpness_share=0.25,
)
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
    "transfer": Recipe(
        model="efficientnet-lite0",
        pretrained=True,
        frozen=True,
        head="convolutional",
        normalisation="minus-one-to-one",
        epochs=40,
        batch_size=64,
        learning_rate=1e-3,
        early_stopping_patience=5,
    ),
    "caption": Recipe(
        inputs="caption",
        loss="soft-margin",
        dropout=0.3,
        epochs=15,
        batch_size=64,
        learning_rate=5e-3,
        schedule="one-cycle",
        keep_by="macro-f1",
    ),
    "hybrid": Recipe(
        inputs="both",
        caption_model="lstm-transformer",
        loss="soft-margin",
        normalisation="zero-to-one",
        image_size=64,
        width=16,
        dropout=0.3,
        epochs=4,
        batch_size=50,
        learning_rate=2e-3,
        schedule="one-cycle",
        flip_share=0.5,
        crop_share=0.5,
    ),
    "hybrid-pretrained": Recipe(
        inputs="both",
        model="efficientnet-lite0",
        pretrained=True,
        frozen=True,
        loss="soft-margin",
        normalisation="minus-one-to-one",
        image_size=128,
        dropout=0.3,
        epochs=15,
        batch_size=64,
        learning_rate=5e-3,
        schedule="one-cycle",
        keep_by="macro-f1",
    ),
    "fixmatch": _FEW.model_copy(update={"semi": "fixmatch"}),
    "flexmatch": _FEW.model_copy(update={"semi": "flexmatch"}),
    "uda": _FEW.model_copy(update={"semi": "uda"}),
    "mean-teacher": _FEW.model_copy(
        update={"semi": "mean-teacher", "semi_weight": 20.0, "semi_strength": 1.0}
    ),
    "bagging": _CHARACTERS.model_copy(update={"members": 3}),
    "teacher-student": _CHARACTERS.model_copy(
        update={"members": 2, "semi": "teacher-student", "semi_threshold": 0.9}
    ),
}
"""``baseline`` is what most people write: the plain CNN, pixels to [-1, 1], small rotations, flips.
``transfer`` is a frozen network that knows photographs, with a small convolutional head: for few images.
``caption``, ``hybrid`` and ``hybrid-pretrained`` read captions; the first two start from nothing.
``fixmatch``, ``flexmatch``, ``uda`` and ``mean-teacher`` learn from unlabelled images too; ``bagging`` trains
an ensemble, ``teacher-student`` one that labels the unlabelled images for a student."""


def make_recipe(values: Mapping[str, Any]) -> Recipe:
    """Validate ``values`` into a Recipe. Raises BadInput naming each wrong field, its value and the mend."""
    try:
        return Recipe.model_validate(dict(values))
    except ValidationError as error:
        problems = []
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                problems.append(f"There is no recipe field {name[:100]!r}.")
            elif name:
                problems.append(f"{name} = {_shortened(item['input'])}: {item['msg']}.")
            else:
                problems.append(f"{item['msg'].removeprefix('Value error, ')}.")
        raise BadInput(" ".join(problems), "`tidyset train --help-recipe` lists the fields.") from None


def _shortened(value: object) -> str:
    """A value as a message repeats it; what is wrong with a very long one shows at its beginning."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


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
        values = parse_toml(read_limited(path, 1 << 20))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is no TOML file ({error}).", "Correct that line.") from error
    try:
        return make_recipe(values)
    except BadInput as error:
        raise BadInput(f"{path.name}: {error.problem}", error.mend) from None


def parse_settings(settings: list[str]) -> dict[str, str]:
    """``["epochs=3", ...]`` as a mapping. Raises BadInput for one without '='."""
    pairs = [setting.partition("=") for setting in settings]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise BadInput(f"--set {name!r} has no value.", "Write it as --set field=value.")
    return {name.strip(): value.strip() for name, _, value in pairs}
