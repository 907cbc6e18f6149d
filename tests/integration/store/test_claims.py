"""Claims, leases, fencing: who may work at a host, and what happens to those who no longer may."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from aggregator.models.feeds import Feed, Subscription
from aggregator.models.fetching import Cause, Validators
from aggregator.models.ids import HostId
from aggregator.models.pages import PageFailed
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import PollRecorded
from aggregator.store import SqlStore, open_store
from tests.support.stores import (
    FOLDER,
    LEASE,
    START,
    StandingClock,
    article_record,
    claim,
    collect,
    fetch_due,
    fetched_pages,
    identity,
    poll,
    poll_record,
    raw,
    record_article,
    sighting,
    subscribe,
)

A, B = "http://a.example/feed", "http://b.example/feed"


def test_a_new_feed_is_due_at_once_and_its_host_is_claimed_once(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    (held,) = store.claim_hosts(10, LEASE)
    assert held.host == "a.example:80"
    assert held.now == START
    assert store.claim_hosts(10, LEASE) == ()
    assert store.due_feeds(held, held.now) == (feed,)


def test_a_released_host_is_due_when_its_next_feed_is(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed)
    assert store.claim_hosts(10, LEASE) == ()
    clock.pass_(timedelta(minutes=30))
    assert [held.host for held in store.claim_hosts(10, LEASE)] == ["a.example:80"]


def test_hosts_come_by_due_time_and_those_asked_for_first(store: SqlStore, clock: StandingClock) -> None:
    first, second = subscribe(store, A, B)
    held = claim(store, first.host)
    store.record_poll(held, poll_record(first, at=START, every=timedelta(minutes=10)))
    store.release(held)
    held = claim(store, second.host)
    store.record_poll(held, poll_record(second, at=START, every=timedelta(minutes=5)))
    store.release(held)
    clock.pass_(timedelta(minutes=20))
    assert [held.host for held in store.claim_hosts(1, LEASE)] == ["b.example:80"]
    clock.pass_(LEASE)
    store.make_due([first.id], clock.now())
    assert [held.host for held in store.claim_hosts(2, LEASE)] == ["a.example:80", "b.example:80"]


def test_pace_and_failures_are_kept_at_the_host(store: SqlStore, clock: StandingClock) -> None:
    subscribe(store, A)
    (held,) = store.claim_hosts(1, LEASE)
    store.release(held, not_before=START + timedelta(seconds=1), failures=2)
    assert store.claim_hosts(1, LEASE) == ()
    assert store.claim_host("a.example:80", LEASE) is None
    assert store.wait_until() is None  # a back-off is not waited for
    clock.pass_(timedelta(seconds=1))
    assert store.wait_until() == START + timedelta(seconds=1)
    (held,) = store.claim_hosts(1, LEASE)
    assert held.failures == 2


def test_asking_for_a_feed_ends_our_back_off_and_no_wish_of_the_host(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    soon, later = START + timedelta(minutes=5), START + timedelta(hours=1)
    store.release(claim(store, feed.host), not_before=soon, failures=1)
    store.make_due([feed.id], START)
    (held,) = store.claim_hosts(1, LEASE)
    store.release(held, not_before=later, failures=2, asked_until=later)
    store.make_due([feed.id], START)
    assert store.claim_hosts(1, LEASE) == ()
    clock.pass_(timedelta(hours=1))
    (held,) = store.claim_hosts(1, LEASE)
    store.release(held, not_before=later + timedelta(seconds=1))
    store.make_due([feed.id], later)
    assert store.claim_hosts(1, LEASE) == ()  # the pace


def test_a_lease_that_ran_out_is_claimed_anew_and_the_old_claim_records_nothing(
    store: SqlStore, clock: StandingClock
) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    (host,) = {held.host for held in store.claim_hosts(1, LEASE)}
    assert host == "www.example.org:443"
    clock.pass_(LEASE)
    old = claim(store, host)
    (page,) = store.due_pages(old, clock.now())
    clock.pass_(LEASE)
    new = claim(store, host)
    assert new.token > old.token
    failed = PageFailed(cause=Cause.TIMEOUT)
    assert not store.renew(old, LEASE)
    assert store.record_poll(old, poll_record(feed, sighting(2), at=clock.now(), host=host)) is None
    assert not store.record_fetched(old, page, raw(page, at=clock.now()), FOLDER, (), Validators())
    assert not store.record_unchanged(old, page, Validators(), None)
    assert not store.record_page_failure(old, page, failed, None)
    assert store.record_handover(old, page, identity("http://c.example/1"), "c.example:80", ()) is None
    assert not store.record_robots(old, "x", clock.now())
    store.release(old, not_before=clock.now() + timedelta(days=1))
    assert store.renew(new, LEASE)
    assert store.due_pages(new, clock.now()) == (page,)
    assert store.counts().entries == 1


def test_polls_of_many_threads_at_once_are_saved_unless_their_claim_is_lost(
    store: SqlStore, clock: StandingClock
) -> None:
    feeds = subscribe(store, *(f"http://{n}.example/feed" for n in range(24)))
    claims = {held.host: held for held in store.claim_hosts(24, LEASE)}
    lost = {feed.id for feed in feeds[::3]}
    for feed in feeds[::3]:
        store.release(claims[feed.host])

    def record(feed: Feed) -> PollRecorded | None:
        return store.record_poll(claims[feed.host], poll_record(feed, at=clock.now()))

    for _ in range(3):
        with ThreadPoolExecutor(24) as pool:
            recorded = list(pool.map(record, feeds))
        assert {feed.id for feed, one in zip(feeds, recorded, strict=True) if one is None} == lost
    assert {feed.id: len(store.polls(feed.id)) for feed in feeds} == {
        feed.id: 0 if feed.id in lost else 3 for feed in feeds
    }


def test_a_released_claim_records_nothing(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    held = claim(store, feed.host)
    store.release(held)
    assert store.record_poll(held, poll_record(feed, sighting(1), at=START)) is None
    assert not store.renew(held, LEASE)


def test_a_renewed_lease_lasts_longer(store: SqlStore, clock: StandingClock) -> None:
    subscribe(store, A)
    (held,) = store.claim_hosts(1, LEASE)
    clock.pass_(LEASE / 2)
    assert store.renew(held, LEASE)
    clock.pass_(LEASE / 2)
    assert store.claim_hosts(1, LEASE) == ()


def test_work_added_to_a_leased_host_is_there_after_its_release(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    pages_host = claim(store, "www.example.org:443")
    poll(store, feed, sighting(1))
    store.release(pages_host)
    assert [held.host for held in store.claim_hosts(5, LEASE)] == ["www.example.org:443"]


def test_without_pages_only_feeds_count(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    assert store.claim_hosts(5, LEASE, pages_too=False) == ()
    assert len(store.claim_hosts(5, LEASE)) == 1


def test_a_scope_claims_only_its_own_work(store: SqlStore, clock: StandingClock) -> None:
    first, second = subscribe(store, A, B)
    poll(store, first, sighting(1))
    scope = store.scope_due(clock.now())
    assert scope.feeds == {second.id}
    assert len(scope.pages) == 1
    clock.pass_(timedelta(hours=1))
    later = claim(store, first.host)
    recorded = store.record_poll(later, poll_record(first, sighting(2), at=clock.now()))
    store.release(later)
    assert recorded is not None
    claims = store.claim_hosts(10, LEASE, scope=scope)
    assert {held.host for held in claims} == {"b.example:80", "www.example.org:443"}
    pages = {held.host: store.due_pages(held, clock.now(), scope=scope) for held in claims}
    assert [page.url[-3:] for page in pages["www.example.org:443"]] == ["a-1"]
    assert [feed.id for held in claims for feed in store.due_feeds(held, clock.now(), scope=scope)] == [second.id]
    for held in claims:
        store.release(held)
    assert store.claim_hosts(10, LEASE, scope=RunScope(hosts=scope.hosts)) == ()
    assert store.claim_hosts(10, LEASE, scope=RunScope(hosts=scope.hosts, pages=scope.pages), pages_too=False) == ()
    assert len(store.claim_hosts(1, LEASE, scope=scope)) == 1


def test_waiting_within_a_scope(store: SqlStore, clock: StandingClock) -> None:
    first, second = subscribe(store, A, B)
    held = claim(store, first.host)
    store.release(held, not_before=START + timedelta(seconds=5))
    held = claim(store, second.host)
    store.release(held, not_before=START + timedelta(seconds=2))
    assert store.wait_until() == START + timedelta(seconds=2)
    only_first = store.scope_due(START, [first.id])
    assert only_first.feeds == {first.id}
    assert store.wait_until(only_first) == START + timedelta(seconds=5)
    assert store.wait_until(RunScope(hosts=[HostId(999)])) is None


@pytest.mark.parametrize(("ahead", "is_waited_for"), [(4, True), (29, True), (31, False)])
def test_work_of_a_scope_that_is_due_within_seconds_is_waited_for(
    store: SqlStore, clock: StandingClock, ahead: int, is_waited_for: bool
) -> None:
    """A gap's next request, while the host that it goes to is not free."""
    (feed,) = subscribe(store, A)
    held = claim(store, feed.host)
    store.record_poll(held, poll_record(feed, at=START, every=timedelta(seconds=ahead)))
    store.release(held)
    scope = RunScope(hosts=[held.host_id], feeds=[feed.id])
    assert store.wait_until(scope) == (START + timedelta(seconds=ahead) if is_waited_for else None)
    assert store.wait_until(RunScope(hosts=[held.host_id])) is None
    assert store.wait_until() is None
    assert store.claim_hosts(1, LEASE, scope=scope) == ()


