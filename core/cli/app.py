"""The root command, to which each module of core.cli adds its own."""

from __future__ import annotations

import os
from getpass import getuser
from typing import Annotated

import typer

from core.people.acting import acting_as

app = typer.Typer(
    name="tidyset",
    help="Look at image-classification data, train, find label errors, fix them, prove that it helped.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def act(
    context: typer.Context,
    person: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="Whose account acts, where the workspace has accounts. Else TIDYSET_PERSON's, else that of "
            "the user of this machine.",
        ),
    ] = None,
) -> None:
    """Say who acts, for all that the command writes."""
    context.with_resource(acting_as(person or os.environ.get("TIDYSET_PERSON") or account()))


def account() -> str:
    """The name of whoever is logged in on this machine."""
    try:
        return getuser()
    except (OSError, KeyError):
        return "annotator"
