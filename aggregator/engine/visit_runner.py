"""Runs the visits of a process, for both engines. Counts their results, keeps their errors, ends them."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from aggregator.engine.counters import Counters
from aggregator.engine.extraction import ExtractionLine, ExtractionSettings
from aggregator.errors import StorageError
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import Claim
from aggregator.visits.context import VisitContext
from aggregator.visits.report import VisitReport
from aggregator.visits.visit import HostVisit
from aggregator.wakeup import PipeEvent

logger = logging.getLogger(__name__)

_BACK_PRESSURE = 500  # if more fetched pages wait for extraction, visits collect no pages
_STOP_PATIENCE = 4.0  # seconds that a stop waits for the current requests


class Engine(Protocol):
    """Starts the visits of a process. The daemon calls `fill` each second, or `rest` when no visit may start."""

    @property
    def share(self) -> float:
        """The part of all polls that this process makes: 1 on one machine, less in a fleet."""

    def fill(self) -> int:
        """Claim as many due hosts as can be visited soon, and start or queue their visits; return how many.

        Raises:
            StorageError: the store failed.
        """

    def rest(self) -> None:
        """Start no visit until the next `fill`. Visits that have begun continue."""

    def stop(self) -> None:
        """End visits within a few seconds, and give back the claims that are still held."""


class VisitRunner:
    """The visits that are running, and the counts of their results.

    `context` and `workers` (the number of threads) may change while the process runs.
    """

    def __init__(self, context: VisitContext, line: ExtractionLine, *, workers: int, max_pages: int) -> None:
        self.context = context
        self.line = line
        self.workers = workers
        self.max_pages = max_pages
        self.with_pages = True  # False: too many pages wait for extraction
        self.last_moved_at = context.clock.monotonic()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._finished = PipeEvent()  # a visit is over
        self._running: dict[int, Claim] = {}
        self._totals = Counters()
        self._error: BaseException | None = None

    @property
    def running(self) -> int:
        """The number of visits that are running."""
        return len(self._running)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that are being visited, the longest visited first. Any thread may ask."""
        with self._lock:
            return tuple(claim.host for claim in self._running.values())

    @property
    def totals(self) -> Counter[str]:
        """The counts since the start of the process, by name. Any thread may ask."""
        counts = self._totals.snapshot()
        counts.update({f"articles_{kind}": count for kind, count in self.line.counts.items()})
        return counts

    def reconfigure(self, context: VisitContext, extraction: ExtractionSettings, workers: int, max_pages: int) -> None:
        """Use these settings for later visits and extractions. Visits that have begun keep their settings."""
        self.context = self.line.context = context
        self.line.settings = extraction
        self.workers, self.max_pages = workers, max_pages

    def update_backpressure(self) -> bool:
        """Set and return `with_pages`: False (visits collect no pages) while too many pages wait for extraction."""
        self.with_pages = self.context.store.waiting_for_extraction() < _BACK_PRESSURE
        return self.with_pages

    # --- one visit ---------------------------------------------------------------------------------------------------

    def start(self, claim: Claim) -> None:
        """Note that the visit of `claim` begins."""
        with self._lock:
            self._running[claim.host_id] = claim

    def finish(self, done: Claim, taken: Claim | None = None) -> None:
        """Note that the visit of the claim `done` has ended, and that the visit of the claim `taken` begins, if any."""
        with self._lock:
            if self._running.get(done.host_id) is done:
                del self._running[done.host_id]
            if taken is not None:
                self._running[taken.host_id] = taken
        self._finished.set()
        if taken is None:
            self.line.wake()

    def run_visit(
        self,
        claim: Claim,
        *,
        max_pages: int,
        others_due: Callable[[], bool],
        with_pages: bool,
        scope: RunScope | None = None,
        length: timedelta | None = None,
    ) -> VisitReport | None:
        """Visit the claimed host; None: the visit failed. `length` replaces the policy's time limit of a visit.

        If the store or the disk failed, `take_error` returns the error. A bug is logged, and ends this visit alone.
        """
        context = self.context
        if length is not None:
            context = replace(context, policy=replace(context.policy, length=length))
        try:
            visit = HostVisit(
                claim,
                context,
                scope=scope,
                max_pages=max_pages,
                others_due=others_due,
                stopping=self._stopping.is_set,
            )
            report = visit.run(with_pages=with_pages)
        except (StorageError, OSError) as error:
            self.fail(error)
            return None
        except Exception:  # a fault of one visit ends no other; `engine/extraction.py` does the same for pages
            logger.exception("visit failed", extra={"host": claim.host})
            return None
        self._add(report)
        return report

    def _add(self, report: VisitReport) -> None:
        self.last_moved_at = self.context.clock.monotonic()
        self._totals.add(
            {
                "feeds_polled": report.feeds_polled,
                "feeds_unchanged": report.feeds_unchanged,
                "feeds_failed": report.feeds_failed,
                "entries_seen": report.entries_seen,
                "entries_new": report.entries_new,
                "pages_failed": report.pages_failed,
                "requests": report.requests,
                "visits": 1,
            }
        )
        if report.pages_requested or report.entries_new:  # there may be pages to extract
            self.line.wake()
        self._totals.add({f"cause_{cause.value}": count for cause, count in report.causes.items()})
        self._totals.add({f"articles_{kind}": count for kind, count in report.articles.items()})

    # --- failures, the end -------------------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """Keep `error`, a failure of the store or the disk, for `take_error`."""
        self._error = error

    @property
    def error(self) -> BaseException | None:
        """The error that `take_error` would return now."""
        return self._error

    def take_error(self) -> BaseException | None:
        """Return the last error of the store or the disk since the previous call, or None."""
        error, self._error = self._error, None
        return error

    def request_stop(self) -> None:
        """End each visit after its present request. A signal handler may call this."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether a stop was requested."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """End visits within a few seconds, and give back the claims that are still held, of hosts and of pages."""
        self.request_stop()
        deadline = self.context.clock.monotonic() + _STOP_PATIENCE
        while self._running and (left := deadline - self.context.clock.monotonic()) > 0:
            self._finished.wait(left)
            self._finished.clear()
        with self._lock:
            unfinished = tuple(self._running.values())
        try:
            for claim in unfinished:
                self.context.store.release(claim, failures=claim.failures)
            self.line.give_back()
        except StorageError as error:
            logger.warning("claims not given back; their leases will end", extra={"reason": str(error)})
