"""Where a feed is parsed: small ones in the visit's thread, large ones in a worker process that can be killed."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from aggregator.engine.pool import WorkerPool, failure_of
from aggregator.exchange import Fetched
from aggregator.models import ParsedFeed
from aggregator.parse import parse_new

logger = logging.getLogger(__name__)

_LARGE_BYTES = 1_000_000  # beyond it a full parse may take seconds
_SLOWER = 2  # how many times the limit for a page; 10,000 entries (4 s of CPU) took over 20 s on a crowded machine


def longest_parse(timeout: timedelta) -> timedelta:
    """Return how long a parse may take, where `timeout` is the limit for a page."""
    return timeout * _SLOWER


def parse_here_or_there(pool: WorkerPool, fetched: Fetched, known: Collection[str], now: datetime) -> ParsedFeed:
    """Return the entries whose raw hash is not in `known`.

    A parse that hangs or crashes gives an unreadable feed: the other feeds and pages of its host go on.
    """
    url, headers = fetched.final_url, dict(fetched.headers)
    if len(fetched.body) <= _LARGE_BYTES:
        try:
            return parse_new(fetched.body, url=url, headers=headers, now=now, known=known)
        except Exception as bug:  # ours; it must not starve the feeds that come after this one
            logger.exception("parse failed", extra={"url": url})
            return ParsedFeed(kind=None, format=None, error=f"{type(bug).__name__}: {bug}"[:300])
    future = pool.submit_within(
        longest_parse(pool.timeout), parse_new, fetched.body, url=url, headers=headers, now=now, known=frozenset(known)
    )
    error = future.exception()
    if error is None:
        return future.result()
    failed = failure_of(error)
    if failed is None:
        raise error
    return ParsedFeed(kind=None, format=None, error=f"{failed.cause}: {failed.detail}")
