"""How soon a plain CNN is good: the ``fast`` preset against the loop of the tutorials, in one run.

``uv run python benchmarks/fast.py [--seeds 0 1] [--quick] [--json]``

Both train the same plain CNN on the 60,000 training images of Fashion-MNIST, on a GPU where there is one. The
rival is what most people write: a Dataset that makes a PIL image of each sample and puts it through
RandomRotation(10), RandomHorizontalFlip, ToTensor and Normalize, a DataLoader, Adam, float32. It is timed
until its test accuracy reaches the target or its 15 epochs end; looking at the test images is not counted.
The preset is timed whole: it holds a tenth back, validates after each epoch, never sees a test image before
its end, and its prediction of the test images is counted.
"""

from __future__ import annotations

import core  # noqa: F401  # isort: skip  (before torch: sets how its threads wait, for both alike)

import argparse
import statistics
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.quick import parse
from core import workspace as workspaces
from core.data.catalog import open_dataset
from core.json_text import json_text
from core.runs.recipe import PRESETS
from core.training.inference import predict
from core.training.loop import fit
from core.training.parts import assign_roles, make_parts
from core.training.pixels import Pixels, pixel_array

LEARNING_RATE, DROPOUT, EPOCHS = 0.00136, 0.4117, 15  # as tuned by the project that the target is from


QUICK = {"data": "fashion-mnist-sample", "target": 0.75}


@dataclass(frozen=True)
class Result:
    """One training."""

    who: str
    seed: int
    seconds: float
    epochs: int
    images_per_second: float
    test_accuracy: float
    reached: bool


class TutorialDataset(Dataset[tuple[torch.Tensor, int]]):
    """As torchvision.datasets.FashionMNIST: a PIL image and its transforms for each sample."""

    def __init__(self, pixels: Pixels, labels: NDArray[np.int64], transform: transforms.Compose) -> None:
        self.data = torch.from_numpy(np.array(pixels[..., 0]))
        self.targets = torch.from_numpy(np.array(labels))
        self.transform = transform

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image, target = self.data[index], int(self.targets[index])
        return self.transform(Image.fromarray(image.numpy())), target

    def __len__(self) -> int:
        return len(self.data)


def tutorial_network() -> nn.Sequential:
    """The plain CNN, in the order in which it is usually written."""
    layers: list[nn.Module] = []
    for n_in, n_out in ((1, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(128 * 3 * 3, 256), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(256, 10)]
    return nn.Sequential(*layers)


def train_like_the_tutorials(
    seed: int,
    pixels: Pixels,
    labels: NDArray[np.int64],
    split: NDArray[np.int8],
    *,
    target: float,
    workers: int,
    batch_size: int,
) -> Result:
    """The rival."""
    torch.manual_seed(seed)
    as_tensor = [transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
    augmented = transforms.Compose(
        [transforms.RandomRotation(10), transforms.RandomHorizontalFlip(), *as_tensor]
    )
    train, test = split == 0, split == 2
    loader = DataLoader(
        TutorialDataset(pixels[train], labels[train], augmented),
        batch_size=batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    test_loader = DataLoader(
        TutorialDataset(pixels[test], labels[test], transforms.Compose(as_tensor)), batch_size=512
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = tutorial_network().to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    seconds, epoch, accuracy, best = 0.0, 0, 0.0, 0.0
    while epoch < EPOCHS and accuracy < target:
        model.train()
        started = time.perf_counter()
        for images, targets in loader:
            optimizer.zero_grad()
            loss = criterion(model(images.to(device)), targets.to(device))
            loss.backward()
            optimizer.step()
        loss.item()  # until a GPU is done
        seconds += time.perf_counter() - started
        epoch += 1
        model.eval()
        with torch.no_grad():
            right = [
                (model(images.to(device)).argmax(1).cpu() == targets).sum().item()
                for images, targets in test_loader
            ]
        accuracy = sum(right) / int(test.sum())
        best = max(best, accuracy)
        print(f"  tutorial loop, epoch {epoch}: {accuracy:.4f} after {seconds:.1f} s", file=sys.stderr)
    speed = epoch * int(train.sum()) / seconds
    return Result("tutorial loop", seed, seconds, epoch, speed, best, best >= target)


def train_with_the_preset(
    seed: int,
    pixels: Pixels,
    labels: NDArray[np.int64],
    split: NDArray[np.int8],
    classes: tuple[str, ...],
    *,
    target: float,
) -> Result:
    """Ours."""
    recipe = PRESETS["fast"].with_changes({"seed": seed})
    started = time.perf_counter()
    parts = make_parts(assign_roles(split, labels, recipe), labels, np.zeros(len(labels), bool))
    result = fit(pixels, labels, parts, classes, recipe)
    outputs = predict(result.model, result.card, pixels, parts.test, result.machine)
    accuracy = float((outputs.pred_probs.argmax(1) == labels[parts.test]).mean())
    seconds = time.perf_counter() - started
    print(f"  fast preset: {accuracy:.4f} after {seconds:.1f} s", file=sys.stderr)
    speed = result.epoch * len(parts.train) / seconds
    return Result("fast preset", seed, seconds, result.epoch, speed, accuracy, accuracy >= target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--target", type=float, default=0.9197, help="test accuracy to reach")
    parser.add_argument("--workers", type=int, default=0, help="processes of the rival's DataLoader")
    parser.add_argument("--batch-size", type=int, default=64, help="the rival's")
    parser.add_argument("--json", action="store_true")
    arguments = parse(parser, QUICK)
    workspace = workspaces.current()
    dataset = open_dataset(workspace, arguments.data)
    pixels, labels = pixel_array(workspace, dataset), np.asarray(dataset.labels)
    split = np.asarray(dataset.split)
    ours, rivals = [], []
    for seed in arguments.seeds:
        ours.append(
            train_with_the_preset(seed, pixels, labels, split, dataset.classes, target=arguments.target)
        )
        rivals.append(
            train_like_the_tutorials(
                seed,
                pixels,
                labels,
                split,
                target=arguments.target,
                workers=arguments.workers,
                batch_size=arguments.batch_size,
            )
        )
    ratio = statistics.mean(r.seconds for r in ours) / statistics.mean(r.seconds for r in rivals)
    report(ours + rivals, ratio, arguments)


def report(results: list[Result], ratio: float, arguments: argparse.Namespace) -> None:
    """The table, or the same as JSON."""
    threads, target = torch.get_num_threads(), arguments.target
    if arguments.json:
        rows = [asdict(result) for result in results]
        value = {
            "data": arguments.data,
            "target": target,
            "time_ratio": ratio,
            "threads": threads,
            "rival_workers": arguments.workers,
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "processor",
            "torch": torch.__version__,
        }
        print(json_text({**value, "results": rows}))
        return
    print(
        f"Time to {target:.2%} test accuracy on {arguments.data}, {threads} threads, "
        f"torch {torch.__version__}\n"
    )
    print(f"{'':<14} {'seed':>4} {'epochs':>6} {'seconds':>8} {'images/s':>9} {'accuracy':>9}  reached")
    for r in results:
        print(
            f"{r.who:<14} {r.seed:>4} {r.epochs:>6} {r.seconds:>8.1f} {r.images_per_second:>9,.0f} "
            f"{r.test_accuracy:>9.4f}  {'yes' if r.reached else 'no'}"
        )
    print(f"\nfast preset / tutorial loop: {ratio:.3f} of the time")


if __name__ == "__main__":
    main()
