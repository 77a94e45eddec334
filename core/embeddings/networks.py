"""Running networks over a whole data set for their features: that of a run, or a pretrained one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.errors import BadInput, NotFound, Offline
from core.files import digest
from core.runs.store import Run

if TYPE_CHECKING:
    import torch

Progress = Callable[[float, str], None]
SIDE = 128
"""Of the images that a pretrained network is fed: such networks know no smaller ones."""
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_CHUNK = 64


def run_features(run: Run, dataset: Dataset, report: Progress) -> NDArray[np.float32]:
    """(N, D) float32: the penultimate layer of the run's network for every image, scaled to its size."""
    from core.models import load_model
    from core.training.pixels import Normaliser

    model, card = load_model(run.model_file)
    device = _device()
    normalise = Normaliser(card.mean, card.std, device)
    model.to(device)

    def encode(images: torch.Tensor) -> torch.Tensor:
        return model.features(normalise(images))

    return _over(dataset, (card.height, card.image_width, card.channels), encode, device, report, 512)


def backbone_features(name: str, weights: str, dataset: Dataset, report: Progress) -> NDArray[np.float32]:
    """(N, D) float32: a pretrained network's features of every image, scaled to SIDE and in colour.

    Args:
        name: One of core.models.NAMES with published weights, or a network of timm.
        weights: A local .safetensors file, or "" for the published ones.

    Raises:
        NotFound, DamagedFile, BadInput: No such network or file, or the weights do not fit it.
        Offline: The published weights cannot be reached.
    """
    from core.training.pixels import Normaliser

    device = _device()
    encode_normalised = load_backbone(name, weights, device)
    normalise = Normaliser(_MEAN, _STD, device)
    return _over(
        dataset, (SIDE, SIDE, 3), lambda images: encode_normalised(normalise(images)), device, report, _CHUNK
    )


def load_backbone(name: str, weights: str, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """Images (n, 3, SIDE, SIDE), normalised, to features (n, D). Raises as backbone_features does."""
    from core import models

    if name in models.NAMES:
        pretrained = not weights
        model = models.create_model(
            name, 1, 3, (SIDE, SIDE), pretrained=pretrained, weights_file=weights or None
        )
        model.eval().to(device)
        return model.features
    return _timm_network(name, weights).eval().to(device)  # type: ignore[no-any-return]


def _timm_network(name: str, weights: str) -> Any:
    import timm

    from core.models.weights import read_weights

    if name not in timm.list_models():
        raise BadInput(
            f"There is no network {name!r}.",
            "Choose one of the models of the Train page, or a name from timm.list_models().",
        )
    if not weights:
        try:
            return timm.create_model(name, pretrained=True, num_classes=0)
        except Exception as error:  # timm raises whatever its downloads raise
            raise Offline(
                f"The weights of {name} could not be fetched: {type(error).__name__}.",
                "Connect once, or fetch its model.safetensors elsewhere and give that file.",
            ) from error
    network = timm.create_model(name, pretrained=False, num_classes=0)
    state = read_weights(Path(weights).expanduser())
    known = network.state_dict()
    wrong = [key for key, value in known.items() if key not in state or state[key].shape != value.shape]
    if wrong:
        raise BadInput(
            f"The weights in {Path(weights).name} do not fit {name}: {len(wrong)} of its {len(known)} "
            f"layers are missing or of another shape, {wrong[0]} first.",
            "Choose the network that the file was made for, or another file.",
        )
    network.load_state_dict({key: state[key] for key in known})
    return network


def weights_digest(weights: str) -> str:
    """What names the content of a weights file; "" for published weights. Raises NotFound."""
    if not weights:
        return ""
    path = Path(weights).expanduser()
    try:
        return digest(path.read_bytes())
    except OSError as error:
        raise NotFound(
            f"There is no weights file {weights}.", "Give the path of a .safetensors file."
        ) from error


def _device() -> torch.device:
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _over(
    dataset: Dataset,
    shape: tuple[int, int, int],
    encode: Callable[[torch.Tensor], torch.Tensor],
    device: torch.device,
    report: Progress,
    chunk: int,
) -> NDArray[np.float32]:
    """``encode`` over all images, scaled to ``shape`` (height, width, channels), a chunk at a time."""
    import torch

    rows: list[NDArray[np.float32]] = []
    n = len(dataset)
    with torch.inference_mode():
        for start in range(0, n, chunk):
            stop = min(start + chunk, n)
            images = dataset.images.resized(np.arange(start, stop), *shape)
            batch = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2)
            rows.append(encode(batch).float().cpu().numpy())
            report(stop / n, f"features of {stop:,} of {n:,} images")
    return np.concatenate(rows)
