"""The visits that a process holds, whatever engine brings them: their counters, their failures, their end."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from aggregator.engine.counters import Tally
from aggregator.engine.extraction import ExtractionLine, ExtractionSettings
from aggregator.errors import StorageError
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import Claim
from aggregator.visits.context import VisitContext
from aggregator.visits.report import VisitReport
from aggregator.visits.visit import HostVisit
from aggregator.wakeup import PipeEvent

logger = logging.getLogger(__name__)

_BACK_PRESSURE = 500  # fetched pages that may wait for extraction before visits collect no more
_STOP_PATIENCE = 4.0  # seconds that a stop leaves to the requests in hand


class Engine(Protocol):
    """What brings visits to a process, as the daemon drives it: `fill` each second, or `rest`."""

    @property
    def share(self) -> float:
        """Which part of all polls are ours, as a fraction of 1."""
        ...

    def fill(self) -> int:
        """Claim hosts that are due, as many as can be visited soon; return how many.

        Raises:
            StorageError: the store failed.
        """
        ...

    def rest(self) -> None:
        """Begin no visit until the next `fill`; those under way go on."""
        ...

    def stop(self) -> None:
        """End visits within a few seconds; what is still in hand then is given back."""
        ...


class VisitRunner:
    """The visits under way and the counters of what was done. `context` and `workers` may change while it runs."""

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
        self._totals = Tally()
        self._error: BaseException | None = None

    @property
    def running(self) -> int:
        """How many visits are under way."""
        return len(self._running)

    @property
    def totals(self) -> Counter[str]:
        """What was done since the start, by name; for any thread."""
        counts = self._totals.snapshot()
        counts.update({f"articles_{kind}": count for kind, count in self.line.counts.items()})
        return counts

    def reconfigure(self, context: VisitContext, extraction: ExtractionSettings, workers: int, max_pages: int) -> None:
        """Use other settings from the next visit and the next page on."""
        self.context = self.line.context = context
        self.line.settings = extraction
        self.workers, self.max_pages = workers, max_pages

    def update_backpressure(self) -> bool:
        """Look how much waits for extraction; return whether visits may collect pages."""
        self.with_pages = self.context.store.waiting_for_extraction() < _BACK_PRESSURE
        return self.with_pages

    # --- one visit ---------------------------------------------------------------------------------------------------

    def start(self, claim: Claim) -> None:
        """A visit begins."""
        with self._lock:
            self._running[claim.host_id] = claim

    def finish(self, held: Claim, taken: Claim | None = None) -> None:
        """A visit is over; its thread goes on with `taken`."""
        with self._lock:
            if self._running.get(held.host_id) is held:
                del self._running[held.host_id]
            if taken is not None:
                self._running[taken.host_id] = taken
        self._finished.set()
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
        """Visit a claimed host, for `length` at most; None: the visit failed.

        A bug ends this visit only, its lease runs out. A store that fails is for `take_error`.
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
        except Exception:  # the one place that catches all, once per visit
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
        self._totals.add({f"cause_{cause.value}": count for cause, count in report.causes.items()})
        self._totals.add({f"articles_{kind}": count for kind, count in report.articles.items()})

    # --- failures, the end -------------------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """Keep what stopped the work: the store, or the disk."""
        self._error = error

    @property
    def error(self) -> BaseException | None:
        """What failed and was not taken yet."""
        return self._error

    def take_error(self) -> BaseException | None:
        """Return what failed since the last call."""
        error, self._error = self._error, None
        return error

    def request_stop(self) -> None:
        """Let visits end after the request in hand; safe in a signal handler."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """End visits within a few seconds; what is still in hand then is given back."""
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
            logger.warning("not given back; it is anyone's when its lease ends", extra={"reason": str(error)})
