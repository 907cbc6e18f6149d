"""A lock that all processes on one store know."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

from aggregator.ports.protocols import Clock
from aggregator.store.articles.changes import advisory_lock
from aggregator.store.db.database import Database
from aggregator.store.db.dialects import SqliteDialect
from aggregator.store.lifecycle.process_lock import file_lock


def shared_lock(db: Database, clock: Clock, name: str, number: int, wait: timedelta) -> AbstractContextManager[bool]:
    """Hold the lock, a file beside SQLite's or a number in PostgreSQL; enters with False where it stays taken."""
    if isinstance(db.dialect, SqliteDialect):
        return file_lock(db.dialect.path.with_name(f"{db.dialect.path.name}.{name}.lock"), wait, clock)
    return advisory_lock(db.dialect, db.engine, number, wait, clock)
