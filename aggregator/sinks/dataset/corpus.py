"""The selected articles of a store, with their raw pages: the content of datasets and other exports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from aggregator.models.articles import Article
from aggregator.models.pages import RawResponse
from aggregator.ports.protocols import Snapshot
from aggregator.ports.readings import ArticleFilter
from aggregator.sinks.dataset.selection import Selection, select

Progress = Callable[[Iterable[Article]], Iterator[Article]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """One state of a store. `raw` reads a raw page by its content hash; `progress` is called with each article."""

    snapshot: Snapshot
    raw: Callable[[str], bytes | None]
    selection: Selection = field(default_factory=Selection)
    progress: Progress = iter

    def selected(self) -> Iterator[Article]:
        """Yield the articles of the selection by first sighting."""
        wanted = ArticleFilter(since=self.selection.since, until=self.selection.until, feed=self.selection.feed)
        return self.progress(select(lambda: self.snapshot.articles(wanted), self.selection))

    def raw_pages(self, article: Article) -> Iterator[tuple[RawResponse, bytes]]:
        """Yield the responses of an article that are still kept."""
        for response in self.snapshot.raw_of(article.id):
            body = self.raw(response.content_hash)
            if body is not None:
                yield response, body
