"""What Streamlit and its server do by themselves that this app does not want told or believed.

To everybody who connects, signed in or not, Streamlit (1.67) sends the versions of Python and of itself and
the path of the app's file; and uvicorn believes ``X-Forwarded-For`` of whoever connects from this machine,
who can then be at any address they like.
"""

from __future__ import annotations

import functools
import logging
import os
from typing import Any

import uvicorn.config
from streamlit.runtime.app_session import AppSession
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_log = logging.getLogger("tidyset")
TRUSTED = "FORWARDED_ALLOW_IPS"
"""uvicorn's own setting: addresses of proxies whose X-Forwarded-For is believed, separated by commas."""


def mend() -> None:
    """For all sessions of this server; once is enough, and before uvicorn has wrapped the app."""
    _tell_no_versions()
    _believe_named_proxies_only()


def _tell_no_versions() -> None:
    create = getattr(AppSession, "_create_new_session_message", None)
    if create is None:
        _log.warning("This Streamlit greets in another way; dashboard/streamlit_borders.py hides no versions")
        return
    if hasattr(create, "__wrapped__"):
        return

    @functools.wraps(create)
    def without_versions(session: AppSession, *args: Any, **more: Any) -> Any:
        message = create(session, *args, **more)
        told = message.new_session
        told.main_script_path = os.path.basename(told.main_script_path)
        told.initialize.environment_info.python_version = ""
        told.initialize.environment_info.streamlit_version = ""
        told.initialize.environment_info.server_os = ""
        return message

    setattr(AppSession, "_create_new_session_message", without_versions)  # noqa: B010  as in late_fragments.py


def _believe_named_proxies_only() -> None:
    def middleware(app: Any, trusted_hosts: Any = "") -> ProxyHeadersMiddleware:
        return ProxyHeadersMiddleware(app, trusted_hosts=os.environ.get(TRUSTED, ""))

    setattr(uvicorn.config, "ProxyHeadersMiddleware", middleware)  # noqa: B010
