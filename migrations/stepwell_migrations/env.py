"""Alembic's entry: runs the migrations on the connection that `runner` hands over, one transaction for each.

Alembic executes this file itself; there is no ``alembic.ini`` and no offline mode, because migrating always happens
under the lock and the checks of `runner`.
"""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transaction_per_migration=True,
    version_table=context.config.attributes["version_table"],
    version_table_schema=context.config.attributes["schema"],
)
with context.begin_transaction():
    context.run_migrations()
