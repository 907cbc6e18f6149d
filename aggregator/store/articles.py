"""An extracted article on its way in: text, revision, identity, near duplicates, its page; one transaction."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, bindparam, case, or_, select, update

from aggregator.fingerprint import Fingerprint, lasting
from aggregator.identify import article_id, key_hash
from aggregator.ledger import ArticleOutcome, ArticleRecord, ArticleRecorded
from aggregator.models import ArticleId, FetchedPage, HostId, Identity, Key
from aggregator.store.blogs import learn_blog, note_short_links
from aggregator.store.codec import dump, dump_extraction_rest, dump_sample
from aggregator.store.database import Transaction
from aggregator.store.decisions import record_decisions
from aggregator.store.dialects import insert_new
from aggregator.store.hashes import text_hash
from aggregator.store.hosts import lower_pages_due
from aggregator.store.identity import RULES, note_edges, note_urls, point, repartition
from aggregator.store.neighbours import find_near_duplicate, save_fingerprint
from aggregator.store.page_parts import ask_for_part
from aggregator.store.schema import NEVER, articles, changes, evidence, pages, revisions
from aggregator.store.search import index_article
from aggregator.urls import registrable_domain

_Kind = Literal["new", "updated", "unchanged", "duplicate"]

_page: Final = (
    select(pages.c.id, pages.c.host_id, pages.c.feed_id, pages.c.first_seen, pages.c.raw_hash)
    .where(pages.c.id == bindparam("page"), pages.c.token == bindparam("held"), pages.c.state == "fetched")
    .with_for_update()
)
_by_id: Final = select(articles).where(articles.c.id == bindparam("article"))
_by_key_or_id: Final = select(articles).where(
    or_(articles.c.key_hash == bindparam("hashed"), articles.c.id == bindparam("article"))
)
_older_by_rules: Final = (  # the article that was given this key, too, and came first
    select(articles.c.id)
    .join(evidence, evidence.c.key_hash == articles.c.key_hash)
    .where(
        evidence.c.other_hash == bindparam("hashed"), evidence.c.witness == RULES, articles.c.id == bindparam("into")
    )
)
_finish: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"))
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("at"),
        article_id=bindparam("article"),
        token=pages.c.token + 1,
        lease_until=NEVER,
        lease_owner="",
        extract_attempts=0,
        attempts=case((pages.c.raw_hash.is_(None), pages.c.attempts), else_=0),  # a stand-in ends no series of tries
        cause=None,
        detail="",
    )
)


@dataclass(frozen=True, slots=True)
class Incoming:
    """What comes in, with what is computed from it once."""

    record: ArticleRecord
    key: Key
    id: ArticleId
    own: Row[Any] | None  # the article of this id as it was
    page: Row[Any]
    at: datetime
    site: str
    title_hash: bytes
    body_hash: bytes
    fingerprint: Fingerprint


def record_article(tx: Transaction, outcome: ArticleOutcome) -> ArticleRecorded | None:
    """Save what was extracted from a page; None: the claim is lost, nothing was saved."""
    page, record = outcome.page, outcome.record
    tx.dialect.lock_identity(tx.conn)
    row = tx.first(_page, {"page": page.id, "held": page.token})
    if row is None:
        return None
    incoming = incoming_of(tx, row, page, record)
    shown = Identity(url=record.url, key=incoming.key, rule=record.identity.rule)
    owners = note_urls(tx, (record.identity, *record.urls, *record.pointers, shown), incoming.at)
    note_edges(tx, record.edges, incoming.at)
    kind, recorded = save_text(tx, incoming, owners.get(key_hash(incoming.key)))
    _heed_wordpress(tx, incoming)
    point(tx, {key_hash(pointer.url): recorded for pointer in record.pointers}, move=False)
    made = [replace(decision, article_id=recorded) for decision in record.decisions]
    record_decisions(tx, f"page {page.id}", made, incoming.at)
    next_visit_at = outcome.if_changed if kind in ("new", "updated") else outcome.if_unchanged
    finish = {
        "page": page.id,
        "new_state": "done" if next_visit_at is None else "due",
        "at": next_visit_at or incoming.at,
        "article": incoming.id,
    }
    tx.run(_finish, finish)
    if next_visit_at is not None:
        lower_pages_due(tx, HostId(row.host_id), next_visit_at)
        if outcome.resumes:
            ask_for_part(tx, page.id, page.parts[-1].url, next_visit_at)
    return ArticleRecorded(article_id=recorded, kind=kind)


def _heed_wordpress(tx: Transaction, incoming: Incoming) -> None:
    """Keep which short links were seen and where their blog lives; join what that joins."""
    record = incoming.record
    seen = [one.key for one in (record.identity, *record.urls, *record.pointers)]
    seen += [key for edge in record.edges for key in (edge.key, edge.other)]
    touched = note_short_links(tx, seen)
    if record.blog is not None:
        touched |= learn_blog(tx, record.blog)
    if touched:
        repartition(tx, touched, incoming.at)


def article_row(tx: Transaction, wanted: ArticleId) -> Row[Any] | None:
    """Return the row of an article."""
    return tx.first(_by_id, {"article": wanted})


def incoming_of(tx: Transaction, row: Row[Any], page: FetchedPage, record: ArticleRecord) -> Incoming:
    """Return what comes in; `row` has the page's id, feed_id, first_seen and raw_hash."""
    key = record.identity.key or page.key
    content = record.content
    body_hash = text_hash(lasting(content.body))  # for a changed age line or counter there is no revision
    article, own = _own_of(tx, key)
    return Incoming(
        record=record,
        key=key,
        id=article,
        own=own,
        page=row,
        at=tx.now,
        site=registrable_domain(record.identity.url),
        title_hash=text_hash(content.title),
        body_hash=body_hash,
        fingerprint=record.fingerprint or Fingerprint(hashes=frozenset(), size=0, text_hash=body_hash),
    )


