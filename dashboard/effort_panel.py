"""What reviewing the likely wrong labels has brought: errors a minute, precision by score, when to stop."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.labels.journal import LabelJournal
from core.labels.versions import LabelState
from core.quality.effort import Band, advise, bands, effort
from core.quality.label_issues import LabelIssues
from core.runs.store import Run
from core.workspace import Workspace
from dashboard import memo
from dashboard.wording import count, counted

Bools = NDArray[np.bool_]
N_BANDS = 5


def draw(workspace: Workspace, dataset: Dataset, run: Run, issues: LabelIssues) -> None:
    """The panel; nothing where no flagged label was reviewed since the search."""
    state = memo.labels(workspace, dataset)
    reviewed, is_error = _judged(state, issues)
    if not reviewed.any():
        return
    found = bands(
        np.asarray(issues.combined[: issues.n_estimated], np.float64), reviewed, is_error, n_bands=N_BANDS
    )
    edits = [edit for edit in LabelJournal(workspace).edits(dataset.name) if edit.number > run.label_version]
    done = effort(edits)
    advice = advise(done, found)
    with st.container(border=True, key="effort"):
        st.subheader("What the review has brought", anchor=False)
        tell = st.info if advice.go_on else st.success
        tell(advice.sentence, icon=":material/directions_run:" if advice.go_on else ":material/task_alt:")
        figures = (
            (
                "Reviewed since the search",
                count(done.n_reviewed),
                f"{count(int(reviewed.sum()))} flagged in all",
            ),
            ("Errors found", count(done.n_errors), _pace(done.errors_per_minute, "a minute")),
            ("Images a minute", _number(done.images_per_minute), f"{done.minutes:.1f} minutes at work"),
        )
        for column, (name, value, note) in zip(st.columns(3), figures, strict=True):
            column.metric(
                name, value, note, delta_color="off", delta_arrow="off", border=True, height="stretch"
            )
        st.dataframe(
            [_row(band) for band in found],
            hide_index=True,
            key="effort_bands",
            column_config={
                "Precision": st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100)
            },
        )
        st.caption(
            f"Precision: of the {counted(int(reviewed.sum()), 'reviewed flag')}, the share that was right."
        )


def _judged(state: LabelState, issues: LabelIssues) -> tuple[Bools, Bools]:
    """Of the flagged labels, which were reviewed, and which of those turned out wrong."""
    n = issues.n_estimated
    at, labels = issues.positions[:n], issues.labels[:n]
    left_out = np.asarray(state.excluded)[at]
    if issues.about is None:
        return np.asarray(state.reviewed[at]), (np.asarray(state.labels)[at] != labels) | left_out
    about = issues.about[:n]
    reviewed = np.zeros(n, bool)
    for k in np.unique(about).tolist():
        reviewed[about == k] = state.reviewed_for(k)[at[about == k]]
    return reviewed, (np.asarray(state.labels)[at, about] != labels) | left_out


def _row(band: Band) -> dict[str, object]:
    low, high = band.ci95
    known = band.n_reviewed > 0
    return {
        "Score": f"{band.low:.2f} to {band.high:.2f}",
        "Flagged": band.n,
        "Reviewed": band.n_reviewed,
        "Errors": band.n_errors,
        "Precision": 100 * band.precision if known else None,
        "95 %": f"{100 * low:.0f} to {100 * high:.0f} %" if known else "",
    }


def _number(value: float) -> str:
    return f"{value:.0f}" if value == value else "–"


def _pace(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}" if value == value else "no time measured yet"
