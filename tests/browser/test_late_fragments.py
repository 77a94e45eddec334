"""What a page's timer sent before the browser heard of the next page does not empty that page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from core.workspace import Workspace
from dashboard.tour import ON, Tour, save

if TYPE_CHECKING:
    from tests.browser.conftest import Server


@pytest.fixture
def channel(server: Server) -> Iterator[ClientConnection]:
    """What a browser holds to the server."""
    address = f"ws://localhost:{server.port}/_stcore/stream"
    spoken = [Subprotocol("streamlit")]
    with connect(address, subprotocols=spoken, max_size=None, ping_interval=None) as channel:
        yield channel


def ask(channel: ClientConnection, page: str = "", *, fragment: str = "", of_page: str = "") -> None:
    message = BackMsg()
    message.rerun_script.page_name = page
    message.rerun_script.page_script_hash = of_page
    message.rerun_script.fragment_id = fragment
    message.rerun_script.is_auto_rerun = bool(fragment)
    channel.send(message.SerializeToString())


def told(channel: ClientConnection, n_runs: int) -> list[ForwardMsg]:
    """All messages until that many runs of a script have ended."""
    found: list[ForwardMsg] = []
    until = time.monotonic() + 60
    while n_runs and time.monotonic() < until:
        message = ForwardMsg()
        message.ParseFromString(channel.recv(timeout=60))
        found.append(message)
        n_runs -= message.WhichOneof("type") == "script_finished"
    return found


def page_of(messages: list[ForwardMsg]) -> str:
    """Hash of the page that st.navigation chose."""
    return next(one.navigation.page_script_hash for one in messages if one.WhichOneof("type") == "navigation")


def test_a_timer_of_the_page_before_runs_on_the_page_that_is_open(
    server: Server, channel: ClientConnection
) -> None:
    # The tour's strip is a fragment on every page.
    save(Workspace(server.workspace), Tour(ON))
    ask(channel, "train")
    before = told(channel, 1)
    fragments = [one.delta.fragment_id for one in before if one.delta.fragment_id]
    assert fragments

    ask(channel, "explore")
    ask(channel, fragment=fragments[0], of_page=page_of(before))
    later = told(channel, 2)
    announced = [one for one in later if one.WhichOneof("type") == "new_session"]
    assert page_of(later) != page_of(before)
    assert [bool(one.metadata.run.fragment_ids) for one in announced] == [False, True]
    assert announced[-1].new_session.page_script_hash == page_of(later)
