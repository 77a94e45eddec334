"""What to label next: a strategy asks, the Relabel page shows."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.data.dataset import Dataset, is_labelled
from core.quality.active import STRATEGIES
from core.quality.active_queue import next_items, next_queue
from core.runs.store import Run, list_runs
from core.workspace import Workspace
from dashboard import handover, links, memo
from dashboard.progress import progress
from dashboard.wording import counted

HELP = {
    "random": "Any images: what the others must beat.",
    "least-confident": "Whose likeliest class is least likely.",
    "margin": "Whose two likeliest classes are closest.",
    "entropy": "Whose probabilities are most even.",
    "badge": "From which the model would learn most, and each something else.",
    "core-set": "Furthest from all that is labelled.",
    "typical": "The most ordinary of each group: best where there is next to no label yet.",
}
FEW = 250
"""Labels that a copy to try it with keeps, at most."""


def finished_runs(workspace: Workspace, dataset: Dataset) -> list[Run]:
    """Trainings on the data set that have guesses and features, newest first."""
    return [
        run
        for run in list_runs(workspace, dataset=dataset.name)
        if run.features_file.exists() and run.predictions_file.exists()
    ]


def n_unlabelled(workspace: Workspace, dataset: Dataset) -> int:
    """Training images that could be labelled next."""
    state = memo.labels(workspace, dataset)
    missing = ~is_labelled(np.asarray(state.labels)) & ~np.asarray(state.excluded)
    return int(missing[dataset.in_split("train")].sum())


def n_unknown(workspace: Workspace, dataset: Dataset) -> int:
    """Labels of training images that are unknown, where images have several; 0 where they have one."""
    state = memo.labels(workspace, dataset)
    labels = np.asarray(state.labels)
    if labels.ndim == 1:
        return 0
    train = dataset.in_split("train")
    return int(np.isnan(labels[train][~np.asarray(state.excluded)[train]]).sum())


def all_labelled(dataset: Dataset, n_unknown: int) -> None:
    """What to do where every image has a label: fill in those that are unknown, or try it with few."""
    if n_unknown:
        with st.container(border=True, key="some_unknown"):
            st.markdown(
                "**Every training image has a label that is known, but not all of its labels are:** "
                f"{counted(n_unknown, 'label')} {'is' if n_unknown == 1 else 'are'} unknown. "
                "Fill in says which of them a model can tell, and how often it is right."
            )
            if st.button("Open Fill in", type="primary", icon=":material/auto_fix_high:"):
                st.switch_page(links.FILL)
        return
    with st.container(border=True, key="all_labelled"):
        st.markdown(
            "**Every training image has a label.** Which of them are likely wrong, Issues says. "
            "To try what a few labels would do, make a copy of this data set with most of them hidden:"
        )
        n = min(FEW, len(dataset.in_split("train")) // 2)
        command = f"uv run tidyset data hide {dataset.name} --name {dataset.name}-few --labels {n}"
        st.code(command, language=None, wrap_lines=True)  # what scrolls sideways, keys cannot reach
        if st.button("Look for wrong labels", type="primary", icon=":material/troubleshoot:"):
            st.switch_page(links.ISSUES)


def ask(workspace: Workspace, dataset: Dataset, runs: list[Run]) -> None:
    """Choose a run, a strategy and a number; the queue opens on Relabel."""
    names = {run.name: run for run in runs}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Run", list(names), key="active_run", width=240)
        strategy = st.selectbox(
            "Strategy", STRATEGIES, STRATEGIES.index("margin"), key="active_strategy", width=220
        )
        n = st.number_input("Images", 1, 5_000, 50, 10, key="active_n", width=150)
        wanted = st.button("Review these", type="primary", icon=":material/fact_check:")
    st.caption(HELP[strategy])
    if wanted:
        with progress("Choosing") as on_share:
            items = next_items(workspace, dataset, names[name], strategy, int(n), on_share=on_share)
        handover.to_relabel(next_queue(items, names[name]))
