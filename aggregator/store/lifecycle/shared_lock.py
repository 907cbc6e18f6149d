"""Locks between all processes of one store: one for publishing, and one for each output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from hashlib import blake2b

from sqlalchemy import Engine, func, select

from aggregator.ports.protocols import Clock
from aggregator.store.db.database import Database
from aggregator.store.db.dialects import PUBLISH_LOCK, Dialect, SqliteDialect, translated
from aggregator.store.db.process_lock import file_lock


def publish_lock(db: Database, clock: Clock, wait: timedelta) -> AbstractContextManager[bool]:
    """Hold the lock for publishing. The block gets False if another process has it for all of `wait`."""
    return _shared_lock(db, clock, "publish", PUBLISH_LOCK, wait)


def output_lock(db: Database, clock: Clock, output: str, wait: timedelta) -> AbstractContextManager[bool]:
    """Hold the lock of one output. The block gets False if another process has it for all of `wait`."""
    digest = blake2b(output.encode(), digest_size=6)
    return _shared_lock(db, clock, f"output-{digest.hexdigest()}", int.from_bytes(digest.digest()), wait)


def _shared_lock(db: Database, clock: Clock, name: str, number: int, wait: timedelta) -> AbstractContextManager[bool]:
    """Hold a lock that all processes of the store share. The block gets False if another has it for all of `wait`.

    On SQLite it is a lock file beside the store, named after `name`; on PostgreSQL the advisory lock `number`.
    """
    if isinstance(db.dialect, SqliteDialect):
        return file_lock(db.dialect.path.with_name(f"{db.dialect.path.name}.{name}.lock"), wait, clock)
    return _advisory_lock(db.dialect, db.engine, number, wait, clock)


@contextmanager
def _advisory_lock(dialect: Dialect, engine: Engine, number: int, wait: timedelta, clock: Clock) -> Iterator[bool]:
    """Hold an advisory lock of PostgreSQL. The block gets False if another process has it for all of `wait`.

    Raises:
        StorageError: the database reported an error.
    """
    with translated(dialect), engine.connect() as plain:
        conn = plain.execution_options(isolation_level="AUTOCOMMIT")
        deadline = clock.monotonic() + wait.total_seconds()
        take = select(func.pg_try_advisory_lock(number))
        while not (held := bool(conn.execute(take).scalar_one())) and clock.monotonic() < deadline:
            clock.sleep(0.2)
        try:
            yield held
        finally:
            if held:
                conn.execute(select(func.pg_advisory_unlock(number)))
