"""The journal of label edits, as it was first released."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

REFUSAL = "the journal is append-only: undo appends"


def upgrade() -> None:
    """Make the journal, which refuses to be rewritten."""
    journal = op.create_table("journal", sa.Column("format", sa.Integer(), primary_key=True))
    op.bulk_insert(journal, [{"format": 1}])
    op.create_table(
        "edits",
        sa.Column("dataset", sa.String(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("class_name", sa.String()),
        sa.Column("old", sa.String()),
        sa.Column("new", sa.String()),
        sa.Column("undoes", sa.Integer()),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.UniqueConstraint("dataset", "session", "seq"),
    )
    op.create_index("edits_by_item", "edits", ["dataset", "item_id"])
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgres()


def _guard_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER edits_no_{verb.lower()} BEFORE {verb} ON edits "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )


def _guard_postgres() -> None:
    op.execute(
        "CREATE FUNCTION tidyset_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN RAISE EXCEPTION '{REFUSAL}'; END$$"
    )
    op.execute(
        "CREATE TRIGGER edits_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON edits "
        "FOR EACH STATEMENT EXECUTE FUNCTION tidyset_append_only()"
    )
