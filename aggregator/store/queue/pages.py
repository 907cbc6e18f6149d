"""Pages within a visit: which are due, and the results of fetching them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, bindparam, func, select, update

from aggregator.identity.own_entries import can_stand_in
from aggregator.models.fetching import Cause, Hop, Validators
from aggregator.models.ids import ArticleId, Key, PageId
from aggregator.models.pages import Page, PageFailed, PagePart, RawResponse
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import Claim, Decision
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import dump_hops, load_entry, load_hops
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import CLAIM_ENDS, DUE, articles, entries, feeds, folders, hosts, pages
from aggregator.store.identity.decisions import record_decisions
from aggregator.store.queue.hosts import home_of, is_current, lower_pages_due
from aggregator.store.queue.page_parts import begin_parts, parts_asked_for, record_part, record_part_failure
from aggregator.store.queue.responses import keep_raw

# --- due pages --------------------------------------------------------------------------------------------------------


def has_changed() -> ColumnElement[bool]:
    """Return the column `has_changed` for queries over `pages`: true if the page's article has a second revision."""
    own = articles.alias("own_article")
    revision = select(own.c.revision).where(own.c.id == pages.c.article_id).scalar_subquery()
    return (func.coalesce(revision, 1) > 1).label("has_changed")


_pages: Final = (
    select(pages, hosts.c.name.label("host"), feeds.c.url.label("feed_url"), has_changed())
    .join(hosts, hosts.c.id == pages.c.host_id)
    .outerjoin(feeds, feeds.c.id == pages.c.feed_id)
)
_order: Final = (pages.c.article_id.is_not(None), pages.c.due_at, pages.c.id)
_is_due: Final = (pages.c.host_id == bindparam("host"), pages.c.due_at <= bindparam("at"), pages.c.state == DUE)
_due: Final = _pages.where(*_is_due).order_by(*_order).limit(bindparam("limit"))
_due_ids: Final = select(pages.c.id).where(*_is_due).order_by(*_order)
_by_ids: Final = _pages.where(any_of(pages.c.id)).order_by(*_order)


def due_pages(
    tx: Transaction, claim: Claim, at: datetime, *, scope: RunScope | None = None, limit: int = 50
) -> tuple[Page, ...]:
    """Return the host's due pages (of `scope`): first fetches before revisits, then by due time."""
    if scope is None:
        return _load(tx, tx.all(_due, {"host": claim.host_id, "at": at, "limit": limit}))
    due = (row.id for row in tx.all(_due_ids, {"host": claim.host_id, "at": at}))
    wanted = [page_id for page_id in due if page_id in scope.pages][:limit]
    return _load(tx, tx.all_of(_by_ids, wanted))


def _load(tx: Transaction, rows: Sequence[Row[Any]]) -> tuple[Page, ...]:
    parts = parts_asked_for(tx, rows)
    return tuple(_page(row) if row.id not in parts else _at_part(_page(row), parts[row.id], row) for row in rows)


def _at_part(page: Page, part: PagePart, row: Row[Any]) -> Page:
    """Return `page` changed so that `part` is fetched instead of the page itself."""
    return replace(
        page,
        part=part,
        folder=row.raw_folder or "",
        hops=(),
        attempts=part.tries,
        validators=Validators(),
    )


def _page(row: Row[Any]) -> Page:
    return Page(
        id=PageId(row.id),
        url=row.url,
        key=Key(row.key),
        host=row.host,
        target=row.target,
        hops=load_hops(row.hops),
        attempts=row.attempts,
        due_at=row.due_at,
        validators=Validators(etag=row.etag, last_modified=row.last_modified),
        article_id=None if row.article_id is None else ArticleId(row.article_id),
        fetched_at=row.fetched_at,
        visits=row.visits,
        has_changed=row.has_changed,
        feed_url=row.feed_url or "",
    )


_troubled: Final = (
    select(pages.c.url, pages.c.cause, pages.c.detail)
    .where(pages.c.cause.is_not(None), pages.c.article_id.is_(None))
    .order_by(pages.c.id)
)


def failed_pages(tx: Transaction) -> tuple[tuple[str, Cause, str], ...]:
    """Return URL, cause and detail of the pages without an article that failed, for good or not."""
    return tuple((row.url, Cause(row.cause), row.detail) for row in tx.all(_troubled))


# --- outcomes ---------------------------------------------------------------------------------------------------------

_still_due: Final = (pages.c.id == bindparam("page"), pages.c.state == DUE)
_fetched: Final = (
    update(pages)
    .where(*_still_due)
    .values(
        state="fetched",
        host_id=bindparam("home"),
        target=pages.c.url,  # the next visit starts at the page's own address
        hops=bindparam("new_hops"),
        etag=bindparam("new_etag"),
        last_modified=bindparam("new_last_modified"),
        fetched_at=bindparam("at"),
        raw_hash=bindparam("content_hash"),
        raw_folder=bindparam("folder"),
        attempts=pages.c.attempts + 1,
        visits=pages.c.visits + 1,
        **CLAIM_ENDS,
        cause=None,
        detail="",
    )
)


