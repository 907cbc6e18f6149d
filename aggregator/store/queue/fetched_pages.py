"""Fetched pages that wait for extraction. A worker claims a page for a lease, as it claims a host.

A result is refused if the page was claimed again since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Row, Select, and_, bindparam, case, func, or_, select, update

from aggregator.models.feeds import Entry
from aggregator.models.fetching import Cause
from aggregator.models.ids import ArticleId, HostId, Key, PageId
from aggregator.models.pages import FetchedPage, PageFailed
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import Decision
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_entry, load_hops
from aggregator.store.db.column_types import NEVER
from aggregator.store.db.database import Transaction
from aggregator.store.db.dialects import insert
from aggregator.store.db.schema import CLAIM_ENDS, FETCHED, entries, feeds, folders, pages, raw_responses
from aggregator.store.identity.decisions import record_decisions
from aggregator.store.queue.hosts import lock_hosts, lower_pages_due
from aggregator.store.queue.page_parts import drop_parts, with_parts
from aggregator.store.queue.pages import has_changed
from aggregator.store.queue.responses import RAW_COLUMNS, load_raw

_MAX_CLAIMS: Final = (
    4  # without a result: the process ended or the store refused it; a worker's crash is recorded at once
)
_SILENT: Final = timedelta(seconds=90)  # after this silence of a folder's workers its pages are fetched again
_LOOK_AT: Final = 100  # rows per query
_BEAT: Final = timedelta(seconds=20)

_now: Final = bindparam("now", type_=pages.c.lease_until.type)
_waiting: Final = select(func.count()).select_from(pages).where(pages.c.state == FETCHED)


def waiting_for_extraction(tx: Transaction) -> int:
    """Return how many pages wait for extraction, claimed or not."""
    count: int = tx.run(_waiting).scalar_one()
    return count


# --- claims -----------------------------------------------------------------------------------------------------------

_free: Final = (
    select(pages.c.id, pages.c.extract_attempts, pages.c.raw_hash)
    .where(
        pages.c.state == FETCHED,
        pages.c.lease_until <= _now,
        or_(pages.c.raw_hash.is_(None), pages.c.raw_folder == bindparam("folder")),
    )
    .order_by(pages.c.id)
)
_some: Final = _free.limit(bindparam("limit")).with_for_update(skip_locked=True)
_free_after: Final = _free.where(pages.c.id > bindparam("last")).limit(bindparam("limit"))
_chosen: Final = _free.where(any_of(pages.c.id)).with_for_update(skip_locked=True)
_take: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"))
    .values(
        token=pages.c.token + 1,
        lease_until=bindparam("until"),
        lease_owner=bindparam("owner"),
        extract_attempts=pages.c.extract_attempts + 1,
    )
)


def claim_fetched(
    tx: Transaction, limit: int, lease: timedelta, folder: str, *, scope: RunScope | None = None, batch: int = 1
) -> tuple[FetchedPage, ...]:
    """Claim pages for at most `limit` tasks, with bytes in `folder` or without bytes, oldest announcement first.

    A task is one page, or up to `batch` pages that have no bytes and were not claimed before. A page that was claimed
    `_MAX_CLAIMS` times without a result fails instead. The call also records that the folder has a worker.
    """
    _beat(tx, folder)
    rows = list(_for_tasks(_candidates(tx, limit * batch, folder, scope), limit, batch))
    crashed = [PageId(row.id) for row in rows if row.extract_attempts >= _MAX_CLAIMS]
    for page_id in crashed:
        failed = PageFailed(
            cause=Cause.EXTRACTION_CRASHED,
            detail="several times the process ended during extraction, or the store refused its result",
        )
        _give_up(tx, page_id, failed, tx.now)
    ids = [row.id for row in rows if row.extract_attempts < _MAX_CLAIMS]
    if not ids:
        return ()
    tx.run_all(_take, [{"page": page_id, "until": tx.now + lease, "owner": tx.owner} for page_id in ids])
    return _load(tx, ids)


def _for_tasks(rows: Iterable[Row[Any]], limit: int, batch: int) -> Iterator[Row[Any]]:
    """Yield rows of pages from the first on, until the next one would need more than `limit` tasks of extraction.

    A page is a task of its own. Pages without bytes that were not claimed before share tasks, `batch` pages in each.
    """
    alone = together = 0
    for row in rows:
        if row.raw_hash is None and not row.extract_attempts:
            together += 1
        else:
            alone += 1
        if alone + -(-together // batch) > limit:
            return
        yield row


def _candidates(tx: Transaction, limit: int, folder: str, scope: RunScope | None) -> Sequence[Row[Any]]:
    parameters = {"now": tx.now, "folder": folder}
    if scope is None:
        return tx.all(_some, {**parameters, "limit": limit})
    ids = list(islice(_free_ids(tx, parameters, scope), limit))
    return tx.all_of(_chosen, ids, parameters)


def _free_ids(tx: Transaction, parameters: dict[str, Any], scope: RunScope) -> Iterator[int]:
    """Yield the ids of unclaimed pages of `scope`, in order of announcement. Rows are read in small batches."""
    last = 0
    while rows := tx.all(_free_after, {**parameters, "last": last, "limit": _LOOK_AT}):
        yield from (row.id for row in rows if row.id in scope.pages or row.id in scope.deferred)
        last = rows[-1].id


_first_entries: Final = (
    select(entries.c.page_id, func.min(entries.c.id).label("id"))
    .where(any_of(entries.c.page_id))
    .group_by(entries.c.page_id)
    .subquery()
)
_entries: Final = select(entries).join(_first_entries, _first_entries.c.id == entries.c.id)
_all_entries: Final = select(entries).where(any_of(entries.c.page_id)).order_by(entries.c.id)
_columns: Final = (
    pages.c.id,
    pages.c.url,
    pages.c.key,
    pages.c.token,
    pages.c.cause,
    pages.c.detail,
    pages.c.hops,
    pages.c.article_id,
    pages.c.attempts,
    pages.c.visits,
    pages.c.first_seen,
    pages.c.extract_attempts,
    has_changed(),
    feeds.c.name.label("feed_name"),
    feeds.c.url.label("feed_url"),
    *RAW_COLUMNS,
)


def select_pages(source: FromClause, raw_hash: ColumnElement[str]) -> Select[Any]:
    """Return the query for the rows of `source` (the table of pages, perhaps joined), each with its response."""
    return (
        select(*_columns)
        .select_from(source)
        .outerjoin(feeds, feeds.c.id == pages.c.feed_id)
        .outerjoin(
            raw_responses,
            and_(raw_responses.c.page_id == pages.c.id, raw_responses.c.content_hash == raw_hash),
        )
        .order_by(pages.c.id)
    )


_loaded: Final = select_pages(pages, pages.c.raw_hash).where(any_of(pages.c.id))


def _load(tx: Transaction, ids: Sequence[int]) -> tuple[FetchedPage, ...]:
    return with_entries(tx, tx.all_of(_loaded, ids))


def with_entries(tx: Transaction, rows: Sequence[Row[Any]]) -> tuple[FetchedPage, ...]:
    """Return the pages in rows of `select_pages`, each with its article's further pages and its first entry.

    A page without a response gets its first entry with content or a summary, if there is one.
    """
    ids = [row.id for row in rows]
    first = {row.page_id: entry_of(row) for row in tx.all_of(_entries, ids)}
    without = {row.id for row in rows if row.content_hash is None and (one := first.get(row.id)) and not _has_text(one)}
    others = tx.all_of(_all_entries, sorted(without))
    telling = [(row.page_id, entry_of(row)) for row in others]
    first |= {page_id: entry for page_id, entry in reversed(telling) if _has_text(entry)}
    return with_parts(tx, [_fetched_page(row, first.get(row.id)) for row in rows])


def _has_text(entry: Entry) -> bool:
    return bool(entry.content or entry.summary)


def _fetched_page(row: Row[Any], entry: Entry | None) -> FetchedPage:
    failed = None if row.cause is None else PageFailed(cause=Cause(row.cause), detail=row.detail)
    return FetchedPage(
        id=PageId(row.id),
        url=row.url,
        key=Key(row.key),
        token=row.token,
        raw=None if row.content_hash is None else load_raw(row),
        failed=failed if row.content_hash is None else None,
        hops=load_hops(row.hops),
        article_id=None if row.article_id is None else ArticleId(row.article_id),
        entry=entry,
        feed_name=row.feed_name or row.feed_url or "",
        feed_url=row.feed_url or "",
        attempts=row.attempts,
        visits=row.visits,
        first_seen=row.first_seen,
        claims=row.extract_attempts,
        has_changed=row.has_changed,
    )


def entry_of(row: Row[Any]) -> Entry:
    """Return an entry from a row of `entries`."""
    return load_entry(
        row.rest,
        entry_id=row.entry_id,
        link=row.link,
        title=row.title,
        published_at=row.published_at,
        updated_at=row.updated_at,
    )


_held: Final = (pages.c.id == bindparam("page"), pages.c.token == bindparam("held"), pages.c.state == FETCHED)
_renew: Final = update(pages).where(*_held).values(lease_until=bindparam("until"))
_give_back: Final = (
    update(pages)
    .where(*_held)
    .values(token=pages.c.token + 1, lease_until=NEVER, lease_owner="", extract_attempts=pages.c.extract_attempts - 1)
)


def renew_page(tx: Transaction, page: FetchedPage, lease: timedelta) -> bool:
    """Renew the lease of a page that is being extracted. Return False if the claim is lost."""
    return tx.run(_renew, {"page": page.id, "held": page.token, "until": tx.now + lease}).rowcount == 1


def give_back_page(tx: Transaction, page: FetchedPage) -> None:
    """End the claim on a page without a result. This claim does not count towards `_MAX_CLAIMS`."""
    tx.run(_give_back, {"page": page.id, "held": page.token})


# --- no article -------------------------------------------------------------------------------------------------------

_row: Final = select(pages.c.id, pages.c.host_id, pages.c.url, pages.c.key, pages.c.article_id).where(
    pages.c.id == bindparam("page")
)
_row_held: Final = _row.where(pages.c.token == bindparam("held"), pages.c.state == FETCHED).with_for_update()
_put: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"))
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("at"),
        cause=bindparam("new_cause"),
        detail=bindparam("new_detail"),
        **CLAIM_ENDS,
        attempts=pages.c.attempts + bindparam("more"),
        visits=case((pages.c.visits > 0, pages.c.visits - 1), else_=0),
        etag=bindparam("new_etag"),
        last_modified=bindparam("new_last_modified"),
    )
)


def record_extraction_failure(tx: Transaction, page: FetchedPage, failed: PageFailed, next_at: datetime | None) -> bool:
    """Record that extraction gave no article. The page is fetched again at `next_at`; None: never.

    Return False if the claim is lost.
    """
    row = tx.first(_row_held, {"page": page.id, "held": page.token})
    if row is None:
        return False
    if next_at is None:
        _give_up(tx, page.id, failed, tx.now)
        return True
    if page.raw is not None and (failed.cause is Cause.RAW_MISSING or page.article_id is None):
        drop_parts(tx, page.id, page.raw.content_hash)
    _fetch_again(tx, PageId(row.id), HostId(row.host_id), failed, next_at, counts=True)
    decision = Decision(url=row.url, key=Key(row.key), verdict="failed", rule=failed.cause, detail=failed.detail)
    record_decisions(tx, f"page {page.id}", [decision], tx.now)
    return True


def _give_up(tx: Transaction, page_id: PageId, failed: PageFailed, at: datetime) -> None:
    """Record that the page gave no article and is not retried. An earlier article of the page stays."""
    row = tx.run(_row, {"page": page_id}).one()
    values = {
        "page": page_id,
        "new_state": "failed" if row.article_id is None else "done",
        "at": at,
        "new_cause": failed.cause,
        "new_detail": failed.detail,
        "more": 0,
        "new_etag": None,
        "new_last_modified": None,
    }
    tx.run(_put, values)
    decision = Decision(url=row.url, key=Key(row.key), verdict="failed", rule=failed.cause, detail=failed.detail)
    record_decisions(tx, f"page {page_id}", [decision], at)


def _fetch_again(
    tx: Transaction, page_id: PageId, host_id: HostId, failed: PageFailed, at: datetime, *, counts: bool
) -> None:
    """Make the page due again. Its validators are deleted, since the whole response is needed.

    `counts`: the fetch that led to this failure counts as an attempt.
    """
    values = {
        "page": page_id,
        "new_state": "due",
        "at": at,
        "new_cause": failed.cause,
        "new_detail": failed.detail,
        "more": 0 if counts else -1,
        "new_etag": None,
        "new_last_modified": None,
    }
    tx.run(_put, values)
    lower_pages_due(tx, host_id, at)


# --- folders ----------------------------------------------------------------------------------------------------------

_seen: Final = select(folders.c.seen_at).where(folders.c.id == bindparam("folder"))
_abandoned: Final = (
    select(pages.c.id, pages.c.host_id, pages.c.raw_hash)
    .join(folders, folders.c.id == pages.c.raw_folder, isouter=True)
    .where(
        pages.c.state == FETCHED,
        pages.c.raw_hash.is_not(None),
        pages.c.lease_until <= _now,
        or_(folders.c.id.is_(None), folders.c.seen_at < bindparam("silent_since")),
    )
    .order_by(pages.c.host_id)
)


def _beat(tx: Transaction, folder: str) -> None:
    """Record, at most once per `_BEAT`, that a worker uses the raw store's folder with the id `folder`.

    Then make fetched pages due again whose bytes are in folders that no worker uses any more.
    """
    row = tx.first(_seen, {"folder": folder})
    if row is not None and abs(tx.now - row.seen_at) < _BEAT:
        return
    statement = insert(tx.dialect.name, folders)
    upsert = statement.on_conflict_do_update(
        index_elements=[folders.c.id], set_={"seen_at": statement.excluded.seen_at}
    )
    tx.run(upsert, {"id": folder, "seen_at": tx.now})
    lost = tx.all(_abandoned, {"now": tx.now, "silent_since": tx.now - _SILENT})
    failed = PageFailed(cause=Cause.RAW_MISSING, detail="the worker that fetched it is gone")
    lock_hosts(tx, {HostId(one.host_id) for one in lost})
    for one in lost:
        drop_parts(tx, PageId(one.id), one.raw_hash)
        _fetch_again(tx, PageId(one.id), HostId(one.host_id), failed, tx.now, counts=False)
