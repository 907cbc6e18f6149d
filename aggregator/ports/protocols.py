"""The ports except the store: clock, requests, raw store, sinks. Protocols only; adapters implement them."""

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
        """Return seconds of a clock that never goes back, of this process only."""

    def sleep(self, seconds: float) -> None:
        """Wait; returns early when the process is asked to stop."""


class Fetcher(Protocol):
    """One bounded, conditional GET."""

    def fetch(self, request: FetchRequest) -> FetchResult:
        """Return the result; ordinary failures are values, nothing is raised."""


class Poster(Protocol):
    """One bounded POST."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str], deadline: timedelta) -> Posted:
        """Return the result; ordinary failures are values, nothing is raised."""


class RawStore(Protocol):
    """Raw responses by content hash, compressed, in one folder. Worker processes get it and read the folder, too."""

    @property
    def folder(self) -> str:
        """The id of the folder, kept in a file in this folder.

        The id tells the store which machine has the bytes of a page.
        """

    def put(self, body: bytes, at: datetime) -> str:
        """Store durably (fsync) and return the content hash, hexadecimal. The file gets the time `at`."""

    def get(self, content_hash: str) -> bytes | None:
        """Return the bytes; None: they are gone or damaged."""

    def delete(self, content_hash: str) -> None:
        """Remove the bytes, if they exist."""

    def names(self) -> Iterator[tuple[str, datetime]]:
        """Yield each stored content hash with the time of its last `put`."""


class Sink(Protocol):
    """A place where articles are written."""

    @property
    def name(self) -> str:
        """The sink's name in `deliveries`."""

    @property
    def folder(self) -> str:
        """The id of the folder, so that a new folder is filled from the beginning."""

    def deliver(self, changes: Sequence[Change]) -> None:
        """Write the changes durably; repeating a delivery is harmless."""

    def sweep(
        self,
        is_published: Callable[[ArticleId, str, int], bool],
        now: datetime,
        stopping: Callable[[], bool] = lambda: False,
    ) -> int:
        """Remove our old files that belong to no published article; stop early if `stopping` says so.

        Return how many.
        """


class Snapshot(Protocol):
    """One state of a store."""

    def position(self) -> Position:
        """Return the position of this state."""

    def articles(self, wanted: ArticleFilter) -> Iterator[Article]:
        """Yield articles that are not merged away or forgotten, by first sighting. Call it as often as needed."""

    def raw_of(self, article_id: ArticleId) -> tuple[RawResponse, ...]:
        """Return the raw response of an article, then the responses of its further pages in order.

        Empty: they are gone.
        """

    def gaps(self) -> tuple[Gap, ...]:
        """Return times in which a feed may have lost entries, oldest first."""
