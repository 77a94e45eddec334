"""Twenty people label at once, on SQLite and on PostgreSQL: how fast, how late at worst, is all of it kept?

``uv run python benchmarks/annotators.py [--quick] [--people 20] [--postgres URL] [--json]``

Each person has an account and a session of the real app (``streamlit run dashboard/Home.py``): its WebSocket
is open on the Relabel page, and each decision is a POST to /tidyset/labels with its cookie, as the page sends
it. All of them work on one shared list, 25 images at a time, taken as the page takes them (core.team.lists).
Everybody decides once a second, beginning at a random moment. A decision's time runs from when it was due to
when its answer was read, so that waiting in a queue counts, and so does taking the next images. Then the same
people go as fast as they are answered, which says what the database can take. At the end the edits and the
list's places are counted past our own code: nobody may have been given what another had.

PostgreSQL is the one that --postgres or TIDYSET_TEST_POSTGRES names, else one that is started here from
Debian's packages. "two servers" is two apps over one workspace and one PostgreSQL, half of the people each.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import create_engine, text
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from benchmarks.durability import DATA, Server
from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.errors import Busy, StorageFailed
from core.json_text import json_text
from core.people import sessions
from core.people.accounts import add_account
from core.people.acting import acting_as
from core.people.roles import Role
from core.team.lists import SharedList, share, take
from core.workspace import Workspace
from dashboard import cookies
from dashboard.review import tokens
from dashboard.review.endpoint import TOKEN_HEADER

PER_SECOND = 1.0
WHO = "person-{:02}"
WRONG = ("lost", "doubled", "collisions", "given_twice", "unsettled")
"""What must not happen: counted over all arrangements."""


@dataclass
class Person:
    """Someone who labels what they are given of a shared list.

    Attributes:
        cookie: Of their session.
        kept: Ids of what they were given and have not decided on, in order.
        given: All that they were ever given.
        answered: By the edit's number in the session, its number in the journal.
        milliseconds: From when each was due to when its answer was read.
        n_retried: How often an edit had to be sent again.
    """

    number: int
    dataset: Dataset
    token: str
    port: int
    shared: SharedList
    workspace: Workspace
    cookie: str = ""
    kept: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    session: str = field(default_factory=lambda: uuid4().hex)
    answered: dict[int, int] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)
    n_retried: int = 0
    seq: int = 0
    _channel: http.client.HTTPConnection | None = None

    @property
    def name(self) -> str:
        return WHO.format(self.number)

    def label_for(self, seconds: float, *, paced: bool) -> None:
        """Decide once a second, or as fast as the answers come, for so long or until nothing is left."""
        with acting_as(self.name):
            self._label_for(seconds, paced=paced)

    def _label_for(self, seconds: float, *, paced: bool) -> None:
        end = time.perf_counter() + seconds
        due = time.perf_counter() + (random.random() / PER_SECOND if paced else 0.0)
        while due < end:
            time.sleep(max(0.0, due - time.perf_counter()))
            began = due if paced else time.perf_counter()
            if not self.decide():
                return
            self.milliseconds.append(1_000 * (time.perf_counter() - began))
            due = due + 1.0 / PER_SECOND if paced else time.perf_counter()

    def decide(self) -> bool:
        """One decision, sent until it is acknowledged. Returns whether there was something to decide on."""
        while not self.kept:
            try:
                self.kept = take(self.workspace, self.dataset, self.shared, self.name)
            except (StorageFailed, Busy):
                self.n_retried += 1
                continue
            if not self.kept:
                return False
            self.given += self.kept
        self.seq += 1
        item = self.kept.pop(0)
        while self.seq not in self.answered:
            try:
                self._post(item)
            except OSError:
                self._channel = None
                self.n_retried += 1
                time.sleep(0.05)
        return True

    def _post(self, item: str) -> None:
        body = {
            "dataset": self.dataset.name,
            "fingerprint": self.dataset.fingerprint,
            "session": self.session,
            "who": self.name,
            "edits": [{"seq": self.seq, "item": item, "kind": "label", "label": "Bag", "evidence": {}}],
        }
        headers = {
            "content-type": "application/json",
            "sec-fetch-site": "same-origin",
            "cookie": self.cookie,
            TOKEN_HEADER: self.token,
        }
        if self._channel is None:
            self._channel = http.client.HTTPConnection("localhost", self.port, timeout=30)
        try:
            self._channel.request("POST", "/tidyset/labels", json_text(body).encode(), headers)
            answer = json.loads(self._channel.getresponse().read())
        except (http.client.HTTPException, ValueError) as error:
            raise ConnectionError(str(error)) from error
        if not answer.get("saved"):
            raise ConnectionError(str(answer))
        self.answered |= dict(answer["saved"])


@contextlib.contextmanager
def open_page(port: int, cookie: str) -> Iterator[None]:
    """A session of the app on its Relabel page, as a browser holds it: its WebSocket, with the page drawn."""
    asked, told = BackMsg(), ForwardMsg()
    asked.rerun_script.page_name = "relabel"
    address = f"ws://localhost:{port}/_stcore/stream"
    headers = {"Cookie": cookie}
    with connect(address, subprotocols=["streamlit"], max_size=None, additional_headers=headers) as channel:
        channel.send(asked.SerializeToString())
        while told.WhichOneof("type") != "script_finished":
            told.ParseFromString(channel.recv(timeout=180))
        yield


@contextlib.contextmanager
def own_postgres() -> Iterator[str]:
    """A PostgreSQL server on loopback, from Debian's package, for the length of the block."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if initdb is None:
        raise SystemExit("There is no PostgreSQL: apt-get install postgresql, or name one with --postgres.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    as_user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if as_user:
            shutil.chown(folder, "postgres", "postgres")
        options: dict[str, Any] = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL, **as_user}
        subprocess.run(
            [initdb, "-D", f"{folder}/data", "-U", "tidyset", "-A", "trust", "-E", "UTF8"], **options
        )
        control = [str(Path(initdb).with_name("pg_ctl")), "-D", f"{folder}/data", "-w"]
        listen = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        subprocess.run([*control, "-l", f"{folder}/log", "-o", listen, "start"], **options)
        try:
            yield f"postgresql+psycopg://tidyset@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "fast", "stop"], **options)


