"""Full-text search by FTS5 of SQLite or tsvector of PostgreSQL. Only this module knows the difference.

`text.search_words` splits texts into words for both. The index of SQLite stores no texts, so the same words are needed
again to remove a text from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Double,
    Integer,
    Row,
    Select,
    Subquery,
    and_,
    bindparam,
    column,
    exists,
    false,
    func,
    or_,
    select,
    text,
)

from aggregator.models.ids import ArticleId
from aggregator.ports.readings import ArticleSearch
from aggregator.store.db.codec import dump
from aggregator.store.db.column_types import Text
from aggregator.store.db.database import Transaction
from aggregator.store.db.properties import delete_property, read_property, write_property
from aggregator.store.db.schema import IS_CURRENT, VISIBLE, articles, entries, feeds, pages, revisions
from aggregator.text.languages import language_tag
from aggregator.text.search_words import Query, Term, index_words

REINDEXED: Final = "search_index"  # a property: the last article row whose text a migration's successor has indexed
_LARGEST_VECTOR: Final = 900_000  # bytes; PostgreSQL holds 1 MiB of words for a text
_LAST_POSITION: Final = 16_383  # PostgreSQL counts no further
_TIME: Final = "T"
_PLACE_IN_TIME: Final = f"%Y%m%d{_TIME}%H%M%S.%f"
_LONGEST_NUMBER: Final = 18  # digits of a row
_FEW_ENTRIES: Final = 2000
_TITLE_GAP: Final = 10  # positions between title and body, so that no phrase matches across both

# --- indexing ---------------------------------------------------------------------------------------------------------

_WORDS: Final = (bindparam("title", type_=Text), bindparam("body", type_=Text))
# Values, not a SELECT: before a statement of several rows FTS5 writes out what it has gathered (43 µs an article).
_ADD: Final = {
    "sqlite": text("INSERT INTO article_search (rowid, title, body) VALUES (:n, :title, :body)").bindparams(*_WORDS),
    "postgresql": text("INSERT INTO article_search (n, document) VALUES (:n, CAST(:document AS tsvector))").bindparams(
        bindparam("document", type_=Text)
    ),
}
_REMOVE: Final = {
    "sqlite": text(
        "INSERT INTO article_search (article_search, rowid, title, body) VALUES ('delete', :n, :title, :body)"
    ).bindparams(*_WORDS),
    "postgresql": text("DELETE FROM article_search WHERE n = :n"),
}
_text_of: Final = text("SELECT n, title, body FROM article_texts WHERE n = :n")
_texts_after: Final = text("SELECT n, title, body FROM article_texts WHERE n > :n ORDER BY n LIMIT :limit")


def index_texts(tx: Transaction, texts: Iterable[tuple[int, str, str]]) -> None:
    """Add texts to the index: number of the article row, title, body."""
    row_of = _words_row if tx.dialect.name == "sqlite" else _vector_row
    tx.run_all(_ADD[tx.dialect.name], [row_of(n, title, body) for n, title, body in texts])


def forget_text(tx: Transaction, number: int) -> None:
    """Remove the current text of an article row from the index, before the text is replaced."""
    if tx.dialect.name != "sqlite":
        tx.run_all(_REMOVE[tx.dialect.name], [{"n": number}])
        return
    rows = tx.all(_text_of, {"n": number})
    tx.run_all(_REMOVE["sqlite"], [_words_row(row.n, row.title, row.body) for row in rows])


def index_again(tx: Transaction, limit: int) -> bool:
    """Index the next `limit` texts if a migration emptied the index; return whether all texts are indexed."""
    done = read_property(tx, REINDEXED)
    if done is None:
        return True
    rows = tx.all(_texts_after, {"n": int(done), "limit": limit})
    index_texts(tx, [(row.n, row.title, row.body) for row in rows])
    if len(rows) < limit:
        delete_property(tx, REINDEXED)
        return True
    write_property(tx, REINDEXED, str(rows[-1].n))
    return False


def _words_row(n: int, title: str, body: str) -> dict[str, Any]:
    return {"n": n, "title": " ".join(index_words(title)), "body": " ".join(index_words(body))}


def _vector_row(n: int, title: str, body: str) -> dict[str, Any]:
    return {"n": n, "document": _vector(index_words(title), index_words(body))}


def _vector(title: list[str], body: list[str]) -> str:
    """Return title and body as the text of a tsvector. Words of the title have the weight A."""
    places: dict[str, list[str]] = {}
    size = 0
    numbered = [(word, f"{place}A") for place, word in enumerate(title, start=1)]
    numbered += ((word, str(place)) for place, word in enumerate(body, start=len(title) + _TITLE_GAP))
    for word, place in numbered:
        if word not in places:
            size += len(word.encode()) + 8
            if size > _LARGEST_VECTOR:
                break
            places[word] = []
        if len(places[word]) < 255 and int(place.rstrip("A")) <= _LAST_POSITION:
            places[word].append(place)
    return " ".join(f"'{word}'" + (f":{','.join(found)}" if found else "") for word, found in places.items())


# --- searching --------------------------------------------------------------------------------------------------------

_MATCHES: Final = {
    "sqlite": text("SELECT rowid AS n FROM article_search WHERE article_search MATCH :query"),
    "postgresql": text("SELECT n FROM article_search WHERE document @@ CAST(:query AS tsquery)"),
}
_WEIGHED: Final = {
    "sqlite": text(
        "SELECT rowid AS n, bm25(article_search, 4.0, 1.0) AS score FROM article_search "
        "WHERE article_search MATCH :query"
    ),
    "postgresql": text(
        "SELECT s.n AS n, CAST(-ts_rank_cd(s.document, q) AS double precision) AS score "
        "FROM CAST(:query AS tsquery) q JOIN article_search s ON s.document @@ q"
    ),
}


@dataclass(frozen=True, slots=True)
class Matches:
    """A part of the list of matching articles, each with the time when its current text was recorded.

    `count` is the number of all matches; None: they were not counted. `next` is where the next part begins; "": there
    is none. `is_weighed`: matches are ordered by score.
    """

    recorded_at: Mapping[ArticleId, datetime]
    count: int | None
    next: str
    is_weighed: bool = False


def find(tx: Transaction, query: Query, wanted: ArticleSearch) -> Matches:
    """Return articles that meet `wanted` and contain all terms of `query`: at most `wanted.limit` after `wanted.after`.

    An empty search text matches every article; a search text without any word matches none.

    Raises:
        ValueError: `wanted.after` is no place in the order of the results.
    """
    if not query.terms and wanted.query.strip():
        return Matches({}, 0, "")
    dialect = tx.dialect.name
    conditions = (*VISIBLE, *_conditions(tx, wanted))
    found: Select[Any] = select(articles.c.n, articles.c.id, articles.c.first_seen, articles.c.recorded_at)
    parameters: dict[str, Any] = {}
    is_weighed = False
    if query.terms:
        parameters["query"] = (
            " AND ".join(map(_fts5, query.terms)) if dialect == "sqlite" else " & ".join(map(_tsquery, query.terms))
        )
        is_weighed = wanted.order == "best" and _is_weighed(tx, wanted, parameters)
        matches = _matches(dialect, is_weighed=is_weighed)
        found = found.add_columns(*((matches.c.score,) if is_weighed else ()))
        found = found.add_columns(*((func.count().over().label("total"),) if wanted.marked else ()))
        found = found.join(matches, matches.c.n == articles.c.n)
    all_found = found.where(*conditions).subquery("found")
    order = _Order.of(wanted, all_found)
    page = select(all_found).order_by(*order.by).limit(wanted.limit + 1)
    if wanted.after:
        page = page.where(order.after(wanted.after))
    rows = tx.all(page, parameters)
    given = rows[: wanted.limit]
    return Matches(
        recorded_at={ArticleId(row.id): row.recorded_at for row in given},
        count=(rows[0].total if rows else 0) if query.terms and wanted.marked else None,
        next=order.place(given[-1]) if len(rows) > wanted.limit else "",
        is_weighed=is_weighed,
    )


def _matches(dialect: str, *, is_weighed: bool) -> Subquery:
    number = column("n", Integer)
    if is_weighed:
        return _WEIGHED[dialect].columns(number, column("score", Double)).subquery("matches")
    return _MATCHES[dialect].columns(number).subquery("matches")


def _is_weighed(tx: Transaction, wanted: ArticleSearch, parameters: Mapping[str, Any]) -> bool:
    """Return whether matches are ordered by score; the first page decides for all pages.

    More than `most_weighed` matches are not ordered so, since for each score the database reads all places of the words
    (SQLite) or all words of the text (PostgreSQL).
    """
    if wanted.after:
        return _TIME not in wanted.after
    matches = _matches(tx.dialect.name, is_weighed=False)
    some = select(matches.c.n).limit(wanted.most_weighed + 1).subquery("some")
    return bool(tx.run(select(func.count()).select_from(some), parameters).scalar_one() <= wanted.most_weighed)


@dataclass(frozen=True, slots=True)
class _Order:
    """An order of found articles: by `value`, then by row number `n`.

    A result that is cut at its limit names the place in the order where the next result begins: the value and the row
    number of its last article, as a string.
    """

    name: str
    value: ColumnElement[Any]
    n: ColumnElement[int]

    @classmethod
    def of(cls, wanted: ArticleSearch, found: Subquery) -> _Order:
        if wanted.order == "recorded":
            return cls("recorded_at", found.c.recorded_at, found.c.n)
        if wanted.order == "first_seen" or "score" not in found.c:
            return cls("first_seen", found.c.first_seen, found.c.n)
        return cls("score", found.c.score, found.c.n)

    @property
    def by(self) -> tuple[ColumnElement[Any], ...]:
        return (self.value if self.name == "score" else self.value.desc(), self.n.desc())

    def place(self, row: Row[Any]) -> str:
        value = row.score if self.name == "score" else getattr(row, self.name).astimezone(UTC).strftime(_PLACE_IN_TIME)
        return f"{value}_{row.n}"

    def after(self, place: str) -> ColumnElement[bool]:
        text_, _, n = place.partition("_")
        if not n.isdecimal() or len(n) > _LONGEST_NUMBER:
            raise ValueError(f"{place!r} is no place in this order")
        value = float(text_) if self.name == "score" else datetime.strptime(text_, _PLACE_IN_TIME).replace(tzinfo=UTC)
        beyond = self.value > value if self.name == "score" else self.value < value
        return or_(beyond, and_(self.value == value, self.n < int(n)))


def _fts5(term: Term) -> str:
    return f'"{" ".join(term.words)}"{" *" if term.is_prefix else ""}'


def _tsquery(term: Term) -> str:
    words = " <-> ".join(f"'{word}'" for word in term.words)
    return f"({words}{':*' if term.is_prefix else ''})"


def _conditions(tx: Transaction, wanted: ArticleSearch) -> Iterator[ColumnElement[bool]]:
    if wanted.day is not None:
        yield articles.c.first_seen >= wanted.day
        yield articles.c.first_seen < wanted.day + timedelta(days=1)
    if wanted.doubtful is not None:
        yield articles.c.quality != "[]" if wanted.doubtful else articles.c.quality == "[]"
    if wanted.once:
        yield articles.c.near_duplicate_of.is_(None)
    if wanted.feed:
        yield _is_of_feed(tx, _is_called(wanted.feed))
    if wanted.tag:
        yield _is_of_feed(tx, feeds.c.tags.contains(dump(wanted.tag), autoescape=True))
    if wanted.language:
        yield from _speaks(wanted.language, by_words=bool(wanted.query.strip()))


def _speaks(raw: str, *, by_words: bool) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that an article is in the language `raw`. "en" also matches "en-GB".

    With `by_words` the query also searches for words, and SQLite must use the index of words: with the index of
    languages it would take 30 times as long. So an expression hides the index of languages.
    """
    tag = language_tag(raw)
    language = func.coalesce(articles.c.language, "") if by_words else articles.c.language
    yield language == tag.partition("-")[0] if tag else false()
    if "-" in tag:  # a quotation mark within a text is escaped in JSON: this is the field
        content = revisions.c.content
        yield exists().where(
            IS_CURRENT,
            content.contains(f'"language":"{tag}'),  # most texts are read once, not twice
            or_(content.contains(f'"language":"{tag}"'), content.contains(f'"language":"{tag}-')),
        )


