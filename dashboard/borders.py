"""Which names this server answers to, and whose pages may use it: asked before Streamlit sees a request.

A page of another site can point its own name at this machine (DNS rebinding), and a page on another port of
this machine is sent the same cookies. So each request, and each WebSocket before it opens, must be addressed
to a name that is this server's (``Host``) and, where a browser says from which page it comes (``Origin``,
``Sec-Fetch-Site``), come from this server's own. Settings: docs/teams.md, "Behind a proxy".
"""

from __future__ import annotations

import html
import ipaddress
import os
import re
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

HOSTS = "TIDYSET_ALLOWED_HOSTS"
"""Names that the server answers to beside its own, separated by commas; ``*.example.org``: all below one."""
ANCESTORS = "TIDYSET_FRAME_ANCESTORS"
"""Origins whose pages may show the app in a frame, separated by commas."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::(?P<port>[0-9]{1,5}))?"
)
_ANCESTOR = re.compile(r"https?://[A-Za-z0-9.*-]{1,253}(?::(?:[0-9]{1,5}|\*))?")


class Borders:
    """Refuses requests to another name and from other pages, and tells browsers what a page may do.

    A proxy may hand on another ``Host`` than the browser asked for: an ``Origin`` that TIDYSET_ALLOWED_HOSTS
    names stands for it from here on, so that Streamlit's own check finds the two equal.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = _refused(scope, headers)
        if refused is not None and scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "another host or origin"})
            return
        if scope["type"] == "websocket":
            await self._app(_as_browser_sees_it(scope, headers), receive, send)
            return
        seen = _policies(headers.get("host", ""))

        async def send_with_policies(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                for name, value in seen.items():
                    answered.setdefault(name, value)
            await send(message)

        if refused is not None:
            await refused(scope, receive, send_with_policies)
        else:
            await self._app(_as_browser_sees_it(scope, headers), receive, send_with_policies)


def _refused(scope: Scope, headers: Headers) -> Response | None:
    """The answer to a request that is not let through; None where it is."""
    hosts = headers.getlist("host")
    host = hosts[0] if len(hosts) == 1 else ""
    if not is_own_host(host):
        return _another_host(host, headers)
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if scope["type"] == "http" and site == "same-origin":
        return None  # no page can forge that; a proxy may have put its own name for Host
    if origin is not None:
        if not is_own_origin(origin, host):
            return PlainTextResponse(
                f"Only Tidyset's own page may ask for this. Behind a proxy, name its host in {HOSTS}.", 403
            )
    elif site in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate":
        return PlainTextResponse("Only Tidyset's own page may ask for this.", 403)
    return None


def _another_host(host: str, headers: Headers) -> Response:
    named = host if _HOST.fullmatch(host) else "that name"
    said = f"This Tidyset server does not answer to {named}."
    mend = f"Whoever runs it can allow the name: {HOSTS}={named.partition(':')[0] if host else 'NAME'}"
    if "text/html" not in headers.get("accept", ""):
        return PlainTextResponse(f"{said} {mend}", 403)
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Tidyset</title>"
        "<body style='font: 16px/1.5 sans-serif; max-width: 40em; margin: 4em auto; padding: 0 1em'>"
        f"<h1>Another name</h1><p>{html.escape(said)}</p><p>{html.escape(mend)}</p>"
        "<p>Use the address that the server printed when it started, or see docs/teams.md, "
        "Behind a proxy.</p>",
        403,
    )


def is_own_host(host: str) -> bool:
    """Whether the server answers to that ``Host``, with or without a port."""
    found = _parts(host)
    if found is None:
        return False
    name, _ = found
    if any(_matches(name, allowed) for allowed in _allowed()):
        return True
    own = _own_names(config.get_option("server.address"), config.get_option("browser.serverAddress"))
    return name in own or ("*" in own and _is_address(name))


def is_own_origin(origin: str, host: str) -> bool:
    """Whether a page of that origin is this server's: of the same host and port, or of an allowed name."""
    try:
        parts = urlsplit(origin)
        wanted = _parts(parts.netloc)
    except ValueError:
        return False
    asked = _parts(host)
    if parts.scheme not in ("http", "https") or wanted is None or asked is None:
        return False
    usual = "443" if parts.scheme == "https" else "80"
    if wanted[0] == asked[0] and (wanted[1] or usual) == (asked[1] or usual):
        return True
    return any(allowed != "*" and _matches(wanted[0], allowed) for allowed in _allowed())


def _parts(host: str) -> tuple[str, str] | None:
    """(name in small letters, port or "") of a ``Host``; None where it is none."""
    found = _HOST.fullmatch(host)
    if found is None:
        return None
    return (found["six"] or found["name"]).lower().rstrip("."), found["port"] or ""


def _allowed() -> list[str]:
    """What the settings name; Streamlit's own setting counts too."""
    named = os.environ.get(HOSTS, "").split(",")
    named += config.get_option("server.allowedHosts") or []
    return [name.strip().strip("[]").lower().rstrip(".") for name in named if name.strip()]


def _matches(name: str, allowed: str) -> bool:
    return allowed == "*" or name == allowed or (allowed.startswith("*.") and name.endswith(allowed[1:]))


def _own_names(address: str | None, public: str | None) -> frozenset[str]:
    """Names of this machine; with "*" any address in digits, which no other site's name can stand behind.

    A server that listens beyond this machine is reached under addresses that it cannot know, as in a
    container. One that does not is only reached under the loopback's names.
    """
    own = {*_LOOPBACK, *(one.lower() for one in (address, public) if one)}
    if address is None or not _is_loopback(address):
        machine = socket.gethostname().lower()
        own |= {"*", machine, machine.partition(".")[0], f"{machine.partition('.')[0]}.local"}
    return frozenset(own)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return address == "localhost" or (_is_address(address) and ipaddress.ip_address(address).is_loopback)


def _as_browser_sees_it(scope: Scope, headers: Headers) -> Scope:
    """The request under the host that the browser asked for, where a proxy has put its own name for that."""
    origin = headers.get("origin")
    if origin is None or _parts(asked := origin.partition("://")[2]) is None or asked == headers.get("host"):
        return scope
    others = [pair for pair in scope["headers"] if pair[0] != b"host"]
    return {**scope, "headers": [(b"host", asked.encode("latin-1", "replace")), *others]}


def _policies(host: str) -> dict[str, str]:
    """What a browser is told of every answer that says nothing itself."""
    framing = frame_ancestors()
    sockets = f"ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    policies = {
        "default-src": "'self'",
        # Streamlit runs components as modules from blobs; Plotly and Vega compile expressions.
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": f"'self' data: blob: {sockets}".rstrip(),
        "worker-src": "'self' blob:",
        "frame-src": "'self' blob: data:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": " ".join(("'self'", *framing)),
    }
    told = {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policies.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
    }
    return told if framing else {**told, "x-frame-options": "SAMEORIGIN"}


def frame_ancestors() -> tuple[str, ...]:
    """Origins whose pages may show the app in a frame; what is no origin is left out."""
    named = [one.strip() for one in os.environ.get(ANCESTORS, "").split(",")]
    return tuple(one for one in named if _ANCESTOR.fullmatch(one))
