"""What the server does while the first browser still loads Streamlit's own files: imports, in a thread.

The first page's modules and data set come at once, since the browser needs a second before it asks for the
page; what later pages need comes after a pause, so that it does not compete with the first.
"""

from __future__ import annotations

import gc
import importlib
import logging
import threading
import time

_FIRST = ("dashboard.frame", "dashboard.home_panels", "dashboard.next_step", "dashboard.step_links")
_LATER = (
    "dashboard.review.endpoint",
    "dashboard.charts.template",
    "plotly.graph_objects",
    "pandas",
    "pyarrow.parquet",
)
_PAUSE_SECONDS = 4.0
_log = logging.getLogger("tidyset")


def start() -> None:
    """Warm up in a daemon thread."""
    threading.Thread(target=_run, name="tidyset-warmup", daemon=True).start()


def _run() -> None:
    _import(_FIRST)
    from core import workspace as workspaces
    from core.data import fashion_mnist
    from core.errors import TidysetError
    from dashboard.memo import opened

    try:
        opened(workspaces.current(), fashion_mnist.SAMPLE)
    except TidysetError as error:
        _log.warning("The sample could not be opened: %s", error)
    time.sleep(_PAUSE_SECONDS)
    _import(_LATER)
    spare_the_collector()


def spare_the_collector() -> None:
    """Take what is alive now out of what Python's cycle collector walks: nearly all of it is imports.

    A full collection goes through all that pandas, Plotly and the app define, about a tenth of a second in
    which every other session waits for the interpreter's lock; from now on it goes through what came after.
    Of sessions that are open by then, cycles are never collected: a bounded loss, once.
    """
    gc.collect()  # else cycles that are garbage already would be kept for ever
    gc.freeze()


def _import(modules: tuple[str, ...]) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception:  # the page that needs it will say so; a server that starts is worth more
            _log.exception("The server warmed up without %s", module)
