"""A stay at a claimed host: its pace, its lease, the hosts that its feeds lead to, and the tools of a visit.

Polls and collects nothing: `visit` does, within a stay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from aggregator.errors import LeaseLostError
from aggregator.extraction.pipeline import RulesOf
from aggregator.http.robots import RobotsRule, crawl_delay
from aggregator.identity.publisher_rules import Publishers, publisher_of
from aggregator.models.fetching import Cause, FetchFailed
from aggregator.models.records import Feed, Page
from aggregator.ports.protocols import Clock, Fetcher, RawStore, Store
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import Claim, PollRecord, PollRecorded
from aggregator.schedule.due_times import host_not_before
from aggregator.urls import host_of
from aggregator.visits.collect import PageLimits
from aggregator.visits.poll import FeedReader, PollSettings

QUIET = frozenset({Cause.RATE_LIMITED, Cause.UNAVAILABLE})  # a host that says so wants to be left alone
TIMEOUTS = 3  # in a row at one host, in however many visits: then it is left alone, as one that takes no connections
_PATIENCE = timedelta(milliseconds=100)  # waiting for the pace while another host is due
_PROBE = timedelta(seconds=5)  # the time for a request to a host that has just kept us waiting in vain
_SLOW = timedelta(seconds=3)  # a request that takes so long keeps a run waiting
_LAST_PROBE = timedelta(seconds=2)  # the time for a request to a host that has had its share of a run
_LAST_PROBES = 2  # so many of them may be in vain


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitPolicy:
    """How long a visit may take and how fast it may ask. `lease` covers the longest request with room to spare."""

    lease: timedelta
    per_host_interval: timedelta
    length: timedelta = timedelta(seconds=10)
    waiting: timedelta = timedelta(seconds=60)  # what one host may keep one `run-once` waiting
    respect_robots: bool = True
    user_agent: str = "aggregator"
    revisit: tuple[timedelta, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a visit works with; all of it is shared between threads."""

    store: Store
    fetcher: Fetcher
    raw_store: RawStore
    clock: Clock
    publishers: Publishers
    rules_of: RulesOf
    read: FeedReader
    policy: VisitPolicy
    polling: PollSettings
    pages: PageLimits
    random: Random
    recent: deque[tuple[str, Cause | None]]  # host and cause (None: an answer) of the latest requests of all visits
    timeouts: dict[str, int] = field(default_factory=dict)  # in a row, by host
    on_poll: Callable[[Feed, PollRecord, PollRecorded], None] = lambda feed, record, recorded: None  # who counts


