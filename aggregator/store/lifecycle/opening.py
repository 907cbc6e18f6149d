"""Open a store: check that it exists and belongs to this program; create or upgrade its schema if that is allowed."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

from aggregator.errors import NoStoreError, StorageError, StoreHeldError
from aggregator.ports.protocols import Clock
from aggregator.store.articles.search import REINDEXED, index_again
from aggregator.store.db.database import Database, Transaction
from aggregator.store.db.dialects import PostgresDialect, SqliteDialect, dialect_of, translated
from aggregator.store.db.process_lock import ProcessLock
from aggregator.store.db.properties import read_property
from aggregator.store.db.schema import HEAD
from aggregator.store.lifecycle.upgrading import convert_records, upgrade_schema, version_of

logger = logging.getLogger(__name__)

_INDEXED_AT_ONCE = 500  # texts per transaction


def open_database(
    url: str, clock: Clock, *, create: bool = True, readonly: bool = False, use_clock: bool = False
) -> Database:
    """Return the store's database; see `open_store`."""
    database = _connect(url, clock, create=create and not readonly, readonly=readonly, use_clock=use_clock)
    try:
        _bring_up(database, create=create and not readonly)
        if not readonly:
            _finish_index(database)
    except BaseException:
        database.close()
        raise
    return database


def _connect(url: str, clock: Clock, *, create: bool, readonly: bool = False, use_clock: bool = False) -> Database:
    dialect = dialect_of(url, readonly=readonly)
    lock = None
    if isinstance(dialect, SqliteDialect):
        _check_file(dialect.path, create=create)
        lock = None if readonly else _process_lock(dialect.path)
    return Database(dialect, clock, lock, use_clock=use_clock)


def _check_file(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise StorageError(f"{path}: the store is a folder; name a file in [storage] url")
    if path.exists():
        return
    if not create:
        raise NoStoreError(f"{path}: there is no store yet; `aggregator run-once` makes it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: its folder cannot be made ({error.strerror}); check [storage] url") from error


def check_version(dialect: SqliteDialect) -> None:
    """Refuse a file that is no store of this program, and a store of a newer version. An older schema is accepted.

    Raises:
        StorageError: the file is refused, or there is none.
    """
    _check_file(dialect.path, create=False)
    engine = dialect.reader()
    try:
        with translated(dialect), engine.connect() as conn:
            if version_of(conn) is None:
                raise NoStoreError(f"{dialect.path}: there is no store yet; `aggregator run-once` makes it")
    finally:
        engine.dispose()


def _process_lock(path: Path) -> ProcessLock:
    try:
        return ProcessLock(path.with_name(f"{path.name}.locks"))
    except OSError as error:
        raise StorageError(
            f"{path}: the store cannot be written ({error.strerror}); check its folder's permissions"
        ) from error


def _bring_up(database: Database, *, create: bool) -> None:
    """Create the tables if they are missing. Upgrade an older schema of SQLite if no other process uses the store.

    Raises:
        StorageError: the tables are missing and may not be created, or they are old and only `db upgrade` may upgrade
            them.
        StoreHeldError: another process holds a store with an old schema.
    """
    version = _version(database)
    if version == HEAD:
        return
    place, lock = database.dialect.place, database.process_lock
    if version is None and not create:
        raise NoStoreError(f"{place}: there is no store yet; `aggregator run-once` makes it")
    if version is not None and (database.dialect.readonly or isinstance(database.dialect, PostgresDialect)):
        raise StorageError(f"{place}: the store has an older schema; run `aggregator db upgrade` first")
    if version is not None and lock is not None and lock.others_alive():
        raise StoreHeldError(f"{place}: the store has an older schema and another process holds it; stop that first")
    convert_records(database, version)
    database.write(_upgrade, durable=True)


def _finish_index(database: Database) -> None:
    """Index all texts again if a migration emptied the search index. A later call finishes an interrupted one."""
    if database.read(lambda tx: read_property(tx, REINDEXED)) is None:
        return
    logger.info("building the search index again")
    while not database.write(lambda tx: index_again(tx, _INDEXED_AT_ONCE)):
        pass


def _version(database: Database) -> str | None:
    """Return the version of the store's schema; None: the store has no tables. A missing SQLite file is created."""
    dialect = database.dialect
    if isinstance(dialect, SqliteDialect) and not dialect.readonly and not dialect.path.exists():
        return database.write(lambda tx: version_of(tx.conn))
    return database.read(lambda tx: version_of(tx.conn))


def _upgrade(tx: Transaction) -> str | None:
    """Upgrade the schema, unless another process has just done it. Return the version that was found."""
    tx.dialect.lock_upgrade(tx.conn)
    before = version_of(tx.conn)
    if before != HEAD:
        upgrade_schema(tx)
    return before


def upgrade(url: str, clock: Clock) -> tuple[str | None, str]:
    """Upgrade a store to our schema (`db upgrade`), or create it. Return the versions before and after.

    Raises:
        StorageError: the store cannot be used.
        StoreHeldError: another process of this machine uses the store (SQLite).
    """
    with closing(_connect(url, clock, create=True)) as database:
        check_alone(database)
        convert_records(database, _version(database))
        before = database.write(_upgrade, durable=True)
        _finish_index(database)
        return before, HEAD


def check_alone(database: Database) -> None:
    """Refuse a SQLite store that another process of this machine uses.

    Raises:
        StoreHeldError: another process uses it.
    """
    if database.process_lock is not None and database.process_lock.others_alive():
        raise StoreHeldError(f"{database.dialect.place}: another process holds the store; stop it first")
