"""The training loop. It reports to ``on_event``, knows no run folder, and can go on from any step.

Every random draw follows from (seed, epoch, step), so a checkpoint holds counters and tensors only, and on
the CPU a run that was broken off and resumed ends with the same weights, bit for bit, as an unbroken one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.bounded import parse_json
from core.errors import DamagedFile, TrainingFailed
from core.files import digest
from core.models import Classifier, ModelCard, build, n_parameters
from core.models.words import Words
from core.runs.recipe import MANY_LABELS, ONE_LABEL, Recipe
from core.training.augment import Draws, augment
from core.training.captions import encoded, forgotten, gather_words, with_words
from core.training.checkpoint import (
    Checkpoint,
    as_bytes,
    copied,
    from_bytes,
    load_checkpoint,
    save_checkpoint,
)
from core.training.ema import WeightAverage
from core.training.finite import diverged, not_finite, trained_tensors
from core.training.frozen import Maps, gather_maps
from core.training.group import Group, check_shares
from core.training.inference import evaluating, predict
from core.training.machine import Machine, choose_machine
from core.training.objective import make_objective
from core.training.optimizers import (
    make_optimizer,
    optimizer_tensors,
    restore_optimizer,
    set_learning_rate,
)
from core.training.order import drawn_order, n_batches
from core.training.parts import Parts
from core.training.pixels import Images, Normaliser, Pixels, images_on, pixel_statistics
from core.training.progress import Meter
from core.training.schedule import Patience, learning_rate
from core.training.seeds import Purpose, derived_seed, seed_layers, torch_generator
from core.training.semi import Consistency, Unlabelled
from core.training.whole_batch import Share, to_whole_batch

OnEvent = Callable[..., None]
OnScores = Callable[[NDArray[np.int64], Tensor, Tensor], None]
MapsOf = Callable[[Classifier, ModelCard, Machine], Maps]
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, eq=False)
class FitResult:
    """How a training ended.

    Attributes:
        model: The kept weights (best or last, averaged where the recipe says so), on the machine's device.
        card: How to rebuild and feed it.
        machine: Where it was trained.
        stopped: True when ``should_stop`` ended it; the checkpoint then allows to go on.
        epoch: Epochs finished.
        best_epoch: 0-based epoch whose weights are kept.
        history: One dict an epoch, the fields of the "epoch" event.
        parameters: Trainable numbers of the model.
        seconds: Time spent training, over all sessions.
        maps: What the frozen backbone makes of all images, where that was used; see ``fit``.
        words: The captions of all images as the network reads them, if it does.
        figures: Where several networks were trained (core.training.stages), how they fared together.
    """

    model: Classifier
    card: ModelCard
    machine: Machine
    stopped: bool
    epoch: int
    best_epoch: int
    history: list[dict[str, Any]]
    parameters: int
    seconds: float
    maps: Maps | None = None
    words: Words | None = None
    figures: dict[str, float | None] = field(default_factory=dict)


def fit(
    pixels: Pixels,
    labels: NDArray[Any],
    parts: Parts,
    classes: Sequence[str],
    recipe: Recipe,
    on_event: OnEvent = lambda _type, **_fields: None,
    *,
    checkpoint_file: Path | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    should_stop: Callable[[], bool] = lambda: False,
    on_scores: OnScores | None = None,
    val_decides: bool = True,
    maps_of: MapsOf | None = None,
    captions: Sequence[str] | None = None,
    unlabelled: Unlabelled | None = None,
    soft_labels: NDArray[np.float32] | None = None,
    measured_on: NDArray[np.int64] | None = None,
    group: Group | None = None,
) -> FitResult:
    """Train a network as the recipe says.

    Args:
        pixels: (N, H, W, C) uint8, an array or memory map; only the images of each batch are read.
        labels: (N,) int64 indices into ``classes``, or where an image may have several (N, K) float32 with 1,
            0 and NaN for unknown.
        parts: Which images are for what; decisions are made on ``parts.val``, ``parts.test`` is not touched.
        classes: K class names.
        recipe: All choices.
        on_event: Called as ``on_event(type, **fields)`` with the events of core.runs.events: started,
            progress, epoch, checkpoint, note.
        checkpoint_file: Where to keep the state, after each epoch and every ``checkpoint_seconds`` within
            one; if it is there already, the run goes on from it.
        should_stop: Asked after every step.
        on_scores: Told of every training batch its (n,) positions, (n, K) scores before the softmax, and (n,)
            labels: what core.training.dynamics needs. What it sums up is not part of a checkpoint.
        val_decides: False to report how ``parts.val`` fares and decide nothing by it: the last weights are
            kept, and a plateau is one of the training loss. So a fold that is judged has no say in its judge.
        maps_of: Gives what a frozen backbone makes of all of ``pixels`` (core.training.frozen); asked where
            the recipe freezes it and augments nothing, so that no epoch has to run it again.
        captions: N, of all images, where there are captions; read if the recipe says so.
        unlabelled: What the recipe's ``semi`` learns from beside ``parts.train`` (core.training.semi).
        soft_labels: (N, K) probabilities to match instead of ``labels`` on the training images.
        measured_on: Positions on which the normalisation is measured; ``parts.train`` when None.
        group: The processes that train this network together, each of which calls this; only the first has
            a checkpoint file, and only what it is asked about stopping counts.

    Raises:
        ValueError: The recipe is one of several networks.
        TrainingFailed: The loss, a weight or a probability is not finite any more, or memory ran out; says
            which field to change.
        BadInput: The recipe does not fit this machine or data.
        DamagedFile: The checkpoint belongs to another run.
        StorageFailed: The checkpoint cannot be written.
    """
    if recipe.has_stages:
        raise ValueError("a recipe of several networks: core.training.stages trains it")
    with memory_errors_explained(recipe):
        trainer = Trainer(
            pixels,
            labels,
            parts,
            tuple(classes),
            recipe,
            on_event,
            on_scores,
            val_decides=val_decides,
            maps_of=maps_of,
            captions=captions,
            unlabelled=unlabelled,
            soft_labels=soft_labels,
            measured_on=measured_on,
            group=group,
        )
        resumed_from = trainer.restore(checkpoint_file) if checkpoint_file else None
        trainer.start_alike()
        trainer.announce(resumed_from)
        finished = trainer.run(checkpoint_file, checkpoint_seconds, should_stop)
        return trainer.result(stopped=not finished)


@dataclass
class Counters:
    """Where a run stands: all of its state that is no tensor.

    Attributes:
        epoch: The epoch under way, 0-based; the number of epochs when it is over.
        step: Steps done in that epoch.
        done: Whether nothing is left to train.
        seconds: Time spent training.
        epoch_seconds: Of it, in the epoch under way.
        best_accuracy: The highest validation accuracy (or what else decides) so far, -1 before the first.
        best_epoch: Its epoch.
        history: Fields of the "epoch" events.
        patience: For the plateau rule and early stopping.
    """

    epoch: int = 0
    step: int = 0
    done: bool = False
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    best_accuracy: float = -1.0
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    patience: Patience = field(default_factory=Patience)


class Trainer:
    """A training under way: the network, its optimiser and the counters."""

    def __init__(
        self,
        pixels: Pixels,
        labels: NDArray[Any],
        parts: Parts,
        classes: tuple[str, ...],
        recipe: Recipe,
        on_event: OnEvent,
        on_scores: OnScores | None = None,
        *,
        val_decides: bool = True,
        maps_of: MapsOf | None = None,
        captions: Sequence[str] | None = None,
        unlabelled: Unlabelled | None = None,
        soft_labels: NDArray[np.float32] | None = None,
        measured_on: NDArray[np.int64] | None = None,
        group: Group | None = None,
    ) -> None:
        self.group = group or Group()
        self.share = Share(self.group)
        self.on_scores, self.val_decides, self.soft_labels = on_scores, val_decides, soft_labels
        self.pixels, self.labels, self.parts, self.classes = pixels, labels, parts, classes
        self.recipe, self.on_event = recipe, on_event
        self.machine = choose_machine(recipe)
        task = ONE_LABEL if labels.ndim == 1 else MANY_LABELS
        measured = parts if measured_on is None else replace(parts, train=measured_on)
        self.card = make_card(pixels, measured, classes, recipe, task)
        self.card = with_words(self.card, recipe, captions, parts.train)
        self.words = encoded(self.card, captions)
        self.normalise = Normaliser(self.card.mean, self.card.std, self.machine.device)
        torch.manual_seed(derived_seed(recipe.seed, Purpose.WEIGHTS))
        self.model = make_network(self.card, recipe, self.machine)
        self.average = WeightAverage(self.model, recipe.ema_decay) if recipe.ema_decay else None
        self.optimizer = make_optimizer(self.model, recipe)
        self.objective = make_objective(recipe, labels[parts.train], len(classes), self.machine.device)
        self.maps: Maps | None = None
        if maps_of and recipe.runs_backbone_once:
            self.maps = maps_of(self.model, self.card, self.machine)
        self.semi: Consistency | None = None
        if recipe.semi not in ("none", "teacher-student"):
            none = Unlabelled(np.empty(0, np.int64))
            args = (recipe, self.objective, unlabelled or none, len(classes), self.machine.device)
            self.semi = Consistency(*args, prior=self.prior(labels[parts.train]))
        self.images = self.source_of_images()
        self.counters = Counters()
        self.best: dict[str, Tensor] = {}
        self.epoch_images = recipe.epoch_images or len(parts.train)
        self.batches = n_batches(self.epoch_images, recipe.batch_size)
        self.sums = self.fresh_sums()
        if self.group.size > 1:
            check_shares(self.epoch_images // self.batches, self.group)
            to_whole_batch(self.model, self.share)

    # What is asked of it

    def announce(self, resumed_from: int | None) -> None:
        """Say what is about to start."""
        parts, machine = self.parts, self.machine
        self.on_event(
            "started",
            device=machine.device.type,
            precision=machine.precision,
            threads=machine.threads,
            n_train=len(parts.train),
            n_val=len(parts.val),
            n_test=len(parts.test),
            parameters=n_parameters(self.model),
            epochs=self.recipe.epochs,
            resumed_from=resumed_from,
            n_workers=self.group.size,
        )
        if len(parts.val) == 0 and resumed_from is None:
            self.on_event("note", text="There are no validation images: the last weights are kept.")

    def run(
        self, checkpoint_file: Path | None, checkpoint_seconds: float, should_stop: Callable[[], bool]
    ) -> bool:
        """Train until it is done (True) or told to stop (False)."""
        steps_done = self.counters.epoch * self.batches + self.counters.step
        meter = Meter(self.recipe.epochs * self.batches, steps_done)
        last_saved = time.monotonic()
        while not self.counters.done:
            for order in self.remaining_batches():
                self.train_step(order)
                self.counters.step += 1
                if meter.after_step(len(order)):
                    self.report_progress(meter)
                now = time.monotonic()
                stop = self.group.agreed(should_stop())
                if checkpoint_file and (stop or now - last_saved > checkpoint_seconds):
                    self.save(checkpoint_file)
                    last_saved = now
                if stop:
                    return False
            self.finish_epoch(meter)
            if checkpoint_file:
                self.save(checkpoint_file)
                last_saved = time.monotonic()
        return True

    def result(self, *, stopped: bool) -> FitResult:
        """The kept weights and how it went."""
        model = self.average.model if self.average else self.model
        if self.best:
            model.load_state_dict(self.best)
        counters = self.counters
        return FitResult(
            model=model.eval(),
            card=self.card,
            machine=self.machine,
            stopped=stopped,
            epoch=len(counters.history),
            best_epoch=counters.best_epoch,
            history=counters.history,
            parameters=n_parameters(self.model),
            seconds=counters.seconds,
            maps=self.maps,
            words=self.words,
        )

    def prior(self, labels: NDArray[Any]) -> Tensor | None:
        """(K,) how often each class is among labels (n,); None for several labels an image."""
        if labels.ndim == 2:
            return None
        counts = np.bincount(labels, minlength=len(self.card.classes)) / len(labels)
        return torch.from_numpy(counts.astype(np.float32)).to(self.machine.device)

    def source_of_images(self) -> Images:
        """Where each step takes its images from."""
        n_used = 0 if self.maps is not None else len(self.parts.train)
        n_used += len(self.semi.unlabelled.positions) if self.semi else 0
        return images_on(self.machine.device, self.pixels, n_used, self.on_event)

    # One epoch

    def remaining_batches(self) -> Iterator[NDArray[np.int64]]:
        """Positions of each batch of this epoch that is still to come."""
        epoch, train = self.counters.epoch, self.parts.train
        order = drawn_order(self.labels, train, self.recipe, epoch, self.epoch_images)
        self.model.train()
        for batch in np.array_split(order, self.batches)[self.counters.step :]:
            yield np.sort(batch)  # the order within a batch does not matter, but the disk likes it

    def train_step(self, positions: NDArray[np.int64]) -> None:
        """One batch: gather, augment, forward, backward, update."""
        recipe, device = self.recipe, self.machine.device
        started = time.perf_counter()
        counters = self.counters
        self.share.n = len(positions)
        inputs, words = self.inputs(positions), self.read(positions)
        labels = torch.from_numpy(self.labels[positions]).to(device, non_blocking=True)
        seed_layers(device, recipe.seed, Purpose.DROPOUT, counters.epoch, counters.step)
        with self.machine.autocast():
            features = None if self.maps is None else self.model.features_of_maps(inputs, words)
            if self.semi:
                scores, unlabelled_loss = self.with_unlabelled(inputs)
            else:
                scores = self.model(inputs, words) if features is None else self.model.head(features)
        scores = self.group.joined(scores.float(), len(positions))
        loss = self.labelled_loss(scores, labels, positions)
        if self.semi:
            loss = loss + unlabelled_loss
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.group.add_gradients(self.model.parameters())
        if recipe.gradient_clip > 0:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.gradient_clip)
        set_learning_rate(self.optimizer, self.rate())
        self.optimizer.step()
        if self.average:
            self.average.update(counters.epoch * self.batches + counters.step)
        self.add_to_sums(loss.detach(), scores.detach(), labels)
        if self.on_scores:
            self.on_scores(positions, scores.detach(), labels)
        seconds = time.perf_counter() - started
        counters.seconds += seconds
        counters.epoch_seconds += seconds

    def labelled_loss(self, scores: Tensor, labels: Tensor, positions: NDArray[np.int64]) -> Tensor:
        """The loss of labelled images, or that of the soft labels which they are to match."""
        if self.soft_labels is None:
            return self.objective.loss(scores, labels)
        return self.objective.match(scores, torch.from_numpy(self.soft_labels[positions]).to(scores.device))

    def with_unlabelled(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(scores of ``inputs``, weighted loss of this step's unlabelled images); one pass for both."""
        semi, counters, device = self.semi, self.counters, self.machine.device
        assert semi is not None
        at = (counters.epoch, counters.step)
        step = counters.epoch * self.batches + counters.step
        rows = semi.rows(step, len(inputs))
        images = self.images(semi.unlabelled.positions[rows])
        generator = torch_generator(device, self.recipe.seed, Purpose.UNLABELLED, *at)
        weak = self.normalise(augment(images, self.recipe, generator))
        strong = self.normalise(semi.strong(images, generator))
        with evaluating(self.average.model if self.average else self.model) as teacher:
            answers = teacher(weak).float().clone()
        scores = self.model(torch.cat([inputs, strong])).float()
        loss = semi.loss(scores[len(inputs) :], answers, rows)
        return scores[: len(inputs)], loss * semi.weight(step / (self.recipe.epochs * self.batches))

    def inputs(self, positions: NDArray[np.int64]) -> Tensor:
        """What the network is fed: augmented and normalised images, or what its backbone made of them. Of a
        group, each process has its share of them.
        """
        device, counters = self.machine.device, self.counters
        if self.maps is not None:
            return gather_maps(self.maps, positions, device)
        at = (counters.epoch, counters.step)
        generator = torch_generator(device, self.recipe.seed, Purpose.AUGMENTATION, *at)
        own = self.group.rows(len(positions))
        draws = Draws(generator, len(positions), own)
        return self.normalise(augment(self.images(positions[own]), self.recipe, draws))

    def read(self, positions: NDArray[np.int64]) -> Tensor | None:
        """The words of the captions, some of them forgotten; None where no captions are read."""
        words = gather_words(self.words, positions, self.machine.device)
        if words is None:
            return None
        at = (self.counters.epoch, self.counters.step, 1)
        generator = torch_generator(self.machine.device, self.recipe.seed, Purpose.AUGMENTATION, *at)
        return forgotten(words, self.recipe.caption_dropout, generator)

    def rate(self) -> float:
        """The learning rate of the next step."""
        counters = self.counters
        step = counters.epoch * self.batches + counters.step
        total = self.recipe.epochs * self.batches
        return learning_rate(self.recipe, step, total, counters.patience.factor)

    def fresh_sums(self) -> Tensor:
        """Loss, right answers and images of an epoch, added up where the network is: no waiting for a GPU."""
        return torch.zeros(3, dtype=torch.float64, device=self.machine.device)

    def add_to_sums(self, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Add one batch."""
        n = len(labels)
        right = self.objective.right(scores, labels)
        self.sums += torch.stack([loss.double() * n, right.double(), torch.full_like(loss, n).double()])

    def train_figures(self) -> dict[str, float]:
        """train_loss and train_accuracy of the epoch so far. Raises TrainingFailed when the loss is NaN."""
        loss, right, n = self.sums.tolist()
        if not math.isfinite(loss):
            raise diverged(
                f"The loss became NaN in epoch {self.counters.epoch + 1}.",
                self.recipe,
                self.machine.precision,
            )
        return {"train_loss": loss / n, "train_accuracy": right / n}

    def check_weights(self) -> None:
        """Check what the last step left: the loss before it says nothing of that.

        Raises:
            TrainingFailed: A weight, a batch-norm statistic or an average of them is not finite.
        """
        trained = trained_tensors(self.model)
        broken = not_finite(trained)
        what = "weights"
        if self.average and not broken:
            average = self.average.tensors()
            broken, what = not_finite({name: average[name] for name in trained}), "averaged weights"
        if broken:
            problem = f"The {what} ({broken[0]}) overflowed or became NaN in epoch {self.counters.epoch + 1}."
            raise diverged(problem, self.recipe, self.machine.precision)

    def report_progress(self, meter: Meter) -> None:
        """Send a progress event."""
        self.on_event(
            "progress",
            epoch=self.counters.epoch,
            step=self.counters.step,
            n_steps=self.batches,
            learning_rate=self.rate(),
            **self.train_figures(),
            **meter.figures(),
        )

    def finish_epoch(self, meter: Meter) -> None:
        """Validate, keep the best weights, and see whether to go on."""
        counters, recipe = self.counters, self.recipe
        waiting = time.perf_counter()
        train = self.train_figures()  # until a GPU has done what it was given: part of the training
        started = time.perf_counter()
        counters.seconds += started - waiting
        counters.epoch_seconds += started - waiting
        self.check_weights()
        valid = self.validate()
        counters.seconds += time.perf_counter() - started
        figures = {
            "epoch": counters.epoch,
            **train,
            **valid,
            **self.unlabelled_figures(),
            "learning_rate": self.rate_of_last_step(),
            "images_per_second": round(self.sums[2].item() / max(1e-9, counters.epoch_seconds), 1),
            "seconds": round(counters.epoch_seconds + time.perf_counter() - started, 3),
        }
        counters.history.append(figures)
        self.on_event("epoch", **figures, share=meter.share, seconds_left=meter.seconds_left)
        self.keep_best(self.recipe.signed(valid[self.objective.decides(recipe)]))
        watched = valid["valid_loss"] if self.val_decides else None
        watched = train["train_loss"] if watched is None else watched
        decision = counters.patience.after(recipe, counters.epoch, watched)
        self.tell(decision)
        counters.epoch += 1
        counters.step, counters.epoch_seconds = 0, 0.0
        counters.done = counters.epoch >= recipe.epochs or decision == "stop"
        self.sums = self.fresh_sums()
        if self.semi:
            self.semi.sums = self.semi.fresh_sums()
        told = self.group.first_says(json.dumps(asdict(counters)).encode() if self.group.size > 1 else b"")
        self.counters = as_counters(parse_json(told)) if told else counters
        meter.after_pause()

    def unlabelled_figures(self) -> dict[str, float | None]:
        """How the pseudo-labels of the epoch fared, and the student beside its teacher on validation."""
        if self.semi is None:
            return {}
        figures = self.semi.figures()
        if self.average and len(self.parts.val):
            for name, model in (("student", self.model), ("teacher", self.average.model)):
                outputs = predict(model, self.card, self.pixels, self.parts.val, self.machine)
                found = self.objective.figures(outputs.pred_probs, self.labels[self.parts.val])
                figures[f"{name}_accuracy"] = found.get("valid_exact_match", found["valid_accuracy"])
        return figures

    def rate_of_last_step(self) -> float:
        """The learning rate that the last step used."""
        total = self.recipe.epochs * self.batches
        last = (self.counters.epoch + 1) * self.batches - 1
        return learning_rate(self.recipe, last, total, self.counters.patience.factor)

    def validate(self) -> dict[str, float | None]:
        """valid_loss, valid_accuracy, valid_macro_f1 and what else the objective tells of the (averaged)
        network; None without images.
        """
        val = self.parts.val
        if len(val) == 0:
            decides = self.objective.decides(self.recipe)
            return {"valid_loss": None, "valid_accuracy": None, "valid_macro_f1": None, decides: None}
        model = self.average.model if self.average else self.model
        own = val[self.group.rows(len(val))]
        outputs = predict(model, self.card, self.pixels, own, self.machine, maps=self.maps, words=self.words)
        own_probs = torch.from_numpy(outputs.pred_probs).to(self.machine.device)
        probs = self.group.joined(own_probs, len(val)).cpu().numpy()
        labels = self.labels[val]
        loss = self.objective.loss_of(probs, labels, self.machine.device)
        return {"valid_loss": loss, **self.objective.figures(probs, labels)}

    def keep_best(self, figure: float | None) -> None:
        """Copy the weights if this epoch's are to be kept."""
        counters = self.counters
        if self.recipe.keep == "last" or not self.val_decides or figure is None:
            counters.best_epoch = counters.epoch
        elif not self.best or figure > counters.best_accuracy:
            counters.best_accuracy, counters.best_epoch = figure, counters.epoch
            model = self.average.model if self.average else self.model
            self.best = copied(model.state_dict())

    def tell(self, decision: str) -> None:
        """Say that the rate was lowered or the run ends early."""
        counters = self.counters
        part = "validation" if self.val_decides and len(self.parts.val) else "training"
        if decision == "lower":
            rate = self.recipe.learning_rate * counters.patience.factor
            text = f"The {part} loss has not fallen since epoch {counters.patience.best_epoch + 1}: "
            self.on_event("note", text=f"{text}learning rate lowered to {rate:.2g}.")
        elif decision == "stop":
            self.on_event(
                "note",
                text=f"Stopped early after epoch {counters.epoch + 1}: "
                f"the {part} loss was lowest after epoch {counters.patience.best_epoch + 1}.",
            )

    # Checkpoints

    @cached_property
    def identity(self) -> str:
        """A hash of all that decides the result; the machine's fields are left out."""
        recipe = self.recipe.deciding_values()
        train, val = self.parts.train, self.parts.val
        more: list[NDArray[Any]] = [self.semi.unlabelled.positions] if self.semi else []
        more += [self.soft_labels[train]] if self.soft_labels is not None else []
        return digest(
            recipe,
            list(self.classes),
            train,
            val,
            self.labels[train],
            self.labels[val],
            self.card.mean,
            *more,
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint of the state after the last step; a broken state (NaN) is not kept."""
        if self.counters.step:
            self.train_figures()
            self.check_weights()
        save_checkpoint(path, self.checkpoint())
        self.on_event("checkpoint", epoch=self.counters.epoch, step=self.counters.step)

    def checkpoint(self) -> Checkpoint:
        """The state after the last step."""
        groups = {
            "model": self.model.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer),
            "sums": {"sums": self.sums},
            "best": self.best,
        }
        if self.average:
            groups["average"] = self.average.tensors()
        if self.semi:
            groups["semi"] = self.semi.tensors()
        return Checkpoint(groups, asdict(self.counters), self.identity)

    def start_alike(self) -> None:
        """Let all processes of a group begin from the first one's state, whatever they have themselves."""
        if self.group.size > 1:
            own = as_bytes(self.checkpoint()) if self.group.rank == 0 else b""
            self.take_over(from_bytes(self.group.first_says(own)))

    def restore(self, path: Path) -> int | None:
        """Go on from ``path``: the epoch it was in, or None when there is nothing to go on from.

        A file that cannot be read is no reason to stop: the run starts over, and a note says so.

        Raises:
            DamagedFile: The checkpoint is sound but of another run.
        """
        if not path.exists():
            return None
        try:
            checkpoint = load_checkpoint(path)
        except DamagedFile as error:
            self.on_event("note", text=f"{error.problem} The run starts over.")
            return None
        if checkpoint.identity != self.identity:
            raise DamagedFile(
                f"{path} is the checkpoint of another recipe, data set or label version.",
                "Delete it to start the run over, or start a new run.",
            )
        self.take_over(checkpoint)
        return self.counters.epoch

    def take_over(self, checkpoint: Checkpoint) -> None:
        """Put the checkpoint's tensors and counters in place."""
        tensors, state = checkpoint.tensors, dict(checkpoint.state)
        self.model.load_state_dict(tensors["model"])
        restore_optimizer(self.optimizer, tensors.get("optimizer", {}))
        self.sums = tensors["sums"]["sums"].to(self.machine.device)
        self.best = {name: tensor.to(self.machine.device) for name, tensor in tensors.get("best", {}).items()}
        if self.average:
            self.average.model.load_state_dict(tensors["average"])
        if self.semi:
            self.semi.restore(tensors["semi"])
        self.counters = as_counters(state)


def as_counters(state: Mapping[str, Any]) -> Counters:
    """The counters whose fields are ``state``."""
    return Counters(**{**state, "patience": Patience(**state["patience"])})


def make_card(
    pixels: Pixels, parts: Parts, classes: tuple[str, ...], recipe: Recipe, task: str = ONE_LABEL
) -> ModelCard:
    """How the network is built and fed; the normalisation is measured on the training images only."""
    mean, std = pixel_statistics(pixels, parts.train, recipe.normalisation)
    _, height, width, channels = pixels.shape
    return ModelCard(
        model=recipe.model,
        width=recipe.width,
        classes=classes,
        channels=channels,
        height=height,
        image_width=width,
        mean=mean,
        std=std,
        test_time_flip=recipe.test_time_flip,
        task=task,
        head=recipe.head if recipe.frozen or recipe.head != "linear" or recipe.timm_model else "",
        timm_model=recipe.timm_model,
        groups=recipe.groups if task == MANY_LABELS else (),
    )


def make_network(card: ModelCard, recipe: Recipe, machine: Machine) -> Classifier:
    """A fresh network on the machine, in channels-last order."""
    weights = recipe.weights_file or None
    model = build(card, dropout=recipe.dropout, pretrained=recipe.pretrained, weights_file=weights)
    if recipe.frozen and recipe.inputs != "caption":
        model.freeze()
    return model.to(machine.device).to(memory_format=torch.channels_last)


@contextmanager
def memory_errors_explained(recipe: Recipe) -> Iterator[None]:
    """Turn a lack of memory, on the GPU or not, into a sentence that names batch_size."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise out_of_memory(recipe) from error
    except RuntimeError as error:
        if "allocate memory" in str(error) or "not enough memory" in str(error):
            raise out_of_memory(recipe) from error
        raise


def out_of_memory(recipe: Recipe) -> TrainingFailed:
    """The error for a lack of memory."""
    return TrainingFailed(
        f"Memory ran out with batch_size {recipe.batch_size}.",
        "Lower batch_size, width or image_size.",
    )
