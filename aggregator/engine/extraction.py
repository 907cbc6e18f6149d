"""Carries fetched pages through the worker processes and their results into the store; both engines use it."""

from __future__ import annotations

import logging
import queue
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Literal

from aggregator.collect import job_of, perform, record_of
from aggregator.engine.pool import WorkerPool, failure_of
from aggregator.models import Cause, FetchedPage, PageFailed
from aggregator.ports import Collected, RawStore, Scope, Store
from aggregator.rules import Publishers
from aggregator.schedule import next_page_attempt, revisit_at

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

    def __init__(
        self,
        store: Store,
        raw_store: RawStore,
        pool: WorkerPool,
        publishers: Publishers,
        settings: ExtractionSettings,
        random: Random,
    ) -> None:
        self.publishers = publishers
        self.counts: Counter[str] = Counter()
        self._store, self._raw_store, self._pool = store, raw_store, pool
        self._settings, self._random = settings, random
        self._in_hand: dict[int, FetchedPage] = {}
        self._finished: queue.SimpleQueue[tuple[FetchedPage, Future[Collected | PageFailed]]] = queue.SimpleQueue()

    @property
    def in_hand(self) -> int:
        """How many pages are claimed and not yet recorded."""
        return len(self._in_hand)

    def step(self, wait: float, scope: Scope | None = None) -> int:
        """Hand out pages, wait up to `wait` seconds for results, record them; return how many were recorded."""
        self._hand_out(scope)
        recorded = 0
        try:
            page, future = self._finished.get(timeout=wait) if wait > 0 else self._finished.get_nowait()
            while True:
                self._finish(page, future)
                recorded += 1
                self._hand_out(scope)
                page, future = self._finished.get_nowait()
        except queue.Empty:
            return recorded

    def give_back(self) -> None:
        """Return what is in hand to the store; its attempt does not count."""
        for page in self._in_hand.values():
            self._store.give_back_page(page)
        self._in_hand.clear()

    def _hand_out(self, scope: Scope | None) -> None:
        room = self._pool.workers + _QUEUED_AHEAD - len(self._in_hand)
        if room <= 0:
            return
        lease = self._settings.timeout + _LEASE_MARGIN
        for page in self._store.claim_fetched(room, lease, self._raw_store.folder, scope=scope):
            self._in_hand[page.id] = page
            body = self._raw_store.get(page.raw.content_hash) if page.raw is not None else None
            if page.raw is not None and body is None:
                self._fail(page, PageFailed(cause=Cause.RAW_MISSING, detail="its bytes are gone"))
                continue
            job = job_of(page, body, self.publishers, self._settings.mode)
            future = self._pool.submit(perform, job)
            future.add_done_callback(lambda done, page=page: self._finished.put((page, done)))  # type: ignore[misc]

    def _finish(self, page: FetchedPage, future: Future[Collected | PageFailed]) -> None:
        if page.id not in self._in_hand:
            return
        error = future.exception() if not future.cancelled() else None
        outcome: Collected | PageFailed | None
        outcome = future.result() if error is None and not future.cancelled() else None
        if error is not None:
            outcome = failure_of(error)
        if isinstance(outcome, Collected):
            made = record_of(page, outcome, self.publishers)
            if isinstance(made, PageFailed):
                outcome = made
            else:
                now = self._store.now()
                next_at = revisit_at(page, changed=page.article_id is None, now=now, revisit=self._settings.revisit)
                recorded = self._store.record_article(page, made, next_at)
                self._done(page, recorded.kind if recorded is not None else "lost")
                return
        if outcome is None:
            self._store.give_back_page(page)
            del self._in_hand[page.id]
        else:
            self._fail(page, outcome)

    def _fail(self, page: FetchedPage, failed: PageFailed) -> None:
        next_at = None
        if failed.cause in _RETRIED:
            now = self._store.now()
            next_at = next_page_attempt(page.attempts, failed.cause, None, now=now, random=self._random)
        self._store.record_extraction_failure(page, failed, next_at)
        self._done(page, "failed")
        logger.info("no article", extra={"url": page.url, "cause": failed.cause.value, "detail": failed.detail})

    def _done(self, page: FetchedPage, kind: str) -> None:
        self.counts[kind] += 1
        del self._in_hand[page.id]
        if not self._settings.keep_raw and page.raw is not None:
            self._raw_store.delete(page.raw.content_hash)
