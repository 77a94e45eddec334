"""Many runs on the Train page: found by words and tags, side by side, grouped, exported, deleted together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from core.errors import TidysetError
from core.runs.compare import ABOUT, grouped, recipe_differences
from core.runs.export import epochs_table, runs_table, to_csv
from core.runs.recipe import Recipe
from core.runs.store import Run, RunStatus, delete_runs
from dashboard.errors import shown_as_message
from dashboard.wording import counted, duration, percent, plain

Runs = Sequence[tuple[Run, RunStatus]]
FEW = 6
"""Up to so many runs nobody needs to look for one."""


def narrowed(runs: Runs) -> list[tuple[Run, RunStatus]]:
    """The runs that have all the words in their name, notes, model or state, and all the tags."""
    if len(runs) <= FEW and not any(run.tags for run, _ in runs):
        return list(runs)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = (
            st.text_input("Find", placeholder="name, notes, model, state", key="runs_words", width=280)
            .lower()
            .split()
        )
        tags = set(st.multiselect("Tags", sorted({t for run, _ in runs for t in run.tags}), key="runs_tags"))
        by = st.selectbox(
            "Group by", [*ABOUT, *Recipe.model_fields], None, key="runs_by", placeholder="nothing", width=200
        )
    found = [
        (run, now)
        for run, now in runs
        if tags <= set(run.tags) and all(word in _text(run, now) for word in words)
    ]
    if by:
        _groups(found, str(by))
    if not found:
        st.info("No run is like that.", icon=":material/search_off:")
    return found


def _text(run: Run, now: RunStatus) -> str:
    return f"{run.name} {run.notes} {run.job.get('model', '')} {now.state}".lower()


def _groups(runs: Runs, by: str) -> None:
    rows = [
        {
            by: row[by],
            "Runs": row["n"],
            **{
                title: _with_sd(row[figure], row[f"{figure}_sd"])
                for figure, title in (("valid_accuracy", "Validation"), ("test_accuracy", "Test"))
            },
            "Time": None if row["seconds"] is None else duration(row["seconds"]),
        }
        for row in grouped(runs, by)
    ]
    st.dataframe(rows, hide_index=True, key="runs_groups")
    st.caption("Finished runs: mean and standard deviation.")


def _with_sd(mean: float | None, sd: float | None) -> str:
    if mean is None:
        return ""
    return percent(mean) + (f" ± {100 * sd:.1f}" if sd is not None else "")


def _as_csv(table: Callable[[Sequence[Run]], list[dict[str, Any]]], runs: Sequence[Run]) -> bytes:
    return to_csv(table(runs))


def several(runs: Sequence[Run]) -> None:
    """What can be done with several chosen runs, and what differs between their recipes."""
    with st.container(horizontal=True, vertical_alignment="center", key="several_actions"):
        st.markdown(f"**{counted(len(runs), 'run')}**", width="content")
        for name, table in (("Runs", runs_table), ("Epochs", epochs_table)):
            st.download_button(
                f"{name} as CSV",
                partial(_as_csv, table, runs),
                f"{name.lower()}.csv",
                "text/csv",
                icon=":material/download:",
                key=f"csv_{name}",
            )
        with st.popover("Delete", icon=":material/delete:"):
            st.markdown(f"Delete {', '.join(f'**{plain(run.name)}**' for run in runs)}, with their weights?")
            if st.button(f"Delete {len(runs)} runs", type="primary", key="delete_several"):
                with shown_as_message():
                    delete_runs(runs)
                    st.rerun()
    try:
        differences = recipe_differences(runs)
    except TidysetError as error:
        st.warning(plain(str(error)), icon=":material/error:")
        return
    if not differences:
        st.caption("They have the same recipe, data and labels.")
        return
    st.caption("What differs between them:")
    rows = [
        {"Field": name, **{run.name: str(value) for run, value in zip(runs, values, strict=True)}}
        for name, values in differences.items()
    ]
    st.dataframe(rows, hide_index=True, key="runs_differences")
