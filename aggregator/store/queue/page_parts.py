"""Parts: the further pages of an article on several pages. Stores parts and makes the next one due.

Parts are stored for one answer of the first page (`raw_hash`). If the first page changes, its parts are fetched again.
The earlier parts, from which the stored text was made, are kept until the article has another text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, delete, select, update

from aggregator.models.fetching import Cause
from aggregator.models.ids import ArticleId, HostId, PageId
from aggregator.models.pages import FetchedPage, Page, PageFailed, PagePart, RawResponse
from aggregator.ports.store_records import Claim, Decision, NextPage
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_strings
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import CLAIM_ENDS, DUE, FETCHED, articles, folders, page_parts, pages, raw_responses
from aggregator.store.identity.decisions import record_decisions
from aggregator.store.queue.hosts import home_of, host_ids, is_current, lower_pages_due
from aggregator.store.queue.responses import RAW_COLUMNS, load_raw, raw_row
from aggregator.urls import host_of

_SILENT: Final = timedelta(seconds=90)  # after this silence of a folder's workers the whole article is fetched again
_LATER: Final = timedelta(seconds=5)

# --- reading parts ----------------------------------------------------------------------------------------------------

_parts: Final = (
    select(
        page_parts.c.page_id,
        page_parts.c.raw_hash,
        page_parts.c.number,
        page_parts.c.url,
        page_parts.c.content_hash.label("part_hash"),
        page_parts.c.cause,
        page_parts.c.detail,
        page_parts.c.tries,
        *RAW_COLUMNS,
    )
    .outerjoin(
        raw_responses,
        and_(
            raw_responses.c.page_id == page_parts.c.page_id,
            raw_responses.c.content_hash == page_parts.c.content_hash,
        ),
    )
    .order_by(page_parts.c.page_id, page_parts.c.number)
)
_of_pages: Final = _parts.where(any_of(page_parts.c.page_id))
_of_article: Final = _parts.join(
    articles, and_(articles.c.page_id == page_parts.c.page_id, articles.c.raw_hash == page_parts.c.raw_hash)
).where(articles.c.id == bindparam("article"))
_texts: Final = (
    select(pages.c.id, articles.c.raw_hash, articles.c.quality)
    .join(articles, articles.c.id == pages.c.article_id)
    .where(any_of(pages.c.id))
)


def _load(row: Row[Any]) -> PagePart:
    return PagePart(
        number=row.number,
        url=row.url,
        raw=None if row.content_hash is None else load_raw(row),
        failed=None if row.cause is None else PageFailed(cause=Cause(row.cause), detail=row.detail),
        tries=row.tries,
    )


def with_parts(tx: Transaction, fetched: Sequence[FetchedPage]) -> tuple[FetchedPage, ...]:
    """Return `fetched` pages, each with the further pages (`parts`) that belong to its present response.

    Each also gets the number of further pages in its stored article (`parts_before`), and whether that is complete.
    """
    ids = [page.id for page in fetched if page.raw is not None]
    rows = tx.all_of(_of_pages, ids)
    if not rows:
        return tuple(fetched)
    stored = tx.all_of(_texts, ids)
    texts = {row.id: row.raw_hash for row in stored}
    whole = {(row.id, row.raw_hash) for row in stored if "truncated" not in load_strings(row.quality)}
    return tuple(
        replace(
            page,
            parts=tuple(_load(row) for row in rows if (row.page_id, row.raw_hash) == (page.id, page.raw.content_hash)),
            parts_before=sum(
                row.part_hash is not None and (row.page_id, row.raw_hash) == (page.id, texts.get(page.id))
                for row in rows
            ),
            was_whole=(page.id, page.raw.content_hash) in whole,
        )
        if page.raw is not None
        else page
        for page in fetched
    )


def parts_asked_for(tx: Transaction, rows: Collection[Row[Any]]) -> Mapping[int, PagePart]:
    """Return the further page of an article that is to be fetched next, by the id of the article's first page.

    Of `rows`, first pages that are to be fetched themselves are left out.
    """
    begun = {row.id: row for row in rows if row.raw_hash is not None and row.target != row.url}
    return {
        row.page_id: _load(row)
        for row in tx.all_of(_of_pages, begun)
        if row.part_hash is None and (row.raw_hash, row.url) == (begun[row.page_id].raw_hash, begun[row.page_id].target)
    }


def raw_parts_of(tx: Transaction, article_id: ArticleId) -> tuple[RawResponse, ...]:
    """Return the responses of an article's parts, in order."""
    rows = tx.all(_of_article, {"article": article_id})
    return tuple(raw for row in rows if (raw := _load(row).raw) is not None)


# --- fetching parts ---------------------------------------------------------------------------------------------------

_held: Final = (
    select(pages.c.id, pages.c.host_id, pages.c.raw_hash)
    .where(pages.c.id == bindparam("page"), pages.c.token == bindparam("held"), pages.c.state == FETCHED)
    .with_for_update()
)
_drop_from: Final = delete(page_parts).where(
    page_parts.c.page_id == bindparam("page"),
    page_parts.c.raw_hash == bindparam("first"),
    page_parts.c.number >= bindparam("from_number"),
)
_drop_failed: Final = delete(page_parts).where(
    page_parts.c.page_id == bindparam("page"),
    page_parts.c.raw_hash == bindparam("first"),
    page_parts.c.content_hash.is_(None),
)
_ask: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"))
    .values(
        state=DUE,
        host_id=bindparam("its_host"),
        target=bindparam("part_url"),
        due_at=bindparam("at"),
        **CLAIM_ENDS,
    )
)


