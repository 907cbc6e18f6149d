"""Reads articles: one by id or address, the results of a search, or all that meet a filter."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, bindparam, exists, func, or_, select, tuple_

from aggregator.identity.identify import key_hash
from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId, FeedId, Key
from aggregator.models.pages import RawResponse
from aggregator.ports.readings import ArticleFilter, ArticleSearch, Found, FoundPage, Revision
from aggregator.store.articles.search import find
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_extraction, load_strings
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import (
    IS_CURRENT,
    VISIBLE,
    aliases,
    article_urls,
    articles,
    entries,
    feeds,
    pages,
    raw_responses,
    revisions,
)
from aggregator.store.identity.partition import resolve
from aggregator.store.queue.page_parts import raw_parts_of
from aggregator.store.queue.responses import RAW_COLUMNS, load_raw
from aggregator.text.search_words import Query, mark, read_query, snippet
from aggregator.urls import without_userinfo

_AT_ONCE: Final = 250
_ID: Final = re.compile(r"[0-9a-f]{16}")

# --- rows to records --------------------------------------------------------------------------------------------------

_articles: Final[Select[Any]] = (
    select(
        articles.c.n,
        articles.c.id,
        articles.c.key,
        articles.c.url,
        articles.c.feed_id,
        articles.c.first_seen,
        articles.c.day,
        articles.c.number,
        articles.c.change_seq,
        articles.c.revision,
        articles.c.quality,
        articles.c.near_duplicate_of,
        articles.c.raw_hash,
        revisions.c.title,
        revisions.c.body,
        revisions.c.content,
    )
    .join(revisions, IS_CURRENT)
    .where(*VISIBLE)
)
_by_ids: Final = _articles.where(any_of(articles.c.id))
_merged: Final = select(articles.c.id, articles.c.merged_into).where(any_of(articles.c.merged_into))
_urls: Final = (
    select(aliases.c.article_id, article_urls.c.url)
    .join(article_urls, article_urls.c.url_hash == aliases.c.hash)
    .where(any_of(aliases.c.article_id))
    .order_by(article_urls.c.seen_at, article_urls.c.url)
)
_sightings: Final = (
    select(pages.c.article_id, entries.c.feed_id, func.min(entries.c.id).label("first"))
    .join(entries, entries.c.page_id == pages.c.id)
    .where(any_of(pages.c.article_id))
    .group_by(pages.c.article_id, entries.c.feed_id)
    .order_by(func.min(entries.c.id))
)
_feed_names: Final = select(feeds.c.id, feeds.c.name, feeds.c.url, feeds.c.tags).where(any_of(feeds.c.id))


def load_articles(tx: Transaction, ids: Iterable[ArticleId]) -> dict[ArticleId, Article]:
    """Return the articles with these ids, by id. Merged, withdrawn and forgotten articles are left out."""
    return {article.id: article for article in _complete(tx, tx.all_of(_by_ids, ids))}


def _complete(tx: Transaction, rows: Sequence[Row[Any]]) -> list[Article]:
    """Return the articles in `rows`, with the addresses and feeds from the other tables."""
    ids = [row.id for row in rows]
    urls: dict[str, list[str]] = defaultdict(list)
    for row in tx.all_of(_urls, ids):
        urls[row.article_id].append(row.url)
    part_of = dict.fromkeys(ids) | {row.id: row.merged_into for row in tx.all_of(_merged, ids)}
    seen_in: dict[str, list[int | None]] = {row.id: [row.feed_id] for row in rows}
    sightings = tx.all_of(_sightings, part_of)
    for row in sorted(sightings, key=lambda row: row.first):
        seen_in[part_of[row.article_id] or row.article_id].append(row.feed_id)
    wanted = {feed for found in seen_in.values() for feed in found}
    named = {
        row.id: (row.name or without_userinfo(row.url), load_strings(row.tags))
        for row in tx.all_of(_feed_names, wanted)
    }
    return [_article(row, urls[row.id], [named[feed] for feed in seen_in[row.id] if feed in named]) for row in rows]


def _article(row: Row[Any], urls: Sequence[str], sighted_by: Sequence[tuple[str, tuple[str, ...]]]) -> Article:
    """Return an article from its row, its addresses, and the (name, tags) of each feed that announced it."""
    content = load_extraction(row.title, row.body, row.content)
    names = tuple(dict.fromkeys(name for name, _ in sighted_by))
    tags = dict.fromkeys(chain(*(tags for _, tags in sighted_by), content.tags))
    return Article(
        id=ArticleId(row.id),
        key=Key(row.key),
        url=row.url,
        urls=tuple(dict.fromkeys((row.url, *urls))),
        content=content,
        first_seen=row.first_seen,
        day=row.day or "",
        number=row.number,
        change_seq=row.change_seq,
        feed=names[0] if names else "",
        feeds=names,
        tags=tuple(tags),
        revision=row.revision,
        quality=load_strings(row.quality),
        near_duplicate_of=None if row.near_duplicate_of is None else ArticleId(row.near_duplicate_of),
        raw=row.raw_hash or "",
    )


# --- many articles ----------------------------------------------------------------------------------------------------


def stream_articles(tx: Transaction, wanted: ArticleFilter) -> Iterator[Article]:
    """Yield the articles that meet `wanted`, in the order in which they were first seen."""
    query = _articles.order_by(articles.c.first_seen, articles.c.n)
    for condition in _conditions(tx, wanted):
        query = query.where(condition)
    left, last = wanted.limit, None
    while left is None or left > 0:
        page = query.limit(_AT_ONCE if left is None else min(left, _AT_ONCE))
        if last is not None:
            page = page.where(tuple_(articles.c.first_seen, articles.c.n) > (last.first_seen, last.n))
        rows = tx.all(page)
        if not rows:
            return
        yield from _complete(tx, rows)
        last = rows[-1]
        left = None if left is None else left - len(rows)


_feed_ids: Final = select(feeds.c.id).where(
    or_(feeds.c.name == bindparam("called"), feeds.c.url == bindparam("called"))
)


def _conditions(tx: Transaction, wanted: ArticleFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.since is not None:
        yield articles.c.first_seen >= wanted.since
    if wanted.until is not None:
        yield articles.c.first_seen < wanted.until
    if wanted.quality:
        yield articles.c.quality != "[]"
    if wanted.after_seq is not None:
        yield articles.c.change_seq > wanted.after_seq
    if wanted.feed:
        ids = [FeedId(row.id) for row in tx.all(_feed_ids, {"called": wanted.feed})]
        part = articles.alias("part")
        yield or_(
            articles.c.feed_id.in_(ids),
            exists()
            .where(entries.c.feed_id.in_(ids), entries.c.page_id == pages.c.id, pages.c.article_id == part.c.id)
            .where(func.coalesce(part.c.merged_into, part.c.id) == articles.c.id),
        )


# --- one article ------------------------------------------------------------------------------------------------------

_survivor: Final = select(articles.c.id, articles.c.merged_into).where(articles.c.id == bindparam("article"))


def read_article(tx: Transaction, id_or_url: str, keys: Sequence[Key] = ()) -> Article | None:
    """Return one article by id, by any of its addresses, or by key.

    For a merged article return the article that remains. None: there is none, or it was withdrawn or forgotten.
    """
    found: ArticleId | None = ArticleId(id_or_url) if _ID.fullmatch(id_or_url) else None
    if found is None:
        hashes = [key_hash(text) for text in (id_or_url, *keys)]
        known = resolve(tx, hashes)
        found = next((known[hashed] for hashed in hashes if hashed in known), None)
    row = None if found is None else tx.first(_survivor, {"article": found})
    if row is None:
        return None
    survivor = ArticleId(row.merged_into or row.id)
    return load_articles(tx, [survivor]).get(survivor)


_revisions: Final = select(revisions).where(revisions.c.article_id == bindparam("article")).order_by(revisions.c.number)


def list_revisions(tx: Transaction, article_id: ArticleId) -> tuple[Revision, ...]:
    """Return the stored texts of an article, oldest first."""
    return tuple(
        Revision(
            number=row.number,
            recorded_at=row.recorded_at,
            content=load_extraction(row.title, row.body, row.content),
        )
        for row in tx.all(_revisions, {"article": article_id})
    )


def search_articles(tx: Transaction, wanted: ArticleSearch) -> FoundPage:
    """Return the articles that match the search `wanted`, in its order: at most its limit, from its starting place."""
    query = read_query(wanted.query)
    matches = find(tx, query, wanted)
    loaded = load_articles(tx, matches.recorded_at)
    shown = query if wanted.marked else None
    return FoundPage(
        found=tuple(_found(loaded[one], at, shown) for one, at in matches.recorded_at.items() if one in loaded),
        count=matches.count,
        next=matches.next,
        is_weighed=matches.is_weighed,
    )


def _found(article: Article, recorded_at: datetime, query: Query | None) -> Found:
    content = article.content
    if query is None:
        return Found(article=article, recorded_at=recorded_at, title=((content.title, False),), snippet=())
    return Found(
        article=article,
        recorded_at=recorded_at,
        title=mark(content.title, query),
        snippet=snippet(content.body, query) if query.terms else (),
    )


_raw: Final = (
    select(*RAW_COLUMNS)
    .join(
        articles,
        (articles.c.page_id == raw_responses.c.page_id) & (articles.c.raw_hash == raw_responses.c.content_hash),
    )
    .where(articles.c.id == bindparam("article"))
)


def raw_of(tx: Transaction, article_id: ArticleId) -> tuple[RawResponse, ...]:
    """Return the raw response of an article, then those of its further pages in order. Empty: none is stored now."""
    row = tx.first(_raw, {"article": article_id})
    return () if row is None else (load_raw(row), *raw_parts_of(tx, article_id))
