"""Signing in: throttled, one answer to all that is wrong; sessions end when they should."""

from __future__ import annotations

import time

import pytest

from core.errors import NotAllowed
from core.people import passwords, sessions
from core.people.accounts import add_account, find_account, remove_account, set_password
from core.people.acting import acting_as
from core.people.roles import SERVER, Role
from core.people.sign_in import (
    FORGOTTEN_SECONDS,
    FREE_TRIES,
    FREE_TRIES_OF_NAME,
    Throttle,
    sign_in,
)
from core.workspace import Workspace

GOOD = "correct horse battery"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def team(workspace: Workspace) -> Workspace:
    add_account(workspace, "Ada", Role.ADMIN, GOOD)
    with acting_as("Ada"):
        add_account(workspace, "Bob", Role.ANNOTATOR, GOOD)
        add_account(workspace, "vic", Role.VIEWER)
    return workspace


def test_the_parameters_are_those_of_rfc_9106() -> None:
    found = passwords.RFC_9106_LOW_MEMORY
    assert (found.time_cost, found.memory_cost, found.parallelism) == (3, 65_536, 4)
    assert (found.hash_len, found.salt_len, str(found.type.name)) == (32, 16, "ID")


def test_the_right_password_begins_a_session(team: Workspace) -> None:
    token = sign_in(team, "Bob", GOOD, throttle=Throttle())
    assert sessions.name_of(team, token) == "Bob"
    assert sessions.name_of(team, token + "x") is None
    assert sessions.name_of(team, "") is None
    assert not [file for file in (team.root / "sessions").iterdir() if token in file.name + file.read_text()]


@pytest.mark.parametrize("name", ["Bob", "nobody", "vic", "", "bob", "../Ada", "x" * 5_000])
def test_all_that_is_wrong_has_one_answer_and_takes_one_hash(
    team: Workspace, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    verify = passwords._HASHER.verify

    class Counting:
        hash = staticmethod(passwords._HASHER.hash)

        @staticmethod
        def verify(kept: str, password: str) -> bool:
            checked.append(kept)
            return verify(kept, password)

    monkeypatch.setattr(passwords, "_HASHER", Counting)
    with pytest.raises(NotAllowed, match="Name or password is wrong"):
        sign_in(team, name, "not the password", throttle=Throttle())
    assert len(checked) == 1


def test_wrong_tries_must_wait_longer_and_longer(team: Workspace) -> None:
    clock = Clock()
    throttle = Throttle(clock)

    def wrong() -> str:
        with pytest.raises(NotAllowed) as refused:
            sign_in(team, "Bob", "not the password", throttle=throttle)
        return str(refused.value)

    assert all("is wrong" in wrong() for _ in range(FREE_TRIES))
    assert "Too many wrong tries. Try again in 1 s" in wrong()
    with pytest.raises(NotAllowed, match="Too many"):
        sign_in(team, "Bob", GOOD, throttle=throttle)
    sign_in(team, "Ada", GOOD, throttle=throttle)  # others are let in meanwhile
    clock.now += 1.1
    assert "is wrong" in wrong()
    assert "Try again in 2 s" in wrong()
    clock.now += 2.1
    sign_in(team, "Bob", GOOD, throttle=throttle)
    assert "is wrong" in wrong()


def wrong(team: Workspace, throttle: Throttle, name: str, address: str) -> None:
    with pytest.raises(NotAllowed, match="is wrong"):
        sign_in(team, name, "not the password", address=address, throttle=throttle)


def test_one_person_locks_nobody_else_out_behind_the_same_address(team: Workspace) -> None:
    throttle = Throttle(Clock())
    for n in range(120):
        wrong(team, throttle, f"name {n}", "192.0.2.1")
    for _ in range(FREE_TRIES):
        wrong(team, throttle, "Bob", "192.0.2.1")
    with pytest.raises(NotAllowed, match="Too many"):
        sign_in(team, "Bob", GOOD, address="192.0.2.1", throttle=throttle)
    sign_in(team, "Ada", GOOD, address="192.0.2.1", throttle=throttle)
    sign_in(team, "Bob", GOOD, address="192.0.2.2", throttle=throttle)


def test_wrong_tries_are_forgotten_in_a_quarter_of_an_hour(team: Workspace) -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(FREE_TRIES - 1):
        wrong(team, throttle, "Bob", "192.0.2.1")
    clock.now += FORGOTTEN_SECONDS
    for _ in range(FREE_TRIES):
        wrong(team, throttle, "Bob", "192.0.2.1")


def test_a_name_that_is_tried_from_everywhere_is_open_only_where_it_was_before(team: Workspace) -> None:
    throttle = Throttle(Clock())
    sign_in(team, "Bob", GOOD, address="198.51.100.1", throttle=throttle)
    for n in range(FREE_TRIES_OF_NAME):
        wrong(team, throttle, "Bob", f"192.0.2.{n}")
    with pytest.raises(NotAllowed, match="Too many"):
        sign_in(team, "Bob", GOOD, address="192.0.2.200", throttle=throttle)
    sign_in(team, "Bob", GOOD, address="198.51.100.1", throttle=throttle)


def test_a_network_of_ipv6_is_one_address(team: Workspace) -> None:
    throttle = Throttle(Clock())
    for n in range(FREE_TRIES):
        wrong(team, throttle, "Bob", f"2001:db8::{n + 1}")
    with pytest.raises(NotAllowed, match="Too many"):
        sign_in(team, "Bob", GOOD, address="2001:db8::ffff", throttle=throttle)
    sign_in(team, "Bob", GOOD, address="2001:db8:0:1::1", throttle=throttle)


def test_a_hash_of_old_parameters_is_made_anew(team: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = find_account(team, "Bob").kept
    monkeypatch.setattr(passwords, "_HASHER", passwords.PasswordHasher(2, 8, 1))
    token = sign_in(team, "Bob", GOOD, throttle=Throttle())
    assert find_account(team, "Bob").kept != before
    assert sessions.name_of(team, token) == "Bob"


def test_a_session_ends(team: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(name: str = "Bob") -> str:
        with acting_as(SERVER):
            return sessions.begin(team, name)

    token = begun()
    sessions.end(team, token)
    assert sessions.name_of(team, token) is None
    token = begun()
    with acting_as("Ada"):
        set_password(team, "Bob", "another one entirely")
    assert sessions.name_of(team, token) is None
    token = begun()
    with acting_as("Ada"):
        remove_account(team, "Bob")
    assert sessions.name_of(team, token) is None
    token = begun("Ada")
    later = time.time() + sessions.LASTS_SECONDS + 1
    monkeypatch.setattr(sessions.time, "time", lambda: later)
    assert sessions.name_of(team, token) is None
    begun("Ada")
    assert len(list((team.root / "sessions").iterdir())) == 1  # old ones are swept


def test_a_damaged_session_is_none(team: Workspace) -> None:
    token = sessions.begin(team, "Ada")
    (file,) = (team.root / "sessions").iterdir()
    for content in (b"", b"{}", b"[]", b'{"name": 3, "until": "x", "proof": null}'):
        file.write_bytes(content)
        assert sessions.name_of(team, token) is None
