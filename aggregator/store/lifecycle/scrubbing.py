"""Remove the bytes of erased texts from the files of a store. No row is changed.

In SQLite and PostgreSQL a deleted row stays in its file until other data overwrites it. So the files are written
again. Archives of the log and backups are not reached (docs/how-to/operate.md).
"""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta
from typing import Final

from sqlalchemy import text

from aggregator.store.db.database import Database
from aggregator.store.db.dialects import SqliteDialect, translated

# PostgreSQL's tables that hold words of articles. The statistics of their columns hold samples of these words.
_TABLES: Final = ("revisions", "entries", "article_search")

_LOOK: Final = 0.05  # seconds between two looks at other transactions


def scrub(database: Database, wait: timedelta) -> bool:
    """Write the files again without deleted rows. Return False if some rows stay because a reader still needs them.

    `wait` is the longest wait for such readers. Scrubbing takes as much time and disk space as a copy of the store.
    Writers wait until it is done.

    Raises:
        StorageError: the database reported an error.
    """
    with translated(database.dialect):
        if isinstance(database.dialect, SqliteDialect):
            return _scrub_sqlite(database.dialect, wait)
        return _scrub_postgresql(database, wait)


def _scrub_sqlite(dialect: SqliteDialect, wait: timedelta) -> bool:
    """Merge the search index, so that it loses the words of deleted texts. Then rewrite file and log (VACUUM)."""
    with closing(dialect.connect("rw")) as connection:
        connection.execute("INSERT INTO article_search (article_search) VALUES ('optimize')")
        connection.execute("VACUUM")
        connection.execute(f"PRAGMA busy_timeout={wait // timedelta(milliseconds=1)}")
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not busy


# Of all databases of the server: a row that one of these transactions may still see is not removed (PostgreSQL's
# documentation, "Routine Vacuuming"). The launchers of the server itself have no snapshot for long.
_OLDER: Final = text(
    "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    " AND greatest(age(backend_xmin), age(backend_xid)) > age(CAST(:mark AS xid))"
)


def _scrub_postgresql(database: Database, wait: timedelta) -> bool:
    """Wait for readers of old rows, then rewrite tables, indexes and column statistics (VACUUM FULL)."""
    until = time.monotonic() + wait.total_seconds()
    with database.engine.connect() as plain:
        conn = plain.execution_options(isolation_level="AUTOCOMMIT")
        mark = conn.scalar(text("SELECT CAST(pg_current_xact_id() AS xid)"))
        while (is_read := bool(conn.scalar(_OLDER, {"mark": str(mark)}))) and time.monotonic() < until:
            time.sleep(_LOOK)
        for name in _TABLES:
            conn.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {name}")
        conn.exec_driver_sql("VACUUM FULL pg_catalog.pg_statistic")  # only a warning if we do not own it
    return not is_read
