"""Evaluate: how good a run is, where it goes wrong, and whether another is better."""

from functools import partial

import streamlit as st

from core.data.dataset import Task
from core.labels.versions import newest_version
from dashboard import (
    compare_panels,
    evaluate_panels,
    evaluate_view,
    links,
    multilabel_panels,
    multilabel_view,
    picker,
    stale,
)
from dashboard.frame import end_page, header
from dashboard.wording import plain

workspace, dataset = picker.workspace(), picker.dataset()
version = newest_version(workspace, dataset)
runs = evaluate_view.answering_runs(workspace, dataset)

if not runs:
    header("Evaluate", "How good a model is, and where it goes wrong.")
    with st.container(border=True):
        st.markdown(f"There is no finished run on **{plain(dataset.title)}** yet.")
        st.caption("Train a model first; its confusion matrix, its mistakes and its calibration appear here.")
        if st.button("Train a model", type="primary", icon=":material/model_training:"):
            st.switch_page(links.TRAIN)
    end_page()

heading = st.container()
with st.container(horizontal=True, vertical_alignment="bottom"):
    run = evaluate_panels.pick_run(runs)
    others = [other for other in runs if other.id != run.id]
    baseline = evaluate_panels.pick_baseline(others)
    splits = evaluate_view.splits_of(run)
    if baseline is not None:
        split = evaluate_panels.pick_split(splits, first="test", key="compare_images")
    else:
        split = evaluate_panels.pick_split(splits, first="val", key="images")
        labels = evaluate_panels.pick_labels(evaluate_view.choices_of_labels(workspace, dataset, version))
stale.draw("finished run")
stale.draw("other finished run")

if baseline is not None:
    with heading:
        header("Evaluate", f"Is {run.name} better than {baseline.name}, on the same images?")
    compare_panels.draw(workspace, dataset, (baseline, run), split, version)
    end_page()

if dataset.task is Task.MULTI_LABEL:
    with heading:
        header("Evaluate", f"How well {run.name} tells each label, and where it goes wrong.")
    answers = multilabel_view.evaluation(dataset, run, split, labels)
    multilabel_panels.draw(dataset, run, answers, split)
    end_page()

evaluated = evaluate_view.evaluation(dataset, run, split, labels)
with heading:
    header(
        "Evaluate",
        f"How good {run.name} is, and where it goes wrong.",
        partial(evaluate_panels.review_button, run, split, len(evaluated.mistakes)),
    )
evaluate_panels.headline(evaluated, split)
evaluate_panels.remarks(evaluated)
evaluate_panels.matrix(dataset, run, evaluated, split)
left, right = st.columns([3, 2])
with left:
    evaluate_panels.per_class(evaluated)
with right:
    evaluate_panels.calibration(evaluated)
evaluate_panels.threshold(dataset, run, evaluated, split)
evaluate_panels.surest_mistakes(dataset, run, evaluated)
