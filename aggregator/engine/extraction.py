"""Carries fetched pages through the worker processes and their results into the store; both engines use it."""

from __future__ import annotations

import logging
import queue
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from aggregator.distill import job_of, perform, record_of
from aggregator.engine.pool import WorkerPool, failure_of
from aggregator.models import Cause, FetchedPage, PageFailed, PageId
from aggregator.ports import ArticleRecord, Collected, Scope
from aggregator.schedule import next_page_attempt, revisit_at
from aggregator.visit import Tools

logger = logging.getLogger(__name__)

_LEASE_MARGIN = timedelta(seconds=30)
_QUEUED_AHEAD = 1  # claimed beyond the free workers, so that none waits for a transaction
_RETRIED = frozenset({Cause.LOW_QUALITY, Cause.RAW_MISSING})  # a new fetch may bring something else


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionSettings:
    """How pages are extracted. `keep_raw` False: the bytes go once the outcome is recorded."""

    timeout: timedelta
    mode: Literal["standard", "thorough"]
    keep_raw: bool
    revisit: tuple[timedelta, ...]


class ExtractionLine:
    """The pages in extraction and the counters of what became of them. Used by one thread."""

    def __init__(self, tools: Tools, pool: WorkerPool, settings: ExtractionSettings) -> None:
        self.tools = tools
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self._pool = pool
        self._in_hand: dict[PageId, FetchedPage] = {}
        self._finished: queue.SimpleQueue[tuple[FetchedPage, Future[Collected | PageFailed]] | None] = (
            queue.SimpleQueue()
        )

    @property
    def in_hand(self) -> int:
        """How many pages are claimed and not yet recorded."""
        return len(self._in_hand)

    def step(self, wait: float, scope: Scope | None = None) -> int:
        """Hand out pages, wait up to `wait` seconds for results, record them; return how many were recorded."""
        self._hand_out(scope)
        recorded = 0
        try:
            finished = self._finished.get(timeout=wait) if wait > 0 else self._finished.get_nowait()
            while True:
                if finished is not None:
                    self._finish(*finished)
                    recorded += 1
                self._hand_out(scope)
                finished = self._finished.get_nowait()
        except queue.Empty:
            return recorded

    def wake(self) -> None:
        """End the wait of a `step`: a visit may have brought pages. For any thread."""
        self._finished.put(None)

    def give_back(self) -> None:
        """Return what is in hand to the store; its attempt does not count."""
        for page in self._in_hand.values():
            self.tools.store.give_back_page(page)
        self._in_hand.clear()

    def _hand_out(self, scope: Scope | None) -> None:
        room = self._pool.workers + _QUEUED_AHEAD - len(self._in_hand)
        if room <= 0:
            return
        lease = self.settings.timeout + _LEASE_MARGIN
        for page in self.tools.store.claim_fetched(room, lease, self.tools.raw_store.folder, scope=scope):
            self._in_hand[page.id] = page
            body = self.tools.raw_store.get(page.raw.content_hash) if page.raw is not None else None
            if page.raw is not None and body is None:
                self._fail(page, PageFailed(cause=Cause.RAW_MISSING, detail="its bytes are gone"))
                continue
            job = job_of(page, body, self.tools.publishers, self.settings.mode)
            future = self._pool.submit(perform, job)
            future.add_done_callback(lambda done, page=page: self._finished.put((page, done)))  # type: ignore[misc]

    def _finish(self, page: FetchedPage, future: Future[Collected | PageFailed]) -> None:
        if page.id not in self._in_hand:
            return  # given back meanwhile
        match _outcome_of(future):
            case None:
                self.tools.store.give_back_page(page)
                del self._in_hand[page.id]
            case PageFailed() as failed:
                self._fail(page, failed)
            case Collected() as collected:
                record = record_of(page, collected, self.tools.publishers)
                if isinstance(record, PageFailed):
                    self._fail(page, record)
                else:
                    self._keep(page, record)

    def _keep(self, page: FetchedPage, record: ArticleRecord) -> None:
        now, revisit = self.tools.store.now(), self.settings.revisit
        recorded = self.tools.store.record_article(
            page,
            record,
            if_changed=revisit_at(page, changed=True, now=now, revisit=revisit),
            if_unchanged=revisit_at(page, changed=False, now=now, revisit=revisit),
        )
        self._done(page, recorded.kind if recorded is not None else "lost")

    def _fail(self, page: FetchedPage, failed: PageFailed) -> None:
        next_at = None
        if failed.cause in _RETRIED:
            now = self.tools.store.now()
            next_at = next_page_attempt(page.attempts, failed.cause, None, now=now, random=self.tools.random)
        self.tools.store.record_extraction_failure(page, failed, next_at)
        self._done(page, "failed")
        logger.info("no article", extra={"url": page.url, "cause": failed.cause.value, "detail": failed.detail})

    def _done(self, page: FetchedPage, kind: str) -> None:
        self.counts[kind] += 1
        del self._in_hand[page.id]
        if not self.settings.keep_raw and page.raw is not None:
            self.tools.raw_store.delete(page.raw.content_hash)


def _outcome_of(future: Future[Collected | PageFailed]) -> Collected | PageFailed | None:
    """Return what the worker made of the page; None: it was cancelled."""
    if future.cancelled():
        return None
    error = future.exception()
    return future.result() if error is None else failure_of(error)
