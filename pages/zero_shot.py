"""Zero-shot: classes from words alone, beside a trained run; and images by words."""

import streamlit as st

from core.data.dataset import Task
from core.embeddings.few_shot import few_shot_runs
from core.embeddings.zero_shot import zero_shot_runs
from dashboard import evaluate_view, job_monitor, picker
from dashboard import zero_shot_beside as side
from dashboard import zero_shot_panels as panels
from dashboard import zero_shot_several as several
from dashboard.frame import end_page, header
from dashboard.zero_shot_classes import per_class
from dashboard.zero_shot_few import few

workspace, dataset = picker.workspace(), picker.dataset()
header("Zero-shot", f"What CLIP makes of {dataset.title} from words alone, beside what you have trained.")
runs = zero_shot_runs(workspace, dataset)
with st.container(horizontal=True, vertical_alignment="bottom"):
    model = panels.pick_model(workspace, runs)
    split = panels.pick_split(dataset)
job_monitor.follow(runs)
job_monitor.follow(few_shot_runs(workspace, dataset))

base = panels.base_prompts(dataset, runs)
before = panels.answered(workspace, dataset, model, split, base)
if before is None:
    panels.compute(workspace, dataset, model, base)
    end_page()

LOOKS = ["Prompts", "Beside a trained run", "Few labels", "Search"]
look = st.segmented_control(
    "Look at", LOOKS, default=LOOKS[0], required=True, key="zs_look", bind="query-params"
)
if look == LOOKS[2]:
    few(workspace, dataset, model, base, panels.kept_run(runs, model, base))
    end_page()
if look == LOOKS[3]:
    side.search(workspace, dataset, model)
    side.best_of_each(dataset, base, before)
    end_page()

prompts, now = base, before
if look == LOOKS[0]:
    prompts = panels.edit_prompts(dataset, base) or base
    now = panels.answered(workspace, dataset, model, split, prompts) or before
    panels.headline(now, before)
    panels.keep(workspace, dataset, model, prompts, base)
    kept = panels.kept_run(runs, model, prompts)
    panels.matrix(dataset, prompts, kept, now)
    tuned = panels.tuned_on(workspace, dataset, model, prompts, now)
    per_class(prompts, now, before, tuned)
    side.proposals(dataset, kept, now)
elif dataset.task is Task.MULTI_LABEL:
    tuned = panels.tuned_on(workspace, dataset, model, prompts, now)
    trained = evaluate_view.finished_runs(workspace, dataset)
    several.beside(dataset, trained, prompts, now, tuned or now)
else:
    side.beside(dataset, evaluate_view.finished_runs(workspace, dataset), now)
