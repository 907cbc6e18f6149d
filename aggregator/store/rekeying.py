"""New keys for stored addresses after the rules changed: a few keys at a time, so it runs beside the work and resumes.

An article keeps its id and an address keeps its article; what changes is by which key both are found from now on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, exists, select, update

from aggregator.evidence import Edge
from aggregator.identify import key_hash
from aggregator.models import EvidenceKind, Identity, Key
from aggregator.store.database import Transaction
from aggregator.store.feeds import read_property, write_property
from aggregator.store.identity import load_edge, note_edges, repartition
from aggregator.store.schema import article_urls, articles, evidence, pages

_PROPERTY: Final = "key version"
_DONE: Final = "done"

_next_keys: Final = (
    select(article_urls.c.key_hash, article_urls.c.key)
    .where(article_urls.c.key_hash > bindparam("after", type_=article_urls.c.key_hash.type))
    .distinct()
    .order_by(article_urls.c.key_hash)
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
_own_article: Final = select(articles.c.id, articles.c.url, articles.c.site).where(
    articles.c.key_hash == bindparam("hashed")
)
_rename_article: Final = (
    update(articles)
    .where(articles.c.id == bindparam("article"))
    .values(key=bindparam("new_key"), key_hash=bindparam("new_hash"))
)
_edges: Final = select(evidence).where(
    (evidence.c.key_hash == bindparam("hashed")) | (evidence.c.other_hash == bindparam("hashed"))
)
_drop_edge: Final = delete(evidence).where(evidence.c.id == bindparam("edge"))


def rekey(tx: Transaction, version: str, identify: Callable[[str], Identity], limit: int) -> bool:
    """Bring the next `limit` keys in line with `version` of the rules; True once all of them are."""
    known, _, at = (read_property(tx, _PROPERTY) or "").rpartition(" ")
    if known == version and at == _DONE:
        return True
    after = bytes.fromhex(at) if known == version else b""
    rows = tx.all(_next_keys, {"after": after, "limit": limit})
    if not rows:
        write_property(tx, _PROPERTY, f"{version} {_DONE}")
        return True
    tx.dialect.lock_identity(tx.conn)
    touched = {key for row in rows for key in _rekey_one(tx, Key(row.key), identify)}
    if touched:
        repartition(tx, touched, tx.now)
    write_property(tx, _PROPERTY, f"{version} {rows[-1].key_hash.hex()}")
    return False


def _rekey_one(tx: Transaction, key: Key, identify: Callable[[str], Identity]) -> set[Key]:
    """Give the addresses of one key their new ones, and what stands under it; return the keys that this touches."""
    rows = tx.all(_urls, {"hashed": key_hash(key)})
    found = {row.url_hash: identify(row.url) for row in rows}
    moved = {url: one for url, one in found.items() if one.key not in (None, key)}
    if not moved:
        return set()
    for hashed, one in moved.items():
        tx.run(_rename_url, {"hashed": hashed, "new_rule": one.rule, **_named(one.key or key)})
    for page in tx.all(_own_page, {"hashed": key_hash(key)}):
        tx.run(_rename_page, {"page": page.id, **_named(identify(page.url).key or key)})
    heir = _heir(tx, key, [one.key for one in found.values() if one.key is not None], identify)
    return {key, heir, *(one.key for one in moved.values() if one.key is not None)}


def _heir(tx: Transaction, key: Key, new_keys: Sequence[Key], identify: Callable[[str], Identity]) -> Key:
    """Return the key that stands for the article of the old one from now on, with its evidence.

    Where another article has that key already, each keeps its own, and evidence says that they are one: if their texts
    agree, they will be.
    """
    article = tx.first(_own_article, {"hashed": key_hash(key)})
    if article is None:
        heir = new_keys[0] if len(set(new_keys)) == 1 else key
        _rename_edges(tx, key, heir)
        return heir
    heir = identify(article.url).key or key
    if heir == key:
        return key
    if tx.first(_own_article, {"hashed": key_hash(heir)}) is not None:
        note_edges(tx, [_bridge(key, heir, article)], tx.now)
        return heir
    tx.run(_rename_article, {"article": article.id, **_named(heir)})
    _rename_edges(tx, key, heir)
    return heir


def _named(key: Key) -> dict[str, Any]:
    return {"new_key": key, "new_hash": key_hash(key)}


def _bridge(key: Key, heir: Key, article: Row[Any]) -> Edge:
    site = article.site
    return Edge(key=key, other=heir, kind=EvidenceKind.REDIRECT, site=site, other_site=site, witness=site)


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
