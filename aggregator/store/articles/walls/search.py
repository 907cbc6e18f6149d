"""Searches for walls among the articles of an earlier version, once, in batches. Splits articles that walls merged.

The earlier version did not store how much of its entry's title a page contains. This module computes it for articles
that share a text or have several pages. Other articles cannot be walls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Row, bindparam, func, or_, select

from aggregator.identity.evidence import refusal_alone
from aggregator.identity.walls import Resemblance, compare_title
from aggregator.models.ids import Key
from aggregator.store.articles.walls.documents import NAMING, Document
from aggregator.store.articles.walls.ending import end_walls
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.properties import read_property, write_property
from aggregator.store.db.schema import IS_CURRENT, articles, entries, evidence, pages, revisions
from aggregator.store.db.schema import unnamed_texts as facts
from aggregator.store.identity.doubts import doubted_keys
from aggregator.store.identity.partition import WITHDRAWN, load_edge, repartition
from aggregator.urls import host_of

_PROPERTY: Final = "walls searched"
_DONE: Final = "done"
_STEP: Final = 2000  # articles that are looked at in one transaction

_other: Final = articles.alias("other_article")
_shares_text: Final = (
    select(_other.c.n)
    .where(_other.c.print_hash == articles.c.print_hash, _other.c.n != articles.c.n)
    .correlate(articles)
    .exists()
)
_page_count: Final = (
    select(func.count()).select_from(pages).where(pages.c.article_id == articles.c.id).correlate(articles)
).scalar_subquery()
_suspects: Final = (
    select(articles.c.id, articles.c.key, articles.c.print_hash, revisions.c.title, revisions.c.body)
    .join(revisions, IS_CURRENT)
    .where(
        articles.c.n > bindparam("after"),
        articles.c.n <= bindparam("until"),
        articles.c.raw_hash.is_not(None),
        articles.c.forgotten_at.is_(None),
        articles.c.merged_into.is_distinct_from(WITHDRAWN),
        or_(_shares_text, _page_count > 1),
    )
    .order_by(articles.c.n)
)
_announced: Final = (
    select(pages.c.id, pages.c.url, pages.c.key_hash, pages.c.article_id, entries.c.title)
    .join(entries, entries.c.page_id == pages.c.id)
    .where(any_of(pages.c.article_id))
    .order_by(pages.c.id)
)
_naming: Final = select(evidence).where(any_of(evidence.c.key_hash), evidence.c.kind.in_(sorted(NAMING)))
_last: Final = select(func.coalesce(func.max(articles.c.n), 0))


def is_done(tx: Transaction) -> bool:
    """Return whether all articles were checked."""
    return read_property(tx, _PROPERTY) == _DONE


def search_walls(tx: Transaction) -> bool:
    """Check the next articles for walls; return whether all articles are checked.

    An article whose text is a wall's gets its earlier text back, or is withdrawn.
    """
    at = read_property(tx, _PROPERTY) or "0"
    if at == _DONE:
        return True
    tx.dialect.lock_identity(tx.conn)
    after = int(at)
    suspects = tx.all(_suspects, {"after": after, "until": after + _STEP})
    end_walls(tx, _note(tx, suspects), {})
    repartition(tx, doubted_keys(tx, {Key(row.key) for row in suspects}), tx.now)
    is_last = bool(after + _STEP >= tx.run(_last).scalar_one())
    write_property(tx, _PROPERTY, _DONE if is_last else str(after + _STEP))
    return is_last


def _note(tx: Transaction, suspects: Iterable[Row[Any]]) -> set[Document]:
    """Store and return the documents that may be walls: those of each page without its entry's title.

    Only pages of the articles `suspects` are read. A document is a text, or an address that the page names.
    """
    by_id = {row.id: row for row in suspects}
    titles: dict[int, list[str]] = defaultdict(list)
    at: dict[int, Row[Any]] = {}
    for row in tx.all_of(_announced, by_id):
        at[row.id] = row
        titles[row.id].append(row.title)
    named: dict[bytes, set[bytes]] = defaultdict(set)
    for edge in tx.all_of(_naming, {row.key_hash for row in at.values()}):
        if refusal_alone(load_edge(edge)) is None:
            named[edge.key_hash].add(edge.other_hash)
    rows = [
        {
            "hash": document,
            "page_id": page.id,
            "text_hash": by_id[page.article_id].print_hash,
            "host": host_of(page.url),
            "says_nothing": says is Resemblance.NOTHING,
        }
        for page in at.values()
        if (says := _says(titles[page.id], by_id[page.article_id])) is not Resemblance.SAYS
        for document in {by_id[page.article_id].print_hash, *named[page.key_hash]}
    ]
    tx.add(facts, rows)
    return {Document(row["host"], row["hash"]) for row in rows}


def _says(titles: list[str], text: Row[Any]) -> Resemblance:
    """Return how much a text contains of the titles under which feeds announced its page. The best match counts."""
    found = {compare_title(title, text.title, text.body) for title in titles}
    return next(one for one in Resemblance if one in found)
