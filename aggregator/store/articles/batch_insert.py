"""New articles that nothing connects with any other: many of them in as many statements as one.

What comes of them is what one by one would give; which texts are of this kind is decided before anything is written.
Evidence that counts under no circumstances (a canonical address on another site) is kept and connects nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import select

from aggregator.identity.evidence import refusal_alone
from aggregator.identity.identify import article_id, key_hash
from aggregator.models.records import Key
from aggregator.store.articles.rows import Incoming, Text, announce, describe, insert_articles
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import articles
from aggregator.store.identity.partition import (
    connected,
    keep_urls,
    move_urls,
    note_edges,
    point,
    record_refused,
    resolve,
)

_with_keys: Final = select(articles.c.id, articles.c.key_hash).where(any_of(articles.c.key_hash))
_with_ids: Final = select(articles.c.id, articles.c.key_hash).where(any_of(articles.c.id))


def save_newcomers(tx: Transaction, texts: Sequence[Text]) -> Sequence[Incoming]:
    """Save those of the texts that are new and alone. Returns what was saved."""
    chosen = _choose(tx, texts)
    if not chosen:
        return ()
    at = tx.now
    keep_urls(tx, (incoming.identities for incoming in chosen), at)
    edges = [edge for incoming in chosen for edge in incoming.record.edges]
    note_edges(tx, edges, at)
    record_refused(tx, [(edge, reason) for edge in edges if (reason := refusal_alone(edge)) is not None], at)
    insert_articles(tx, chosen)
    move_urls(tx, {key_hash(incoming.key): incoming.id for incoming in chosen})
    announce(tx, chosen, "new")
    pointers = [(key_hash(pointer.url), one.id) for one in chosen for pointer in one.record.pointers]
    point(tx, dict(reversed(pointers)), move=False)  # the first one counts
    return chosen


def _choose(tx: Transaction, texts: Sequence[Text]) -> list[Incoming]:
    """Return the texts whose keys mean nothing yet, that no evidence touches and that no other text shares."""
    ids = [article_id(text.key) for text in texts]
    shared = Counter(ids)
    open_ones = [
        (text, wanted)
        for text, wanted in zip(texts, ids, strict=True)
        if shared[wanted] == 1 and all(map(refusal_alone, text.record.edges))
    ]
    if len(open_ones) < 2:
        return []
    made = [describe(text, wanted, None, tx.now) for text, wanted in open_ones]
    hashes = {one.id: {key_hash(identity.key) for identity in one.identities if identity.key} for one in made}
    owned = resolve(tx, {hashed for several in hashes.values() for hashed in several}).keys()
    touched = _taken_keys(tx, [one.key for one in made]) | connected(tx, [one.key for one in made])
    return [one for one in made if one.key not in touched and owned.isdisjoint(hashes[one.id])]


def _taken_keys(tx: Transaction, keys: Collection[Key]) -> set[Key]:
    """Return the keys that an article has, or whose article id is given to another key."""
    found = tx.all_of(_with_keys, map(key_hash, keys)) + tx.all_of(_with_ids, map(article_id, keys))
    hashes, ids = {row.key_hash for row in found}, {row.id for row in found}
    return {key for key in keys if key_hash(key) in hashes or article_id(key) in ids}
