"""Days and thousands of hosts in seconds: real visits and a real store, with time and network played.

Workers are played one after the other: the one that is free first goes on, at its own time.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from aggregator.feeds.sightings import identify_entries
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.models.feeds import Entry, Feed, ParsedFeed, Subscription
from aggregator.models.fetching import Cause, Fetched, FetchFailed, FetchRequest, FetchResult, NotModified, Validators
from aggregator.ports.store_records import Claim, FeedReading
from aggregator.schedule.due_times import PollPolicy
from aggregator.store import SqlStore, open_store
from aggregator.urls import host_of
from aggregator.visits.collect import PageLimits
from aggregator.visits.context import VisitContext, VisitPolicy
from aggregator.visits.poll import PollSettings
from aggregator.visits.visit import HostVisit
from tests.support.articles import no_rules
from tests.support.stores import FOLDER, START, StandingClock

LEASE = timedelta(seconds=90)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Outcome = Callable[[FetchRequest], FetchResult]


class Spool:
    """A raw store without files."""

    folder = FOLDER

    def put(self, body: bytes, at: datetime) -> str:
        return hashlib.sha256(body).hexdigest()

    def get(self, content_hash: str) -> bytes | None:
        return None

    def delete(self, content_hash: str) -> None: ...

    def names(self) -> Iterator[tuple[str, datetime]]:
        return iter(())


@dataclass
class Network:
    """Answers after `latency`; what `outcome` says, or a document of `entries` addresses."""

    clock: StandingClock
    latency: timedelta = timedelta(milliseconds=100)
    entries: Callable[[str], Iterable[str]] = lambda url: ()
    outcome: Callable[[FetchRequest], FetchResult | None] = lambda request: None
    slow: dict[str, timedelta] = field(default_factory=dict)
    log: list[tuple[datetime, str]] = field(default_factory=list)

    def fetch(self, request: FetchRequest) -> FetchResult:
        self.log.append((self.clock.now(), request.url))
        host = host_of(request.url)
        self.clock.pass_(self.slow.get(host, self.latency))
        if host in self.slow:
            return failed(request, Cause.TIMEOUT)
        return self.outcome(request) or fetched(request)

    def times(self, host: str) -> list[datetime]:
        return [at for at, url in self.log if host_of(url) == host]


def failed(request: FetchRequest, cause: Cause) -> FetchFailed:
    return FetchFailed(url=request.url, final_url=request.url, cause=cause, detail="played")


def fetched(request: FetchRequest) -> FetchResult:
    validators = Validators(etag='"1"')
    common = {"url": request.url, "final_url": request.url, "headers": {}, "hops": (), "fresh_for": None}
    if request.validators == validators:
        return NotModified(validators=validators, elapsed=timedelta(), **common)
    body = f"<p>{request.url}</p>".encode()
    return Fetched(status=200, body=body, validators=validators, wire_bytes=len(body), elapsed=timedelta(), **common)


class Simulation:
    """A store, a network and workers that visit as the engine lets them."""

    def __init__(self, store: SqlStore, clock: StandingClock, *, workers: int = 4, pace: float = 1.0) -> None:
        self.store, self.clock, self.workers = store, clock, workers
        self.network = Network(clock)
        self.polled: list[tuple[datetime, datetime]] = []  # due, polled
        self.context = VisitContext(
            store=store,
            fetcher=self.network,
            raw_store=Spool(),
            clock=clock,
            rules_of=no_rules,
            publishers=shipped_publishers(),
            read=self.read,
            policy=VisitPolicy(lease=LEASE, per_host_interval=timedelta(seconds=pace), respect_robots=False),
            polling=PollSettings(policy=PollPolicy(), max_bytes=1_000_000, deadline=MINUTE),
            pages=PageLimits(max_bytes=1_000_000, deadline=MINUTE),
            random=Random(75),
            recent=deque(maxlen=20),
            on_poll=lambda feed, record, recorded: self.polled.append((feed.state.due_at, record.outcome.at)),
        )

    def read(self, feed: Feed, fetched: Fetched, known: Collection[str], now: datetime) -> FeedReading:
        links = self.network.entries(fetched.url)
        entries = tuple(Entry(id=link, entry_id=link, link=link, published_at=now) for link in links)
        parsed = ParsedFeed(kind="feed", format="rss", entries=entries, raw_hashes=tuple(e.id for e in entries))
        return identify_entries(parsed, feed, shipped_publishers())

    def follow(self, *feeds: Subscription) -> None:
        self.store.sync_feeds(feeds, "1", START)

    def visit(self, claim: Claim, *, others_due: bool = False, with_pages: bool = True) -> None:
        visit = HostVisit(claim, self.context, max_pages=200, others_due=lambda: others_due, stopping=lambda: False)
        visit.run(with_pages=with_pages)

    def poll_all(self) -> None:
        """Poll what is due, in no time at all."""
        latency, self.network.latency = self.network.latency, timedelta()
        while claims := self.store.claim_hosts(500, LEASE):
            for claim in claims:
                self.visit(claim, with_pages=False)
        self.network.latency = latency

    def run_once(self) -> None:
        """Do what is due, as one `run-once` with one worker."""
        scope = self.store.scope_due(self.clock.now(), None)
        while (free_at := self.store.wait_until(scope)) is not None:
            self.clock.pass_(max(free_at - self.clock.now(), timedelta()))
            for claim in self.store.claim_hosts(1, LEASE, scope=scope):
                visit = HostVisit(
                    claim,
                    self.context,
                    scope=scope,
                    max_pages=200,
                    others_due=lambda: False,
                    stopping=lambda: False,
                )
                report = visit.run()
                if report.host_done or report.is_empty:
                    scope.drop_host(claim.host_id)

    def run(self, span: timedelta, *, tick: float = 1.0, until: Callable[[], bool] = lambda: False) -> None:
        """Let the workers work. One that finds no host looks again at the next tick."""
        start, base = self.clock.at, self.clock.seconds
        free = dict.fromkeys(range(self.workers), 0.0)
        idle: set[int] = set()
        while not until():
            worker = min(free, key=lambda one: free[one])
            at = free[worker]
            if at >= span.total_seconds():
                break
            self.clock.at, self.clock.seconds = start + timedelta(seconds=at), base + at
            claims = self.store.claim_hosts(1, LEASE)
            idle.discard(worker)
            if claims:
                self.visit(claims[0], others_due=not idle)
                free[worker] = self.clock.seconds - base
            else:
                idle.add(worker)
                idle_until = self.next_due(start) if len(idle) == self.workers else at
                free[worker] = min((max(at, idle_until) // tick + 1) * tick, span.total_seconds())
        last = max([span.total_seconds(), *free.values()])
        self.clock.at, self.clock.seconds = start + timedelta(seconds=last), base + last

    def next_due(self, start: datetime) -> float:
        """Return when the next feed is due, in seconds from `start`: until then nobody has to look."""
        return min((feed.state.due_at - start).total_seconds() for feed in self.store.feeds())

    @property
    def latest(self) -> timedelta:
        """How late the latest poll was."""
        return max(at - due for due, at in self.polled)


@pytest.fixture
def played(store: SqlStore, clock: StandingClock) -> Simulation:
    return Simulation(store, clock)


@pytest.fixture
def new_store(sqlite_template: Path, tmp_path: Path, clock: StandingClock) -> Iterator[SqlStore]:
    shutil.copy(sqlite_template, tmp_path / "store.db")
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}", clock, use_clock=True)
    yield opened
    opened.close()


def feeds(count: int, hosts: int | None = None, **options: object) -> list[Subscription]:
    hosts = hosts or count
    return [Subscription(url=f"https://h{n % hosts}.example/feed/{n}", **options) for n in range(count)]  # type: ignore[arg-type]


# --- on time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "workers"), [(30, 1), pytest.param(5000, 32, marks=pytest.mark.soak)], ids=["small", "full"]
)
def test_a_heap_of_pages_makes_no_poll_late(
    new_store: SqlStore, clock: StandingClock, hosts: int, workers: int
) -> None:
    """Twenty pages wait at each host, at a pace of a second; all feeds are due within the next minute."""
    played = Simulation(new_store, clock, workers=workers)
    played.network.entries = lambda url: [f"https://{host_of(url).removesuffix(':443')}/a/{n}" for n in range(20)]
    played.follow(*feeds(hosts, interval=10 * MINUTE))
    played.poll_all()
    assert new_store.counts().pages_due == 20 * hosts
    played.polled.clear()
    clock.pass_(9 * MINUTE)
    played.run(2 * MINUTE, until=lambda: len(played.polled) >= hosts)
    assert len(played.polled) == hosts
    assert played.latest <= timedelta(seconds=10)
    assert new_store.counts().pages_due < 20 * hosts, "pages went on meanwhile"


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.soak)])
def test_all_feeds_due_at_start_are_polled(new_store: SqlStore, clock: StandingClock, count: int) -> None:
    played = Simulation(new_store, clock, workers=32)
    played.follow(*feeds(count, hosts=count // 10))
    played.run(DAY, until=lambda: len(played.polled) == count)
    assert all(feed.state.succeeded_at is not None for feed in new_store.feeds())
    assert Counter(url for _, url in played.network.log) == Counter(feed.url for feed in new_store.feeds())


@pytest.mark.soak
def test_hung_hosts_delay_nobody_else(new_store: SqlStore, clock: StandingClock) -> None:
    """All workers but one may hang; the others' polls are on time, and a hung host is left alone soon."""
    played = Simulation(new_store, clock, workers=4)
    listed = feeds(33, interval=5 * MINUTE)
    hung = [host_of(feed.url) for feed in listed[:3]]
    played.network.slow = dict.fromkeys(hung, MINUTE)
    for host in hung:
        listed += [Subscription(url=f"https://{host.removesuffix(':443')}/more/{n}") for n in range(20)]
    played.follow(*listed)
    played.run(30 * MINUTE, tick=4)
    waits = [at - due for due, at in played.polled if due > START]
    own = [at for at, url in played.network.log if host_of(url) not in hung]
    assert len(own) >= 30 * 5
    assert sorted(waits)[int(len(waits) * 0.9)] <= timedelta(seconds=5)
    for host in hung:
        times = played.network.times(host)
        assert len(times) <= 9, "after three timeouts in a row it is asked ever less often"
        assert times[3] - times[2] >= 2 * MINUTE


