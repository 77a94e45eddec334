"""The page names beforehand what it will need, and everything else passes as it is."""

from __future__ import annotations

import re

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from dashboard import preload

PAGE = "<html><head><title>Streamlit</title></head><body></body></html>"
HEADERS = {"etag": '"1"', "last-modified": "Thu, 26 Nov 2026 02:03:07 GMT"}


def page(request: Request) -> Response:
    packed = "gzip" in request.headers.get("accept-encoding", "")
    return HTMLResponse(PAGE, headers=HEADERS | ({"x-packed": "yes"} if packed else {}))


def numbers(request: Request) -> Response:
    return JSONResponse([1, 2], headers=HEADERS)


CLIENT = TestClient(preload.Preload(Starlette(routes=[Route("/", page), Route("/numbers", numbers)])))


def test_every_kind_is_there_with_all_that_it_imports() -> None:
    named = re.findall(r"js/([\w.-]+)\"", preload.links().decode())
    assert {name.split(".")[0] for name in named} >= set(preload.KINDS)
    assert len(named) == len(set(named))
    fonts = re.findall(r'as="font"[^>]*href="\./([^"]+)"', preload.links().decode())
    assert [name.split("/")[-1].split(".")[0] for name in fonts] == ["inter-latin", "MaterialSymbols-Rounded"]


def test_they_are_put_into_the_page_which_comes_whole() -> None:
    answer = CLIENT.get("/", headers={"accept": "text/html", "accept-encoding": "gzip"})
    assert answer.content == PAGE.encode().replace(b"</head>", preload.links() + b"</head>")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert not {"etag", "last-modified", "x-packed"} & set(answer.headers)


def test_all_else_passes_as_it_is() -> None:
    assert CLIENT.get("/", headers={"accept": "*/*"}).text == PAGE
    answer = CLIENT.get("/numbers", headers={"accept": "text/html"})
    assert (answer.json(), answer.headers["etag"]) == ([1, 2], '"1"')
    assert CLIENT.head("/", headers={"accept": "text/html"}).text == ""
    assert CLIENT.get("/nowhere", headers={"accept": "text/html"}).status_code == 404
