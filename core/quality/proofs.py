"""Runs of kind "prove": made, kept and read again. ``core.worker.proving`` does them.

Beside what every run has, the folder holds edits.npz (labels before and after), arms/ARM-SEED.parquet (the
predictions of each training on the test images) and proof.json (the result).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.catalog import open_dataset
from core.data.dataset import SPLITS, Dataset, is_labelled
from core.errors import BadInput, NotFound
from core.evaluation.metrics import Ints
from core.evaluation.proof import ARMS, Proof, make_proof, text_proof
from core.files import Json, atomic_writer, read_arrays, read_result
from core.quality.arms import EditSet, right_answers
from core.quality.duplicates import similar_images
from core.runs.store import Run, create_run
from core.runs.trainable import check_unlabeled
from core.workspace import Workspace

KIND = "prove"
N_SEEDS = 3
_ARRAYS = ("before", "after", "excluded_before", "excluded_after", "model_flagged", "blind")


def edits_file(run: Run) -> Path:
    """edits.npz."""
    return run.folder / "edits.npz"


def arm_file(run: Run, arm: str, seed: int) -> Path:
    """The predictions of one training on the test images."""
    return run.folder / "arms" / f"{arm}-{seed}.parquet"


def proof_file(run: Run) -> Path:
    """proof.json: the result, as ``tidyset prove --json`` prints it."""
    return run.folder / "proof.json"


def create_proof(
    workspace: Workspace,
    base: Run,
    edits: EditSet,
    *,
    n_seeds: int = N_SEEDS,
    changes: Mapping[str, object] | None = None,
    name: str | None = None,
) -> Run:
    """Make a run that finds out whether ``edits`` help the recipe of ``base``; core.runs.launch starts it.

    Args:
        base: A training run: its recipe, its seed and the next ones, and the labels before the edits.
        n_seeds: Trainings of each arm, at least two.
        changes: Fields of the recipe to change.

    Raises:
        BadInput: Nothing to prove: no edit of an image that is trained on, or fewer than two seeds; or a
            recipe that cannot be trained before the edits or after.
        NotFound, NameTaken, StorageFailed: As for any run.
    """
    dataset = open_dataset(workspace, base.dataset)
    if base.kind != "train":
        raise BadInput(f"Run {base.name!r} is no training.", "Give a run of `tidyset runs list`.")
    if dataset.fingerprint != base.fingerprint:
        raise BadInput(
            f"Data set {base.dataset!r} was replaced after run {base.name!r}.", "Train on it as it is now."
        )
    if n_seeds < 2:
        raise BadInput(
            f"{n_seeds} seed cannot tell a gain from luck.", "Train at least two seeds; three by default."
        )
    in_test = np.asarray(dataset.split) == SPLITS.index("test")
    if is_labelled(np.asarray(dataset.labels)[in_test]).sum() < 2:
        raise BadInput(
            f"Data set {base.dataset!r} has no labelled test images to judge by.",
            "Import it with a test share, or label its test images.",
        )
    n_edits = int((edits.changed & ~in_test).sum())
    if not n_edits:
        raise BadInput(
            f"The edits ({edits.source}) change no image that run {base.name!r} trains on.",
            "Correct labels outside the test split first; test labels are never trained on.",
        )
    recipe = base.recipe.with_changes(changes or {})
    for labels, excluded in ((edits.before, edits.excluded_before), (edits.after, edits.excluded_after)):
        in_train = np.asarray(dataset.split) == SPLITS.index("train")
        n_unlabeled = int((in_train & ~is_labelled(labels) & ~excluded).sum())
        check_unlabeled(recipe, dataset.task, n_unlabeled)
    job: Json = {
        "base": base.id,
        "base_name": base.name,
        "seeds": [recipe.seed + k for k in range(n_seeds)],
        "arms": list(ARMS),
        "n_edits": n_edits,
        "source": edits.source,
    }
    run = create_run(
        workspace,
        dataset,
        recipe,
        name=name or None,
        label_version=base.label_version,
        parent=base.id,
        kind=KIND,
        job=job,
    )
    with atomic_writer(edits_file(run)) as file:
        np.savez(file, allow_pickle=False, **{name: getattr(edits, name) for name in _ARRAYS})
    return run


def load_edits(run: Run) -> EditSet:
    """The edits that a run is about. Raises DamagedFile."""
    arrays = read_arrays(edits_file(run), _ARRAYS, mend="Start it anew.")
    return EditSet(**arrays, source=str(run.job.get("source", "")))


def read_proof(run: Run) -> Json:
    """The result of a finished run. Raises NotFound or DamagedFile."""
    if not proof_file(run).exists():
        raise NotFound(f"Run {run.name!r} has no verdict yet.", "Let it finish, or resume it.")
    kinds = {"verdict": str, "outcome": str, "seeds": list, "arms": dict, "ci95": list, "looks": dict}
    return read_result(proof_file(run), difference=float, test_edits=dict, n_edits=int, **kinds)


def judge(
    dataset: Dataset,
    edits: EditSet,
    positions: Ints,
    seeds: Sequence[int],
    predicted: Mapping[str, NDArray[Any]],
    *,
    groups: NDArray[Any] | None = None,
    look: Callable[[float], int] = lambda p_value: 1,
) -> Json:
    """The result: figures on the given test labels, and beside them on the corrected ones.

    Args:
        positions: (n,) the test images.
        predicted: By arm, (S, n) class indices; of several labels (S, n, K) bool.
        groups: (n,) which test images belong together, such as near copies.
        look: From the p-value on the labels as given, which look at these images it is
            (core.quality.looks): 1 for the first.

    Returns:
        Proof.to_json on the given labels, with ``on_corrected`` and ``on_unreviewed`` (the same on other
        right answers, or None where those are no others) and ``test_edits``.
    """
    answers = right_answers(dataset, edits, positions)

    def proof(labels: NDArray[Any], name: str) -> Proof:
        return make_proof(dataset.classes, tuple(seeds), labels, predicted, label_set=name, groups=groups)

    given = proof(answers.given, "given")
    number = look(given.effect.p_value)

    def scored(found: Proof) -> Json:
        return replace(found, look=number).to_json()

    corrected = not np.array_equal(answers.corrected, answers.given, equal_nan=True)
    return {
        **scored(given),
        "on_corrected": scored(proof(answers.corrected, "corrected")) if corrected else None,
        "on_unreviewed": scored(proof(answers.suggested, "suggested")) if answers.n_unreviewed else None,
        "test_edits": {
            "n_counted": answers.n_counted,
            "n_reviewed_blind": answers.n_blind,
            "n_unreviewed": answers.n_unreviewed,
        },
    }


def near_copies(workspace: Workspace, dataset: Dataset, positions: Ints) -> NDArray[np.int64] | None:
    """(n,) which of the images at ``positions`` are near copies of each other; None where none are.

    Every member of such a set is near its center (core.quality.duplicates), so chains are cut.
    """
    similar = similar_images(workspace, dataset)
    group = np.arange(len(dataset), dtype=np.int64)
    for start, stop in zip(similar.starts[:-1], similar.starts[1:], strict=True):
        group[similar.members[start:stop]] = similar.members[start]
    found = group[positions]
    return None if len(np.unique(found)) == len(found) else found


def text_result(value: Json) -> str:
    """The whole result for people; it starts with the verdict."""
    lines = [
        f"Did the edits help? {value['n_edits']:,} edits of training labels ({value['edits']}), "
        f"run {value['base']}, {len(value['seeds'])} seeds",
        "",
        text_proof(value),
    ]
    if value["on_corrected"]:
        lines += ["", text_proof(value["on_corrected"])]
    tested = value["test_edits"]
    if tested["n_reviewed_blind"]:
        lines += [
            "",
            f"{tested['n_reviewed_blind']:,} of them a model suggested and a blind review confirmed.",
        ]
    if value["on_unreviewed"]:
        other = value["on_unreviewed"]
        low, high = (100 * bound for bound in other["ci95"])
        lines += [
            "",
            f"{tested['n_unreviewed']:,} corrections of test labels were suggested by a model and not "
            "reviewed blind. They favour that model and do not count above; with them, the difference is "
            f"{100 * other['difference']:+.2f} points ({low:+.2f} to {high:+.2f}, p {other['p_value']:.3f}).",
        ]
    if value["looks"]["warning"]:
        lines += ["", value["looks"]["warning"]]
    if value["n_placebo_missing"]:
        lines += ["", f"The placebo lacks {value['n_placebo_missing']:,} edits: no like image was left."]
    return "\n".join(lines)
