"""The two networks of this project: what most people write, and a small residual network."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from core.models.classifier import Classifier, enlarged, linear_head

PLAIN_SMALLEST = 4


def conv_norm(n_in: int, n_out: int, stride: int = 1) -> OrderedDict[str, nn.Module]:
    """A 3 x 3 convolution without bias, and batch norm."""
    return OrderedDict(
        conv=nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
        norm=nn.BatchNorm2d(n_out),
    )


def plain_cnn(
    n_classes: int, channels: int, image_size: tuple[int, int], width: int, dropout: float
) -> Classifier:
    """Blocks of conv, batch norm, ReLU and max pool that double the channels; two fully connected layers.

    28 x 28: three blocks (width, 2, 4 times width), 3 x 3 positions, a layer of 8 times width. Larger
    images get more blocks, until 2 or 3 positions a side are left; channels stop at 8 times width.

    The pool stands before the ReLU. Both only pick maxima, so the order makes no difference to the
    result; but the ReLU then has a quarter of the work.
    """
    image_size = enlarged(image_size, PLAIN_SMALLEST)
    n_blocks = min(image_size).bit_length() - 2
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    n_in, (height, width_px) = channels, image_size
    for number in range(n_blocks):
        n_out = width * min(2**number, 8)
        layers = conv_norm(n_in, n_out)
        layers["pool"] = nn.MaxPool2d(2)
        layers["relu"] = nn.ReLU(inplace=True)
        blocks[f"block{number + 1}"] = nn.Sequential(layers)
        n_in, height, width_px = n_out, height // 2, width_px // 2
    n_features = 8 * width
    blocks["flatten"] = nn.Flatten()
    blocks["hidden"] = nn.Linear(n_in * height * width_px, n_features)
    blocks["relu"] = nn.ReLU(inplace=True)
    head = linear_head(n_features, n_classes, dropout)
    return Classifier(nn.Sequential(blocks), head, n_features, f"block{n_blocks}.norm", PLAIN_SMALLEST)


class Residual(nn.Module):
    """Two conv-norm-ReLU in a row, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_block(channels, channels)
        self.second = conv_block(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as ``x``."""
        return x + self.second(self.first(x))  # type: ignore[no-any-return]


def conv_block(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(OrderedDict(**conv_norm(n_in, n_out, stride), relu=nn.ReLU(inplace=True)))


def small_resnet(
    n_classes: int, channels: int, image_size: tuple[int, int], width: int, dropout: float
) -> Classifier:
    """Residual blocks between convolutions and pools, after David Page's "How to train your ResNet" (2018).

    Images above 64 pixels a side enter at half, above 128 at a quarter of their resolution.
    """
    side = min(image_size)
    w = width
    body = nn.Sequential(
        OrderedDict(
            stem=conv_block(channels, w, stride=2 if side > 64 else 1),
            reduce=nn.MaxPool2d(2) if side > 128 else nn.Identity(),
            conv1=conv_block(w, 2 * w),
            pool1=nn.MaxPool2d(2),
            residual1=Residual(2 * w),
            conv2=conv_block(2 * w, 4 * w),
            pool2=nn.MaxPool2d(2),
            residual2=Residual(4 * w),
            conv3=conv_block(4 * w, 8 * w),
            pool3=nn.MaxPool2d(2),
            residual3=Residual(8 * w),
            pool=nn.AdaptiveMaxPool2d(1),
            flatten=nn.Flatten(),
        )
    )
    head = linear_head(8 * w, n_classes, dropout, scale=0.25)
    return Classifier(body, head, 8 * w, "conv3" if side < 64 else "residual3", smallest_side=8)
