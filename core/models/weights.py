"""Starting a network from existing weights, local or published: safetensors only, nothing is unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from core.bounded import read_tensors
from core.errors import BadInput, DamagedFile, NotFound, Offline
from core.models.classifier import Classifier

State = dict[str, Tensor]

# ImageNet weights as safetensors on the Hugging Face hub. Their names differ from torchvision's for some,
# but the layers are the same and in the same order.
PUBLISHED = {
    "resnet18": "resnet18.tv_in1k",
    "resnet50": "resnet50.tv_in1k",
    "vgg11": "vgg11_bn.tv_in1k",
    "vgg19": "vgg19_bn.tv_in1k",
    "mobilenet-v3": "mobilenetv3_large_100.ra_in1k",
    "efficientnet-b0": "efficientnet_b0.ra_in1k",
}
_CONVERT = (
    "A .pth file is converted by "
    "safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'weights.safetensors')."
)


def read_weights(path: Path) -> State:
    """The tensors of a .safetensors file by name. Raises NotFound or DamagedFile."""
    if not path.is_file():
        raise NotFound(f"There is no weights file {path}.", "Give the path of a .safetensors file.")
    try:
        return read_tensors(path)
    except (OSError, ValueError) as error:
        raise DamagedFile(f"{path} is no safetensors file ({error}).", _CONVERT) from error


def published_weights(name: str, timm_name: str = "") -> State:
    """The ImageNet weights of a network of torchvision, or of timm by its name there, fetched on first use.

    Raises:
        BadInput: None are published as safetensors.
        Offline: They are not on this machine and the network cannot be reached.
    """
    repository = f"timm/{PUBLISHED[name]}" if name in PUBLISHED else _timm_repository(timm_name)
    if not repository:
        raise BadInput(
            f"No weights of {timm_name or name} are published as safetensors.",
            f"Set pretrained to false, or give weights_file. {_CONVERT}",
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        path = hf_hub_download(repository, "model.safetensors")
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise Offline(
            f"Weights of {timm_name or name} ({repository}) could not be fetched: {type(error).__name__}.",
            "Connect once, or fetch its model.safetensors elsewhere and give that as weights_file.",
        ) from error
    return read_weights(Path(path))


def _timm_repository(name: str) -> str:
    """Where timm's weights of a network are on the Hugging Face hub; "" for none."""
    import timm

    about = timm.get_pretrained_cfg(name) if name in timm.list_models() else None
    return str(about.hf_hub_id or "") if about is not None else ""


def load_weights(model: Classifier, weights: Mapping[str, Tensor], name: str, origin: str) -> str:
    """Copy ``weights`` into ``model``, strictly: every layer of the body must be there in the right shape.

    Three spellings are understood: that of a run's model.safetensors, torchvision's and timm's. The first
    convolution is adapted to the number of channels (and, for small images, cut to the middle of its
    kernel). The head is taken over where it fits, otherwise it stays fresh.

    Args:
        name: The model's name in the zoo.
        origin: The file or address, for messages.

    Returns:
        One sentence on what was taken over.

    Raises:
        BadInput: Layers are missing, left over or of another shape; all are named (the first ten).
    """
    if _is_trunk_only(model, weights):
        return _load_trunk(model, weights, name, origin)
    ours = {key: value for key, value in model.body.state_dict().items() if _counts(key)}
    theirs, head = _split(weights, ours, name)
    first = next(key for key, value in ours.items() if value.ndim == 4)
    if first in theirs and theirs[first].ndim == 4:
        theirs[first] = fit_first_convolution(theirs[first], ours[first])
    replaced = _replaced_layers(model, theirs)
    _check(ours, theirs, replaced, origin)
    model.body.load_state_dict({key: theirs[key] for key in ours if key in theirs}, strict=False)
    own_head = model.head.state_dict()
    fits = bool(head) and {k: v.shape for k, v in head.items()} == {k: v.shape for k, v in own_head.items()}
    if fits:
        model.head.load_state_dict(head)
    return f"Started from {origin}, {'head included' if fits else 'with a fresh head'}."


def _is_trunk_only(model: Classifier, weights: Mapping[str, Tensor]) -> bool:
    """Whether a backbone is to start from published weights, not from a run of its own kind."""
    has_trunk = any(key.startswith("trunk.") for key in model.body.state_dict())
    return has_trunk and not any(key.startswith("body.") for key in weights)


