"""The job of a run of kind "prove": every arm trained with every seed, then the verdict.

Each training's predictions of the test images are kept in the run's folder, and in the cache by what went in:
a stopped run goes on with what is missing, and nothing is ever trained twice.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cache import cached_arrays
from core.data.item_index import ItemIndex
from core.errors import DamagedFile, TidysetError
from core.evaluation.of_run import as_answers
from core.evaluation.predictions import Predictions, load_predictions, save_predictions
from core.evaluation.proof import BEFORE
from core.files import Json, digest, write_bytes, write_json
from core.quality.arms import EditSet, arm_labels, placebo_pairs
from core.quality.looks import (
    about_looks,
    earlier_than,
    look_number,
    looks_at,
    question_of,
    record_look,
    warning,
)
from core.quality.proofs import arm_file, judge, load_edits, near_copies, proof_file, text_result
from core.runs.recipe import Recipe
from core.runs.store import Run, find_run
from core.worker import Job, Outcome, Stopped
from core.worker.material import gather_material
from core.worker.parts import spread

CACHE = "prove-2"


def prove(job: Job) -> Outcome:
    """Train what is missing, then judge; ``finished`` has the verdict and its figures.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    began = time.monotonic()
    trainer = _Trainer(job)
    job.on_event("started", n_trainings=len(trainer.plan))
    question = question_of(trainer.dataset.fingerprint, trainer.roles, trainer.edits)
    if earlier := earlier_than(job.run, question, looks_at(job.workspace, trainer.dataset)):
        job.on_event("note", text=warning(earlier))
    todo = [one for one in trainer.plan if not trainer.is_done(*one)]
    spread(job, [f"{arm}.{seed}" for arm, seed in todo], len(todo))
    progress = _Progress(job, [one for one in trainer.plan if not trainer.is_done(*one)], len(trainer.plan))
    predicted: dict[str, list[NDArray[Any]]] = {}
    for arm, seed in trainer.plan:
        progress.begin(arm, seed)
        predicted.setdefault(arm, []).append(said(trainer.predictions(arm, seed, progress)))
        progress.end(arm, seed)
    seeds = job.run.job["seeds"]
    arms = {arm: np.stack(rows) for arm, rows in predicted.items()}

    def look(p_value: float) -> int:
        """Recorded first, then counted: of two proofs at the same time one is the later."""
        nonlocal earlier
        record_look(job.workspace, trainer.dataset, question, job.run, p_value)
        earlier = earlier_than(job.run, question, looks_at(job.workspace, trainer.dataset))
        return look_number(earlier)

    groups = near_copies(job.workspace, trainer.dataset, trainer.test)
    value = judge(trainer.dataset, trainer.edits, trainer.test, seeds, arms, groups=groups, look=look)
    value |= {"looks": about_looks(earlier)}
    value |= _about(job.run, trainer) | {"seconds": round(time.monotonic() - began, 2)}
    write_json(proof_file(job.run), value)
    write_bytes(job.run.report_file, (text_result(value) + "\n").encode())
    headline = ("outcome", "verdict", "difference", "ci95", "p_value", "minimum_detectable", "seconds")
    return Outcome("finished", {name: value[name] for name in headline})


def said(predictions: Predictions) -> NDArray[Any]:
    """(n,) the classes that are predicted; of several labels (n, K) bool, those likelier there than not."""
    return predictions.pred_probs > 0.5 if predictions.has_many_labels else predictions.predicted


def _about(run: Run, trainer: _Trainer) -> Json:
    n_edits = int((trainer.edits.changed & (trainer.roles != 2)).sum())
    n_placebo = min(len(placebo_pairs(trainer.edits, trainer.roles, seed)[0]) for seed in run.job["seeds"])
    return {
        "run": run.name,
        "base": run.job["base_name"],
        "data": run.dataset,
        "label_version": run.label_version,
        "edits": run.job["source"],
        "n_edits": n_edits,
        "n_placebo_missing": n_edits - n_placebo,
    }


def do_training(job: Job, part: str) -> None:
    """Do the part "after.3" of a proof, an arm and a seed: its predictions into the run. Raises Stopped."""
    arm, _, seed = part.rpartition(".")
    one = (arm, int(seed))
    progress = _Progress(job, [one], 1)
    progress.begin(*one)
    _Trainer(job).predictions(*one, progress)


