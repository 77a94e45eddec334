"""Where and how to compute: device, precision, threads."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from core.errors import BadInput
from core.runs.recipe import Recipe

ALL_THREADS = torch.get_num_threads()  # what torch finds at start: one a core


@dataclass(frozen=True)
class Machine:
    """What a run computes with.

    Attributes:
        device: The processor or a GPU.
        bf16: Whether the network runs under bfloat16 autocast; weights and sums stay float32.
        threads: Processor threads.
    """

    device: torch.device
    bf16: bool
    threads: int

    @property
    def precision(self) -> str:
        """For people: "bf16" or "fp32"."""
        return "bf16" if self.bf16 else "fp32"

    def autocast(self) -> torch.autocast:
        """The context in which the network runs."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)


def choose_machine(recipe: Recipe) -> Machine:
    """What the recipe asks for, "auto" resolved. Sets the number of threads of this process.

    Raises:
        BadInput: A GPU is asked for and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if recipe.device == "cuda" and not has_gpu:
        raise BadInput("device is cuda, but no GPU can be used here.", "Set device to auto or cpu.")
    device = torch.device("cuda" if has_gpu and recipe.device != "cpu" else "cpu")
    bf16 = recipe.precision == "bf16" or (recipe.precision == "auto" and has_fast_bf16(device))
    threads = recipe.threads or ALL_THREADS
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    return Machine(device, bf16, threads)


def count_gpus(recipe: Recipe) -> int:
    """GPUs that a run of this recipe may use here. Raises as ``choose_machine``."""
    return torch.cuda.device_count() if choose_machine(recipe).device.type == "cuda" else 0


def own_device(recipe: Recipe, number: int) -> torch.device:
    """The device of one of several processes; GPUs are dealt out. Raises as ``choose_machine``."""
    device = choose_machine(recipe).device
    if device.type == "cuda":
        torch.cuda.set_device(number % torch.cuda.device_count())
    return device


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16: without them it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
