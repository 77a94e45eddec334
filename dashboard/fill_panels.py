"""The panels of the Fill in page: start a filling, read how often it is right, accept it, take it back."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from core.data.dataset import SPLITS, Dataset
from core.files import Json
from core.labels.versions import LabelState, current_version
from core.quality import filling
from core.quality.filled import Standing, accept, standing, take_back
from core.quality.judges import LEAST_AUC
from core.quality.queue import FILLED, QueueRequest
from core.runs.estimate import estimate
from core.runs.recipe import Recipe
from core.runs.store import Run, RunState, list_runs, status
from core.workspace import Workspace
from dashboard import engine_choice, gallery, handover, links
from dashboard.errors import shown_as_message
from dashboard.memo import predictions as predictions_of
from dashboard.open_item import open_item
from dashboard.review import controls
from dashboard.wording import counted, duration, percent, plain

METHODS = {filling.JOINT: "Jointly", filling.PER_LABEL: "Per label"}
MAX_IMAGES = 60


def one_label(dataset: Dataset) -> None:
    """What to do where each image has one label."""
    with st.container(border=True):
        st.markdown(f"Each image of **{plain(dataset.title)}** has one label, or none.")
        st.caption(
            "Filling in is for several labels an image of which some are unknown. Of images without their "
            "one label, Label next finds those that are worth asking a person about."
        )
        if st.button("Open Label next", type="primary", icon=":material/next_plan:"):
            st.switch_page(links.LABEL_NEXT)


def fillings(workspace: Workspace, dataset: Dataset) -> list[Run]:
    """The runs that fill the data set as it is now, newest first."""
    runs = list_runs(workspace, dataset=dataset.name, kind=filling.KIND)
    return [run for run in runs if run.fingerprint == dataset.fingerprint]


def unknown(dataset: Dataset, state: LabelState) -> int:
    """Draw how many labels of the training split are unknown, and return it."""
    train = (np.asarray(dataset.split) == SPLITS.index("train")) & ~state.excluded
    labels = np.asarray(state.labels)[train]
    n = int(np.isnan(labels).sum())
    if not n:
        st.success(
            f"Every training label of {plain(dataset.title)} is known: there is nothing to fill in.",
            icon=":material/task_alt:",
        )
        return 0
    share = np.isnan(labels).mean(axis=0)
    worst = int(share.argmax())
    st.markdown(
        f"**{n:,}** of {labels.size:,} training labels are unknown ({percent(n / labels.size)}); the most, "
        f"{percent(float(share[worst]))}, of **{plain(dataset.classes[worst])}**."
    )
    return n


def start_row(workspace: Workspace, dataset: Dataset, recipe: Recipe) -> None:
    """How to fill, how often it is to be right, and the button."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = st.segmented_control(
            "Networks",
            list(METHODS),
            format_func=METHODS.__getitem__,
            default=filling.JOINT,
            required=True,
            key="fill_method",
            help="One network for all labels, unknown ones masked; or a network for each label.",
        )
        wanted = st.number_input(
            "Right at least (%)", 51, 99, 95, key="fill_precision", width=160, help="On known labels."
        )
        n_folds = int(st.number_input("Folds", 2, 10, 3, key="fill_folds", width=100))
        where = engine_choice.draw("fill")
        pressed = st.button("See what can be filled", type="primary", icon=":material/auto_fix_high:")
    st.caption(_expected(workspace, dataset, recipe, str(method), n_folds))
    if pressed:
        with shown_as_message():
            make = partial(
                filling.create_fill,
                workspace,
                dataset,
                recipe,
                method=str(method),
                precision=wanted / 100,
                n_folds=n_folds,
                apply=False,
                label_version=current_version(workspace, dataset.name),
            )
            engine_choice.start(make, where)
            st.session_state.pop("filling", None)
            st.rerun()


