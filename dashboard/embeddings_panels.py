"""The Embeddings page's panels: make a map, choose one, look at it, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data.dataset import Dataset, Task
from core.embeddings.label_lift import LabelLift
from core.embeddings.maps import PCA, XY, request_of
from core.embeddings.purity import Overlap
from core.embeddings.quality import CANNOT_TELL
from core.runs import launch
from core.runs.store import Run, delete_run, status
from core.workspace import Workspace
from dashboard import embedding_map, embeddings_state, evaluate_view
from dashboard.charts import embeddings as charts
from dashboard.charts.template import CONFIG
from dashboard.embedding_map import standalone
from dashboard.embedding_map.outline import drawn_on_chart
from dashboard.embeddings_view import (
    CLASS_NAMES,
    ISLAND_NAMES,
    NO_NAMES,
    View,
    title_of,
)
from dashboard.errors import shown_as_message
from dashboard.wording import count, counted, percent, plain

NO_MAP = ""
HEIGHT, SIDE_BY_SIDE = 600, 460
MAP, OTHER = "embeddings_map", "embeddings_other"
Positions = NDArray[np.int64]


def wait_for_points(run: Run) -> None:
    """While not even the principal components are there: look again, or say why none will come."""
    now = status(run)
    if not now.state.active:
        why = f" {plain(now.error)}" if now.error else ""
        st.info(f"{plain(run.name)} has no points.{why}", icon=":material/scatter_plot:")
        st.caption("Choose another map, delete this one, or make a new one.")
        return

    @st.fragment(run_every=1.0)
    def waiting() -> None:
        with shown_as_message():
            if (run.folder / PCA).exists() or not status(run).state.active:
                st.rerun(scope="app")

    waiting()


def has_points(run: Run) -> bool:
    """Whether there is something of the map to show."""
    return (run.folder / XY).exists() or (run.folder / PCA).exists()


def pick_maps(workspace: Workspace, maps: Sequence[Run]) -> tuple[Run, Run | None]:
    """Which map to look at, and which beside it, if any; both are part of the address."""
    titles = {run.id: f"{run.name} · {title_of(workspace, request_of(run))}" for run in maps}
    by_id = {run.id: run for run in maps}
    first = _pick("Map", "map", list(by_id), titles, 300)
    others = [NO_MAP, *(id_ for id_ in by_id if id_ != first)]
    titles[NO_MAP] = "No other map"
    second = _pick("Beside it", "beside", others, titles, 200) if len(maps) > 1 else NO_MAP
    return by_id[first], by_id.get(second)


def _pick(title: str, key: str, ids: list[str], titles: Mapping[str, str], width: int) -> str:
    """A picker whose choice is a map's id in the address, under ``key``."""
    asked = st.query_params.get(key, NO_MAP)
    if st.session_state.get(f"{key}_addressed") != asked or st.session_state.get(key) not in ids:
        st.session_state[key] = asked if asked in ids else ids[0]
    chosen = str(st.selectbox(title, ids, format_func=lambda id_: titles[id_], key=key, width=width))
    if chosen != ids[0] or asked:
        st.query_params[key] = chosen
    st.session_state[f"{key}_addressed"] = st.query_params.get(key, NO_MAP)
    return chosen


def pick_judge(workspace: Workspace, dataset: Dataset, shown: Run) -> Run | None:
    """Whose guesses are shown: the run in the address, else that of the features, else the newest."""
    if dataset.task is not Task.SINGLE_LABEL:
        return None
    runs = evaluate_view.finished_runs(workspace, dataset)
    if not runs:
        return None
    source = request_of(shown).source.name
    asked = st.query_params.get("run", source)
    default = next((run for run in runs if asked in (run.id, run.name)), runs[0])
    names = [run.name for run in runs]
    if st.session_state.get("embeddings_judge_for") != (shown.id, asked):
        st.session_state["embeddings_judge"] = default.name
        st.session_state["embeddings_judge_for"] = (shown.id, asked)
    name = st.selectbox("Guesses of", names, key="embeddings_judge", width=150)
    return runs[names.index(name)] if name in names else runs[0]


