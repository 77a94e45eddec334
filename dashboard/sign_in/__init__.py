"""Signing in and out, where the workspace has accounts; without any, nobody sees anything of it.

Names and passwords do not travel through Streamlit: the form posts them to dashboard.sign_in.endpoint, which
answers with a cookie that scripts cannot read. Whoever signs in with OpenID Connect (``st.login``) is given
such a session as well, so that every route knows them in the one same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core import workspace as workspaces
from core.errors import DamagedFile, NotAllowed, StorageFailed
from core.people import sessions
from core.people.accounts import accounts, has_accounts
from core.people.acting import acting, tell_with
from core.people.roles import Person, Right
from dashboard import links
from dashboard.cookies import name_in, token_in
from dashboard.wording import plain

_HERE = Path(__file__).parent
_CARRIED = "sign_in_carried"
_form = st.components.v2.component(
    "tidyset_sign_in",
    css=(_HERE / "sign_in.css").read_text("utf-8"),
    js=(_HERE / "sign_in.js").read_text("utf-8"),
    isolate_styles=False,  # password managers do not look into a shadow root
)


def _name_of_session() -> str | None:
    """Who is signed in in the session whose script runs in this thread."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    return name_in(workspaces.current(), st.context.cookies)


tell_with(_name_of_session)


def is_admitted() -> bool:
    """Whether the session may see anything; nobody may while the accounts are damaged."""
    try:
        return acting(workspaces.current()).may(Right.LOOK)
    except (NotAllowed, DamagedFile, StorageFailed):
        return False


def me() -> Person:
    """Whoever uses the page; in a workspace without accounts somebody without a name who may do all."""
    return acting(workspaces.current())


def draw() -> None:
    """The page of somebody who is not signed in."""
    with st.container(horizontal_alignment="center"), st.container(width=420, key="sign_in"):
        st.title("Sign in", anchor=False)
        claims = _claims()
        if claims and claims.get("is_logged_in"):
            _let_in(claims)
            return
        if claims is not None:
            _providers()
        if any(one.kept for one in (accounts(workspaces.current()) or {}).values()):
            _form(data={"post": f"{links.ROOT}/sign-in", "session": ""}, key="sign_in_form")


def draw_account() -> None:
    """Who is signed in, at the foot of the sidebar, and the way out."""
    if not has_accounts(workspaces.current()):
        return
    person = me()
    with st.sidebar.container(horizontal=True, vertical_alignment="center", key="account"):
        st.caption(f":material/person: {plain(person.name)} · {person.role}")
        if st.button("Sign out", icon=":material/logout:", type="tertiary", key="sign_out"):
            sessions.end(workspaces.current(), token_in(workspaces.current(), st.context.cookies))
            if (_claims() or {}).get("is_logged_in"):
                st.logout()
            else:
                st.rerun()


def only_for(right: Right) -> bool:
    """Whether whoever uses the page has the right; says so where not."""
    person = me()
    if not person.may(right):
        st.info(f"As {person.role} you may look, but not {right}.", icon=":material/visibility:")
    return person.may(right)


def _claims() -> Mapping[str, Any] | None:
    """What the provider says of the person; None where no provider is set up (secrets.toml)."""
    return st.user if "is_logged_in" in st.user else None


def _providers() -> None:
    """A button for each provider of secrets.toml; the one without a name when there is only that."""
    named = [
        name
        for name, one in st.secrets["auth"].items()
        if isinstance(one, Mapping) and "client_id" in one and name != "client_kwargs"
    ]
    for name in named or [None]:
        title = f"Sign in with {plain(name)}" if name else "Sign in with your organisation"
        if st.button(title, icon=":material/login:", type="primary", width="stretch", key=f"login_{name}"):
            st.login(name)


def _let_in(claims: Mapping[str, Any]) -> None:
    """Give a session to whoever the provider vouches for, if they have an account here."""
    workspace = workspaces.current()
    name = name_claimed(claims)
    if name is None or name not in (accounts(workspace) or {}):
        st.warning(f"{plain(name or 'Somebody without an e-mail address')} has no account here.")
        st.caption("An admin can add it: `uv run tidyset people add`, with the address as the name.")
        if st.button("Sign out", icon=":material/logout:"):
            st.logout()
        return
    token = st.session_state.get(_CARRIED, "")
    if sessions.name_of(workspace, token) != name:
        token = st.session_state[_CARRIED] = sessions.begin(workspace, name)
    _form(data={"post": f"{links.ROOT}/sign-in", "session": token}, key="sign_in_form")


def name_claimed(claims: Mapping[str, Any]) -> str | None:
    """The e-mail address that a provider vouches for; None where it does not, or says it is not verified."""
    address = claims.get("email")
    if not isinstance(address, str) or not address or claims.get("email_verified") in (False, "false"):
        return None
    return address


def note_presence(page: str) -> None:
    """Tell the team that whoever is signed in is here, on that page."""
    workspace = workspaces.current()
    if not has_accounts(workspace):
        return
    from core.team import presence

    presence.note(workspace, me().name, str(st.session_state.get("data") or ""), page)
