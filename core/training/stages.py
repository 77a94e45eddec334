"""Runs that train several networks, one after another: ensembles, teachers and students, distillation.

Every network is trained by core.training.loop. A finished one is kept beside the checkpoint, so a run that
was broken off goes on with the network it was in.
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
from core.errors import BadInput
from core.files import digest, read_json, write_json
from core.models import load_model, save_model
from core.models.ensemble import ensemble_of
from core.runs.recipe import Recipe
from core.training.diversity import diversity, out_of_bag
from core.training.inference import predict
from core.training.loop import CHECKPOINT_SECONDS, FitResult, OnEvent, fit
from core.training.machine import choose_machine
from core.training.objective import Objective, make_objective
from core.training.parts import Parts
from core.training.pixels import Pixels
from core.training.seeds import Purpose, numpy_generator
from core.training.semi import Unlabelled, pseudo_counts, pseudo_figures

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
) -> FitResult:
    """Train what a recipe with ``has_stages`` asks for; arguments and errors as ``fit``.

    The events are those of ``fit`` over all networks together, and: ``stage`` (a network is trained:
    name, valid_accuracy), ``ensemble`` (valid_accuracy, out_of_bag, diversity), ``pseudo`` (a round's
    pseudo_share and pseudo_precision) and ``round`` (teacher_accuracy and student_accuracy on validation).
    """
    kept = _Kept(checkpoint_file, checkpoint_seconds, should_stop)
    stages = _Stages(pixels, labels, parts, classes, recipe, on_event, kept, unlabelled)
    try:
        return stages.run()
    except _StageStopped as stopped:
        return replace(stopped.result, stopped=True)


@dataclass(frozen=True)
class _Kept:
    """Where a run keeps its networks, and how it is stopped."""

    checkpoint_file: Path | None
    checkpoint_seconds: float
    should_stop: Callable[[], bool]

    def file(self, number: int, suffix: str) -> Path | None:
        """The file of a stage, beside the checkpoint."""
        if self.checkpoint_file is None:
            return None
        return self.checkpoint_file.with_name(f"stage-{number}{suffix}")


@dataclass(eq=False)
class _Stages:
    """The networks of a run, trained in turn."""

    pixels: Pixels
    labels: NDArray[Any]
    parts: Parts
    classes: tuple[str, ...]
    recipe: Recipe
    on_event: OnEvent
    kept: _Kept
    unlabelled: Unlabelled | None
    done: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        recipe = self.recipe
        self.machine = choose_machine(recipe)
        self.rounds = recipe.semi_rounds if recipe.semi == "teacher-student" else 0
        with_student = self.rounds or int(recipe.distil)
        self.n_stages = recipe.members * max(1, self.rounds) + with_student
        labels = self.labels[self.parts.train]
        self.objective: Objective = make_objective(recipe, labels, len(self.classes), self.machine.device)
        self.positions = self.unlabelled.positions if self.unlabelled else np.empty(0, np.int64)
        if self.rounds and not len(self.positions):
            raise BadInput(
                "semi = teacher-student learns from unlabelled images, and there are none.",
                "Set semi to none, or hide labels: `tidyset data hide`.",
            )

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
            result = self.network(f"student {number + 1}", self.recipe, labels, train)
            figures = {
                f"{who}_accuracy": self.judged(one)
                for who, one in (("teacher", teacher), ("student", result))
            }
            self.on_event("round", round=number, **figures)
            self.compared(number, figures)
        assert result is not None
        return self.as_whole(result)

    def compared(self, number: int, figures: dict[str, float | None]) -> None:
        """Say how the student fares beside its teachers, where there are validation images."""
        student, teacher = figures["student_accuracy"], figures["teacher_accuracy"]
        if student is not None and teacher is not None:
            words = f"student {student:.1%} right on validation images, its teachers {teacher:.1%}"
            self.on_event("note", text=f"Round {number + 1}: {words}.")

    def ensemble(self, labels: NDArray[Any], train: Positions) -> tuple[FitResult, list[FitResult]]:
        """The recipe's members, each on its own draw of ``train``, as one network."""
        recipe, results, bags = self.recipe, [], []
        for number in range(recipe.members):
            seed = recipe.seed + 1_000 * (number + 1) + self.done if recipe.members > 1 else recipe.seed
            model = recipe.architectures[number % len(recipe.architectures)]
            own = recipe.model_copy(update={"model": model, "seed": seed % 2**31})
            bag = bootstrap(labels, train, seed) if recipe.bootstrap and recipe.members > 1 else train
            bags.append(bag)
            results.append(self.network(f"{model} {number + 1} of {recipe.members}", own, labels, bag))
        if recipe.members == 1:
            return self.as_whole(results[0]), results
        whole = self.together(results)
        self.report(whole, results, bags, labels, train)
        return whole, results

    def together(self, results: list[FitResult]) -> FitResult:
        """The networks as one that counts their votes."""
        recipe, first = self.recipe, results[0]
        card = replace(first.card, members=tuple(r.card.model for r in results), vote=recipe.vote)
        model = ensemble_of([r.model for r in results], card.task, card.groups, recipe.vote)
        model = model.to(self.machine.device).eval()
        return self.as_whole(
            replace(first, model=model, card=card, parameters=sum(r.parameters for r in results))
        )

    def as_whole(self, result: FitResult) -> FitResult:
        """With what all stages so far took."""
        return replace(result, history=self.history, epoch=len(self.history), seconds=self.seconds, maps=None)

    def report(
        self,
        whole: FitResult,
        results: list[FitResult],
        bags: list[Positions],
        labels: NDArray[Any],
        train: Positions,
    ) -> None:
        """Say how the ensemble fares: on validation, on what members did not see, and how members differ."""
        fields: dict[str, Any] = {"valid_accuracy": self.judged(whole), "n_members": len(results)}
        if self.recipe.bootstrap:
            probs = out_of_bag(bags, train, lambda i, rows: self.probs(results[i], rows))
            seen = ~np.isnan(probs[:, 0])
            fields["out_of_bag"] = self.score(probs[seen], labels[train[seen]])
        if len(self.parts.val):
            said = np.stack([self.probs(result, self.parts.val) for result in results])
            fields["diversity"] = diversity(said, several=labels.ndim == 2)
        self.on_event("ensemble", **fields)

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
        right = figures["pseudo_precision"]
        words = f"Round {number + 1}: {used.mean():.0%} of the unlabelled images are used"
        self.on_event("note", text=f"{words}{f', {right:.1%} of the answers rightly' if right else ''}.")
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
        result = self.network("distilled network", self.recipe, labels, train, soft)
        figures = {
            f"{who}_accuracy": self.judged(one) for who, one in (("teacher", ensemble), ("student", result))
        }
        self.on_event("round", round=0, **figures)
        return self.as_whole(result)

    # One network

    def network(
        self,
        name: str,
        recipe: Recipe,
        labels: NDArray[Any],
        train: Positions,
        soft: NDArray[np.float32] | None = None,
    ) -> FitResult:
        """Train one, or take the one that an earlier session finished. Raises _StageStopped."""
        single = recipe.model_copy(
            update={"members": 1, "member_models": "", "distil": False, "semi": "none"}
        )
        number, self.done = self.done, self.done + 1
        key = digest(
            single.deciding_values(), train, labels[train], soft[train] if soft is not None else None
        )
        result = self.finished(number, key)
        if result is None:
            result = fit(
                self.pixels,
                labels,
                replace(self.parts, train=train),
                self.classes,
                single,
                self.narrated(number, name),
                checkpoint_file=self.kept.file(number, ".checkpoint"),
                checkpoint_seconds=self.kept.checkpoint_seconds,
                should_stop=self.kept.should_stop,
                soft_labels=soft,
                measured_on=self.parts.train,
            )
            if result.stopped:
                raise _StageStopped(self.as_whole(result))
            self.keep(number, key, result)
        self.history += [{**epoch, "epoch": len(self.history) + i} for i, epoch in enumerate(result.history)]
        self.seconds += result.seconds
        self.on_event("stage", stage=number, name=name, valid_accuracy=self.judged(result))
        return result

    def narrated(self, number: int, name: str) -> OnEvent:
        """A network's events as those of the whole run."""
        before = number * self.recipe.epochs

        def tell(type_: str, **fields: Any) -> None:
            if type_ == "started":
                if number == 0:
                    self.on_event(type_, **{**fields, "epochs": self.n_stages * self.recipe.epochs})
                return
            if "share" in fields:
                share, left = fields["share"], fields.get("seconds_left")
                each = left / (1 - share) if left is not None and share < 1 else None
                fields["share"] = (number + share) / self.n_stages
                if each is not None:
                    fields["seconds_left"] = left + each * (self.n_stages - number - 1)
            if type_ == "progress" and "epoch" in fields:
                fields["text"] = f"{name}, epoch {fields['epoch'] + 1} of {self.recipe.epochs}"
            if "epoch" in fields:
                fields["epoch"] += before
            self.on_event(type_, **fields)

        return tell

    def keep(self, number: int, key: str, result: FitResult) -> None:
        """Write a finished network; what says that it is complete comes last."""
        model_file, about = self.kept.file(number, ".safetensors"), self.kept.file(number, ".json")
        if model_file is None or about is None:
            return
        save_model(model_file, result.model, result.card)
        rest = {"history": result.history, "seconds": result.seconds, "best_epoch": result.best_epoch}
        write_json(about, {"key": key, "parameters": result.parameters, **rest})
        checkpoint = self.kept.file(number, ".checkpoint")
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)

    def finished(self, number: int, key: str) -> FitResult | None:
        """The network of a stage, where it was trained before by the same recipe on the same labels."""
        model_file, about_file = self.kept.file(number, ".safetensors"), self.kept.file(number, ".json")
        if model_file is None or about_file is None or not about_file.exists():
            return None
        about = read_json(about_file)
        if about["key"] != key:
            return None
        model, card = load_model(model_file)
        return FitResult(
            model=model.to(self.machine.device),
            card=card,
            machine=self.machine,
            stopped=False,
            epoch=len(about["history"]),
            best_epoch=about["best_epoch"],
            history=about["history"],
            parameters=about["parameters"],
            seconds=about["seconds"],
        )

    # How it fares

    def probs(self, result: FitResult, positions: Positions) -> NDArray[np.float32]:
        """(n, K) what a network says."""
        return predict(result.model, result.card, self.pixels, positions, self.machine).pred_probs

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
    """Delete the networks that a finished run needs no more: its model holds them all."""
    for path in checkpoint_file.parent.glob("stage-*"):
        path.unlink(missing_ok=True)
