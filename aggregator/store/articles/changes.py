"""Gives each change of an article its number; stores the number of the last change that each sink received."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, func, select, update

from aggregator.models.ids import ArticleId
from aggregator.ports.readings import Change, Position
from aggregator.store.articles.reading import load_articles
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.dialects import Insert, insert
from aggregator.store.db.properties import EPOCH, read_property
from aggregator.store.db.schema import VISIBLE, articles, changes, days, deliveries
from aggregator.store.identity.partition import SKIPPED, WITHDRAWN

# --- numbers ----------------------------------------------------------------------------------------------------------

_new_changes: Final = (
    select(
        changes.c.id,
        changes.c.article_id,
        articles.c.n,
        articles.c.first_seen,
        and_(
            articles.c.n.is_not(None),
            articles.c.day.is_(None),
            *VISIBLE,
        ).label("is_unnumbered"),
    )
    .outerjoin(articles, articles.c.id == changes.c.article_id)
    .where(changes.c.change_seq.is_(None))
    .order_by(changes.c.id)
)
_last_seq: Final = select(func.coalesce(func.max(changes.c.change_seq), 0))
_number: Final = update(changes).where(changes.c.id == bindparam("change")).values(change_seq=bindparam("seq"))
_last_change: Final = update(articles).where(articles.c.n == bindparam("article")).values(change_seq=bindparam("seq"))
_numbered: Final = _last_change.values(day=bindparam("of_day"), number=bindparam("nnn"))
_next_numbers: Final = select(days).where(any_of(days.c.day))


def number_changes(tx: Transaction) -> int:
    """Give each new change its number, and each new article its day and its number within the day.

    Return how many changes were numbered. Articles of a day are numbered in the order of their changes. A number is
    never given twice. The caller holds the lock for publishing.
    """
    new = tx.all(_new_changes)
    if not new:
        return 0
    seq = tx.run(_last_seq).scalar_one()
    tx.run_all(_number, [{"change": row.id, "seq": number} for number, row in enumerate(new, start=seq + 1)])
    last = {row.n: number for number, row in enumerate(new, start=seq + 1) if row.n is not None}
    unnumbered = {row.n: _day(row.first_seen) for row in new if row.is_unnumbered}
    numbers = _assign_numbers(tx, unnumbered)
    tx.run_all(_last_change, [{"article": n, "seq": number} for n, number in last.items() if n not in numbers])
    tx.run_all(
        _numbered, [{"article": n, "seq": last[n], "of_day": unnumbered[n], "nnn": nnn} for n, nnn in numbers.items()]
    )
    return len(new)


def _assign_numbers(tx: Transaction, days_of: Mapping[int, str]) -> dict[int, int]:
    """Return the next free number of its day for each article row, by row. `days_of` gives the day of each row."""
    free = {row.day: row.next_number for row in tx.all_of(_next_numbers, days_of.values())}
    next_numbers: dict[str, int] = defaultdict(int, free)
    numbers: dict[int, int] = {}
    for n, day in days_of.items():
        numbers[n] = next_numbers[day]
        next_numbers[day] += 1
    counted = [{"day": day, "next_number": number} for day, number in next_numbers.items()]
    tx.run_all(_count(tx.dialect.name), counted)
    return numbers


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
        func.nullif(func.nullif(articles.c.merged_into, WITHDRAWN), SKIPPED).label("merged_into"),
        articles.c.day,
        articles.c.number,
    )
    .join(articles, articles.c.id == changes.c.article_id)
    .where(changes.c.change_seq > bindparam("seq"))
    .order_by(changes.c.change_seq)
    .limit(bindparam("limit"))
)


def changes_after(tx: Transaction, seq: int, limit: int) -> tuple[Change, ...]:
    """Return at most `limit` changes numbered above `seq`, each with the present state of its article."""
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


_last_recorded: Final = select(func.coalesce(func.max(changes.c.id), 0))


def position(tx: Transaction) -> Position:
    """Return the store's epoch, the number of its last numbered change, and the id of its last recorded change."""
    return Position(
        epoch=read_property(tx, EPOCH) or "",
        seq=tx.run(_last_seq).scalar_one(),
        recorded=tx.run(_last_recorded).scalar_one(),
    )


_delivered: Final = select(deliveries.c.change_seq).where(
    deliveries.c.sink == bindparam("to"), deliveries.c.folder == bindparam("at_folder")
)


def delivered(tx: Transaction, sink: str, folder: str) -> int:
    """Return the number of the last change of an article that a sink delivered to one folder; 0: none.

    `folder` is the id of the folder.
    """
    return tx.run(_delivered, {"to": sink, "at_folder": folder}).scalar() or 0


def set_delivered(tx: Transaction, sink: str, folder: str, seq: int) -> None:
    """Record that a sink delivered all changes of articles up to the number `seq` to the folder of the id `folder`."""
    statement = insert(tx.dialect.name, deliveries)
    upsert = statement.on_conflict_do_update(
        index_elements=[deliveries.c.sink, deliveries.c.folder], set_={"change_seq": statement.excluded.change_seq}
    )
    tx.run(upsert, {"sink": sink, "folder": folder, "change_seq": seq})


# --- files ------------------------------------------------------------------------------------------------------------

_file: Final = select(articles.c.id).where(
    articles.c.id == bindparam("article"),
    articles.c.day == bindparam("of_day"),
    articles.c.number == bindparam("nnn"),
    *VISIBLE,
)


def is_published(tx: Transaction, article_id: ArticleId, day: str, number: int) -> bool:
    """Return whether the article has this day and number, and is neither merged, withdrawn nor forgotten."""
    return tx.first(_file, {"article": article_id, "of_day": day, "nnn": number}) is not None
