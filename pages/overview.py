"""Home: the open data set at a glance, and the next best step."""

from functools import partial

import streamlit as st

from core.labels.versions import edits_since, training_changes_since
from core.runs.store import recent_runs
from dashboard import home_panels, memo, picker, tour
from dashboard.frame import header
from dashboard.next_step import next_step
from dashboard.step_links import follow

workspace, dataset = picker.workspace(), picker.dataset()
state = memo.labels(workspace, dataset)
runs = recent_runs(workspace, dataset)


def buttons() -> None:
    """The tour, where it was left; and the dialogs that delete this data set and import another."""
    tour.resume_button(workspace)
    if st.button("Delete", icon=":material/delete:", type="tertiary", help="Delete this data set."):
        from dashboard.delete_dialog import open_delete

        open_delete(dataset)
    if st.button("Import data", icon=":material/upload:"):
        from dashboard.import_dialog import open_import

        open_import()


header(dataset.title, home_panels.sentence(dataset), buttons)
tour.offer(workspace, dataset, is_new=not runs)
step = next_step(runs, partial(training_changes_since, workspace, dataset))
if home_panels.step(step):
    follow(step)
n_edits = edits_since(workspace, dataset, 0)
home_panels.health(dataset, state, n_edits, memo.duplicates(dataset, state), runs)
left, right = st.columns([2, 1])
with left:
    home_panels.samples(dataset, state)
with right:
    home_panels.last_runs(runs)
