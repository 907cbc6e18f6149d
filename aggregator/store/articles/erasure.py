"""Erases texts, on request or by age, and finds raw bytes that nothing refers to. Keys and addresses stay for ever."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, delete, exists, or_, select, update

from aggregator.identity.identify import key_hash
from aggregator.models.ids import ArticleId, Key
from aggregator.store.articles.search import forget_text
from aggregator.store.db.any_of import any_of
from aggregator.store.db.column_types import NEVER
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import (
    DUE,
    FETCHED,
    articles,
    changes,
    entries,
    fingerprints,
    hosts,
    page_parts,
    pages,
    raw_responses,
    revisions,
)
from aggregator.store.identity.partition import SKIPPED, resolve
from aggregator.urls import host_of, registrable_domain

# --- choosing articles ------------------------------------------------------------------------------------------------

_columns: Final = (articles.c.n, articles.c.id, articles.c.url, articles.c.merged_into, articles.c.forgotten_at)
_groups: Final = select(*_columns).where(
    or_(
        any_of(articles.c.id),
        any_of(articles.c.merged_into),
    )
)
_of_keys: Final = select(articles.c.id).where(any_of(articles.c.key_hash))  # one that is skipped may have no alias
_of_site: Final = select(*_columns).where(articles.c.site == bindparam("named"))
_older: Final = select(*_columns).where(
    articles.c.first_seen < bindparam("before"),
    articles.c.forgotten_at.is_(None),
    or_(articles.c.merged_into.is_(None), articles.c.merged_into == SKIPPED),
)
_host_names: Final = select(hosts.c.id, hosts.c.name)
_pages_of_keys: Final = select(pages.c.id).where(any_of(pages.c.key_hash))
_pages_of_hosts: Final = select(pages.c.id).where(any_of(pages.c.host_id))
_pages_of_articles: Final = select(pages.c.id).where(any_of(pages.c.article_id))


def forget(
    tx: Transaction, keys: Sequence[Key], host_names: Sequence[str]
) -> tuple[tuple[ArticleId, ...], tuple[str, ...]]:
    """Erase the articles of these keys, all articles of these hosts and their subdomains, and those merged into them.

    Return the ids of the erased articles, without merged ones, and the content hashes that no stored response has now.
    """
    tx.dialect.lock_identity(tx.conn)
    hashes = [key_hash(key) for key in keys]
    meant = set(resolve(tx, hashes).values()) | {ArticleId(row.id) for row in tx.all_of(_of_keys, hashes)}
    rows = _with_merged(tx, meant | _articles_of_hosts(tx, host_names))
    page_ids = {row.id for row in tx.all_of(_pages_of_keys, hashes)}
    host_ids = [row.id for row in tx.all(_host_names) if _is_within(row.name, host_names)] if host_names else []
    page_ids |= {row.id for row in tx.all_of(_pages_of_hosts, host_ids)}
    return _erase(tx, rows, page_ids)


def expire(tx: Transaction, before: datetime) -> tuple[tuple[ArticleId, ...], tuple[str, ...]]:
    """Erase the articles first seen before `before`, and those merged into them; return the same as `forget`."""
    tx.dialect.lock_identity(tx.conn)
    return _erase(tx, _with_merged(tx, {ArticleId(row.id) for row in tx.all(_older, {"before": before})}), ())


def _articles_of_hosts(tx: Transaction, names: Sequence[str]) -> set[ArticleId]:
    sites = {registrable_domain(name) for name in names}
    rows = [row for site in sites for row in tx.all(_of_site, {"named": site})]
    return {ArticleId(row.id) for row in rows if _is_within(host_of(row.url), names)}


def _is_within(host: str, names: Sequence[str]) -> bool:
    name = host.partition(":")[0]
    return any(name == wanted or name.endswith(f".{wanted}") for wanted in names)


def _with_merged(tx: Transaction, ids: Collection[ArticleId]) -> list[Row[Any]]:
    """Return the rows of these articles and of all articles merged into them, in the order of their numbers."""
    rows = {row.id: row for row in tx.all_of(_groups, ids)}
    return sorted(rows.values(), key=lambda row: int(row.n))


# --- erasing ----------------------------------------------------------------------------------------------------------

_drop_revisions: Final = delete(revisions).where(revisions.c.article_id == bindparam("article"))
_drop_prints: Final = delete(fingerprints).where(fingerprints.c.article_n == bindparam("of_n"))
_blank: Final = (
    update(articles)
    .where(articles.c.id == bindparam("article"))
    .values(forgotten_at=bindparam("at"), sample=b"", quality="[]", raw_hash=None, near_duplicate_of=None)
)
BLANK_ENTRY: Final = {"title": "", "rest": '{"id":""}', "published_at": None, "updated_at": None}
_blank_entries: Final = update(entries).where(entries.c.page_id == bindparam("page")).values(**BLANK_ENTRY)
_close_pages: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"))
    .values(
        state="done",
        target=pages.c.url,
        token=pages.c.token + 1,
        lease_until=NEVER,
        lease_owner="",
        raw_hash=None,
        raw_folder=None,
        cause=None,
        detail="",
    )
)
_raw_of_pages: Final = select(raw_responses.c.content_hash).where(any_of(raw_responses.c.page_id))
_drop_parts: Final = delete(page_parts).where(page_parts.c.page_id == bindparam("page"))
_drop_raw_of_pages: Final = delete(raw_responses).where(raw_responses.c.page_id == bindparam("page"))
_still_there: Final = select(raw_responses.c.content_hash).where(any_of(raw_responses.c.content_hash))


def _erase(
    tx: Transaction, rows: Sequence[Row[Any]], page_ids: Iterable[int]
) -> tuple[tuple[ArticleId, ...], tuple[str, ...]]:
    """Erase articles, and all entries and raw responses of their pages and of the pages `page_ids`.

    Return the ids of the erased articles, without merged ones, and the content hashes that no stored response has now.
    """
    standing = [row for row in rows if row.forgotten_at is None]
    for row in standing:
        forget_text(tx, row.n)
        tx.run(_drop_revisions, {"article": row.id})
        tx.run(_drop_prints, {"of_n": row.n})
        tx.run(_blank, {"article": row.id, "at": tx.now})
    tx.add(
        changes,
        [
            {"article_id": row.id, "kind": "forgotten", "merged_into": None, "at": tx.now}
            for row in standing
            if row.merged_into is None
        ],
    )
    ids = [row.id for row in rows]
    closed = set(page_ids)
    closed |= {row.id for row in tx.all_of(_pages_of_articles, ids)}
    freed = {row.content_hash for row in tx.all_of(_raw_of_pages, closed)}
    for page_id in sorted(closed):
        for statement in (_blank_entries, _close_pages, _drop_raw_of_pages, _drop_parts):
            tx.run(statement, {"page": page_id})
    gone = tuple(ArticleId(row.id) for row in standing if row.merged_into in (None, SKIPPED))
    return gone, tuple(sorted(freed - referenced_raw(tx, freed)))


_forgotten: Final = (
    select(pages.c.id)
    .join(articles, articles.c.id == pages.c.article_id)
    .where(any_of(pages.c.id), articles.c.forgotten_at.is_not(None))
)


def forgotten_pages(tx: Transaction, page_ids: Collection[int]) -> frozenset[int]:
    """Return the pages among `page_ids` whose article was erased. The content of their entries is not stored again."""
    return frozenset(row.id for row in tx.all_of(_forgotten, page_ids))


def erase_page(tx: Transaction, page_id: int) -> None:
    """Erase entries and responses of a page whose article was erased before. Files with the bytes are deleted later."""
    for statement in (_blank_entries, _drop_raw_of_pages, _drop_parts):
        tx.run(statement, {"page": page_id})


def referenced_raw(tx: Transaction, content_hashes: Collection[str]) -> frozenset[str]:
    """Return those of `content_hashes` that belong to a stored response."""
    return frozenset(row.content_hash for row in tx.all_of(_still_there, content_hashes))


_waits: Final = exists().where(
    pages.c.id == raw_responses.c.page_id,
    or_(pages.c.state == FETCHED, and_(pages.c.state == DUE, pages.c.target != pages.c.url)),
)
_awaited: Final = _still_there.where(_waits)


def awaited_raw(tx: Transaction, content_hashes: Collection[str]) -> frozenset[str]:
    """Return the hashes among `content_hashes` whose bytes a page still needs for its extraction."""
    return frozenset(row.content_hash for row in tx.all_of(_awaited, content_hashes))


_old_raw: Final = select(raw_responses.c.content_hash).where(raw_responses.c.fetched_at < bindparam("before"), ~_waits)
_drop_old_raw: Final = delete(raw_responses).where(raw_responses.c.fetched_at < bindparam("before"), ~_waits)


def expire_raw(tx: Transaction, before: datetime) -> tuple[str, ...]:
    """Delete the responses fetched before `before`, except those that a page still needs for its extraction.

    Return the content hashes that no stored response has now.
    """
    found = {row.content_hash for row in tx.all(_old_raw, {"before": before})}
    if found:
        tx.run(_drop_old_raw, {"before": before})
    return tuple(sorted(found - referenced_raw(tx, found)))