def _expected(workspace: Workspace, dataset: Dataset, recipe: Recipe, method: str, n_folds: int) -> str:
    """How many trainings, and how long they take as far as that is known."""
    n = n_folds * (len(dataset.classes) if method == filling.PER_LABEL else 1)
    n_train = round(len(dataset.in_split("train")) * (1 - 1 / n_folds))
    runs = list_runs(workspace, dataset=dataset.name)
    one = estimate(recipe, n_train, dataset.images.uniform, runs, fingerprint=dataset.fingerprint)
    takes = f", about {duration(one.seconds * n)}" if one else ""
    return (
        f"{counted(n, 'training')}{takes}. Every known label is judged by a network that did not see its "
        "image; nothing is written until you accept."
    )


def pick(runs: list[Run]) -> Run | None:
    """The finished run to show, the newest first; None while there is none."""
    finished = {run.name: run for run in runs if status(run).state is RunState.FINISHED}
    finished = {name: run for name, run in finished.items() if run.predictions_file.exists()}
    if not finished:
        return None
    st.subheader("What can be filled", anchor=False)
    if len(finished) == 1:
        return next(iter(finished.values()))
    return finished.get(str(st.selectbox("Filling", [*finished], key="filling", width=280)))


def result(workspace: Workspace, dataset: Dataset, run: Run, state: LabelState) -> None:
    """The table by label, what can be done with it, and the images."""
    value = filling.read_fill(run)
    now = standing(workspace, dataset, run, state)
    _sentence(value, now)
    _actions(workspace, dataset, run, value, now)
    _warning(value)
    st.dataframe(
        [_row(one) for one in value["labels"]],
        hide_index=True,
        key=f"fill_table_{run.id}",
        placeholder="–",
        column_config=_COLUMNS,
    )
    st.caption(
        "Right: how often that answer held on known labels, by networks that had not seen their image, at "
        "cuts chosen on other labels. What lies between the cuts stays unknown."
    )
    _images(dataset, run)


def _sentence(value: Json, now: Standing) -> None:
    method = METHODS[value["method"]].lower()
    wanted = f"right {100 * value['precision']:.0f} % of the time"
    if now.n:
        st.success(
            f"{counted(now.n, 'label')} filled, {method}, asked to be {wanted}; {now.n_open:,} of them no "
            "person has looked at yet.",
            icon=":material/task_alt:",
        )
    elif value["n_filled"]:
        st.info(
            f"{value['n_filled']:,} of the {value['n_unknown']:,} unknown labels of images that were trained "
            f"on can be filled, {method}, {wanted}.",
            icon=":material/auto_fix_high:",
        )
    else:
        st.warning(
            f"No label can be told so well that it would be {wanted}. Ask for less, try a stronger recipe, "
            "or let people answer.",
            icon=":material/info:",
        )


def _actions(workspace: Workspace, dataset: Dataset, run: Run, value: Json, now: Standing) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="fill_actions"):
        if not now.n:
            words = f"Accept: fill {counted(value['n_filled'], 'label')}"
            if st.button(words, type="primary", icon=":material/check:", disabled=not value["n_filled"]):
                n = accept(workspace, dataset, run)
                st.toast(f"{counted(n, 'label')} filled; that can be taken back.")
                st.rerun()
            return
        if st.button("Review them", type="primary", icon=":material/fact_check:", disabled=not now.n_open):
            handover.to_relabel(QueueRequest(FILLED, run=run.id))
        n_people = now.n - now.n_open
        with st.popover(f"Take back {counted(now.n, 'label')}", icon=":material/undo:"):
            keep = bool(n_people) and st.toggle(f"Keep {n_people:,} that people have decided on", True)
            st.caption("What was unknown is unknown again. Nothing is lost: that can be taken back too.")
            n = now.n_open if keep else now.n
            if st.button(f"Take back {counted(n, 'label')} now", type="primary", key="take_filling_back"):
                take_back(workspace, dataset, run, who=controls.name(), keep_confirmed=keep)
                st.rerun()


