"""Metrics for Prometheus, in registries of our own.

`Metrics` holds the metrics of one process. Durations and sizes are observed when a request or poll ends. Counts of work
are read from the engine's own counters at each scrape, so they are counted in one place only. `StoreMetrics` counts the
rows of the store.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

from prometheus_client import CollectorRegistry, Gauge, Histogram, Info, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from aggregator import __version__
from aggregator.errors import StorageError
from aggregator.models.feeds import Feed
from aggregator.models.fetching import Fetched, FetchFailed, FetchRequest, FetchResult, NotModified, Redirected
from aggregator.ports.protocols import Fetcher
from aggregator.ports.readings import Counts
from aggregator.ports.store_records import PollRecord, PollRecorded

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_LATENCY: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)  # seconds
_DELAY: Final = (60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0)  # seconds
_STORE_SECONDS: Final = 15.0  # counting a large store takes long

disable_created_metrics()  # type: ignore[no-untyped-call] # the library's own switch


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineView:
    """What the metrics show of an engine at one moment. `totals` are its counters since its start, by name."""

    totals: Mapping[str, int]
    visits_running: int
    workers: int
    extractions_in_hand: int
    extraction_workers: int


class Metrics:
    """The metrics of this process and the registry that holds them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        Info("aggregator_build", "This program.", registry=self.registry).info({"version": __version__})
        self._latency = Histogram(
            "aggregator_request_seconds",
            "Time of one request, name resolution to last byte.",
            ["kind", "outcome"],
            buckets=_LATENCY,
            registry=self.registry,
        )
        self._delay = Histogram(
            "aggregator_detection_delay_seconds",
            "From the publisher's own time to the poll that found the entry.",
            buckets=_DELAY,
            registry=self.registry,
        )
        self._bytes = Histogram(
            "aggregator_response_bytes",
            "Size of complete answers on the wire.",
            ["kind"],
            buckets=(1e3, 1e4, 1e5, 1e6, 1e7),
            registry=self.registry,
        )
        self._last_tick: Gauge | None = None  # a process without an engine has none

    def observe_fetch(self, request: FetchRequest, result: FetchResult) -> None:
        """Observe the duration of a request and, if it brought a complete answer, the size of the answer."""
        seconds = result.elapsed.total_seconds()
        self._latency.labels(request.accept, _outcome_of(result)).observe(seconds)
        if isinstance(result, Fetched):
            self._bytes.labels(request.accept).observe(result.wire_bytes)

    def observe_poll(self, feed: Feed, record: PollRecord, recorded: PollRecorded) -> None:
        """Observe the delay of each new entry: the time from its publication to the poll that found it.

        `feed` is the feed as it was before the poll. A feed's first successful poll is not observed, since its entries
        may be old. `recorded` has only the number of new entries: so many entries with the latest dates count as new.
        """
        if feed.state.succeeded_at is None or not recorded.entries_new:
            return
        dates = sorted(at for one in record.sightings if (at := one.entry.published_at) is not None)
        for published_at in dates[-recorded.entries_new :]:
            self._delay.observe(max((record.outcome.at - published_at).total_seconds(), 0.0))

    def observe_tick(self, at: datetime) -> None:
        """Set the time at which the engine last looked for due work."""
        if self._last_tick is None:
            self._last_tick = Gauge(
                "aggregator_last_tick_timestamp_seconds",
                "When the engine last looked for due work.",
                registry=self.registry,
            )
        self._last_tick.set(at.timestamp())

    def watch_engine(self, look: Callable[[], EngineView]) -> None:
        """Add the engine's counters to the metrics. `look` is called at each scrape."""
        self.registry.register(_EngineCollector(look))

    def render(self) -> bytes:
        """Return all metrics in the text format of Prometheus, whose media type is `CONTENT_TYPE`."""
        return generate_latest(self.registry)


def _outcome_of(result: FetchResult) -> str:
    match result:
        case Fetched():
            return "ok"
        case NotModified():
            return "not_modified"
        case Redirected():
            return "redirected"
        case FetchFailed():
            return result.cause.value
        case _:
            assert_never(result)


class MeteredFetcher:
    """A fetcher that observes the duration and size of each request of another fetcher."""

    def __init__(self, fetcher: Fetcher, metrics: Metrics) -> None:
        self._fetcher = fetcher
        self._metrics = metrics

    def fetch(self, request: FetchRequest) -> FetchResult:
        """Make the request with the wrapped fetcher, count its duration and size, and return its result."""
        result = self._fetcher.fetch(request)
        self._metrics.observe_fetch(request, result)
        return result


