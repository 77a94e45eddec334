"""Bringing data in: an upload, or a path of the server where that is allowed; read by a worker process."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data import catalog, uploads
from core.data.dataset import Task
from core.data.images import as_channels, decode
from core.data.importer import FORMATS, ImportOptions, recognise
from core.data.problems import ProblemLog
from core.data.readers import archives
from core.data.readers.base import Hints, Recognised
from core.data.splits import NO_TRAINING
from core.errors import BadInput, NotAllowed, NotFound, TidysetError
from core.files import Json, read_json, storage_failed
from core.runs import launch
from core.runs.store import Run, RunState, create_run, find_run, status
from dashboard import picker
from dashboard.errors import shown_as_message
from dashboard.wording import counted, duration, plain

_KEY = "import_run"
COMPOSE = "Compose characters"
_TYPES = ["zip", "tar", "gz", "tgz", "csv", "npz", "npy", "parquet"]
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
    source = _source(str(way))
    if source is None:
        st.caption(f"Known formats: {FORMATS}.")
        return
    classes = st.text_input(
        "Class names", help="In the order of the label numbers, parted by commas. Optional."
    )
    hints = Hints(tuple(part.strip() for part in classes.split(",") if part.strip()))
    if not archives.is_archive(source):
        _preview(recognise(source, hints))
    taken = {entry.name for entry in catalog.list_datasets(picker.workspace())}
    name = st.text_input(
        "Name", _free_name(source, taken), help="Lower-case letters, digits, '.', '_' and '-'."
    )
    left, right = st.columns(2)
    test = left.number_input("Test share", 0.0, 0.9, 0.2, 0.05, help="Used where no test split is given.")
    val = right.number_input("Validation share", 0.0, 0.9, 0.0, 0.05)
    skip_bad = st.checkbox("Leave out what is wrong, and list it")
    if st.button("Import", type="primary", icon=":material/upload:"):
        _start(str(source), name, ImportOptions(hints, "", test, val, 0, skip_bad))


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


def _source(way: str) -> Path | None:
    """The chosen file or folder; an upload is put into the workspace first."""
    if way == "Upload":
        uploaded = st.file_uploader("File", type=_TYPES, label_visibility="collapsed")
        return _kept(uploaded) if uploaded is not None else None
    typed = st.text_input("File or folder", placeholder="A file, or a folder of images")
    return allowed(Path(typed)) if typed else None


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


def _preview(recognised: Recognised) -> None:
    """What the source was recognised as, and its first images."""
    count = f"{recognised.n_items:,} images, " if recognised.n_items is not None else ""
    classes = f", {len(recognised.classes)} classes" if recognised.classes else ""
    task = "several labels an image" if recognised.task is Task.MULTI_LABEL else "one label an image"
    said = f"{count}{recognised.format}: {task}{classes}."
    st.success(plain(said[0].upper() + said[1:]), icon=":material/check_circle:")
    try:
        first = [_shown(record.image) for record in islice(recognised.records(ProblemLog()), 12)]
        st.image(
            first, width=56, alt=[f"Image {number} of the source" for number in range(1, len(first) + 1)]
        )
    except (TidysetError, OSError):
        st.caption("The first images cannot be shown; the import will say what is wrong with them.")


def _shown(image: NDArray[np.uint8] | Path | bytes) -> NDArray[np.uint8]:
    pixels = image if isinstance(image, np.ndarray) else decode(image)
    return as_channels(pixels, 3)


def _start(source: str, name: str, options: ImportOptions, settings: Json | None = None) -> None:
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
