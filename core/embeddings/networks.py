"""Networks that are run over data sets for their features: that of a run, or a pretrained one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

SIDE = 128
"""Of the images that a pretrained network is fed: such networks know no smaller ones."""
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_CHUNK = 64


@dataclass(frozen=True, eq=False)
class Network:
    """A loaded network.

    Attributes:
        shape: (height, width, channels) of the images that it takes.
        encode: (n, C, H, W) uint8 on ``device`` to features (n, D).
        device: Where it is.
        n_at_once: Images.
    """

    shape: tuple[int, int, int]
    encode: Callable[[torch.Tensor], torch.Tensor]
    device: torch.device
    n_at_once: int

    def over(self, dataset: Dataset, positions: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """(n, D) float32 of the images at ``positions``, scaled to its size, some at a time."""
        import torch

        for start in range(0, len(positions), self.n_at_once):
            images = dataset.images.resized(positions[start : start + self.n_at_once], *self.shape)
            with torch.inference_mode():
                batch = torch.from_numpy(np.ascontiguousarray(images)).to(self.device).permute(0, 3, 1, 2)
                found = self.encode(batch).float().cpu().numpy()
            yield found


def run_network(run: Run) -> Network:
    """The penultimate layer of a run's network. Raises DamagedFile."""
    from core.models import load_model
    from core.training.pixels import Normaliser

    model, card = load_model(run.model_file)
    device = _device()
    normalise = Normaliser(card.mean, card.std, device)
    model.to(device)

    def encode(images: torch.Tensor) -> torch.Tensor:
        return model.features(normalise(images))

    return Network((card.height, card.image_width, card.channels), encode, device, 512)


def backbone_network(name: str, weights: str) -> Network:
    """A pretrained network, which takes images of SIDE in colour.

    Args:
        name: One of core.models.NAMES with published weights, or a network of timm.
        weights: A local .safetensors file, or "" for the published ones.

    Raises:
        NotFound, DamagedFile, BadInput: No such network or file, or the weights do not fit it.
        Offline: The published weights cannot be reached.
    """
    from core.training.pixels import Normaliser

    device = _device()
    features = _load_backbone(name, weights, device)
    normalise = Normaliser(_MEAN, _STD, device)
    return Network((SIDE, SIDE, 3), lambda images: features(normalise(images)), device, _CHUNK)


def _load_backbone(name: str, weights: str, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """Images (n, 3, SIDE, SIDE), normalised, to features (n, D). Raises as backbone_network does."""
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