def begin_parts(tx: Transaction, page_id: PageId, raw_hash: str) -> None:
    """Delete the further pages of an article without bytes, since its first page (`raw_hash`) was fetched again."""
    tx.run(_drop_failed, {"page": page_id, "first": raw_hash})


def drop_parts(tx: Transaction, page_id: PageId, raw_hash: str) -> None:
    """Delete all further pages of an article from the table, so that they are fetched again.

    `page_id` and `raw_hash` are the id of the article's first page and the hash of its response.
    """
    tx.run(_drop_from, {"page": page_id, "first": raw_hash, "from_number": 0})


def record_next_page(tx: Transaction, page: FetchedPage, next_page: NextPage) -> HostId | None:
    """Make a multi-page article due for its next page; return the host of that page. None: the claim is lost."""
    row = tx.first(_held, {"page": page.id, "held": page.token})
    if row is None:
        return None
    part = {"page_id": page.id, "raw_hash": row.raw_hash, "number": next_page.number}
    tx.run(_drop_from, {"page": page.id, "first": row.raw_hash, "from_number": next_page.number})
    tx.add(page_parts, [{**part, "url": next_page.url}])
    return ask_for_part(tx, page.id, next_page.url, tx.now)


def ask_for_part(tx: Transaction, page_id: PageId, url: str, at: datetime) -> HostId:
    """Make a multi-page article due for its further page `url`, at the host of that address; return the host."""
    name = host_of(url)
    host_id = host_ids(tx, [name])[name]
    tx.run(_ask, {"page": page_id, "its_host": host_id, "part_url": url, "at": at})
    lower_pages_due(tx, host_id, at)
    return host_id


# --- outcomes ---------------------------------------------------------------------------------------------------------

_still_due: Final = (pages.c.id == bindparam("page"), pages.c.state == DUE)
_first: Final = select(pages.c.raw_hash).where(*_still_due).with_for_update()
_part: Final = (
    page_parts.c.page_id == bindparam("page"),
    page_parts.c.raw_hash == bindparam("first"),
    page_parts.c.number == bindparam("which"),
)
_came: Final = update(page_parts).where(*_part).values(content_hash=bindparam("hash"), cause=None, detail="", tries=0)
_came_not: Final = (
    update(page_parts)
    .where(*_part)
    .values(cause=bindparam("new_cause"), detail=bindparam("new_detail"), tries=page_parts.c.tries + bindparam("more"))
)
_to_extraction: Final = (
    update(pages)
    .where(*_still_due)
    .values(
        state=FETCHED,
        host_id=bindparam("home"),
        target=pages.c.url,
        **CLAIM_ENDS,
    )
)


def record_part(tx: Transaction, claim: Claim, page: Page, part: PagePart, raw: RawResponse) -> bool:
    """Record that a further page of an article is in the raw store; the article then waits for extraction.

    Return False if the claim is lost.
    """
    if not is_current(tx, claim):
        return False
    row = tx.first(_first, {"page": page.id})
    if row is None:
        return True
    tx.add(raw_responses, [raw_row(page.id, raw)])  # the same bytes may be another part: the chain ends there
    tx.run(_came, {"page": page.id, "first": row.raw_hash, "which": part.number, "hash": raw.content_hash})
    tx.run(_to_extraction, {"page": page.id, "home": home_of(tx, claim, page)})
    return True


def record_part_failure(
    tx: Transaction, claim: Claim, page: Page, part: PagePart, failed: PageFailed, counts: bool
) -> bool:
    """Record that a further page of an article could not be fetched. The article is extracted from the pages before it.

    `counts` False: the try does not count, except if robots.txt forbids the page.

    Return False if the claim is lost.
    """
    if not is_current(tx, claim):
        return False
    row = tx.first(_first, {"page": page.id})
    if row is None:
        return True
    values = {
        "page": page.id,
        "first": row.raw_hash,
        "which": part.number,
        "new_cause": failed.cause,
        "new_detail": failed.detail,
        "more": int(counts or failed.cause is Cause.ROBOTS),
    }
    tx.run(_came_not, values)
    tx.run(_to_extraction, {"page": page.id, "home": home_of(tx, claim, page)})
    decision = Decision(url=part.url, key=page.key, verdict="failed", rule=failed.cause, detail=failed.detail)
    record_decisions(tx, f"page {page.id}", [decision], tx.now)
    return True


_seen: Final = select(folders.c.seen_at).where(folders.c.id == bindparam("folder"))
_wait: Final = update(pages).where(*_still_due).values(due_at=bindparam("at"))
_anew: Final = (
    update(pages)
    .where(*_still_due)
    .values(
        host_id=bindparam("home"),
        due_at=bindparam("at"),
        target=pages.c.url,
        raw_hash=None,
        raw_folder=None,
        etag=None,
        last_modified=None,
    )
)


def leave_part(tx: Transaction, claim: Claim, page: Page) -> bool:
    """Make a multi-page article wait for a process whose folder has its earlier pages; False: the claim is lost.

    If no such process is running, the whole article is fetched again.
    """
    if not is_current(tx, claim):
        return False
    folder, row = tx.first(_seen, {"folder": page.folder}), tx.first(_first, {"page": page.id})
    if row is None:
        return True
    if folder is not None and tx.now - folder.seen_at < _SILENT:
        tx.run(_wait, {"page": page.id, "at": tx.now + _LATER})
        return True
    drop_parts(tx, page.id, row.raw_hash)
    home = home_of(tx, claim, page)
    tx.run(_anew, {"page": page.id, "home": home, "at": tx.now})
    lower_pages_due(tx, home, tx.now)
    return True
