"""Remove the bytes of erased texts from the files of a store. No row is changed.

In SQLite and PostgreSQL a deleted row stays in its file until other data overwrites it. So the files are written
again. Archives of the log and backups are not reached (docs/how-to/operate.md).
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Final

from aggregator.store.db.database import Database
from aggregator.store.db.dialects import SqliteDialect, translated

# PostgreSQL's tables that hold words of articles. The statistics of their columns hold samples of these words.
_TABLES: Final = ("revisions", "entries", "article_search")


def scrub(database: Database, wait: timedelta) -> bool:
    """Write the files again without deleted rows. Return False if a reader kept some of them in the log.

    `wait` is the longest wait for readers of an older state (SQLite). This takes the time and the disk space of a copy
    of the store. Writers wait until it is done.

    Raises:
        StorageError: the database reported an error.
    """
    with translated(database.dialect):
        if isinstance(database.dialect, SqliteDialect):
            return _scrub_sqlite(database.dialect, wait)
        _scrub_postgresql(database)
        return True


def _scrub_sqlite(dialect: SqliteDialect, wait: timedelta) -> bool:
    """Merge the search index, which drops the words of deleted texts. Then rewrite file and log (VACUUM)."""
    with closing(dialect.connect("rw")) as connection:
        connection.execute("INSERT INTO article_search (article_search) VALUES ('optimize')")
        connection.execute("VACUUM")
        connection.execute(f"PRAGMA busy_timeout={wait // timedelta(milliseconds=1)}")
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not busy


def _scrub_postgresql(database: Database) -> None:
    """Rewrite tables and indexes (VACUUM FULL), and the statistics of their columns."""
    with database.engine.connect() as plain:
        conn = plain.execution_options(isolation_level="AUTOCOMMIT")
        for name in _TABLES:
            conn.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {name}")
        conn.exec_driver_sql("VACUUM FULL pg_catalog.pg_statistic")  # only a warning if we do not own it