class _Trainer:
    """Trains one arm with one seed, unless that was done before.

    Attributes:
        plan: (arm, seed) of every training, all arms of a seed before the next seed.
        test: (n,) positions of the test images.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.run = job, job.run
        self.material = gather_material(job)
        self.dataset, self.roles = self.material.dataset, self.material.roles
        self.edits: EditSet = load_edits(self.run)
        self.recipe: Recipe = self.run.recipe
        self.test = np.flatnonzero(self.roles == 2)
        self.plan = [(arm, seed) for seed in self.run.job["seeds"] for arm in self.run.job["arms"]]

    def is_done(self, arm: str, seed: int) -> bool:
        """Whether its predictions are in the run's folder."""
        return arm_file(self.run, arm, seed).exists()

    def predictions(self, arm: str, seed: int, progress: _Progress) -> Predictions:
        """Of the test images. Raises Stopped when a person asked for it."""
        file = arm_file(self.run, arm, seed)
        try:
            if file.exists():
                return load_predictions(file)
        except DamagedFile:
            pass  # it is made again
        found = self._wanted(self._base(seed)) if arm == BEFORE else None
        if found is None:
            found = self._trained(arm, seed, progress)
        predictions = Predictions(
            item_ids=np.asarray(self.dataset.item_ids[self.test]),
            split=np.full(len(self.test), "test"),
            labels=as_answers(np.asarray(self.dataset.labels))[self.test],
            pred_probs=found,
            classes=self.dataset.classes,
            run=self.run.id,
            label_version=self.run.label_version,
            fingerprint=self.dataset.fingerprint,
        )
        save_predictions(file, predictions)
        return predictions

    def _base(self, seed: int) -> Predictions | None:
        """The base run itself is the training before the edits, where recipe and seed are its own."""
        try:
            base = find_run(self.job.workspace, self.run.job["base"])
            same = base.recipe == self.recipe.with_changes({"seed": seed})
            return load_predictions(base.predictions_file) if same else None
        except TidysetError:  # deleted, or damaged: it is trained again
            return None

    def _wanted(self, base: Predictions | None) -> NDArray[np.float32] | None:
        """(n, K) probabilities of the test images, or None where some are missing."""
        if base is None or base.classes != self.dataset.classes:
            return None
        rows = ItemIndex(base.item_ids).find(self.dataset.item_ids[self.test])
        return None if (rows < 0).any() else base.pred_probs[rows]

    def _trained(self, arm: str, seed: int, progress: _Progress) -> NDArray[np.float32]:
        """(n, K) probabilities, from the cache where these labels were trained with this recipe before."""
        labels, excluded = arm_labels(self.edits, self.roles, arm, seed)
        recipe = self.recipe.with_changes({"seed": seed})
        training = self.material.training(recipe, labels=labels, excluded=excluded)

        def compute() -> Mapping[str, Any]:
            name = f"{arm}.{seed}"
            _, outputs = self.material.answers(training, name, self.test, progress.on_event)
            return {"pred_probs": outputs.pred_probs}

        key = self.material.key(training, asked=digest(self.test))
        return cached_arrays(self.job.workspace, CACHE, key, compute)["pred_probs"]


class _Progress:
    """Turns the events of each training into progress of the whole.

    Args:
        todo: The trainings that are not in the folder yet.
        n_all: All trainings.
    """

    def __init__(self, job: Job, todo: list[tuple[str, int]], n_all: int) -> None:
        self._job, self._todo, self._n_all = job, todo, n_all
        self._n_done = n_all - len(todo)
        self._n_trained, self._spent = 0, 0.0
        self._began, self._trains = time.monotonic(), False
        self._name = ""

    def begin(self, arm: str, seed: int) -> None:
        """One training is next."""
        if self._job.should_stop():
            raise Stopped
        self._began, self._trains = time.monotonic(), False
        self._name = f"{arm}, seed {seed}"

    def end(self, arm: str, seed: int) -> None:
        """It is done, or was done before."""
        if (arm, seed) not in self._todo:
            return
        self._n_done += 1
        if self._trains:  # one from the cache says nothing of how long the others take
            self._n_trained += 1
            self._spent += time.monotonic() - self._began
        self._report(0.0)

    def on_event(self, type_: str, **fields: Any) -> None:
        """An event of the training under way."""
        self._trains = True
        if type_ == "note":
            self._job.on_event("note", text=f"{self._name}: {fields.get('text', '')}")
        elif type_ in ("progress", "epoch"):
            self._report(float(fields.get("share", 0.0)))

    def _report(self, share: float) -> None:
        spent, n_trained = self._spent, self._n_trained + share
        if share:
            spent += time.monotonic() - self._began
        n_left = self._n_all - self._n_done - share
        number = min(self._n_done + 1, self._n_all)
        self._job.on_event(
            "progress",
            share=(self._n_done + share) / self._n_all,
            seconds_left=n_left * spent / n_trained if n_trained else None,
            text=f"training {number} of {self._n_all} ({self._name})",
        )
