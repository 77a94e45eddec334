"""The controls above the review component: which queue, of which model, under whose name."""

from __future__ import annotations

import contextlib
import getpass
import os
from dataclasses import replace

import streamlit as st

from core.data.dataset import SPLITS, Dataset, Task
from core.embeddings.zero_shot import answers_of, zero_shot_runs
from core.errors import TidysetError
from core.labels.reviewers import decided_by, reviewers
from core.labels.versions import LabelState
from core.quality import filling
from core.quality import queue as queues
from core.quality.duplicates import is_known, similar_images
from core.quality.evidence import newest_search
from core.quality.label_issues import load_issues
from core.quality.queue import Queue, QueueRequest, build_queue
from core.runs.store import Run, RunState, find_run, list_runs, recent_runs
from core.workspace import Workspace
from dashboard import evaluate_view, handover, review, sign_in
from dashboard.handover import KIND_TITLES
from dashboard.memo import predictions as predictions_of

ANY = "Any"
ALL_LABELS = "All labels"
_SHEAF = "relabel_sheaf"
_SPECIAL = (queues.SELECTION, queues.UNSURE, queues.PROPOSED, queues.FILLED)
_WHO = "annotator"


def finished_runs(workspace: Workspace, dataset: Dataset) -> list[Run]:
    """Runs whose guesses can be reviewed, newest first."""
    recent = recent_runs(workspace, dataset, n=100)
    trained = [
        run for run, status in recent if status.state is RunState.FINISHED and run.predictions_file.exists()
    ]
    return [*trained, *(run for run in zero_shot_runs(workspace, dataset) if run.predictions_file.exists())]


def annotator() -> None:
    """Draw the field for the name that edits are written under; whoever is signed in has one."""
    if sign_in.me().name:
        return
    st.session_state[_WHO] = name()  # also keeps it while other pages are shown
    with st.popover(f"Labelling as {st.session_state[_WHO]}", icon=":material/person:"):
        st.text_input("Your name, for the history of the labels", key=_WHO, max_chars=100)


def name() -> str:
    """The name that edits are written under: of whoever is signed in, else kept for the session."""
    if signed_in := sign_in.me().name:
        return signed_in
    return str(st.session_state.get(_WHO) or "").strip() or _account() or "annotator"


def _account() -> str:
    try:
        return os.environ.get("TIDYSET_USER") or getpass.getuser()
    except (OSError, KeyError):
        return ""


def request(
    workspace: Workspace, dataset: Dataset, runs: list[Run], state: LabelState
) -> tuple[QueueRequest, Run | None]:
    """Draw the controls; returns what they ask for, and the run to train again on what is found."""
    picked = st.query_params.get(handover.PICKED)
    search = newest_search(workspace, dataset)
    clip = _clip(workspace, dataset)
    fills = _fills(workspace, dataset, state)
    kinds = _kinds(runs, search, state, picked, clip, fills)
    titles = [KIND_TITLES[kind] for kind in kinds]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = st.selectbox("Show", titles, key=handover.KIND, bind="query-params", width=200)
        kind = kinds[titles.index(title)]
        trained = [one for one in runs if clip is None or one.kind != clip.kind]
        models = {queues.WITNESSES: trained, queues.FILLED: fills}.get(kind, runs)
        run = _run(models) if kind != queues.ISSUES else next(iter(runs), None)
        split = st.selectbox(
            "Split", [ANY, *_splits(dataset, run)], key=handover.SPLIT, bind="query-params", width=100
        )
        given, answer, predicted = _labels(dataset, guessed=run is not None or kind == queues.ISSUES)
        threshold = 0.5
        if kind == queues.BELOW_THRESHOLD:
            threshold = _share("Confidence below", 0.01, handover.BELOW)
        least = _share("Score at least", 0.0, handover.SCORE) if kind == queues.ISSUES else 0.0
    judge = search if kind == queues.ISSUES else run
    asked = QueueRequest(
        kind=kind,
        run=judge.id if judge is not None else None,
        split=split if split in SPLITS else None,
        given=given,
        predicted=predicted,
        threshold=threshold,
        least=least,
        item_ids=handover.kept_selection(workspace, picked) if picked and kind == queues.SELECTION else (),
        answer=answer,
        clip=clip.id if clip is not None and kind == queues.WITNESSES else None,
    )
    return asked, run


def _splits(dataset: Dataset, run: Run | None) -> list[str]:
    """The parts of the data, and those that a run made of it: most hold validation images back."""
    names = set(dataset.splits)
    if run is not None:
        with contextlib.suppress(TidysetError):  # what is wrong with the run is said where its queue is drawn
            names |= set(evaluate_view.splits_of(run))
    return [name for name in SPLITS if name in names]


def _fills(workspace: Workspace, dataset: Dataset, state: LabelState) -> list[Run]:
    """The runs that have filled something that no person has decided on since, newest first."""
    if not state.fillings:
        return []
    return [
        run
        for run in list_runs(workspace, dataset=dataset.name, kind=filling.KIND)
        if run.predictions_file.exists()
        and queues.open_fillings(state, QueueRequest(queues.FILLED, run=run.id)).any()
    ]


def _clip(workspace: Workspace, dataset: Dataset) -> Run | None:
    """The newest zero-shot run that can be set against a trained one."""
    runs = zero_shot_runs(workspace, dataset)
    return next((run for run in runs if run.predictions_file.exists()), None)


