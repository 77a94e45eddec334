"""A run's state as one safetensors file: tensors, and counters as JSON in its header. Nothing is pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.bounded import parse_json, parse_tensors, read_metadata, read_tensors
from core.errors import DamagedFile
from core.files import READ_ERRORS, write_bytes

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on.

    Attributes:
        tensors: By group ("model", "optimizer", "average", "best") and name.
        state: Counters and what else JSON can hold; floats survive exactly.
        identity: A hash of all that the run was made from; a run goes on only from its own checkpoint.
    """

    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]
    identity: str


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it atomically: a reader finds the old checkpoint or the new. Raises StorageFailed."""
    write_bytes(path, as_bytes(checkpoint))


def as_bytes(checkpoint: Checkpoint) -> bytes:
    """The contents of its file."""
    from safetensors.torch import save

    flat = {
        f"{group}/{name}": tensor.detach().cpu().contiguous()
        for group, tensors in checkpoint.tensors.items()
        for name, tensor in tensors.items()
    }
    metadata = {
        "format": str(FORMAT),
        "identity": checkpoint.identity,
        "state": json.dumps(checkpoint.state),
    }
    return bytes(save(flat, metadata))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what save_checkpoint wrote, onto the CPU.

    Raises:
        DamagedFile: The file is truncated, of another format or no checkpoint at all.
    """
    try:
        return _unpacked(read_tensors(path), read_metadata(path))
    except (*READ_ERRORS, AttributeError) as error:
        raise DamagedFile(
            f"{path} is no checkpoint ({error}).", "Delete it to start the run over."
        ) from error


def from_bytes(contents: bytes) -> Checkpoint:
    """What ``as_bytes`` made of it, in this version."""
    return _unpacked(*parse_tensors(contents))


def _unpacked(flat: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Checkpoint:
    """Raises KeyError, ValueError."""
    if metadata["format"] != str(FORMAT):
        raise ValueError(f"format {metadata['format']!r}; this version reads {FORMAT}")
    tensors: dict[str, dict[str, Tensor]] = {}
    for key, tensor in flat.items():
        group, _, name = key.partition("/")
        tensors.setdefault(group, {})[name] = tensor
    return Checkpoint(tensors, parse_json(metadata["state"]), metadata["identity"])


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy that later steps do not change."""
    return {name: torch.clone(tensor.detach()) for name, tensor in tensors.items()}
