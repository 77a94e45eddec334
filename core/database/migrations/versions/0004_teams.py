"""Lists that a team shares, whose image is whose, and who is here."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables of a team's work."""
    op.create_table(
        "shared_lists",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.Column("overlap", sa.Integer(), nullable=False),
        sa.Column("at_once", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("closed", sa.Float()),
    )
    op.create_index("shared_lists_by_dataset", "shared_lists", ["dataset"])
    op.create_table(
        "assignments",
        sa.Column("list", sa.String(), primary_key=True),
        sa.Column("rank", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("slot", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("person", sa.String()),
        sa.Column("until", sa.Float()),
        sa.Column("done", sa.Float()),
    )
    op.create_index("assignments_open", "assignments", ["list", "done", "rank"])
    op.create_index("assignments_by_person", "assignments", ["list", "person"])
    op.create_index("assignments_by_item", "assignments", ["item_id"])
    op.create_table(
        "presence",
        sa.Column("person", sa.String(), primary_key=True),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("doing", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )
