"""One state of a store for several queries: all answers come from one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId
from aggregator.models.pages import RawResponse
from aggregator.ports.readings import ArticleFilter, Gap, Position
from aggregator.store.articles import changes, reading
from aggregator.store.db.database import Database, Transaction
from aggregator.store.polls import history


class SqlSnapshot:
    """The port `Snapshot` over one transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def position(self) -> Position:
        """Return the position of this state."""
        return changes.position(self._tx)

    def articles(self, wanted: ArticleFilter) -> Iterator[Article]:
        """Yield articles by first sighting."""
        return reading.stream_articles(self._tx, wanted)

    def raw_of(self, article_id: ArticleId) -> tuple[RawResponse, ...]:
        """Return the responses from which an article was extracted."""
        return reading.raw_of(self._tx, article_id)

    def gaps(self) -> tuple[Gap, ...]:
        """Return the times in which feeds may have lost entries."""
        return history.list_gaps(self._tx)


@contextmanager
def open_snapshot(database: Database) -> Iterator[SqlSnapshot]:
    """Enter one state of a store."""
    with database.snapshot() as tx:
        yield SqlSnapshot(tx)
