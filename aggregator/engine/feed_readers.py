"""Parses the answers of feeds: in the visit's thread, or in a worker process, which can be killed when it hangs.

`read_entries` does the work in both cases. Most answers have one new entry or none, and are parsed in the thread.
"""

from __future__ import annotations

import logging
import pickle  # noqa: TID251 - the rules go to a worker with each task, and are written once
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import count
from types import MappingProxyType
from typing import Final

from aggregator.engine.pool import WorkerPool, result_of
from aggregator.errors import LeaseLostError
from aggregator.extraction.feed_rules import FeedRules
from aggregator.extraction.pipeline import read_along
from aggregator.feeds.sightings import read_feed
from aggregator.identity.publisher_rules import Publishers
from aggregator.models.feeds import Feed, ParsedFeed
from aggregator.models.fetching import Fetched
from aggregator.models.pages import PageFailed
from aggregator.models.sources import PLAIN_FEED, SourceRule
from aggregator.ports.store_records import FeedReading

logger = logging.getLogger(__name__)

_NO_RULES: Mapping[str, SourceRule] = MappingProxyType({})
_NO_FEED_RULES: Mapping[str, FeedRules] = MappingProxyType({})
_LARGE_BYTES: Final = 1_000_000  # a larger feed may take seconds to read; a smaller one a third of a second
_MANY: Final = 20  # first answers: workers start in a second of CPU, and each takes 5 ms of it from the threads
_SLOWER: Final = 2  # times the limit for a page; 10,000 entries (4 s of CPU) took over 20 s on a busy machine


def longest_parse(timeout: timedelta) -> timedelta:
    """Return an upper limit for the time of parsing an answer; `timeout` is the limit for extracting a page."""
    return timeout * (1 + _SLOWER)


class AnswerReader:
    """The `FeedReader` of both engines. `rules` and `feed_rules` have the rules of single feeds, by the feed's address.

    A worker process parses each answer of over 1 MB. The twentieth new feed starts the workers; they then parse the
    first answers of new feeds, too. If an answer hangs or crashes its worker, only its own feed is unreadable.
    """

    def __init__(
        self,
        pool: WorkerPool,
        publishers: Publishers,
        rules: Mapping[str, SourceRule] = _NO_RULES,
        feed_rules: Mapping[str, FeedRules] = _NO_FEED_RULES,
    ) -> None:
        self._pool = pool
        self._publishers = publishers
        self._pickled = pickle.dumps(publishers)  # once, and not for each task
        self._rules = rules
        self._feed_rules = feed_rules
        self._first_answers = count(1)

    def __call__(self, feed: Feed, fetched: Fetched, known: Collection[str], now: datetime) -> FeedReading:
        """Return the parsed feed without the entries whose raw hash is in `known`: they were in an earlier answer.

        Raises:
            LeaseLostError: the workers were stopped, so the answer was not parsed.
        """
        task = _Task(
            feed=feed,
            fetched=fetched,
            known=frozenset(known),
            now=now,
            rule=self._rules.get(feed.url, PLAIN_FEED),
            feed_rules=self._feed_rules.get(feed.url, FeedRules()),
        )
        if len(fetched.body) > _LARGE_BYTES:
            return self._read_in_worker(replace(task, with_articles=False), self._pool.timeout * _SLOWER)
        if not known and self._has_workers():
            return self._read_in_worker(task, self._pool.timeout)
        try:
            return read_entries(task, self._publishers)
        except Exception as bug:  # a bug of ours must not stop the polls of the feeds that come after this one
            logger.exception("parse failed", extra={"url": fetched.final_url})
            return _unreadable(f"{type(bug).__name__}: {bug}"[:300])

    def _has_workers(self) -> bool:
        """Return whether the workers have started. It is called once for each new feed; call 20 starts the workers."""
        if next(self._first_answers) >= _MANY:
            self._pool.warm_up(lambda: None)
        return self._pool.is_warm

    def _read_in_worker(self, task: _Task, limit: timedelta) -> FeedReading:
        """Parse a feed's answer in a worker process and make articles of its entries, if the task asks for that.

        If that fails, parse it again without articles; if that fails too, return a reading of an unreadable feed.
        """
        match result_of(self._pool.submit_within(limit, _read_entries, task, self._pickled)):
            case None:  # the workers ended; another visit polls the feed
                raise LeaseLostError(task.fetched.final_url)
            case PageFailed() if task.with_articles:
                return self._read_in_worker(replace(task, with_articles=False), limit / 2)
            case PageFailed() as failed:
                return _unreadable(f"{failed.cause}: {failed.detail}")
            case reading:
                return reading


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """An answer to be parsed, and the rules of its feed. `with_articles` False: make no articles from its entries."""

    feed: Feed
    fetched: Fetched
    known: frozenset[str]
    now: datetime
    rule: SourceRule
    feed_rules: FeedRules
    with_articles: bool = True


def _read_entries(task: _Task, publishers: bytes) -> FeedReading:
    """Return what an answer of a feed contains. Runs in a worker process; `publishers` are the pickled rules."""
    return read_entries(task, _unpickled(publishers))


@lru_cache(maxsize=1)
def _unpickled(publishers: bytes) -> Publishers:
    rules: Publishers = pickle.loads(publishers)  # noqa: S301 - the parent process wrote it
    return rules


def read_entries(task: _Task, publishers: Publishers) -> FeedReading:
    """Return the parsed feed. If `task.with_articles`, add an article for each entry that has an article's text."""
    reading = read_feed(task.feed, task.fetched, task.known, task.now, publishers, task.rule)
    return read_along(reading, task.feed, task.now, publishers, task.feed_rules) if task.with_articles else reading


def _unreadable(error: str) -> FeedReading:
    return FeedReading(parsed=ParsedFeed(kind=None, format=None, error=error))
