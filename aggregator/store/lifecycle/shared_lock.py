"""Locks between all processes of one store: one for publishing, and one for each output."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta
from hashlib import blake2b

from aggregator.ports.protocols import Clock
from aggregator.store.articles.changes import advisory_lock
from aggregator.store.db.database import Database
from aggregator.store.db.dialects import PUBLISH_LOCK, SqliteDialect
from aggregator.store.db.process_lock import file_lock


def publish_lock(db: Database, clock: Clock, wait: timedelta) -> AbstractContextManager[bool]:
    """Take the lock for publishing; enter with False if another process keeps it for all of `wait`."""
    return _shared_lock(db, clock, "publish", PUBLISH_LOCK, wait)


def output_lock(db: Database, clock: Clock, output: str, wait: timedelta) -> AbstractContextManager[bool]:
    """Take the lock of one output; enter with False if another process keeps it for all of `wait`."""
    digest = blake2b(output.encode(), digest_size=6)
    return _shared_lock(db, clock, f"output-{digest.hexdigest()}", int.from_bytes(digest.digest()), wait)


def _shared_lock(db: Database, clock: Clock, name: str, number: int, wait: timedelta) -> AbstractContextManager[bool]:
    """Take a lock: on SQLite a file beside the store, on PostgreSQL an advisory lock with this number."""
    if isinstance(db.dialect, SqliteDialect):
        return file_lock(db.dialect.path.with_name(f"{db.dialect.path.name}.{name}.lock"), wait, clock)
    return advisory_lock(db.dialect, db.engine, number, wait, clock)
