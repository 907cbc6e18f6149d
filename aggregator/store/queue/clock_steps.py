"""A wall clock that was set back: the times that lie ahead move with it, or nothing would be due for as long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, Update, and_, bindparam, case, func, or_, select, update

from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import feeds, hosts, pages

_NEVER_DUE: Final = datetime(9000, 1, 1, tzinfo=UTC)  # what is due later than this is due never
_TOLERANCE: Final = timedelta(minutes=5)  # the clocks of a fleet differ, and are slewed

_latest: Final = select(func.max(feeds.c.polled_at))
_now: Final = bindparam("now", type_=feeds.c.polled_at.type)
_step: Final = bindparam("step", type_=feeds.c.interval.type)
_far: Final = bindparam("far", type_=feeds.c.polled_at.type)


def clock_step(tx: Transaction) -> timedelta | None:
    """Return how far the clock went back since the latest poll; None: it did not."""
    latest: datetime | None = tx.run(_latest).scalar_one()
    if latest is None or latest - tx.now < _TOLERANCE:
        return None
    return latest - tx.now


def shift_due_times(tx: Transaction) -> timedelta | None:
    """Move what lies ahead of now back by the step; what is never due stays so."""
    step = clock_step(tx)
    if step is None:
        return None
    for statement in _MOVES:
        tx.run(statement, {"now": tx.now, "step": step, "far": _NEVER_DUE})
    return step


def _move(table: Table, *columns: str) -> Update:
    """Return an UPDATE that moves the given times of the rows in which one of them is ahead."""
    own = [table.c[name] for name in columns]
    ahead = [and_(column > _now, column < _far) for column in own]
    moved: dict[str, ColumnElement[Any]] = {
        column.name: case((is_ahead, column - _step), else_=column) for column, is_ahead in zip(own, ahead, strict=True)
    }
    return update(table).where(or_(*ahead)).values(moved)


# Leases too: those of this process end with their visits, those of others run out as far from now as they would have.
_MOVES: Final = (
    _move(feeds, "due_at", "polled_at", "succeeded_at", "not_before").where(
        or_(feeds.c.polled_at > _now, feeds.c.polled_at.is_(None))
    ),
    _move(hosts, "feeds_due_at", "pages_due_at", "not_before", "asked_until", "lease_until", "robots_at"),
    _move(pages, "due_at", "fetched_at", "lease_until"),
)