def pick_colour(view: View) -> str:
    """What the points are coloured by; part of the address."""
    titles = {name: attribute.title for name, attribute in view.attributes.items()}
    chosen = st.selectbox("Colour by", list(titles.values()), key="colour", bind="query-params", width=150)
    return next((name for name, title in titles.items() if title == chosen), "label")


def pick_names() -> str:
    """Which names stand on the map."""
    names = [CLASS_NAMES, ISLAND_NAMES, NO_NAMES]
    return str(
        st.selectbox(
            "Names",
            names,
            key="names",
            bind="query-params",
            width=120,
            help="Classes: where most of each class lies. Islands: the dense parts and what they hold.",
        )
    )


def pick_contours(view: View) -> bool:
    """Whether lines around the dense parts are drawn; for placed images, those of the map beneath."""
    is_placed = bool(view.map.request.onto)
    title, key = ("The map beneath", "beneath") if is_placed else ("Contours", "contours")
    help = "Lines around the densest half, four fifths and nineteen twentieths of the points"
    return bool(st.toggle(title, is_placed, key=key, bind="query-params", help=f"{help}."))


def send(dataset: Dataset, view: View, colour: str, names: str, contours: bool) -> None:
    """The map as a page of its own, made when it is asked for."""
    st.download_button(
        "HTML",
        lambda: standalone.page_of(
            dataset,
            view.cloud(dataset, _known(view, colour), names, None, contours=contours),
            f"{dataset.title}. {view.figures}",
            [*view.sentences, CANNOT_TELL],
        ),
        file_name=f"{dataset.name}-map.html",
        mime="text/html",
        icon=":material/download:",
        on_click="ignore",
        key="send_map",
        help="The map as one page, with its images, that opens in any browser without a server.",
    )


def _known(view: View, colour: str) -> str:
    """That colouring, where the view has it."""
    return colour if colour in view.attributes else "label"


def manage(maps: Sequence[Run], shown: Run) -> None:
    """Deletes the shown map after a second click."""
    with st.popover("", icon=":material/delete:", help="Delete this map"):
        st.markdown(
            f"Delete **{plain(shown.name)}**? Its features stay in the cache; labels are not touched."
        )
        going = status(shown).state.active
        if st.button("Delete the map", type="primary", disabled=going, key="delete_map"):
            delete_run(shown)
            st.query_params.pop("map", None)
            st.rerun()
        if going:
            st.caption("Stop it first.")
        st.caption(f"{counted(len(maps), 'map')} of this data set.")


def draw_maps(
    dataset: Dataset,
    views: Mapping[str, View],
    colour: str,
    names: str,
    contours: bool,
    selected: Positions | None,
) -> int | None:
    """The maps side by side, linked by what is selected; the position that was opened just now, or None."""
    cell, searched = embeddings_state.chosen_cell(dataset), embeddings_state.found(dataset)
    drawn = embeddings_state.active_outline(dict(views))
    opened = None
    for column, (key, view) in zip(st.columns(len(views)), views.items(), strict=True):
        lit = embeddings_state.narrowed(view, cell, searched)
        if drawn is not None and drawn[0] != key and selected is not None:
            lit = np.isin(view.map.positions, selected)
        with column:
            if len(views) > 1:
                st.caption(f"**{plain(view.title)}**{_quality_in_short(view)}")
            cloud = view.cloud(dataset, _known(view, colour), names, lit, contours=contours)
            height = SIDE_BY_SIDE if len(views) > 1 else HEIGHT
            cleared = embeddings_state.cleared(key)
            done = embedding_map.show(dataset, cloud, key=key, height=height, clear=cleared)
            if done.is_unsupported:
                _plain_chart(dataset, view, colour, lit, key)
            opened = done.clicked if opened is None else opened
    return opened


def _quality_in_short(view: View) -> str:
    quality = view.map.quality
    return f"  \ntrustworthiness {quality.trustworthiness:.3f}" if quality else ""  # on a line of its own