def _own_of(tx: Transaction, key: Key) -> tuple[ArticleId, Row[Any] | None]:
    """Return the article that has this key, or a free id: articles keep theirs when the rules change."""
    hashed, wanted = key_hash(key), article_id(key)
    rows = tx.all(_by_key_or_id, {"hashed": hashed, "article": wanted})
    own = next((row for row in rows if row.key_hash == hashed), None)
    if own is not None:
        older = own.merged_into and tx.first(_older_by_rules, {"hashed": hashed, "into": own.merged_into})
        return (ArticleId(older.id), article_row(tx, older.id)) if older else (ArticleId(own.id), own)
    if not rows:
        return wanted, None
    others = (article_id(Key(f"{key}{' ' * n}")) for n in itertools.count(1))
    return next(free for free in others if article_row(tx, free) is None), None


# --- text -------------------------------------------------------------------------------------------------------------


def save_text(tx: Transaction, incoming: Incoming, meant: ArticleId | None) -> tuple[_Kind, ArticleId]:
    """Save the text where it is new, decide again what is one article; return what came of it and which article.

    `meant` is the article that the key means so far.
    """
    own = incoming.own
    keys = {incoming.key, *(key for edge in incoming.record.edges for key in (edge.key, edge.other))}
    if own is None:
        if meant is not None and _is_forgotten(tx, meant):
            return "unchanged", meant
        _insert(tx, incoming)
        survivor = repartition(tx, keys, incoming.at, unannounced=incoming.id)[key_hash(incoming.key)]
        return ("new", announce(tx, incoming, "new")) if survivor == incoming.id else ("duplicate", survivor)
    changed = own.forgotten_at is None and _is_revision(own, incoming)
    if changed:
        revise(tx, own, incoming)
    repartition(tx, keys, incoming.at)
    own = tx.run(_by_id, {"article": incoming.id}).one()
    if own.merged_into is not None:
        return "unchanged", ArticleId(own.merged_into)
    return ("updated", announce(tx, incoming, "updated")) if changed else ("unchanged", incoming.id)


