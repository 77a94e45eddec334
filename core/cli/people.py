"""``tidyset people``: accounts and roles. Passwords are asked for, never given on the command line."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from core.cli.app import app
from core.cli.output import JsonFlag, emit, errors_explained
from core.errors import BadInput
from core.workspace import current

people = typer.Typer(
    help="People: who may sign in, and as what. Without accounts everybody may do everything.",
    no_args_is_help=True,
)
app.add_typer(people, name="people")

NameArgument = Annotated[str, typer.Argument(help="The name, as it stands beside edits.")]
StdinFlag = Annotated[bool, typer.Option("--stdin", help="Read the password from the first line of stdin.")]
RoleOption = Annotated[str, typer.Option(help="viewer, annotator or admin.")]


@people.command("list")
def list_command(as_json: JsonFlag = False) -> None:
    """Everybody with an account."""
    with errors_explained(as_json=as_json):
        from core.people.accounts import accounts

        found = list((accounts(current()) or {}).values())
        rows = [{"name": one.name, "role": str(one.role), "password": bool(one.kept)} for one in found]
        lines = [
            f"{one.name:<32} {one.role:<10} {'password' if one.kept else 'no password'}" for one in found
        ]
        nobody = "There are no accounts: whoever uses this workspace may do everything."
        emit(rows, "\n".join(lines) or nobody, as_json=as_json)


@people.command("add")
def add_command(
    name: NameArgument,
    role: RoleOption = "annotator",
    no_password: Annotated[
        bool,
        typer.Option(
            "--no-password", help="For who signs in with OpenID Connect (the name is the e-mail address)."
        ),
    ] = False,
    stdin: StdinFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Make an account. The first one must be an admin's; from then on everybody has to sign in."""
    with errors_explained(as_json=as_json):
        from core.people.accounts import add_account
        from core.people.roles import role_named

        wanted = role_named(role)
        made = add_account(current(), name, wanted, None if no_password else _asked(stdin))
        text = f"{made.name} is {made.role}."
        emit({"name": made.name, "role": str(made.role)}, text, as_json=as_json)


@people.command("clear")
def clear_command(as_json: JsonFlag = False) -> None:
    """Delete all accounts: whoever uses the workspace may do everything again."""
    with errors_explained(as_json=as_json):
        from core.people.accounts import clear_accounts

        clear_accounts(current())
        emit({"accounts": 0}, "There are no accounts any more.", as_json=as_json)


@people.command("role")
def role_command(
    name: NameArgument,
    role: Annotated[str, typer.Argument(help="viewer, annotator or admin.")],
    as_json: JsonFlag = False,
) -> None:
    """Change what somebody may do; it counts at once."""
    with errors_explained(as_json=as_json):
        from core.people.accounts import set_role
        from core.people.roles import role_named

        changed = set_role(current(), name, role_named(role))
        value = {"name": changed.name, "role": str(changed.role)}
        emit(value, f"{changed.name} is {changed.role}.", as_json=as_json)


@people.command("password")
def password_command(
    name: NameArgument,
    no_password: Annotated[bool, typer.Option("--no-password", help="Take the password away.")] = False,
    stdin: StdinFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Change somebody's password; whoever is signed in with the old one is signed out."""
    with errors_explained(as_json=as_json):
        from core.people.accounts import set_password

        changed = set_password(current(), name, None if no_password else _asked(stdin))
        emit({"name": changed.name}, f"The password of {changed.name} is changed.", as_json=as_json)


@people.command("remove")
def remove_command(name: NameArgument, as_json: JsonFlag = False) -> None:
    """Remove an account and sign the person out; their edits stay, under their name."""
    with errors_explained(as_json=as_json):
        from core.people.accounts import remove_account

        remove_account(current(), name)
        emit({"removed": name}, f"{name} has no account any more.", as_json=as_json)


def _asked(stdin: bool) -> str:
    """A password that was typed twice, or the first line of stdin."""
    if stdin:
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise BadInput("There is no password on stdin.", "Write it into the first line.")
        return line
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