def _kinds(
    runs: list[Run],
    search: Run | None,
    state: LabelState,
    picked: str | None,
    clip: Run | None,
    fills: list[Run],
) -> list[str]:
    """The kinds of queue that have something to show, or that the address names."""
    there = {
        queues.ISSUES: search is not None,
        queues.WITNESSES: clip is not None and any(run.kind != clip.kind for run in runs),
        queues.SELECTION: bool(picked),
        queues.CELL: False,  # the same as a disagreement narrowed down by label and guess
        queues.UNSURE: bool(state.unsure) or _named(queues.UNSURE),
        queues.PROPOSED: bool(state.proposed) or _named(queues.PROPOSED),
        queues.FILLED: bool(fills) or _named(queues.FILLED),
    }
    found = [kind for kind in queues.KINDS if there.get(kind, bool(runs) or kind not in queues.NEED_A_RUN)]
    return sorted(found, key=lambda kind: kind in _SPECIAL)


def _named(kind: str) -> bool:
    return st.query_params.get(handover.KIND) == KIND_TITLES[kind]


def _labels(dataset: Dataset, *, guessed: bool) -> tuple[int | None, str | None, int | None]:
    """Draw the filters by label: the class, the answer where an image has several labels, and the guess."""
    several = dataset.task is Task.MULTI_LABEL
    given = st.selectbox(
        "Ask about" if several else "Label",
        [ALL_LABELS if several else ANY, *dataset.classes],
        key=handover.GIVEN,
        bind="query-params",
        width=150,
        help="One class, image by image: is it there? Or all labels of each image." if several else None,
    )
    column = dataset.classes.index(given) if given in dataset.classes else None
    if several:
        answer = st.selectbox(
            "Labelled", [ANY, *queues.ANSWERS], key=handover.ANSWER, bind="query-params", width=110
        )
        return column, answer if answer in queues.ANSWERS else None, None
    if not guessed:
        return column, None, None
    guess = st.selectbox(
        "Guess", [ANY, *dataset.classes], key=handover.PREDICTED, bind="query-params", width=135
    )
    return column, None, dataset.classes.index(guess) if guess in dataset.classes else None


def _share(title: str, least: float, key: str) -> float:
    return st.slider(title, least, 1.0, 0.5, 0.01, key=key, bind="query-params", width=180)


def by_people(workspace: Workspace, dataset: Dataset, asked: QueueRequest) -> QueueRequest:
    """Draw the filters by reviewer, once somebody has decided on something; returns the narrowed request."""
    known = [who for who in reviewers(workspace, dataset) if not who.startswith("model:")]
    if not known:
        return asked
    with st.popover("Reviewers", icon=":material/group:"):
        by = st.selectbox("Reviewed by", [ANY, *known], key=handover.SEEN, bind="query-params")
        names = [ANY, *sorted({*known, name()})]
        others = st.selectbox("Not yet reviewed by", names, key=handover.UNSEEN, bind="query-params")
    return replace(
        asked,
        seen_by=by if by in known else None,
        unseen_by=others if others in names[1:] else None,
    )


def _run(runs: list[Run]) -> Run | None:
    if not runs:
        return None
    names = [run.name for run in runs]
    name = st.selectbox("Model", names, key=handover.RUN, bind="query-params", width=160)
    return runs[names.index(name)] if name in names else None


def together(workspace: Workspace, dataset: Dataset) -> bool:
    """Draw the switch that brings near-identical images together; returns whether they are."""
    known = is_known(workspace, dataset)
    return bool(
        st.toggle(
            "Copies together",
            key="queue_together",
            bind="query-params",
            disabled=not known,
            help="Near-identical images stand side by side, and one key settles them all."
            if known
            else "Look for copies on the Issues page first.",
        )
        and known
    )


def sheaf(
    workspace: Workspace,
    dataset: Dataset,
    asked: QueueRequest,
    run: Run | None,
    state: LabelState,
    *,
    skip: bool,
    together: bool = False,
) -> review.Sheaf:
    """The session's queue for ``asked``; built anew only when something else is asked for.

    Args:
        skip: Leave out what is reviewed already, as it was when the queue was built.
        together: Bring near-identical images together.
    """
    key = (dataset.cache_key, asked, skip, together)
    known = st.session_state.get(_SHEAF)
    if known is not None and known[0] == key:
        return known[1]  # type: ignore[no-any-return]
    queue = _queue(workspace, dataset, asked, run, state, skip=skip)
    number = st.session_state.get("relabel_built", 0) + 1
    st.session_state["relabel_built"] = number
    similar = similar_images(workspace, dataset) if together else None
    built = review.sheaf(str(number), dataset, asked, queue, state, similar=similar)
    st.session_state[_SHEAF] = (key, built)
    return built


def _queue(
    workspace: Workspace,
    dataset: Dataset,
    asked: QueueRequest,
    run: Run | None,
    state: LabelState,
    *,
    skip: bool,
) -> Queue:
    issues = None
    if asked.kind == queues.ISSUES and asked.run is not None:
        run = find_run(workspace, asked.run)
        issues = load_issues(run)
    seen, unseen = (
        decided_by(workspace, dataset, who) if who else None for who in (asked.seen_by, asked.unseen_by)
    )
    predictions = predictions_of(run) if run is not None else None
    return build_queue(
        dataset,
        asked,
        state,
        predictions,
        issues=issues,
        clip=answers_of(find_run(workspace, asked.clip)) if asked.clip else None,
        skip_reviewed=skip,
        seen=seen,
        unseen=unseen,
    )


def turn(dataset: Dataset, state: LabelState, offset: int) -> None:
    """Go on in the session's queue from ``offset``."""
    key, shown = st.session_state[_SHEAF]
    st.session_state[_SHEAF] = (key, review.turned(shown, dataset, state, offset))


def start_over() -> None:
    """Forget the session's queue, so that it is built from the newest labels."""
    st.session_state.pop(_SHEAF, None)
