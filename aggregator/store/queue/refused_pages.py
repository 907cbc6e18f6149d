"""Makes pages due once more that an earlier version refused and whose bytes are gone; done once for each store.

An earlier version stored no article for a page with certain words, or if it found no text. If the bytes are kept,
`reextract` makes the article. If not, the page becomes due again within a week, as its last try.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, bindparam, func, select, update

from aggregator.models.fetching import Cause
from aggregator.models.ids import HostId, Key
from aggregator.ports.protocols import RawStore
from aggregator.ports.store_records import Decision
from aggregator.store.db.database import Database, Transaction
from aggregator.store.db.properties import read_property, write_property
from aggregator.store.db.schema import FAILED, folders, pages
from aggregator.store.identity.decisions import record_decisions
from aggregator.store.queue.hosts import lower_all_pages_due

_PROPERTY: Final = "refused pages asked"  # the last page that was looked at
_DONE: Final = "done"
_STEP: Final = 500  # pages that are looked at in one transaction
_SPREAD: Final = timedelta(days=7)  # a first fetch of thousands of pages delays no news
_GOLDEN: Final = 0x9E3779B97F4A7C15  # multiples modulo 2**64 are spread evenly, wherever they begin
_LAST_TRY: Final = 1000  # more tries than any cause gets: the next failure is final
_ABSENT: Final = timedelta(days=1)  # a folder whose workers are silent for so long is gone
_REFUSALS: Final = (Cause.LOW_QUALITY, Cause.NO_TEXT)

_refused: Final = (
    select(pages.c.id, pages.c.url, pages.c.key, pages.c.host_id, pages.c.raw_hash, pages.c.raw_folder)
    .where(
        pages.c.id > bindparam("after"),
        pages.c.id <= bindparam("until"),
        pages.c.state == FAILED,
        pages.c.article_id.is_(None),
        pages.c.cause.in_(_REFUSALS),
    )
    .order_by(pages.c.id)
    .with_for_update()
)
_next: Final = select(pages.c.id).where(pages.c.id > bindparam("after")).order_by(pages.c.id).limit(_STEP).subquery()
_window: Final = select(func.max(_next.c.id).label("until"), func.count().label("size")).select_from(_next)
_elsewhere: Final = select(folders.c.id).where(folders.c.id != bindparam("own"), folders.c.seen_at > bindparam("since"))
_ask: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"))
    .values(
        state="due",
        due_at=bindparam("at"),
        attempts=_LAST_TRY,
        target=pages.c.url,
        hops="",
        token=pages.c.token + 1,
    )
)


def ask_refused_again(database: Database, raw_store: RawStore) -> bool:
    """Look at the next `_STEP` pages, and make refused pages due if their bytes are gone; True: all were looked at.

    A refused page gave no article, because of low quality or no text. Bytes in the folder of a living worker are not
    gone.
    """
    if database.read(lambda tx: read_property(tx, _PROPERTY)) == _DONE:
        return True
    return database.write(lambda tx: _ask_next(tx, raw_store))


def _ask_next(tx: Transaction, raw_store: RawStore) -> bool:
    at = read_property(tx, _PROPERTY) or "0"
    if at == _DONE:
        return True
    window = tx.run(_window, {"after": int(at)}).one()
    rows = tx.all(_refused, {"after": int(at), "until": window.until or 0})
    due: dict[HostId, datetime] = {}
    for row in _without_bytes(tx, rows, raw_store):
        host, due_at = HostId(row.host_id), tx.now + _wait_of(row.id)
        tx.run(_ask, {"page": row.id, "at": due_at})
        due[host] = min(due.get(host, due_at), due_at)
        decision = Decision(url=row.url, key=Key(row.key), verdict="due again", rule="refused by an earlier version")
        record_decisions(tx, f"page {row.id}", [decision], tx.now)
    lower_all_pages_due(tx, due)
    is_last = bool(window.size < _STEP)
    write_property(tx, _PROPERTY, _DONE if is_last else str(window.until))
    return is_last


def _without_bytes(tx: Transaction, rows: Sequence[Row[Any]], raw_store: RawStore) -> Iterator[Row[Any]]:
    """Yield the pages whose bytes are neither in `raw_store` nor in the folder of a living worker."""
    living = {one.id for one in tx.all(_elsewhere, {"own": raw_store.folder, "since": tx.now - _ABSENT})}
    for row in rows:
        is_kept = row.raw_hash is not None and (row.raw_folder in living or raw_store.get(row.raw_hash) is not None)
        if not is_kept:
            yield row


def _wait_of(page_id: int) -> timedelta:
    """Return the time until a page is due, at most `_SPREAD`. Times of pages with successive ids are spread evenly."""
    return _SPREAD * (page_id * _GOLDEN % 2**64 / 2**64)
