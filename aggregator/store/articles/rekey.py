"""Computes the keys of stored addresses again after the rules changed: in batches, beside other work, resumable.

An article keeps its id, and an address keeps its article. Only their keys change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, bindparam, delete, exists, select, union, update

from aggregator.identity.evidence import Edge
from aggregator.identity.identify import key_hash
from aggregator.models.ids import OWN_CONTENT, EvidenceKind, Identity, Key
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.properties import read_property, write_property
from aggregator.store.db.schema import DONE, DUE, article_urls, articles, evidence, pages
from aggregator.store.identity.partition import RULES, load_edge, note_edges, repartition

_PROPERTY: Final = "key version"
_DONE: Final = "done"


def _next_of(hashed: ColumnElement[bytes], key: ColumnElement[str]) -> Select[tuple[bytes, str]]:
    """Return the query for the next keys in a pair of columns (hash, key). It reads few rows in a table of any size."""
    after = bindparam("after", type_=article_urls.c.key_hash.type)
    own = select(hashed.label("key_hash"), key.label("key")).where(hashed > after).distinct().order_by(hashed)
    part = own.limit(bindparam("limit")).subquery()
    return select(part.c.key_hash, part.c.key)


_next_keys: Final = (
    union(
        _next_of(article_urls.c.key_hash, article_urls.c.key),
        _next_of(evidence.c.key_hash, evidence.c.key),
        _next_of(evidence.c.other_hash, evidence.c.other),
    )
    .order_by("key_hash")
    .limit(bindparam("limit"))
)
_urls: Final = select(article_urls.c.url_hash, article_urls.c.url).where(article_urls.c.key_hash == bindparam("hashed"))
_rename_url: Final = (
    update(article_urls)
    .where(article_urls.c.url_hash == bindparam("hashed"))
    .values(key=bindparam("new_key"), key_hash=bindparam("new_hash"), rule=bindparam("new_rule"))
)
_own_page: Final = select(pages.c.id, pages.c.url).where(pages.c.key_hash == bindparam("hashed"))
_other_page: Final = pages.alias("other_page")
_rename_page: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"), ~exists().where(_other_page.c.key_hash == bindparam("new_hash")))
    .values(key=bindparam("new_key"), key_hash=bindparam("new_hash"))
)
_own_articles: Final = select(articles.c.n, articles.c.id, articles.c.key, articles.c.url, articles.c.site).where(
    any_of(articles.c.key_hash)
)
_rename_article: Final = (
    update(articles)
    .where(articles.c.id == bindparam("article"))
    .values(key=bindparam("new_key"), key_hash=bindparam("new_hash"))
)
_edges: Final = select(evidence).where(
    (evidence.c.key_hash == bindparam("hashed")) | (evidence.c.other_hash == bindparam("hashed"))
)
_bridges: Final = select(evidence.c.id, evidence.c.key_hash).where(
    evidence.c.other_hash == bindparam("hashed"), evidence.c.witness == bindparam("said_by")
)
_end_visits: Final = (  # if two pages get one key, only the first is visited again
    update(pages)
    .where(pages.c.key_hash == bindparam("hashed"), pages.c.state == DUE, pages.c.article_id.is_not(None))
    .values(state=DONE)
)
_drop_edge: Final = delete(evidence).where(evidence.c.id == bindparam("edge"))


def is_done(tx: Transaction, version: str) -> bool:
    """Return whether all keys of the store were computed by this version of the rules for keys."""
    return read_property(tx, _PROPERTY) == f"{version} {_DONE}"


def rekey(tx: Transaction, version: str, identify: Callable[[str], Identity], limit: int) -> bool:
    """Recompute the next `limit` keys by `version` of the rules; return whether all keys are done."""
    known, _, at = (read_property(tx, _PROPERTY) or "").rpartition(" ")
    if is_done(tx, version):
        return True
    after = bytes.fromhex(at) if known == version else b""
    rows = tx.all(_next_keys, {"after": after, "limit": limit})
    if not rows:
        write_property(tx, _PROPERTY, f"{version} {_DONE}")
        return True
    tx.dialect.lock_identity(tx.conn)
    touched = {key for row in rows for key in _rekey_one(tx, Key(row.key), identify)}
    if touched:
        repartition(tx, touched, tx.now, keep_urls=True)
    write_property(tx, _PROPERTY, f"{version} {rows[-1].key_hash.hex()}")
    return False


def _rekey_one(tx: Transaction, key: Key, identify: Callable[[str], Identity]) -> set[Key]:
    """Give the addresses and articles with this key their new keys; return keys whose articles may merge or split."""
    if key.startswith(OWN_CONTENT):  # the key was not made from an address
        return set()
    rows = tx.all(_urls, {"hashed": key_hash(key)})
    if not rows:
        return _rekey_named(tx, key, identify)
    found = {row.url_hash: identify(row.url) for row in rows}
    moved = {url: one for url, one in found.items() if one.key not in (None, key)}
    if not moved:
        return set()
    for hashed, one in moved.items():
        tx.run(_rename_url, {"hashed": hashed, "new_rule": one.rule, **_named(one.key or key)})
    for page in tx.all(_own_page, {"hashed": key_hash(key)}):
        tx.run(_rename_page, {"page": page.id, **_named(identify(page.url).key or key)})
    residents = _residents(tx, key)
    touched = {key, *(one.key for one in moved.values() if one.key is not None)}
    if not any(article.key == key for article in residents):
        new_keys = {one.key for one in found.values() if one.key is not None}
        _rename_edges(tx, key, new_keys.pop() if len(new_keys) == 1 else key)
    return touched | {end for article in residents for end in _place(tx, article, identify)}


def _rekey_named(tx: Transaction, key: Key, identify: Callable[[str], Identity]) -> set[Key]:
    """Replace a key that is only in evidence by its new key; return the keys whose articles may merge or split.

    No address is stored for such a key. A key by the general rules reads like an address, so the rules are applied to
    the key itself.
    """
    heir = identify(key).key or key
    if heir == key or tx.all_of(_own_articles, [key_hash(key)]):
        return set()
    _rename_edges(tx, key, heir)
    return {key, heir}


def _residents(tx: Transaction, key: Key) -> list[Row[Any]]:
    """Return the articles that have `key`, or were joined to it by an earlier `rekey`, oldest first.

    The evidence by which they were joined is deleted.
    """
    bridges = tx.all(_bridges, {"hashed": key_hash(key), "said_by": RULES})
    for bridge in bridges:
        tx.run(_drop_edge, {"edge": bridge.id})
    hashes = [key_hash(key), *(bridge.key_hash for bridge in bridges)]
    rows = {row.n: row for row in tx.all_of(_own_articles, hashes)}
    return [rows[n] for n in sorted(rows)]


def _place(tx: Transaction, article: Row[Any], identify: Callable[[str], Identity]) -> set[Key]:
    """Give an article and its evidence the new key of its address; return the keys whose articles may merge or split.

    If another article has the new key, both articles keep their keys, and evidence says that they are one. They are
    merged if their texts agree. The evidence is deleted when the rules change the new key once more.
    """
    key = Key(article.key)
    heir = identify(article.url).key or key
    if heir == key:
        return {key}
    if tx.all_of(_own_articles, [key_hash(heir)]):
        note_edges(tx, [_bridge(key, heir, article)], tx.now)
        tx.run(_end_visits, {"hashed": key_hash(key)})
    else:
        tx.run(_rename_article, {"article": article.id, **_named(heir)})
        _rename_edges(tx, key, heir)
    return {key, heir}


def _named(key: Key) -> dict[str, Any]:
    return {"new_key": key, "new_hash": key_hash(key)}


def _bridge(key: Key, heir: Key, article: Row[Any]) -> Edge:
    site = article.site
    return Edge(key=key, other=heir, kind=EvidenceKind.REDIRECT, site=site, other_site=site, witness=RULES)


def _rename_edges(tx: Transaction, key: Key, heir: Key) -> None:
    if heir == key:
        return
    rows = tx.all(_edges, {"hashed": key_hash(key)})
    for row in rows:
        tx.run(_drop_edge, {"edge": row.id})
    note_edges(tx, list(_renamed((load_edge(row) for row in rows), key, heir)), tx.now)


def _renamed(edges: Iterable[Edge], key: Key, heir: Key) -> Iterable[Edge]:
    for edge in edges:
        ends = [heir if end == key else end for end in (edge.key, edge.other)]
        if ends[0] != ends[1]:
            yield Edge(
                key=ends[0],
                other=ends[1],
                kind=edge.kind,
                site=edge.site,
                other_site=edge.other_site,
                witness=edge.witness,
            )