def late(clock: StandingClock, request: FetchRequest, span: timedelta) -> FetchResult:
    """Answer after `span`, or not within the time that the request may take."""
    took = min(span, request.deadline)
    clock.pass_(took)
    answer = failed(request, Cause.TIMEOUT) if took < span else fetched(request)
    return replace(answer, elapsed=took)


@pytest.mark.parametrize(
    ("spans", "polls"),
    [
        pytest.param([DAY], 3, id="all hang"),
        pytest.param([DAY, timedelta(0)], 5, id="every second hangs"),
        pytest.param([DAY, timedelta(0), timedelta(0)], 7, id="every third hangs"),
        pytest.param([timedelta(seconds=18)], 6, id="slow"),
        pytest.param([timedelta(seconds=59)], 4, id="very slow"),
        pytest.param([timedelta(seconds=19), timedelta(seconds=59)], 4, id="slow and very slow"),
        pytest.param([DAY, *[timedelta(milliseconds=900)] * 99], 40, id="one hangs"),
    ],
)
def test_one_host_keeps_a_run_waiting_for_one_long_request(
    new_store: SqlStore, clock: StandingClock, spans: list[timedelta], polls: int
) -> None:
    """Whatever it does with the time; the rest of its feeds waits for a later run, none is lost."""
    played = Simulation(new_store, clock, pace=0)
    played.follow(*feeds(40, hosts=1))
    clock.pass_(timedelta(seconds=10))
    turn = iter(spans * 40)
    played.network.latency = timedelta()
    played.network.outcome = lambda request: late(clock, request, next(turn))
    started = clock.now()
    played.run_once()
    assert len(played.network.log) == polls
    quick = sum((span for span in spans[:polls] if span < timedelta(seconds=3)), timedelta())
    assert clock.now() - started - quick <= timedelta(seconds=65)


