"""Issues: labels that are likely wrong, images that are odd or occur twice, and what to do about them."""

import streamlit as st

from dashboard import (
    issues_panels,
    issues_view,
    job_monitor,
    label_issues_panels,
    memo,
    mismatch_panels,
    picker,
)
from dashboard.frame import end_page, header

LABELS, IMAGES, CAPTIONS = "Labels", "Images", "Captions"
workspace, dataset = picker.workspace(), picker.dataset()
header("Issues", f"What is likely wrong in {dataset.title}: labels, copies, leaks, and images that are odd.")
start = IMAGES if issues_panels.ADDRESS in st.query_params else LABELS
look = st.segmented_control(
    "Look at",
    [LABELS, IMAGES, CAPTIONS] if dataset.captions is not None else [LABELS, IMAGES],
    default=start,
    required=True,
    key="look",
    bind="query-params",
)

if look == LABELS:
    runs = label_issues_panels.searches(workspace, dataset)
    label_issues_panels.start(workspace, dataset, runs)
    job_monitor.follow(runs)
    search = label_issues_panels.newest(runs)
    opened = label_issues_panels.found(workspace, dataset, search) if search is not None else None
    issues_panels.open_clicked(dataset, opened)
    end_page()

if look == CAPTIONS:
    issues_panels.open_clicked(dataset, mismatch_panels.draw(workspace, dataset))
    end_page()

state = memo.labels(workspace, dataset)
issues_panels.undo_row(workspace, dataset)
found = issues_panels.finished(issues_view.survey(workspace, dataset, state))
if found is None:
    end_page()

kind = issues_panels.kind_in_address(found)
if kind is None:
    opened = issues_panels.overview(workspace, dataset, state, found)
else:
    opened = issues_panels.in_full(workspace, dataset, state, found, kind)
issues_panels.open_clicked(dataset, opened)
