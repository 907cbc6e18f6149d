"""What comes in with a page and how its text is kept: article row, revisions, search, near duplicates."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, bindparam, or_, select, update

from aggregator.identity.fingerprint import Fingerprint, lasting
from aggregator.identity.identify import article_id, key_hash
from aggregator.models.records import ArticleId, Identity, Key
from aggregator.ports.store_records import ArticleRecord
from aggregator.store.articles.near_duplicates import Printed, keep_fingerprints
from aggregator.store.articles.search import forget_text, index_texts
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import dump, dump_extraction_rest, dump_sample
from aggregator.store.db.database import Transaction
from aggregator.store.db.hashes import text_hash
from aggregator.store.db.schema import articles, changes, evidence, pages, revisions
from aggregator.store.identity.partition import RULES
from aggregator.urls import registrable_domain

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


TEXT_COLUMNS: Final = (
    pages.c.id,
    pages.c.key,
    pages.c.url,
    pages.c.feed_id,
    pages.c.first_seen,
    pages.c.raw_hash,
    pages.c.article_id,
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What was extracted, with all that is computed of it before a transaction begins: others wait for its end."""

    record: ArticleRecord
    site: str
    title_hash: bytes
    body_hash: bytes
    fingerprint: Fingerprint
    content: str  # what no column of `revisions` holds


def draft_of(record: ArticleRecord) -> Draft:
    """Return what is to be written."""
    body_hash = text_hash(lasting(record.content.body))  # for a changed age line or counter there is no revision
    return Draft(
        record=record,
        site=registrable_domain(record.identity.url),
        title_hash=text_hash(record.content.title),
        body_hash=body_hash,
        fingerprint=record.fingerprint or Fingerprint(hashes=frozenset(), size=0, text_hash=body_hash),
        content=dump_extraction_rest(record.content),
    )


@dataclass(frozen=True, slots=True)
class Text:
    """A text and the row of its page, with `TEXT_COLUMNS` at least."""

    page: Row[Any]
    draft: Draft

    @property
    def record(self) -> ArticleRecord:
        """What was extracted."""
        return self.draft.record

    @property
    def key(self) -> Key:
        """The key under which it comes: that of the address that served it."""
        return self.record.identity.key or Key(self.page.key)


@dataclass(frozen=True, slots=True)
class Incoming:
    """What comes in, with what is computed from it once."""

    record: ArticleRecord
    draft: Draft
    key: Key
    id: ArticleId
    own: Row[Any] | None  # the article of this id as it was
    page: Row[Any]
    at: datetime

    @property
    def identities(self) -> tuple[Identity, ...]:
        """The addresses that lead here, with their keys; the one to show has the text's own."""
        record = self.record
        shown = Identity(url=record.url, key=self.key, rule=record.identity.rule)
        return (record.identity, *record.urls, *record.pointers, shown)


def article_row(tx: Transaction, wanted: ArticleId) -> Row[Any] | None:
    """Return the row of an article."""
    return tx.first(_by_id, {"article": wanted})


def incoming_of(tx: Transaction, text: Text) -> Incoming:
    """Return what comes in."""
    article, own = _own_of(tx, text.key)
    return describe(text, article, own, tx.now)


def describe(text: Text, article: ArticleId, own: Row[Any] | None, at: datetime) -> Incoming:
    """Return what comes in for an article id that is its own or free."""
    return Incoming(record=text.record, draft=text.draft, key=text.key, id=article, own=own, page=text.page, at=at)


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


# --- texts ------------------------------------------------------------------------------------------------------------


def _values(incoming: Incoming) -> dict[str, Any]:
    return {
        "page_id": incoming.page.id,
        "url": incoming.record.url,
        "recorded_at": incoming.at,
        "title_hash": incoming.draft.title_hash,
        "body_hash": incoming.draft.body_hash,
        "print_hash": incoming.draft.fingerprint.text_hash,
        "print_size": incoming.draft.fingerprint.size,
        "sample": dump_sample(incoming.draft.fingerprint.hashes),
        "quality": dump(incoming.record.quality),
        "raw_hash": incoming.page.raw_hash,
    }


