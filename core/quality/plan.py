"""Before training: how many seeds and test images a wished gain needs to be found, and how long that takes.

The standard error of a proof with S seeds and n test images has two parts: the luck of the seed, which only
more seeds lower, and the images, which only more test images lower. Both are guessed from earlier proofs on
the data set, or else from how often the run is wrong (core.evaluation.crossed has the test itself).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from core.data.catalog import open_dataset
from core.data.labels import Labels
from core.errors import BadInput, TidysetError
from core.evaluation.crossed import detectable_errors
from core.evaluation.of_run import as_answers, predictions_of
from core.evaluation.paired import FEWEST_DISCORDANT
from core.evaluation.proof import ARMS, FIRST_LEVEL
from core.files import Json
from core.quality.proofs import KIND, N_SEEDS, read_proof
from core.runs.estimate import estimate
from core.runs.store import Run, list_runs
from core.workspace import Workspace

DEFAULT_LUCK = 0.005
"""Standard deviation of the accuracy of one training over seeds, where no proof tells it: half a point."""
OF_ITEMS = 0.5
"""Share of the disagreements between arms that all seeds have in common."""
SMALL_GAIN, FEW, MANY, MOST = 0.02, 5, 10, 400
LEAST_GAIN = 0.0005


@dataclass(frozen=True, slots=True)
class Guess:
    """What a plan is made of.

    Attributes:
        luck: Standard deviation of accuracy over seeds, beyond what the test images explain.
        discordance: Share of the test images that one of two arms gets right and the other wrong.
        source: Where both are from, in words.
    """

    luck: float
    discordance: float
    source: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a gain needs to be found with a power of 80 %.

    Attributes:
        gain: As a share.
        seeds: Trainings of each arm.
        test_images: Labeled test images (or groups of near copies) that are needed with so many seeds.
        n_test: Those that are there.
        minutes: All trainings on this machine, one after the other; None where no run tells.
    """

    gain: float
    seeds: int
    test_images: int
    n_test: int
    minutes: float | None
    guess: Guess

    @property
    def is_enough(self) -> bool:
        """Whether there are as many test images as needed."""
        return self.n_test >= self.test_images

    def to_json(self) -> Json:
        """As ``tidyset prove --plan --json`` prints it."""
        enough = {"enough_test_images": self.is_enough, "text": self.text}
        return asdict(self) | enough

    @property
    def text(self) -> str:
        """The plan in words."""
        takes = "" if self.minutes is None else f", about {max(1, round(self.minutes)):,} minutes"
        there = "enough" if self.is_enough else "too few"
        n_trainings = len(ARMS) * self.seeds - 1
        return (
            f"To find a gain of {100 * self.gain:g} points (80 % power): {self.seeds} seeds "
            f"({n_trainings} trainings{takes}) and {self.test_images:,} test images; there are "
            f"{self.n_test:,}, {there}. Based on {self.guess.source}."
        )


def plan_proof(workspace: Workspace, base: Run, gain: float) -> Plan:
    """Plan a proof of a gain over the run ``base``.

    Args:
        gain: The wished gain in accuracy (or Hamming score), as a share: 0.01 is one point.

    Raises:
        BadInput: ``gain`` is no share between 0.0005 and 1.
        NotFound, DamagedFile: The run has no predictions, or the data set is gone.
    """
    if not LEAST_GAIN <= gain < 1:
        raise BadInput(
            f"A gain of {100 * gain:g} points cannot be planned for.",
            "Give points of accuracy from 0.05 to 99, such as --gain 1.",
        )
    dataset = open_dataset(workspace, base.dataset)
    test = dataset.in_split("test")
    n_test = int(Labels.of(as_answers(np.asarray(dataset.labels)[test]), dataset.classes).labeled.sum())
    runs = list_runs(workspace, dataset=base.dataset)
    guess = guess_of(workspace, base)
    seeds, images = needed(guess, gain, n_test)
    n_train, shape = len(dataset.in_split("train")), dataset.images.uniform
    one = estimate(base.recipe, n_train, shape, runs, fingerprint=base.fingerprint)
    minutes = None if one is None else round(one.seconds * (len(ARMS) * seeds - 1) / 60, 2)
    return Plan(gain, seeds, images, n_test, minutes, guess)