def _plain_chart(dataset: Dataset, view: View, colour: str, lit: NDArray[np.bool_] | None, key: str) -> None:
    """The map without WebGL2; what is selected on it counts as found."""
    attribute = view.attributes[_known(view, colour)]
    n = len(view.map)
    if n > charts.MOST_POINTS:
        st.caption(f"A sample of {count(charts.MOST_POINTS)} of {count(n)} points.")
    state = st.plotly_chart(
        charts.scatter(view.map.xy, attribute, lit),
        key=f"{key}_plain",
        config=CONFIG,
        on_select="rerun",
        selection_mode=("lasso", "box"),
        alt=view.summary,
    )
    drawn = {kind: state.selection.get(kind) for kind in ("lasso", "box")}
    last = f"{key}_plain_drawn"
    if any(drawn.values()) and drawn != st.session_state.get(last):
        st.session_state[last] = drawn
        marks = drawn_on_chart(drawn, view.map.xy)
        embeddings_state.keep_found(dataset, "Drawn around", view.map.positions[marks])
        st.rerun(scope="fragment")


def trust(view: View) -> None:
    """How far the map can be trusted, and what it cannot tell."""
    quality = view.map.quality
    st.subheader("How far to trust it", anchor=False)
    if quality is None:
        st.caption("Measured once the map is finished." if not view.map.is_final else "Not measured.")
    else:
        figures = [
            (
                "Trustworthiness",
                f"{quality.trustworthiness:.3f}",
                "neighbours on the map are neighbours in truth",
            ),
            ("Continuity", f"{quality.continuity:.3f}", "neighbours in truth are neighbours on the map"),
        ]
        if quality.purity is not None:
            figures.append(("Purity", percent(quality.purity), "of neighbours on the map share the label"))
        for name, value, note in figures:
            st.metric(
                name, value, help=f"{note.capitalize()}. 1 is perfect, for the {quality.n_neighbors} nearest."
            )
    st.caption(CANNOT_TELL.split(". ")[0] + ".", help=CANNOT_TELL)


def mixed(view: View) -> None:
    """Which classes the features mix, or which of several labels lie together, in words and as a table."""
    st.subheader("What is mixed" if view.several is None else "What lies together", anchor=False)
    if view.overlap is None and view.lift is None:
        st.caption("Told once the neighbours of each image are known.")
        return
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in view.sentences))
    if view.overlap is not None:
        _each_class(view, view.overlap)
    elif view.lift is not None:
        _each_label(view, view.lift)


def _each_class(view: View, overlap: Overlap) -> None:
    known = np.flatnonzero(overlap.counts[: view.n_classes])
    rows = []
    for k in known[np.argsort(overlap.purity[known])]:
        others = np.argsort(-np.where(np.arange(len(overlap.shares)) == k, -1, overlap.shares[k]))
        rows.append(
            {
                "Class": view.names[k],
                "Own neighbours": 100 * float(overlap.purity[k]),
                "Next": view.names[others[0]],
                "Share": 100 * float(overlap.shares[k, others[0]]),
                "Images": int(overlap.counts[k]),
            }
        )
    with st.expander("Each class", icon=":material/table:"):
        columns = {"Own neighbours": _bar(), "Share": _number("%.0f %%")}
        st.dataframe(rows, hide_index=True, column_config=columns, key="overlap")


def _each_label(view: View, found: LabelLift) -> None:
    rows = [
        {
            "Label": view.names[k],
            "Among neighbours": 100 * float(found.among_neighbours[k]),
            "Of all images": 100 * float(found.among_all[k]),
            "Times": float(found.lift[k]),
            "Images": int(found.counts[k]),
        }
        for k in found.order
    ]
    with st.expander("Each label", icon=":material/table:"):
        columns = {"Among neighbours": _bar(), "Of all images": _number("%.0f %%"), "Times": _number("%.1f")}
        st.dataframe(rows, hide_index=True, column_config=columns, key="label_lift")
        st.caption("Known labels only. Times: how many times more often among neighbours than anywhere.")


def _bar() -> Any:
    return st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100, width="small")


def _number(format: str) -> Any:
    return st.column_config.NumberColumn(format=format, width="small")


def start(run: Run) -> None:
    """Start the worker of a new map and look at it."""
    launch.start(run)
    st.query_params["map"] = run.id
    st.rerun()