class Stay:
    """The held claim: its clock, its pace, its lease. `robots` is what was learnt in this visit."""

    def __init__(
        self,
        claim: Claim,
        tools: Tools,
        scope: RunScope | None,
        others_due: Callable[[], bool],
        stopping: Callable[[], bool],
    ) -> None:
        self.claim = claim
        self.scope = scope
        self.pace = tools.policy.per_host_interval
        self.failures = claim.failures
        self.not_before: datetime | None = None
        self.asked_until: datetime | None = None  # the host's own wish
        self.backing_off = False
        self.robots: RobotsRule | None = None  # as of this visit
        self._tools = tools
        self._others_due = others_due
        self._stopping = stopping
        self._started = tools.clock.monotonic()
        self._renewed = self._started
        self._free_at = self._started

    def now(self) -> datetime:
        """Return the store's time: that of the claim and what has passed since by our own clock."""
        return self.claim.now + timedelta(seconds=self._tools.clock.monotonic() - self._started)

    def beside(self, claim: Claim) -> Stay:
        """Return a short stay at another host, from within this one."""
        return Stay(claim, self._tools, self.scope, lambda: False, self._stopping)

    def may_ask(self) -> bool:
        """Wait for the host's pace; False: end the visit instead.

        Raises:
            LeaseLostError: another process holds the host by now.
        """
        clock, policy = self._tools.clock, self._tools.policy
        if self._stopping() or self.backing_off or self.is_worn_out:
            return False
        wait = self._free_at - clock.monotonic()
        stayed = clock.monotonic() - self._started
        if stayed > 0 and stayed + max(wait, 0) >= policy.length.total_seconds():
            return False
        if wait > 0:
            if wait > _PATIENCE.total_seconds() and self._others_due():
                return False
            clock.sleep(wait)
            if self._stopping():
                return False
        self.keep_lease()
        return True

    @property
    def is_worn_out(self) -> bool:
        """Whether the host has kept this `run-once` waiting for long enough: the rest is a later run's."""
        return self._waited() >= self._tools.policy.waiting + _LAST_PROBES * _LAST_PROBE

    def deadline(self, usual: timedelta, url: str) -> timedelta:
        """Return how long the request for `url` may take.

        After a timeout the host is only probed, until it was left alone for it: one that hangs would else take the
        whole time for each of its feeds and pages. In a `run-once` a host may keep us waiting for as long as one
        request may take, whatever it does with that time, and so may the hops to one address.
        """
        if 0 < self._tools.timeouts.get(self.claim.host, 0) < TIMEOUTS:
            usual = min(usual, _PROBE)
        if self.scope is None:
            return usual
        left = self._tools.policy.waiting - max(self._waited(), self.scope.hops.get(url, timedelta(0)))
        return min(usual, max(left, _LAST_PROBE))

    def _waited(self) -> timedelta:
        nothing = timedelta(0)
        return nothing if self.scope is None else self.scope.waited.get(self.claim.host_id, nothing)

    def went_on(self, source: str, target: str, took: timedelta) -> None:
        """A redirect led elsewhere: what the hops took counts for the request of `target`."""
        if self.scope is not None:
            self.scope.hops[target] = self.scope.hops.get(source, timedelta(0)) + took

    def asked(self, took: timedelta, failed: FetchFailed | None) -> None:
        """A request has just ended: the gap begins."""
        is_slow = took >= _SLOW or (failed is not None and failed.cause is Cause.TIMEOUT)
        if self.scope is not None and is_slow:
            self.scope.add_wait(self.claim.host_id, took)
        self._free_at = self._tools.clock.monotonic() + self.pace.total_seconds()

    def obey(self, robots: RobotsRule) -> None:
        """Leave the gap that robots.txt asks for, from the next `asked` on: the feed's own poll delays no page."""
        self.robots = robots
        self.pace = max(self.pace, crawl_delay(robots, self._tools.policy.user_agent) or self.pace)

    def back_off(self, until: datetime, *, was_asked: bool) -> None:
        """Leave the host alone until then; `was_asked`: it said so itself."""
        self.asked_until = until if was_asked else None
        self.failures += 1
        self.backing_off = True
        self.not_before = max(until, self.not_before or until)

    def put_off(self, page: Page, until: datetime | None) -> None:
        """A page that is to be tried again is tried by a later run; one that failed for good may have feed content."""
        if self.scope is not None and until is not None:
            self.scope.defer_page(page.id)

    def free_from(self) -> datetime:
        """Return when the host may be asked again."""
        wait = max(self._free_at - self._tools.clock.monotonic(), 0)
        pace = self.now() + timedelta(seconds=wait)
        return max(pace, self.not_before or pace)

    def keep_lease(self, *, whole: bool = False) -> None:
        """Renew the lease when less than half of it is left; `whole`: at once, before something that takes long.

        Raises:
            LeaseLostError: another process holds the host by now.
        """
        lease = self._tools.policy.lease
        if not whole and self._tools.clock.monotonic() - self._renewed <= lease.total_seconds() / 2:
            return
        if not self._tools.store.renew(self.claim, lease):
            raise LeaseLostError(self.claim.host)
        self._renewed = self._tools.clock.monotonic()


class Hops:
    """The other hosts that a feed's hops lead to: claimed until the poll is over, at their pace."""

    def __init__(self, stay: Stay, tools: Tools) -> None:
        self._stay, self._tools = stay, tools
        self._claims: dict[str, Claim] = {}
        self._asked: tuple[Claim, FetchFailed] | None = None

    def may_go(self, url: str) -> bool:
        """Claim the host of the next hop; one that was just asked, or is held elsewhere, cannot be claimed."""
        host = host_of(url)
        if host == self._stay.claim.host or host in self._claims:
            return True
        claim = self._tools.store.claim_host(host, self._tools.policy.lease)
        if claim is not None:
            self._claims[host] = claim
        return claim is not None

    def heed(self, failed: FetchFailed | None) -> None:
        """Note that one of them asked to be left alone: it speaks for itself, not for the host that led there."""
        claim = None if failed is None else self._claims.get(host_of(failed.final_url))
        if failed is not None and claim is not None and asks_for_quiet(failed, failed.final_url, self._tools):
            self._asked = claim, failed

    def release(self) -> None:
        """Give them back."""
        now = self._tools.store.now()
        for claim in self._claims.values():
            until, wish, failures = now + self._tools.policy.per_host_interval, None, claim.failures
            if self._asked is not None and self._asked[0] is claim:
                failed = self._asked[1]
                until = max(until, host_not_before(failed, failures, now=now, random=self._tools.random))
                wish, failures = None if failed.retry_after is None else until, failures + 1
            self._tools.store.release(claim, not_before=until, failures=failures, asked_until=wish)


def asks_for_quiet(failed: FetchFailed, url: str, tools: Tools) -> bool:
    """Say whether the failure concerns the whole host, by its status and by the publisher's rule."""
    publisher = publisher_of(tools.publishers, host_of(url))
    return failed.cause in QUIET and not (publisher is not None and publisher.retry_after == "feed")
