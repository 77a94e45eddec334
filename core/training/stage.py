"""One network of a run that trains several: trained, kept beside the checkpoint, found again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.files import delete_file, digest, read_json, write_json
from core.models import load_model, save_model
from core.runs.recipe import Recipe
from core.training.dynamics import AnyMargins
from core.training.frozen import MapsSource
from core.training.kept_margins import KeptMargins, add_kept, margins_file
from core.training.loop import CHECKPOINT_SECONDS, FitResult, OnEvent, fit
from core.training.machine import choose_machine
from core.training.parts import Parts
from core.training.pixels import Pixels


@dataclass(frozen=True, eq=False)
class Stage:
    """What one network is trained on.

    Attributes:
        number: Its place among the networks of the run, from 0.
        name: For people.
        recipe: Of this network alone.
        labels: As ``fit`` takes them.
        parts: As ``fit`` takes them; ``parts.train`` may name an image more than once.
        measured_on: As ``fit`` takes it.
        soft: The probabilities to match instead of the labels, as ``fit``'s ``soft_labels``.
        val_decides: As ``fit`` takes it.
        maps: Where what a frozen backbone makes of the images is kept.
        margins: Filled by this training alone; None where nobody asks.
    """

    number: int
    name: str
    recipe: Recipe
    labels: NDArray[Any]
    parts: Parts
    measured_on: NDArray[np.int64]
    soft: NDArray[np.float32] | None = None
    val_decides: bool = True
    maps: MapsSource | None = None
    margins: AnyMargins | None = None

    @property
    def key(self) -> str:
        """Of what decides its weights."""
        train = self.parts.train
        soft = self.soft[train] if self.soft is not None else None
        return digest(self.recipe.deciding_values(), train, self.labels[train], soft)


@dataclass(frozen=True)
class Kept:
    """Where a run keeps its networks, and how it is stopped.

    Attributes:
        checkpoint_file: The run's own; the files of its networks stand beside it. None: nothing is kept.
        checkpoint_seconds: Between two checkpoints.
        should_stop: Whether a person wants an end.
    """

    checkpoint_file: Path | None
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    should_stop: Callable[[], bool] = field(default=lambda: False)

    def file(self, number: int, suffix: str) -> Path | None:
        """The file of a network, beside the checkpoint."""
        if self.checkpoint_file is None:
            return None
        return self.checkpoint_file.with_name(f"stage-{number}{suffix}")


def train_stage(
    stage: Stage, pixels: Pixels, classes: tuple[str, ...], kept: Kept, on_event: OnEvent
) -> FitResult:
    """Train a network, going on from its checkpoint, and keep it; errors as ``fit``."""
    checkpoint_file = kept.file(stage.number, ".checkpoint")
    if stage.margins is not None and checkpoint_file is not None:
        on_event = KeptMargins(stage.margins, checkpoint_file, on_event).on_event
    result = fit(
        pixels,
        stage.labels,
        stage.parts,
        classes,
        stage.recipe,
        on_event,
        checkpoint_file=checkpoint_file,
        checkpoint_seconds=kept.checkpoint_seconds,
        should_stop=kept.should_stop,
        on_scores=stage.margins,
        val_decides=stage.val_decides,
        maps_of=stage.maps.of(pixels) if stage.maps else None,
        soft_labels=stage.soft,
        measured_on=stage.measured_on,
    )
    if not result.stopped:
        _keep(stage, kept, result)
    return result


def _keep(stage: Stage, kept: Kept, result: FitResult) -> None:
    """Write a finished network; what says that it is complete comes last."""
    model_file, about = kept.file(stage.number, ".safetensors"), kept.file(stage.number, ".json")
    if model_file is None or about is None:
        return
    save_model(model_file, result.model, result.card)
    rest = {"history": result.history, "seconds": result.seconds, "best_epoch": result.best_epoch}
    write_json(about, {"key": stage.key, "parameters": result.parameters, **rest})
    checkpoint = kept.file(stage.number, ".checkpoint")
    if checkpoint is not None:
        delete_file(checkpoint)


def kept_history(stage: Stage, kept: Kept) -> list[dict[str, Any]] | None:
    """The epochs of a network that was trained before by the same recipe on the same labels, else None."""
    about = _about(stage, kept)
    return None if about is None else list(about["history"])


def kept_stage(stage: Stage, pixels: Pixels, kept: Kept) -> FitResult | None:
    """The network itself; its margins are in ``stage`` then."""
    about, model_file = _about(stage, kept), kept.file(stage.number, ".safetensors")
    checkpoint_file = kept.file(stage.number, ".checkpoint")
    if about is None or model_file is None or checkpoint_file is None:
        return None
    machine = choose_machine(stage.recipe)
    model, card = load_model(model_file)
    model = model.to(machine.device)
    maps_of = stage.maps.of(pixels) if stage.maps and stage.recipe.runs_backbone_once else None
    if stage.margins is not None:
        add_kept(stage.margins, checkpoint_file)
    return FitResult(
        model=model,
        card=card,
        machine=machine,
        stopped=False,
        epoch=len(about["history"]),
        best_epoch=about["best_epoch"],
        history=about["history"],
        parameters=about["parameters"],
        seconds=about["seconds"],
        maps=maps_of(model, card, machine) if maps_of else None,
    )


def _about(stage: Stage, kept: Kept) -> dict[str, Any] | None:
    path, checkpoint_file = kept.file(stage.number, ".json"), kept.file(stage.number, ".checkpoint")
    if path is None or checkpoint_file is None or not path.exists():
        return None
    if stage.margins is not None and not margins_file(checkpoint_file).exists():
        return None
    about: dict[str, Any] = read_json(path)
    return about if about["key"] == stage.key else None
