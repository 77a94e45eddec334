"""Bringing data in: an upload, or a path of the server where that is allowed; read by a worker process."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from core.data import catalog, uploads
from core.data.dataset import Task
from core.data.importer import FORMATS, ImportOptions, understand
from core.data.plan import Plan
from core.data.readers.base import Choice, Hints
from core.data.splits import NO_TRAINING
from core.errors import BadInput, NotAllowed, NotFound, TidysetError
from core.files import Json, read_json, storage_failed
from core.runs import launch
from core.runs.store import Run, RunState, create_run, find_run, status
from dashboard import picker
from dashboard.errors import shown_as_message
from dashboard.wording import counted, duration, plain

_KEY, _PLAN, _ANSWERS = "import_run", "import_plan", "import_answers"
_HINT_QUESTIONS = "The questions above have to be answered first."
COMPOSE = "Compose characters"
_TYPES = [
    "zip",
    "tar",
    "gz",
    "tgz",
    "csv",
    "tsv",
    "txt",
    "json",
    "jsonl",
    "npz",
    "npy",
    "parquet",
    "png",
    "jpg",
    "jpeg",
]
_LOCAL = {"localhost", "127.0.0.1", "::1"}


def allowed_folders() -> list[Path]:
    """Folders of the server that may be imported from.

    TIDYSET_IMPORT_PATHS names them (parted as in PATH; empty: none). Where it is not set, all are allowed if
    only this machine can reach the server, none otherwise.
    """
    named = os.environ.get("TIDYSET_IMPORT_PATHS")
    if named is not None:
        return [Path(part).expanduser().resolve() for part in named.split(os.pathsep) if part]
    return [Path("/")] if st.get_option("server.address") in _LOCAL else []


def allowed(path: Path) -> Path:
    """The path, resolved. Raises NotAllowed when it is in none of the allowed folders."""
    resolved = path.expanduser().resolve()
    if not any(resolved.is_relative_to(folder) for folder in allowed_folders()):
        raise NotAllowed(
            f"{path} may not be imported from.",
            "Upload the file, or have TIDYSET_IMPORT_PATHS name the folder.",
        )
    return resolved


@st.dialog("Import data", width="large")
def open_import() -> None:
    """The dialog: what to import, what it was recognised as, then progress until it is there."""
    with shown_as_message():
        run = _current_run()
        if run is not None:
            _follow(run)
        else:
            _ask()


def _current_run() -> Run | None:
    try:
        return find_run(picker.workspace(), st.session_state[_KEY]) if _KEY in st.session_state else None
    except NotFound:
        return None


def _ask() -> None:
    ways = ["Upload", *(["Path on this machine"] if allowed_folders() else []), COMPOSE]
    way = st.segmented_control("From", ways, default="Upload", required=True)
    if way == COMPOSE:
        _compose()
        return
    sources = _sources(str(way))
    if not sources:
        st.caption(f"Known formats: {FORMATS}.")
        return
    classes = st.text_input("Class names", help="Class names in label order, separated by commas. Optional.")
    hints = Hints(tuple(part.strip() for part in classes.split(",") if part.strip()))
    left, right = st.columns(2)
    test = left.number_input(
        "Test share", 0.0, 0.9, None, 0.05, placeholder="0.2", help="Used where no test split is given."
    )
    val = right.number_input("Validation share", 0.0, 0.9, 0.0, 0.05)
    key = "|".join(f"{path}:{path.stat().st_mtime_ns}" for path in sources if path.exists())
    answers: list[Choice] = st.session_state.setdefault(_ANSWERS, {}).setdefault(key, [])
    for choice in answers:
        hints = replace(hints, **dict(choice.hints))
    options = ImportOptions(hints, "", test, val, 0)
    plan = _planned(sources, key, options)
    _show(plan)
    _ask_questions(plan, answers)
    taken = {entry.name for entry in catalog.list_datasets(picker.workspace())}
    name = st.text_input(
        "Name", _free_name(sources[0], taken), help="Also a title such as Holiday photos 2024."
    )
    skip_bad = st.checkbox("Leave out what is wrong, and list it")
    if st.button(
        "Import",
        type="primary",
        icon=":material/upload:",
        disabled=bool(plan.questions),
        help=_HINT_QUESTIONS,
    ):
        chosen = [str(path) for path in sources]
        title = "" if catalog.as_name(name) == name else name
        options = replace(options, skip_bad=skip_bad, title=title)
        _start(chosen if len(chosen) > 1 else chosen[0], catalog.as_name(name), options)


def _planned(sources: list[Path], key: str, options: ImportOptions) -> Plan:
    """What the sources are understood as; kept while nothing about them changes."""
    wanted = (key, options)
    kept = st.session_state.get(_PLAN)
    if kept is None or kept[0] != wanted:
        with st.spinner("Reading the labels"):
            kept = (wanted, understand(sources, options))
        st.session_state[_PLAN] = kept
    plan: Plan = kept[1]
    return plan


def _show(plan: Plan) -> None:
    """The plan: format, thumbnails with their labels, classes with counts by split, what is not used."""
    n_classes = f", {counted(len(plan.classes), 'class', 'classes')}" if plan.classes else ""
    task = "several labels per image" if plan.task is Task.MULTI_LABEL else "one label per image"
    task = task if plan.classes else "no labels"
    said = f"{counted(plan.n_items, 'image')}, {plan.format}: {task}{n_classes}."
    st.success(plain(said), icon=":material/check_circle:")
    if plan.examples:
        with st.container(horizontal=True, gap="small"):
            for example in plan.examples:
                label = example.label or "no label"
                st.image(example.pixels, width=72, caption=plain(label), alt=f"{example.item_id}: {label}")
    if plan.classes:
        rows = [{"Class": name, **counts} for name, counts in plan.classes.items()]
        st.dataframe(rows, hide_index=True, height=min(36 * len(rows) + 38, 220))
    if plan.columns:
        st.caption(
            plain("Read as: " + ", ".join(f"{name} = {role}" for name, role in plan.columns.items()) + ".")
        )
    for text in plan.warnings:
        st.warning(plain(text), icon=":material/warning:")
    if plan.unused:
        with st.expander(f"Not used ({len(plan.unused)})"):
            st.dataframe([{"Not used": text} for text in plan.unused], hide_index=True)
    if plan.n_left_out:
        st.warning(f"{counted(plan.n_left_out, 'problem')} found so far.", icon=":material/warning:")
        with st.expander("Problems"):
            st.dataframe([{"Problem": text} for text in plan.left_out], hide_index=True)


def _ask_questions(plan: Plan, answers: list[Choice]) -> None:
    """Each question as a choice; an answer changes the plan."""
    for question in plan.questions:
        words = [plain(choice.text) for choice in question.choices]
        key = f"question_{len(answers)}_{question.text}"
        chosen = st.radio(plain(question.text), words, index=None, key=key)
        if chosen is not None:
            answers.append(question.choices[words.index(chosen)])
            st.rerun(scope="fragment")
    if answers:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(plain("Answered: " + "; ".join(choice.text for choice in answers) + "."))
            if st.button("Answer again"):
                answers.clear()
                st.rerun(scope="fragment")


def _compose() -> None:
    """The form of combo-mnist: images with one digit and one letter, composed of real handwriting."""
    from core.data.combo_mnist import NAME, ComboOptions, make_options

    taken = {entry.name for entry in catalog.list_datasets(picker.workspace())}
    st.caption("Images of 56 x 56 with one digit and one letter in noise, composed of real handwriting.")
    name = st.text_input("Name", _free_name(Path(NAME), taken), key="compose_name")
    values: dict[str, Any] = {}
    columns = st.columns(3)
    for number, (field, about) in enumerate(ComboOptions.model_fields.items()):
        if isinstance(about.default, int | float):
            values[field] = columns[number % 3].number_input(
                str(about.title), value=about.default, help=about.description, key=f"compose_{field}"
            )
    values["letters"] = st.segmented_control(
        "Letters", ["both", "upper", "lower"], default="both", required=True, key="compose_letters"
    )
    if st.button("Compose", type="primary", icon=":material/auto_fix_high:"):
        make_options(values)
        _start(NAME, name, ImportOptions(), values)


def _sources(way: str) -> list[Path]:
    """The chosen files or folder; uploads are put into the workspace first."""
    if way == "Upload":
        uploaded = st.file_uploader(
            "File", type=_TYPES, label_visibility="collapsed", accept_multiple_files=True
        )
        return [_kept(one) for one in uploaded]
    typed = st.text_input("File or folder", placeholder="A file, or a folder of images")
    return [allowed(Path(typed))] if typed else []


def _kept(uploaded: Any) -> Path:
    """The uploaded file on disk, under its own name without anything that could lead elsewhere."""
    name = re.sub(r"[^\w.-]", "_", Path(uploaded.name).name).lstrip(".") or "upload"
    path: Path = uploads.folder(picker.workspace()) / uploaded.file_id / name
    if not path.exists():
        uploads.check_room(picker.workspace(), uploaded.size)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{name}.part")
            with partial.open("wb") as file:
                uploaded.seek(0)
                shutil.copyfileobj(uploaded, file)
            partial.rename(path)
        except OSError as error:
            raise storage_failed(path, error) from error
    return path


def _free_name(source: Path, taken: set[str]) -> str:
    stem = re.sub(r"[^a-z0-9_-]+", "-", source.name.split(".")[0].lower()).strip("-_")[:40] or "data"
    return next(name for name in [stem, *(f"{stem}-{i}" for i in range(2, 1000))] if name not in taken)


def _start(source: str | list[str], name: str, options: ImportOptions, settings: Json | None = None) -> None:
    from core.worker.importing import job_of
    from core.workspace import check_name

    workspace = picker.workspace()
    check_name(name, "data set")
    if any(entry.name == name for entry in catalog.list_datasets(workspace)):
        raise BadInput(f"There is a data set {name!r} already.", "Choose another name.")
    run = create_run(
        workspace,
        None,
        None,
        name=f"import-{secrets.token_hex(4)}",
        kind="import",
        job=job_of(source, name, options) | ({"settings": settings} if settings else {}),
    )
    launch.start(run)
    st.session_state[_KEY] = run.id
    st.rerun(scope="fragment")


def _follow(run: Run) -> None:
    """Progress until the worker is done; the import goes on if the dialog is closed."""
    st.markdown(f"**{plain(run.job['name'])}**")
    bar = st.progress(0.0, "Starting")
    below = st.empty()
    with below.container(horizontal=True, vertical_alignment="center"):
        st.caption("The import goes on if you close this.")
        if st.button("Stop it", icon=":material/stop:", disabled=launch.stop_requested(run)):
            with contextlib.suppress(NotFound):  # it ended in the meantime
                launch.request_stop(run)
    while (now := status(run)).state.active:
        event = now.progress or {}
        left = f" · {duration(now.seconds_left)} left" if now.seconds_left else ""
        bar.progress(min(now.share, 1.0), f"{event.get('text', 'Starting')}{left}")
        time.sleep(0.3)
    below.empty()
    if now.state is RunState.FINISHED:
        bar.progress(1.0, "Done")
        _finished(now.summary)
    else:
        bar.empty()
        _refused(run, now.error)


def _finished(summary: Json) -> None:
    words = f"{summary['n_items']:,} images are there: {summary['splits']}."
    st.success(words, icon=":material/check_circle:")
    if not summary["can_train"]:
        st.warning(" ".join(NO_TRAINING), icon=":material/warning:")
    if summary.get("n_left_out"):
        st.warning(f"{summary['n_left_out']:,} were left out.", icon=":material/warning:")
        st.dataframe([{"Left out": text} for text in summary["left_out"]], hide_index=True)
        st.download_button(
            "Download the list",
            "\n".join(summary["left_out"]) + "\n",
            f"{summary['dataset']}-left-out.txt",
            icon=":material/download:",
        )
    for text in summary.get("warnings", []):
        st.warning(plain(text), icon=":material/warning:")
    with st.container(horizontal=True):
        if st.button("Open it", type="primary"):
            del st.session_state[_KEY]
            picker.choose(summary["dataset"])
            st.rerun()
        _another("Import something else")


def _refused(run: Run, error: str) -> None:
    from core.worker.importing import PROBLEMS_FILE, options_of

    try:
        report = read_json(run.folder / PROBLEMS_FILE)
    except TidysetError:
        report = {"problems": [], "n_found": 0}
    if not report["problems"]:
        st.error(plain(error) or "The import was stopped.", icon=":material/error:")
    else:
        found = counted(report["n_found"], "problem")
        st.error(f"{found} found; nothing was imported.", icon=":material/error:")
        rows = [
            {"File": file, "Row": row, "Problem": what, "Mend": mend}
            for file, row, what, mend in report["problems"]
        ]
        st.dataframe(rows, hide_index=True, placeholder="")
    with st.container(horizontal=True):
        if report["problems"] and st.button("Leave these out and import the rest", type="primary"):
            options = options_of({**run.job, "skip_bad": True})
            _start(run.job["source"], run.job["name"], options)
        _another("Choose something else")


def _another(title: str) -> None:
    """Back to the choice of a source."""
    if st.button(title):
        del st.session_state[_KEY]
        st.rerun(scope="fragment")
