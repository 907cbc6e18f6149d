"""Where a feed is parsed: in the visit's thread, or in a process beside it, one that can be killed for a large feed."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from aggregator.engine.pool import WorkerPool, outcome_of
from aggregator.errors import LeaseLostError
from aggregator.exchange import Fetched
from aggregator.models import PageFailed, ParsedFeed
from aggregator.parse import parse_new

logger = logging.getLogger(__name__)

_LARGE_BYTES = 1_000_000  # beyond it a full parse may take seconds
_WORTH_BYTES = 4_000  # below it a parse costs hardly more than the way to another process
_MANY = 20  # first answers after which a process of their own is worth its start
_SLOWER = 2  # how many times the limit for a page; 10,000 entries (4 s of CPU) took over 20 s on a crowded machine


def longest_parse(timeout: timedelta) -> timedelta:
    """Return how long a parse may take, where `timeout` is the limit for a page."""
    return timeout * _SLOWER


class FeedParsing:
    """The engine's `FeedParser`: a parse that hangs or crashes gives an unreadable feed, whatever else its host has.

    Large feeds go to the workers that extract. An answer of which nothing is known is a third of the work of a first
    fill, and goes to a process of its own, since the threads of the visits share one core. Of all other answers only
    the new entries are parsed, in place.
    """

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._beside = WorkerPool(1, pool.timeout)
        self._first_answers = 0

    def __call__(self, fetched: Fetched, known: Collection[str], now: datetime) -> ParsedFeed:
        """Return the entries whose raw hash is not in `known`.

        Raises:
            LeaseLostError: the processes ended; nothing is known about the feed.
        """
        if len(fetched.body) > _LARGE_BYTES:
            return _parse_in(self._pool, fetched, known, now)
        if not known and len(fetched.body) > _WORTH_BYTES and self._has_process():
            return _parse_in(self._beside, fetched, known, now)
        url = fetched.final_url
        try:
            return parse_new(fetched.body, url=url, headers=dict(fetched.headers), now=now, known=known)
        except Exception as bug:  # ours; it must not starve the feeds that come after this one
            logger.exception("parse failed", extra={"url": url})
            return ParsedFeed(kind=None, format=None, error=f"{type(bug).__name__}: {bug}"[:300])

    @property
    def is_beside(self) -> bool:
        """Whether the process for first answers can begin at once."""
        return self._beside.is_warm

    def close(self) -> None:
        """End the process."""
        self._beside.close()

    def _has_process(self) -> bool:
        """Say whether there is a process for a first answer; start it when there were many."""
        self._first_answers += 1
        if self._first_answers >= _MANY:
            self._beside.warm_up(lambda: None)
        return self.is_beside


def _parse_in(pool: WorkerPool, fetched: Fetched, known: Collection[str], now: datetime) -> ParsedFeed:
    future = pool.submit_within(
        longest_parse(pool.timeout),
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
            return ParsedFeed(kind=None, format=None, error=f"{failed.cause}: {failed.detail}")
        case parsed:
            return parsed
