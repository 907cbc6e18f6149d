"""Where a feed is parsed: small ones in the visit's thread, large ones in a worker process that can be killed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from aggregator.engine.pool import WorkerPool, failure_of
from aggregator.models import Fetched, ParsedFeed
from aggregator.parse import parse_new

_LARGE_BYTES = 1_000_000  # beyond it a full parse may take seconds


def parse_here_or_there(pool: WorkerPool, fetched: Fetched, known: Collection[str], now: datetime) -> ParsedFeed:
    """Return the entries whose raw hash is not in `known`; a parse that hangs or crashes gives an unreadable feed."""
    url, headers = fetched.final_url, dict(fetched.headers)
    if len(fetched.body) <= _LARGE_BYTES:
        return parse_new(fetched.body, url=url, headers=headers, now=now, known=known)
    future = pool.submit(parse_new, fetched.body, url=url, headers=headers, now=now, known=frozenset(known))
    error = future.exception()
    if error is None:
        return future.result()
    failed = failure_of(error)
    if failed is None:
        raise error
    return ParsedFeed(kind=None, format=None, error=f"{failed.cause}: {failed.detail}")