def _is_forgotten(tx: Transaction, article: ArticleId) -> bool:
    """Tell whether the article was forgotten: its text never comes back."""
    row = article_row(tx, article)
    return row is not None and row.forgotten_at is not None


def _is_revision(own: Row[Any], incoming: Incoming) -> bool:
    """Tell whether the words changed; what another feed says never replaces what is there."""
    if (own.title_hash, own.body_hash) == (incoming.title_hash, incoming.body_hash):
        return False
    return incoming.record.content.source == "page" or incoming.page.id == own.page_id


def _values(incoming: Incoming) -> dict[str, Any]:
    return {
        "page_id": incoming.page.id,
        "url": incoming.record.url,
        "recorded_at": incoming.at,
        "title_hash": incoming.title_hash,
        "body_hash": incoming.body_hash,
        "print_hash": incoming.fingerprint.text_hash,
        "print_size": incoming.fingerprint.size,
        "sample": dump_sample(incoming.fingerprint.hashes),
        "quality": dump(incoming.record.quality),
        "raw_hash": incoming.page.raw_hash,
    }


def _insert(tx: Transaction, incoming: Incoming) -> None:
    row = {
        "id": incoming.id,
        "key_hash": key_hash(incoming.key),
        "key": incoming.key,
        "feed_id": incoming.page.feed_id,
        "first_seen": incoming.page.first_seen,
        "revision": 1,
        "site": incoming.site,
        **_values(incoming),
    }
    n = tx.run(insert_new(tx.dialect.name, articles).returning(articles.c.n), row).scalar_one()
    _insert_revision(tx, incoming, 1)
    index_article(tx, n)
    _mark_near_duplicate(tx, n, incoming, is_new=True)


def _insert_revision(tx: Transaction, incoming: Incoming, number: int) -> None:
    content = incoming.record.content
    row = {
        "article_id": incoming.id,
        "number": number,
        "recorded_at": incoming.at,
        "title": content.title,
        "body": content.body,
        "content": dump_extraction_rest(content),
        "raw_hash": incoming.page.raw_hash,
    }
    tx.add(revisions, [row])


_revised: Final = (
    update(articles)
    .where(articles.c.id == bindparam("article"))
    .values(
        revision=bindparam("new_revision"),
        **{
            name: bindparam(f"new_{name}", type_=articles.c[name].type)
            for name in (
                "page_id",
                "url",
                "recorded_at",
                "title_hash",
                "body_hash",
                "print_hash",
                "print_size",
                "sample",
                "quality",
                "raw_hash",
            )
        },
    )
)


def revise(tx: Transaction, own: Row[Any], incoming: Incoming) -> None:
    """Give the article another text; the one before stays as a revision."""
    number = own.revision + 1
    index_article(tx, own.n, remove=True)
    values: Mapping[str, Any] = {f"new_{name}": value for name, value in _values(incoming).items()}
    _insert_revision(tx, incoming, number)
    tx.run(_revised, {"article": incoming.id, "new_revision": number, **values})
    index_article(tx, own.n)
    _mark_near_duplicate(tx, own.n, incoming, is_new=False)


_mark: Final = (
    update(articles)
    .where(articles.c.n == bindparam("number_"))
    .values(near_duplicate_of=bindparam("of_article"), near_score=bindparam("score"))
)


def _mark_near_duplicate(tx: Transaction, n: int, incoming: Incoming, *, is_new: bool) -> None:
    match, boilerplate = find_near_duplicate(tx, incoming.fingerprint, n, incoming.site)
    save_fingerprint(tx, n, incoming.fingerprint.hashes - boilerplate, replace=not is_new)
    if match is not None or not is_new:
        of_article, score = match or (None, None)
        tx.run(_mark, {"number_": n, "of_article": of_article, "score": score})


def announce(tx: Transaction, incoming: Incoming, kind: Literal["new", "updated"]) -> ArticleId:
    """Tell the followers."""
    tx.add(changes, [{"article_id": incoming.id, "kind": kind, "merged_into": None, "at": incoming.at}])
    return incoming.id
