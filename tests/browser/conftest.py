"""A real server and a real Chromium for the browser tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("TIDYSET_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
WEBGL = ["--enable-unsafe-swiftshader", "--use-gl=angle", "--use-angle=swiftshader"]  # in software
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", *WEBGL]

MOST_STEPS = 150
"""Presses of Tab after which something counts as out of reach."""

# What the browser and Streamlit say while a test has killed the server.
NO_SERVER = (
    "Failed to load resource",
    "Client Error in reaching server endpoint",
    "Is Streamlit still running?",
    "Cannot send rerun backMessage when disconnected",
)


class Server:
    """A Tidyset server of its own, on a free port of this machine, over one workspace."""

    def __init__(self, workspace: Path, script: Path = ROOT / "dashboard" / "Home.py") -> None:
        self.workspace = workspace
        self.script = script
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        self.log = workspace.parent / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "streamlit", "run", str(self.script)]
        environment = {**os.environ, "TIDYSET_WORKSPACE": str(self.workspace)}
        environment.pop("TIDYSET_DATABASE_URL", None)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--server.port", str(self.port)],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1)
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"The server did not start:\n{self.log.read_text()}")

    def kill(self) -> None:
        """End it without warning, as a crash would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server over an empty workspace."""
    server = Server(tmp_path / "workspace")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have Chromium: .ci/run installs it.")
        pytest.skip("needs Chromium (Debian: apt-get install chromium), or its path in TIDYSET_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A browser page that fails the test on a script error or a request to any other host."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    faults: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(NO_SERVER):
            faults.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        local = ("http://localhost:", "ws://localhost:", "data:", "blob:", "file:")
        if not request.url.startswith(local):
            faults.append(f"request to another host: {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    page.on("request", on_request)
    yield page
    context.close()
    assert not faults, "\n".join(faults)


def settled(page: Page) -> None:
    """Wait until Streamlit has finished the script and drawn its result."""
    page.wait_for_function("document.querySelector('[data-testid=stApp]') !== null")
    page.wait_for_function(
        """() => document.querySelector('[data-testid=stApp]').dataset.testScriptState !== 'running'
              && document.querySelectorAll('[data-stale=true]').length === 0"""
    )


def reach(page: Page, target: Locator, key: str = "Tab") -> None:
    """Walk the focus to ``target``, as somebody without a mouse does."""
    expect(target).to_be_visible()
    settled(page)
    for _ in range(MOST_STEPS):
        if target.evaluate("node => node.contains(node.getRootNode().activeElement)"):
            return
        page.keyboard.press(key)
    pytest.fail(f"{MOST_STEPS} presses of {key} do not reach {target}")
