"""The table of runs: choose some to lay their curves over each other, or one to do something with."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.errors import BadInput
from core.files import digest
from core.runs.store import Run, RunState, RunStatus, delete_run, list_runs, rename_run, set_notes, set_tags
from core.workspace import Workspace
from dashboard import handover, run_monitor
from dashboard.errors import shown_as_message
from dashboard.run_figures import right_share
from dashboard.wording import plain

_RIGHT = "The share that is right; where images have several labels, with all of them right."
_COLUMNS = {
    "Validation": st.column_config.NumberColumn(format="%.1f %%", help=f"{_RIGHT} Of the validation images."),
    "Test": st.column_config.NumberColumn(format="%.1f %%", help=f"{_RIGHT} Of the test images."),
    "Created": st.column_config.DatetimeColumn(format="distance"),
    "Time": st.column_config.NumberColumn(format="%d s"),
}


def draw(runs: Sequence[tuple[Run, RunStatus]]) -> list[Run]:
    """The table; returns the selected runs, in its order."""
    rows = [_row(run, now) for run, now in runs]
    key = f"runs_{digest([run.id for run, _ in runs])[:8]}"  # a new list starts with nothing selected
    picked = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        column_config=_COLUMNS,
        key=key,
        placeholder="",
    )
    return [runs[i][0] for i in picked.selection.rows if i < len(runs)]


def _row(run: Run, now: RunStatus) -> dict[str, object]:
    from datetime import UTC, datetime

    epochs = [e for e in now.epochs if e.get("valid_macro_auc") is None]  # of several labels none says this
    on_the_way = [float(e["valid_accuracy"]) for e in epochs if e.get("valid_accuracy") is not None]
    validation = None if now.state.active else max(on_the_way, default=None)
    by_summary = right_share(now.summary, "valid")
    return {
        "Run": run.name,
        "State": "crashed" if now.state is RunState.LOST else str(now.state),
        "Model": _model(run),
        "Validation": _percent(validation if by_summary is None else by_summary),
        "Test": _percent(right_share(now.summary, "test")),
        "Epochs": None if now.state.active else len(now.epochs),  # the progress bar counts them meanwhile
        "Time": _seconds(now),
        "Labels": "given" if run.label_version == 0 else f"version {run.label_version}",
        "Created": datetime.fromtimestamp(run.created, UTC),
        "Tags": list(run.tags),
        "Notes": run.notes,
    }


def _seconds(now: RunStatus) -> int | None:
    """Rounded as times are in words; the column's format would cut."""
    seconds = now.summary.get("seconds")
    return None if seconds is None else round(float(seconds))


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * float(share)


def _model(run: Run) -> str:
    """From run.json; earlier versions wrote it into the recipe only, which takes longer to read."""
    try:
        return str(run.job.get("network") or run.job.get("model") or run.recipe.network)
    except BadInput:
        return "?"  # a damaged recipe; the run's other files may be sound


def actions(workspace: Workspace, run: Run, now: RunStatus) -> None:
    """What can be done with one run."""
    with st.container(horizontal=True, vertical_alignment="center", key="run_actions"):
        st.markdown(f"**{plain(run.name)}** {run_monitor.badge(now.state)}", width="content")
        if now.state is RunState.FINISHED and st.button("Evaluate", icon=":material/grid_on:"):
            handover.to_evaluate(run)
        if now.state.active:
            run_monitor.stop_button(run, "action_stop")
        if now.state in (RunState.STOPPED, RunState.FAILED, RunState.LOST):
            run_monitor.resume_button(run, "action_resume")
        with st.popover("Rename", icon=":material/edit:"):
            _rename(workspace, run)
        with st.popover("Notes", icon=":material/notes:"):
            text = st.text_area("Notes", run.notes, key=f"notes_{run.id}")
            if st.button("Keep", key=f"keep_{run.id}"):
                set_notes(run, text)
                st.rerun()
        with st.popover("Tags", icon=":material/sell:"):
            _tags(workspace, run)
        with st.popover("Delete", icon=":material/delete:", disabled=now.state.active):
            st.markdown(f"Delete **{plain(run.name)}**, its weights and its predictions?")
            if st.button("Delete it", type="primary", key=f"delete_{run.id}"):
                delete_run(run)
                st.rerun()


def _tags(workspace: Workspace, run: Run) -> None:
    known = sorted({tag for one in list_runs(workspace) for tag in one.tags})
    tags = st.multiselect("Tags", known, run.tags, accept_new_options=True, key=f"tags_{run.id}")
    if st.button("Keep", key=f"keep_tags_{run.id}"):
        with shown_as_message():
            set_tags(run, tags)
            st.rerun()


def _rename(workspace: Workspace, run: Run) -> None:
    name = st.text_input("Name", run.name, key=f"name_{run.id}")
    if st.button("Rename it", key=f"rename_{run.id}"):
        with shown_as_message():
            rename_run(workspace, run, name)
            st.rerun()
