"""Full-text search: FTS5 of SQLite, tsvector of PostgreSQL; the one place where their SQL differs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import bindparam, text

from aggregator.models.records import ArticleId
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import Text

_TEXTS: Final = (bindparam("title", type_=Text), bindparam("body", type_=Text))
# Values, not a SELECT: before a statement of several rows FTS5 writes out what it has gathered (43 µs an article).
_ADD: Final = {
    "sqlite": text("INSERT INTO article_search (rowid, title, body) VALUES (:n, :title, :body)").bindparams(*_TEXTS),
    "postgresql": text(
        "INSERT INTO article_search (n, document) VALUES (:n, "
        "setweight(to_tsvector('simple', left(CAST(:title AS text), 10000)), 'A') "
        "|| to_tsvector('simple', left(CAST(:body AS text), 200000)))"
    ).bindparams(*_TEXTS),
}
# The index of SQLite reads the texts from the view; to take a text out it must be told what it was.
_REMOVE: Final = {
    "sqlite": text(
        "INSERT INTO article_search (article_search, rowid, title, body) "
        "SELECT 'delete', n, title, body FROM article_texts WHERE n = :n"
    ),
    "postgresql": text("DELETE FROM article_search WHERE n = :n"),
}
_FIND: Final = {
    "sqlite": text(
        "SELECT a.id, snippet(article_search, 1, '[', ']', ' … ', 24) AS snippet "
        "FROM article_search JOIN articles a ON a.n = article_search.rowid "
        "WHERE article_search MATCH :query AND a.merged_into IS NULL AND a.forgotten_at IS NULL "
        "ORDER BY bm25(article_search, 4.0, 1.0), a.n DESC LIMIT :limit"
    ),
    "postgresql": text(
        "SELECT a.id, ts_headline('simple', left(t.body, 20000), q, "
        "'StartSel=[, StopSel=], MaxWords=24, MinWords=8, MaxFragments=1') AS snippet "
        "FROM websearch_to_tsquery('simple', :query) q "
        "JOIN article_search s ON s.document @@ q JOIN articles a ON a.n = s.n JOIN article_texts t ON t.n = a.n "
        "WHERE a.merged_into IS NULL AND a.forgotten_at IS NULL "
        "ORDER BY ts_rank_cd(s.document, q) DESC, a.n DESC LIMIT :limit"
    ),
}


def index_texts(tx: Transaction, texts: Iterable[tuple[int, str, str]]) -> None:
    """Make texts findable: number of the article row, title, body."""
    tx.run_all(_ADD[tx.dialect.name], [{"n": n, "title": title, "body": body} for n, title, body in texts])


def forget_text(tx: Transaction, number: int) -> None:
    """Make the current text of an article row no longer findable, before it is replaced."""
    tx.run_all(_REMOVE[tx.dialect.name], [{"n": number}])


def find(tx: Transaction, query: str, limit: int) -> list[tuple[ArticleId, str]]:
    """Return articles in which all words of `query` stand, best first, each with a snippet."""
    wanted = _quoted(query) if tx.dialect.name == "sqlite" else query.replace("\0", " ")
    if not wanted.strip():
        return []
    rows = tx.conn.execute(_FIND[tx.dialect.name], {"query": wanted, "limit": limit})
    return [(ArticleId(row.id), row.snippet) for row in rows]


def _quoted(query: str) -> str:
    """Return `query` in FTS5's language: every word must occur, "quoted words" beside each other; nothing else counts.

    >>> _quoted('storm "north sea" AND -x')
    '"storm" "north sea" "AND" "-x"'
    """
    parts = query.replace("\0", " ").split('"')
    phrases = [part.split() if i % 2 == 0 else [part.strip()] for i, part in enumerate(parts)]
    return " ".join(f'"{word}"' for words in phrases for word in words if word)