def needed(guess: Guess, gain: float, n_test: int) -> tuple[int, int]:
    """(seeds, test images): the fewest seeds that ``n_test`` images are enough for.

    Gains below two points get at least five seeds. Where ten seeds are not enough, more test images are the
    better way, unless luck of the seed alone hides the gain.
    """
    least = FEW if gain < SMALL_GAIN else N_SEEDS
    images = {seeds: images_needed(guess, gain, seeds) for seeds in range(least, MOST)}
    possible = [seeds for seeds, n in images.items() if math.isfinite(n)]
    if not possible:
        raise BadInput(
            f"Luck of the seed ({100 * guess.luck:.2f} points) hides a gain of {100 * gain:g} points.",
            "Ask for a larger gain, or make the training steadier (more epochs, EMA, an ensemble).",
        )
    enough = [seeds for seeds in possible if images[seeds] <= n_test and seeds <= MANY]
    seeds = enough[0] if enough else max(MANY, possible[0])
    return seeds, math.ceil(images[seeds])


def images_needed(guess: Guess, gain: float, seeds: int) -> float:
    """Test images with which ``seeds`` seeds find ``gain`` with a power of 80 %; infinite where none do."""
    errors = detectable_errors((len(ARMS) - 1) * (seeds - 1), FIRST_LEVEL)
    left = (gain / errors) ** 2 - 2 * guess.luck**2 / seeds
    if left <= 0:
        return math.inf
    of_images = guess.discordance * (OF_ITEMS + (1 - OF_ITEMS) / seeds) + gain * (1 - gain)
    return max(of_images / left, FEWEST_DISCORDANT / gain)


def guess_of(workspace: Workspace, base: Run) -> Guess:
    """From the newest earlier proofs on the data set, or else from how often ``base`` is wrong."""
    values: list[Json] = []
    for run in list_runs(workspace, dataset=base.dataset, kind=KIND)[:20]:
        if run.fingerprint == base.fingerprint:
            try:
                values.append(read_proof(run))
            except TidysetError:
                continue  # not finished, or damaged: it tells nothing
    if values:
        return _of_proofs(values)
    answers = predictions_of(base).only("test")
    labels = Labels.of(as_answers(answers.labels), answers.classes)
    n_known = max(1, int(labels.known.sum()))
    wrong = 1 - float(labels.right(labels.predicted(answers.pred_probs)).sum()) / n_known
    words = (
        f"how often {base.name} is wrong ({100 * wrong:.1f} %) and a usual luck of the seed "
        f"({100 * DEFAULT_LUCK:g} points)"
    )
    return Guess(DEFAULT_LUCK, max(wrong, 0.01), words)


def _of_proofs(values: Sequence[Json]) -> Guess:
    shares, lucks = [], []
    for value in values:
        share = float(np.mean([one["only_before"] + one["only_after"] for one in value["mcnemar"]]))
        shares.append(share / value["n"])
        score = np.array([arm["accuracy_by_seed"] for arm in value["arms"].values()])
        luck = score - score.mean(axis=1, keepdims=True) - score.mean(axis=0) + score.mean()
        variance = float((luck**2).sum()) / ((len(score) - 1) * (score.shape[1] - 1))
        lucks.append(max(0.0, variance - shares[-1] * (1 - OF_ITEMS) / 2 / value["n"]))
    n = f"{len(values)} earlier proof{'s' if len(values) > 1 else ''} on this data set"
    return Guess(math.sqrt(float(np.mean(lucks))), max(float(np.mean(shares)), 0.001), n)
