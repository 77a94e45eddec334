"""Fetching over HTTP from a real server of this machine that breaks off, resumes and lies."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from core.data import fashion_mnist
from core.data.catalog import list_datasets, open_dataset
from core.data.download import Remote, fetch
from core.errors import DamagedFile, Offline
from core.workspace import Workspace

CONTENT = bytes(range(256)) * 4_000
REMOTE = Remote("a.gz", len(CONTENT), hashlib.md5(CONTENT).hexdigest())


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; /breaks sends only a third of what is left, /wrong another file."""

    ranges: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        Handler.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        body = CONTENT[start:] if "/wrong" not in self.path else b"x" * len(CONTENT)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 3] if "/breaks" in self.path else body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Handler.ranges = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_broken_download_goes_on_where_it_stopped(url: str, tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    with pytest.raises(Offline, match="broke off"):
        fetch(f"{url}/breaks", path, REMOTE, lambda n: None)
    assert not path.exists()
    have = path.with_name("a.gz.part").stat().st_size
    assert 0 < have < len(CONTENT)
    seen: list[int] = []
    fetch(f"{url}/whole", path, REMOTE, seen.append)
    assert path.read_bytes() == CONTENT
    assert Handler.ranges == [None, f"bytes={have}-"]
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)


def test_what_is_there_is_not_fetched_again(url: str, tmp_path: Path) -> None:
    fetch(f"{url}/whole", tmp_path / "a.gz", REMOTE, lambda n: None)
    fetch(f"{url}/whole", tmp_path / "a.gz", REMOTE, lambda n: None)
    assert len(Handler.ranges) == 1


def test_another_file_is_refused_and_thrown_away(url: str, tmp_path: Path) -> None:
    with pytest.raises(Offline, match="checksum"):
        fetch(f"{url}/wrong", tmp_path / "a.gz", REMOTE, lambda n: None)
    assert list(tmp_path.iterdir()) == []


def without_the_full_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIDYSET_FASHION_MNIST", str(tmp_path / "nothing"))


def test_without_a_network_the_full_set_says_what_to_do(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_the_full_set(monkeypatch, tmp_path)
    states = {entry.name: entry.state for entry in list_datasets(workspace)}
    assert states == {"fashion-mnist-sample": "available", "fashion-mnist": "absent"}
    with pytest.raises(Offline, match="TIDYSET_FASHION_MNIST"):
        fashion_mnist.download(workspace, sources=["http://127.0.0.1:9", "http://127.0.0.1:10"])


def test_a_mirror_goes_on_where_the_first_source_broke_off(
    url: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "REMOTES", (REMOTE,))
    seen: list[float] = []
    folder = fashion_mnist.download(
        workspace, lambda share, name: seen.append(share), [f"{url}/breaks", f"{url}/whole"]
    )
    assert (folder / "a.gz").read_bytes() == CONTENT
    assert Handler.ranges[1] is not None
    assert seen[-1] == 1


def test_other_files_under_the_names_are_refused(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIDYSET_FASHION_MNIST", str(tmp_path))
    for remote in fashion_mnist.REMOTES:
        (tmp_path / remote.name).write_bytes(gzip.compress(bytes(1_000)))
    with pytest.raises(DamagedFile, match="60,000 images of 28 x 28"):
        open_dataset(workspace, "fashion-mnist")
    (tmp_path / fashion_mnist.REMOTES[0].name).write_bytes(b"no gzip")
    with pytest.raises(DamagedFile, match="cannot be read"):
        open_dataset(workspace, "fashion-mnist")


def test_sessions_that_open_a_set_at_once_all_get_it(workspace: Workspace) -> None:
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: open_dataset(workspace, "fashion-mnist-sample"), range(4)))
    assert len({dataset.fingerprint for dataset in opened}) == 1
    assert [path.name for path in workspace.datasets.iterdir()] == ["fashion-mnist-sample"]


@pytest.mark.skipif(fashion_mnist.local_folder() is None, reason="needs Debian's dataset-fashion-mnist")
def test_the_full_set_comes_from_the_system(workspace: Workspace) -> None:
    dataset = open_dataset(workspace, "fashion-mnist")
    assert [len(dataset.in_split(split)) for split in ("train", "test")] == [60_000, 10_000]
    sample = open_dataset(workspace, "fashion-mnist-sample")
    positions = dataset.positions(sample.item_ids.tolist())
    assert (dataset.labels[positions] == sample.labels).all()
    assert (dataset.content_hashes[positions] == sample.content_hashes).all()
