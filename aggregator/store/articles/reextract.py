"""Lists pages whose raw responses are stored, and records the results of extracting them again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, func, or_, select, update

from aggregator.filters.decide import NO_FILTERS, Filters
from aggregator.identity.identify import key_hash
from aggregator.models.ids import PageId
from aggregator.models.pages import FetchedPage
from aggregator.ports.store_records import ArticleRecord
from aggregator.store.articles.doubts import doubtful_with, with_reason
from aggregator.store.articles.filtering import filter_recorded
from aggregator.store.articles.record import save_text
from aggregator.store.articles.rows import ArticleWrite, add_change, draft_of, find_article, revise
from aggregator.store.db.codec import dump, dump_extraction_rest, load_extraction
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import DONE, FAILED, VISIBLE, articles, pages, revisions
from aggregator.store.identity.partition import resolve
from aggregator.store.queue.fetched_pages import select_pages, with_entries

_raw_hash: Final = func.coalesce(articles.c.raw_hash, pages.c.raw_hash)
_kept: Final = (
    select_pages(
        pages.outerjoin(
            articles,
            and_(articles.c.page_id == pages.c.id, *VISIBLE),
        ),
        _raw_hash,
    )
    .where(
        pages.c.id > bindparam("last"),
        _raw_hash.is_not(None),
        or_(articles.c.id.is_not(None), pages.c.state == FAILED),
    )
    .limit(bindparam("limit"))
)


def stored_pages(tx: Transaction, after: PageId, limit: int) -> tuple[FetchedPage, ...]:
    """Return at most `limit` pages with ids above `after`, in the order of their ids.

    The raw response of each page is stored. The page failed, or has an article that is not merged, withdrawn or
    forgotten.
    """
    return with_entries(tx, tx.all(_kept, {"last": after, "limit": limit}))


_page: Final = (
    select(pages.c.id, pages.c.key, pages.c.feed_id, pages.c.first_seen, bindparam("raw").label("raw_hash"))
    .where(pages.c.id == bindparam("page"))
    .with_for_update()
)
_done: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"), pages.c.state == FAILED)
    .values(state=DONE, article_id=bindparam("article"), cause=None, detail="")
)
_corrected: Final = (
    update(revisions)
    .where(revisions.c.article_id == bindparam("article"), revisions.c.number == bindparam("current"))
    .values(content=bindparam("new_content"))
)
_quality: Final = select(articles.c.quality).where(articles.c.id == bindparam("article"))
_judged: Final = (
    update(articles)
    .where(articles.c.id == bindparam("article"))
    .values(quality=bindparam("new_quality"), language=bindparam("new_language"))
)
_content: Final = select(revisions.c.title, revisions.c.body, revisions.c.content).where(
    revisions.c.article_id == bindparam("article"), revisions.c.number == bindparam("current")
)


def record_reextracted(
    tx: Transaction, page: FetchedPage, record: ArticleRecord, filters: Filters = NO_FILTERS
) -> bool:
    """Save a new extraction of a stored response. A failed page gets an article. Then filters decide about the page.

    If title, text or body changed, the article gets a new revision; else other facts are corrected in the current one.
    False: nothing was saved, because the page is gone, its address now means another article, or the article was
    merged, withdrawn or forgotten, or has the text of another response.
    """
    is_current = _record(tx, page, record)
    filter_recorded(tx, filters, [page.id])
    return is_current


def _record(tx: Transaction, page: FetchedPage, record: ArticleRecord) -> bool:
    if page.raw is None:
        return False
    tx.dialect.lock_identity(tx.conn)
    row = tx.first(_page, {"page": page.id, "raw": page.raw.content_hash})
    if row is None:
        return False
    write = ArticleWrite(row, draft_of(record), tx.now)
    own_id, own = find_article(tx, write.key)
    if page.article_id not in (None, own_id):
        return False  # the rules have changed: the address means another article now
    if own is None:
        hashed = key_hash(write.key)
        _, article_id = save_text(tx, write, own_id, own, resolve(tx, [hashed]).get(hashed))
        tx.run(_done, {"page": page.id, "article": article_id})
        return True
    if own.merged_into is not None or own.forgotten_at is not None:
        return False
    if own.raw_hash not in (None, page.raw.content_hash):
        return False  # the article has the text of another response by now
    if doubtful_with(tx, write):
        write = ArticleWrite(row, draft_of(replace(record, quality=with_reason(record.quality))), tx.now)
    if _has_other_words(tx, own, write):
        revise(tx, own, write)
    else:
        changed = _has_other_facts(tx, own, write)
        content = dump_extraction_rest(record.content)
        tx.run(_corrected, {"article": own.id, "current": own.revision, "new_content": content})
        judged = {"new_quality": dump(write.record.quality), "new_language": write.draft.language}
        tx.run(_judged, {"article": own.id, **judged})
        if not changed:
            return True
    add_change(tx, [own_id], "updated", tx.now)
    return True


def _has_other_facts(tx: Transaction, own: Row[Any], write: ArticleWrite) -> bool:
    """Return whether facts about the text changed, so that sinks must write the article again.

    Markdown and facts that the earlier extraction did not have do not count.
    """
    row = tx.run(_content, {"article": own.id, "current": own.revision}).one()
    old, new = load_extraction(row.title, row.body, row.content), write.record.content
    quality = tx.run(_quality, {"article": own.id}).scalar_one()
    made = replace(new, extractor_name=old.extractor_name, extractor_version=old.extractor_version)
    made = replace(made, markdown=None) if old.markdown is None else made
    made = replace(made, facts=None) if old.facts is None else made
    return made != old or quality != dump(write.record.quality)


def _has_other_words(tx: Transaction, own: Row[Any], write: ArticleWrite) -> bool:
    row = tx.run(_content, {"article": own.id, "current": own.revision}).one()
    old, new = load_extraction(row.title, row.body, row.content), write.record.content
    return (old.title, old.body, old.text) != (new.title, new.body, new.text)
