"""The ports except the store's own: clock, requests, raw store, sinks, snapshot. Adapters implement these protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from aggregator.models.articles import Article
from aggregator.models.fetching import FetchRequest, FetchResult, Posted
from aggregator.models.ids import ArticleId
from aggregator.models.pages import RawResponse
from aggregator.ports.readings import ArticleFilter, Change, Gap, Position


class Clock(Protocol):
    """The clock, passed as an argument so that tests can stop it."""

    def now(self) -> datetime:
        """Return the wall clock, aware, in UTC."""

    def monotonic(self) -> float:
        """Return the seconds of a clock that never goes back. Use only differences, within one process."""

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`, or until the process is asked to stop."""


class Fetcher(Protocol):
    """Makes bounded, conditional GET requests."""

    def fetch(self, request: FetchRequest) -> FetchResult:
        """Make the request, follow its redirects, and return the result. A failed request is a `FetchFailed`."""


class Poster(Protocol):
    """Makes bounded POST requests."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str], deadline: timedelta) -> Posted:
        """Post `body` to `url` and return the result. A failed request is a `Posted` with a `problem`."""


class RawStore(Protocol):
    """The stored bytes of responses, each under its content hash, compressed, in one folder.

    The object is sent to worker processes, which read the same folder.
    """

    @property
    def folder(self) -> str:
        """The id of the folder. The database has it for each page, to find the machine that has the page's bytes."""

    def put(self, body: bytes, at: datetime) -> str:
        """Store `body` durably and return its content hash (hex). A later `put` of the same bytes replaces `at`."""

    def get(self, content_hash: str) -> bytes | None:
        """Return the bytes with this content hash; None: they were deleted or are damaged."""

    def delete(self, content_hash: str) -> None:
        """Remove the bytes, if they exist."""

    def names(self) -> Iterator[tuple[str, datetime]]:
        """Yield each stored content hash with the `at` of its last `put`."""


class Sink(Protocol):
    """Writes the published articles into one folder, in one format."""

    @property
    def name(self) -> str:
        """The sink's name in the table `deliveries`, which has the last change delivered to each sink."""

    @property
    def folder(self) -> str:
        """The id of the folder. The store notes by this id what was delivered, so a new folder gets all changes."""

    def deliver(self, changes: Sequence[Change]) -> None:
        """Write the changes durably. The same changes may be delivered again after a crash."""

    def sweep(
        self,
        is_published: Callable[[ArticleId, str, int], bool],
        now: datetime,
        stopping: Callable[[], bool] = lambda: False,
    ) -> int:
        """Remove the sink's files that belong to no published article and are over a day old; return how many.

        `is_published` is called with an article's id, day (YYYY/MM/DD) and number within that day. The sweep stops
        early when `stopping` returns True.
        """


class Snapshot(Protocol):
    """One state of the store: all answers are from the same moment, even if other processes write meanwhile."""

    def position(self) -> Position:
        """Return the number of the last change of an article that this state of the store contains."""

    def articles(self, wanted: ArticleFilter) -> Iterator[Article]:
        """Yield the articles that match `wanted`, in the order in which they were first seen.

        Articles that were merged into another one, withdrawn or forgotten are left out.
        """

    def raw_of(self, article_id: ArticleId) -> tuple[RawResponse, ...]:
        """Return the stored responses of an article: its page, then its further pages in order.

        Empty: they are no longer stored.
        """

    def gaps(self) -> tuple[Gap, ...]:
        """Return the periods in which a feed may have lost entries, oldest first."""