# --- metrics that are read at each scrape -----------------------------------------------------------------------------

# Metric, help and label; then the engine's totals in it, each with its value of the label.
_COUNTERS: Final[tuple[tuple[str, str, str, Mapping[str, str]], ...]] = (
    ("aggregator_visits", "Visits to hosts.", "", {"visits": ""}),
    ("aggregator_requests", "Requests made by visits.", "", {"requests": ""}),
    ("aggregator_entries", "Entries of feeds.", "state", {"entries_seen": "seen", "entries_new": "new"}),
    ("aggregator_pages_failed", "Pages that gave nothing when they were asked for.", "", {"pages_failed": ""}),
    (
        "aggregator_extractions",
        "Outcomes of extraction.",
        "outcome",
        {f"articles_{kind}": kind for kind in ("new", "updated", "unchanged", "duplicate", "failed", "lost")},
    ),
)
_CAUSE: Final = "cause_"


class _EngineCollector(Collector):
    def __init__(self, look: Callable[[], EngineView]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        view = self._look()
        for name, text, label, parts in _COUNTERS:
            family = CounterMetricFamily(name, text, labels=[label] if label else [])
            for total, value in parts.items():
                family.add_metric([value] if label else [], view.totals.get(total, 0))
            yield family
        yield _polls(view.totals)
        causes = CounterMetricFamily("aggregator_failures", "Failed polls and pages by cause.", labels=["cause"])
        for total, count in view.totals.items():
            if total.startswith(_CAUSE):
                causes.add_metric([total.removeprefix(_CAUSE)], count)
        yield causes
        yield GaugeMetricFamily("aggregator_visits_running", "Visits under way.", view.visits_running)
        yield GaugeMetricFamily("aggregator_visits_limit", "Visits that may be under way.", view.workers)
        yield GaugeMetricFamily("aggregator_extractions_in_hand", "Pages in extraction.", view.extractions_in_hand)
        yield GaugeMetricFamily("aggregator_extraction_workers", "Worker processes.", view.extraction_workers)


def _polls(totals: Mapping[str, int]) -> Metric:
    unchanged, failed = totals.get("feeds_unchanged", 0), totals.get("feeds_failed", 0)
    family = CounterMetricFamily("aggregator_polls", "Polls of feeds.", labels=["outcome"])
    family.add_metric(["changed"], totals.get("feeds_polled", 0) - unchanged - failed)
    family.add_metric(["unchanged"], unchanged)
    family.add_metric(["failed"], failed)
    return family


class StoreMetrics(Collector):
    """Metrics of the store: the numbers of its rows and its size. They are counted at most once in 15 seconds.

    Only the process that serves /metrics has them. If the store cannot be read, the only metric is
    `aggregator_store_up` with the value 0.
    """

    def __init__(self, count: Callable[[], Counts], clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._count = count
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Counts | None = None
        self._counted_at = 0.0

    def render(self) -> bytes:
        """Return the metrics of the store in the text format of Prometheus."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the store. The registry calls this at each scrape."""
        counts = self._counts()
        yield GaugeMetricFamily("aggregator_store_up", "Whether the store can be read.", 0 if counts is None else 1)
        if counts is None:
            return
        for name, value in (("feeds", counts.feeds), ("entries", counts.entries), ("articles", counts.articles)):
            yield GaugeMetricFamily(f"aggregator_store_{name}", f"Stored {name}.", value)
        queue = GaugeMetricFamily("aggregator_queue_pages", "Pages by what they wait for.", labels=["state"])
        queue.add_metric(["due"], counts.pages_due)
        queue.add_metric(["fetched"], counts.pages_fetched)
        queue.add_metric(["failed"], counts.pages_failed)
        yield queue
        yield GaugeMetricFamily("aggregator_unpublished_changes", "Changes that wait for a number.", counts.unpublished)
        yield GaugeMetricFamily("aggregator_store_bytes", "Size of the database.", counts.size_bytes)

    def _counts(self) -> Counts | None:
        with self._lock:
            now = self._clock()
            if self._known is None or now - self._counted_at >= _STORE_SECONDS:
                try:
                    self._known, self._counted_at = self._count(), now
                except StorageError:
                    self._known = None
            return self._known
