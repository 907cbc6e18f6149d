"""All differences between SQLite and PostgreSQL. The queries use only the methods that both classes have."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool, Pool, QueuePool, StaticPool

from aggregator.errors import MissingExtraError, StorageError

_BUSY_TIMEOUT = 60.0  # seconds that a write waits for other processes; none of ours takes one
_IDENTITY_LOCK: Final = 0x61677265_6964  # advisory locks of PostgreSQL
_UPGRADE_LOCK: Final = 0x61677265_7570
_QUEUE_LOCK: Final = 0x61677265_7175
PUBLISH_LOCK: Final = 0x61677265_7075

Insert = sqlite.Insert | postgresql.Insert


@cache
def insert(dialect: str, table: Table) -> Insert:
    """Return an INSERT statement of the dialect, which supports ON CONFLICT and returns no rows."""
    return (sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)).inline()


@cache
def insert_new(dialect: str, table: Table) -> Insert:
    """Return an INSERT that leaves out rows that conflict with a stored row."""
    return insert(dialect, table).on_conflict_do_nothing()


class SqliteDialect:
    """One file in WAL mode.

    The writer takes the write lock at BEGIN. With a plain BEGIN, a transaction that reads first and writes later fails
    at once if another one has written in between.

    Commits are not synced one by one (`synchronous = NORMAL`). A power cut may undo the last commits, each as a whole;
    their work is done again. Before a number is published and before bytes are deleted (forget, retention) the commit
    is synced (`FULL`). This also syncs all earlier commits.
    """

    name = "sqlite"

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self.readonly = readonly

    @property
    def place(self) -> str:
        """The path of the SQLite file."""
        return str(self.path)

    def writer(self) -> Engine:
        """Return an engine with one connection for all threads; the caller locks each transaction."""
        _refuse_writing(self)
        engine = self._engine("rwc", StaticPool)
        event.listen(engine, "connect", _set_up_writer)
        event.listen(engine, "begin", _begin_immediate)
        return engine

    def reader(self) -> Engine:
        """Return an engine with a few connections that cannot write."""
        pool = NullPool if self.is_on_readonly_disk() else QueuePool
        engine = self._engine("ro" if self.readonly else "rw", pool)
        event.listen(engine, "connect", _set_up_reader)
        event.listen(engine, "begin", _begin_deferred)
        return engine

    def _engine(self, mode: str, pool: type[Pool]) -> Engine:
        return create_engine("sqlite://", creator=lambda: self.connect(mode), poolclass=pool)

    def connect(self, mode: str) -> sqlite3.Connection:
        """Return a plain connection; `mode` is SQLite's own: ro, rw, rwc."""
        log = self.path.with_name(f"{self.path.name}-wal")
        is_still = mode == "ro" and self.is_on_readonly_disk() and not (log.exists() and log.stat().st_size)
        return sqlite3.connect(  # where no log can be made SQLite opens a file in WAL mode only if nobody changes it
            f"file:{_escape(str(self.path))}?mode={mode}{'&immutable=1' * is_still}",
            uri=True,
            timeout=_BUSY_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )

    def is_on_readonly_disk(self) -> bool:
        """Return whether the file lies on a file system that is mounted read-only."""
        try:
            return bool(os.statvfs(self.path).f_flag & os.ST_RDONLY)
        except OSError:  # it is not there yet
            return False

    def now(self, conn: Connection) -> datetime | None:
        """Return None: SQLite has no clock of its own, so the caller uses the process's."""
        return None

    def lock_identity(self, conn: Connection) -> None:
        """Do nothing: BEGIN IMMEDIATE has taken the write lock."""

    def lock_upgrade(self, conn: Connection) -> None:
        """Do nothing: BEGIN IMMEDIATE has taken the write lock."""

    def try_lock_queue(self, conn: Connection) -> bool:
        """Return True: BEGIN IMMEDIATE has taken the write lock."""
        return True

    def make_durable(self, conn: Connection, durable: bool) -> None:
        """Set, before a transaction, whether its commit is synced and survives a power cut."""
        driver: Any = conn.connection.driver_connection  # a sqlite3.Connection
        driver.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")

    def is_transient(self, error: DBAPIError) -> bool:
        """Return False: SQLite has waited for other processes already (busy timeout)."""
        return False

    def describe(self, error: Exception) -> str:
        """Return the path and a line about `error`: from `_SQLITE_WORDS`, or else SQLite's own message."""
        origin = error.orig if isinstance(error, DBAPIError) else error
        name = getattr(origin, "sqlite_errorname", "")
        for prefix, words in _SQLITE_WORDS.items():
            if name.startswith(prefix):
                return f"{self.path}: {words}"
        return f"{self.path}: {_first_line(origin or error)}"

    def size_bytes(self, conn: Connection) -> int:
        """Return the size of the file and of its log."""
        files = [self.path, self.path.with_name(self.path.name + "-wal")]
        return sum(file.stat().st_size for file in files if file.exists())


_SQLITE_WORDS = {
    "SQLITE_FULL": "the disk is full; free some space and start again, nothing is lost",
    "SQLITE_READONLY": "the store cannot be written; check the permissions of the file and its folder",
    "SQLITE_CANTOPEN": "the store cannot be opened; check that its folder exists and the permissions",
    "SQLITE_PERM": "the store cannot be opened; check its permissions",
    "SQLITE_NOTADB": "this is not a store of ours (not a SQLite database); name another file in [storage] url",
    "SQLITE_CORRUPT": "the store is damaged; restore a backup",
    "SQLITE_BUSY": "another process has kept the store locked for a minute; stop it or try again",
    "SQLITE_IOERR": "the disk cannot be read or written",
}


