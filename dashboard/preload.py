"""The page's first bytes name what Streamlit would fetch only once it draws it, so that nothing jumps.

Streamlit (1.67) loads the script of each kind of widget when the first of that kind is drawn, and shows a
grey bar of another height until it is there: whatever stands below moves when it comes. Here the browser is
told beforehand (``<link rel="modulepreload">``). So it is of the fonts, since text that changes its font is
wrapped anew, and of our own style sheet, which else comes as an element of the page, after the others.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KINDS = (
    "BidiComponent",
    "Button",
    "ButtonGroup",
    "Checkbox",
    "Html",
    "Metric",
    "Multiselect",
    "NumberInput",
    "PageLink",
    "Progress",
    "Selectbox",
    "TextInput",
)
"""What stands at the head of pages; charts and tables are large, and keep their own room."""
_STATIC = Path(streamlit.__file__).parent / "static"
_STYLE = Path(__file__).parent / "static" / "frame.css"
_FONT = "./app/static/inter-latin.woff2"
"""As .streamlit/config.toml names it."""
_ICONS = "MaterialSymbols-Rounded.*.woff2"
_IMPORTED = re.compile(r'from"\./([\w.-]+\.js)"')
_NOT_PASSED_ON = (b"accept-encoding", b"if-none-match", b"if-modified-since")
"""Of a request for the page: it is to come whole, and not packed."""
_END_OF_HEAD = b"</head>"


@functools.cache
def links() -> bytes:
    """What is put into the head; nothing of a kind that another version of Streamlit names otherwise."""
    folder, named = _STATIC / "static" / "js", (_STATIC / "index.html").read_text("utf-8")
    wanted = [path.name for kind in KINDS for path in folder.glob(f"{kind}.*.js")]
    found: dict[str, None] = {}
    while wanted:
        name = wanted.pop()
        if name not in found and name not in named and (folder / name).exists():
            found[name] = None
            wanted += _IMPORTED.findall((folder / name).read_text("utf-8"))
    scripts = [f'<link rel="modulepreload" crossorigin href="./static/js/{name}">' for name in found]
    media = [f"./static/media/{path.name}" for path in (_STATIC / "static" / "media").glob(_ICONS)]
    fonts = [
        f'<link rel="preload" as="font" type="font/woff2" crossorigin href="{address}">'
        for address in (_FONT, *media)
    ]
    return "\n".join([f"<style>{_STYLE.read_text('utf-8')}</style>", *fonts, *scripts, ""]).encode()


class Preload:
    """Puts ``links`` into the one page of HTML that Streamlit serves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "GET" or not _asks_for_a_page(scope):
            await self._app(scope, receive, send)
            return
        plain = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in _NOT_PASSED_ON]}
        held: list[Message] = []

        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                held.append(message)
            elif held and message["type"] == "http.response.body":
                held.append(message)
                if not message.get("more_body"):
                    await _send_with_links(held, send)
            else:
                await send(message)

        await self._app(plain, receive, pass_on)


def _asks_for_a_page(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _is_page(start: Message) -> bool:
    return start["status"] == 200 and Headers(scope=start).get("content-type", "").startswith("text/html")


async def _send_with_links(held: list[Message], send: Send) -> None:
    start, *parts = held
    body = b"".join(part.get("body", b"") for part in parts)
    if body:
        body = body.replace(_END_OF_HEAD, links() + _END_OF_HEAD, 1)
        headers = MutableHeaders(scope=start)
        headers["content-length"] = str(len(body))
        del headers["etag"]  # of the page without them
        del headers["last-modified"]
    await send(start)
    await send({"type": "http.response.body", "body": body})
