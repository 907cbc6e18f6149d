"""What the store tells those who look on: signs, activity, traces, the newest articles; on both engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from aggregator.identity.evidence import Edge
from aggregator.models.feeds import FeedStatus, PublicationStats, Subscription
from aggregator.models.fetching import Cause
from aggregator.models.ids import EvidenceKind, Key
from aggregator.models.pages import PageFailed
from aggregator.monitoring.health import Kind, diagnose, screen
from aggregator.monitoring.overview import finding_record, is_broken, overview, title_of, unwell
from aggregator.ports.readings import PollSums
from aggregator.ports.store_records import PollOutcome
from aggregator.store import SqlStore
from tests.support.stores import (
    LEASE,
    START,
    URL,
    StandingClock,
    article_record,
    claim,
    collect,
    fetch_due,
    fetched_pages,
    identity,
    newest,
    poll,
    poll_record,
    record_article,
    sighting,
    subscribe,
    words,
)

A, B = "http://a.example/feed", "http://b.example/feed"
WEEK = timedelta(days=7)


def fail_polls(store: SqlStore, feed_url: str, causes: list[Cause]) -> None:
    feed = next(one for one in store.feeds() if one.url == feed_url)
    for n, cause in enumerate(causes):
        held = claim(store, feed.host)
        record = poll_record(feed, at=store.now())
        outcome = PollOutcome(
            at=store.now() + timedelta(seconds=n),
            outcome="failed",
            status=None,
            cause=cause,
            detail="",
            elapsed=timedelta(0),
            wire_bytes=0,
        )
        assert store.record_poll(held, replace(record, outcome=outcome))
        store.release(held)


# --- signs ------------------------------------------------------------------------------------------------------------


def test_an_empty_store_shows_no_signs(store: SqlStore) -> None:
    assert store.signs(START - WEEK) == {}


def test_signs_count_entries_and_dates_that_cannot_be_right(store: SqlStore) -> None:
    feed, other = subscribe(store, A, B)
    wrong = sighting(3)
    in_the_text = sighting(4, content='{"date_flagged":true}')
    flagged = replace(wrong, entry=replace(wrong.entry, published_at=None, date_flagged=True))
    poll(store, feed, sighting(1), sighting(2), flagged, in_the_text)
    poll(store, other)
    signs = store.signs(START - WEEK)
    assert (signs[feed.id].entries, signs[feed.id].dates_flagged) == (4, 1)
    assert other.id not in signs


def test_signs_older_than_wanted_are_left_out(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    clock.pass_(timedelta(days=10))
    assert feed.id not in store.signs(store.now() - WEEK)


def test_signs_count_doubtful_articles_by_reason(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, *(sighting(n) for n in range(4)))
    fetch_due(store)
    for page, quality in zip(fetched_pages(store), [(), ("short",), ("short", "listing"), ()], strict=True):
        assert record_article(store, page, article_record(page, quality=quality))
    signs = store.signs(START - WEEK)[feed.id]
    assert (signs.articles, signs.articles_doubtful) == (4, 2)
    assert signs.reasons == {"short": 2, "listing": 1}


def test_signs_count_failed_pages_by_cause(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, *(sighting(n) for n in range(3)))
    held = claim(store, "www.example.org:443")
    pages = store.due_pages(held, store.now())
    for page, cause in zip(pages, [Cause.ROBOTS, Cause.ROBOTS, Cause.NOT_FOUND], strict=True):
        assert store.record_page_failure(held, page, PageFailed(cause=cause), START + WEEK, counts=False)
    store.release(held)
    assert store.signs(START - WEEK)[feed.id].pages_failed == {Cause.ROBOTS: 2, Cause.NOT_FOUND: 1}


# --- activity ---------------------------------------------------------------------------------------------------------


def test_activity_counts_what_was_done_and_how_late_entries_were_found(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))  # the first poll: as old as it is
    clock.pass_(timedelta(hours=2))
    entries = []
    for n, late in ((2, 30), (3, 10)):
        one = sighting(n)
        published_at = store.now() - timedelta(minutes=late)
        entries.append(replace(one, entry=replace(one.entry, published_at=published_at)))
    poll(store, feed, *entries)
    fail_polls(store, A, [Cause.DNS])
    collect(store)
    done = store.activity(START)
    assert (done.polls, done.polls_failed, done.wire_bytes) == (3, 1, 2000)
    assert (done.entries_new, done.articles_new) == (3, 3)
    assert done.delays == (timedelta(minutes=10), timedelta(minutes=30))
    seen = overview(store)
    assert (seen.delay_p50, seen.delay_p95) == (timedelta(minutes=30), timedelta(minutes=30))
    assert seen.counts.articles == 3


def test_nothing_happened_in_an_empty_store(store: SqlStore) -> None:
    done = store.activity(START)
    assert (done.polls, done.polls_failed, done.wire_bytes, done.entries_new, done.articles_new) == (0, 0, 0, 0, 0)
    assert done.delays == ()
    assert overview(store).delay_p50 is None


# --- unwell -----------------------------------------------------------------------------------------------------------


def test_the_history_of_feeds_that_failed_often_is_read(store: SqlStore) -> None:
    good, bad = subscribe(store, A, B)
    poll(store, good)
    fail_polls(store, B, [Cause.TIMEOUT] * 10)
    (second,) = unwell(store, store.now())
    assert [finding.kind for finding in second.findings] == [Kind.UNSTEADY]
    assert not second.is_broken
    assert finding_record(second.feed, second.findings[0]) == {
        "feed": B,
        "feed_id": bad.id,
        "url": B,
        "kind": "unsteady",
        "severity": "attention",
        "cause": "timeout",
        "since": START.isoformat(),
        "detail": "10 of the last 10 polls failed: 10 timeout",
        "remedy": second.findings[0].remedy,
    }


def test_our_own_clock_is_named_once_for_all_feeds(store: SqlStore, clock: StandingClock) -> None:
    for feed in subscribe(store, A, B):
        poll(store, feed)
    clock.at -= timedelta(hours=5)
    kinds = [finding.kind for one in unwell(store, store.now()) for finding in one.findings]
    assert kinds == [Kind.OWN_CLOCK]


def test_broken_feeds_come_first(store: SqlStore) -> None:
    attention, broken = subscribe(store, A, B)
    moved = poll_record(attention, at=START)
    held = claim(store, attention.host)
    state = replace(moved.state, revalidation="distrusted")
    assert store.record_poll(held, replace(moved, state=state))
    failed = poll_record(broken, at=START)
    held = claim(store, broken.host)
    state = replace(failed.state, status=FeedStatus.FAILING, cause=Cause.NOT_FOUND, failing_since=START)
    assert store.record_poll(held, replace(failed, state=state))
    seen = overview(store)
    assert list(seen.unwell) == [broken.id, attention.id]
    assert (seen.broken, [is_broken(seen.unwell[one.id]) for one in (broken, attention)]) == (1, [True, False])
    assert [(one.kind, one.cause, one.feed_ids) for one in seen.groups] == [
        (Kind.FAILING, Cause.NOT_FOUND, (broken.id,)),
        (Kind.STUCK_VALIDATORS, None, (attention.id,)),
    ]
    assert all(group.remedy for group in seen.groups)
    assert title_of(store.feeds(ids=[broken.id])[0]) == B


def test_feeds_of_one_trouble_are_one_group_whose_remedy_may_differ(store: SqlStore, clock: StandingClock) -> None:
    for feed, moved_to in zip(subscribe(store, A, B), ("http://c.example/", "http://d.example/"), strict=True):
        record = poll_record(feed, at=START)
        held = claim(store, feed.host)
        state = replace(record.state, adopted_url=moved_to, adopted_at=START - timedelta(days=8))
        assert store.record_poll(held, replace(record, state=state))
        store.release(held)
    (group,) = overview(store).groups
    assert (group.kind, group.remedy, len(group.feed_ids)) == (Kind.MOVED, "", 2)


def test_a_clock_that_went_back_is_told_of_the_feed_polled_last(store: SqlStore, clock: StandingClock) -> None:
    feeds = subscribe(store, A, B)
    for n, feed in enumerate(feeds):
        held = claim(store, feed.host)
        assert store.record_poll(held, poll_record(feed, at=START + timedelta(hours=2 + n), every=timedelta(days=1)))
        store.release(held)
    assert [one.kind for one in overview(store).unwell[feeds[1].id]] == [Kind.OWN_CLOCK]
    assert feeds[0].id not in overview(store).unwell


def test_days_count_what_came_on_each(store: SqlStore, clock: StandingClock) -> None:
    assert [(one.articles, one.entries) for one in store.days(store.now(), 3)] == [(0, 0)] * 3
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1), sighting(2))
    collect(store)
    clock.pass_(timedelta(days=2))
    poll(store, feed, sighting(3), sighting(4), sighting(5))
    collect(store)
    found = store.days(store.now(), 4)
    assert [(f"{one.day}", one.articles, one.entries) for one in found] == [
        ("2026-02-28", 0, 0),
        ("2026-03-01", 2, 2),
        ("2026-03-02", 0, 0),
        ("2026-03-03", 3, 3),
    ]
    clock.pass_(timedelta(days=2))
    assert sum(one.entries for one in store.days(store.now(), 2)) == 0
    assert [one.entries for one in store.days(store.now(), 3)] == [3, 0, 0]


def silent_stats(at: datetime, per_day: float, silence: timedelta) -> PublicationStats:
    recent = tuple(at - silence - timedelta(hours=n) for n in range(20, -1, -1))
    return PublicationStats(since=START, at=at, weight=per_day * 20, exposure_days=20.0, recent=recent)


def test_the_feeds_that_are_read_for_their_health_are_all_that_are_unwell(
    store: SqlStore, clock: StandingClock
) -> None:
    """A query singles them out; what it leaves out is well."""
    now, week = START + timedelta(days=30), timedelta(days=7)
    due_at = now + timedelta(hours=1)
    states: dict[str, dict[str, object]] = {
        "well": {},
        "failing": {"status": FeedStatus.FAILING, "cause": Cause.NOT_FOUND, "failing_since": now},
        "gone": {"status": FeedStatus.GONE, "cause": Cause.GONE, "failing_since": now},
        "overdue": {"due_at": now - timedelta(hours=2)},
        "not overdue": {"due_at": now - timedelta(minutes=10)},
        "ahead": {"polled_at": now + timedelta(hours=1)},
        "silent": {"stats": silent_stats(now, 24.0, timedelta(days=4))},
        "slow": {"stats": silent_stats(now, 0.1, timedelta(days=4))},
        "busy": {"stats": silent_stats(now, 24.0, timedelta(hours=1))},
        "moved": {"adopted_url": "http://b.example/", "adopted_at": now - 2 * week},
        "stuck": {"revalidation": "distrusted", "distrusted_at": now},
        "ids": {"entry_ids": "link"},
    }
    feeds = subscribe(store, *(f"http://{name.replace(' ', '-')}.example/f" for name in states), B)
    subscriptions = [Subscription(url=feed.url) for feed in feeds[:-1]]
    store.sync_feeds([*subscriptions, Subscription(url=B, interval=timedelta(hours=1))], "with interval", START)
    clock.at = now
    for feed, state in zip(store.feeds(), (*states.values(), {"gap_at": now}), strict=True):
        record = poll_record(feed, at=now)
        full = replace(record.state, **{"due_at": due_at, "status": FeedStatus.OK, "succeeded_at": now, **state})  # type: ignore[arg-type]
        assert store.record_poll(claim(store, feed.host), replace(record, state=full))
    found = {one.feed.url: one.findings for one in unwell(store, now)}
    signs = store.signs(now - week)
    all_findings = {one.url: diagnose(one, store.polls(one.id), now, signs.get(one.id)) for one in store.feeds()}
    assert found == {url: findings for url, findings in all_findings.items() if findings}
    assert {kind for findings in found.values() for kind in [one.kind for one in findings]} == {
        *(Kind.FAILING, Kind.GONE, Kind.OVERDUE, Kind.OWN_CLOCK, Kind.SILENT, Kind.MOVED, Kind.STUCK_VALIDATORS),
        *(Kind.ENTRY_IDS, Kind.LOST_ENTRIES),
    }
    screened = set(store.suspect_ids(screen(now)))
    left_out = {feed.url for feed in store.feeds() if feed.id not in screened}
    assert left_out == {f"http://{name}.example/f" for name in ("well", "not-overdue", "slow", "busy")}
    assert store.hosts_answered(now) == {feed.host for feed in store.feeds()}
    assert store.hosts_answered(now + week) == frozenset()


def test_histories_are_those_of_feeds_that_are_polled(store: SqlStore, clock: StandingClock) -> None:
    """Not of one that never answered, is gone, or is paused; of more feeds than asked for they are a sample."""
    answered = [f"http://{name}.example/feed" for name in "abcdefg"]
    feeds = subscribe(store, *answered, "http://new.example/feed")
    for number, feed in enumerate(feeds[:7]):
        for seen in ((), (sighting(number),)):
            clock.pass_(timedelta(minutes=30))
            record = poll_record(feed, *seen, at=store.now())
            status = FeedStatus.GONE if number == 6 else FeedStatus.OK
            state = replace(record.state, succeeded_at=store.now(), status=status)
            assert store.record_poll(claim(store, feed.host), replace(record, state=state))
    subscribe(store, *answered[1:], config_hash="without the first", at=store.now())
    count, known = store.poll_histories()
    assert (count, [one.feed.url for one in known]) == (5, answered[1:6])
    at = START + timedelta(hours=2)
    assert known[0].polls == PollSums(
        first_at=at - timedelta(minutes=30),
        count=2,
        found=1,
        bytes_found=1000.0,
        bytes_else=1000.0,
        found_at=(at,),
    )
    count, some = store.poll_histories(2)
    assert (count, len(some)) == (5, 2)
    assert set(some) < set(known)
    assert store.poll_histories(2) == (count, some)


# --- traces -----------------------------------------------------------------------------------------------------------


def test_an_unknown_address_has_an_empty_trace(store: SqlStore) -> None:
    trace = store.trace(["https://x.example/"], [Key("https://x.example/")])
    assert not any((trace.entries, trace.pages, trace.articles, trace.evidence, trace.decisions))


def test_a_waiting_page_is_traced_to_its_sightings(store: SqlStore) -> None:
    feed, other = subscribe(store, A, B)
    poll(store, feed, sighting(1))
    poll(store, other, sighting(1, entry_id="elsewhere"))
    trace = store.trace([URL.format(1)], [])
    assert [(one.feed, one.entry_id) for one in trace.entries] == [(A, "id-1"), (B, "elsewhere")]
    (page,) = trace.pages
    assert (page.state, page.url, page.attempts, page.cause) == ("due", URL.format(1), 0, None)
    assert trace.articles == ()
    assert [one.verdict for one in trace.decisions] == ["announced", "announced"]


def test_a_failed_page_tells_its_cause(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    held = claim(store, "www.example.org:443")
    (page,) = store.due_pages(held, store.now())
    assert store.record_page_failure(held, page, PageFailed(cause=Cause.GONE, detail="410"), None)
    (traced,) = store.trace([URL.format(1)], []).pages
    assert (traced.state, traced.cause, traced.detail, traced.attempts) == ("failed", Cause.GONE, "410", 1)


def test_two_addresses_of_one_article_have_one_trace(store: SqlStore) -> None:
    """Two pages, collected before anybody knew that they are one; then the evidence comes."""
    (feed,) = subscribe(store, A)
    short, long = "https://s.example/en/story/x", URL.format(1)
    poll(store, feed, sighting(1), sighting("x", url=short))
    body = words("same")
    fetch_due(store)
    edge = Edge(
        key=identity(short).key or Key(""),
        other=identity(long).key or Key(""),
        kind=EvidenceKind.CANONICAL,
        site="example.org",
        other_site="example.org",
        witness="example.org",
    )
    for page in fetched_pages(store):
        edges = (edge,) if page.url == short else ()
        assert record_article(store, page, article_record(page, title="One", body=body, edges=edges))
    traces = [store.trace([url], []) for url in (short, long)]
    assert traces[0].articles == traces[1].articles
    assert {one.url for one in traces[0].pages} == {short, long}
    assert [(one.key, one.other, one.kind) for one in traces[0].evidence] == [(edge.key, edge.other, "canonical")]
    survivors = [one for one in traces[0].articles if one.merged_into is None]
    assert len(survivors) == 1


# --- near duplicates --------------------------------------------------------------------------------------------------


def test_near_duplicates_are_told(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    collect(store, body=words("text"), title="First")
    clock.pass_(LEASE)
    poll(store, feed, sighting(2, url="https://other.example/en/story/b"))
    collect(store, body=words("text"), title="Second")
    second, first = newest(store)
    assert second.near_duplicate_of == first.id
    assert store.near_duplicates(first.id) == (second.id,)
    assert store.near_duplicates(second.id) == ()
