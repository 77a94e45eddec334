"""Where there are accounts, every address asks who sends the request, and a POST what they may do."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.labels.journal import LabelJournal
from core.people import passwords, sessions
from core.people import sign_in as signing
from core.people.accounts import add_account, people_file, set_role
from core.people.acting import acting_as
from core.people.roles import Role
from core.workspace import PROJECT_ROOT, Workspace
from dashboard import links, routes
from dashboard.review import tokens
from dashboard.sign_in import name_claimed

GOOD = "correct horse battery"
ORIGIN = {"sec-fetch-site": "same-origin"}


@pytest.fixture(autouse=True)
def _team(workspace: Workspace, sample: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    monkeypatch.setattr(signing, "THROTTLE", signing.Throttle())
    add_account(workspace, "Ada", Role.ADMIN, GOOD)
    with acting_as("Ada"):
        add_account(workspace, "Bob", Role.ANNOTATOR, GOOD)
        add_account(workspace, "Vic", Role.VIEWER, GOOD)


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = Starlette(routes=[*routes.ROUTES, *OTHERS], middleware=routes.MIDDLEWARE)
    with TestClient(app) as client:
        yield client


def _fine(request: object) -> object:
    raise AssertionError("a guarded address of Streamlit's was reached")


OTHERS = [Route("/media/{file}", _fine), Route("/_stcore/upload_file/{file}", _fine, methods=["PUT"])]


def signed_in(client: TestClient, name: str, password: str = GOOD) -> int:
    answer = client.post(f"/{links.ROOT}/sign-in", json={"name": name, "password": password}, headers=ORIGIN)
    return answer.status_code


def edits(
    client: TestClient, workspace: Workspace, sample: Dataset, who: str, **more: str
) -> tuple[int, str]:
    body = {
        "dataset": sample.name,
        "fingerprint": sample.fingerprint,
        "session": "0123456789abcdef",
        "who": who,
        "edits": [{"seq": 1, "item": str(sample.item_ids[3]), "kind": "label", "label": "Coat"}],
    }
    headers = {"x-tidyset-token": tokens.token(workspace, sample), **ORIGIN, **more}
    answer = client.post(f"/{links.ROOT}/labels", json=body, headers=headers)
    return answer.status_code, answer.text


def addresses(sample: Dataset) -> dict[str, str]:
    """An address that each route would answer, by its path."""
    values = {
        "name": sample.name,
        "fingerprint": sample.fingerprint,
        "number:index": "0",
        "digest": "0" * 32,
        "file": "x",
    }
    paths = [route.path for route in [*routes.ROUTES, *OTHERS] if isinstance(route, Route)]
    return {path: re.sub(r"{([^}]+)}", lambda found: values[found[1]], path) for path in paths}


def test_without_a_session_no_address_gives_or_takes_anything(client: TestClient, sample: Dataset) -> None:
    for path, address in addresses(sample).items():
        if path == routes.SIGN_IN:
            continue
        for method in ("GET", "POST", "PUT"):
            answer = client.request(method, address, headers=ORIGIN)
            assert answer.status_code == 403, (method, address)
            assert "Nobody is signed in" in answer.text


def test_a_viewer_sees_and_does_not_write(client: TestClient, workspace: Workspace, sample: Dataset) -> None:
    assert signed_in(client, "Vic") == 200
    assert client.get(f"/{links.sheets(sample)}0.webp").status_code == 200
    status, text = edits(client, workspace, sample, "Vic")
    assert (status, "may not change labels" in text) == (403, True)
    assert LabelJournal(workspace).version(sample.name) == 0


def test_an_annotator_writes_in_their_own_name_only(
    client: TestClient, workspace: Workspace, sample: Dataset
) -> None:
    assert signed_in(client, "Bob") == 200
    for forged in ("Ada", "annotator", "", "bob"):
        status, text = edits(client, workspace, sample, forged)
        assert (status, "Bob is signed in" in text) == (403, True)
    assert edits(client, workspace, sample, "Bob")[0] == 200
    assert [edit.who for edit in LabelJournal(workspace).edits(sample.name)] == ["Bob"]


def test_an_admin_forges_no_name_on_the_page_either(
    client: TestClient, workspace: Workspace, sample: Dataset
) -> None:
    signed_in(client, "Ada")
    assert edits(client, workspace, sample, "Bob")[0] == 403


def test_another_site_and_another_token_are_refused_all_the_same(
    client: TestClient, workspace: Workspace, sample: Dataset
) -> None:
    signed_in(client, "Bob")
    assert edits(client, workspace, sample, "Bob", **{"sec-fetch-site": "cross-site"})[0] == 403
    assert edits(client, workspace, sample, "Bob", **{"x-tidyset-token": "0" * 64})[0] == 403
    answer = client.post(
        f"/{links.ROOT}/sign-in",
        json={"name": "Bob", "password": GOOD},
        headers={"sec-fetch-site": "cross-site"},
    )
    assert answer.status_code == 403


def test_a_role_taken_away_counts_at_once(client: TestClient, workspace: Workspace, sample: Dataset) -> None:
    signed_in(client, "Bob")
    with acting_as("Ada"):
        set_role(workspace, "Bob", Role.VIEWER)
    assert edits(client, workspace, sample, "Bob")[0] == 403


def test_signing_in_sets_a_cookie_that_no_script_reads(client: TestClient) -> None:
    answer = client.post(
        f"/{links.ROOT}/sign-in",
        json={"name": "Bob", "password": GOOD},
        headers={**ORIGIN, "origin": "https://labels.example.org"},
    )
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Secure", "Max-Age=604800"))
    assert GOOD not in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "Bob", "password": "wrong"}, 403),
        ({"name": "nobody", "password": GOOD}, 403),
        ({"session": "made up"}, 403),
        ({"name": "Bob", "password": 3}, 400),
        ({"name": "Bob", "password": GOOD, "role": "admin"}, 400),
        ([], 400),
    ],
)
def test_what_is_wrong_lets_nobody_in(client: TestClient, body: object, status: int) -> None:
    answer = client.post(f"/{links.ROOT}/sign-in", json=body, headers=ORIGIN)
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers
    assert GOOD not in answer.text


def test_a_session_that_the_page_was_given_can_be_carried(client: TestClient, workspace: Workspace) -> None:
    token = sessions.begin(workspace, "Vic")
    answer = client.post(f"/{links.ROOT}/sign-in", json={"session": token}, headers=ORIGIN)
    assert answer.status_code == 200
    assert token in answer.headers["set-cookie"]


def test_damaged_accounts_let_nobody_in(client: TestClient, workspace: Workspace, sample: Dataset) -> None:
    signed_in(client, "Ada")
    people_file(workspace).write_text("Ada:admin\n")
    answer = client.get(f"/{links.sheets(sample)}0.webp")
    assert answer.status_code == 500
    assert "line 1, has 2 fields" in answer.text
    assert signed_in(client, "Ada") == 500


def test_whoever_a_provider_vouches_for_is_known_by_their_address() -> None:
    assert name_claimed({"email": "ada@example.org", "email_verified": True}) == "ada@example.org"
    assert name_claimed({"email": "ada@example.org"}) == "ada@example.org"
    assert name_claimed({"email": "ada@example.org", "email_verified": False}) is None
    assert name_claimed({"sub": "1", "email": 3}) is None


def home() -> AppTest:
    return AppTest.from_file(str(PROJECT_ROOT / "dashboard" / "Home.py"), default_timeout=60)


def test_the_page_shows_nothing_but_the_form() -> None:
    app = home().run()
    assert not app.exception
    assert [title.value for title in app.title] == ["Sign in"]
    assert not app.sidebar.selectbox
    assert not app.metric


def test_a_damaged_file_shows_its_line_and_nothing_else(workspace: Workspace) -> None:
    people_file(workspace).write_text("Ada:admin:\nBob\n")
    app = home().run()
    assert "line 2, has 1 fields" in app.error[0].value
    assert not app.metric