def test_a_scope_of_one_feed_has_the_pages_it_announced(store: SqlStore) -> None:
    first, second = subscribe(store, A, B)
    poll(store, first, sighting(1))
    poll(store, second, sighting(2), sighting(3, content="<p>x</p>", from_feed=True))
    assert len(store.scope_due(START, [first.id]).pages) == 1
    assert len(store.scope_due(START, [second.id]).pages) == 2


def test_robots_txt_is_kept_at_the_host(store: SqlStore) -> None:
    subscribe(store, A)
    (held,) = store.claim_hosts(1, LEASE)
    assert (held.robots, held.robots_at) == ("", None)
    assert store.record_robots(held, "User-agent: *", START)
    store.release(held)
    (held,) = store.claim_hosts(1, LEASE)
    assert (held.robots, held.robots_at) == ("User-agent: *", START)


# --- extraction's own leases ------------------------------------------------------------------------------------------


def test_a_fetched_page_is_claimed_by_one_worker(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    fetch_due(store)
    assert store.waiting_for_extraction() == 1
    (page,) = fetched_pages(store)
    assert fetched_pages(store) == ()
    assert store.renew_page(page, LEASE)
    clock.pass_(LEASE)
    (again,) = fetched_pages(store)
    assert not store.renew_page(page, LEASE)
    assert record_article(store, page, article_record(page)) is None
    assert not store.record_extraction_failure(page, PageFailed(cause=Cause.NO_TEXT), None)
    assert record_article(store, again, article_record(again)) is not None
    assert store.waiting_for_extraction() == 0


def test_a_page_with_which_the_process_ended_again_and_again_fails(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    fetch_due(store)
    for number in range(1, 5):
        (page,) = fetched_pages(store)
        assert page.claims == number
        clock.pass_(LEASE)
    assert fetched_pages(store) == ()
    assert store.counts().pages_failed == 1
    assert store.failed_pages()[0][1] is Cause.EXTRACTION_CRASHED


def test_a_page_given_back_has_not_been_tried(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    fetch_due(store)
    for _ in range(5):
        (page,) = fetched_pages(store)
        store.give_back_page(page)
    assert store.counts().pages_failed == 0


def test_only_what_lies_in_the_folder_is_claimed(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1), sighting(2, content="<p>x</p>", from_feed=True))
    fetch_due(store)
    (without_bytes,) = store.claim_fetched(10, LEASE, "another")
    assert without_bytes.raw is None
    assert without_bytes.entry is not None
    assert without_bytes.entry.content == "<p>x</p>"
    clock.pass_(timedelta(seconds=60))
    (page,) = fetched_pages(store)
    assert page.raw is not None


def test_pages_of_a_folder_without_workers_are_fetched_again(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    fetch_due(store)
    clock.pass_(timedelta(seconds=91))
    assert store.claim_fetched(10, LEASE, "another") == ()
    assert store.waiting_for_extraction() == 0
    assert len(fetch_due(store)) == 1


def test_a_scope_extracts_only_its_own_pages(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    fetch_due(store)
    assert store.claim_fetched(10, LEASE, FOLDER, scope=RunScope()) == ()
    scope = store.scope_due(START)
    assert len(store.claim_fetched(10, LEASE, FOLDER, scope=scope)) == 1


# --- dead processes (SQLite) ------------------------------------------------------------------------------------------

_CLAIM_AND_DIE = """
import os, sys, time
from datetime import datetime, timedelta, UTC
from aggregator.store import open_store
class Now:
    def now(self): return datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    def monotonic(self): return 0.0
    def sleep(self, seconds): pass
store = open_store(sys.argv[1], Now())
hour = timedelta(hours=1)
print(len(store.claim_hosts(1, hour)), len(store.claim_fetched(1, hour, "f" * 32)), flush=True)
if sys.argv[2] == "dies":
    os.kill(os.getpid(), 9)
sys.stdin.read()
store.close()
"""


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    file = tmp_path / "store.db"
    file.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{file}"


def test_the_leases_of_a_killed_process_are_given_back_at_once(sqlite_url: str, clock: StandingClock) -> None:
    store = open_store(sqlite_url, clock)
    try:
        (feed,) = subscribe(store, A)
        poll(store, feed, sighting(1))
        fetch_due(store)
        store.sync_feeds([Subscription(url=A), Subscription(url=B)], "2", START)
        done = subprocess.run(
            [sys.executable, "-c", _CLAIM_AND_DIE, sqlite_url, "dies"], capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.returncode) == ("1 1\n", -signal.SIGKILL), done.stderr
        assert store.claim_hosts(10, LEASE) == ()
        assert store.free_dead_leases() == 2
        assert store.free_dead_leases() == 0
        assert len(store.claim_hosts(10, LEASE)) == 1
        assert len(fetched_pages(store)) == 1
    finally:
        store.close()


def test_the_leases_of_a_living_process_stay(sqlite_url: str, clock: StandingClock) -> None:
    store = open_store(sqlite_url, clock)
    subscribe(store, A)
    with subprocess.Popen(
        [sys.executable, "-c", _CLAIM_AND_DIE, sqlite_url, "lives"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1 0\n"
        assert store.free_dead_leases() == 0
        process.communicate("")
    assert store.free_dead_leases() == 0, "it ended cleanly: its file is gone, only time frees what it left"
    store.close()


def test_a_second_store_in_one_process_is_another_owner(sqlite_url: str, clock: StandingClock) -> None:
    one, other = open_store(sqlite_url, clock), open_store(sqlite_url, clock)
    subscribe(one, A)
    (held,) = one.claim_hosts(1, LEASE)
    assert other.free_dead_leases() == 0
    assert other.claim_hosts(1, LEASE) == ()
    one.release(held)
    assert len(other.claim_hosts(1, LEASE)) == 1
    one.close()
    other.close()


def test_on_postgresql_time_alone_frees(store: SqlStore) -> None:
    assert store.free_dead_leases() == 0


def test_everything_is_collected_once(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, *(sighting(n) for n in range(5)))
    assert [recorded.kind for recorded in collect(store)] == ["new"] * 5
    assert collect(store) == []
