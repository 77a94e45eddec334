"""Runs that train several networks: ensembles, teachers and students, distillation.

Every network is trained by core.training.loop, members side by side where cores allow. A finished one is kept
beside the checkpoint, so a run that was broken off goes on with the networks it was in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.dataset import is_labelled
from core.files import delete_file
from core.models.ensemble import ensemble_of
from core.runs.recipe import Recipe
from core.runs.trainable import no_unlabeled
from core.training.diversity import diversity, out_of_bag
from core.training.dynamics import AnyMargins, no_margins
from core.training.frozen import Maps, MapsSource
from core.training.inference import predict
from core.training.loop import CHECKPOINT_SECONDS, FitResult, OnEvent
from core.training.machine import choose_machine
from core.training.members import SideBySide, places
from core.training.narration import Narration, Together
from core.training.objective import Objective, make_objective
from core.training.parts import Parts
from core.training.pixels import Pixels
from core.training.seeds import Purpose, numpy_generator
from core.training.semi import Unlabelled, pseudo_counts, pseudo_figures
from core.training.stage import Kept, Stage, kept_history, kept_stage, train_stage
from core.wording import percent

Positions = NDArray[np.int64]


class _StageStopped(Exception):
    """The stage under way was asked to end."""

    def __init__(self, result: FitResult) -> None:
        self.result = result


def fit_stages(
    pixels: Pixels,
    labels: NDArray[Any],
    parts: Parts,
    classes: tuple[str, ...],
    recipe: Recipe,
    on_event: OnEvent = lambda _type, **_fields: None,
    *,
    checkpoint_file: Path | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    should_stop: Callable[[], bool] = lambda: False,
    unlabelled: Unlabelled | None = None,
    val_decides: bool = True,
    maps: MapsSource | None = None,
    margins: AnyMargins | None = None,
    tells_kept: bool = False,
) -> FitResult:
    """Train what a recipe with ``has_stages`` asks for; arguments and errors as ``fit``, but for:

    Args:
        maps: Where what frozen backbones make of ``pixels`` is kept.
        margins: Filled with those of all networks that learn from labels, in all sessions.
        tells_kept: Whether the epochs of networks that are found trained are told, as nobody told them yet.

    The events are those of ``fit`` over all networks together, and: ``stage`` (a network is trained:
    name, valid_accuracy), ``ensemble`` (members_accuracy, out_of_bag, diversity), ``pseudo`` (a round's
    pseudo_share and pseudo_precision) and ``round`` (teacher_accuracy and student_accuracy on validation).
    """
    kept = Kept(checkpoint_file, checkpoint_seconds, should_stop)
    stages = _Stages(
        pixels,
        labels,
        parts,
        classes,
        recipe,
        on_event,
        kept,
        unlabelled,
        tells_kept=tells_kept,
        val_decides=val_decides,
        maps=maps,
        margins=margins,
    )
    try:
        return stages.run()
    except _StageStopped as stopped:
        return replace(stopped.result, stopped=True)


def fit_member(
    number: int,
    pixels: Pixels,
    labels: NDArray[Any],
    parts: Parts,
    classes: tuple[str, ...],
    recipe: Recipe,
    on_event: OnEvent,
    *,
    checkpoint_file: Path,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    should_stop: Callable[[], bool] = lambda: False,
    maps: MapsSource | None = None,
) -> bool:
    """Train one member of an ensemble, counted from 0, and keep it where ``fit_stages`` finds it. Arguments
    and errors as there. Returns False when it was asked to stop.
    """
    kept = Kept(checkpoint_file, checkpoint_seconds, should_stop)
    stages = _Stages(pixels, labels, parts, classes, recipe, on_event, kept, None, maps=maps)
    stage = stages.members(labels, parts.train)[number]
    if kept_history(stage, kept) is not None:
        return True
    return not train_stage(stage, pixels, classes, kept, on_event).stopped


@dataclass(eq=False)
class _Stages:
    """The networks of a run."""

    pixels: Pixels
    labels: NDArray[Any]
    parts: Parts
    classes: tuple[str, ...]
    recipe: Recipe
    on_event: OnEvent
    kept: Kept
    unlabelled: Unlabelled | None
    tells_kept: bool = False
    val_decides: bool = True
    maps: MapsSource | None = None
    margins: AnyMargins | None = None
    done: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, float | None] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        recipe = self.recipe
        self.machine = choose_machine(recipe)
        self.rounds = recipe.semi_rounds if recipe.semi == "teacher-student" else 0
        self.narration = Narration(self.on_event, recipe.n_networks, recipe.epochs)
        labels = self.labels[self.parts.train]
        self.objective: Objective = make_objective(recipe, labels, len(self.classes), self.machine.device)
        self.positions = self.unlabelled.positions if self.unlabelled else np.empty(0, np.int64)
        if self.rounds and not len(self.positions):
            raise no_unlabeled(recipe.semi)

    def run(self) -> FitResult:
        """All of it."""
        if not self.rounds:
            ensemble, _ = self.ensemble(self.labels, self.parts.train)
            return self.distilled(ensemble) if self.recipe.distil else ensemble
        labels, train = self.labels, self.parts.train
        result: FitResult | None = None
        for number in range(self.rounds):
            teacher, _ = self.ensemble(labels, train)
            labels, train = self.pseudo_labelled(teacher if result is None else result, teacher, number)
            result = self.network(self.stage(f"student {number + 1}", self.recipe, labels, train))
            figures = {
                f"{who}_accuracy": self.judged(one)
                for who, one in (("teacher", teacher), ("student", result))
            }
            self.on_event("round", round=number, **figures)
            self.figures |= figures
            self.compared(number, figures)
        assert result is not None
        return self.as_whole(result)

    def compared(self, number: int, figures: dict[str, float | None]) -> None:
        """Say how the student fares beside its teachers, where there are validation images."""
        student, teacher = figures["student_accuracy"], figures["teacher_accuracy"]
        if student is not None and teacher is not None:
            words = f"student {100 * student:.1f} % right on validation images"
            words += f", its teachers {100 * teacher:.1f} %"
            self.on_event("note", text=f"Round {number + 1}: {words}.")

    def ensemble(self, labels: NDArray[Any], train: Positions) -> tuple[FitResult, list[FitResult]]:
        """The recipe's members, each on its own draw of ``train``, as one network."""
        stages = self.members(labels, train)
        told = self.side_by_side(stages)
        results = [self.network(stage, told) for stage in stages]
        if self.recipe.members == 1:
            return self.as_whole(results[0]), results
        whole = self.together(results)
        self.report(whole, results, [stage.parts.train for stage in stages], labels, train)
        return whole, results

    def members(self, labels: NDArray[Any], train: Positions) -> list[Stage]:
        """The networks of the next ensemble."""
        recipe, stages = self.recipe, []
        for number in range(recipe.members):
            seed = (
                recipe.seed + 1_000 * (number + 1) + self.done + number if recipe.members > 1 else recipe.seed
            )
            model = recipe.architectures[number % len(recipe.architectures)]
            bag = bootstrap(labels, train, seed) if recipe.bootstrap and recipe.members > 1 else train
            own = recipe.model_copy(update={"model": model, "seed": seed % 2**31})
            stages.append(self.stage(f"{model} {number + 1} of {recipe.members}", own, labels, bag, number))
        return stages

    def side_by_side(self, stages: list[Stage]) -> Together | None:
        """Train as many at once as there are cores, where that is possible; ``network`` then finds them, and
        goes on with one that was asked to stop.
        """
        n_places = min(places(self.recipe, self.pixels, self.kept), len(stages))
        if n_places < 2:
            return None
        first = next((stage.number for stage in stages if kept_history(stage, self.kept) is None), 0)
        checkpoint = self.kept.file(first, ".checkpoint")
        is_new = checkpoint is not None and not checkpoint.exists()
        told = Together(self.narration, stages, n_places, first if is_new else None)
        SideBySide(self.pixels, self.classes, self.kept, n_places, told).train(stages)
        return told

    def together(self, results: list[FitResult]) -> FitResult:
        """The networks as one that counts their votes."""
        recipe, first = self.recipe, results[0]
        card = replace(first.card, members=tuple(r.card.model for r in results), vote=recipe.vote)
        model = ensemble_of([r.model for r in results], card.task, card.groups, recipe.vote)
        model = model.to(self.machine.device).eval()
        parameters = sum(r.parameters for r in results)
        maps = shared_maps([r.maps for r in results])
        return self.as_whole(replace(first, model=model, card=card, parameters=parameters, maps=maps))

    def as_whole(self, result: FitResult) -> FitResult:
        """With what all stages so far took."""
        whole: dict[str, Any] = {
            "history": self.history,
            "epoch": len(self.history),
            "seconds": self.seconds,
        }
        return replace(result, **whole, figures=self.figures)

    def report(
        self,
        whole: FitResult,
        results: list[FitResult],
        bags: list[Positions],
        labels: NDArray[Any],
        train: Positions,
    ) -> None:
        """Say how the ensemble fares: on validation, on what members did not see, and how members differ."""
        fields: dict[str, float | None] = {"members_accuracy": self.judged(whole)}
        if self.recipe.bootstrap:
            probs = out_of_bag(bags, train, lambda i, rows: self.probs(results[i], rows))
            seen = ~np.isnan(probs[:, 0])
            fields["out_of_bag"] = self.score(probs[seen], labels[train[seen]])
        if len(self.parts.val):
            said = np.stack([self.probs(result, self.parts.val) for result in results])
            fields["diversity"] = diversity(said, several=labels.ndim == 2)
        self.on_event("ensemble", n_members=len(results), **fields)
        self.on_event("note", text=in_words(len(results), fields))
        self.figures |= fields

    def pseudo_labelled(
        self, answering: FitResult, teacher: FitResult, number: int
    ) -> tuple[NDArray[Any], Positions]:
        """(labels, training positions) with what is answered surely enough; after the first round by the last
        student and the new teachers together.
        """
        probs = self.probs(answering, self.positions)
        if answering is not teacher:
            probs = ((probs + self.probs(teacher, self.positions)) / 2).astype(np.float32)
        threshold = torch.full((len(self.classes),), self.recipe.semi_threshold)
        pseudo = self.objective.pseudo(torch.from_numpy(probs), threshold)
        if pseudo.ndim == 2 and self.recipe.groups:  # an image teaches only when it is answered wholly
            pseudo[pseudo.isnan().any(dim=1)] = torch.nan
        truth = self.unlabelled.truth if self.unlabelled else None
        known = None if truth is None else torch.from_numpy(np.array(truth[self.positions]))
        figures = pseudo_figures(pseudo_counts(pseudo, known))
        answers = pseudo.numpy()
        used = is_labelled(answers)
        self.on_event("pseudo", round=number, n_used=int(used.sum()), **figures)
        self.figures |= figures
        right = figures["pseudo_precision"]
        words = f"Round {number + 1}: {100 * used.mean():.0f} % of the unlabelled images are used"
        self.on_event(
            "note", text=f"{words}{f', {100 * right:.1f} % of the answers rightly' if right else ''}."
        )
        labels = self.labels.copy()
        labels[self.positions[used]] = answers[used]
        return labels, np.sort(np.concatenate([self.parts.train, self.positions[used]]))

    def distilled(self, ensemble: FitResult) -> FitResult:
        """One network that answers as the ensemble does, on all images that may be trained on."""
        train = np.sort(np.concatenate([self.parts.train, self.positions]))
        soft = np.zeros((len(self.labels), len(self.classes)), np.float32)
        soft[train] = self.probs(ensemble, train)
        labels = self.labels.copy()
        if labels.ndim == 1:
            labels[self.positions] = soft[self.positions].argmax(axis=1)
        else:
            labels[self.positions] = soft[self.positions] > 0.5
        result = self.network(self.stage("distilled network", self.recipe, labels, train, soft=soft))
        figures = {
            f"{who}_accuracy": self.judged(one) for who, one in (("teacher", ensemble), ("student", result))
        }
        self.on_event("round", round=0, **figures)
        self.figures |= figures
        return self.as_whole(result)

    # One network

    def stage(
        self,
        name: str,
        recipe: Recipe,
        labels: NDArray[Any],
        train: Positions,
        ahead: int = 0,
        soft: NDArray[np.float32] | None = None,
    ) -> Stage:
        """The network that comes ``ahead`` after the next."""
        return Stage(
            self.done + ahead,
            name,
            recipe.of_one_network(),
            labels,
            replace(self.parts, train=train),
            self.parts.train,
            soft,
            self.val_decides,
            self.maps,
            no_margins(labels.shape) if self.margins is not None and soft is None else None,
        )

    def network(self, stage: Stage, told: Together | None = None) -> FitResult:
        """Train one, or take the one that is finished. Raises _StageStopped."""
        self.done += 1
        result = kept_stage(stage, self.pixels, self.kept)
        if result is None:
            tell = self.narration.alone(stage)
            result = train_stage(stage, self.pixels, self.classes, self.kept, tell)
            if result.stopped:
                raise _StageStopped(self.as_whole(result))
        elif told and not self.tells_kept:
            told.catch_up(stage, result.history)
        elif self.tells_kept:
            for epoch in result.history:
                self.narration.tell(stage, "epoch", dict(epoch))
        if self.margins is not None and stage.margins is not None:
            self.margins.total += stage.margins.total
            self.margins.count += stage.margins.count
        self.history += [{**epoch, "epoch": len(self.history) + i} for i, epoch in enumerate(result.history)]
        self.seconds += result.seconds
        self.on_event("stage", stage=stage.number, name=stage.name, valid_accuracy=self.judged(result))
        return result

    # How it fares

    def probs(self, result: FitResult, positions: Positions) -> NDArray[np.float32]:
        """(n, K) what a network says."""
        return predict(
            result.model, result.card, self.pixels, positions, self.machine, maps=result.maps
        ).pred_probs

    def judged(self, result: FitResult) -> float | None:
        """Accuracy on validation, or the share of images with all labels right; None without images."""
        val = self.parts.val
        return self.score(self.probs(result, val), self.labels[val]) if len(val) else None

    def score(self, probs: NDArray[np.float32], labels: NDArray[Any]) -> float | None:
        """The same of any probabilities."""
        if labels.ndim == 1:
            return float((probs.argmax(axis=1) == labels).mean()) if len(labels) else None
        right = ((probs > 0.5) == (labels == 1)) | np.isnan(labels)
        return float(right.all(axis=1).mean()) if len(labels) else None


