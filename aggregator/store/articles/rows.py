"""Writes the rows of an article: article, revisions, search index, fingerprints, changes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, bindparam, or_, select, update

from aggregator.identity.fingerprint import Fingerprint, lasting
from aggregator.identity.identify import article_id, key_hash
from aggregator.models.ids import ArticleId, Identity, Key
from aggregator.ports.store_records import ArticleRecord
from aggregator.store.articles.near_duplicates import Printed, keep_fingerprints
from aggregator.store.articles.search import forget_text, index_texts
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import dump, dump_extraction_rest, dump_sample, load_extraction
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


PAGE_COLUMNS: Final = (
    pages.c.id,
    pages.c.key,
    pages.c.url,
    pages.c.feed_id,
    pages.c.first_seen,
    pages.c.raw_hash,
    pages.c.article_id,
    pages.c.has_variants,
)


@dataclass(frozen=True, slots=True)
class ArticleDraft:
    """An extracted article, with all values of its rows that can be computed before the transaction."""

    record: ArticleRecord
    site: str
    title_hash: bytes
    body_hash: bytes
    fingerprint: Fingerprint
    content: str  # the fields of the extraction that have no column in `revisions`

    @property
    def language(self) -> str:
        """The language of the article without script and region: "zh" for "zh-Hant-TW"."""
        return self.record.content.language.partition("-")[0]


def draft_of(record: ArticleRecord) -> ArticleDraft:
    """Return the draft of an extracted article."""
    body_hash = text_hash(lasting(record.content.body))  # a changed age line or counter makes no revision
    return ArticleDraft(
        record=record,
        site=registrable_domain(record.identity.url),
        title_hash=text_hash(record.content.title),
        body_hash=body_hash,
        fingerprint=record.fingerprint or Fingerprint(hashes=frozenset(), size=0, text_hash=body_hash),
        content=dump_extraction_rest(record.content),
    )


@dataclass(frozen=True, slots=True)
class ArticleWrite:
    """A draft to be written, with the row of its page (at least `PAGE_COLUMNS`) and the time of the transaction.

    `if_doubtful` is when the page is fetched again if the article is in doubt; None: never.
    """

    page: Row[Any]
    draft: ArticleDraft
    at: datetime
    if_doubtful: datetime | None = None

    @property
    def record(self) -> ArticleRecord:
        """The extracted article."""
        return self.draft.record

    @property
    def key(self) -> Key:
        """The key of the article: that of the address that served it, or else that of its page."""
        return self.record.identity.key or Key(self.page.key)

    @property
    def identities(self) -> tuple[Identity, ...]:
        """The addresses of the article with their keys. The last is the shown address, with the key of the article."""
        record = self.record
        shown = Identity(url=record.url, key=self.key, rule=record.identity.rule)
        return (record.identity, *record.urls, *record.pointers, shown)


def article_row(tx: Transaction, wanted: ArticleId) -> Row[Any] | None:
    """Return the row of an article; None: there is none."""
    return tx.first(_by_id, {"article": wanted})


def find_article(tx: Transaction, key: Key) -> tuple[ArticleId, Row[Any] | None]:
    """Return the id and the row of the article with this key. If there is none, return a free id and None.

    If a change of the rules gave the key to two articles and they were merged, the remaining one is returned. A new id
    is computed from the key; it stays when the key changes.
    """
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


def _values(write: ArticleWrite) -> dict[str, Any]:
    return {
        "page_id": write.page.id,
        "url": write.record.url,
        "recorded_at": write.at,
        "title_hash": write.draft.title_hash,
        "body_hash": write.draft.body_hash,
        "print_hash": write.draft.fingerprint.text_hash,
        "print_size": write.draft.fingerprint.size,
        "sample": dump_sample(write.draft.fingerprint.hashes),
        "quality": dump(write.record.quality),
        "language": write.draft.language,
        "raw_hash": write.page.raw_hash,
    }


_numbers: Final = select(articles.c.id, articles.c.n).where(any_of(articles.c.key_hash))


def insert_articles(tx: Transaction, new: Mapping[ArticleId, ArticleWrite]) -> None:
    """Insert new articles, each with its first revision."""
    rows = [
        {
            "id": article,
            "key_hash": key_hash(write.key),
            "key": write.key,
            "feed_id": write.page.feed_id,
            "first_seen": write.page.first_seen,
            "revision": 1,
            "site": write.draft.site,
            **_values(write),
        }
        for article, write in new.items()
    ]
    tx.add(articles, rows)
    numbers = {row.id: row.n for row in tx.all_of(_numbers, (key_hash(write.key) for write in new.values()))}
    _insert_revisions(tx, ((article, 1, write) for article, write in new.items()))
    _settle_texts(tx, {numbers[article]: write for article, write in new.items()}, are_new=True)


def _insert_revisions(tx: Transaction, numbered: Iterable[tuple[ArticleId, int, ArticleWrite]]) -> None:
    rows = [
        {
            "article_id": article,
            "number": number,
            "recorded_at": write.at,
            "title": write.record.content.title,
            "body": write.record.content.body,
            "content": write.draft.content,
            "raw_hash": write.page.raw_hash,
        }
        for article, number, write in numbered
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
                "language",
                "raw_hash",
            )
        },
    )
)


def revise(tx: Transaction, own: Row[Any], write: ArticleWrite) -> None:
    """Give the article another text; the earlier text stays as a revision."""
    number = own.revision + 1
    forget_text(tx, own.n)
    values: Mapping[str, Any] = {f"new_{name}": value for name, value in _values(write).items()}
    _insert_revisions(tx, [(ArticleId(own.id), number, write)])
    tx.run(_revised, {"article": own.id, "new_revision": number, **values})
    _settle_texts(tx, {own.n: write}, are_new=False)


def restore_revision(tx: Transaction, own: Row[Any], revision: Row[Any], printed: Fingerprint) -> None:
    """Make an earlier revision the current text again, without reasons to doubt it. `printed` is its fingerprint.

    The caller has deleted the later revisions.
    """
    content = load_extraction(revision.title, revision.body, revision.content)
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
        "language": content.language.partition("-")[0],
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


def _settle_texts(tx: Transaction, texts: Mapping[int, ArticleWrite], *, are_new: bool) -> None:
    """Index the texts of articles for search, and store which older article each one nearly repeats.

    `texts` has each text by the row number of its article. `are_new` False: the texts replace earlier ones.
    """
    contents = {n: write.record.content for n, write in texts.items()}
    index_texts(tx, [(n, content.title, content.body) for n, content in contents.items()])
    printed = [Printed(n, texts[n].draft.site, texts[n].draft.fingerprint) for n in sorted(texts)]
    matches = keep_fingerprints(tx, printed, replace=not are_new)
    marks = []
    for n in matches if are_new else texts:
        of_article, score = matches.get(n, (None, None))
        marks.append({"number_": n, "of_article": of_article, "score": score})
    tx.run_all(_mark, marks)


def add_change(
    tx: Transaction, changed: Iterable[ArticleId], kind: Literal["new", "updated", "withdrawn"], at: datetime
) -> None:
    """Store a change of this kind for each article. `number_changes` numbers it later; then sinks deliver it."""
    tx.add(changes, [{"article_id": article, "kind": kind, "merged_into": None, "at": at} for article in changed])
