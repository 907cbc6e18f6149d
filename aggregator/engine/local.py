"""The engine of one machine: threads visit hosts, worker processes extract pages. `run-once` and `run` use it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from aggregator.engine.visit_runner import VisitRunner
from aggregator.errors import StorageError
from aggregator.models.ids import HostId
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import Claim

_LOOK_AGAIN = 0.2  # seconds between two checks of `run-once` for hosts to claim
_FILL_EVERY = 0.05  # seconds; during extraction `run-once` wakes at every result, which is more often than needed
_LONGEST_PACE = timedelta(seconds=30)  # the longest pace that `run-once` waits for; the next run visits others


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """The counts of one `run-once`. The fields are those of `run-once --json` (docs/reference/records.md)."""

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
    feeds_waiting: int


class LocalEngine:
    """Visits hosts in threads. Each thread visits one host after the other until no host is due."""

    share = 1.0

    def __init__(self, visits: VisitRunner) -> None:
        self.visits = visits
        self._lock = threading.Lock()
        self._pages_asked: Counter[HostId] = Counter()
        self._resting = False

    # --- `run` and `run-once` ----------------------------------------------------------------------------------------

    def fill(self, scope: RunScope | None = None) -> int:
        """Claim a due host (of `scope`) for each free thread, and start the visits; return how many."""
        visits = self.visits
        self._resting = False
        free = visits.workers - visits.running
        if free <= 0 or visits.stopping:
            return 0
        with_pages = visits.update_backpressure()
        claims = visits.context.store.claim_hosts(free, visits.context.policy.lease, scope=scope, pages_too=with_pages)
        for claim in claims:
            visits.start(claim)
            threading.Thread(
                target=self._run_visits, args=(claim, scope), name=f"visit {claim.host}", daemon=True
            ).start()
        return len(claims)

    def rest(self) -> None:
        """Start no visit until the next `fill`. Visits that have begun continue."""
        self._resting = True

    def stop(self) -> None:
        """End visits within a few seconds, and give back the claims that are still held."""
        self.visits.stop()

    def _run_visits(self, claim: Claim, scope: RunScope | None) -> None:
        """Visit the claimed host, then claim and visit others, until no host is due or a visit fails.

        Runs in its own thread.
        """
        try:
            while self._visit(claim, scope):
                following = self._next_claim(scope)
                self.visits.finish(claim, following)
                if following is None:
                    return
                claim = following
        except StorageError as error:
            self.visits.fail(error)
        finally:
            self.visits.finish(claim)

    def _next_claim(self, scope: RunScope | None) -> Claim | None:
        visits = self.visits
        if visits.stopping or self._resting or visits.error is not None:
            return None
        context = visits.context
        claims = context.store.claim_hosts(1, context.policy.lease, scope=scope, pages_too=visits.with_pages)
        return claims[0] if claims else None

    def _visit(self, claim: Claim, scope: RunScope | None) -> bool:
        """Visit the claimed host; False: the visit failed.

        A `run-once` then drops the host from `scope` if the visit failed or had nothing to do, or if the host is backed
        off or has used up its time or its limit of pages.
        """
        visits, host = self.visits, claim.host_id
        asked = self._pages_asked[host] if scope is not None else 0
        seen = scope.additions if scope is not None else 0
        with_pages = visits.with_pages
        report = visits.run_visit(
            claim,
            scope=scope,
            max_pages=visits.max_pages - asked,
            others_due=lambda: visits.running >= visits.workers,
            with_pages=with_pages,
        )
        if report is None:
            if scope is not None:
                scope.drop_host(host)
            return False
        with self._lock:
            self._pages_asked[host] += report.pages_requested
            full = self._pages_asked[host] >= visits.max_pages
        if scope is None:
            return True
        if report.host_done:
            scope.drop_host(host)
        elif with_pages and (report.is_empty or (full and not report.feeds_polled)):
            scope.drop_host(host, seen)  # the host has no more work of this run, or has used up its limit of pages
        return True

    # --- run-once ----------------------------------------------------------------------------------------------------

    def run_once(self, scope: RunScope, on_progress: Callable[[Counter[str]], None] | None = None) -> RunReport:
        """Do the work in `scope`, and collect the pages that the polls announce. Return the counts.

        The run waits up to half a minute until a host's pace allows a request. It does not wait until a back-off ends.

        Raises:
            StorageError: the store failed during the run.
            OSError: a file could not be written.
        """
        visits = self.visits
        clock, store, line = visits.context.clock, visits.context.store, visits.line
        started = clock.monotonic()
        filled_at = started - _FILL_EVERY
        patience: datetime | None = None
        while not visits.stopping and visits.error is None:
            if not line.in_hand or clock.monotonic() - filled_at >= _FILL_EVERY:
                self.fill(scope)
                filled_at = clock.monotonic()
            had_visits = visits.running > 0  # read before the step: a visit may fetch a page and end during it
            recorded = line.step(_LOOK_AGAIN / 4 if had_visits or line.in_hand else 0.0, scope)
            if on_progress is not None:
                on_progress(visits.totals + Counter(feeds_left=len(scope.feeds), pages_known=len(scope.pages)))
            if had_visits or line.in_hand or recorded:
                patience = None
                continue
            free_at = store.wait_until(scope)
            if free_at is None:
                break
            now = store.now()
            if free_at > now + _LONGEST_PACE:
                break
            patience = patience or max(free_at, now + timedelta(seconds=1))
            if now > patience + timedelta(seconds=1):
                break  # another process holds and renews the leases; it does the work
            clock.sleep(min(max((free_at - now).total_seconds(), 0.01), _LOOK_AGAIN))
        if visits.stopping or visits.error is not None:
            self.stop()
        if visits.error is not None:
            raise visits.error
        return self._report(scope, clock.monotonic() - started)

    def _report(self, scope: RunScope, seconds: float) -> RunReport:
        totals = self.visits.totals
        return RunReport(
            feeds_polled=totals["feeds_polled"],
            feeds_unchanged=totals["feeds_unchanged"],
            feeds_failed=totals["feeds_failed"],
            feeds_waiting=len(scope.feeds),
            entries_seen=totals["entries_seen"],
            entries_new=totals["entries_new"],
            pages_collected=sum(
                totals[f"articles_{kind}"] for kind in ("new", "updated", "unchanged", "duplicate", "skipped")
            ),
            pages_waiting=self.visits.context.store.counts().pages_due,
            pages_failed=totals["pages_failed"] + totals["articles_failed"],
            articles_new=totals["articles_new"],
            articles_updated=totals["articles_updated"],
            articles_duplicate=totals["articles_duplicate"],
            seconds=round(seconds, 3),
        )
