"""Which workspace and data set the session looks at; every page asks here."""

from __future__ import annotations

import time
from collections import Counter

import streamlit as st

from core import workspace as workspaces
from core.data import catalog
from core.data.catalog import CatalogEntry
from core.data.dataset import Dataset, dataset_folder
from core.errors import NotFound
from core.workspace import Workspace
from dashboard import memo, progress, stale
from dashboard.errors import shown_as_message
from dashboard.wording import plain

_KEY, _NEXT, _SEEN = "data", "data_next", "data_seen"


def workspace() -> Workspace:
    """The workspace of this server."""
    return workspaces.current()


def draw() -> None:
    """The picker in the sidebar; the choice is part of the address, so that a link opens it again."""
    entries = {entry.name: entry for entry in catalog.list_datasets(workspace())}
    usable = [name for name, entry in entries.items() if entry.state in ("ready", "available")]
    asked = _settle(usable)
    titles = _titles(entries)
    with st.sidebar:
        # Not bind="query-params": that would put the title into the address, not the name.
        chosen = st.selectbox("Data set", usable, format_func=titles.__getitem__, key=_KEY)
        if any(entry.state == "absent" for entry in entries.values()):
            _offer_download()
        _list_damaged([entry for entry in entries.values() if entry.state == "damaged"])
    stale.note("data set", asked, entries[chosen].title if chosen else "")
    if chosen and st.query_params.get(_KEY, usable[0]) != chosen:
        st.query_params[_KEY] = chosen
    st.session_state[_SEEN] = st.query_params.get(_KEY)


def _titles(entries: dict[str, CatalogEntry]) -> dict[str, str]:
    """What each is called: two of one title with their names, as Streamlit knows choices by their words."""
    n = Counter(entry.title for entry in entries.values())
    return {
        name: entry.title if n[entry.title] == 1 else f"{entry.title} ({name})"
        for name, entry in entries.items()
    }


def dataset() -> Dataset:
    """The data set that the sidebar names, opened. Raises TidysetError when it cannot be."""
    name = st.session_state.get(_KEY)
    if not name:
        raise NotFound(
            "There is no data set yet.", "Import one from Home, or with `uv run tidyset data import`."
        )
    return open_dataset(workspace(), name)


def open_dataset(workspace: Workspace, name: str) -> Dataset:
    """The opened data set; one object for all sessions until its folder is written anew."""
    if (dataset_folder(workspace, name) / "dataset.json").exists():
        return memo.opened(workspace, name)
    with st.spinner("Opening the data set …"):
        return memo.opened(workspace, name)


def choose(name: str) -> None:
    """Make ``name`` the session's data set from the next run of the script on (an import just made it)."""
    st.session_state[_NEXT] = name


def forget() -> None:
    """Open another data set from the next run of the script on: the session's was deleted."""
    st.query_params.pop(_KEY, None)
    st.session_state.pop(_SEEN, None)


def _settle(usable: list[str]) -> str:
    """What to open: the set just imported, else what a new address asks for, else the choice so far.

    Returns what the address asked for where there is no such data set, else "".
    """
    asked = st.query_params.get(_KEY)
    is_new = asked != st.session_state.get(_SEEN)
    wanted = st.session_state.pop(_NEXT, asked if is_new else None)
    if wanted in usable:
        st.session_state[_KEY] = wanted
    elif st.session_state.get(_KEY) not in usable:
        st.session_state.pop(_KEY, None)
    if asked is not None and asked not in usable:
        del st.query_params[_KEY]
        return asked
    return ""


def _list_damaged(damaged: list[CatalogEntry]) -> None:
    if not damaged:
        return
    with st.popover(f"{len(damaged)} cannot be opened", icon=":material/warning:", type="tertiary"):
        for entry in damaged:
            st.markdown(f"**{plain(entry.name)}**")
            st.caption(plain(entry.note))


def _offer_download() -> None:
    """The full Fashion-MNIST, where it is not on this machine."""
    if st.button("Get Fashion-MNIST (30 MB)", icon=":material/download:", type="tertiary"):
        _download()


@st.dialog("Get Fashion-MNIST")
def _download() -> None:
    """Fetch the four files; a second try goes on where the first broke off."""
    from core.data import fashion_mnist

    with shown_as_message():
        bar = st.progress(0.0, "Connecting …")

        began = time.monotonic()

        def draw(share: float, name: str) -> None:
            left = progress.time_left(share, time.monotonic() - began)
            bar.progress(share, f"Fetching {plain(name)}{left}")

        fashion_mnist.download(workspace(), draw)
        bar.progress(1.0, "Putting it into the workspace …")
        open_dataset(workspace(), fashion_mnist.FULL)
        choose(fashion_mnist.FULL)
        st.rerun()