def _escape(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _set_up_writer(connection: sqlite3.Connection, record: object) -> None:
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":  # a file system without shared memory: slower, equally safe
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA cache_size=-16384")
    connection.execute("PRAGMA wal_autocheckpoint=16000")  # 64 MiB: a first fill dirties some 2,000 pages a commit
    connection.execute("PRAGMA temp_store=MEMORY")


def _set_up_reader(connection: sqlite3.Connection, record: object) -> None:
    connection.execute("PRAGMA query_only=ON")


def _begin_immediate(conn: Connection) -> None:
    """Begin a transaction with the write lock, when SQLAlchemy's event `begin` asks for it.

    The statement goes to the driver's cursor. Through SQLAlchemy it would cost more than the BEGIN itself.
    """
    conn.connection.cursor().execute("BEGIN IMMEDIATE")


def _begin_deferred(conn: Connection) -> None:
    conn.connection.cursor().execute("BEGIN")


class PostgresDialect:
    """A PostgreSQL server, given by a libpq URI of any form."""

    name = "postgresql"

    def __init__(self, uri: str, *, readonly: bool = False) -> None:
        self.uri = uri
        self.readonly = readonly

    @property
    def place(self) -> str:
        """The URI without its password and parameters."""
        scheme, _, rest = self.uri.partition("://")
        user_info, at, address = rest.rpartition("@")
        user = unquote(user_info.partition(":")[0])
        return f"{scheme}://{user}{at}{address.partition('?')[0]}"

    def writer(self) -> Engine:
        """Return an engine with the isolation level "read committed": a statement sees all commits before its start."""
        _refuse_writing(self)
        return self._engine("READ COMMITTED")

    def reader(self) -> Engine:
        """Return an engine with the isolation level "repeatable read": one snapshot."""
        return self._engine("REPEATABLE READ", postgresql_readonly=True)

    def _engine(self, isolation: str, **options: bool) -> Engine:
        try:
            import psycopg  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("a PostgreSQL store", "psycopg", "postgresql") from error
        engine = create_engine("postgresql+psycopg://", pool_size=8, max_overflow=32, pool_pre_ping=True)

        def connect(dialect: Any, record: object, arguments: Any, parameters: dict[str, Any]) -> Any:
            # libpq reads its own URIs (several hosts, sockets, services); SQLAlchemy's URL knows only some of them.
            return dialect.connect(self.uri, **parameters)

        event.listen(engine, "do_connect", connect)
        return engine.execution_options(isolation_level=isolation, **options)

    def now(self, conn: Connection) -> datetime | None:
        """Return the server's clock, the same for a whole fleet."""
        at: datetime = conn.execute(_CLOCK).scalar_one()
        return at

    def lock_identity(self, conn: Connection) -> None:
        """Take the identity lock: only one transaction at a time may merge or split articles."""
        conn.execute(select(func.pg_advisory_xact_lock(_IDENTITY_LOCK)))

    def lock_upgrade(self, conn: Connection) -> None:
        """Take the upgrade lock: only one transaction at a time may change the schema."""
        conn.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))

    def try_lock_queue(self, conn: Connection) -> bool:
        """Take the queue lock until the transaction ends; False: another transaction fills the fleet's queue."""
        return bool(conn.execute(select(func.pg_try_advisory_xact_lock(_QUEUE_LOCK))).scalar_one())

    def is_transient(self, error: DBAPIError) -> bool:
        """Return whether the error is a deadlock or a serialisation failure."""
        return getattr(error.orig, "sqlstate", None) in ("40001", "40P01")

    def describe(self, error: Exception) -> str:
        """Return `place` and the first line of the server's message, with a remedy for the usual errors."""
        origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        words = _POSTGRES_WORDS.get(getattr(origin, "sqlstate", None) or "", "")
        remedy = f" ({words})" if words else ""
        if isinstance(error, OperationalError) and not words:
            remedy = " (is the server running, and is [storage] url right?)"
        return f"{self.place}: {_first_line(origin)}{remedy}"

    def size_bytes(self, conn: Connection) -> int:
        """Return the size of the whole database."""
        return int(conn.execute(select(func.pg_database_size(func.current_database()))).scalar_one())


_POSTGRES_WORDS = {
    "53100": "the server's disk is full; free some space, nothing is lost",
    "25006": "the database cannot be written",
    "42501": "the role lacks a right",
    "28P01": "check the password",
    "3D000": "create the database first",
}


_CLOCK: Final = select(func.clock_timestamp())


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


Dialect = SqliteDialect | PostgresDialect


def _refuse_writing(dialect: Dialect) -> None:
    if dialect.readonly:
        raise StorageError(f"{dialect.place}: the store cannot be written, it was opened for reading only")


def dialect_of(url: str, *, readonly: bool = False) -> Dialect:
    """Return the dialect of a `[storage] url`. A relative SQLite path stays relative.

    Raises:
        StorageError: the URL names no supported store.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise StorageError(f'{url!r} names no store; write "sqlite:///path" or "postgresql://user@host/db"')
    if scheme == "sqlite":
        path = rest.removeprefix("/")
        if not path or path == ":memory:":
            raise StorageError(f'{url!r} names no file; write "sqlite:///path"')
        return SqliteDialect(Path(path), readonly=readonly)
    if scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        return PostgresDialect(f"postgresql://{rest}", readonly=readonly)
    raise StorageError(f'storage of the kind "{scheme}" is unknown; write "sqlite:///path" or "postgresql://…"')


@contextmanager
def translated(dialect: Dialect) -> Iterator[None]:
    """Turn errors of the database in the block into `StorageError`, with the message of `Dialect.describe`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StorageError(dialect.describe(error)) from error
