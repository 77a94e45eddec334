"""The root command, to which each module of core.cli adds its own."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="tidyset",
    help="Look at image-classification data, train, find label errors, fix them, prove that it helped.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
