"""What the server does once it listens, so that the first visitor does not pay for it."""

from __future__ import annotations

import contextlib
import importlib
import logging
import threading

from core import workspace as workspaces
from core.data import fashion_mnist
from core.errors import TidysetError
from dashboard.opened import opened

_MODULES = ("dashboard.review.endpoint", "plotly.graph_objects", "pandas", "pyarrow.parquet")
_log = logging.getLogger("tidyset")


def start() -> None:
    """Warm up in a daemon thread, after a pause that leaves the processor to the first page."""
    timer = threading.Timer(3.0, _run)
    timer.daemon = True
    timer.start()


def _run() -> None:
    with contextlib.suppress(TidysetError):
        opened(workspaces.current(), fashion_mnist.SAMPLE)
    for module in _MODULES:
        try:
            importlib.import_module(module)
        except ImportError:
            _log.warning("The server warmed up without %s", module)
