"""The engine of one machine: threads visit hosts, worker processes extract. One claim loop for `run-once` and `run`."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from aggregator.engine.extraction import ExtractionLine, ExtractionSettings
from aggregator.engine.tally import Tally
from aggregator.errors import StorageError
from aggregator.ledger import Claim, Scope
from aggregator.models import HostId
from aggregator.stay import Tools
from aggregator.visit import VisitReport, visit

logger = logging.getLogger(__name__)

_BACK_PRESSURE = 500  # fetched pages that may wait for extraction before visits collect no more
_LOOK_AGAIN = 0.2  # seconds between two looks of `run-once` at what it may claim
_LONGEST_PACE = timedelta(seconds=30)  # what `run-once` waits out at most; a longer pace waits for the next run
_STOP_PATIENCE = 4.0  # seconds that a stop leaves to the requests in hand


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What one `run-once` did. Names are those of its `--json` (docs/reference/records.md)."""

    feeds_polled: int
    feeds_unchanged: int
    feeds_failed: int
    entries_seen: int
    entries_new: int
    pages_collected: int
    pages_waiting: int
    pages_failed: int
    articles_new: int
    articles_updated: int
    articles_duplicate: int
    seconds: float
    interrupted: bool
    feeds_waiting: int


class LocalEngine:
    """The threads that hold visits, and the counters of what they did."""

    def __init__(self, tools: Tools, line: ExtractionLine, *, workers: int, max_pages: int) -> None:
        self.tools = tools
        self.line = line
        self.workers = workers
        self.max_pages = max_pages
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._running: dict[int, Claim] = {}
        self._totals = Tally()
        self._pages_asked: Counter[HostId] = Counter()
        self._error: BaseException | None = None
        self._with_pages = True
        self.last_moved_at = tools.clock.monotonic()

    # --- both ways of running ----------------------------------------------------------------------------------------

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

    def reconfigure(self, tools: Tools, extraction: ExtractionSettings, workers: int, max_pages: int) -> None:
        """Use other settings from the next visit and the next page on."""
        self.tools = self.line.tools = tools
        self.line.settings = extraction
        self.workers, self.max_pages = workers, max_pages

    def request_stop(self) -> None:
        """Let visits end after the request in hand; safe in a signal handler."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._stopping.is_set()

    def take_error(self) -> BaseException | None:
        """Return what failed in a visit since the last call: the store, or the disk."""
        error, self._error = self._error, None
        return error

    def fill(self, scope: Scope | None = None) -> int:
        """Claim hosts for the free threads and start their visits; return how many."""
        free = self.workers - len(self._running)
        if free <= 0 or self.stopping:
            return 0
        store = self.tools.store
        self._with_pages = store.waiting_for_extraction() < _BACK_PRESSURE
        claims = store.claim_hosts(free, self.tools.policy.lease, scope=scope, pages=self._with_pages)
        for claim in claims:
            with self._changed:
                self._running[claim.host_id] = claim
            threading.Thread(
                target=self._hold_visits, args=(claim, scope), name=f"visit {claim.host}", daemon=True
            ).start()
        return len(claims)

    def stop(self) -> None:
        """End visits within a few seconds; what is still in hand then is given back."""
        self.request_stop()
        deadline = self.tools.clock.monotonic() + _STOP_PATIENCE
        with self._changed:
            while self._running and (left := deadline - self.tools.clock.monotonic()) > 0:
                self._changed.wait(min(left, _LOOK_AGAIN))
            unfinished = tuple(self._running.values())
        for claim in unfinished:
            self.tools.store.release(claim, failures=claim.failures)
        self.line.give_back()

    def _hold_visits(self, held: Claim, scope: Scope | None) -> None:
        """One thread: visit, then claim the next host, until there is none.

        A bug ends this visit only, its lease runs out. A store that fails ends the run.
        """
        try:
            while True:
                self._visit(held, scope)
                claim = self._next_claim(scope)
                self._put_down(held, claim)
                if claim is None:
                    return
                held = claim
        except (StorageError, OSError) as error:
            self._error = error
        except Exception:  # the one place that catches all, once per visit
            logger.exception("visit failed", extra={"host": held.host})
            if scope is not None:
                scope.leave(held.host_id)
        finally:
            self._put_down(held, None)

    def _put_down(self, held: Claim, taken: Claim | None) -> None:
        with self._changed:
            self._running.pop(held.host_id, None)
            if taken is not None:
                self._running[taken.host_id] = taken
            self._changed.notify_all()
        self.line.wake()

    def _next_claim(self, scope: Scope | None) -> Claim | None:
        if self.stopping or self._error is not None:
            return None
        claims = self.tools.store.claim_hosts(1, self.tools.policy.lease, scope=scope, pages=self._with_pages)
        return claims[0] if claims else None

    def _visit(self, claim: Claim, scope: Scope | None) -> None:
        asked = self._pages_asked[claim.host_id] if scope is not None else 0
        seen = scope.additions if scope is not None else 0
        with_pages = self._with_pages
        report = visit(
            claim,
            self.tools,
            scope=scope,
            max_pages=self.max_pages - asked,
            others_due=lambda: len(self._running) >= self.workers,
            stopping=self._stopping.is_set,
            with_pages=with_pages,
        )
        with self._changed:
            self._add(report)
            self._pages_asked[claim.host_id] += report.pages_requested
            full = self._pages_asked[claim.host_id] >= self.max_pages
        if scope is None:
            return
        if report.backing_off:
            scope.leave(claim.host_id)
        elif with_pages and (report.is_empty or (full and not report.feeds_polled)):
            scope.leave(claim.host_id, seen)  # nothing of this run is left here, or its share of pages is used up

    def _add(self, report: VisitReport) -> None:
        self.last_moved_at = self.tools.clock.monotonic()
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

    # --- run-once ----------------------------------------------------------------------------------------------------

    def run_once(self, scope: Scope, on_progress: Callable[[Counter[str]], None] | None = None) -> RunReport:
        """Do the work of `scope` and what its own polls announce; wait out pace, never a back-off.

        `on_progress` is told the totals, with `feeds_left` and `pages_known`.

        Raises:
            StorageError: the store failed while the run was under way.
        """
        clock, store = self.tools.clock, self.tools.store
        started = clock.monotonic()
        patience: datetime | None = None
        while not self.stopping and self._error is None:
            self.fill(scope)
            had_visits = self.running > 0  # asked first: a visit may fetch a page and end while the line waits
            recorded = self.line.step(_LOOK_AGAIN / 4 if had_visits or self.line.in_hand else 0.0, scope)
            if on_progress is not None:
                on_progress(self.totals + Counter(feeds_left=len(scope.feeds), pages_known=len(scope.pages)))
            if had_visits or self.line.in_hand or recorded:
                patience = None
                continue
            free_at = store.wait_until(scope, pages=True)
            if free_at is None:
                break
            now = store.now()
            if free_at > now + _LONGEST_PACE:
                break
            patience = patience or max(free_at, now + timedelta(seconds=1))
            if now > patience + timedelta(seconds=1):
                break  # leased elsewhere, and renewed there: another process does it
            clock.sleep(min(max((free_at - now).total_seconds(), 0.01), _LOOK_AGAIN))
        if self.stopping or self._error is not None:
            self.stop()
        if self._error is not None:
            raise self._error
        return self._report(scope, clock.monotonic() - started)

    def _report(self, scope: Scope, seconds: float) -> RunReport:
        totals, kinds = self._totals.snapshot(), self.line.counts
        return RunReport(
            feeds_polled=totals["feeds_polled"],
            feeds_unchanged=totals["feeds_unchanged"],
            feeds_failed=totals["feeds_failed"],
            feeds_waiting=len(scope.feeds),
            entries_seen=totals["entries_seen"],
            entries_new=totals["entries_new"],
            pages_collected=sum(kinds[kind] for kind in ("new", "updated", "unchanged", "duplicate")),
            pages_waiting=self.tools.store.counts().pages_due,
            pages_failed=totals["pages_failed"] + kinds["failed"],
            articles_new=kinds["new"],
            articles_updated=kinds["updated"],
            articles_duplicate=kinds["duplicate"],
            seconds=round(seconds, 3),
            interrupted=self.stopping,
        )
