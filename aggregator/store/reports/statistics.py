"""The numbers of rows in a store."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select

from aggregator.ports.readings import Counts
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import (
    DUE,
    FAILED,
    FETCHED,
    HEAD,
    VISIBLE,
    articles,
    changes,
    entries,
    feeds,
    pages,
    revisions,
)

_COUNTS: Final = {
    "feeds": select(func.count()).select_from(feeds).where(feeds.c.enabled),
    "entries": select(func.count()).select_from(entries),
    "articles": select(func.count()).select_from(articles).where(*VISIBLE),
    "revisions": select(func.count()).select_from(revisions),
    "pages_due": select(func.count()).select_from(pages).where(pages.c.state == DUE, pages.c.article_id.is_(None)),
    "pages_fetched": select(func.count()).select_from(pages).where(pages.c.state == FETCHED),
    "pages_failed": select(func.count()).select_from(pages).where(pages.c.state == FAILED),
    "unpublished": select(func.count()).select_from(changes).where(changes.c.change_seq.is_(None)),
}


def count_all(tx: Transaction) -> Counts:
    """Return the numbers of enabled feeds, articles in the corpus and other rows, and the size of the store.

    A page that is due for a revisit does not count as due.
    """
    return Counts(
        **{name: tx.run(query).scalar_one() for name, query in _COUNTS.items()},
        schema_version=HEAD,
        size_bytes=tx.dialect.size_bytes(tx.conn),
    )