_COLUMNS = {
    "Yes from": st.column_config.NumberColumn(format="%.3f", help="Probability of yes from which on."),
    "No up to": st.column_config.NumberColumn(format="%.3f", help="Probability of yes up to which."),
    "ROC AUC": st.column_config.NumberColumn(
        format="%.3f", help="Of the answers on known labels; one half is a coin."
    ),
    "If all were filled": st.column_config.TextColumn(
        help="How often yes and no are right on known labels when the more likely one is taken everywhere."
    ),
}


def _row(one: dict[str, Any]) -> dict[str, object]:
    yes, no = one["yes"], one["no"]
    n_filled = yes["n_filled"] + no["n_filled"]
    return {
        "Label": one["name"],
        "Unknown": one["n_unknown"],
        "Filled": n_filled,
        "Yes": yes["n_filled"],
        "Right (yes)": _right(yes),
        "No": no["n_filled"],
        "Right (no)": _right(no),
        "ROC AUC": one["auc"],
        "If all were filled": _at_half(one),
        "Known": one["n_known"],
        "Yes from": yes["cut"],
        "No up to": no["cut"],
    }


def _right(side: dict[str, Any]) -> str:
    return f"{percent(side['precision'])} of {side['n_measured']:,}" if side["n_measured"] else "–"


def _at_half(one: dict[str, Any]) -> str:
    """How often yes and no would be right; earlier fillings did not keep it."""
    shares = (one.get("yes_at_half"), one.get("no_at_half"))
    return " / ".join("–" if share is None else percent(share) for share in shares)


def _warning(value: Json) -> None:
    """Which labels are filled with nothing but their usual answer."""
    blind = [
        one["name"]
        for one in value["labels"]
        if one["yes"]["n_filled"] + one["no"]["n_filled"] and (one["auc"] or 0.0) < LEAST_AUC
    ]
    if blind:
        st.warning(
            f"Of **{plain(', '.join(blind))}** the model hardly knows more than which answer is usual "
            f"(ROC AUC below {LEAST_AUC:g}): what it fills says little about the picture.",
            icon=":material/casino:",
        )


@st.fragment
def _images(dataset: Dataset, run: Run) -> None:
    """What would be filled of one label, the least sure first: what to look at before accepting."""
    with shown_as_message():
        found = {
            (one.name, answer): one
            for one in filling.fillings_of(filling.read_fill(run))
            for answer, side in (("yes", one.yes), ("no", one.no))
            if side.n_filled
        }
        if not found:
            return
        with st.container(border=True):
            asked = st.selectbox(
                "Images that are filled",
                [*found],
                format_func=lambda key: f"{key[0]}: {key[1]}",
                key="fill_label",
                width=260,
            )
            shown = found[asked] if asked in found else next(iter(found.values()))
            _gallery(dataset, run, shown, asked[1] == "yes")


def _gallery(dataset: Dataset, run: Run, one: filling.LabelFilling, yes: bool) -> None:
    predictions = predictions_of(run)
    k = predictions.classes.index(one.name)
    probs = predictions.pred_probs[:, k].astype(np.float64)
    found = filling.answers(one, probs)
    rows = np.flatnonzero((found == yes) & np.isnan(predictions.labels[:, k]))
    rows = rows[np.argsort(probs[rows] if yes else -probs[rows], kind="stable")][:MAX_IMAGES]
    done = gallery.show(
        dataset,
        dataset.positions(predictions.item_ids[rows]).tolist(),
        badges=[f"{100 * probs[row]:.0f} %" for row in rows],
        key="fill_images",
        tile=84,
        label=f"Filled: {one.name}",
    )
    n = (one.yes if yes else one.no).n_filled
    first = f", {len(rows)} of {n:,}" if n > len(rows) else ""
    st.caption(f"The badge is the probability of yes; the least sure first{first}.")
    if done.clicked is not None:
        open_item(dataset, done.clicked)
