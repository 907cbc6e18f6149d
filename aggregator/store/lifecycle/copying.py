"""Copies of a whole store: a consistent backup while it is in use, and a copy into another place or engine."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import RowMapping, Table, delete, func, insert, select, text
from sqlalchemy.sql import Executable

from aggregator.errors import StorageError
from aggregator.ports.protocols import Clock
from aggregator.store.articles.search import index_texts
from aggregator.store.db.database import Transaction
from aggregator.store.db.dialects import SqliteDialect, dialect_of
from aggregator.store.db.properties import EPOCH
from aggregator.store.db.schema import metadata, properties
from aggregator.store.lifecycle.opening import check_alone, check_version, open_database

_BATCH = 500

Progress = Callable[[Mapping[str, int]], None]  # rows copied so far, by table


def backup(url: str, target: Path) -> None:
    """Write a consistent copy of a SQLite store of any schema version, and check it. A failure leaves no copy.

    Raises:
        StorageError: there is no store, it is not a SQLite store of this program, or the copy cannot be written.
    """
    dialect = dialect_of(url, readonly=True)
    if not isinstance(dialect, SqliteDialect):
        raise StorageError("the store is PostgreSQL; back it up with pg_dump")
    check_version(dialect)
    if target.is_dir():
        raise StorageError(f"{target}: is a folder; name a file")
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with closing(dialect.connect("ro")) as source, closing(sqlite3.connect(temporary)) as copy:
            source.backup(copy, pages=4096, sleep=0.01)
            copy.execute("PRAGMA journal_mode=DELETE")
            with copy:  # both may continue, so one number could mean two changes: the copy gets an epoch of its own
                copy.execute("UPDATE properties SET value = ? WHERE name = ?", (uuid.uuid4().hex, EPOCH))
            _check(copy, target)
        temporary.replace(target)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(
            f"{target}: the backup cannot be written ({error}); make room or name another file"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _check(copy: sqlite3.Connection, target: Path) -> None:
    found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise StorageError(f"{target}: the store is damaged ({found}); restore an older backup")


def copy_store(source_url: str, target_url: str, clock: Clock, progress: Progress | None = None) -> Mapping[str, int]:
    """Copy everything into an empty store at another place or of another engine; return the number of rows by table.

    Raises:
        StorageError: a store cannot be used, or the target is not empty.
        StoreHeldError: another process of this machine uses the source, so its work would be lost (SQLite).
    """
    with closing(open_database(source_url, clock, create=False)) as source:
        check_alone(source)
        with closing(open_database(target_url, clock)) as target:
            return source.read(lambda reading: target.write(lambda tx: _copy(reading, tx, progress), durable=True))


def _copy(source: Transaction, target: Transaction, progress: Progress | None) -> Mapping[str, int]:
    target.run(delete(properties))  # the epoch is copied with the changes
    for table in metadata.sorted_tables:
        if target.first(select(func.count()).select_from(table.select().limit(1).subquery())) != (0,):
            raise StorageError(f"{target.dialect.place}: the store is not empty; copy into a new one")
    done: dict[str, int] = {}
    for table in metadata.sorted_tables:
        done[table.name] = _copy_table(source, target, table)
        if progress is not None:
            progress(dict(done))
    for part in _parts(source, text("SELECT n, title, body FROM article_texts")):
        index_texts(target, [(row["n"], row["title"], row["body"]) for row in part])
    return done


def _copy_table(source: Transaction, target: Transaction, table: Table) -> int:
    copied = 0
    for part in _parts(source, select(table)):
        target.conn.execute(insert(table), [dict(row) for row in part])
        copied += len(part)
    if target.dialect.name == "postgresql":
        _move_sequence(target, table)
    return copied


def _parts(source: Transaction, query: Executable) -> Iterator[Sequence[RowMapping]]:
    return source.conn.execution_options(yield_per=_BATCH).execute(query).mappings().partitions(_BATCH)


def _move_sequence(target: Transaction, table: Table) -> None:
    """Set the table's sequence so that new ids follow the copied ids."""
    column: Any = table.autoincrement_column
    if column is None:
        return
    last = target.conn.execute(select(func.max(column))).scalar()
    if last is not None:
        target.conn.execute(select(func.setval(func.pg_get_serial_sequence(table.name, column.name), last)))