def _is_of_feed(tx: Transaction, which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a feed that meets `which` announced the article, or an article merged into it.

    If the feeds have few entries, the query reads these and finds their articles. If not, the query reads the newest
    articles and finds their feeds.
    """
    ids = select(feeds.c.id).where(which)
    announced = select(entries.c.id).where(entries.c.feed_id.in_(ids)).limit(_FEW_ENTRIES + 1).subquery()
    is_first = articles.c.feed_id.in_(ids)
    part = articles.alias("part")
    path = (entries.c.feed_id.in_(ids), entries.c.page_id == pages.c.id, pages.c.article_id == part.c.id)
    if tx.run(select(func.count()).select_from(announced)).scalar_one() <= _FEW_ENTRIES:
        survivors = select(func.coalesce(part.c.merged_into, part.c.id)).where(*path)
        return or_(is_first, articles.c.id.in_(survivors))
    return or_(
        is_first,
        exists().where(*path[:2], pages.c.article_id == articles.c.id),
        exists().where(*path, part.c.merged_into == articles.c.id),
    )


def _is_called(name: str) -> ColumnElement[bool]:
    """Return the condition that a feed has this name or address. A text with "://" is looked up as an address only."""
    return feeds.c.url == name if "://" in name else or_(feeds.c.name == name, feeds.c.url == name)
