"""The articles of a store that a selection takes, with their raw pages: what datasets and other exports are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from aggregator.models.articles import Article
from aggregator.models.pages import RawResponse
from aggregator.ports.protocols import RawStore, Snapshot
from aggregator.ports.readings import ArticleFilter, Gap, Position
from aggregator.sinks.dataset.selection import Selection, select

Progress = Callable[[Iterable[Article]], Iterator[Article]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCorpus:
    """A view of one state of a store; `progress` is handed each article that is given out."""

    snapshot: Snapshot
    raw: RawStore
    selection: Selection = field(default_factory=Selection)
    progress: Progress = iter

    def selected(self) -> Iterator[Article]:
        """Yield the articles of the selection by first sighting."""
        wanted = ArticleFilter(since=self.selection.since, until=self.selection.until, feed=self.selection.feed)
        return self.progress(select(lambda: self.snapshot.articles(wanted), self.selection))

    def raw_pages(self, article: Article) -> Iterator[tuple[RawResponse, bytes]]:
        """Yield the responses that an article was made of, as far as they are kept."""
        for response in self.snapshot.raw_of(article.id):
            body = self.raw.get(response.content_hash)
            if body is not None:
                yield response, body

    def state(self) -> Position:
        """Return which state of the store this is."""
        return self.snapshot.position()

    def gaps(self) -> tuple[Gap, ...]:
        """Return the times in which feeds may have lost entries."""
        return self.snapshot.gaps()
