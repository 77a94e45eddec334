"""Which trainings can be shared by several workers; light, for the form and the command line."""

from __future__ import annotations

from core.engines import EnginePlan
from core.errors import BadInput
from core.runs.recipe import Recipe

SHARED_MODELS = (
    "plain-cnn",
    "small-resnet",
    "resnet18",
    "resnet50",
    "vgg11",
    "vgg19",
    "alexnet",
    "mobilenet-v3",
)
"""Networks whose layers are known not to mix or draw over a batch, but for batch norm and dropout."""


def check_one_run(recipe: Recipe, plan: EnginePlan) -> None:
    """Whether one run of ``recipe`` can be trained where the plan says.

    Raises:
        BadInput: It cannot; says what stands in the way.
    """
    if not plan.spreads:
        return
    mend = "Leave --engine and --workers out: one process trains it."
    if recipe.semi != "none":
        raise BadInput(f"Training with unlabelled images (semi = {recipe.semi}) is not shared.", mend)
    if recipe.has_stages:
        return  # each member is trained by one worker
    if recipe.inputs != "image":
        raise BadInput(f"A network that reads captions (inputs = {recipe.inputs}) is not shared.", mend)
    if recipe.frozen:
        raise BadInput("With a frozen backbone there is too little left to share.", mend)
    if recipe.model not in SHARED_MODELS:
        known = ", ".join(SHARED_MODELS)
        raise BadInput(
            f"Model {recipe.model} is not shared by workers.", f"Choose one of {known}; or: {mend}"
        )
    if plan.n_workers > recipe.batch_size // 2:
        raise BadInput(
            f"{plan.n_workers} workers cannot share a batch of {recipe.batch_size} images.",
            f"Choose at most {max(1, recipe.batch_size // 2)} workers, or a larger batch_size.",
        )
