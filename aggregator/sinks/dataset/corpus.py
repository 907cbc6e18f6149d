"""The articles of a store that an export selects, and their raw pages."""

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
    """A snapshot of the store, and the filters of an export.

    `raw` returns the bytes of a raw page by its content hash; None: they are not kept. `progress` shows how many
    articles have been read.
    """

    snapshot: Snapshot
    raw: Callable[[str], bytes | None]
    selection: Selection = field(default_factory=Selection)
    progress: Progress = iter

    def selected(self) -> Iterator[Article]:
        """Yield the articles that `selection` takes, in the order in which they were first seen."""
        wanted = ArticleFilter(since=self.selection.since, until=self.selection.until, feed=self.selection.feed)
        return self.progress(select(lambda: self.snapshot.articles(wanted), self.selection))

    def raw_pages(self, article: Article) -> Iterator[tuple[RawResponse, bytes]]:
        """Yield the response of the article's page, then those of its further pages, each with its body.

        A response whose body is not kept is left out.
        """
        for response in self.snapshot.raw_of(article.id):
            body = self.raw(response.content_hash)
            if body is not None:
                yield response, body
