"""Alembic's entry: runs within the transaction that it is given."""

from alembic import context

from aggregator.store.db.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
