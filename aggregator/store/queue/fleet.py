"""The queue of visits of a fleet, in the store's database. A claim and its job are written in one transaction.

The members of the fleet are its processes. The store lists each with its number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from aggregator.ports.store_records import Claim
from aggregator.store.db.database import Transaction
from aggregator.store.db.properties import delete_property, read_properties, write_property
from aggregator.store.queue.hosts import claim_hosts

_MEMBER: Final = "worker "  # prefix of a member's name in `properties`; the value: its threads, and until when
_MEMBER_FOR: Final = timedelta(seconds=60)
_QUEUED_AHEAD: Final = 2  # waiting jobs for each thread of the fleet


class VisitQueue(Protocol):
    """The queue of visits, one job each. `connection` is the driver's connection, in a transaction of the store."""

    def set_up(self, connection: Any, *, migrate: bool) -> None:
        """Create the queue's own tables if they are missing; `migrate`: upgrade older ones.

        Raises:
            StorageError: the tables are older and `migrate` is False, or they are newer than this program knows.
        """

    def waiting(self, connection: Any) -> int:
        """Return how many visits are queued."""

    def put(self, connection: Any, claims: Sequence[Claim]) -> None:
        """Queue a visit to each claimed host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """How many visits were queued, and how many threads the fleet has."""

    queued: int
    fleet: int


def set_up_queue(tx: Transaction, queue: VisitQueue, *, migrate: bool = False) -> None:
    """Create the queue's own tables if they are missing, one process at a time; `migrate`: upgrade older ones."""
    tx.dialect.lock_upgrade(tx.conn)
    queue.set_up(_driver(tx), migrate=migrate)


def fill_queue(tx: Transaction, queue: VisitQueue, threads: int, lease: timedelta, *, pages_too: bool = True) -> Filled:
    """Claim due hosts and queue their visits, unless another process is doing that.

    At most two visits wait for each thread of the fleet. `threads` is the number of threads of this process.
    """
    members = _enrol(tx, threads)
    fleet = sum(size for size, until in members.values() if until > tx.now)
    if not tx.dialect.try_lock_queue(tx.conn):
        return Filled(queued=0, fleet=fleet)
    for name, (_, until) in members.items():
        if until <= tx.now:
            delete_property(tx, name)
    room = _QUEUED_AHEAD * fleet - queue.waiting(_driver(tx))
    claims = claim_hosts(tx, room, lease, pages_too=pages_too) if room > 0 else ()
    if claims:
        queue.put(_driver(tx), claims)
    return Filled(queued=len(claims), fleet=fleet)


def _enrol(tx: Transaction, threads: int) -> dict[str, tuple[int, datetime]]:
    """Renew the membership of this process if needed; return each member's threads and the end of its membership."""
    members = {name: _member(value) for name, value in read_properties(tx, _MEMBER).items()}
    own, until = f"{_MEMBER}{tx.owner}", tx.now + _MEMBER_FOR
    size, known_until = members.get(own, (0, tx.now))
    if size != threads or known_until < until - _MEMBER_FOR / 6:
        write_property(tx, own, f"{threads} {until.isoformat()}")
        members[own] = threads, until
    return members


def _member(value: str) -> tuple[int, datetime]:
    threads, _, until = value.partition(" ")
    return int(threads), datetime.fromisoformat(until)


def leave_fleet(tx: Transaction) -> None:
    """Remove this process from the members of the fleet."""
    delete_property(tx, f"{_MEMBER}{tx.owner}")


def _driver(tx: Transaction) -> Any:
    """Return the driver's connection (psycopg on PostgreSQL), which is in the transaction `tx`."""
    return tx.conn.connection.driver_connection
