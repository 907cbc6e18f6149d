"""Leaves no byte of erased texts in the files of a store. It changes no row.

A deleted row stays in its file until something else is written there: SQLite and PostgreSQL both keep such remains. So
the files are written again. What this cannot reach stands in docs/how-to/operate.md: archives of the log, backups.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Final

from aggregator.store.db.database import Database
from aggregator.store.db.dialects import SqliteDialect, translated

# The tables of PostgreSQL with words of articles. Statistics of their columns hold samples of the values.
_TABLES: Final = ("revisions", "entries", "article_search")


def scrub(database: Database, wait: timedelta) -> bool:
    """Write the files again without what was deleted; return False where a reader kept remains in the log.

    `wait` is how long readers of an older state are waited for (SQLite). Takes as long as a copy of the store, and its
    room once more; writers wait meanwhile.

    Raises:
        StorageError: the database refused.
    """
    with translated(database.dialect):
        if isinstance(database.dialect, SqliteDialect):
            return _scrub_sqlite(database.dialect, wait)
        _scrub_postgresql(database)
        return True


def _scrub_sqlite(dialect: SqliteDialect, wait: timedelta) -> bool:
    """Merge the search index, so that it drops words of deleted texts; then write file and log anew (VACUUM)."""
    with closing(dialect.connect("rw")) as connection:
        connection.execute("INSERT INTO article_search (article_search) VALUES ('optimize')")
        connection.execute("VACUUM")
        connection.execute(f"PRAGMA busy_timeout={wait // timedelta(milliseconds=1)}")
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not busy


def _scrub_postgresql(database: Database) -> None:
    """Write tables and indexes anew (VACUUM FULL), and the statistics of their columns."""
    with database.engine.connect() as plain:
        conn = plain.execution_options(isolation_level="AUTOCOMMIT")
        for name in _TABLES:
            conn.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {name}")
        conn.exec_driver_sql("VACUUM FULL pg_catalog.pg_statistic")  # refused with a warning, unless it is our database