def shared_maps(maps: list[Maps | None]) -> Maps | None:
    """What the trunk of all members made of the images, where it is the same of all of them."""
    files = {one.filename if isinstance(one, np.memmap) else None for one in maps}
    return maps[0] if len(files) == 1 else None


def in_words(n_members: int, fields: dict[str, float | None]) -> str:
    """How an ensemble fares, as a sentence."""
    said = {
        "members_accuracy": "{} right on validation images",
        "out_of_bag": "{} on the training images that each did not draw",
        "diversity": "two of them differ on {}",
    }
    parts = [
        text.format(percent(value)) for name, text in said.items() if (value := fields.get(name)) is not None
    ]
    return f"{n_members} networks together: {', '.join(parts) or 'done'}."


def bootstrap(labels: NDArray[Any], train: Positions, seed: int) -> Positions:
    """As many positions as ``train`` has, drawn with repetition; of each class at least one."""
    generator = numpy_generator(seed, Purpose.BOOTSTRAP)
    drawn = generator.choice(train, len(train))
    if labels.ndim == 1:
        missing = np.setdiff1d(labels[train], labels[drawn])
        extra = [generator.choice(train[labels[train] == label]) for label in missing]
        drawn[: len(extra)] = extra
    return np.sort(drawn)


def discard_stages(checkpoint_file: Path) -> None:
    """Delete the networks that a finished training needs no more: its model holds them all."""
    for path in checkpoint_file.parent.glob("stage-*"):
        delete_file(path)
