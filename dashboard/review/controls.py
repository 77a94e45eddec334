"""The controls above the review component: which queue, of which model, under whose name."""

from __future__ import annotations

import getpass
import os

import streamlit as st

from core.data.dataset import SPLITS, Dataset
from core.evaluation.predictions import Predictions, load_predictions
from core.labels.versions import LabelState
from core.quality import queue as queues
from core.quality.evidence import newest_search
from core.quality.label_issues import load_issues
from core.quality.queue import QueueRequest, build_queue
from core.runs.store import Run, RunState, find_run
from core.workspace import Workspace
from dashboard import cached, handover, review
from dashboard.handover import KIND_TITLES

ANY = "Any"
_SHEAF = "relabel_sheaf"
_WHO = "annotator"


def finished_runs(workspace: Workspace, dataset: Dataset) -> list[Run]:
    """Runs whose guesses can be reviewed, newest first."""
    recent = cached.recent_runs(workspace, dataset, n=100)
    return [
        run for run, status in recent if status.state is RunState.FINISHED and run.predictions_file.exists()
    ]


def annotator() -> None:
    """Draw the field for the name that edits are written under."""
    st.session_state[_WHO] = name()  # also keeps it while other pages are shown
    with st.popover(f"Labelling as {st.session_state[_WHO]}", icon=":material/person:"):
        st.text_input("Your name, for the history of the labels", key=_WHO, max_chars=100)


def name() -> str:
    """The name that edits are written under; kept for the session."""
    return str(st.session_state.get(_WHO) or "").strip() or _account() or "annotator"


def _account() -> str:
    try:
        return os.environ.get("TIDYSET_USER") or getpass.getuser()
    except (OSError, KeyError):
        return ""


def request(workspace: Workspace, dataset: Dataset, runs: list[Run]) -> tuple[QueueRequest, Run | None]:
    """Draw the controls; returns what they ask for, and the run to train again on what is found."""
    picked = st.query_params.get(handover.PICKED)
    search = newest_search(workspace, dataset)
    kinds = [kind for kind in queues.KINDS if runs or kind not in queues.NEED_A_RUN]
    if search is None:
        kinds.remove(queues.ISSUES)
    kinds = [kind for kind in kinds if kind not in (queues.SELECTION, queues.CELL)]
    if picked:
        kinds.append(queues.SELECTION)
    titles = [KIND_TITLES[kind] for kind in kinds]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = st.selectbox("Show", titles, key=handover.KIND, bind="query-params", width=200)
        kind = kinds[titles.index(title)]
        run = _run(runs) if kind != queues.ISSUES else next(iter(runs), None)
        present = list(dataset.splits)
        split = st.selectbox("Split", [ANY, *present], key=handover.SPLIT, bind="query-params", width=100)
        given = st.selectbox(
            "Label", [ANY, *dataset.classes], key=handover.GIVEN, bind="query-params", width=135
        )
        predicted = ANY
        if run is not None or kind == queues.ISSUES:
            predicted = st.selectbox(
                "Guess", [ANY, *dataset.classes], key=handover.PREDICTED, bind="query-params", width=135
            )
        threshold = 0.5
        if kind == queues.BELOW_THRESHOLD:
            threshold = st.slider(
                "Confidence below", 0.01, 1.0, 0.5, 0.01, key=handover.BELOW, bind="query-params", width=180
            )
        least = 0.0
        if kind == queues.ISSUES:
            least = st.slider(
                "Score at least", 0.0, 1.0, 0.5, 0.01, key=handover.SCORE, bind="query-params", width=180
            )
    judge = search if kind == queues.ISSUES else run
    asked = QueueRequest(
        kind=kind,
        run=judge.id if judge is not None else None,
        split=split if split in SPLITS else None,
        given=None if given == ANY else dataset.classes.index(given),
        predicted=None if predicted == ANY else dataset.classes.index(predicted),
        threshold=threshold,
        least=least,
        item_ids=handover.kept_selection(workspace, picked) if picked and kind == queues.SELECTION else (),
    )
    return asked, run


def _run(runs: list[Run]) -> Run | None:
    if not runs:
        return None
    names = [run.name for run in runs]
    name = st.selectbox("Model", names, key=handover.RUN, bind="query-params", width=160)
    return runs[names.index(name)] if name in names else None


def sheaf(
    workspace: Workspace,
    dataset: Dataset,
    asked: QueueRequest,
    run: Run | None,
    state: LabelState,
    *,
    skip: bool,
) -> review.Sheaf:
    """The session's queue for ``asked``; built anew only when something else is asked for.

    Args:
        skip: Leave out what is reviewed already, as it was when the queue was built.
    """
    key = (dataset.fingerprint, asked, skip)
    known = st.session_state.get(_SHEAF)
    if known is not None and known[0] == key:
        return known[1]  # type: ignore[no-any-return]
    issues = None
    if asked.kind == queues.ISSUES and asked.run is not None:
        run = find_run(workspace, asked.run)
        issues = load_issues(run)
    predictions = _predictions(run) if run is not None else None
    queue = build_queue(dataset, asked, state, predictions, issues=issues, skip_reviewed=skip)
    number = st.session_state.get("relabel_built", 0) + 1
    st.session_state["relabel_built"] = number
    built = review.sheaf(f"{dataset.fingerprint}-{number}", dataset, asked, queue, state)
    st.session_state[_SHEAF] = (key, built)
    return built


def turn(dataset: Dataset, state: LabelState, offset: int) -> None:
    """Go on in the session's queue from ``offset``."""
    key, shown = st.session_state[_SHEAF]
    st.session_state[_SHEAF] = (key, review.turned(shown, dataset, state, offset))


def start_over() -> None:
    """Forget the session's queue, so that it is built from the newest labels."""
    st.session_state.pop(_SHEAF, None)


def _predictions(run: Run) -> Predictions:
    return _load(str(run.predictions_file), run.predictions_file.stat().st_mtime_ns, run)


@st.cache_resource(show_spinner=False, max_entries=8)
def _load(path: str, written: int, _run: Run) -> Predictions:
    return load_predictions(_run.predictions_file)
