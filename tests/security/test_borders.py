"""Which names the server answers to, and whose pages may use it; held before Streamlit sees a request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit import config
from streamlit.runtime.app_session import AppSession

from core.workspace import Workspace
from dashboard import borders, links, routes, streamlit_borders

OWN = "localhost:8501"
ASKS_FOR_A_PAGE = {"accept": "text/html", "sec-fetch-mode": "navigate"}


@pytest.fixture(autouse=True)
def _settings(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (borders.HOSTS, borders.ANCESTORS):
        monkeypatch.delenv(name, raising=False)
    before = config.get_option("server.address")
    config.set_option("server.address", "localhost")
    yield
    config.set_option("server.address", before)


async def _told_host(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"host {request.headers['host']}")


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(socket.headers["host"])
    await socket.close()


@pytest.fixture
def client() -> TestClient:
    others = [Route("/", _told_host, methods=["GET", "POST"]), WebSocketRoute("/_stcore/stream", _socket)]
    return TestClient(Starlette(routes=[*routes.ROUTES, *others], middleware=routes.MIDDLEWARE))


def opens(client: TestClient, host: str, **headers: str) -> bool:
    """Whether a WebSocket opens."""
    try:
        with client.websocket_connect("/_stcore/stream", headers={"host": host, **headers}) as socket:
            return bool(socket.receive_text())
    except WebSocketDisconnect:
        return False


@pytest.mark.parametrize(
    "host", ["localhost", OWN, "127.0.0.1:8501", "[::1]:8501", "LOCALHOST:80", "localhost."]
)
def test_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200
    assert opens(client, host)
    assert opens(client, host, origin=f"http://{host}")


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "evil.example:8501",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
        ),
        *("", "localhost@evil.example", "localhost:x", "[::1", "localhost/evil", "a b", "localhost:8501:1"),
    ],
)
def test_another_name_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/", headers={"host": host})
    assert (answer.status_code, borders.HOSTS in answer.text) == (403, True)
    page = client.get("/", headers={"host": host, **ASKS_FOR_A_PAGE})
    assert (page.status_code, borders.HOSTS in page.text, "<h1>" in page.text) == (403, True, True)
    assert not opens(client, host)
    assert not opens(client, host, origin=f"http://{host}")


@pytest.mark.parametrize(
    "origin",
    [
        *("http://localhost:3000", "http://127.0.0.1:8501", "http://evil.example", "https://localhost"),
        *("null", "http://[::1", "file://", "localhost:8501", "http://localhost:8501@evil.example", ""),
        *(
            "http://localhost:99999999999999999999",
            "http://localhost:8501.evil.example",
            "chrome-extension://x",
        ),
    ],
)
def test_a_page_of_another_origin_is_refused(client: TestClient, origin: str) -> None:
    assert not opens(client, OWN, origin=origin)
    for method, path in (
        ("GET", "/"),
        ("POST", f"/{links.ROOT}/sign-in"),
        ("PUT", "/_stcore/upload_file/a/b"),
    ):
        answer = client.request(method, path, headers={"host": OWN, "origin": origin})
        assert answer.status_code == 403, (method, path)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_s_page_embeds_nothing_but_may_link_here(client: TestClient, site: str) -> None:
    headers = {"host": OWN, "sec-fetch-site": site}
    assert client.get("/", headers={**headers, "sec-fetch-mode": "no-cors"}).status_code == 403
    assert client.get("/", headers={**headers, **ASKS_FOR_A_PAGE}).status_code == 200


def test_a_server_that_listens_beyond_this_machine_is_reached_by_address(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(borders.socket, "gethostname", lambda: "box.office")
    for address in ("0.0.0.0", "::", "192.168.1.5"):
        config.set_option("server.address", address)
        for host in ("192.168.1.5:8501", "[fd00::1]:8501", "box", "box.local", "box.office:8501", OWN):
            assert client.get("/", headers={"host": host}).status_code == 200, host
            assert opens(client, host, origin=f"http://{host}")
        assert client.get("/", headers={"host": "evil.example"}).status_code == 403


def test_names_can_be_allowed(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(borders.HOSTS, "tidyset.example.org, *.office")
    for host in ("tidyset.example.org", "a.office:8501"):
        assert client.get("/", headers={"host": host}).status_code == 200
    for host in ("office", "evil.example", "x.tidyset.example.org"):
        assert client.get("/", headers={"host": host}).status_code == 403
    config.set_option("server.address", "tidyset.example.net")
    assert client.get("/", headers={"host": "tidyset.example.net:8501"}).status_code == 200


def test_a_proxy_may_hand_on_its_own_name(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit compares Origin and Host itself; if not equal, it asks an outer host for its address."""
    monkeypatch.setenv(borders.HOSTS, "tidyset.example.org")
    answer = client.get("/", headers={"host": OWN, "origin": "https://tidyset.example.org"})
    assert answer.text == "host tidyset.example.org"
    assert opens(client, OWN, origin="https://tidyset.example.org")
    assert not opens(client, OWN, origin="https://evil.example")
    monkeypatch.setenv(borders.HOSTS, "*")  # of names, not of origins
    assert not opens(client, OWN, origin="https://evil.example")


def test_browsers_are_told_what_a_page_may_do(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    told = client.get("/", headers={"host": OWN}).headers
    policy = told["content-security-policy"]
    assert "frame-ancestors 'self'" in policy
    assert "object-src 'none'" in policy
    assert (told["x-content-type-options"], told["referrer-policy"]) == ("nosniff", "same-origin")
    assert told["x-frame-options"] == "SAMEORIGIN"
    monkeypatch.setenv(borders.ANCESTORS, "https://portal.example.org, *; script-src *, javascript:x")
    told = client.get("/", headers={"host": OWN}).headers
    assert told["content-security-policy"].endswith("frame-ancestors 'self' https://portal.example.org")
    assert "x-frame-options" not in told
    picture = client.get(f"/{links.ROOT}/points/x.bin", headers={"host": OWN}).headers
    assert picture["content-security-policy"] == "default-src 'none'; sandbox"


def test_a_number_of_thousands_of_digits_is_no_address(client: TestClient) -> None:
    path = f"/{links.ROOT}/image/small/x/{'9' * 5_000}.png"
    assert client.get(path, headers={"host": OWN}).status_code == 404


def test_nobody_is_told_versions_and_paths() -> None:
    """The channel is open before signing in; what Streamlit says of itself there goes to everybody."""
    streamlit_borders.mend()
    assert hasattr(AppSession._create_new_session_message, "__wrapped__")


def test_x_forwarded_for_is_believed_of_named_proxies_only(monkeypatch: pytest.MonkeyPatch) -> None:
    streamlit_borders.mend()

    async def app(scope: object, receive: object, send: object) -> None:
        """Nothing: only who is said to have asked counts."""

    def trusts(address: str) -> bool:
        server = uvicorn.Config(app)
        server.load()
        wrapped = server.loaded_app
        while not hasattr(wrapped, "trusted_hosts"):
            wrapped = wrapped.app
        return address in wrapped.trusted_hosts

    monkeypatch.delenv(streamlit_borders.TRUSTED, raising=False)
    assert not trusts("127.0.0.1")
    monkeypatch.setenv(streamlit_borders.TRUSTED, "10.0.0.2")
    assert trusts("10.0.0.2")
    assert not trusts("127.0.0.1")
