"""The panels on likely wrong labels: start a search, follow it, see what it found, and go and correct it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.data.dataset import SPLITS, Dataset
from core.errors import TidysetError
from core.evaluation.crossval import N_FOLDS
from core.labels.versions import current_version, edits_since
from core.quality import evidence, queue
from core.quality.judges import Judges, judges
from core.quality.label_issues import LabelIssues, load_issues
from core.quality.queue import QueueRequest
from core.runs.estimate import estimate
from core.runs.recipe import PRESETS
from core.runs.store import Run, RunState, list_runs, status
from core.workspace import Workspace
from dashboard import effort_panel, engine_choice, gallery, handover
from dashboard.memo import remembered
from dashboard.wording import count, counted, duration, plain

MOST_FOLDS = 20
TILE, SHOWN, REASONS = 96, 28, 8
SPLIT_WORDS = {"All": None, "Training": "train", "Validation": "val", "Test": "test"}


def searches(workspace: Workspace, dataset: Dataset) -> list[Run]:
    """The searches of the data set as it is now, newest first."""
    runs = list_runs(workspace, dataset=dataset.name, kind=evidence.KIND)
    return [run for run in runs if run.fingerprint == dataset.fingerprint]


def start(workspace: Workspace, dataset: Dataset, runs: Sequence[Run]) -> None:
    """What the search does, what to train, how long that takes, and the button."""
    with st.container(border=True, key="new_search"):
        st.markdown(
            "**Every image is judged by models that did not train on it.** Labels that those models, the "
            "nearest images and the training itself speak against come first."
        )
        with st.container(horizontal=True, vertical_alignment="bottom", key="search_row"):
            preset = str(st.selectbox("Train with", list(PRESETS), 1, key="search_preset", width=160))
            folds = int(
                st.number_input(
                    "Folds",
                    2,
                    MOST_FOLDS,
                    N_FOLDS,
                    key="search_folds",
                    width=130,
                    help="How many trainings. Each leaves one part out and judges that.",
                )
            )
            where = engine_choice.draw("issues")
            pressed = st.button(
                "Look for label errors" if not runs else "Search again",
                type="secondary" if runs else "primary",
                icon=":material/search:",
            )
        st.caption(_takes(workspace, dataset, preset, folds))
    if pressed:
        try:
            version = current_version(workspace, dataset.name)
            recipe = PRESETS[preset]
            engine_choice.start(
                lambda: evidence.create_search(
                    workspace, dataset, recipe, label_version=version, n_folds=folds
                ),
                where,
            )
        except TidysetError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.rerun()


def _takes(workspace: Workspace, dataset: Dataset, preset: str, folds: int) -> str:
    recipe = PRESETS[preset]
    # A fold holds no validation images back, as the estimate takes it to.
    n_train = round(len(dataset.in_split("train")) * (folds - 1) / folds / (1 - recipe.validation_share))
    one = estimate(recipe, n_train, dataset.images.uniform, list_runs(workspace))
    return f"About {duration(one.seconds * folds)}" if one else "How long it takes is known after a first run"


def newest(runs: Sequence[Run]) -> Run | None:
    """The newest finished search."""
    return next((run for run in runs if status(run).state is RunState.FINISHED), None)


def found(workspace: Workspace, dataset: Dataset, run: Run) -> int | None:
    """What the newest finished search found; the position of the image that was opened just now, or None."""
    issues = _issues(run)
    _headline(workspace, dataset, run, issues)
    if not issues.n_estimated:
        return None
    effort_panel.draw(workspace, dataset, run, issues)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            rows, split, about = _chosen(dataset, issues)
            if st.button(
                f"Review the {count(len(rows))}",
                type="primary",
                icon=":material/fact_check:",
                disabled=not len(rows),
            ):
                least = issues.threshold
                handover.to_relabel(
                    QueueRequest(queue.ISSUES, run=run.id, split=split, given=about, least=least)
                )
        return _tiles(dataset, issues, rows[:SHOWN], len(rows))


@remembered()
def _issues(run: Run) -> LabelIssues:
    return load_issues(run)


@remembered()
def _judges(run: Run) -> Judges:
    return judges(_issues(run))


def _headline(workspace: Workspace, dataset: Dataset, run: Run, issues: LabelIssues) -> None:
    n, edits = issues.n_estimated, edits_since(workspace, dataset, run.label_version)
    share = f" ({100 * n / len(issues):.1f} %)" if n else ""
    what = "labels" if issues.about is None else "answers"
    st.markdown(f"**About {count(n)} of {count(len(issues))} {what} are likely wrong**{share}.")
    by = _judges(run)
    if warning := by.warning():
        st.warning(f"{by.words()} {warning}", icon=":material/casino:")
    else:
        st.caption(by.words())
    worst = issues.flagged_by_class(len(dataset.classes))
    order = [int(k) for k in np.argsort(-worst, kind="stable") if worst[k]][:3]
    words = ", ".join(f"{plain(dataset.classes[k])} ({worst[k]})" for k in order)
    after = f" {counted(edits, 'edit')} came after this search." if edits else ""
    which = "are labelled" if issues.about is None else "are about"
    st.caption(f"Most of them {which} {words}.{after}" if words else f"No class stands out.{after}")
    if issues.too_few:
        few = ", ".join(plain(dataset.classes[k]) for k in issues.too_few)
        st.caption(f"Fewer labels than folds, so not judged: {few}.")


def _chosen(dataset: Dataset, issues: LabelIssues) -> tuple[np.ndarray, str | None, int | None]:
    """Rows of the flagged labels in the chosen split and about the chosen class, and those two."""
    present = [word for word, name in SPLIT_WORDS.items() if name is None or name in dataset.splits]
    word = st.segmented_control(
        "Images",
        present,
        default="Training" if "Training" in present else "All",
        required=True,
        key="label_issues_split",
        label_visibility="collapsed",
        help="Correcting training images changes the next model, correcting test images the yardstick: "
        "look at those without seeing what the model says.",
    )
    split = SPLIT_WORDS[str(word)]
    flagged = issues.flagged
    if split is not None:
        flagged = flagged & (np.asarray(dataset.split)[issues.positions] == SPLITS.index(split))
    about = _about(dataset, issues)
    if about is not None:
        flagged = flagged & (issues.about == about)
    return np.flatnonzero(flagged), split, about


def _about(dataset: Dataset, issues: LabelIssues) -> int | None:
    """The class whose answers are to be reviewed, where images have several labels; None for all."""
    if issues.about is None:
        return None
    n = issues.flagged_by_class(len(dataset.classes))
    choices = [None, *(int(k) for k in np.argsort(-n, kind="stable") if n[k])]
    return st.selectbox(
        "About",
        choices,
        format_func=lambda k: "All classes" if k is None else f"{dataset.classes[k]} ({n[k]})",
        key="label_issues_about",
        label_visibility="collapsed",
        width=200,
        help="One class at a time is one question an image: yes, no, or cannot tell.",
    )


def _tiles(dataset: Dataset, issues: LabelIssues, rows: np.ndarray, n_all: int) -> int | None:
    if not len(rows):
        st.caption("None among these images.")
        return None
    classes = dataset.classes
    result = gallery.show(
        dataset,
        issues.positions[rows].tolist(),
        captions=[issues.change(row, classes) for row in rows],
        badges=[f"{issues.combined[row]:.2f}" for row in rows],
        key="label_issues",
        tile=TILE,
        label="Likely wrong labels",
    )
    st.caption(f"The likeliest {len(rows)} of {count(n_all)}: label → what the evidence speaks for.")
    with st.expander("Why these come first", icon=":material/help:"):
        lines = [
            f"- **{plain(issues.change(row, classes))}** "
            f"({plain(str(dataset.item_ids[issues.positions[row]]))}): {plain(issues.reason(row, classes))}"
            for row in rows[:REASONS].tolist()
        ]
        st.markdown("\n".join(lines))
    return result.clicked
