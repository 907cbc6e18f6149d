"""Inserts the new articles that nothing connects to another article, in one batch.

`record.py` saves all other articles one by one. The result is the same as if every article was saved one by one.
Evidence that is refused in any case (`refusal_alone`) is stored, but connects nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import select

from aggregator.identity.evidence import refusal_alone
from aggregator.identity.identify import article_id, key_hash
from aggregator.identity.same_text import tenant
from aggregator.models.ids import ArticleId, Key
from aggregator.store.articles.doubts import mark_doubtful
from aggregator.store.articles.rows import ArticleWrite, add_change, insert_articles
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import articles
from aggregator.store.identity.partition import (
    connected,
    keep_urls,
    move_urls,
    note_edges,
    record_refused,
    resolve,
    set_aliases,
)
from aggregator.store.identity.same_text import TitledText, titled_texts

_with_keys: Final = select(articles.c.id, articles.c.key_hash).where(any_of(articles.c.key_hash))
_with_ids: Final = select(articles.c.id, articles.c.key_hash).where(any_of(articles.c.id))


def insert_unconnected(tx: Transaction, writes: Sequence[ArticleWrite]) -> Mapping[ArticleId, ArticleWrite]:
    """Insert, in one batch, the new articles that nothing connects to another article; return them by id.

    The caller saves the articles that are not in the result.
    """
    repeated, perhaps_one = _repeated_texts(tx, writes)
    chosen = _choose(tx, [write for write in writes if write.draft.fingerprint.text_hash not in perhaps_one], writes)
    if not chosen:
        return {}
    at = tx.now
    keep_urls(tx, (write.identities for write in chosen.values()), at)
    edges = [edge for write in chosen.values() for edge in write.record.edges]
    note_edges(tx, edges, at)
    record_refused(tx, [(edge, reason) for edge in edges if (reason := refusal_alone(edge)) is not None], at)
    insert_articles(tx, chosen)
    move_urls(tx, {key_hash(write.key): article for article, write in chosen.items()})
    add_change(tx, chosen, "new", at)
    pointers = [(key_hash(one.url), article) for article, write in chosen.items() for one in write.record.pointers]
    set_aliases(tx, dict(reversed(pointers)), move=False)  # the first one counts
    later = set(chosen)  # the same result as one by one
    for article, write in chosen.items():
        later.discard(article)
        if write.draft.fingerprint.text_hash in repeated:
            mark_doubtful(tx, write, article, later)
    return chosen


def _choose(
    tx: Transaction, some: Sequence[ArticleWrite], writes: Sequence[ArticleWrite]
) -> dict[ArticleId, ArticleWrite]:
    """Return those of `some` articles that nothing connects to another article, by the ids computed from their keys.

    For such an article, no stored article has its key or id. Its key occurs once in `writes` and has no stored
    evidence. Its own evidence is all refused, and none of its addresses leads to a stored article.
    """
    shared = Counter(article_id(write.key) for write in writes)
    alone = {
        wanted: write
        for write in some
        if shared[wanted := article_id(write.key)] == 1 and all(map(refusal_alone, write.record.edges))
    }
    hashes = {
        wanted: {key_hash(identity.key) for identity in write.identities if identity.key}
        for wanted, write in alone.items()
    }
    owned = resolve(tx, {hashed for several in hashes.values() for hashed in several}).keys()
    keys = [write.key for write in alone.values()]
    touched = _taken_keys(tx, keys) | connected(tx, keys)
    return {
        wanted: write
        for wanted, write in alone.items()
        if write.key not in touched and owned.isdisjoint(hashes[wanted])
    }


def _repeated_texts(tx: Transaction, writes: Sequence[ArticleWrite]) -> tuple[set[bytes], set[bytes]]:
    """Return two sets of hashes: texts that several pages have, and texts that a tenant has twice under the same title.

    Stored articles and `writes` are counted together. Only a text of the second set may be evidence that two articles
    are one.
    """
    titled: Counter[TitledText] = Counter(
        (write.draft.fingerprint.text_hash, write.draft.title_hash, tenant(write.key))
        for write in writes
        if write.record.content.source == "page"
    )
    titled.update(titled_texts(tx, {text for text, _, _ in titled}))
    counted: Counter[bytes] = Counter()
    for (text, _, _), count in titled.items():
        counted[text] += count
    several = {text for text, count in counted.items() if count > 1}
    return several, {text for (text, _, owner), count in titled.items() if count > 1 and owner is not None}


def _taken_keys(tx: Transaction, keys: Collection[Key]) -> set[Key]:
    """Return the keys that cannot be inserted: a stored article has the key, or the id that is computed from it."""
    found = tx.all_of(_with_keys, map(key_hash, keys)) + tx.all_of(_with_ids, map(article_id, keys))
    hashes, ids = {row.key_hash for row in found}, {row.id for row in found}
    return {key for key in keys if key_hash(key) in hashes or article_id(key) in ids}
