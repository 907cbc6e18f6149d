"""What Prometheus is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from aggregator.errors import StorageError
from aggregator.models.feeds import Entry, FeedState
from aggregator.models.fetching import (
    Cause,
    FetchFailed,
    FetchRequest,
    FetchResult,
    NotModified,
    Redirected,
    Validators,
)
from aggregator.models.ids import FeedId, HostId
from aggregator.monitoring.metrics import EngineView, MeteredFetcher, Metrics, StoreMetrics
from aggregator.ports.readings import Counts
from aggregator.ports.store_records import PollOutcome, PollRecord, PollRecorded, Sighting
from tests.support.answers import fetched
from tests.support.feeds import feed_of

NOW = datetime(2026, 11, 19, 10, 0, tzinfo=UTC)
URL = "https://a.example/feed"
SECOND = timedelta(seconds=1)
COUNTS = Counts(
    feeds=1,
    entries=2,
    articles=3,
    revisions=4,
    pages_due=5,
    pages_fetched=6,
    pages_failed=7,
    unpublished=8,
    schema_version="1",
    size_bytes=9,
)


def read(metrics: Metrics | StoreMetrics) -> dict[str, float]:
    """Return the samples by name and labels, as Prometheus reads them."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_program_says_which_it_is() -> None:
    assert any(name.startswith("aggregator_build_info ") for name in read(Metrics()))


def test_two_processes_of_one_test_do_not_share_a_registry() -> None:
    first, second = Metrics(), Metrics()
    first.observe_tick(NOW)
    assert "aggregator_last_tick_timestamp_seconds" in read(first)
    assert "aggregator_last_tick_timestamp_seconds" not in read(second)


def test_the_last_tick_is_a_time() -> None:
    metrics = Metrics()
    metrics.observe_tick(NOW)
    metrics.observe_tick(NOW + SECOND)
    assert read(metrics)["aggregator_last_tick_timestamp_seconds"] == NOW.timestamp() + 1


class Scripted:
    """A fetcher that gives the next answer."""

    def __init__(self, *results: FetchResult) -> None:
        self._results = iter(results)

    def fetch(self, request: FetchRequest) -> FetchResult:
        return next(self._results)


def test_requests_are_timed_by_kind_and_outcome() -> None:
    metrics = Metrics()
    ok = fetched(URL, b"", wire_bytes=1500, elapsed=SECOND)
    unchanged = NotModified(
        url=URL, final_url=URL, headers={}, validators=Validators(), hops=(), fresh_for=None, elapsed=SECOND
    )
    moved = Redirected(url=URL, target=URL, hops=(), elapsed=SECOND)
    failed = FetchFailed(url=URL, final_url=URL, cause=Cause.TIMEOUT, detail="", elapsed=20 * SECOND)
    fetcher = MeteredFetcher(Scripted(ok, unchanged, moved, failed), metrics)
    request = FetchRequest(url=URL, accept="feed", max_bytes=1, deadline=SECOND)
    assert [fetcher.fetch(request) for _ in range(4)] == [ok, unchanged, moved, failed]
    told = read(metrics)
    for outcome in ("ok", "not_modified", "redirected", "timeout"):
        assert told[f"aggregator_request_seconds_count feed {outcome}"] == 1
    assert told["aggregator_request_seconds_sum feed timeout"] == 20
    assert told["aggregator_response_bytes_sum feed"] == 1500


def polled(*published: datetime | None, new: int) -> tuple[PollRecord, PollRecorded]:
    sightings = tuple(
        Sighting(
            entry=Entry(id=str(n), entry_id=str(n), link=None, published_at=at),
            content_hash="",
            url=None,
            host=None,
            identity=None,
        )
        for n, at in enumerate(published)
    )
    outcome = PollOutcome(
        at=NOW,
        outcome="new",
        status=200,
        cause=None,
        detail="",
        elapsed=SECOND,
        wire_bytes=1,
        entries_seen=len(sightings),
    )
    record = PollRecord(
        feed_id=FeedId(1), host="a.example:443", state=FeedState(due_at=NOW), outcome=outcome, sightings=sightings
    )
    recorded = PollRecorded(entries_new=new, new_pages=(), host_id=HostId(1), known=0)
    return record, recorded


FEED = feed_of(URL, FeedState(due_at=NOW, succeeded_at=NOW - timedelta(hours=1)))


def test_the_delay_of_new_entries_is_observed() -> None:
    """Of three sightings one is new: the one published last; one in the future counts as found at once."""
    metrics = Metrics()
    old = NOW - timedelta(days=3)
    metrics.observe_poll(FEED, *polled(old, NOW - 90 * SECOND, None, new=1))
    metrics.observe_poll(FEED, *polled(NOW + SECOND, new=1))
    told = read(metrics)
    assert told["aggregator_detection_delay_seconds_count"] == 2
    assert told["aggregator_detection_delay_seconds_sum"] == 90


def test_the_first_poll_and_polls_without_news_say_nothing_about_delay() -> None:
    metrics = Metrics()
    never = replace(FEED, state=FeedState(due_at=NOW))
    metrics.observe_poll(never, *polled(NOW - SECOND, new=1))
    metrics.observe_poll(FEED, *polled(NOW - SECOND, new=0))
    assert read(metrics)["aggregator_detection_delay_seconds_count"] == 0


def test_the_engine_is_read_at_each_scrape() -> None:
    metrics = Metrics()
    totals = {"feeds_polled": 10, "feeds_unchanged": 6, "feeds_failed": 1, "articles_new": 3, "cause_dns": 2}
    metrics.watch_engine(
        lambda: EngineView(totals=totals, visits_running=4, workers=32, extractions_in_hand=1, extraction_workers=2)
    )
    told = read(metrics)
    assert told["aggregator_polls_total changed"] == 3
    assert told["aggregator_polls_total unchanged"] == 6
    assert told["aggregator_extractions_total new"] == 3
    assert told["aggregator_failures_total dns"] == 2
    assert told["aggregator_visits_running"] == 4
    totals["feeds_polled"] += 1
    assert read(metrics)["aggregator_polls_total changed"] == 4


def test_the_store_is_counted_at_most_every_fifteen_seconds() -> None:
    times, asked = iter([0.0, 14.9, 15.0]), []

    def count() -> Counts:
        asked.append(1)
        return COUNTS

    metrics = StoreMetrics(count, lambda: next(times))
    for expected in (1, 1, 2):
        told = read(metrics)
        assert len(asked) == expected
    assert told["aggregator_queue_pages due"] == 5
    assert told["aggregator_store_articles"] == 3
    assert told["aggregator_store_up"] == 1


def test_a_store_that_cannot_be_read_is_down() -> None:
    def count() -> Counts:
        raise StorageError("gone")

    metrics = StoreMetrics(count, lambda: 0.0)
    told = read(metrics)
    assert told["aggregator_store_up"] == 0
    assert "aggregator_store_articles" not in told