# --- outages ----------------------------------------------------------------------------------------------------------


@pytest.mark.soak
def test_after_three_days_without_network_all_are_back_within_one_interval(
    new_store: SqlStore, clock: StandingClock
) -> None:
    played = Simulation(new_store, clock, workers=8)
    played.network.entries = lambda url: [f"https://pages.example/{url[-1]}"]
    played.follow(*feeds(12, interval=HOUR), *feeds(24, hosts=6)[12:])
    played.run(DAY, tick=60)
    before = {feed.id: feed.state.due_at - feed.state.polled_at for feed in new_store.feeds()}  # type: ignore[operator]
    played.network.outcome = lambda request: failed(request, Cause.DNS)
    played.run(3 * DAY, tick=60)
    assert all(feed.state.cause is Cause.DNS for feed in new_store.feeds())
    played.network.outcome = lambda request: None
    back = clock.now()
    played.run(DAY, tick=5, until=lambda: all(feed.state.cause is None for feed in new_store.feeds()))
    for feed in new_store.feeds():
        assert feed.state.failures == 0
        waited = min(at for at, url in played.network.log if at >= back and url == feed.url) - back
        assert waited <= before[feed.id] * 1.25 + timedelta(seconds=90)


def test_a_page_announced_for_a_leased_host_is_collected_at_its_next_visit(
    played: Simulation, store: SqlStore, clock: StandingClock
) -> None:
    played.network.entries = lambda url: ["https://www.example/a/1"]
    played.follow(Subscription(url="https://feeds.example/rss"), Subscription(url="https://www.example/rss"))
    claims = {claim.host: claim for claim in store.claim_hosts(2, LEASE)}
    other = claims["www.example:443"]
    assert store.due_pages(other, clock.now()) == ()
    played.visit(claims["feeds.example:443"])
    store.release(other, not_before=clock.now() + timedelta(seconds=1))
    clock.pass_(timedelta(seconds=2))
    (claim,) = store.claim_hosts(5, LEASE)
    played.visit(claim)
    assert "https://www.example/a/1" in [url for _, url in played.network.log]
    assert store.waiting_for_extraction() == 1


