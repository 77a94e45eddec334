"""CLIP beside a trained run where images have several labels: by class, and what both say against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.data.dataset import Dataset
from core.embeddings import zero_shot as zs
from core.embeddings.prompts import PromptSet
from core.errors import BadInput
from core.files import digest
from core.quality.witnesses import answers_against
from core.runs.store import Run
from dashboard import gallery
from dashboard.errors import show_error
from dashboard.memo import predictions, remembered
from dashboard.open_item import open_item
from dashboard.progress import progress
from dashboard.wording import counted, percent, plain, points
from dashboard.zero_shot_beside import nothing_trained
from dashboard.zero_shot_panels import MAX_IMAGES, names, relabel_button
from dashboard.zero_shot_view import Answers, Floats, Ints


@dataclass(frozen=True, eq=False)
class Pair:
    """What a trained run and CLIP say of the same n images, none of which the run trained on.

    Attributes:
        positions: (n,) in the data set.
        marks: (n, K) 1, 0 and NaN, the newest labels.
        model: (n, K) probabilities.
        clip: (n, K) cosines.
    """

    positions: Ints
    marks: Floats
    model: Floats
    clip: Floats

    @property
    def cache_key(self) -> str:
        """A hash of what is compared."""
        return digest(self.marks, self.model, self.clip)


def beside(dataset: Dataset, runs: Sequence[Run], prompts: PromptSet, now: Answers, tuned: Answers) -> None:
    """A trained run and CLIP, class by class, and the answers that both speak against.

    Args:
        prompts: What ``now`` answers.
        tuned: CLIP's answers on validation images: what counts as its yes is tuned on them.
    """
    if not runs:
        nothing_trained()
        return
    by_name = {run.name: run for run in runs}
    run = by_name[str(st.selectbox("Trained run", [*by_name], key="zs_beside", width=260))]
    try:
        found = _joined(run, now)
    except BadInput as error:
        show_error(error)
        return
    _headline(run, found)
    shown = names(prompts)
    _by_class(shown, run, found)
    _against(dataset, shown, run, found, zs.best_thresholds(tuned.marks, tuned.similarity))


def _joined(run: Run, now: Answers) -> Pair:
    """Both on the images that CLIP answered for and the run did not train on. Raises BadInput for none."""
    trained = predictions(run)
    ids = np.asarray(now.dataset.item_ids)[now.positions]
    held = np.flatnonzero(trained.split != "train")
    _, m, c = np.intersect1d(trained.item_ids[held], ids, return_indices=True)
    if not len(c):
        raise BadInput(
            f"{run.name!r} answered for none of these images.", "Choose the test images, or another run."
        )
    return Pair(now.positions[c], now.marks[c], trained.pred_probs[held[m]], now.similarity[c])


def _headline(run: Run, found: Pair) -> None:
    ours, clip = (zs.mean_average_precision(found.marks, score) for score in (found.model, found.clip))
    better = run.name if ours > clip else "CLIP"
    st.info(
        f"{plain(better)} orders the {counted(len(found.positions), 'image')} better: mean average precision "
        f"{percent(ours)} for {plain(run.name)}, {percent(clip)} for CLIP from words alone.",
        icon=":material/balance:",
    )


def _by_class(shown: Sequence[str], run: Run, found: Pair) -> None:
    rows = []
    changes = _differences(found)
    for k, (name, (difference, low, high)) in enumerate(zip(shown, changes, strict=True)):
        marks, there = found.marks[:, k], difference == difference
        rows.append(
            {
                "Class": name,
                "Images": int((marks == 1).sum()),
                run.name: _percent(zs.average_precision(marks, found.model[:, k])),
                "CLIP": _percent(zs.average_precision(marks, found.clip[:, k])),
                "Difference": points(difference) if there else "",
                "95 % interval": f"{points(low)} to {points(high)}" if there else "",
                "Better": (run.name if low > 0 else "CLIP" if high < 0 else "not proven") if there else "",
            }
        )
    share = st.column_config.ProgressColumn(format="%.1f %%", min_value=0, max_value=100)
    with st.container(border=True):
        st.subheader("Average precision by class", anchor=False)
        st.dataframe(rows, hide_index=True, key="zs_several", column_config={run.name: share, "CLIP": share})
        st.caption("Interval: paired bootstrap, 300 draws of the images.")


@remembered()
def _differences(found: Pair) -> list[tuple[float, float, float]]:
    """By class, what the run has over CLIP, with its interval; drawing takes seconds."""
    changes, n_classes = [], found.marks.shape[1]
    with progress("Comparing class by class") as on_share:
        for k in range(n_classes):
            on_share(k / n_classes)
            changes.append(zs.precision_change(found.marks[:, k], found.clip[:, k], found.model[:, k]))
    return changes


def _percent(value: float) -> float | None:
    return None if value != value else 100 * value


def _against(dataset: Dataset, shown_names: Sequence[str], run: Run, found: Pair, thresholds: Floats) -> None:
    """The answers that both say are otherwise: images, and on to Relabel."""
    rows, classes = answers_against(found.marks, found.model, found.clip, thresholds)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Three witnesses", anchor=False)
            images = list(dict.fromkeys(found.positions[rows].tolist()))
            relabel_button(dataset, images, None, key="zs_several_send")
        if not len(rows):
            st.success("There is no answer that both speak against.", icon=":material/check_circle:")
            return
        st.caption(
            f"{counted(len(rows), 'answer')} that {plain(run.name)} and CLIP both speak against, those that "
            "the run is surest of first."
        )
        shown = slice(0, MAX_IMAGES)
        done = gallery.show(
            dataset,
            found.positions[rows[shown]].tolist(),
            captions=[
                f"{shown_names[k]}: {'yes → no' if found.marks[row, k] == 1 else 'no → yes'}"
                for row, k in zip(rows[shown].tolist(), classes[shown].tolist(), strict=True)
            ],
            key="zs_several_images",
            tile=96,
        )
        if done.clicked is not None:
            open_item(dataset, done.clicked)