@contextlib.contextmanager
def own_schema(url: str) -> Iterator[str]:
    """An empty schema in that database."""
    name = f"annotators_{uuid4().hex[:8]}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    try:
        yield f"{url}?options=-csearch_path%3D{name}"
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
        engine.dispose()


def measured(url: str | None, n_people: int, n_servers: int, seconds: tuple[float, float]) -> dict[str, Any]:
    """One arrangement: a workspace and servers of its own; ``url`` is that of PostgreSQL."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        workspace = Workspace(Path(folder) / "workspace")
        dataset = open_dataset(workspace, DATA)
        address = url or f"sqlite:///{workspace.root / 'labels.db'}"
        os.environ["TIDYSET_DATABASE_URL"] = address
        ids = [str(item_id) for item_id in dataset.item_ids]
        shared = share(workspace, dataset, "everything", ids, who="benchmark")
        servers = [Server(workspace, {"TIDYSET_DATABASE_URL": address}) for _ in range(n_servers)]
        token = tokens.token(workspace, dataset)
        people = [
            Person(k, dataset, token, servers[k % n_servers].port, shared, workspace) for k in range(n_people)
        ]
        sign_all_in(workspace, people)
        with contextlib.ExitStack() as open_things:
            for server in servers:
                server.start()
                open_things.callback(server.kill)
            for person in people:
                open_things.enter_context(open_page(person.port, person.cookie))
            together(people, 2.0, paced=True)  # every session has its connections
            paced = together(people, seconds[0], paced=True)
            flat_out = together(people, seconds[1], paced=False)
        return {"paced": paced, "flat_out": flat_out, **tally(address, people)}


def sign_all_in(workspace: Workspace, people: list[Person]) -> None:
    """Give everybody an account and a session."""
    add_account(workspace, "benchmark", Role.ADMIN)
    with acting_as("benchmark"):
        for person in people:
            add_account(workspace, person.name, Role.ANNOTATOR)
            person.cookie = f"{cookies.name_of(workspace)}={sessions.begin(workspace, person.name)}"


def together(people: list[Person], seconds: float, *, paced: bool) -> dict[str, Any]:
    """All of them at once, for so long."""
    for person in people:
        person.milliseconds.clear()
    threads = [
        threading.Thread(target=person.label_for, args=(seconds,), kwargs={"paced": paced})
        for person in people
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    times = sorted(one for person in people for one in person.milliseconds)
    return {
        "seconds": round(took, 1),
        "edits": len(times),
        "edits_per_second": round(len(times) / took, 1),
        "images_a_minute_each": round(60 * len(times) / seconds / len(people), 1),
        "median_ms": round(statistics.median(times), 1),
        "p99_ms": round(times[max(0, -(-99 * len(times) // 100) - 1)], 1),
        "max_ms": round(times[-1], 1),
        "load": round(os.getloadavg()[0], 1),
    }


def tally(address: str, people: list[Person]) -> dict[str, int]:
    """What is in the database, against what everybody was told."""
    engine = create_engine(address)
    with engine.connect() as connection:
        query = text("SELECT who, session, seq, number, item_id FROM edits ORDER BY number")
        found = [tuple(row) for row in connection.execute(query)]
        done = text("SELECT item_id, person FROM assignments WHERE done IS NOT NULL")
        settled = {tuple(row) for row in connection.execute(done)}
    engine.dispose()
    kept = {(session, seq): number for _, session, seq, number, _ in found}
    told = {(one.session, seq): number for one in people for seq, number in one.answered.items()}
    owners: dict[str, set[str]] = {}
    for who, _, _, _, item in found:
        owners.setdefault(item, set()).add(who)
    numbers = Counter(row[3] for row in found)
    return {
        "in_database": len(found),
        "acknowledged": len(told),
        "lost": sum(kept.get(key) != number for key, number in told.items()),
        "doubled": len(found) - len(kept) + sum(n - 1 for n in numbers.values()),
        "gaps": len(set(range(1, len(found) + 1)) - set(numbers)),
        "collisions": sum(len(who) > 1 for who in owners.values()),
        "given_twice": sum(n > 1 for n in Counter(item for one in people for item in one.given).values()),
        "unsettled": len({(item, who) for who, _, _, _, item in found} - settled),
        "retried": sum(one.n_retried for one in people),
    }


def all_measured(arguments: argparse.Namespace) -> dict[str, Any]:
    seconds = (8.0, 3.0) if arguments.quick else (60.0, 15.0)
    given = arguments.postgres or os.environ.get("TIDYSET_TEST_POSTGRES")
    results: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        server = given or stack.enter_context(own_postgres())
        for name, n_servers in (("sqlite", 1), ("postgresql", 1), ("postgresql, two servers", 2)):
            print(f"{name} ...", file=sys.stderr)
            with contextlib.ExitStack() as own:
                url = None if name == "sqlite" else own.enter_context(own_schema(server))
                results[name] = measured(url, arguments.people, n_servers, seconds)
    return {
        "people": arguments.people,
        "quick": arguments.quick,
        "cores": os.cpu_count(),
        **{key: sum(one[key] for one in results.values()) for key in WRONG},
        "results": results,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds of each")
    parser.add_argument("--people", type=int, default=20, help="how many label at once")
    parser.add_argument("--postgres", help="address of a PostgreSQL server in which schemas may be made")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    result = all_measured(arguments)
    if arguments.json:
        print(json_text(result))
        return
    print(f"{result['people']} people\n")
    print(f"{'':<24} {'images/min each':>15} {'median':>9} {'p99':>9} {'max':>9} {'at most/s':>10}")
    for name, one in result["results"].items():
        paced = one["paced"]
        times = "".join(f" {paced[key]:>6.0f} ms" for key in ("median_ms", "p99_ms", "max_ms"))
        at_most = one["flat_out"]["edits_per_second"]
        print(f"{name:<24} {paced['images_a_minute_each']:>15.1f}{times} {at_most:>10.1f}")
    print("\n" + "; ".join(f"{key.replace('_', ' ')}: {result[key]}" for key in WRONG))


if __name__ == "__main__":
    main()
