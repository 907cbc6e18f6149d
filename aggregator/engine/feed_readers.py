"""Where an answer is read: in the visit's thread, or in a process beside it, which can be killed for a large feed."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

from aggregator.engine.pool import WorkerPool, outcome_of
from aggregator.errors import LeaseLostError
from aggregator.extraction.pipeline import read_along
from aggregator.feeds.parse import parse_new
from aggregator.feeds.sightings import read_feed, sight
from aggregator.identity.publisher_rules import Publishers
from aggregator.models.fetching import Fetched
from aggregator.models.records import Feed, PageFailed, ParsedFeed
from aggregator.ports.store_records import FeedReading
from aggregator.visits.poll import FeedReader

logger = logging.getLogger(__name__)

_LARGE_BYTES = 1_000_000  # beyond it a full parse may take seconds
_WORTH_BYTES = 4_000  # below it a parse costs hardly more than the way to another process
_MANY = 20  # first answers after which processes of their own are worth their start
_SLOWER = 2  # how many times the limit for a page; 10,000 entries (4 s of CPU) took over 20 s on a crowded machine


def longest_parse(timeout: timedelta) -> timedelta:
    """Return how long reading an answer may take, where `timeout` is the limit for a page."""
    return timeout * (1 + _SLOWER)


class Readers:
    """The engine's `FeedReader`s: an answer that hangs or crashes a parser is an unreadable feed, and no more.

    Large feeds go to the workers that extract. An answer of which nothing is known is half of the work of a first
    fill, and goes to processes of its own, since the threads of the visits share one core; the articles that its
    entries bring along are read there, too. Of all other answers only the new entries are parsed, in place.
    """

    def __init__(self, pool: WorkerPool, beside: WorkerPool) -> None:
        self._pool = pool
        self._beside = beside
        self._first_answers = 0

    def under(self, publishers: Publishers) -> FeedReader:
        """Return the reader that goes by these rules."""
        return partial(self._read, publishers, next(_numbers))

    def _read(
        self,
        publishers: Publishers,
        number: int,
        feed: Feed,
        fetched: Fetched,
        known: Collection[str],
        now: datetime,
    ) -> FeedReading:
        """Return what the answer says; entries whose raw hash is in `known` are left out.

        Raises:
            LeaseLostError: the processes ended; nothing is known about the feed.
        """
        if len(fetched.body) > _LARGE_BYTES:
            return sight(_parse_in(self._pool, fetched, known, now), feed, publishers)
        if not known and len(fetched.body) > _WORTH_BYTES and self._has_process():
            reading = _read_in(self._beside, publishers, number, feed, fetched, now)
            return reading or sight(_parse_in(self._beside, fetched, known, now), feed, publishers)
        try:
            return read_feed(feed, fetched, known, now, publishers)
        except Exception as bug:  # ours; it must not starve the feeds that come after this one
            logger.exception("parse failed", extra={"url": fetched.final_url})
            return FeedReading(parsed=_unreadable(f"{type(bug).__name__}: {bug}"[:300]))

    @property
    def is_beside(self) -> bool:
        """Whether the processes for first answers can begin at once."""
        return self._beside.is_warm

    def close(self) -> None:
        """End the processes."""
        self._beside.close()

    def _has_process(self) -> bool:
        """Say whether there are processes for first answers; start them when there were many."""
        self._first_answers += 1
        if self._first_answers >= _MANY:
            self._beside.warm_up(lambda: None)
        return self.is_beside


_numbers = itertools.count()  # of sets of rules in this process


def _unreadable(error: str) -> ParsedFeed:
    return ParsedFeed(kind=None, format=None, error=error)


def _parse_in(pool: WorkerPool, fetched: Fetched, known: Collection[str], now: datetime) -> ParsedFeed:
    future = pool.submit_within(
        pool.timeout * _SLOWER,
        parse_new,
        fetched.body,
        url=fetched.final_url,
        headers=dict(fetched.headers),
        now=now,
        known=frozenset(known),
    )
    match outcome_of(future):
        case None:  # the workers ended, with us or to be started anew: another visit will do it
            raise LeaseLostError(fetched.final_url)
        case PageFailed() as failed:
            return _unreadable(f"{failed.cause}: {failed.detail}")
        case parsed:
            return parsed


def _read_in(
    pool: WorkerPool, publishers: Publishers, number: int, feed: Feed, fetched: Fetched, now: datetime
) -> FeedReading | None:
    """Read an answer and the articles in it; None: it hangs or crashes, which need not be for the feed itself.

    A worker is sent the rules when it has others: they take as long to send as three entries to read.
    """
    for rules in (None, publishers):
        match outcome_of(pool.submit(_read_there, number, rules, feed, fetched, now)):
            case None:
                raise LeaseLostError(fetched.final_url)
            case FeedReading() as reading:
                return reading
            case PageFailed():
                return None
            case _:
                continue
    return None


# --- in a process beside ----------------------------------------------------------------------------------------------

_rules: dict[int, Publishers] = {}  # the set that came last, by its number


def _read_there(
    number: int, publishers: Publishers | None, feed: Feed, fetched: Fetched, now: datetime
) -> FeedReading | int:
    """Read an answer by a set of rules; its number is the answer where it is not known here."""
    if publishers is not None:
        _rules.clear()
        _rules[number] = publishers
    rules = _rules.get(number)
    if rules is None:
        return number
    return read_along(read_feed(feed, fetched, (), now, rules), feed, now, rules)
