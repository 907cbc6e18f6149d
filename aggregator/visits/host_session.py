"""The session with one claimed host: its claim, lease, pace, back-off and time.

The host is backed off after a failure in `HOST_CAUSES` (`schedule/due_times.py`), or after three timeouts in a row. A
429 or 503 counts only if it concerns the whole host. A host reached by a redirect is backed off only for such an answer
(`RedirectClaims`). This module fetches nothing; `HostVisit` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from aggregator.errors import LeaseLostError
from aggregator.http.robots import RobotsRule, crawl_delay
from aggregator.identity.publisher_rules import publisher_of
from aggregator.models.fetching import Cause, FetchFailed
from aggregator.models.ids import PageId
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import Claim
from aggregator.schedule.due_times import HOST_CAUSES, host_not_before, own_network_is_down
from aggregator.urls import host_of
from aggregator.visits.context import VisitContext

_QUIET = frozenset({Cause.RATE_LIMITED, Cause.UNAVAILABLE})  # the host asks for fewer requests
_TIMEOUTS = 3  # in a row at one host, in any number of visits; after them the host backs off
_PATIENCE = timedelta(milliseconds=100)  # the longest wait for the pace if another host is due
_PROBE = timedelta(seconds=5)  # the time for a request to a host whose last request timed out
_SLOW = timedelta(seconds=3)  # a request that takes this long counts as waiting time of the run
_LAST_PROBE = timedelta(seconds=2)  # the time for a request to a host that has used up its waiting time
_LAST_PROBES = 2  # how many such requests may fail


class HostSession:
    """The session with a claimed host, from the claim to the release.

    `robots` is None until a request needs robots.txt.
    """

    def __init__(
        self,
        claim: Claim,
        context: VisitContext,
        scope: RunScope | None,
        others_due: Callable[[], bool],
        stopping: Callable[[], bool],
    ) -> None:
        self.claim = claim
        self.scope = scope
        self.backing_off = False
        self.robots: RobotsRule | None = None
        self._context = context
        self._others_due = others_due
        self._stopping = stopping
        self._pace = context.requests.interval_of(claim.host, context.policy.per_host_interval)
        self._failures = claim.failures
        self._not_before: datetime | None = None
        self._asked_until: datetime | None = None  # the host's own Retry-After
        self._started = context.clock.monotonic()
        self._renewed = self._started
        self._free_at = self._started

    def now(self) -> datetime:
        """Return the store's time: the time of the claim, plus the time since then by our monotonic clock."""
        return self.claim.now + timedelta(seconds=self._context.clock.monotonic() - self._started)

    @contextmanager
    def at_other_host(self, url: str) -> Iterator[HostSession | None]:
        """Yield a session with the host of `url`: this one if it has that host, else one that ends with the block.

        Yield None if the host cannot be claimed now: it was just requested, is backed off, or has another visit.
        """
        context, host = self._context, host_of(url)
        if host == self.claim.host:
            yield self
            return
        claim = context.store.claim_host(host, context.policy.lease)
        if claim is None:
            yield None
            return
        other = HostSession(claim, context, self.scope, lambda: False, self._stopping)
        try:
            yield other
        finally:
            other.release()

    # --- before a request ---------------------------------------------------------------------------------------------

    def wait_for_turn(self) -> bool:
        """Wait until the host's pace allows a request, and renew the lease if it needs that.

        False: the visit must end without a request. The reason is one of these: the process stops, the host is backed
        off, the time of the host or of the visit is used up, or another host is due while this one must wait.

        Raises:
            LeaseLostError: another process holds the host by now.
        """
        clock, policy = self._context.clock, self._context.policy
        if self._stopping() or self.backing_off or self.is_time_spent:
            return False
        wait = self._free_at - clock.monotonic()
        elapsed = clock.monotonic() - self._started
        if elapsed > 0 and elapsed + max(wait, 0) >= policy.length.total_seconds():
            return False
        if wait > 0:
            if wait > _PATIENCE.total_seconds() and self._others_due():
                return False
            clock.sleep(wait)
            if self._stopping():
                return False
        self.renew_lease()
        return True

    @property
    def is_time_spent(self) -> bool:
        """Whether slow requests to the host took all the time that a `run-once` gives them; the next does the rest."""
        return self._waited() >= self._context.policy.waiting + _LAST_PROBES * _LAST_PROBE

    def deadline(self, usual: timedelta, url: str) -> timedelta:
        """Return how long the request for `url` may take: `usual`, or less.

        After one or two timeouts in a row, it is at most five seconds. In a `run-once`, slow requests to one host share
        the time `VisitPolicy.waiting`: this request may take at most what is left of it, or two seconds.
        """
        if 0 < self._context.timeouts.get(self.claim.host, 0) < _TIMEOUTS:
            usual = min(usual, _PROBE)
        if self.scope is None:
            return usual
        left = self._context.policy.waiting - max(self._waited(), self.scope.hops.get(url, timedelta(0)))
        return min(usual, max(left, _LAST_PROBE))

    def _waited(self) -> timedelta:
        nothing = timedelta(0)
        return nothing if self.scope is None else self.scope.waited.get(self.claim.host_id, nothing)

    def renew_lease(self, *, whole: bool = False) -> None:
        """Renew the lease if less than half of it is left. `whole`: renew it in any case, because a long task follows.

        Raises:
            LeaseLostError: another process holds the host by now.
        """
        lease = self._context.policy.lease
        if not whole and self._context.clock.monotonic() - self._renewed <= lease.total_seconds() / 2:
            return
        if not self._context.store.renew(self.claim, lease):
            raise LeaseLostError(self.claim.host)
        self._renewed = self._context.clock.monotonic()

    # --- after a request ----------------------------------------------------------------------------------------------

    def note_request(self, url: str, took: timedelta, failed: FetchFailed | None) -> None:
        """Note that a request for `url` has just ended: the pause before the next request begins.

        The host is backed off after a failure in `HOST_CAUSES` (429, no connection, ...), or after three timeouts in a
        row. A success, or any other failure (404, ...), resets the host's count of failures. A first or second timeout
        does neither, nor does a failure in `HOST_CAUSES` that concerns the feed alone or another host (a redirect).
        """
        host = self.claim.host
        self._context.recent.append((host, None if failed is None else failed.cause))
        is_slow = took >= _SLOW or (failed is not None and failed.cause is Cause.TIMEOUT)
        if self.scope is not None and is_slow:
            self.scope.add_wait(self.claim.host_id, took)
        self._free_at = self._context.clock.monotonic() + self._pace.total_seconds()
        is_own = failed is not None and host_of(failed.final_url) == host
        if failed is not None and is_own and failed.cause is Cause.TIMEOUT:
            self._note_timeout(failed)
            return
        self._context.timeouts.pop(host, None)
        if failed is None or failed.cause not in HOST_CAUSES:
            self._failures = 0
        elif is_own and not (failed.cause in _QUIET and not asks_for_quiet(failed, url, self._context)):
            failures = 0 if own_network_is_down(list(self._context.recent)) else self._failures
            self._back_off(failed, failures, was_asked=failed.retry_after is not None)

    def _note_timeout(self, failed: FetchFailed) -> None:
        """Count a timeout of the host, unless our own network is down.

        After three in a row the host is backed off, since each further request would keep a thread waiting.
        """
        timeouts, host = self._context.timeouts, self.claim.host
        count = timeouts[host] = timeouts.get(host, 0) + (not own_network_is_down(list(self._context.recent)))
        if count >= _TIMEOUTS:
            self._back_off(failed, count - _TIMEOUTS, was_asked=False)

    def _back_off(self, failed: FetchFailed, failures: int, *, was_asked: bool) -> None:
        """Back off the host. The time grows with `failures`, unless the host named it by Retry-After (`was_asked`)."""
        until = host_not_before(failed, failures, now=self.now(), random=self._context.random)
        self._asked_until = until if was_asked else None
        self._failures += 1
        self.backing_off = True
        self._not_before = max(until, self._not_before or until)

    def note_redirect(self, source: str, target: str, took: timedelta) -> None:
        """Note a redirect from `source` to `target` at another host. `took` shortens the `deadline` for `target`."""
        if self.scope is not None:
            self.scope.hops[target] = self.scope.hops.get(source, timedelta(0)) + took

    def apply_robots(self, robots: RobotsRule) -> None:
        """Keep the rules of robots.txt. Their Crawl-delay applies if it is longer than the configured pause.

        The pause that has already begun stays as it is. So the first page after a feed's poll is not delayed.
        """
        self.robots = robots
        self._pace = max(self._pace, crawl_delay(robots, self._context.policy.user_agent) or self._pace)

    def defer(self, page: PageId, until: datetime | None) -> None:
        """Leave a failed page to a later run, which retries it at `until`.

        `until` None: the page is not retried. It stays in this run, which may take its text from the feed.
        """
        if self.scope is not None and until is not None:
            self.scope.defer_page(page)

    # --- the end ------------------------------------------------------------------------------------------------------

    def next_free_at(self) -> datetime:
        """Return when the host may get its next request: after the pause, and after the back-off if there is one."""
        wait = max(self._free_at - self._context.clock.monotonic(), 0)
        pace = self.now() + timedelta(seconds=wait)
        return max(pace, self._not_before or pace)

    def release(self) -> None:
        """Give the claim back, and record when the host may get its next request and how often it failed in a row."""
        self._context.store.release(
            self.claim, not_before=self.next_free_at(), failures=self._failures, asked_until=self._asked_until
        )