def _load_trunk(model: Classifier, weights: Mapping[str, Tensor], name: str, origin: str) -> str:
    """Fill a backbone; what follows it stays fresh."""
    ours = {key: value for key, value in model.trunk.state_dict().items() if _counts(key)}
    theirs, _ = _split(weights, ours, name)
    first = next(key for key, value in ours.items() if value.ndim == 4)
    if first in theirs and theirs[first].ndim == 4:
        theirs[first] = fit_first_convolution(theirs[first], ours[first])
    _check(ours, theirs, set(), origin)
    model.trunk.load_state_dict({key: theirs[key] for key in ours}, strict=False)
    return f"Started from {origin}, with a fresh head."


def _counts(key: str) -> bool:
    return not key.endswith("num_batches_tracked")


def _split(weights: Mapping[str, Tensor], ours: State, name: str) -> tuple[State, State]:
    """(body, head) of the file, spelt as ours."""
    given = {key: value for key, value in weights.items() if _counts(key)}
    if any(key.startswith("body.") for key in given):
        body = {k.removeprefix("body."): v for k, v in given.items() if k.startswith("body.")}
        return body, {k.removeprefix("head."): v for k, v in given.items() if k.startswith("head.")}
    if name in PUBLISHED and not set(given) & set(ours):
        given = _from_timm(given, name)
    heads = tuple(f"{prefix}." for prefix in ("fc", "classifier", "head", "pre_logits"))
    return {k: v for k, v in given.items() if k in ours or not k.startswith(heads)}, {}


def _from_timm(given: State, name: str) -> State:
    """timm's names as torchvision's: the layers are the same and registered in the same order."""
    import timm
    from torchvision import models

    from core.models.published import BUILDERS

    architecture = PUBLISHED[name].partition(".")[0]
    with torch.device("meta"):
        their_names = [key for key in timm.create_model(architecture).state_dict() if _counts(key)]
        tv_names = [key for key in getattr(models, BUILDERS[name])().state_dict() if _counts(key)]
    if set(their_names) != set(given):
        return given
    renamed = {tv: given[timm_name] for timm_name, tv in zip(their_names, tv_names, strict=True)}
    return {key: value.flatten(1) if key.startswith("classifier.") and value.ndim == 4 else value
            for key, value in renamed.items()}  # fmt: skip


def fit_first_convolution(weight: Tensor, like: Tensor) -> Tensor:
    """A first convolution's weight for another number of channels and a smaller kernel.

    The response to a grey image shown in all channels stays the same: for one channel the weights are
    summed, for others their average is repeated and scaled. A smaller kernel takes the middle.
    """
    _, channels, height, width = like.shape
    n_given = weight.shape[1]
    if n_given != channels:
        weight = weight.mean(1, keepdim=True).expand(-1, channels, -1, -1) * (n_given / channels)
    top, left = (weight.shape[2] - height) // 2, (weight.shape[3] - width) // 2
    if top > 0 or left > 0:
        weight = weight[:, :, top : top + height, left : left + width]
    return weight.contiguous()


def _replaced_layers(model: Classifier, theirs: State) -> set[str]:
    """Layers of ours that published files cannot have: the hidden layer instead of VGG's three."""
    hidden = getattr(model.body, "hidden", None)
    fresh = (
        isinstance(hidden, nn.Linear) and hasattr(model.body, "features") and "hidden.weight" not in theirs
    )
    return {"hidden.weight", "hidden.bias"} if fresh else set()


def _check(ours: State, theirs: State, replaced: set[str], origin: str) -> None:
    problems = [f"{key} is missing" for key in ours if key not in theirs and key not in replaced]
    problems += [f"{key} is left over" for key in theirs if key not in ours]
    problems += [
        f"{key} is {tuple(theirs[key].shape)} instead of {tuple(ours[key].shape)}"
        for key in ours
        if key in theirs and theirs[key].shape != ours[key].shape
    ]
    if problems:
        more = f" and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise BadInput(
            f"The weights in {origin} do not fit: {'; '.join(problems[:10])}{more}.",
            "Choose the model and width that the file was made for, or another file.",
        )
