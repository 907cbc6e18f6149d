"""Moves due times back when the wall clock was set back. Otherwise polls would stop until it reaches the old times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, Update, and_, bindparam, case, func, or_, select, update

from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import feeds, hosts, pages

_NEVER_DUE: Final = datetime(9000, 1, 1, tzinfo=UTC)  # a later due time means: never due
_TOLERANCE: Final = timedelta(minutes=5)  # the clocks of a fleet differ a little, and are corrected in small steps

_latest: Final = select(func.max(feeds.c.polled_at))
_now: Final = bindparam("now", type_=feeds.c.polled_at.type)
_step: Final = bindparam("step", type_=feeds.c.interval.type)
_far: Final = bindparam("far", type_=feeds.c.polled_at.type)


def clock_step(tx: Transaction) -> timedelta | None:
    """Return the time from now to the latest poll, if that is at least `_TOLERANCE` in the future; else None."""
    latest: datetime | None = tx.run(_latest).scalar_one()
    if latest is None or latest - tx.now < _TOLERANCE:
        return None
    return latest - tx.now


def shift_due_times(tx: Transaction) -> timedelta | None:
    """If our clock was set back, move all times in the future back by as much (`clock_step`).

    Return that step; None: the clock was not set back. Times that mean "never" stay. So do the times of feeds whose
    last poll is in the past.
    """
    step = clock_step(tx)
    if step is None:
        return None
    for statement in _MOVES:
        tx.run(statement, {"now": tx.now, "step": step, "far": _NEVER_DUE})
    return step


def _move(table: Table, *columns: str) -> Update:
    """Return an UPDATE that moves the times in these columns back, wherever one is later than now (by `step`)."""
    own = [table.c[name] for name in columns]
    ahead = [and_(column > _now, column < _far) for column in own]
    moved: dict[str, ColumnElement[Any]] = {
        column.name: case((is_ahead, column - _step), else_=column) for column, is_ahead in zip(own, ahead, strict=True)
    }
    return update(table).where(or_(*ahead)).values(moved)


# Leases move too. Those of this process end with their visits; those of other processes keep their remaining time.
_MOVES: Final = (
    _move(feeds, "due_at", "polled_at", "succeeded_at", "not_before").where(
        or_(feeds.c.polled_at > _now, feeds.c.polled_at.is_(None))
    ),
    _move(hosts, "feeds_due_at", "pages_due_at", "not_before", "asked_until", "lease_until", "robots_at"),
    _move(pages, "due_at", "fetched_at", "lease_until"),
)
