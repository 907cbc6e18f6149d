"""The data of `aggregator why`: the entries that lead to an address, its page, article, evidence and decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Row, bindparam, select, union_all

from aggregator.identity.identify import key_hash
from aggregator.models.fetching import Cause
from aggregator.models.ids import ArticleId, Key
from aggregator.ports.readings import Trace, TracedArticle, TracedEntry, TracedEvidence, TracedPage
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import record_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import VISIBLE, aliases, article_urls, articles, entries, evidence, feeds, pages
from aggregator.store.identity.decisions import list_decisions
from aggregator.store.identity.partition import SKIPPED, WITHDRAWN

_STANDING: Final = (None, WITHDRAWN, SKIPPED)  # values of `merged_into` in an article that is not merged into another


def _in(column: Any) -> Any:  # Any: a column and the expression made of it
    return any_of(column)


_alias_articles: Final = select(aliases.c.article_id).where(_in(aliases.c.hash))
_by_id: Final = select(articles).where(_in(articles.c.id))
_merged: Final = select(articles).where(_in(articles.c.merged_into))
_alias_hashes: Final = select(aliases.c.hash).where(_in(aliases.c.article_id))
_spellings: Final = select(article_urls.c.url_hash, article_urls.c.key_hash).where(
    _in(article_urls.c.url_hash) | _in(article_urls.c.key_hash)
)
_pages: Final = select(pages).where(_in(pages.c.key_hash)).order_by(pages.c.id)
_pages_of: Final = select(pages).where(_in(pages.c.article_id)).order_by(pages.c.id)
_entries: Final = (
    select(entries, feeds.c.name, feeds.c.url.label("feed_url"))
    .join(feeds, feeds.c.id == entries.c.feed_id)
    .where(_in(entries.c.page_id))
    .order_by(entries.c.id)
)
_evidence: Final = union_all(
    select(evidence).where(_in(evidence.c.key_hash)), select(evidence).where(_in(evidence.c.other_hash))
)
_near: Final = (
    select(articles.c.id)
    .where(
        articles.c.near_duplicate_of == bindparam("of"),
        *VISIBLE,
    )
    .order_by(articles.c.n)
    .limit(20)
)


def trace(tx: Transaction, urls: Sequence[str], keys: Sequence[Key]) -> Trace:
    """Return all stored facts about an address, given its spellings (`urls`) and its keys. The result may be empty."""
    hashes = {key_hash(text) for text in (*urls, *keys)}
    hashes |= {row.key_hash for row in tx.all_of(_spellings, hashes) if row.key_hash is not None}
    found = _articles(tx, {row.article_id for row in tx.all_of(_alias_articles, hashes)})
    hashes |= {row.hash for row in tx.all_of(_alias_hashes, [row.id for row in found])}
    at = {row.id: row for row in tx.all_of(_pages, hashes)}
    at |= {row.id: row for row in tx.all_of(_pages_of, [row.id for row in found])}
    sightings = tx.all_of(_entries, list(at))
    edges = {row.id: row for row in tx.all_of(_evidence, hashes)}
    return Trace(
        entries=tuple(record_of(TracedEntry, row, feed=row.name or row.feed_url) for row in sightings),
        pages=tuple(record_of(TracedPage, at[n], cause=at[n].cause and Cause(at[n].cause)) for n in sorted(at)),
        articles=tuple(_article(row) for row in found),
        evidence=tuple(record_of(TracedEvidence, edges[n]) for n in sorted(edges)),
        decisions=list_decisions(tx, urls, keys),
    )


def _articles(tx: Transaction, ids: Iterable[str]) -> list[Row[Any]]:
    """Return the articles with these ids, those that they were merged into, and all that were merged into those."""
    survivors = {row.id if row.merged_into in _STANDING else row.merged_into for row in tx.all_of(_by_id, ids)}
    found = {row.id: row for query in (_by_id, _merged) for row in tx.all_of(query, survivors)}
    return sorted(found.values(), key=lambda row: int(row.n))


def _article(row: Row[Any]) -> TracedArticle:
    return record_of(
        TracedArticle,
        row,
        merged_into=None if row.merged_into in _STANDING else row.merged_into,
        is_withdrawn=row.merged_into == WITHDRAWN,
        is_skipped=row.merged_into == SKIPPED,
    )


def near_duplicates(tx: Transaction, article_id: ArticleId) -> tuple[ArticleId, ...]:
    """Return the ids of up to 20 articles that repeat this one nearly word for word."""
    return tuple(ArticleId(row.id) for row in tx.all(_near, {"of": article_id}))
