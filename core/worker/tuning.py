"""The job of a run of kind "tune": one training a trial, its values proposed by Optuna.

Trials may be done side by side (core.worker.parts): the job asks Optuna for the next set of values whenever
a place is free. Whoever trains a trial holds a lock on it. A trial whose lock nobody holds was broken off; it
is gone on with from its checkpoint. The test images are not touched: every decision falls on the validation
images.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from filelock import FileLock, Timeout

from core.cache import cached_json
from core.errors import BadInput, Busy, TidysetError, TrainingFailed
from core.files import Json, make_folder, write_bytes, write_json
from core.runs.recipe import Recipe
from core.training.loop import FitResult
from core.training.objective import make_objective
from core.training.parts import Parts
from core.tuning import studies
from core.tuning.space import Axis
from core.tuning.studies import StudyPlan, TrialRecord, TrialState
from core.worker import Job, Outcome, Stopped
from core.worker.material import Training, discard_checkpoint, gather_material, now_and_then
from core.worker.parts import spread, where

if TYPE_CHECKING:
    from optuna import Study, Trial

CACHE = "trial-3"
N_BEFORE_PRUNING = 4
"""Trials that finish before any is broken off."""
N_FOR_IMPORTANCES = 4
LOCK_SECONDS = 120.0
"""How long a shared file system may hold on to the lock of a node that died."""


def tune(job: Job) -> Outcome:
    """Try ``n_trials`` sets of values; ``finished`` has the best.

    Raises:
        TidysetError: Anything that a person can mend, or that no trial could be trained.
    """
    began = time.monotonic()
    plan = studies.plan_of(job.run)
    job.on_event("started", n_trainings=plan.n_trials)
    searcher = Searcher(job, plan, lead=True)
    spread(job, searcher.proposals(), plan.n_trials, searcher.watch)
    searcher.watch()
    searcher.search()  # all that there are, where nothing was spread
    trials = studies.load_trials(job.run)
    best = studies.ranked(trials, plan)
    if not best:
        reasons = {one.error for one in trials if one.error}
        raise TidysetError("No trial could be trained.", " ".join(sorted(reasons)[:3]))
    value = studies.as_value(job.run, trials, studies.load_importances(job.run))
    write_bytes(job.run.report_file, (studies.text_study(value) + "\n").encode())
    return Outcome(
        "finished",
        {
            "best_value": best[0].value,
            "best_trial": best[0].number,
            "n_trials": len(trials),
            "seconds": round(time.monotonic() - began, 2),
        },
    )


def do_trial(job: Job, part: str) -> None:
    """Do the part "trial-3" of a search: train with the values that it was given. Raises Stopped, Busy."""
    Searcher(job, studies.plan_of(job.run), lead=False).do(int(part.removeprefix("trial-")))


class Searcher:
    """One process at work on a study.

    Args:
        lead: Whether it is the one that reports progress.
    """

    def __init__(self, job: Job, plan: StudyPlan, *, lead: bool) -> None:
        self.job, self.run, self.plan, self.lead = job, job.run, plan, lead
        self.base = job.run.recipe
        self.material = gather_material(job)
        self._n_ended = 0

    def search(self) -> None:
        """Take trials until there are ``n_trials``. Raises Stopped."""
        while (taken := self.next_trial()) is not None:
            trial, lock = taken
            try:
                self.try_out(trial)
            finally:
                lock.release()
            self.tell_importances()

    def proposals(self) -> Iterator[str]:
        """The name of each trial as it is proposed, those that were broken off first."""
        handed_out: set[int] = set()
        while (taken := self.next_trial(handed_out)) is not None:
            trial, lock = taken
            lock.release()  # whoever does it takes it
            handed_out.add(trial.number)
            yield f"trial-{trial.number}"

    def do(self, number: int) -> None:
        """Train one trial that was proposed. Raises Stopped; Busy where another process still has it."""
        import optuna

        study = self.study()
        found = next(one for one in study.get_trials(deepcopy=False) if one.number == number)
        if found.state.is_finished():
            return
        lock = self.lock(number, LOCK_SECONDS)
        if lock is None:
            raise Busy(f"Another process still has trial {number}.", "Wait for it to end, then go on.")
        try:
            self.try_out(optuna.trial.Trial(study, found._trial_id))
        finally:
            lock.release()

    def watch(self) -> None:
        """Report what the trials elsewhere came to."""
        n_ended = report(self.job, self.plan)
        if n_ended != self._n_ended:
            self._n_ended = n_ended
            self.tell_importances()

    def next_trial(self, handed_out: AbstractSet[int] = frozenset()) -> tuple[Trial, FileLock] | None:
        """A trial that was broken off, or a new one; None when all are taken.

        Args:
            handed_out: Numbers of trials that somebody is about to begin.
        """
        if self.job.should_stop():
            raise Stopped
        with FileLock(self.run.folder / "study.lock", is_singleton=False):
            study = self.study()
            known = study.get_trials(deepcopy=False)
            for one in known:
                if one.state.is_finished() or one.number in handed_out:
                    continue
                if (lock := self.lock(one.number)) is not None:
                    import optuna

                    return optuna.trial.Trial(study, one._trial_id), lock
            if len(known) >= self.plan.n_trials:
                return None
            trial = study.ask()
            for axis in self.plan.axes:
                propose(trial, axis)  # now, so that whoever asks next knows what is being tried
            held = self.lock(trial.number)
            assert held is not None, "nobody else knows of this trial yet"
            return trial, held

    def lock(self, number: int, seconds: float = 0.0) -> FileLock | None:
        """The lock of a trial, or None where a living process holds it for ``seconds`` more."""
        folder = studies.trial_folder(self.run, number)
        make_folder(folder)
        lock = FileLock(folder / "lock", is_singleton=False)
        try:
            lock.acquire(timeout=seconds)
        except Timeout:
            return None
        return lock

    def study(self) -> Study:
        """Optuna's view, with a sampler whose draws follow from the seed and the trials there are."""
        import optuna

        from core.worker.study_storage import storage_of

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        way: Literal["maximize", "minimize"] = "maximize" if self.plan.maximise else "minimize"
        study = optuna.create_study(
            storage=storage_of(self.job.workspace, self.run),
            study_name=self.run.id,
            directions=[way, "minimize"] if self.plan.with_cost else [way],
            pruner=optuna.pruners.MedianPruner(n_startup_trials=N_BEFORE_PRUNING, n_warmup_steps=1)
            if self.prunes
            else optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
        n = len(study.get_trials(deepcopy=False))
        study.sampler = optuna.samplers.TPESampler(
            seed=int(np.random.SeedSequence([self.plan.seed, n]).generate_state(1)[0])
        )
        return study

    @property
    def prunes(self) -> bool:
        """With two objectives no trial can be said to be worse before it has ended."""
        return self.plan.prune and not self.plan.with_cost

    def try_out(self, trial: Trial) -> None:
        """Train one trial and tell the study. Raises Stopped, and TidysetError where none can succeed."""
        params = {axis.field: propose(trial, axis) for axis in self.plan.axes}
        record = TrialRecord(trial.number, params, TrialState.RUNNING)
        studies.save_trial(self.run, record)
        try:
            recipe = self.base.with_changes(params)
            result = self.trained(trial, recipe)
        except (BadInput, TrainingFailed) as error:  # these values do not work; others may
            self.tell(trial, replace(record, state=TrialState.FAILED, error=str(error)))
        else:
            self.tell(trial, self.judged(record, result))

    def trained(self, trial: Trial, recipe: Recipe) -> Json:
        """history, seconds, pruned and cached of the training; from the cache where it was done before."""
        training = self.material.training(recipe)
        parts = training.parts
        training = replace(training, parts=Parts(parts.train, parts.val, parts.test[:0]))  # no test images
        key = self.material.key(training)
        was_trained = False

        def compute() -> Json:
            nonlocal was_trained
            was_trained = True
            found = self.fit(trial, training)
            if found["pruned"]:
                raise _Pruned(found)
            return found

        try:
            found = dict(cached_json(self.job.workspace, CACHE, key, compute))
        except _Pruned as pruned:
            found = pruned.found
        if not was_trained:
            for epoch in found["history"]:
                studies.trial_events(self.run, trial.number).append("epoch", **epoch)
        return {**found, "cached": not was_trained}

    def fit(self, trial: Trial, training: Training) -> Json:
        """Train, tell the study of every epoch, and end early where it says so. Raises Stopped."""
        watch = _Watch(self, trial, training.recipe)
        checkpoint_file = studies.trial_folder(self.run, trial.number) / "checkpoint.safetensors"
        result = self.material.fit(
            training, watch.on_event, checkpoint_file=checkpoint_file, should_stop=watch.should_stop
        )
        if result.stopped and not watch.pruned:
            raise Stopped
        history = result.history
        if training.recipe.has_stages and len(training.parts.val):
            history = [*history, self.of_the_whole(training, result)]
            watch.on_event("epoch", **history[-1])
        discard_checkpoint(checkpoint_file)
        return {"history": history, "seconds": result.seconds, "pruned": watch.pruned}

    def of_the_whole(self, training: Training, result: FitResult) -> Json:
        """What several networks come to together on the validation images, as one epoch more."""
        val, device = training.parts.val, result.machine.device
        labels, learnt = training.labels[val], training.labels[training.parts.train]
        probs = self.material.predict(result, training, val).pred_probs
        objective = make_objective(training.recipe, learnt, len(training.classes), device)
        figures = {"valid_loss": objective.loss_of(probs, labels, device), **objective.figures(probs, labels)}
        return {**result.history[-1], **figures, "epoch": len(result.history)}

    def judged(self, record: TrialRecord, result: Json) -> TrialRecord:
        """The record with what came of it; failed where no epoch has a figure to judge it by."""
        found = [(epoch["epoch"], epoch[self.field]) for epoch in result["history"]]
        values = [one for one in found if one[1] is not None and math.isfinite(one[1])]
        if not values:
            error = f"{self.plan.objective} is undefined in every epoch."
            return replace(record, state=TrialState.FAILED, error=error)
        pick = max if self.plan.maximise else min
        of_last = self.base.keep == "last" or self.base.with_changes(record.params).has_stages
        kept = values[-1] if of_last else pick(values, key=lambda one: one[1])
        return replace(
            record,
            state=TrialState.PRUNED if result["pruned"] else TrialState.FINISHED,
            value=float(kept[1]),
            epoch=int(kept[0]),
            n_epochs=len(values),
            seconds=float(result["seconds"]),
            cached=bool(result["cached"]),
        )

    @property
    def field(self) -> str:
        """The field of the epoch events that decides."""
        return studies.field_of(self.plan.objective)

    def tell(self, trial: Trial, record: TrialRecord) -> None:
        """Tell the study and write the record; in this order, so that no trial is told twice."""
        import optuna

        states = optuna.trial.TrialState
        study = self.study()
        if record.state is TrialState.FINISHED:
            assert record.value is not None
            values = [record.value, record.seconds] if self.plan.with_cost else [record.value]
            study.tell(trial.number, values)
        else:
            study.tell(
                trial.number, state=states.PRUNED if record.state is TrialState.PRUNED else states.FAIL
            )
        studies.save_trial(self.run, record)
        if self.lead:
            report(self.job, self.plan)

    def tell_importances(self) -> None:
        """Write how much each field mattered, once enough trials have finished with different values."""
        import optuna

        study = self.study()
        done = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        if len(done) < N_FOR_IMPORTANCES or len({one.values[0] for one in done}) == 1:
            return
        sign = -1.0 if self.plan.maximise else 1.0  # PED-ANOVA asks what leads to low values
        with warnings.catch_warnings(action="ignore"):  # it says what the line above minds
            found = optuna.importance.get_param_importances(study, target=lambda one: sign * one.values[0])
        write_json(studies.importances_file(self.run), {k: round(float(v), 4) for k, v in found.items()})


class _Pruned(Exception):
    """Carries a training that was broken off past the cache: its history is not that of the whole."""

    def __init__(self, found: Json) -> None:
        self.found = found


class _Watch:
    """Passes the events of one training on, and ends it where the study or a person says so."""

    def __init__(self, searcher: Searcher, trial: Trial, recipe: Recipe) -> None:
        self.searcher, self.trial, self.pruned = searcher, trial, False
        self._last_epoch = recipe.epochs - 1
        self._prunes = searcher.prunes and not recipe.has_stages  # what one network does says little of all
        self._events = studies.trial_events(searcher.run, trial.number)
        self._asked = now_and_then(searcher.job.should_stop)

    def on_event(self, type_: str, **fields: Any) -> None:
        """Of core.training.loop.fit."""
        if type_ in ("epoch", "note"):
            self._events.append(type_, **fields)
        if type_ == "epoch" and not self.searcher.plan.with_cost:
            value = fields[self.searcher.field]
            if value is None:
                raise TidysetError(
                    "There are no validation images to choose by.", "Raise validation_share, or label more."
                )
            self.trial.report(float(value), int(fields["epoch"]))
            is_over = int(fields["epoch"]) == self._last_epoch
            self.pruned = self._prunes and not is_over and bool(self.trial.should_prune())
        if type_ in ("progress", "epoch") and self.searcher.lead:
            report(self.searcher.job, self.searcher.plan, float(fields.get("share", 0.0)))

    def should_stop(self) -> bool:
        """Asked after every step."""
        return self.pruned or self._asked()


def report(job: Job, plan: StudyPlan, share: float = 0.0) -> int:
    """Progress of the whole study: trials that have ended, and ``share`` of the one under way here.

    Returns:
        How many have ended.
    """
    trials = studies.load_trials(job.run)
    ended = [one for one in trials if one.state is not TrialState.RUNNING]
    spent = [one.seconds for one in ended if one.seconds and not one.cached]
    n_left = max(0.0, plan.n_trials - len(ended) - share)
    best = studies.ranked(trials, plan)
    found = f", best {plan.objective} {best[0].value:.4f}" if best else ""
    job.on_event(
        "progress",
        share=min(1.0, (len(ended) + share) / plan.n_trials),
        seconds_left=n_left * float(np.mean(spent)) / max(1, where(job.run).n_workers) if spent else None,
        text=f"trial {min(len(ended) + 1, plan.n_trials)} of {plan.n_trials}{found}",
    )
    return len(ended)


def propose(trial: Trial, axis: Axis) -> Any:
    """The trial's value on an axis: the one it has, or a new one from the sampler.

    Ranges of real numbers are rounded to as many digits as a person would write: more mean the same.
    """
    if axis.options:
        return trial.suggest_categorical(axis.field, list(axis.options))
    assert axis.low is not None
    assert axis.high is not None
    if axis.whole:
        return trial.suggest_int(axis.field, int(axis.low), int(axis.high), log=axis.log)
    return float(f"{trial.suggest_float(axis.field, axis.low, axis.high, log=axis.log):.4g}")
