"""Whether labels get lost: killed servers and browsers, a full disk, two writers; and how soon one is safe.

``uv run python benchmarks/durability.py [--quick] [--json]``

Everything goes through what a person uses: ``streamlit run dashboard/Home.py`` and its labels POST, and, for
the browser, Chromium pressing keys on the Relabel page. Killed means SIGKILL at a random moment. An edit is
acknowledged when the answer has arrived; the client sends the others again under the same (session, seq).
A full disk is a tmpfs of a few hundred kilobytes under the journal where this process may mount one, else a
limit on the size of the server's files, which the kernel enforces in the same place.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import os
import random
import resource
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.json_text import json_text
from core.workspace import Workspace
from dashboard.review import tokens

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = os.environ.get("TIDYSET_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
DATA = "fashion-mnist-sample"
RUN = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "Home.py")]
BROWSE = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-port=0",
    "--window-size=1280,900",
]
NAMES = ("Sneaker", "Sandal")  # in turns, so that some edits change labels and some confirm
FULL_BYTES = 400_000
PRESS_SECONDS = 0.12
WATCH = """
window.pressed = [];
window.answered = {};
addEventListener("keydown", () => window.pressed.push(performance.now()), true);
const plain = window.fetch;
window.fetch = async (...given) => {
  const response = await plain(...given);
  if (String(given[0]).includes("/tidyset/labels")) {
    const { session } = JSON.parse(given[1].body);
    response.clone().json().then((answer) => {
      for (const [seq, number] of answer.saved ?? [])
        window.answered[`${session} ${seq}`] ??= [number, performance.now()];
    });
  }
  return response;
};
"""


class Server:
    """``streamlit run`` on a port of its own over one workspace."""

    def __init__(self, workspace: Workspace, environment: dict[str, str] | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._environment = {**os.environ, "TIDYSET_WORKSPACE": str(workspace.root), **(environment or {})}
        if not environment:
            self._environment.pop("TIDYSET_DATABASE_URL", None)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, file_bytes: int | None = None) -> None:
        """Start it and wait until it answers; ``file_bytes`` limits the size of its files."""

        def limit() -> None:
            if file_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

        self._process = subprocess.Popen(
            [*RUN, "--server.port", str(self.port), "--server.headless", "true"],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=limit,
        )
        for _ in range(1_200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://localhost:{self.port}/_stcore/health", timeout=1)
                return
            time.sleep(0.05)
        raise RuntimeError("The server did not start.")

    @property
    def pid(self) -> int:
        """Of the process that serves. Raises RuntimeError where none does."""
        if self._process is None:
            raise RuntimeError("The server is not running.")
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL, as a crash or the kernel's out-of-memory killer would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running(server: Server, **options: Any) -> Iterator[Server]:
    server.start(**options)
    try:
        yield server
    finally:
        server.kill()


class Client:
    """Sends edits as the browser does: each again until it is acknowledged."""

    def __init__(self, workspace: Workspace, dataset: Dataset, session: str) -> None:
        self._dataset = dataset
        self._session = session
        self._headers = {
            "content-type": "application/json",
            "sec-fetch-site": "same-origin",
            "x-tidyset-token": tokens.token(workspace, dataset),
        }
        self.acknowledged: dict[int, int] = {}
        self.n_sent = 0

    def post(self, port: int, seq: int) -> tuple[int, dict[str, Any]]:
        """One try to save edit ``seq``: status and answer. Raises OSError when the server is away."""
        item = str(self._dataset.item_ids[seq % len(self._dataset)])
        edit = {"seq": seq, "item": item, "kind": "label", "label": NAMES[seq % 2]}
        body = json_text(
            {
                "dataset": self._dataset.name,
                "fingerprint": self._dataset.fingerprint,
                "session": self._session,
                "who": "benchmark",
                "edits": [edit],
            }
        )
        connection = http.client.HTTPConnection("localhost", port, timeout=30)
        try:
            self.n_sent += 1
            connection.request("POST", "/tidyset/labels", body, self._headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (http.client.HTTPException, ValueError) as error:  # cut off in the middle of an answer
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
        for saved, number in answer.get("saved", []):
            self.acknowledged.setdefault(saved, number)
        return response.status, answer

    def save(self, port: int, seq: int) -> None:
        """Try until it is acknowledged."""
        while seq not in self.acknowledged:
            try:
                self.post(port, seq)
            except OSError:
                time.sleep(0.02)


def rows(journal: Path) -> list[tuple[str, int, int]]:
    """(session, seq, number) of every edit, read past our own code; checks the file first."""
    database = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
    try:
        (state,) = database.execute("PRAGMA integrity_check").fetchone()
        assert state == "ok", state
        return database.execute("SELECT session, seq, number FROM edits ORDER BY number").fetchall()
    finally:
        database.close()


def tally(journal: Path, sessions: dict[str, dict[int, int]]) -> dict[str, int]:
    """Acknowledged edits that are not there under their number, and keys that are there more than once."""
    found = rows(journal)
    kept = {(session, seq): number for session, seq, number in found}
    lost = [
        (session, seq)
        for session, acknowledged in sessions.items()
        for seq, number in acknowledged.items()
        if kept.get((session, seq)) != number
    ]
    gaps = [number for number in range(1, len(found) + 1) if number not in {row[2] for row in found}]
    return {"in_journal": len(found), "lost": len(lost), "doubled": len(found) - len(kept), "gaps": len(gaps)}


def killed_server(folder: Path, n_edits: int, n_kills: int, rng: random.Random) -> dict[str, Any]:
    """SIGKILL at random moments, between and within requests; all acknowledged is looked up after each."""
    workspace = Workspace(folder / "killed")
    dataset = open_dataset(workspace, DATA)
    server, client = Server(workspace), Client(workspace, dataset, "kill-the-server")
    journal = workspace.root / "labels.db"
    moments = sorted(rng.sample(range(10, n_edits - 10), n_kills))
    lost = 0
    server.start()

    def send() -> None:
        for seq in range(1, n_edits + 1):
            client.save(server.port, seq)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    for moment in moments:
        while len(client.acknowledged) < moment:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.02)  # anywhere within a request
        server.kill()
        lost += tally(journal, {"kill-the-server": dict(client.acknowledged)})["lost"]
        server.start()
    sender.join()
    server.kill()
    end = tally(journal, {"kill-the-server": client.acknowledged})
    return {
        "edits": n_edits,
        "kills": n_kills,
        "requests": client.n_sent,
        **end,
        "lost": lost + end["lost"],
    }


def two_writers(folder: Path, n_edits: int) -> dict[str, Any]:
    """Two servers over one workspace, each with its own client, at once."""
    workspace = Workspace(folder / "two")
    dataset = open_dataset(workspace, DATA)
    servers = [Server(workspace), Server(workspace)]
    clients = [Client(workspace, dataset, f"writer-{k}-of-two") for k in range(2)]

    def write(server: Server, client: Client) -> None:
        for seq in range(1, n_edits // 2 + 1):
            client.save(server.port, seq)

    with running(servers[0]), running(servers[1]):
        threads = [threading.Thread(target=write, args=pair) for pair in zip(servers, clients, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    sessions = {f"writer-{k}-of-two": client.acknowledged for k, client in enumerate(clients)}
    found = rows(workspace.root / "labels.db")
    switches = sum(a[0] != b[0] for a, b in itertools.pairwise(found))
    return {"edits": n_edits, "switches": switches, **tally(workspace.root / "labels.db", sessions)}


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A tmpfs at ``folder``; yields False where this process may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={FULL_BYTES}", "tmpfs", str(folder)]
    try:
        is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], capture_output=True, check=False)


def full_disk(folder: Path) -> dict[str, Any]:
    """Edits until the disk is full, what the server says then, and whether all goes on with room again."""
    workspace = Workspace(folder / "full")
    dataset = open_dataset(workspace, DATA)
    disk = folder / "disk"
    with small_disk(disk) as is_mounted:
        journal = (disk if is_mounted else workspace.root) / "labels.db"
        environment = {"TIDYSET_DATABASE_URL": f"sqlite:///{journal}"}
        server, client = Server(workspace, environment), Client(workspace, dataset, "a-full-disk")
        filler = disk / "filler"
        with running(server, file_bytes=None if is_mounted else FULL_BYTES):
            seq, status = 1, 200
            answer: dict[str, Any] = {}
            if is_mounted:
                client.save(server.port, seq)
                filler.write_bytes(bytes(FULL_BYTES // 4))
            while status == 200 and seq < 5_000:
                seq += 1
                status, answer = client.post(server.port, seq)
            at_full = tally(journal, {"a-full-disk": dict(client.acknowledged)})
            if is_mounted:
                filler.unlink()
                after, _ = client.post(server.port, seq)
        if not is_mounted:
            with running(server):
                after, _ = client.post(server.port, seq)
        end = tally(journal, {"a-full-disk": client.acknowledged})
    return {
        "disk": "tmpfs" if is_mounted else "file size limit",
        "acknowledged_before": at_full["in_journal"],
        "status": status,
        "message": f"{answer.get('problem', '')} {answer.get('mend', '')}".strip().replace(
            str(folder), "..."
        ),
        "saved_with_room_again": after == 200,
        **end,
        "lost": at_full["lost"] + end["lost"],
    }


class Browser:
    """Chromium as a process of our own, so that it can be killed, on a profile that outlives it."""

    def __init__(self, playwright: Any, profile: Path) -> None:
        self._port_file = profile / "DevToolsActivePort"
        self._port_file.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [str(CHROMIUM), *BROWSE, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(1_200):
            if self._port_file.exists() and len(self._port_file.read_text().splitlines()) == 2:
                break
            time.sleep(0.05)
        port = self._port_file.read_text().splitlines()[0]
        self.page: Page = (
            playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}").contexts[0].new_page()
        )

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def open_relabel(page: Page, server: Server) -> None:
    page.goto(f"http://localhost:{server.port}/relabel")
    expect(page.locator(".review.focused")).to_be_visible(timeout=60_000)
    expect(page.locator(".review .place")).to_contain_text(" of ", timeout=60_000)


def killed_browser(
    playwright: Any, folder: Path, n_edits: int, n_kills: int, rng: random.Random
) -> dict[str, Any]:
    """SIGKILL of Chromium while keys are pressed; what it had heard as saved must be there, and only once.

    The last time it is only opened, so that its outbox, as far as Chromium had written it down, is emptied.
    """
    workspace = Workspace(folder / "browser")
    open_dataset(workspace, DATA)
    journal = workspace.root / "labels.db"
    n_pressed = 0
    heard: dict[str, dict[int, int]] = {}
    with running(Server(workspace)) as server:
        for n_keys in [*[n_edits // n_kills] * n_kills, 0]:
            browser = Browser(playwright, folder / "profile")
            browser.page.add_init_script(WATCH)
            open_relabel(browser.page, server)
            for _ in range(n_keys):
                browser.page.keyboard.press(rng.choice("123456789"))
                time.sleep(rng.random() * 0.1)
            n_pressed += n_keys
            if not n_keys:
                expect(browser.page.locator(".review .saved")).to_contain_text("pending 0", timeout=60_000)
            for key, (number, _) in browser.page.evaluate("window.answered").items():
                session, seq = key.split(" ")
                heard.setdefault(session, {})[int(seq)] = number
            browser.kill()
    end = tally(journal, heard)
    by_session = Counter(session for session, _, _ in rows(journal))
    end["doubled"] += sum(
        max(0, n - n_edits // n_kills) for n in by_session.values()
    )  # more than was pressed
    n_heard = sum(map(len, heard.values()))
    return {"edits": n_pressed, "kills": n_kills, "acknowledged": n_heard, **end}


def press_to_commit(playwright: Any, folder: Path, n_presses: int) -> dict[str, Any]:
    """Milliseconds from a key's event in the page until the answer to its edit is read there."""
    workspace = Workspace(folder / "presses")
    open_dataset(workspace, DATA)
    with running(Server(workspace)) as server:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(WATCH)
        open_relabel(page, server)
        time.sleep(3)  # the warm-up thread ends
        for n in range(n_presses):
            page.keyboard.press(str(1 + n % 9))
            time.sleep(PRESS_SECONDS)
        expect(page.locator(".review .saved")).to_contain_text("pending 0", timeout=60_000)
        pressed, answered = page.evaluate("[window.pressed, window.answered]")
        browser.close()
    assert len(pressed) == len(answered) == n_presses, (len(pressed), len(answered))
    by_seq = {int(key.split(" ")[1]): at for key, (_, at) in answered.items()}
    times = sorted(by_seq[seq] - at for seq, at in enumerate(pressed, start=1))
    return {
        "presses": n_presses,
        "median_ms": round(statistics.median(times), 1),
        "p99_ms": round(times[max(0, -(-99 * n_presses // 100) - 1)], 1),
        "max_ms": round(times[-1], 1),
        "in_journal": len(rows(workspace.root / "labels.db")),
    }


def measured(quick: bool, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    n_edits, n_kills, n_presses = (200, 3, 60) if quick else (1_000, 12, 500)
    rng = random.Random(seed)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "killed_server": lambda: killed_server(folder, n_edits, n_kills, rng),
            "killed_browser": lambda: killed_browser(playwright, folder, n_edits, max(2, n_kills // 2), rng),
            "two_writers": lambda: two_writers(folder, n_edits),
            "full_disk": lambda: full_disk(folder),
            "press_to_commit": lambda: press_to_commit(playwright, folder, n_presses),
        }
        for part, measure in parts.items():
            say(f"{part} ...")
            results[part] = {**measure(), "load_after": round(os.getloadavg()[0], 1)}
    return {
        "seed": seed,
        "quick": quick,
        "cores": os.cpu_count(),
        "lost": sum(result.get("lost", 0) for result in results.values()),
        "doubled": sum(result.get("doubled", 0) for result in results.values()),
        **results,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer edits, kills and presses")
    parser.add_argument("--seed", type=int, default=0, help="of the moments to kill at")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    result = measured(arguments.quick, arguments.seed, lambda text: print(text, file=sys.stderr))
    if arguments.json:
        print(json_text(result))
        return
    for part in ("killed_server", "killed_browser", "two_writers", "full_disk", "press_to_commit"):
        print(f"{part}\n  " + ", ".join(f"{key} {value}" for key, value in result[part].items()))
    print(f"\nAcknowledged edits lost: {result['lost']}; doubled: {result['doubled']}.")


if __name__ == "__main__":
    main()
