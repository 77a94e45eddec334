"""Issues: what is wrong with the images, and what to do about it."""

import streamlit as st

from dashboard import cached, issues_panels, issues_view, picker
from dashboard.frame import header

workspace, dataset = picker.workspace(), picker.dataset()
header("Issues", f"What is wrong with the images of {dataset.title}: copies, leaks, and images that are odd.")
state = cached.labels(workspace, dataset)
issues_panels.undo_row(workspace, dataset)
found = issues_panels.finished(issues_view.survey(workspace, dataset, state))
if found is None:
    st.stop()

kind = issues_panels.kind_in_address(found)
if kind is None:
    opened = issues_panels.overview(workspace, dataset, state, found)
else:
    opened = issues_panels.in_full(workspace, dataset, state, found, kind)
issues_panels.open_clicked(dataset, opened)
