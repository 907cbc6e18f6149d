"""The newest articles, for pages that show the corpus."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Select, bindparam, select

from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId
from aggregator.store.articles.reading import load_articles
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import articles

_latest: Final[Select[Any]] = (
    select(articles.c.id)
    .where(articles.c.merged_into.is_(None), articles.c.forgotten_at.is_(None))
    .order_by(articles.c.first_seen.desc(), articles.c.n.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("skip"))
)
_distinct: Final = _latest.where(articles.c.near_duplicate_of.is_(None))


def latest_articles(tx: Transaction, limit: int, skip: int, distinct: bool) -> tuple[Article, ...]:
    """Return the articles first seen last, newest first; `distinct` leaves out near duplicates of earlier ones."""
    rows = tx.all(_distinct if distinct else _latest, {"limit": limit, "skip": skip})
    loaded = load_articles(tx, [ArticleId(row.id) for row in rows])
    return tuple(loaded[row.id] for row in rows if row.id in loaded)
