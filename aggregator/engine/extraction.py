"""Sends fetched pages to the worker processes and records the results, for both engines."""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from aggregator.engine.counters import Counters
from aggregator.engine.pool import WorkerPool, result_of
from aggregator.errors import StorageError
from aggregator.extraction.pipeline import extraction_job, failed_part, is_shortened, run_jobs
from aggregator.extraction.records import article_record
from aggregator.models.fetching import Cause
from aggregator.models.ids import PageId
from aggregator.models.pages import FetchedPage, PageFailed
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import ArticleOutcome, ArticleRecord, Collected, NextPage
from aggregator.schedule.due_times import page_retry_at, revisit_at, revisit_in_doubt_at
from aggregator.visits.context import VisitContext
from aggregator.wakeup import PipeEvent

logger = logging.getLogger(__name__)

T = TypeVar("T")
_Results = tuple[Collected | NextPage | PageFailed, ...]
_Done = tuple[Sequence[FetchedPage], Future[_Results]]  # a finished task

_LEASE_MARGIN = timedelta(seconds=30)
_QUEUED_AHEAD = 5  # tasks queued for each worker beside its current one, so that no worker waits for a transaction
_GATHER_SECONDS = 0.25  # results of this time are recorded together: a transaction costs as much as ten results
_TOGETHER = 32  # pages without bytes in one task: an entry's own content takes a millisecond
_RETRIED = frozenset({Cause.LOW_QUALITY, Cause.RAW_MISSING})  # a new fetch may bring another page


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionSettings:
    """How pages are extracted. `timeout` is the time limit of one task. `revisit` is as in `VisitPolicy`.

    `keep_raw` False: the bytes of a page are deleted when its result is recorded.
    """

    timeout: timedelta
    keep_raw: bool
    revisit: tuple[timedelta, ...]


