"""The ports, the settings and the shared state that all visits of a process use. No behaviour."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from aggregator.extraction.feed_rules import RulesOf
from aggregator.http.request_keys import RequestRules
from aggregator.identity.publisher_rules import Publishers
from aggregator.models.feeds import Feed
from aggregator.models.fetching import Cause
from aggregator.models.sources import SourceRule
from aggregator.ports.protocols import Clock, Fetcher, RawStore
from aggregator.ports.store import Store
from aggregator.ports.store_records import PollRecord, PollRecorded
from aggregator.visits.collect import PageLimits
from aggregator.visits.poll import FeedReader, PollSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitPolicy:
    """How long a visit may take, and how fast it may send requests. `lease` is longer than the longest request.

    `waiting` limits the time of all slow requests to one host in a `run-once`. `revisit` has the
    times from the first fetch of a page to the second, third and so on.
    """

    lease: timedelta
    per_host_interval: timedelta
    length: timedelta = timedelta(seconds=10)
    waiting: timedelta = timedelta(seconds=60)
    respect_robots: bool = True
    user_agent: str = "aggregator"
    revisit: tuple[timedelta, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitContext:
    """The ports, settings and shared state of visits. The threads of all visits share one context.

    `recent` has the latest requests of all visits: the host, and the cause of the failure (None: the request
    succeeded). `timeouts` counts the timeouts in a row of each host. `rules` has the rule of each source that is no
    plain feed, by the address of the source. `on_poll` is called after each recorded poll.
    """

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
    recent: deque[tuple[str, Cause | None]]
    requests: RequestRules = RequestRules()  # noqa: RUF009 - frozen
    timeouts: dict[str, int] = field(default_factory=dict)
    rules: Mapping[str, SourceRule] = field(default_factory=dict)
    on_poll: Callable[[Feed, PollRecord, PollRecorded], None] = lambda feed, record, recorded: None
