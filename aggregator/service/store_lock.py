"""The lock that keeps a second `aggregator run` away from a SQLite store."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from aggregator.config.settings import Config
from aggregator.errors import StoreHeldError


@contextmanager
def hold_store(config: Config) -> Iterator[None]:
    """Hold the lock of the SQLite store during the block. On PostgreSQL there is no lock.

    The lock ends with the process at the latest (flock(2)).

    Raises:
        StoreHeldError: another daemon works on this store.
    """
    path = config.storage.sqlite_path
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreHeldError(f"{path}: another `aggregator run` works on this store") from error
        yield
