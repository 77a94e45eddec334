"""Making a map: which features, which method, and the button."""

from __future__ import annotations

from typing import Literal, get_args

import streamlit as st

from core.data.dataset import Dataset
from core.embeddings.clip_models import list_models
from core.embeddings.features import FeatureSource, named
from core.embeddings.maps import KIND, XY, MapRequest, Method, Metric, create_map, placed_on
from core.embeddings.shards import are_computed
from core.engines import EnginePlan, assign
from core.runs.store import Run, list_runs
from core.workspace import Workspace
from dashboard import embeddings_panels, engine_choice, evaluate_view
from dashboard.embeddings_view import METHODS
from dashboard.errors import shown_as_message
from dashboard.wording import plain

MAX_RUNS = 12
BACKBONES = ("resnet18", "convnext_tiny", "vit_small_patch14_dinov2")
OWN = "A map of their own"
HELP = {
    "onto": "New images can be placed among those of a finished map of other data, which does not change.",
    "source": "What says which images are alike. A model's features show what it tells apart.",
    "method": "UMAP keeps neighbours together. Principal components are there at once and keep distances.",
    "n_neighbors": "Few show detail, many the whole.",
    "min_dist": "How closely points may lie.",
    "metric": "Cosine looks at directions only: usual for CLIP.",
    "seed": "The same seed makes the same map; another one shows what is chance.",
}


def sources(workspace: Workspace, dataset: Dataset) -> dict[str, FeatureSource]:
    """What features can be had, by name for people; the best first."""
    found = {
        f"Run {run.name}": FeatureSource("run", run.id)
        for run in evaluate_view.finished_runs(workspace, dataset)[:MAX_RUNS]
    }
    found["Raw pixels"] = FeatureSource("pixels")
    for model in list_models(workspace):
        where = "" if model.is_local else " (fetched when needed)"
        found[f"CLIP {model.key}{where}"] = FeatureSource("clip", model.key)
    for name in BACKBONES:
        found[f"{name}, pretrained (fetched when needed)"] = FeatureSource("backbone", name)
    return found


def bases(workspace: Workspace, dataset: Dataset) -> dict[str, Run]:
    """Finished maps of other data, by name for people: these images can be placed on them."""
    return {
        f"{run.name} of {run.dataset}": run
        for run in list_runs(workspace, kind=KIND)
        if run.fingerprint != dataset.fingerprint and (run.folder / XY).exists()
    }


def button(workspace: Workspace, dataset: Dataset, *, is_main: bool = True) -> None:
    """The form behind a button, usually the main one of the page, at its head."""
    kind: Literal["primary", "secondary"] = "primary" if is_main else "secondary"
    with st.popover("New map", icon=":material/add:", type=kind), shown_as_message():
        others = bases(workspace, dataset)
        where = OWN
        if others:
            where = st.selectbox("Place them on", [OWN, *others], key="new_onto", help=HELP["onto"])
        if where == OWN:
            request = _choices(workspace, dataset)
        else:
            request = placed_on(others[where])
            features = named(workspace, request.source).title
            st.caption(f"By {plain(features)}, as that map was made; it stays as it is.")
        plan = EnginePlan()
        if are_computed(workspace, dataset, request.source):
            plan = engine_choice.fields("map", engine_choice.SHARDS)
        if st.button("Make the map", type="primary", key="make_map"):
            engine_choice.check(plan)
            embeddings_panels.start(assign(create_map(workspace, dataset, request), plan))


def _choices(workspace: Workspace, dataset: Dataset) -> MapRequest:
    by_title = sources(workspace, dataset)
    title = st.selectbox("Features", [*by_title], key="new_source", help=HELP["source"])
    method: Method = st.selectbox(
        "Method", get_args(Method), format_func=METHODS.__getitem__, key="new_method", help=HELP["method"]
    )
    with st.container(horizontal=True):
        n_neighbors = st.number_input("Neighbours", 2, 200, 15, key="new_k", help=HELP["n_neighbors"])
        min_dist = st.number_input("Distance", 0.0, 1.0, 0.1, 0.05, key="new_gap", help=HELP["min_dist"])
    with st.container(horizontal=True):
        metric: Metric = st.selectbox("Metric", get_args(Metric), key="new_metric", help=HELP["metric"])
        seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="new_seed", help=HELP["seed"])
    return MapRequest(by_title[title], method, n_neighbors, min_dist, metric, seed)


def nothing_yet(workspace: Workspace, dataset: Dataset) -> None:
    """What to do where there is no map: make one of the best features at hand."""
    title, source = next(iter(sources(workspace, dataset).items()))
    with st.container(border=True, key="no_map"):
        st.markdown("**There is no map yet.** A map shows every image as a point, near to those like it.")
        what = "the pixels themselves" if source.kind == "pixels" else f"what {plain(title.lower())} sees"
        st.caption(f"The best features at hand are {what}. A first view is there in seconds, the map after.")
        if st.button(f"Make a map of {title.lower()}", type="primary", icon=":material/scatter_plot:"):
            embeddings_panels.start(create_map(workspace, dataset, MapRequest(source)))
        if bases(workspace, dataset):
            button(workspace, dataset, is_main=False)
