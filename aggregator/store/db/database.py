"""Transactions: one writer, many readers, retries; no query of its own."""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.engine import CursorResult, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import Executable

from aggregator.ports.protocols import Clock
from aggregator.store.db.any_of import VALUES, batches
from aggregator.store.db.dialects import Dialect, SqliteDialect, insert_new, translated
from aggregator.store.db.group_commit import GroupCommit, Pending
from aggregator.store.db.prepared import Writing, prepare
from aggregator.store.db.process_lock import ProcessLock

logger = logging.getLogger(__name__)

T = TypeVar("T")
Item = TypeVar("Item")
_ATTEMPTS = 8  # attempts of a transaction that others stop again and again


@dataclass(slots=True)
class Transaction:
    """An open transaction of the store; all queries run through it. `owner` is the name of this process in leases."""

    conn: Connection
    dialect: Dialect
    owner: str
    _clock: Clock
    _use_clock: bool
    _now: datetime | None = field(default=None)

    @property
    def now(self) -> datetime:
        """The store's time, read once for each transaction: from PostgreSQL's server, or else from the `Clock`."""
        if self._now is None:
            self._now = (None if self._use_clock else self.dialect.now(self.conn)) or self._clock.now()
        return self._now

    def run(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """Execute a statement once; return its result."""
        return self.conn.execute(statement, parameters)

    def run_all(self, statement: Writing, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute a statement once for each row. All rows must have the parameter names of the first row."""
        if rows:
            prepared = prepare(statement, self.conn.dialect, tuple(rows[0]))
            self.conn.exec_driver_sql(prepared.sql, prepared.bind(rows))

    def all(self, statement: Executable, parameters: Any = None) -> Sequence[Row[Any]]:
        """Return all rows."""
        return self.conn.execute(statement, parameters).all()

    def all_of(
        self, statement: Executable, values: Iterable[Any], parameters: Mapping[str, Any] = MappingProxyType({})
    ) -> list[Row[Any]]:
        """Return all rows of `statement`, which contains `any_of`, for a list of values of any length."""
        return [row for batch in batches(values) for row in self.all(statement, {**parameters, VALUES: batch})]

    def first(self, statement: Executable, parameters: Any = None) -> Row[Any] | None:
        """Return the first row."""
        return self.conn.execute(statement, parameters).first()

    def add(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows. A row that conflicts with a stored row is left out."""
        self.run_all(insert_new(self.dialect.name, table), rows)


@dataclass(frozen=True, slots=True)
class _Work:
    """One write: a call of `run` with its `item`, perhaps together with the items of other threads' writes.

    `durable`: the commit must be synced.
    """

    run: Callable[[Transaction, Sequence[Any]], Sequence[Any]]
    item: Any = None  # Any: what `run` takes
    durable: bool = False


class Database:
    """The engines of one store and, on SQLite, the lock file of this process.

    SQLite has one writing connection for all threads, behind a lock.

    Each method raises StorageError when the database reports an error.
    """

    def __init__(
        self,
        dialect: Dialect,
        clock: Clock,
        lock: ProcessLock | None = None,
        *,
        use_clock: bool = False,
    ) -> None:
        self.dialect = dialect
        self.process_lock = lock
        self._clock = clock
        self._name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        self._use_clock = use_clock
        self._lock = threading.RLock()
        self._writer: Engine | None = None
        self._connection: Connection | None = None
        self._durable = False
        self._reader = dialect.reader()
        self._group: GroupCommit[_Work] = GroupCommit(self._write_together)

    def write(self, work: Callable[[Transaction], T], *, durable: bool = False) -> T:
        """Run `work` in one transaction. `durable`: sync the commit.

        `work` may run more than once, so it must change nothing except the store. On PostgreSQL it is repeated after a
        deadlock. On SQLite the writes of several threads may share a transaction; if it fails, each is run alone.
        """
        result: T = self._write(_Work(lambda tx, _: (work(tx),), durable=durable))
        return result

    def write_each(self, work: Callable[[Transaction, Sequence[Item]], Sequence[T]], item: Item) -> T:
        """Run `work` for `item` in one transaction, as `write` does, and return the result for `item`.

        On SQLite, one call of `work` may get the items of several threads. It returns a result for each, in order.
        """
        result: T = self._write(_Work(work, item))
        return result

    def _write(self, work: _Work) -> Any:  # Any: what `work` gives
        if isinstance(self.dialect, SqliteDialect):
            return self._group.run(work)
        return self._write_alone(work)

    def _write_alone(self, work: _Work) -> Any:  # Any: what `work` gives
        for attempt in range(1, _ATTEMPTS + 1):
            with translated(self.dialect):
                try:
                    with self._writing(work.durable) as conn:
                        return work.run(self._transaction(conn), (work.item,))[0]
                except DBAPIError as error:
                    if attempt == _ATTEMPTS or not self.dialect.is_transient(error):
                        raise
        raise AssertionError("the last attempt returns or raises")

    def _write_together(self, group: Sequence[Pending[_Work]]) -> None:
        """Run all writes of a group in one transaction.

        If one of them fails, run each write in a transaction of its own.
        """
        if len(group) > 1:
            try:
                with self._writing(any(pending.work.durable for pending in group)) as conn:
                    for same in _by_work(group):
                        items = [pending.work.item for pending in same]
                        results = same[0].work.run(self._transaction(conn), items)
                        for pending, result in zip(same, results, strict=True):
                            pending.result = result
            except Exception:
                logger.debug("shared transaction failed", exc_info=True)
            else:
                return
        for pending in group:
            try:
                pending.result = self._write_alone(pending.work)
            except BaseException as error:  # noqa: BLE001 - raised again in the thread whose work it was
                pending.error = error

    @property
    def engine(self) -> Engine:
        """The engine that writes."""
        with self._lock:
            if self._writer is None:
                self._writer = self.dialect.writer()
            return self._writer

    @contextmanager
    def _writing(self, durable: bool) -> Iterator[Connection]:
        if not isinstance(self.dialect, SqliteDialect):
            with self.engine.begin() as conn:
                yield conn
            return
        with self._lock:
            if self._connection is None:
                self._connection = self.engine.connect()
            if durable != self._durable:
                self.dialect.make_durable(self._connection, durable)
                self._durable = durable
            with self._connection.begin():
                yield self._connection

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Return the result of `work`, whose queries all read one state of the store."""
        with self.snapshot() as tx:
            return work(tx)

    def stream(self, work: Callable[[Transaction], Iterator[T]]) -> Iterator[T]:
        """Yield the items of `work`, whose queries all read one state of the store."""
        with self.snapshot() as tx:
            yield from work(tx)

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """Enter a transaction whose queries all read one state."""
        with translated(self.dialect), self._reader.begin() as conn:
            yield self._transaction(conn)

    def now(self) -> datetime:
        """Return the store's clock."""
        if self._use_clock or isinstance(self.dialect, SqliteDialect):
            return self._clock.now()
        return self.read(lambda transaction: transaction.now)

    def _transaction(self, conn: Connection) -> Transaction:
        owner = self._name if self.process_lock is None else self.process_lock.owner
        return Transaction(conn, self.dialect, owner, self._clock, self._use_clock)

    def close(self) -> None:
        """Close every connection, and release the lock file of this process."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            if self._writer is not None:
                self._writer.dispose()
                self._writer = None
            self._reader.dispose()
            if self.process_lock is not None:
                self.process_lock.close()


def _by_work(group: Sequence[Pending[_Work]]) -> Iterable[Sequence[Pending[_Work]]]:
    """Return the waiting writes of `group` in smaller groups: all writes in one have the same function `run`."""
    by_run: dict[object, list[Pending[_Work]]] = {}
    for pending in group:
        by_run.setdefault(pending.work.run, []).append(pending)
    return by_run.values()
