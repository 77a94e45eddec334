"""Run by Alembic: core.database.migrate hands it a connection in a transaction of its own."""

from alembic import context

from core.database.migrate import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # of SQLite too: core.database.engine begins its transactions itself
)
with context.begin_transaction():
    context.run_migrations()
