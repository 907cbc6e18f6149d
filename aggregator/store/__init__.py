"""The store: the only queue and the only memory, on SQLite or PostgreSQL. Here it is opened."""

from aggregator.ports.protocols import Clock
from aggregator.store.lifecycle.copying import backup, copy_store
from aggregator.store.lifecycle.opening import open_database, upgrade
from aggregator.store.sql_store import SqlStore

__all__ = ["SqlStore", "backup", "copy_store", "open_store", "upgrade"]


def open_store(
    url: str, clock: Clock, *, create: bool = True, readonly: bool = False, use_clock: bool = False
) -> SqlStore:
    """Open the store at a `[storage] url`. Make it if there is none; upgrade it if its schema is old.

    `readonly` changes nothing at all. `use_clock` makes `clock` the store's time even where the database has its own.

    Raises:
        StorageError: there is no store, or it cannot be used; one line says why and what to do.
        StoreVersionError: it was written by a newer version.
        StoreHeldError: its schema is old, and another process holds it.
    """
    database, lock = open_database(url, clock, create=create, readonly=readonly, use_clock=use_clock)
    return SqlStore(database, lock, clock)
