"""``tidyset db``: the workspace's database: what it is, brought up to date, moved; edits that wait for it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.cli.app import app
from core.cli.output import JsonFlag, emit, errors_explained
from core.errors import Busy, StorageFailed
from core.people.acting import allow
from core.people.roles import Right
from core.workspace import current

db = typer.Typer(
    help="The database of labels: what it is, its schema, moving it; edits that wait for it.",
    no_args_is_help=True,
)
app.add_typer(db, name="db")


@db.command("status")
def status_command(as_json: JsonFlag = False) -> None:
    """Which database it is, its schema, how much is in it, and what waits for it. Exit 1 if it is away."""
    with errors_explained(as_json=as_json):
        from core.database.address import place
        from core.labels.outbox import n_waiting, waiting

        workspace = current()
        value: dict[str, Any] = {"database": place(workspace.database_url)}
        try:
            value |= _look()
        except (StorageFailed, Busy) as error:
            value["away"] = str(error)
        value["waiting"] = n_waiting(workspace)
        value["refused"] = [str(one.problem) for one in waiting(workspace, refused=True)]
        emit(value, _text(value), as_json=as_json)
        if "away" in value:
            raise typer.Exit(1)


def _look() -> dict[str, Any]:
    """What the database says of itself; it is not brought up to date for that."""
    from core.database.engine import connect, reading
    from core.database.migrate import NEWEST, schema_of
    from core.database.move import row_counts

    engine = connect(current())
    with reading(engine) as connection:
        found: dict[str, Any] = {
            "kind": engine.dialect.name,
            "schema": schema_of(connection),
            "newest": NEWEST,
        }
        if engine.dialect.name == "postgresql":
            for setting in ("server_version", "fsync", "synchronous_commit"):
                found[setting] = connection.exec_driver_sql(f"SHOW {setting}").scalar()
        found["rows"] = row_counts(connection)
    return found


def _text(value: dict[str, Any]) -> str:
    lines = [value["database"]]
    if "away" in value:
        lines.append(f"  {value['away']}")
    else:
        state = "up to date" if value["schema"] == value["newest"] else "`tidyset db upgrade` makes it newest"
        lines.append(f"  {value['kind']}, schema {value['schema'] or 'not made yet'} ({state})")
        lines += [f"  {name:<16} {n:>9,}" for name, n in value["rows"].items()]
    if value.get("fsync") == "off":
        lines.append("  Its fsync is off: what it says is saved is lost when that machine fails. Turn it on.")
    if value["waiting"]:
        lines.append(
            f"  {value['waiting']:,} label edits wait on this machine; `tidyset db send` sends them."
        )
    lines += [f"  not accepted: {problem}" for problem in value["refused"]]
    return "\n".join(lines)


@db.command("upgrade")
def upgrade_command(as_json: JsonFlag = False) -> None:
    """Bring the schema up to date; a SQLite file is copied before. (Opening a workspace does it as well.)"""
    with errors_explained(as_json=as_json):
        from core.database.engine import connect
        from core.database.migrate import NEWEST, upgrade

        copy = upgrade(connect(current()))
        value = {"schema": NEWEST, "copy": str(copy) if copy else None}
        text = f"The schema is {NEWEST}." + (f" A copy of the old one is {copy}." if copy else "")
        emit(value, text, as_json=as_json)


@db.command("move")
def move_command(
    to: Annotated[
        str,
        typer.Option("--to", help="Where to: postgresql+psycopg://USER@HOST/DATABASE, or sqlite:///FILE."),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Copy everything into another database, which is made or empty. All of it is copied, or nothing."""
    with errors_explained(as_json=as_json):
        from core.database.address import place
        from core.database.engine import connect, open_address
        from core.database.move import move
        from core.labels.outbox import n_waiting

        workspace = current()
        if n := n_waiting(workspace):
            raise Busy(f"{n:,} label edits still wait for the old database.", "First `tidyset db send`.")
        allow(workspace, Right.DATABASE)
        target = open_address(to)
        rows = move(connect(workspace), target)
        lines = [f"  {name:<16} {n:>9,}" for name, n in rows.items()]
        lines = [f"{place(to)} has everything now:", *lines]
        lines.append(
            "Set TIDYSET_DATABASE_URL to its address wherever Tidyset runs; the old one stays as it is."
        )
        value = {"from": place(workspace.database_url), "to": place(to), "rows": rows}
        emit(value, "\n".join(lines), as_json=as_json)


@db.command("send")
def send_command(
    forget_refused: Annotated[
        bool, typer.Option("--forget-refused", help="Let go of the edits that the journal did not accept.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Send the label edits that wait on this machine, because the database was away when they were made."""
    with errors_explained(as_json=as_json):
        from core.labels.outbox import deliver, let_go_of_refused, n_waiting

        delivery = deliver(current())
        forgotten = let_go_of_refused(current()) if forget_refused else 0
        value = {
            "sent": delivery.n_sent,
            "refused": list(delivery.refused),
            "forgotten": forgotten,
            "waiting": n_waiting(current()),
        }
        lines = [f"{delivery.n_sent:,} sent, {value['waiting']:,} wait."]
        lines += [f"  not accepted: {problem}" for problem in delivery.refused]
        emit(value, "\n".join(lines), as_json=as_json)
