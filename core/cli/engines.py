"""Options of the commands that have independent parts: where these are done."""

from __future__ import annotations

from typing import Annotated

import typer

EngineName = Annotated[
    str, typer.Option("--engine", help="Where the work is done: local (this machine) or ray (a cluster).")
]
Address = Annotated[
    str | None,
    typer.Option(help="Of the Ray cluster, host:port; when not given, the one that runs on this machine."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Trainings, or shards of features, at the same time. When not given: one here, all there is "
        "room for on Ray."
    ),
]
