"""The store on SQLite or PostgreSQL: the queue of all work and the memory of all results. Opens a store."""

from aggregator.ports.protocols import Clock
from aggregator.store.lifecycle.copying import backup, copy_store
from aggregator.store.lifecycle.opening import open_database, upgrade
from aggregator.store.sql_store import SqlStore

__all__ = ["SqlStore", "backup", "copy_store", "open_store", "upgrade"]


def open_store(
    url: str, clock: Clock, *, create: bool = True, readonly: bool = False, use_clock: bool = False
) -> SqlStore:
    """Open the store at a `[storage] url`. With `create`, create a missing one.

    With `readonly`, nothing is changed. Otherwise an older schema is upgraded, but only in SQLite. `use_clock` makes
    `clock` the store's time even if the database has its own.

    Raises:
        StorageError: there is no store, or it cannot be used; the message names reason and remedy in one line.
        StoreVersionError: the store was written by a newer version.
        StoreHeldError: the schema is old, and another process uses the store.
    """
    return SqlStore(open_database(url, clock, create=create, readonly=readonly, use_clock=use_clock), clock)
