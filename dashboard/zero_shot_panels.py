"""The panels of the Zero-shot page: which model, what it is asked, and how well it answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st

from core.data.dataset import Dataset, Task
from core.embeddings import zero_shot as zs
from core.embeddings.clip import model_facts
from core.embeddings.clip_models import CURATED, ClipModel, find_model, list_models
from core.embeddings.prompts import (
    ENSEMBLE,
    ClassPrompts,
    PromptSet,
    checked,
    default_prompts,
    split_words,
)
from core.embeddings.resident import resident
from core.embeddings.zero_shot import ZeroShotRequest
from core.engines import EnginePlan
from core.errors import BadInput, TidysetError
from core.evaluation.metrics import wilson_interval
from core.evaluation.remarks import largest_cell
from core.quality.queue import SELECTION, QueueRequest
from core.runs.store import Run, RunState, status
from core.workspace import Workspace
from dashboard import confusion, engine_choice, gallery, handover, memo, zero_shot_view
from dashboard.errors import show_error, shown_as_message
from dashboard.open_item import open_item
from dashboard.wording import counted, duration, percent, plain, points
from dashboard.zero_shot_view import Answers

BASE, TEMPLATES, WORDS, LINES = "zs_base", "zs_templates", "zs_words", "zs_lines"
"""Session keys: the prompts that a change is measured against, and the fields."""

FIELDS = 24
"""Up to so many classes have a field each; more are edited as lines."""

SPLITS = {"val": "Validation", "test": "Test"}
MAX_IMAGES = 36


def pick_model(workspace: Workspace, runs: Sequence[Run]) -> ClipModel:
    """Which model answers; part of the address. A local checkpoint can be added."""
    models = {
        model.key: model for model in [*(zs.request_of(run).model for run in runs), *list_models(workspace)]
    }
    keys = [*models]
    asked = st.query_params.get("model")
    if st.session_state.get("zs_model") not in keys:
        st.session_state["zs_model"] = asked if asked in keys else keys[0]
    key = st.selectbox("Model", keys, format_func=_title, key="zs_model", width=300)
    st.query_params["model"] = str(key)
    with st.popover("Add a model", icon=":material/add:"):
        _add_model(workspace)
    return models[str(key)]


def _title(key: str) -> str:
    for one in CURATED:
        if one.model.key == key:
            return f"{one.title} · {one.millions} M, {one.megabytes} MB, {one.licence}"
    return key


def _add_model(workspace: Workspace) -> None:
    st.markdown("**A checkpoint on this machine**")
    name = st.text_input("What to call it", key="zs_add_name")
    checkpoint = st.text_input("Checkpoint (.pt or .safetensors)", key="zs_add_checkpoint")
    config = st.text_input("Its model_config JSON", key="zs_add_config")
    st.caption(
        "Weights only: a file that holds code is refused. Or, of open_clip's list, NAME:TAG as the name."
    )
    if st.button("Add", type="primary", key="zs_add", disabled=not name):
        try:
            model = find_model(workspace, name.strip(), checkpoint=checkpoint.strip(), config=config.strip())
        except TidysetError as error:
            show_error(error)
        else:
            st.query_params["model"] = model.key
            st.session_state.pop("zs_model", None)
            st.rerun()


def pick_split(dataset: Dataset) -> str:
    """Validation to tune on, test to report on."""
    present = [split for split in SPLITS if split == "val" or split in dataset.splits]
    chosen = st.segmented_control(
        "Images",
        present,
        format_func=SPLITS.__getitem__,
        default="val",
        required=True,
        key="zs_split",
        help="Change prompts while you look at validation images; look at test images once, for the report. "
        "Without a validation split, up to a thousand training images stand in: CLIP never saw them.",
    )
    return str(chosen or "val")


def compute(workspace: Workspace, dataset: Dataset, model: ClipModel, prompts: PromptSet) -> None:
    """What is missing, how long it takes, and the button that has a worker compute it."""
    splits = ("test",) if "test" in dataset.splits else dataset.splits
    n = len(np.union1d(zs.validation_positions(dataset), zero_shot_view.positions_of(dataset, splits[0])))
    facts = model_facts(workspace, model)
    with st.container(border=True, key="zs_compute"):
        st.markdown(f"**{plain(model.key)} has not seen these images yet.** A worker encodes each once.")
        rate = facts.images_per_second if facts else None
        takes = f"about {duration(n / rate)} here" if rate else "how long is known after the first time"
        where = "from a file on this machine" if model.is_local else "its weights are fetched on first use"
        st.caption(f"{counted(n, 'image')}, {takes}; {where}. It goes on where it was if it is stopped.")
        with st.container(horizontal=True):
            encode = st.button("Encode and classify", type="primary", icon=":material/play_arrow:")
            plan = engine_choice.draw("zs", engine_choice.SHARDS)
        if encode:
            _start(workspace, dataset, ZeroShotRequest(model, prompts, tuple(splits)), plan)


def _start(
    workspace: Workspace, dataset: Dataset, request: ZeroShotRequest, plan: EnginePlan | None = None
) -> None:
    try:
        engine_choice.start(partial(zs.create_zero_shot, workspace, dataset, request), plan or EnginePlan())
    except TidysetError as error:
        show_error(error)
    else:
        st.rerun()


def base_prompts(dataset: Dataset, runs: Sequence[Run]) -> PromptSet:
    """What changes are measured against: the newest kept result's, else the class names as they are."""
    kept = st.session_state.get(BASE)
    if kept is not None and kept[0] == dataset.cache_key:
        return kept[1]  # type: ignore[no-any-return]
    finished = [run for run in runs if status(run).state is RunState.FINISHED]
    base = zs.request_of(finished[0]).prompts if finished else default_prompts(dataset)
    set_prompts(dataset, base)
    return base


