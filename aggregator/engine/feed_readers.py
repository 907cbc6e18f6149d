"""Reads a feed's answer: in the visit's thread, or in a worker process if it is large. A worker can be ended."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType

from aggregator.engine.pool import WorkerPool, result_of
from aggregator.errors import LeaseLostError
from aggregator.extraction.feed_rules import RulesOf, no_rules
from aggregator.extraction.pipeline import read_along
from aggregator.feeds.sightings import read_feed
from aggregator.identity.publisher_rules import Publishers
from aggregator.models.feeds import Feed, ParsedFeed
from aggregator.models.fetching import Fetched
from aggregator.models.pages import PageFailed
from aggregator.models.sources import PLAIN_FEED, SourceRule
from aggregator.ports.store_records import FeedReading
from aggregator.visits.poll import FeedReader

logger = logging.getLogger(__name__)

_NO_RULES: Mapping[str, SourceRule] = MappingProxyType({})
_LARGE_BYTES = 1_000_000  # a larger feed may take seconds to read; a smaller one a third of a second
_SLOWER = 2  # times the limit for a page; 10,000 entries (4 s of CPU) took over 20 s on a busy machine


def longest_parse(timeout: timedelta) -> timedelta:
    """Return how long reading an answer may take; `timeout` is the limit for a page."""
    return timeout * (1 + _SLOWER)


def feed_reader(
    pool: WorkerPool,
    publishers: Publishers,
    rules: Mapping[str, SourceRule] = _NO_RULES,
    rules_of: RulesOf = no_rules,
) -> FeedReader:
    """Return the engine's `FeedReader`; `rules` are those of sources that are no plain feeds, by address.

    If an answer hangs or crashes a worker, only its own feed is unreadable.
    """
    return partial(_read, pool, publishers, rules, rules_of)


def _read(
    pool: WorkerPool,
    publishers: Publishers,
    rules: Mapping[str, SourceRule],
    rules_of: RulesOf,
    feed: Feed,
    fetched: Fetched,
    known: Collection[str],
    now: datetime,
) -> FeedReading:
    """Return the parsed answer; entries whose raw hash is in `known` are left out.

    Raises:
        LeaseLostError: the workers ended; nothing is known about the feed.
    """
    rule = rules.get(feed.url, PLAIN_FEED)
    if len(fetched.body) > _LARGE_BYTES:
        return _read_in_worker(pool, publishers, rule, feed, fetched, known, now)
    try:
        return read_along(read_feed(feed, fetched, known, now, publishers, rule), feed, now, publishers, rules_of)
    except Exception as bug:  # a bug of ours must not stop the polls of the feeds that come after this one
        logger.exception("parse failed", extra={"url": fetched.final_url})
        return _unreadable(f"{type(bug).__name__}: {bug}"[:300])


def _read_in_worker(
    pool: WorkerPool,
    publishers: Publishers,
    rule: SourceRule,
    feed: Feed,
    fetched: Fetched,
    known: Collection[str],
    now: datetime,
) -> FeedReading:
    """Read an answer but not the articles of its entries: extraction does that, and a bad entry costs itself alone."""
    future = pool.submit_within(
        pool.timeout * _SLOWER, read_feed, feed, fetched, frozenset(known), now, publishers, rule
    )
    match result_of(future):
        case None:  # the workers ended; another visit polls the feed
            raise LeaseLostError(fetched.final_url)
        case PageFailed() as failed:
            return _unreadable(f"{failed.cause}: {failed.detail}")
        case reading:
            return reading


def _unreadable(error: str) -> FeedReading:
    return FeedReading(parsed=ParsedFeed(kind=None, format=None, error=error))