def record_fetched(
    tx: Transaction,
    claim: Claim,
    page: Page,
    raw: RawResponse,
    folder: str,
    hops: tuple[Hop, ...],
    validators: Validators,
) -> bool:
    """Record that the bytes of a page, or of a further page of its article, are in the raw store.

    The page then waits for extraction. Return False if the claim is lost.
    """
    if page.part is not None:
        return record_part(tx, claim, page, page.part, raw)
    if not is_current(tx, claim):
        return False
    values = {
        "page": page.id,
        "home": home_of(tx, claim, page),
        "new_hops": dump_hops(hops),
        "new_etag": validators.etag,
        "new_last_modified": validators.last_modified,
        "at": raw.fetched_at,
        "content_hash": raw.content_hash,
        "folder": folder,
    }
    if tx.run(_fetched, values).rowcount == 1:
        keep_raw(tx, page.id, raw)
        if page.fetched_at is not None:
            begin_parts(tx, page.id, raw.content_hash)
        tx.add(folders, [{"id": folder, "seen_at": tx.now}])
    return True


_visited: Final = (
    update(pages)
    .where(*_still_due)
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("next_at"),
        etag=bindparam("new_etag"),
        last_modified=bindparam("new_last_modified"),
        fetched_at=bindparam("at"),
        host_id=bindparam("home"),
        target=pages.c.url,
        hops="",
        attempts=0,
        visits=pages.c.visits + 1,
        cause=None,
        detail="",
    )
)


def record_unchanged(
    tx: Transaction, claim: Claim, page: Page, validators: Validators, next_at: datetime | None
) -> bool:
    """Record that a revisit found the page unchanged. Validators that the answer left out are kept.

    The next visit is at `next_at`; None: never. Return False if the claim is lost.
    """
    if not is_current(tx, claim):
        return False
    now, home = tx.now, home_of(tx, claim, page)
    values = {
        "page": page.id,
        "home": home,
        "new_state": "done" if next_at is None else "due",
        "next_at": next_at or now,
        "new_etag": validators.etag or page.validators.etag,
        "new_last_modified": validators.last_modified or page.validators.last_modified,
        "at": now,
    }
    tx.run(_visited, values)
    if home != claim.host_id and next_at is not None:
        lower_pages_due(tx, home, next_at)
    return True


_entries_of: Final = (
    select(entries.c.rest).where(entries.c.page_id == bindparam("page")).order_by(entries.c.id).limit(5)
)
_failed: Final = (
    update(pages)
    .where(*_still_due)
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("next_at"),
        attempts=pages.c.attempts + bindparam("more"),
        cause=bindparam("new_cause"),
        detail=bindparam("new_detail"),
        host_id=bindparam("home"),
        target=pages.c.url,
        hops="",
        raw_hash=None,
        raw_folder=None,
        extract_attempts=0,
        token=pages.c.token + 1,
    )
)


def record_page_failure(
    tx: Transaction, claim: Claim, page: Page, failed: PageFailed, next_at: datetime | None, *, counts: bool = True
) -> bool:
    """Record a failed fetch. The page is retried at `next_at`; None: never. Return False if the claim is lost.

    If the page has no article and one of its entries has content, that content is extracted first. If a further page
    of an article failed, the article is extracted from the pages before it. `counts`: the fetch counts as an attempt.
    """
    if page.part is not None:
        return record_part_failure(tx, claim, page, page.part, failed, counts)
    if not is_current(tx, claim):
        return False
    now, home = tx.now, home_of(tx, claim, page)
    values = {
        "page": page.id,
        "home": home,
        "new_state": _state_after(tx, page, next_at),
        "next_at": next_at or now,
        "more": 1 if counts else 0,
        "new_cause": failed.cause,
        "new_detail": failed.detail,
    }
    tx.run(_failed, values)
    decision = Decision(url=page.url, key=page.key, verdict="failed", rule=failed.cause, detail=failed.detail)
    record_decisions(tx, f"page {page.id}", [decision], now)
    if home != claim.host_id and next_at is not None:
        lower_pages_due(tx, home, next_at)
    return True


def _state_after(tx: Transaction, page: Page, next_at: datetime | None) -> str:
    if page.article_id is None and has_content(tx, page.id):
        return "fetched"  # the entry's content is extracted first; then the page is due again
    if next_at is not None:
        return "due"
    return "failed" if page.article_id is None else "done"  # an existing article stays as it is


def has_content(tx: Transaction, page_id: PageId) -> bool:
    """Return whether one of the first five entries that announced a page has content that can be the article's text."""
    found = (load_entry(row.rest, entry_id="", link=None) for row in tx.all(_entries_of, {"page": page_id}))
    return any(can_stand_in(entry.content, entry.summary, entry.enclosures) for entry in found)
