"""What all routes share: the store, functions of the process that serves them, and the cached overview."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from fastapi import HTTPException

from aggregator.errors import StorageError
from aggregator.models.articles import Article
from aggregator.models.feeds import Feed
from aggregator.models.ids import ArticleId, FeedId
from aggregator.monitoring.health import diagnose
from aggregator.monitoring.overview import Diagnosis, Overview, overview
from aggregator.ports.store import Store
from aggregator.schedule.due_times import forced_due

LARGEST_ID: Final = 2**63 - 1  # no id is larger
_FRESH_SECONDS: Final = 15.0  # seconds; nobody reads faster
_SHARE: Final = 0.05  # the largest share of the time that is spent on reading all feeds
_PATIENCE: Final = 0.1  # seconds that a request waits for a newer overview
_FIRST_PATIENCE: Final = 10.0  # seconds that it waits for the first one


class CachedOverview:
    """The `Overview` of the installation, cached for all requests. A thread makes a new one when the cached one is old.

    To read hundreds of thousands of feeds takes seconds. So a request waits for a newer overview only for `patience`
    seconds, and then gets the old one. For the first overview a request waits up to ten seconds.
    """

    def __init__(self, store: Store, monotonic: Callable[[], float], patience: float = _PATIENCE) -> None:
        self._store = store
        self._monotonic = monotonic
        self._patience = patience
        self._lock = threading.Lock()
        self._seen: Overview | None = None
        self._old_at = 0.0
        self._under_way: Future[Overview] | None = None

    def begin(self) -> None:
        """Start to make the first overview, so that the first request need not wait for it."""
        self._newer()

    def look(self) -> Overview:
        """Return the overview. It is at most 15 seconds old, unless the store is so large that it takes long to make.

        Raises:
            StorageError: the store cannot be read.
            HTTPException: the first overview takes longer than a request waits.
        """
        seen = self.glance()
        if seen is None:
            raise HTTPException(503, "the feeds are being looked through; try again in a moment")
        return seen

    def glance(self) -> Overview | None:
        """Return the overview as `look` does, but None if the first overview is still being made.

        Raises:
            StorageError: the store cannot be read.
        """
        making = self._newer()
        if making is not None:
            patience = self._patience if self._seen is not None else max(self._patience, _FIRST_PATIENCE)
            with suppress(TimeoutError):
                return making.result(patience)
        return self._seen

    @property
    def known(self) -> Overview | None:
        """The latest overview of any age, returned without waiting. None: the first one is still being made."""
        if self._seen is None:
            self._newer()
        return self._seen

    def forget(self) -> None:
        """Let the next request make a new overview, since this process has changed the store."""
        with self._lock:
            self._old_at = 0.0

    def _newer(self) -> Future[Overview] | None:
        """Return the future of the overview that is being made, or None if the cached overview is fresh."""
        with self._lock:
            making = self._under_way
            if making is None:
                if self._seen is not None and self._monotonic() < self._old_at:
                    return None
                self._under_way = making = Future()
                threading.Thread(target=self._make, args=(making,), name="overview", daemon=True).start()
            return making

    def _make(self, making: Future[Overview]) -> None:
        began = self._monotonic()
        try:
            seen = overview(self._store)
            now = self._monotonic()
            with self._lock:
                self._seen, self._old_at = seen, now + max(_FRESH_SECONDS, (now - began) / _SHARE)
            making.set_result(seen)
        except StorageError as error:
            making.set_exception(error)
        finally:
            self._under_way = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all routes share.

    `ready` returns whether the installation is ready (/readyz also checks the store). `metrics` returns the text for
    Prometheus. `raw` returns the raw page that has the given content hash, or None if that page is not kept.
    """

    store: Store
    ready: Callable[[], bool]
    metrics: Callable[[], bytes]
    raw: Callable[[str], bytes | None]
    cached_overview: CachedOverview = field(repr=False)

    def article(self, article_id: str) -> Article:
        """Return an article. The id of a merged article returns the article that it was merged into.

        Raises:
            HTTPException: there is no such article.
        """
        found = self.store.article(ArticleId(article_id.replace("\0", "")))
        if found is None:
            raise HTTPException(404, "there is no such article")
        return found

    def raw_page(self, article: Article) -> bytes:
        """Return the bytes of the page from which an article was extracted.

        Raises:
            HTTPException: they are not kept.
        """
        body = self.raw(article.raw) if article.raw else None
        if body is None:
            raise HTTPException(404, "the raw page is not kept here")
        return body

    def diagnosis(self, feed_id: int) -> Diagnosis:
        """Return a feed with its findings.

        Raises:
            HTTPException: there is no such feed.
        """
        found = self.diagnoses((FeedId(feed_id),))
        if not found:
            raise HTTPException(404, "there is no such feed")
        return found[0]

    def refresh(self, feed: Feed) -> bool:
        """Make a feed due now, and return True. Return False if it must not be polled now.

        A feed must not be polled if it is disabled or gone (410), or while its server asks to wait.
        """
        now = self.store.now()
        if not (feed.enabled and forced_due(feed.state, now)):
            return False
        self.store.make_due([feed.id], now)
        self.cached_overview.forget()
        return True

    def feed_ids(self) -> Sequence[FeedId]:
        """Return the ids of all feeds in the order in which the feeds were added."""
        seen = self.cached_overview.known
        return self.store.feed_ids() if seen is None else self.cached_overview.look().feed_ids

    def diagnoses(self, feed_ids: Sequence[FeedId]) -> tuple[Diagnosis, ...]:
        """Return the feeds with these ids and their findings, in the order of the ids. Deleted feeds are left out.

        The findings come from the cached overview. Before the first overview they come from the state of each feed
        alone, without facts about its polls, entries and articles.
        """
        feeds = {feed.id: feed for feed in self.store.feeds(ids=feed_ids)}
        found = [feeds[feed_id] for feed_id in feed_ids if feed_id in feeds]
        if self.cached_overview.known is None:
            now = self.store.now()
            return tuple(Diagnosis(feed=feed, findings=diagnose(feed, (), now)) for feed in found)
        unwell = self.cached_overview.look().unwell
        return tuple(Diagnosis(feed=feed, findings=unwell.get(feed.id, ())) for feed in found)
