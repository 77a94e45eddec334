"""What travels beside Streamlit's own channel: thumbnails and pictures to the browser, label edits back.

Another module's route joins by being listed in ROUTES; write it as Route(f"{PREFIX}/...", function). What
an answer needs is imported with the first one, or before by dashboard.warmup: so the server is up sooner.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from streamlit import config

from core import workspace as workspaces
from core.errors import NotFound, TidysetError
from core.json_text import json_text
from core.workspace import check_name
from dashboard import late_fragments, links, waiting, warmup
from dashboard.admission import Admission
from dashboard.borders import Borders
from dashboard.preload import Preload
from dashboard.upload_bounds import UploadBounds

if TYPE_CHECKING:
    from core.data.dataset import Dataset

PREFIX = f"{config.get_option('server.baseUrlPath').rstrip('/')}/{links.ROOT}"
if not PREFIX.startswith("/"):
    PREFIX = f"/{PREFIX}"
SIGN_IN = f"{PREFIX}/sign-in"

# Pictures are data: they may not run as a page, nor be taken for another type, nor embedded elsewhere.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


async def sheet(request: Request) -> Response:
    """One thumbnail sheet, as WebP."""

    def make(dataset: Dataset, number: int) -> bytes:
        from core.data.thumbnails import sheet_bytes

        return sheet_bytes(dataset, number)

    return await _answer(request, "image/webp", make)


async def picture(request: Request) -> Response:
    """One whole image, as PNG."""

    def make(dataset: Dataset, number: int) -> bytes:
        from core.data.thumbnails import picture_png

        return picture_png(dataset, number)

    return await _answer(request, "image/png", make)


async def company(request: Request) -> Response:
    """What to hold an image against, as JSON; ``?run=`` says whose features tell what is alike."""
    run = request.query_params.get("run")

    def make(dataset: Dataset, position: int) -> bytes:
        from dashboard.review.company import company

        return json_text(company(workspaces.current(), dataset, position, run)).encode()

    return await _answer(request, "application/json", make, keep={"Cache-Control": "private, max-age=60"})


async def points(request: Request) -> Response:
    """An array of an embedding map, as its bytes."""
    from dashboard.embedding_map.published import SHELF

    try:
        content = SHELF.get(request.path_params["digest"])
    except NotFound as error:
        return _not_found(error)
    return Response(content, 200, {**HEADERS, **FOREVER}, media_type="application/octet-stream")


async def _answer(
    request: Request,
    media_type: str,
    make: Callable[[Dataset, int], bytes],
    keep: Mapping[str, str] = FOREVER,
) -> Response:
    """Bytes of the numbered thing in the data set that the path names, made in a thread; else a 404."""
    given = request.path_params

    def find_and_make() -> bytes:
        return make(_dataset(given["name"], given["fingerprint"]), given["number"])

    try:
        content = await run_in_threadpool(find_and_make)
    except TidysetError as error:
        return _not_found(error)
    return Response(content, 200, {**HEADERS, **keep}, media_type=media_type)


def _not_found(error: TidysetError) -> Response:
    headers = {**HEADERS, "Cache-Control": "no-store"}
    return Response(str(error), 404, headers, media_type="text/plain; charset=utf-8")


async def labels(request: Request) -> Response:
    """Label edits."""
    from dashboard.review import endpoint

    return await endpoint.labels(request)


async def sign_in(request: Request) -> Response:
    """Name and password."""
    from dashboard.sign_in import endpoint

    return await endpoint.post(request)


def _dataset(name: str, fingerprint: str) -> Dataset:
    """The data set of that name and content. Raises NotFound; a request never puts one into the workspace."""
    from core.data.dataset import dataset_folder
    from dashboard.memo import opened

    workspace = workspaces.current()
    if not (dataset_folder(workspace, check_name(name, "data set")) / "dataset.json").exists():
        raise NotFound(f"There is no data set {name!r}.", "Reload the page.")
    dataset = opened(workspace, name)
    if dataset.fingerprint != fingerprint:
        raise NotFound(f"Data set {name!r} was replaced by another content.", "Reload the page.")
    return dataset


class _Index(Convertor[int]):
    """A number in a path, no longer than that of an image can be: Python reads none of 5,000 digits."""

    regex = "[0-9]{1,15}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("index", _Index())

ROUTES: list[BaseRoute] = [
    Route(PREFIX + "/sheets/{name}/{fingerprint}/{number:index}.webp", sheet),
    Route(PREFIX + "/image/{name}/{fingerprint}/{number:index}.png", picture),
    Route(PREFIX + "/company/{name}/{fingerprint}/{number:index}.json", company),
    Route(PREFIX + "/points/{digest}.bin", points),
    Route(PREFIX + "/labels", labels, methods=["POST"]),
    Route(SIGN_IN, sign_in, methods=["POST"]),
]
# Streamlit's own addresses that give out or take in data are guarded too; the rest is the empty app.
BASE = PREFIX.removesuffix(f"/{links.ROOT}")
GUARDED = (f"{PREFIX}/", f"{BASE}/media/", f"{BASE}/_stcore/upload_file/")
MIDDLEWARE = [
    Middleware(Borders),  # first: what it refuses reaches nothing else
    Middleware(Admission, guarded=GUARDED, open_to_all=(SIGN_IN,)),
    Middleware(UploadBounds, below=f"{BASE}/_stcore/upload_file/"),
    Middleware(Preload),
]


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Start-up and shutdown of the server."""
    late_fragments.mend()
    warmup.start()
    waiting.start()
    yield {}
