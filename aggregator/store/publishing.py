"""Changes get their numbers here and nowhere else; sinks follow them by cursor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import Engine, Row, bindparam, func, select, update

from aggregator.ledger import Change
from aggregator.models import ArticleId
from aggregator.ports import Clock
from aggregator.store.database import Transaction
from aggregator.store.dialects import PUBLISH_LOCK, Dialect, Insert, insert, translated
from aggregator.store.hashes import batches
from aggregator.store.reading import load_articles
from aggregator.store.schema import articles, changes, days, deliveries

# --- numbers ----------------------------------------------------------------------------------------------------------

_new_changes: Final = (
    select(changes.c.id, changes.c.article_id).where(changes.c.change_seq.is_(None)).order_by(changes.c.id)
)
_last_seq: Final = select(func.coalesce(func.max(changes.c.change_seq), 0))
_number: Final = update(changes).where(changes.c.id == bindparam("change")).values(change_seq=bindparam("seq"))
_homeless: Final = select(articles.c.id, articles.c.first_seen).where(
    articles.c.id.in_(bindparam("ids", expanding=True)),
    articles.c.day.is_(None),
    articles.c.merged_into.is_(None),
    articles.c.forgotten_at.is_(None),
)
_house: Final = (
    update(articles)
    .where(articles.c.id == bindparam("article"))
    .values(day=bindparam("of_day"), number=bindparam("nnn"))
)
_last_change: Final = update(articles).where(articles.c.id == bindparam("article")).values(change_seq=bindparam("seq"))
_next_numbers: Final = select(days).where(days.c.day.in_(bindparam("wanted", expanding=True)))


def number_changes(tx: Transaction) -> int:
    """Number what was committed by now; give articles without one their day and number. The caller holds the lock."""
    new = tx.all(_new_changes)
    if not new:
        return 0
    seq = tx.run(_last_seq).scalar_one()
    numbered = [{"change": row.id, "article": row.article_id, "seq": seq + i} for i, row in enumerate(new, start=1)]
    tx.run_all(_number, [{"change": one["change"], "seq": one["seq"]} for one in numbered])
    last = {one["article"]: one["seq"] for one in numbered}
    tx.run_all(_last_change, [{"article": article, "seq": seq} for article, seq in last.items()])
    _number_articles(tx, list(last))
    return len(numbered)


def _number_articles(tx: Transaction, ids: list[str]) -> None:
    """Give numbers within the day in the order of the changes; a number is never given twice."""
    first_seen = {row.id: row.first_seen for batch in batches(ids) for row in tx.all(_homeless, {"ids": batch})}
    by_day: dict[str, list[str]] = defaultdict(list)
    for article in ids:
        if article in first_seen:
            by_day[_day(first_seen[article])].append(article)
    if not by_day:
        return
    free = {row.day: row.next_number for batch in batches(by_day) for row in tx.all(_next_numbers, {"wanted": batch})}
    housed = [
        {"article": article, "of_day": day, "nnn": number}
        for day, ids in by_day.items()
        for number, article in enumerate(ids, start=free.get(day, 0))
    ]
    tx.run_all(_house, housed)
    counted = [{"day": day, "next_number": free.get(day, 0) + len(ids)} for day, ids in by_day.items()]
    tx.run_all(_count(tx.dialect.name), counted)


@cache
def _count(dialect: str) -> Insert:
    statement = insert(dialect, days)
    return statement.on_conflict_do_update(
        index_elements=[days.c.day], set_={"next_number": statement.excluded.next_number}
    )


def _day(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y/%m/%d")


# --- cursors ----------------------------------------------------------------------------------------------------------

_after: Final = (
    select(
        changes.c.change_seq,
        changes.c.kind,
        changes.c.article_id,
        articles.c.merged_into,
        articles.c.day,
        articles.c.number,
    )
    .join(articles, articles.c.id == changes.c.article_id)
    .where(changes.c.change_seq > bindparam("seq"))
    .order_by(changes.c.change_seq)
    .limit(bindparam("limit"))
)


def changes_after(tx: Transaction, seq: int, limit: int) -> tuple[Change, ...]:
    """Return numbered changes after `seq`, each with its article as it is now."""
    rows = tx.all(_after, {"seq": seq, "limit": limit})
    loaded = load_articles(tx, [row.article_id for row in rows])
    return tuple(_change(row, loaded) for row in rows)


def _change(row: Row[Any], loaded: Any) -> Change:
    return Change(
        seq=row.change_seq,
        kind=row.kind,
        article_id=row.article_id,
        merged_into=row.merged_into,
        article=loaded.get(row.article_id),
        day=row.day or "",
        number=row.number,
    )


_delivered: Final = select(deliveries.c.change_seq).where(
    deliveries.c.sink == bindparam("to"), deliveries.c.folder == bindparam("at_folder")
)


def delivered(tx: Transaction, sink: str, folder: str) -> int:
    """Return the last change that the sink has."""
    return tx.run(_delivered, {"to": sink, "at_folder": folder}).scalar() or 0


def set_delivered(tx: Transaction, sink: str, folder: str, seq: int) -> None:
    """Move the sink's cursor."""
    statement = insert(tx.dialect.name, deliveries)
    upsert = statement.on_conflict_do_update(
        index_elements=[deliveries.c.sink, deliveries.c.folder], set_={"change_seq": statement.excluded.change_seq}
    )
    tx.run(upsert, {"sink": sink, "folder": folder, "change_seq": seq})


# --- one at a time ----------------------------------------------------------------------------------------------------


@contextmanager
def advisory_lock(dialect: Dialect, engine: Engine, wait: timedelta, clock: Clock) -> Iterator[bool]:
    """Hold PostgreSQL's session lock; enters with False when another process kept it for all of `wait`.

    Raises:
        StorageError: the database refused.
    """
    with translated(dialect), engine.connect() as plain:
        conn = plain.execution_options(isolation_level="AUTOCOMMIT")
        deadline = clock.monotonic() + wait.total_seconds()
        take = select(func.pg_try_advisory_lock(PUBLISH_LOCK))
        while not (held := bool(conn.execute(take).scalar_one())) and clock.monotonic() < deadline:
            clock.sleep(0.2)
        try:
            yield held
        finally:
            if held:
                conn.execute(select(func.pg_advisory_unlock(PUBLISH_LOCK)))


# --- files ------------------------------------------------------------------------------------------------------------

_file: Final = select(articles.c.id).where(
    articles.c.id == bindparam("article"),
    articles.c.day == bindparam("of_day"),
    articles.c.number == bindparam("nnn"),
    articles.c.merged_into.is_(None),
    articles.c.forgotten_at.is_(None),
)


def is_published(tx: Transaction, article_id: ArticleId, day: str, number: int) -> bool:
    """Tell whether a file of this day and number belongs to the article."""
    return tx.first(_file, {"article": article_id, "of_day": day, "nnn": number}) is not None