class RedirectClaims:
    """The claims on other hosts to which one poll is redirected. They last until the poll has its answer."""

    def __init__(self, session: HostSession, context: VisitContext) -> None:
        self._host, self._context = session.claim.host, context
        self._claims: dict[str, Claim] = {}
        self._failed: tuple[Claim, FetchFailed] | None = None

    def claim(self, url: str) -> bool:
        """Claim the host of `url`, a redirect's target; False: its pace, its back-off or another visit forbids it."""
        host = host_of(url)
        if host == self._host or host in self._claims:
            return True
        claim = self._context.store.claim_host(host, self._context.policy.lease)
        if claim is not None:
            self._claims[host] = claim
        return claim is not None

    def note_failure(self, failed: FetchFailed | None) -> None:
        """If the target of a redirect answered 429 or 503, back off its host, but not the host that redirected."""
        claim = None if failed is None else self._claims.get(host_of(failed.final_url))
        if failed is not None and claim is not None and asks_for_quiet(failed, failed.final_url, self._context):
            self._failed = claim, failed

    def release(self) -> None:
        """Release the claims. The next request to each host waits for its usual pace, or for its back-off."""
        context = self._context
        now = context.store.now()
        for claim in self._claims.values():
            pace = context.requests.interval_of(claim.host, context.policy.per_host_interval)
            until, asked_until, failures = now + pace, None, claim.failures
            if self._failed is not None and self._failed[0] is claim:
                failed = self._failed[1]
                until = max(until, host_not_before(failed, failures, now=now, random=context.random))
                asked_until, failures = None if failed.retry_after is None else until, failures + 1
            context.store.release(claim, not_before=until, failures=failures, asked_until=asked_until)


def asks_for_quiet(failed: FetchFailed, url: str, context: VisitContext) -> bool:
    """Return whether an answer (429 or 503) asks for fewer requests to the whole host.

    False if the rules of the publisher of `url` say that it concerns the feed alone (`retry_after = "feed"`).
    """
    publisher = publisher_of(context.publishers, host_of(url))
    return failed.cause in _QUIET and not (publisher is not None and publisher.retry_after == "feed")
