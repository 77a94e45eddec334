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
        found = find_spec("dashboard")
        if found is None or found.origin is None:
            raise NotFound("The dashboard is not installed.", "Install tidyset again.")
        home = Path(found.origin).with_name("Home.py")
        command = ["-m", "streamlit", "run", str(home), "--server.port", str(port)]
        os.execv(sys.executable, [sys.executable, *command])
