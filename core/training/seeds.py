"""Randomness without state: every draw follows from (seed, purpose, epoch, step).

So a run can go on from any step without a generator's state being kept.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What a stream of random numbers is for; streams of different purposes are independent."""

    WEIGHTS = 0
    ORDER = 1
    AUGMENTATION = 2
    DROPOUT = 3
    SPLIT = 4
    UNLABELLED = 5
    BOOTSTRAP = 6


def derived_seed(seed: int, purpose: Purpose, *counters: int) -> int:
    """A 63-bit seed that depends on all the numbers."""
    sequence = np.random.SeedSequence((seed, int(purpose), *counters))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def torch_generator(device: torch.device, seed: int, purpose: Purpose, *counters: int) -> torch.Generator:
    """A fresh generator on ``device`` for one stream."""
    return torch.Generator(device).manual_seed(derived_seed(seed, purpose, *counters))


def seed_layers(device: torch.device, seed: int, purpose: Purpose, *counters: int) -> None:
    """Seed what the layers of a network draw from on ``device``.

    torch.manual_seed gives the same draws there, but also asks after all other kinds of device, and each step
    of a small network would wait for that.
    """
    own = torch.default_generator
    if device.type == "cuda":
        own = torch.cuda.default_generators[
            torch.cuda.current_device() if device.index is None else device.index
        ]
    own.manual_seed(derived_seed(seed, purpose, *counters))


def numpy_generator(seed: int, purpose: Purpose, *counters: int) -> np.random.Generator:
    """The same for NumPy."""
    return np.random.default_rng(derived_seed(seed, purpose, *counters))
