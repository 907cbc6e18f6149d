"""The version of a store's schema, and the upgrade to ours."""

from __future__ import annotations

import io
from importlib.resources import files

from sqlalchemy import Connection, inspect, text

from aggregator.errors import StorageError, StoreVersionError
from aggregator.store.db.database import Database, Transaction
from aggregator.store.db.record_form import Position, convert_batch
from aggregator.store.db.schema import HEAD

VERSIONS = tuple(f"{number:04}" for number in range(1, int(HEAD) + 1))  # oldest first


def version_of(conn: Connection) -> str | None:
    """Return the schema's version; None if there are no tables yet.

    Raises:
        StorageError: the tables belong to another program.
        StoreVersionError: a newer version of this program has upgraded the store.
    """
    tables = set(inspect(conn).get_table_names())
    if not tables:
        return None
    if "alembic_version" not in tables or "hosts" not in tables:
        raise StorageError("the database holds tables of another program; name another one in [storage] url")
    version: str | None = conn.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if version not in VERSIONS:
        raise StoreVersionError(
            f"the store has schema version {version}, this program knows versions up to {HEAD}; "
            "install the version of aggregator that upgraded it"
        )
    return version


def convert_records(database: Database, version: str | None) -> None:
    """Convert records written before schema 0006, one batch per transaction. Call it before `upgrade_schema`.

    If the process is killed, the next upgrade converts the rest.
    """
    position = Position() if version is not None and version < "0006" else None
    while position is not None:
        position = database.write(lambda tx, after=position: convert_batch(tx.conn, after))  # type: ignore[misc]


def upgrade_schema(tx: Transaction) -> None:
    """Run the migrations that the schema lacks, in the transaction `tx`."""
    from alembic import command  # importing it takes longer than opening a store
    from alembic.config import Config

    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(files("aggregator.store") / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = tx.conn
    command.upgrade(config, "head")
