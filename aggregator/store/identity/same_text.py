"""Finds equal texts at several addresses. `aggregator.identity.same_text` decides whether they are one article."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from typing import Any, Final

from sqlalchemy import Row, select

from aggregator.identity.evidence import Edge
from aggregator.identity.same_text import ServedText, edge_of_same_text, tenant
from aggregator.models.ids import EvidenceKind, Key
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_extraction
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import IS_CURRENT, articles, revisions
from aggregator.store.identity.doubts import announced_titles

_MOST: Final = 40  # addresses of one text; a text at more addresses is no article
_served: Final = (
    select(articles, revisions.c.title, revisions.c.body, revisions.c.content)
    .join(revisions, IS_CURRENT)
    .where(any_of(articles.c.print_hash), articles.c.raw_hash.is_not(None), articles.c.forgotten_at.is_(None))
    .order_by(articles.c.n)
    .limit(_MOST)
)
_titles: Final = select(articles.c.print_hash, articles.c.title_hash, articles.c.key).where(
    any_of(articles.c.print_hash), articles.c.raw_hash.is_not(None), articles.c.revision > 0
)


TitledText = tuple[bytes, bytes, str | None]  # the hashes of text and title, and the owner of the address


def titled_texts(tx: Transaction, hashes: Iterable[bytes]) -> list[TitledText]:
    """Return the hashes of text and title, and the host (`tenant`), of each fetched article with one of these texts."""
    return [(row.print_hash, row.title_hash, tenant(Key(row.key))) for row in tx.all_of(_titles, hashes)]


def edges_of_text(tx: Transaction, text_hash: bytes) -> tuple[set[Edge], set[Key]]:
    """Return the evidence that articles with this text are one, and their keys. A single article gives empty sets."""
    rows = tx.all_of(_served, [text_hash])
    if len(rows) < 2:
        return set(), set()
    titles = announced_titles(tx, {row.page_id for row in rows if row.page_id is not None})
    served = [_served_text(row, titles[row.page_id]) for row in rows]
    edges = {edge_of_same_text(one, other) for one, other in combinations(served, 2)}
    return {edge for edge in edges if edge is not None}, {one.key for one in served}


def _served_text(row: Row[Any], titles: Collection[str]) -> ServedText:
    return ServedText(
        key=Key(row.key),
        site=row.site,
        text_hash=row.print_hash,
        title_hash=row.title_hash,
        language=load_extraction(row.title, row.body, row.content).language,
        feed_titles=frozenset(titles),
        first_seen=row.first_seen,
    )


def contested(tx: Transaction, edges: Iterable[Edge], by_key: Mapping[Key, Row[Any]]) -> set[Edge]:
    """Return the `SAME_TEXT` edges that do not count.

    Such an edge does not count if the host (or the person there, see `tenant`) of one of its two addresses has served
    the text under more than one title.
    """
    learned = {edge for edge in edges if edge.kind is EvidenceKind.SAME_TEXT}
    at_ends = {by_key[key].print_hash for edge in learned for key in (edge.key, edge.other) if key in by_key}
    titles: dict[tuple[bytes, str | None], set[bytes]] = defaultdict(set)
    for row in tx.all_of(_titles, at_ends):
        titles[row.print_hash, tenant(Key(row.key))].add(row.title_hash)
    return {
        edge
        for edge in learned
        if any(key in by_key and len(titles[by_key[key].print_hash, tenant(key)]) > 1 for key in (edge.key, edge.other))
    }