_numbers: Final = select(articles.c.id, articles.c.n).where(any_of(articles.c.key_hash))


def insert_articles(tx: Transaction, new: Sequence[Incoming]) -> None:
    """Insert articles that are not there, each with its first revision."""
    rows = [
        {
            "id": incoming.id,
            "key_hash": key_hash(incoming.key),
            "key": incoming.key,
            "feed_id": incoming.page.feed_id,
            "first_seen": incoming.page.first_seen,
            "revision": 1,
            "site": incoming.draft.site,
            **_values(incoming),
        }
        for incoming in new
    ]
    tx.add(articles, rows)
    numbers = {row.id: row.n for row in tx.all_of(_numbers, (key_hash(incoming.key) for incoming in new))}
    _insert_revisions(tx, ((incoming, 1) for incoming in new))
    _settle_texts(tx, {numbers[incoming.id]: incoming for incoming in new}, are_new=True)


def _insert_revisions(tx: Transaction, numbered: Iterable[tuple[Incoming, int]]) -> None:
    rows = [
        {
            "article_id": incoming.id,
            "number": number,
            "recorded_at": incoming.at,
            "title": incoming.record.content.title,
            "body": incoming.record.content.body,
            "content": incoming.draft.content,
            "raw_hash": incoming.page.raw_hash,
        }
        for incoming, number in numbered
    ]
    tx.add(revisions, rows)


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
    forget_text(tx, own.n)
    values: Mapping[str, Any] = {f"new_{name}": value for name, value in _values(incoming).items()}
    _insert_revisions(tx, [(incoming, number)])
    tx.run(_revised, {"article": incoming.id, "new_revision": number, **values})
    _settle_texts(tx, {own.n: incoming}, are_new=False)


def restore_revision(tx: Transaction, own: Row[Any], revision: Row[Any], printed: Fingerprint) -> None:
    """Make an earlier revision the current text again; the caller removed the later ones."""
    values = {
        "page_id": own.page_id,
        "url": own.url,
        "recorded_at": revision.recorded_at,
        "title_hash": text_hash(revision.title),
        "body_hash": text_hash(lasting(revision.body)),
        "print_hash": printed.text_hash,
        "print_size": printed.size,
        "sample": dump_sample(printed.hashes),
        "quality": dump(()),
        "raw_hash": revision.raw_hash,
    }
    new = {f"new_{name}": value for name, value in values.items()}
    tx.run(_revised, {"article": own.id, "new_revision": revision.number, **new})
    index_texts(tx, [(own.n, revision.title, revision.body)])
    keep_fingerprints(tx, [Printed(own.n, own.site, printed)], replace=True)


_mark: Final = (
    update(articles)
    .where(articles.c.n == bindparam("number_"))
    .values(near_duplicate_of=bindparam("of_article"), near_score=bindparam("score"))
)


def _settle_texts(tx: Transaction, texts: Mapping[int, Incoming], *, are_new: bool) -> None:
    """Make new texts findable by their words, and say which older article each repeats; by article row."""
    contents = {n: incoming.record.content for n, incoming in texts.items()}
    index_texts(tx, [(n, content.title, content.body) for n, content in contents.items()])
    printed = [Printed(n, texts[n].draft.site, texts[n].draft.fingerprint) for n in sorted(texts)]
    matches = keep_fingerprints(tx, printed, replace=not are_new)
    marks = []
    for n in matches if are_new else texts:
        of_article, score = matches.get(n, (None, None))
        marks.append({"number_": n, "of_article": of_article, "score": score})
    tx.run_all(_mark, marks)


def announce(tx: Transaction, told: Iterable[Incoming], kind: Literal["new", "updated"]) -> None:
    """Tell the followers."""
    rows = [{"article_id": incoming.id, "kind": kind, "merged_into": None, "at": incoming.at} for incoming in told]
    tx.add(changes, rows)
