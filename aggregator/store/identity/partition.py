"""Stores which article an address means: addresses, evidence, aliases, and the merges and splits that follow from them.

A component is a set of keys that evidence connects. `identity.evidence` alone decides which keys of a component are one
article. This module loads the component and writes the result. To write it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, or_, select, union_all, update

from aggregator.identity.evidence import Edge, KeyFacts, Refusal, judge, refusal_alone
from aggregator.identity.identify import key_hash
from aggregator.models.ids import ArticleId, EvidenceKind, Identity, Key
from aggregator.ports.store_records import Decision
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_sample
from aggregator.store.db.database import Transaction
from aggregator.store.db.dialects import Insert, insert
from aggregator.store.db.schema import aliases, article_urls, articles, changes, evidence
from aggregator.store.identity.decisions import record_decisions
from aggregator.store.identity.doubts import doubtful_edges
from aggregator.store.identity.same_text import contested
from aggregator.store.identity.wordpress import is_short_link, is_wordpress, wordpress_edges

RULES: Final = "rules"  # the witness if two articles got one key by a change of the rules; no site has this name
WITHDRAWN: Final = "withdrawn"  # value of `merged_into` in an article that was a wall
SKIPPED: Final = "skipped"  # value of `merged_into` in an article that a filter skips; its text is kept
_OUT: Final = (WITHDRAWN, SKIPPED)

# --- addresses and aliases --------------------------------------------------------------------------------------------

_known_urls: Final = (
    select(aliases.c.hash, articles.c.page_id)
    .join(articles, articles.c.id == aliases.c.article_id)
    .where(any_of(aliases.c.hash))
)
_known_keys: Final = select(articles.c.key_hash.label("hash"), articles.c.page_id).where(
    any_of(articles.c.key_hash), articles.c.merged_into.is_distinct_from(WITHDRAWN)
)
_alias_rows: Final = select(aliases).where(any_of(aliases.c.hash))


def known_articles(tx: Transaction, keys: Iterable[bytes], urls: Iterable[bytes]) -> dict[bytes, int | None]:
    """Return the hashes whose article is stored, so that no fetch is needed, each with the id of the article's page.

    A hash in `urls` counts if the URL means an article. A hash in `keys` counts only if it is an article's own key. A
    key that only evidence connects with an article does not count: the evidence may be a wrong link.
    """
    return {
        row.hash: row.page_id
        for query, hashes in ((_known_keys, keys), (_known_urls, urls))
        for row in tx.all_of(query, hashes)
    }


def resolve(tx: Transaction, hashes: Iterable[bytes]) -> dict[bytes, ArticleId]:
    """Return the article that each hash (of a key or URL) means. Hashes that mean no article are left out."""
    return {row.hash: ArticleId(row.article_id) for row in tx.all_of(_alias_rows, hashes)}


def note_urls(tx: Transaction, identities: Iterable[Identity], at: datetime) -> dict[bytes, ArticleId]:
    """Store URLs with their keys. A URL that means no article yet gets the article of its key.

    Return the article of each key that has one, by the hash of the key.
    """
    rows = keep_urls(tx, [identities], at)
    owners = resolve(tx, (row["key_hash"] for row in rows))
    set_aliases(tx, {row["url_hash"]: owners[row["key_hash"]] for row in rows if row["key_hash"] in owners}, move=False)
    return owners


def keep_urls(tx: Transaction, seen: Iterable[Iterable[Identity]], at: datetime) -> list[dict[str, Any]]:
    """Store URLs with their keys; return the rows. Identities without a key are left out.

    If an item of `seen` has a URL twice, the last identity counts.
    """
    rows = [
        {
            "url_hash": hashed,
            "url": identity.url,
            "key_hash": key_hash(identity.key),
            "key": identity.key,
            "rule": identity.rule,
            "seen_at": at,
        }
        for identities in seen
        for hashed, identity in {key_hash(one.url): one for one in identities if one.key is not None}.items()
        if identity.key is not None
    ]
    tx.add(article_urls, rows)
    return rows


def set_aliases(tx: Transaction, wanted: Mapping[bytes, ArticleId], *, move: bool = True) -> None:
    """Store for each hash the article that it means.

    Without `move`, a hash that already means an article stays unchanged.
    """
    rows = [{"hash": hashed, "article_id": article_id} for hashed, article_id in wanted.items()]
    if not rows:
        return
    if not move:
        tx.add(aliases, rows)
        return
    tx.run_all(_pointing(tx.dialect.name), rows)


_drop_aliases: Final = delete(aliases).where(aliases.c.article_id == bindparam("withdrawn"))


def drop_aliases(tx: Transaction, article: ArticleId) -> None:
    """Delete the aliases of an article: no key or address means it any more."""
    tx.run(_drop_aliases, {"withdrawn": article})


@cache
def _pointing(dialect: str) -> Insert:
    """Return the statement that stores an alias. It writes nothing if the alias already means this article."""
    statement = insert(dialect, aliases)
    means = statement.excluded.article_id
    return statement.on_conflict_do_update(
        index_elements=[aliases.c.hash], set_={"article_id": means}, where=aliases.c.article_id != means
    )


# --- evidence ---------------------------------------------------------------------------------------------------------


def note_edges(tx: Transaction, edges: Collection[Edge], at: datetime) -> None:
    """Store edges of evidence. An edge that is stored already stays as it is."""
    rows = [
        {
            "key_hash": key_hash(edge.key),
            "other_hash": key_hash(edge.other),
            "kind": edge.kind.value,
            "witness": edge.witness,
            "key": edge.key,
            "other": edge.other,
            "site": edge.site,
            "other_site": edge.other_site,
            "seen_at": at,
        }
        for edge in edges
    ]
    tx.add(evidence, rows)


_touching: Final = union_all(
    select(evidence).where(any_of(evidence.c.key_hash)),
    select(evidence).where(any_of(evidence.c.other_hash)),
)


def load_edge(row: Row[Any]) -> Edge:
    """Return an edge from a row of `evidence`."""
    return Edge(
        key=Key(row.key),
        other=Key(row.other),
        kind=EvidenceKind(row.kind),
        site=row.site,
        other_site=row.other_site,
        witness=row.witness,
    )


def _component(tx: Transaction, keys: Iterable[Key]) -> tuple[set[Key], set[Edge]]:
    """Return the keys that evidence connects with `keys`, and all edges that have one of these keys.

    An edge that never counts, whatever the texts (`refusal_alone`), is returned, but connects nothing.
    """
    found: set[Key] = set(keys)
    edges: set[Edge] = set()
    fringe = set(found)
    while fringe:
        rows = tx.all_of(_touching, map(key_hash, fringe))
        new = ({load_edge(row) for row in rows} | wordpress_edges(tx, fringe)) - edges
        edges |= new
        fringe = {key for edge in new if refusal_alone(edge) is None for key in (edge.key, edge.other)} - found
        found |= fringe
    return found, edges


def connected(tx: Transaction, keys: Collection[Key]) -> set[Key]:
    """Return those of `keys` that have stored evidence, and all WordPress keys: their evidence is not stored."""
    hashes = {key_hash(key): key for key in keys}
    touched = {
        hashes[hashed]
        for row in tx.all_of(_touching, hashes)
        for hashed in (row.key_hash, row.other_hash)
        if hashed in hashes
    }
    return touched | {key for key in keys if is_wordpress(key)}


# --- the partition ----------------------------------------------------------------------------------------------------

_owners: Final = select(
    articles.c.n,
    articles.c.id,
    articles.c.key_hash,
    articles.c.key,
    articles.c.page_id,
    articles.c.title_hash,
    articles.c.print_hash,
    articles.c.sample,
    articles.c.merged_into,
    articles.c.forgotten_at,
).where(any_of(articles.c.key_hash), or_(articles.c.merged_into.is_(None), articles.c.merged_into.not_in(_OUT)))
_merge: Final = update(articles).where(articles.c.id == bindparam("article")).values(merged_into=bindparam("survivor"))
_move_aliases: Final = (
    update(aliases).where(aliases.c.article_id == bindparam("merged")).values(article_id=bindparam("survivor"))
)
_follow: Final = (
    update(articles).where(articles.c.merged_into == bindparam("merged")).values(merged_into=bindparam("survivor"))
)
_urls_of_keys: Final = select(article_urls.c.url_hash, article_urls.c.key_hash).where(any_of(article_urls.c.key_hash))
_forget_alias: Final = delete(aliases).where(aliases.c.hash == bindparam("lost"))


def repartition(
    tx: Transaction,
    keys: Iterable[Key],
    at: datetime,
    *,
    unannounced: ArticleId | None = None,
    keep_urls: bool = False,
) -> Mapping[bytes, ArticleId]:
    """Merge and split articles by the evidence about `keys` and about all keys connected with them.

    The evidence gives groups of keys. Each group means one article: the oldest whose own key is in it. An article that
    was made from a later page of a multi-page article is chosen only if there is no other. The other articles are
    merged into the chosen one; their rows and texts stay, so that a split can restore them.

    If no key of a group has an article of its own, the keys and their addresses mean none any more, unless `keep_urls`.
    A merge of `unannounced`, an article that this transaction inserted, adds no row to `changes`.

    Return the article of each key that has one, by the hash of the key.
    """
    found, edges = _component(tx, keys)
    by_key = {Key(row.key): row for row in tx.all_of(_owners, map(key_hash, found))}
    if not edges:  # no evidence: each key is an article of its own
        unowned = [key_hash(key) for key in found - by_key.keys() if is_short_link(key)]  # two hosts claim the blog
        own = {row.key_hash: ArticleId(row.id) for row in by_key.values()}
        _settle(tx, own, unowned, at, by_key, unannounced)
        return own
    shared, doubtful = contested(tx, edges, by_key), doubtful_edges(tx, edges, by_key)
    judgement = judge(_facts(by_key), edges - shared - doubtful)
    parts = {edge.other for edge in edges if edge.kind is EvidenceKind.PART}
    wanted: dict[bytes, ArticleId] = {}
    orphans: list[bytes] = []
    for group in judgement.groups:
        if not group <= found:  # the far end of an edge that was not walked
            continue
        hashes = [key_hash(key) for key in group]
        owners = [by_key[key] for key in group if key in by_key]
        if owners:
            first = min(owners, key=lambda row: (row.key in parts, row.n))
            wanted.update(dict.fromkeys(hashes, ArticleId(first.id)))
        else:
            orphans += hashes
    _settle(tx, wanted, () if keep_urls else orphans, at, by_key, unannounced)
    refused = [(edge, Refusal.SHARED_TARGET) for edge in shared] + [(edge, Refusal.OTHER_TITLES) for edge in doubtful]
    record_refused(tx, [*judgement.refused, *sorted(refused)], at)
    return wanted


def record_refused(tx: Transaction, refused: Iterable[tuple[Edge, Refusal]], at: datetime) -> None:
    """Store which edges do not count, each with the reason, as decisions."""
    made = [
        Decision(
            url=edge.key, key=edge.key, verdict="refused", rule=reason.value, detail=f"{edge.kind.value} {edge.other}"
        )
        for edge, reason in refused
    ]
    record_decisions(tx, "evidence", made, at)


def _facts(by_key: Mapping[Key, Row[Any]]) -> dict[Key, KeyFacts]:
    """Return the facts about the text of each article that was not forgotten, by the key of the article."""
    return {
        key: KeyFacts(text_hash=row.print_hash, title_hash=row.title_hash, sample=load_sample(row.sample))
        for key, row in by_key.items()
        if row.forgotten_at is None
    }


def _settle(
    tx: Transaction,
    wanted: Mapping[bytes, ArticleId],
    orphans: Collection[bytes],
    at: datetime,
    by_key: Mapping[Key, Row[Any]],
    unannounced: ArticleId | None,
) -> None:
    """Merge and split articles, and move aliases. `wanted` has the article of each key, by the hash of the key.

    The keys with a hash in `orphans` have no article any more.
    """
    new_changes: list[dict[str, Any]] = []
    for row in sorted(by_key.values(), key=lambda row: row.n):
        survivor = wanted[row.key_hash]
        if survivor != row.id and row.merged_into != survivor:
            tx.run(_merge, {"article": row.id, "survivor": survivor})
            for statement in (_move_aliases, _follow):
                tx.run(statement, {"merged": row.id, "survivor": survivor})
            if row.id != unannounced:
                new_changes.append({"article_id": row.id, "kind": "merged", "merged_into": survivor, "at": at})
        elif survivor == row.id and row.merged_into is not None:
            tx.run(_merge, {"article": row.id, "survivor": None})
            new_changes.append({"article_id": row.id, "kind": "split", "merged_into": None, "at": at})
    tx.add(changes, new_changes)
    move_urls(tx, wanted, orphans)


def move_urls(tx: Transaction, wanted: Mapping[bytes, ArticleId], orphans: Collection[bytes] = ()) -> None:
    """Let the keys in `wanted` and their URLs mean the given articles. Keys are given by their hashes.

    If a key in `orphans` means an article, the key and its URLs mean none any more.
    """
    urls = {row.url_hash: row.key_hash for row in tx.all_of(_urls_of_keys, [*wanted, *orphans])}
    set_aliases(tx, dict(wanted) | {url: wanted[key] for url, key in urls.items() if key in wanted})
    lost = resolve(tx, orphans).keys()  # an address that only leads elsewhere stays known
    tx.run_all(_forget_alias, [{"lost": one} for one in [*lost, *(url for url, key in urls.items() if key in lost)]])
