"""The panels of the Team page. One fragment reads three small answers every 15 seconds while it is open."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from core.data.dataset import Dataset
from core.people.roles import Right
from core.workspace import Workspace
from dashboard import links, sign_in
from dashboard.errors import shown_as_message
from dashboard.wording import ago, count, counted, plain

if TYPE_CHECKING:
    from core.team.lists import Progress, SharedList

SECONDS = 15


def nothing_yet() -> None:
    """Nothing was labelled or shared."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            "Nothing is shared yet. Open a list on the Relabel page, then *Share this list with the team*."
        )
        if st.button("Open Relabel", type="primary", icon=":material/fact_check:"):
            st.switch_page(links.RELABEL)


@st.fragment(run_every=SECONDS)
def overview(workspace: Workspace, dataset: Dataset) -> None:
    """Who is here, the open lists, and what each person did."""
    with shown_as_message():
        from core.team.lists import lists_of, progress

        _here(workspace, dataset)
        lists = lists_of(workspace, dataset.name)
        st.subheader("Shared lists", anchor=False)
        if not lists:
            nothing_yet()
        for shared in lists:
            _list(dataset, shared, progress(workspace, shared))
        _work(workspace, dataset)


def _here(workspace: Workspace, dataset: Dataset) -> None:
    from core.team.presence import who_is_here

    st.subheader("Here now", anchor=False)
    here = who_is_here(workspace)
    if not here:
        st.caption(
            "Nobody, as far as can be told: people are noted once they sign in or work on a shared list."
        )
        return
    with st.container(horizontal=True):
        for one in here:
            where = one.doing if one.dataset == dataset.name else f"{one.doing}, in {one.dataset}"
            st.badge(f"{plain(one.person)} · {plain(where)}", icon=":material/person:", color="green")


def _list(dataset: Dataset, shared: SharedList, now: Progress) -> None:
    overlap = f", each by {shared.overlap} people" if shared.overlap > 1 else ""
    with st.container(border=True):
        st.markdown(f"**{plain(shared.name)}**")
        st.progress(
            now.n_done / now.n_places if now.n_places else 1.0,
            f"{count(now.n_done)} of {counted(now.n_places, 'decision')} "
            f"({counted(now.n_images, 'image')}{overlap})",
        )
        if shared.fingerprint != dataset.fingerprint:
            st.warning(
                "The data set was replaced since this list was shared: close it, and share a new one.",
                icon=":material/warning:",
            )
        if now.shares:
            st.caption(
                " · ".join(
                    f"{plain(one.person)} {count(one.n_done)}"
                    + (f" (+{count(one.n_kept)} taken)" if one.n_kept else "")
                    for one in now.shares
                )
            )
        st.caption(f"Shared by {plain(shared.who)} {ago(shared.at)}; {shared.at_once} images at a time.")


def _work(workspace: Workspace, dataset: Dataset) -> None:
    from core.labels.work import work_of

    st.subheader("What each has done", anchor=False)
    rows = [
        {
            "Person": one.person,
            "Edits in the last day": one.n_last_day,
            "Edits in all": one.n_edits,
            "Last edit": ago(one.at, time.time()),
        }
        for one in work_of(workspace, dataset.name)
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="content")
    else:
        st.caption("Nobody has edited a label yet.")


def closing(workspace: Workspace, dataset: Dataset) -> None:
    """Closing a list, and freeing what somebody left, for who may; outside what refreshes itself."""
    from core.team.lists import close, lists_of, progress, release

    lists = {one.name: one for one in lists_of(workspace, dataset.name)}
    if not lists or not sign_in.me().may(Right.SHARE):
        return
    with st.expander("Close a list, or give back what somebody left", icon=":material/tune:"):
        shared = lists[st.selectbox("List", list(lists), format_func=plain, key="team_list")]
        kept = [one.person for one in progress(workspace, shared).shares if one.n_kept]
        person = st.selectbox("Taken by", kept, key="team_person", placeholder="Nobody has images now")
        with st.container(horizontal=True):
            if st.button("Give back", disabled=person is None, key="team_release") and person is not None:
                release(workspace, shared, person)
                st.rerun()
            if st.button("Close the list", key="team_close"):
                close(workspace, shared)
                st.rerun()
