"""The store's port for sinks, pages and commands that read, publish or erase articles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

from aggregator.filters.decide import Filters
from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId, Identity, Key, PageId
from aggregator.models.pages import FetchedPage, RawResponse
from aggregator.ports.protocols import RawStore, Snapshot
from aggregator.ports.readings import (
    ArticleFilter,
    ArticleSearch,
    Change,
    FilterChange,
    FoundPage,
    Position,
    Revision,
)
from aggregator.ports.store_records import ArticleRecord


class Corpus(Protocol):
    """The articles: publishing them, reading them, extracting them again, erasing them."""

    def publishing(self, wait: timedelta) -> AbstractContextManager[bool]:
        """Hold the right to publish; enter with False if another process kept it for all of `wait`."""

    def delivering(self, output: str, wait: timedelta) -> AbstractContextManager[bool]:
        """Hold the right to deliver to an output; enter with False if another process kept it for all of `wait`."""

    def number_changes(self) -> int:
        """Number the new changes in commit order, give new articles day and number; return how many."""

    def changes_after(self, seq: int, limit: int) -> tuple[Change, ...]:
        """Return numbered changes after `seq`, each with the present state of its article."""

    def position(self) -> Position:
        """Return the store's epoch and the number of its last change."""

    def delivered(self, sink: str, folder: str) -> int:
        """Return the number of the last change that the sink has."""

    def set_delivered(self, sink: str, folder: str, seq: int) -> None:
        """Move the sink's cursor."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Enter a snapshot: several queries read one state of the store."""

    def articles(self, wanted: ArticleFilter = ArticleFilter()) -> Iterator[Article]:  # noqa: B008 - frozen
        """Yield articles that are not merged away or forgotten, by first sighting, from one snapshot."""

    def article(self, id_or_url: str, keys: Sequence[Key] = ()) -> Article | None:
        """Return one article by id, by any of its addresses, or by key.

        For a merged article return the article that remains.
        """

    def revisions(self, article_id: ArticleId) -> tuple[Revision, ...]:
        """Return all texts of an article, oldest first."""

    def search(self, wanted: ArticleSearch) -> FoundPage:
        """Return a page of articles that match, best first.

        Raises:
            ValueError: `after` was not returned by an earlier page.
        """

    def near_duplicates(self, article_id: ArticleId) -> tuple[ArticleId, ...]:
        """Return a few articles at most that repeat this one nearly word for word."""

    def raw_of(self, article_id: ArticleId) -> tuple[RawResponse, ...]:
        """Return the raw response of an article, then the responses of its further pages in order.

        Empty: they are gone.
        """

    def stored_pages(self, after: PageId, limit: int) -> tuple[FetchedPage, ...]:
        """Return pages after `after` whose response is kept, and that gave an article or failed for good."""

    def record_reextracted(self, page: FetchedPage, record: ArticleRecord) -> bool:
        """Save a new extraction: new words make a new revision, other new facts correct the current revision."""

    def rekey(self, version: str, identify: Callable[[str], Identity], *, limit: int = 200) -> bool:
        """Recompute the next `limit` keys of stored addresses by the present rules; True: all are done.

        `version` is `identify.key_version`. A call costs one query once this version is done. Two articles that get the
        same key are merged if their texts agree.
        """

    def search_walls(self) -> bool:
        """Search some articles of an earlier version for walls; True: all were searched."""

    def ask_refused_again(self, raw_store: RawStore) -> bool:
        """Make some pages due that an earlier version refused and whose bytes are gone. Each page is made due once.

        Return whether no such page is left.
        """

    def use_filters(self, filters: Filters) -> None:
        """Decide by these rules from now on. If the rules changed, decide again about waiting and skipped pages."""

    def apply_filters(self, filters: Filters, *, dry_run: bool = False) -> Iterator[FilterChange]:
        """Apply the rules to all stored articles.

        Yield the pages that are skipped from now on, and those that come back.
        """

    def forget(self, keys: Sequence[Key], host_names: Sequence[str]) -> tuple[tuple[ArticleId, ...], tuple[str, ...]]:
        """Erase texts; keys stay. Return the articles, and the content hashes that nothing refers to any more."""

    def scrub(self, wait: timedelta) -> bool:
        """Write the store's files again without erased bytes.

        False: some readers did not release the files within `wait`.
        """
