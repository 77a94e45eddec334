"""The one shape that every network of the zoo has: a body that makes features, a head that scores classes."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn
from torch.nn import functional as F


class Classifier(nn.Module):
    """A network for K classes.

    Attributes:
        body: Images (n, C, H, W), normalised float, to features (n, D): the penultimate layer.
        head: Features to class scores (n, K), softmax not applied. Its dropout, if any, comes first.
        n_features: D.
        smallest_side: Inputs with a shorter side are scaled up to it, since the body halves the side
            several times.
        cam_name: Name of ``cam_layer`` in the body; "" where no image is read.
        frozen: Whether the body's trunk keeps its weights and its batch statistics; see ``freeze``.
    """

    def __init__(
        self, body: nn.Module, head: nn.Module, n_features: int, cam_layer: str, smallest_side: int = 1
    ) -> None:
        super().__init__()
        self.body = body
        self.head = head
        self.n_features = n_features
        self.smallest_side = smallest_side
        self.frozen = False
        self.cam_name = cam_layer

    @property
    def cam_layer(self) -> nn.Module:
        """For Grad-CAM: the last layer whose output (n, channels, h, w) still tells places apart."""
        return self.body.get_submodule(self.cam_name)

    @property
    def trunk(self) -> nn.Module:
        """The published layers of a network that has a head of its own on top (core.models.backbones)."""
        return self.body.get_submodule("trunk")

    def freeze(self) -> None:
        """Train only what follows the trunk from now on."""
        self.frozen = True
        self.trunk.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """As any module, but a frozen trunk stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.trunk.eval()
        return self

    def maps(self, images: Tensor) -> Tensor:
        """(n, channels, h, w) float: what the trunk makes of normalised images (n, C, H, W)."""
        return self.trunk(self._large_enough(images))  # type: ignore[no-any-return]

    def features_of_maps(self, maps: Tensor, words: Tensor | None = None) -> Tensor:
        """(n, D) float, of what ``maps`` gave; for ``words`` see ``features``."""
        return self.body.get_submodule("neck")(maps)  # type: ignore[no-any-return]

    def features(self, images: Tensor, words: Tensor | None = None) -> Tensor:
        """(n, D) float, of normalised images (n, C, H, W).

        Args:
            words: (n, L) of their captions (core.models.words), for networks that read these.
        """
        return self.body(self._large_enough(images))  # type: ignore[no-any-return]

    def _large_enough(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        size = enlarged((height, width), self.smallest_side)
        if size != (height, width):
            images = F.interpolate(images, size=size, mode="bilinear", align_corners=False)
        return images

    def forward(self, images: Tensor, words: Tensor | None = None) -> Tensor:
        """(n, K) class scores of normalised images (n, C, H, W) and, where they are read, their captions."""
        return self.head(self.features(images, words))  # type: ignore[no-any-return]


def enlarged(size: tuple[int, int], smallest_side: int) -> tuple[int, int]:
    """The size (height, width), scaled up where its shorter side is below ``smallest_side``."""
    scale = max(1.0, smallest_side / min(size))
    return round(size[0] * scale), round(size[1] * scale)


class Scaled(nn.Module):
    """Multiplies by a constant: small scores at first, so that a high learning rate is bearable."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """``x`` times the factor."""
        return x * self.factor

    def extra_repr(self) -> str:
        """Shown when the network is printed."""
        return f"{self.factor:g}"


def linear_head(n_features: int, n_classes: int, dropout: float, scale: float = 1.0) -> nn.Sequential:
    """Dropout, a linear layer and, where ``scale`` is not 1, a factor on the scores."""
    layers: list[nn.Module] = [nn.Dropout(dropout), nn.Linear(n_features, n_classes)]
    if scale != 1.0:
        layers.append(Scaled(scale))
    return nn.Sequential(*layers)
