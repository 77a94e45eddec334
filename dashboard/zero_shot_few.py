"""The panels of the Zero-shot page on a few labels: curves up to 16 a class, and CLIP averaged with a run."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.data.dataset import Dataset, Task
from core.embeddings import few_shot as fs
from core.embeddings import zero_shot as zs
from core.embeddings.clip_models import ClipModel
from core.embeddings.prompts import PromptSet
from core.embeddings.zero_shot import ZeroShotRequest
from core.errors import BadInput, TidysetError
from core.files import Json
from core.runs import launch
from core.runs.store import Run, RunState, status
from core.workspace import Workspace
from dashboard import evaluate_view, memo
from dashboard.charts import few_shot as chart
from dashboard.errors import show_error, shown_as_message
from dashboard.wording import count, counted, percent, plain, points


def few(
    workspace: Workspace, dataset: Dataset, model: ClipModel, prompts: PromptSet, clip: Run | None
) -> None:
    """What 1 to 16 labels a class add to the words, and what CLIP adds to a trained run.

    Args:
        clip: The finished zero-shot run of these prompts; None where they are not kept.
    """
    with shown_as_message(), st.container(border=True):
        st.subheader("From zero to few labels", anchor=False)
        run = _newest(fs.few_shot_runs(workspace, dataset), model)
        if run is not None:
            _curves(run, fs.read_curve(run))
        _draw_button(workspace, dataset, ZeroShotRequest(model, prompts), again=run is not None)
    if dataset.task is Task.SINGLE_LABEL:
        with st.container(border=True):
            _averaged(evaluate_view.finished_runs(workspace, dataset), clip)


def _newest(runs: Sequence[Run], model: ClipModel) -> Run | None:
    """The newest finished curve of this model."""
    for run in runs:
        if status(run).state is RunState.FINISHED and zs.request_of(run).model == model:
            return run
    return None


def _curves(run: Run, found: Json) -> None:
    chart.draw(found, key=f"zs_few_{run.id}")
    last = [row for row in found["rows"] if row["shots"] == found["rows"][-1]["shots"]]
    said = ", ".join(
        f"{row['method']} {percent(row['mean'])} ({percent(row['low'])} to {percent(row['high'])})"
        for row in last
    )
    st.caption(
        f"{plain(run.name)}: {counted(found['n_test'], 'test image')}, "
        f"{found['n_seeds']} draws of other images. "
        f"With {last[0]['shots']} labels a class: {said}; words alone {percent(found['zero_shot'])}."
    )


def _draw_button(workspace: Workspace, dataset: Dataset, request: ZeroShotRequest, *, again: bool) -> None:
    """Has a worker draw the curve; it encodes only the images it draws."""
    if "test" not in dataset.splits or "train" not in dataset.splits:
        st.caption("It takes training images to draw labels from and test images to measure on.")
        return
    if not again:
        st.caption(
            "A worker draws 1, 2, 4, 8 and 16 labelled images a class, three times, "
            "and measures a linear probe and Tip-Adapter on the test images."
        )
    label = "Draw the curves again" if again else "Draw the curves"
    if st.button(label, type="secondary" if again else "primary", icon=":material/show_chart:", key="zs_few"):
        try:
            launch.start(fs.create_few_shot(workspace, dataset, request))
        except TidysetError as error:
            show_error(error)
        else:
            st.rerun()


@st.fragment
def _averaged(trained: Sequence[Run], clip: Run | None) -> None:
    """A trained run and CLIP averaged, with the weight that is best on validation images."""
    with shown_as_message():
        st.subheader("Averaged with a trained run", anchor=False)
        if not trained:
            st.caption("Nothing is trained on these images yet.")
            return
        if clip is None:
            st.caption("Keep these prompts first: their answers are what is averaged.")
            return
        names = [run.name for run in trained]
        name = st.selectbox("Trained run", names, key="zs_blend", width=260)
        try:
            found = fs.blend(
                memo.predictions(trained[names.index(str(name))]),
                memo.predictions(clip),
            )
        except BadInput as error:
            st.caption(plain(str(error)))
            return
        _blended(str(name), found)


def _blended(name: str, found: fs.Blend) -> None:
    cards = ((name, found.model), ("CLIP", found.clip), ("Averaged", found.blended))
    for column, (title, value) in zip(st.columns(3), cards, strict=True):
        change = value - found.model
        column.metric(
            plain(title),
            percent(value),
            points(change) if title == "Averaged" and change else None,
            border=True,
            height="stretch",
        )
    st.caption(
        f"CLIP counts {found.weight:.2f}, the best on {counted(found.n_validation, 'validation image')}; "
        f"accuracies on {count(found.n)} test images, which that choice never saw."
    )
