"""``tidyset app``: opens the app, from a checkout or an installed wheel alike."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from core.cli.app import app
from core.cli.output import errors_explained
from core.errors import NotFound


@app.command("app")
def open_app(
    port: Annotated[int, typer.Option(help="Port of this machine to listen on.")] = 8501,
) -> None:
    """Open the workbench in the browser."""
    with errors_explained():
        os.execv(sys.executable, [sys.executable, *app_command(port)])


def app_command(port: int) -> list[str]:
    """What Python is told, to serve the app. Raises NotFound when it is not installed."""
    found = find_spec("dashboard")
    if found is None or found.origin is None:
        raise NotFound("The dashboard is not installed.", "Install tidyset again.")
    home = Path(found.origin).with_name("Home.py")
    # -P: a folder called core or dashboard where the command is given must not be taken for ours.
    return ["-P", "-m", "streamlit", "run", str(home), "--server.port", str(port)]