def set_prompts(dataset: Dataset, prompts: PromptSet) -> None:
    """Make these the prompts of the fields and what changes are measured against."""
    st.session_state[BASE] = (dataset.cache_key, prompts)
    st.session_state[TEMPLATES] = "\n".join(prompts.templates)
    words = [", ".join(one.words) for one in prompts.asked]
    st.session_state[LINES] = "\n".join(words)
    for k, line in enumerate(words):
        st.session_state[f"{WORDS}_{k}"] = line


def edit_prompts(dataset: Dataset, base: PromptSet) -> PromptSet | None:
    """The fields, and the prompts in them; None, with a message, while they cannot be used."""
    with st.container(border=True, key="zs_prompts"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("What CLIP is asked", anchor=False)
            if st.button("Seven templates", type="tertiary", help="OpenAI's ensemble of seven templates."):
                st.session_state[TEMPLATES] = "\n".join(ENSEMBLE)
            if st.button("Back", type="tertiary", icon=":material/undo:", help="To the last kept prompts."):
                set_prompts(dataset, base)
        left, right = st.columns([1, 2], gap="medium")
        st.session_state.setdefault(TEMPLATES, "\n".join(base.templates))
        with left:
            text = st.text_area(
                "Templates, one a line",
                key=TEMPLATES,
                height=150,
                help="{} is the class. Several are averaged.",
            )
            st.caption("Several names of a class, parted by commas, are averaged too.")
        with right:
            words = _words(dataset, base)
        templates = tuple(line.strip() for line in text.splitlines() if line.strip())
        try:
            asked = tuple(
                ClassPrompts(split_words(line), base.asked[k].templates if k < len(base.asked) else ())
                for k, line in enumerate(words)
            )
            return checked(PromptSet(dataset.classes, asked, templates))
        except BadInput as error:
            show_error(error)
            return None


def _words(dataset: Dataset, base: PromptSet) -> list[str]:
    kept = [", ".join(one.words) for one in base.asked]
    if len(dataset.classes) > FIELDS:
        st.session_state.setdefault(LINES, "\n".join(kept))
        text = st.text_area("Classes in words, one a line, in their order", key=LINES, height=220)
        return text.splitlines()
    words = []
    for k, name in enumerate(dataset.classes):
        if k % 3 == 0:
            columns = st.columns(3, gap="small")  # a row at a time: on a phone they stay in their order
        st.session_state.setdefault(f"{WORDS}_{k}", kept[k])
        with columns[k % 3]:
            words.append(st.text_input(plain(name), key=f"{WORDS}_{k}"))
    return words


def answered(
    workspace: Workspace, dataset: Dataset, model: ClipModel, split: str, prompts: PromptSet
) -> Answers | None:
    """CLIP's answers; a spinner while the model is being loaded for the first edited prompt."""
    try:
        with st.spinner("Encoding the prompts …", show_time=True):
            state = memo.labels(workspace, dataset)
            found = zero_shot_view.answers(workspace, dataset, state, model, split, prompts)
    except TidysetError as error:
        show_error(error)
        return None
    if found is not None:
        resident(workspace, model).warm()
    return found


def tuned_on(
    workspace: Workspace, dataset: Dataset, model: ClipModel, prompts: PromptSet, now: Answers
) -> Answers | None:
    """The same prompts on validation images, where images have several labels; None where they are not
    encoded, or where there is nothing to tune.
    """
    if dataset.task is not Task.MULTI_LABEL:
        return None
    return now if now.split == "val" else answered(workspace, dataset, model, "val", prompts)


def headline(now: Answers, before: Answers | None) -> None:
    """The figures that say most, and how they changed with the prompts."""
    low, high = wilson_interval(now.scores.n_correct, now.scores.n)
    was = before.scores if before is not None else now.scores
    was_map = before.mean_average_precision if before is not None else now.mean_average_precision
    cards = (
        ("Accuracy", now.scores.accuracy, was.accuracy, f"95 %: {100 * low:.1f} to {100 * high:.1f}"),
        ("Balanced accuracy", now.scores.balanced_accuracy, was.balanced_accuracy, "mean recall"),
        ("Macro-F1", now.scores.macro_f1, was.macro_f1, "mean of the classes"),
        ("mAP", now.mean_average_precision, was_map, "all images, by cosine"),
    )
    for column, (name, value, old, note) in zip(st.columns(4), cards, strict=True):
        changed = abs(value - old) > 5e-5
        column.metric(
            name,
            percent(value),
            points(value - old) if changed else note,
            delta_color="normal" if changed else "off",
            delta_arrow="auto" if changed else "off",
            border=True,
            height="stretch",
        )
    n_other = len(now.given) - now.scores.n
    other = f"; {n_other:,} with none or several count for mAP only" if n_other else ""
    st.caption(f"{now.scores.n:,} {SPLITS[now.split].lower()} images with one label{other}.")


@st.fragment
def matrix(dataset: Dataset, prompts: PromptSet, run: Run | None, now: Answers) -> None:
    """The confusion matrix and the images of the chosen cell."""
    with shown_as_message(), st.container(border=True):
        st.subheader("Confusion matrix", anchor=False)
        shown = names(prompts)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            cell = confusion.show(
                now.scores.confusion,
                shown,
                key="zs_matrix",
                chosen=largest_cell(now.scores.confusion),
            )
            st.caption("Choose a cell to see its images. Rows: given label. Columns: CLIP.")
        with right:
            if cell is None:
                st.success("Not one mistake here.", icon=":material/check_circle:")
                return
            rows = now.cell(*cell)
            given, said = (plain(shown[k]) for k in cell)
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{given}**, for CLIP **{said}** · {counted(len(rows), 'image')}")
                relabel_button(dataset, now.positions[rows].tolist(), run, key="zs_send_cell")
            images(dataset, now, rows, cell[1], key="zs_cell_images")


def names(prompts: PromptSet) -> tuple[str, ...]:
    """What to call the classes on the page: a number says nothing, so its word is added."""
    return tuple(
        f"{name} {one.words[0]}" if name.isdecimal() and one.words[0] != name else name
        for name, one in zip(prompts.classes, prompts.asked, strict=True)
    )


def relabel_button(dataset: Dataset, positions: Sequence[int], run: Run | None, *, key: str) -> None:
    """Sends these images to Relabel, with what a run says of them."""
    if not len(positions):
        return
    if st.button("Send to Relabel", icon=":material/fact_check:", key=key):
        ids = zero_shot_view.item_ids(dataset, positions)
        # Its probabilities are a softmax over the classes: no guess where an image has several labels.
        guessing = run.id if run and dataset.task is Task.SINGLE_LABEL else None
        handover.to_relabel(QueueRequest(SELECTION, run=guessing, item_ids=ids))


def images(dataset: Dataset, now: Answers, rows: np.ndarray, k: int, *, key: str) -> None:
    """A gallery of rows with how sure CLIP is of class k; a click opens one."""
    shown = rows[:MAX_IMAGES]
    done = gallery.show(
        dataset,
        now.positions[shown].tolist(),
        badges=[f"{100 * now.probs[row, k]:.0f} %" for row in shown],
        key=key,
        tile=72,
    )
    if len(rows) > len(shown):
        st.caption(f"The first {len(shown)} of {len(rows):,}.")
    if done.clicked is not None:
        open_item(dataset, done.clicked)


def keep(
    workspace: Workspace, dataset: Dataset, model: ClipModel, prompts: PromptSet, base: PromptSet
) -> None:
    """The button that keeps the prompts and their answers as a run."""
    changed = prompts != base
    if st.button(
        "Keep these prompts" if changed else "Keep as a run",
        type="primary" if changed else "secondary",
        icon=":material/save:",
        help="A run like any other: Evaluate, comparisons and queues work on it.",
    ):
        st.session_state[BASE] = (dataset.cache_key, prompts)
        splits = ("test",) if "test" in dataset.splits else dataset.splits
        _start(workspace, dataset, ZeroShotRequest(model, prompts, tuple(splits)))


def kept_run(runs: Sequence[Run], model: ClipModel, prompts: PromptSet) -> Run | None:
    """The finished run of exactly this question, if there is one: its guesses go with what is sent on."""
    for run in runs:
        asked = zs.request_of(run)
        if asked.model == model and asked.prompts == prompts and status(run).state is RunState.FINISHED:
            return run
    return None
