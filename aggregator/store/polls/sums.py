"""What `aggregator plan` needs of each feed's stored polls: how many, when new entries came, the mean answer size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from random import Random
from typing import Any, Final

from sqlalchemy import Row, case, func, select

from aggregator.models.feeds import FeedStatus
from aggregator.models.ids import FeedId
from aggregator.ports.readings import FeedHistory, PollSums
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import feeds, polls
from aggregator.store.queue.feeds import feeds_of

_polled: Final = (
    select(feeds.c.id)
    .where(feeds.c.enabled, feeds.c.status != FeedStatus.GONE.value, feeds.c.succeeded_at.is_not(None))
    .order_by(feeds.c.id)
)
_is_new: Final = polls.c.outcome == "new"
_sums: Final = (
    select(
        polls.c.feed_id,
        func.min(polls.c.at).label("first_at"),
        func.count().label("polls"),
        func.sum(case((_is_new, 1), else_=0)).label("found"),
        func.avg(case((_is_new, polls.c.wire_bytes))).label("bytes_found"),
        func.avg(case((~_is_new, polls.c.wire_bytes))).label("bytes_else"),
    )
    .where(any_of(polls.c.feed_id))
    .group_by(polls.c.feed_id)
)
_found: Final = (
    select(polls.c.feed_id, polls.c.at)
    .where(any_of(polls.c.feed_id), polls.c.entries_new > 0)
    .order_by(polls.c.feed_id, polls.c.at)
)


def poll_histories(tx: Transaction, limit: int = 5_000) -> tuple[int, tuple[FeedHistory, ...]]:
    """Return how many feeds were polled with success, and sums over the polls of each of at most `limit` of them.

    Disabled and gone feeds are left out. The histories are ordered by feed id. If there are more than `limit` feeds, a
    random sample is returned; the same store gives the same sample.
    """
    ids = [row.id for row in tx.all(_polled)]
    drawn = sorted(Random(0).sample(ids, limit)) if len(ids) > limit else ids  # noqa: S311 - guards nothing
    found: defaultdict[int, list[datetime]] = defaultdict(list)
    for row in tx.all_of(_found, drawn):
        found[row.feed_id].append(row.at)
    sums = {row.feed_id: _poll_sums(row, found[row.feed_id]) for row in tx.all_of(_sums, drawn)}
    return len(ids), tuple(
        FeedHistory(feed=feed, polls=sums.get(feed.id, PollSums())) for feed in feeds_of(tx, [FeedId(n) for n in drawn])
    )


def _poll_sums(row: Row[Any], found_at: Sequence[datetime]) -> PollSums:
    """Return the sums of a feed's polls.

    If no poll with new entries has a stored size, the mean size of the other polls takes its place.
    """
    bytes_else = float(row.bytes_else or 0)
    return PollSums(
        first_at=row.first_at,
        count=row.polls,
        found=int(row.found),
        bytes_found=bytes_else if row.bytes_found is None else float(row.bytes_found),
        bytes_else=bytes_else,
        found_at=tuple(found_at),
    )