class ExtractionLine:
    """The pages in extraction and the counters of their results.

    One thread calls `step`. Any thread may call `wake` and `give_back` and read the counts.

    A task that hangs or crashes its worker costs only its own page. If the task had several pages, each page is retried
    alone.
    """

    def __init__(self, context: VisitContext, pool: WorkerPool, settings: ExtractionSettings) -> None:
        self.context = context
        self.settings = settings
        self._counts = Counters()
        self._pool = pool
        self._in_hand: dict[PageId, FetchedPage] = {}
        self._tasks = 0
        self._is_more = False  # pages were left when tasks were last started
        self._alone: deque[FetchedPage] = deque()  # claimed pages that are retried alone
        self._is_starting = False
        self._is_over = threading.Event()  # set: the pages were given back, and no more are claimed
        self._refusal: StorageError | None = None  # what the store answered about a page of the finished tasks
        self._finished: queue.SimpleQueue[_Done] = queue.SimpleQueue()
        self._event = PipeEvent()

    @property
    def counts(self) -> Counter[str]:
        """The counts of the results so far, by the kind of result. Any thread may ask."""
        return self._counts.snapshot()

    @property
    def in_hand(self) -> int:
        """The number of pages that are claimed and not recorded yet; while the workers start, 1."""
        return len(self._in_hand) or int(self._is_starting)

    def step(self, wait: float, scope: RunScope | None = None) -> int:
        """Start tasks, wait up to `wait` seconds for results, and record them; return how many pages are finished.

        A page is finished if its result is recorded, or if it was given back or lost to another claim.

        Raises:
            OSError: a file cannot be deleted, or a worker cannot be started.
            StorageError: the store failed, or refused a page; what it accepted is recorded.
        """
        self._pool.mend()
        self._start_tasks(scope)
        if wait > 0:
            self._event.wait(wait)
        self._event.clear()  # before the results are read: a later result sets it again
        recorded = 0
        while tasks := self._gather():
            recorded += self._finish(tasks, scope)
            self._start_tasks(scope)
        return recorded

    def wake(self) -> None:
        """Let `step` end its wait, since a visit may have fetched pages to extract. Any thread may call this."""
        self._event.set()

    def give_back(self) -> None:
        """Give the claimed pages back to the store. These claims do not count as attempts."""
        self._is_over.set()
        for page in tuple(self._in_hand.values()):
            self._let_go(page)
            self.context.store.give_back_page(page)

    # --- tasks --------------------------------------------------------------------------------------------------------

    def _start_tasks(self, scope: RunScope | None) -> None:
        """Claim fetched pages and queue tasks for them, up to five tasks for each worker beside its current one.

        Pages whose common task failed come first, each in a task of its own.
        """
        room = self._pool.workers * (1 + _QUEUED_AHEAD) - self._tasks
        if room <= 0 or self._is_over.is_set() or not self._may_begin():
            return
        lease = self.settings.timeout * (1 + _QUEUED_AHEAD) + _LEASE_MARGIN
        while room and self._alone:
            page = self._alone[0]
            is_renewed = self._holds(page) and self.context.store.renew_page(page, lease)
            self._alone.popleft()  # after the store's answer: an error leaves the page here
            if is_renewed:
                self._submit([page])
                room -= 1
            elif self._holds(page):
                self._done(page, "lost")
        if not room:
            return
        folder = self.context.raw_store.folder
        pages = self.context.store.claim_fetched(room, lease, folder, scope=scope, batch=_TOGETHER)
        self._in_hand.update({page.id: page for page in pages})
        if self._is_over.is_set():  # a stop in another thread, after the claim had begun
            self.give_back()
            return
        tasks = list(_tasks(pages))
        for task in tasks:
            self._submit(task)
        self._is_more = len(tasks) >= room

    def _may_begin(self) -> bool:
        """Return whether fetched pages may be claimed: the workers have started. When the first pages wait, start them.

        If the process is killed, each page that it has claimed counts as tried. So no page is claimed while the workers
        start.
        """
        if not self._pool.is_warm:
            self._is_starting = self._is_starting or self.context.store.waiting_for_extraction() > 0
            if self._is_starting:
                self._pool.warm_up(self.wake)
            return False
        self._is_starting = False
        return True

    def _submit(self, pages: Sequence[FetchedPage]) -> None:
        """Queue the extraction of these pages as one task for the workers. It fails if its jobs cannot be made.

        Raises:
            OSError: no worker can be started.
        """
        future: Future[_Results]
        try:
            jobs = [extraction_job(page, self.context.rules_of, self.context.publishers) for page in pages]
        except Exception as error:  # a fault that one page shows must not end the work on the others
            logger.exception("no extraction job", extra={"url": pages[0].url})
            future = Future()
            future.set_exception(error)
        else:
            future = self._pool.submit(run_jobs, jobs, self.context.raw_store.get)
        self._tasks += 1
        future.add_done_callback(lambda done: self._note_finished(pages, done))

    def _note_finished(self, pages: Sequence[FetchedPage], done: Future[_Results]) -> None:
        self._finished.put((pages, done))
        self._event.set()

    def _gather(self) -> list[_Done]:
        """Return the finished tasks, after a wait of a quarter of a second in which more tasks may finish.

        The wait ends early when a visit has fetched pages and a worker is idle. It also ends early when more pages can
        be claimed and at most two tasks are left for each worker. The workers do these while the results are recorded.
        """
        done, clock = list(self._at_hand()), self.context.clock
        until = clock.monotonic() + _GATHER_SECONDS
        while 0 < len(done) < self._tasks and self._event.wait(until - clock.monotonic()):
            self._event.clear()
            more = list(self._at_hand())
            done += more
            left = self._tasks - len(done)
            if (not more and left < self._pool.workers) or (self._is_more and left <= 2 * self._pool.workers):
                break
        return done

    def _at_hand(self) -> Iterator[_Done]:
        """Yield the finished extraction tasks that were not yielded before. Do not wait for the others."""
        while True:
            try:
                yield self._finished.get_nowait()
            except queue.Empty:
                return

    # --- results ------------------------------------------------------------------------------------------------------

    def _finish(self, tasks: Sequence[_Done], scope: RunScope | None) -> int:
        """Record the results of tasks, all articles in one transaction.

        If a task of several pages failed, each of its pages is tried again alone. If the store refuses a page, the
        others are still recorded; the refused page is claimed again when its lease has run out.

        Return for how many pages the work here has ended: recorded, given back, or refused.

        Raises:
            StorageError: the store refused a page; the last error, if there are several.
        """
        before = len(self._in_hand)
        self._tasks -= len(tasks)
        outcomes: list[ArticleOutcome] = []
        for pages, future in tasks:
            match result_of(future):
                case PageFailed() if len(pages) > 1:
                    self._alone.extend(filter(self._holds, pages))
                    continue
                case tuple() as results:
                    pass
                case one:
                    results = (one,) * len(pages)
            for page, result in zip(pages, results, strict=True):
                if not self._holds(page):
                    continue
                try:
                    outcomes += self._outcome(page, result, scope)
                except StorageError as error:
                    self._refused(page, error)
        self._keep(outcomes)
        refusal, self._refusal = self._refusal, None
        if not self.settings.keep_raw:
            self._delete_bytes([page for pages, _ in tasks for page in pages])
        if refusal is not None:
            raise refusal
        return before - len(self._in_hand)

    def _refused(self, page: FetchedPage, error: StorageError) -> None:
        """Stop the work on a page that the store refused. `_finish` raises the error at its end."""
        self._refusal = error
        self._let_go(page)

    def _outcome(
        self, page: FetchedPage, result: Collected | NextPage | PageFailed | None, scope: RunScope | None
    ) -> Iterator[ArticleOutcome]:
        """Yield the article to record, if there is one. A failure or a next page is recorded here.

        `result` None: the task was cancelled, so the page is given back.
        """
        failed = failed_part(page)
        match result:
            case None:
                self.context.store.give_back_page(page)
                self._let_go(page)
            case NextPage():
                self._go_on(page, result, scope)
            case PageFailed():
                self._fail(page, result)
            case Collected() if failed is not None and is_shortened(page, result):
                self._fail(page, failed, again=True)  # the stored article has more text than this shortened one
            case Collected():
                try:
                    record = article_record(page, result, self.context.publishers)
                except Exception as error:  # as in `_submit`
                    logger.exception("no record of an article", extra={"url": page.url})
                    self._fail(page, PageFailed(cause=Cause.EXTRACTION_FAILED, detail=repr(error)))
                else:
                    yield self._article(page, record)

    def _article(self, page: FetchedPage, record: ArticleRecord) -> ArticleOutcome:
        """Return the article to record, with the times of the page's next fetch."""
        if failed_part(page) is not None and (retry_at := self._next_try_of_part(page)) is not None:
            return ArticleOutcome(page=page, record=record, if_changed=retry_at, if_unchanged=retry_at, resumes=True)
        if_changed, if_unchanged = self._next_visits(page)
        return ArticleOutcome(
            page=page,
            record=record,
            if_changed=if_changed,
            if_unchanged=if_unchanged,
            if_wall=self._next_try(page, PageFailed(cause=Cause.WALL)),
            if_doubtful=revisit_in_doubt_at(page, now=self.context.store.now()),
        )

    def _go_on(self, page: FetchedPage, next_page: NextPage, scope: RunScope | None) -> None:
        """Record that the article continues on another page, which is due now; a `run-once` collects it too."""
        host_id = self.context.store.record_next_page(page, next_page)
        if host_id is not None and scope is not None:
            scope.add(host_id, page.id)
        self._let_go(page)

    def _next_visits(self, page: FetchedPage) -> tuple[datetime | None, datetime | None]:
        """Return when the page is fetched again: if its article has changed, and if it has not. None: never."""
        if page.raw is None:
            return (self._next_try(page, page.failed),) * 2
        now, revisit = self.context.store.now(), self.settings.revisit
        return (
            revisit_at(page, changed=True, now=now, revisit=revisit),
            revisit_at(page, changed=False, now=now, revisit=revisit),
        )

    def _next_try(self, page: FetchedPage, failed: PageFailed | None) -> datetime | None:
        """Return when a page that failed is fetched again; None: never.

        `failed` None: the page did not fail, since its article is the feed's own content. The result is None.
        """
        if failed is None:
            return None
        now, random = self.context.store.now(), self.context.random
        return page_retry_at(page.attempts, failed.cause, None, now=now, random=random)

    def _next_try_of_part(self, page: FetchedPage) -> datetime | None:
        """Return when the last known page of an article is fetched again. None: it did not fail, or is not retried."""
        part = page.parts[-1]
        if part.failed is None:
            return None
        now, random = self.context.store.now(), self.context.random
        return page_retry_at(part.tries, part.failed.cause, None, now=now, random=random)

    def _keep(self, outcomes: Sequence[ArticleOutcome]) -> None:
        """Record articles in one transaction, or one by one if that fails."""
        if not outcomes:
            return
        try:
            recorded = self.context.store.record_articles(outcomes)
        except StorageError as error:
            if len(outcomes) == 1:
                self._refused(outcomes[0].page, error)
                return
            for outcome in outcomes:
                self._keep([outcome])
            return
        for outcome, article in zip(outcomes, recorded, strict=True):
            self._done(
                outcome.page, "lost" if article is None else "failed" if article.kind == "wall" else article.kind
            )

    def _fail(self, page: FetchedPage, failed: PageFailed, *, again: bool = False) -> None:
        if page.raw is None:
            next_at = self._next_try(page, page.failed)
        else:
            next_at = self._next_try(page, failed) if again or failed.cause in _RETRIED else None
        is_recorded = self.context.store.record_extraction_failure(page, failed, next_at)
        self._done(page, "failed" if is_recorded else "lost")
        if is_recorded:
            logger.info("no article", extra={"url": page.url, "cause": failed.cause.value, "detail": failed.detail})

    def _holds(self, page: FetchedPage) -> bool:
        """Return whether the claim on a page is still held here. A stop in another thread may have given it back."""
        return self._in_hand.get(page.id) is page

    def _let_go(self, page: FetchedPage) -> None:
        """Remove a page from the claimed pages (`_in_hand`), after its result was recorded or refused.

        A stop in another thread may have removed it already.
        """
        self._in_hand.pop(page.id, None)

    def _done(self, page: FetchedPage, kind: str) -> None:
        self._counts.add({kind: 1})
        self._let_go(page)

    def _delete_bytes(self, pages: Sequence[FetchedPage]) -> None:
        """Delete the bytes of these pages and their further pages, unless another page needs the same bytes."""
        raws = (raw for page in pages for raw in (page.raw, *(part.raw for part in page.parts)))
        hashes = {raw.content_hash for raw in raws if raw is not None}
        for content_hash in hashes - self.context.store.awaited_raw(hashes):
            self.context.raw_store.delete(content_hash)


def _tasks(pages: Sequence[FetchedPage]) -> Iterator[Sequence[FetchedPage]]:
    """Yield the pages in groups, one group for each task.

    Up to 32 pages that have no bytes (only their entry's content is extracted) share a task. Every other page has a
    task of its own. So has a page that was claimed before, since it may have crashed a worker.
    """
    together = [page for page in pages if page.raw is None and page.claims <= 1]
    yield from ([page] for page in pages if page.raw is not None or page.claims > 1)
    yield from (together[at : at + _TOGETHER] for at in range(0, len(together), _TOGETHER))