def test_a_frozen_visit_records_nothing_and_its_work_is_done_by_another(
    played: Simulation, store: SqlStore, clock: StandingClock
) -> None:
    played.follow(*feeds(1))
    (frozen,) = store.claim_hosts(1, LEASE)
    (feed,) = store.due_feeds(frozen, clock.now())
    assert store.claim_hosts(1, LEASE) == ()
    clock.pass_(LEASE)
    played.run(MINUTE)
    assert len(played.network.log) == 1
    thawed = replace(played.context, recent=deque(maxlen=20))
    HostVisit(frozen, thawed, max_pages=1, others_due=lambda: False, stopping=lambda: False).run()
    assert store.due_feeds(frozen, clock.now()) == ()
    assert len(store.polls(feed.id)) == 1


def test_a_long_parse_does_not_cost_the_lease(played: Simulation, store: SqlStore, clock: StandingClock) -> None:
    """Ten thousand entries took 40 s on a crowded machine; another claim of the host threw them away, each time."""

    def read(feed: Feed, fetched: Fetched, known: Collection[str], now: datetime) -> FeedReading:
        clock.pass_(LEASE * 0.9)
        assert store.claim_hosts(1, LEASE) == ()
        return played.read(feed, fetched, known, now)

    def large(request: FetchRequest) -> FetchResult:
        answer = fetched(request)
        assert isinstance(answer, Fetched)
        return replace(answer, body=b" " * 1_000_001)

    played.network.outcome = large
    played.network.latency = LEASE * 0.4
    played.context = replace(played.context, read=read)
    played.follow(*feeds(1))
    (claim,) = store.claim_hosts(1, LEASE)
    played.visit(claim)
    (feed,) = store.feeds()
    assert [outcome.cause for outcome in store.polls(feed.id)] == [None]


# --- the wall clock ---------------------------------------------------------------------------------------------------


def test_a_clock_that_jumps_ahead_makes_every_feed_due_once(new_store: SqlStore, clock: StandingClock) -> None:
    """After a suspend of three days each feed is polled once, not once for every poll that was missed."""
    played = Simulation(new_store, clock)
    played.follow(*feeds(5, interval=10 * MINUTE))
    played.run(HOUR)
    asked = len(played.network.log)
    clock.at += 3 * DAY
    played.run(5 * MINUTE)
    assert len(played.network.log) == asked + 5


@pytest.mark.parametrize("step", [3660 * DAY, 3 * DAY, HOUR], ids=str)
def test_a_clock_that_goes_back_leaves_nothing_stuck(
    played: Simulation, store: SqlStore, clock: StandingClock, step: timedelta
) -> None:
    """Polls, paces, back-offs and page retries move with the clock; nobody is asked sooner for it."""
    played.network.entries = lambda url: [f"https://pages.example/{int(url[-1]) % 2}"]
    played.network.outcome = lambda request: failed(request, Cause.TLS) if "h3." in request.url else None
    played.follow(*feeds(5, interval=10 * MINUTE))
    played.run(HOUR)
    assert store.shift_due_times() is None
    asked = Counter(host_of(url) for _, url in played.network.log)
    before = {feed.id: feed.state.due_at - clock.now() for feed in store.feeds()}
    clock.at -= step
    moved = store.shift_due_times()
    assert moved is not None
    assert step - 10 * MINUTE <= moved <= step
    assert store.shift_due_times() is None
    for feed in store.feeds():
        assert abs(feed.state.due_at - clock.now() - before[feed.id]) <= step - moved + timedelta(seconds=1)
    played.run(HOUR)
    now = Counter(host_of(url) for _, url in played.network.log)
    for host, count in asked.items():
        if host.startswith("h") and not host.startswith("h3."):
            assert 5 <= now[host] - count <= 8


def test_a_visit_under_way_when_the_clock_goes_back_blocks_nothing(
    played: Simulation, store: SqlStore, clock: StandingClock
) -> None:
    played.follow(*feeds(1, interval=10 * MINUTE))
    (claim,) = store.claim_hosts(1, LEASE)
    clock.at -= 3 * DAY
    played.visit(claim)
    assert store.shift_due_times() is not None
    clock.pass_(11 * MINUTE)
    played.run(MINUTE)
    assert len(played.network.log) == 2
