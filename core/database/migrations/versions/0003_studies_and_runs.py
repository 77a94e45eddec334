"""What searches remember, and an index of the runs: for the database that a team shares."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables of studies and runs."""
    op.create_table(
        "study_log",
        sa.Column("study", sa.String(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("batch", sa.String(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
    )
    op.create_index("study_log_by_batch", "study_log", ["batch"])
    op.create_table(
        "runs",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
    )
    op.create_index("runs_by_name", "runs", ["name"])
