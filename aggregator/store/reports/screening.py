"""Finds, by one query, the feeds that the health check must look at, among hundreds of thousands of feeds."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Select, bindparam, case, literal_column, null, or_, select, text

from aggregator.models.feeds import FeedStatus
from aggregator.models.ids import FeedId
from aggregator.ports.readings import FeedScreen
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import feeds, hosts

# Whether a feed is silent for longer than its rate explains. `codec` writes `rest`. All entries of a week may appear on
# one weekday. So a silence of d days may lack the entries of min(7 d, d + 8) mean days.
_SILENT: Final = {
    "sqlite": """
        json_extract(rest, '$.stats.recent[#-1]') <= :silent_since
        AND (coalesce(json_extract(rest, '$.stats.weight'), 0) + :entries)
          / (coalesce(json_extract(rest, '$.stats.exposure_days'), 0) + :days)
          * min(7 * (julianday(:at) - julianday(json_extract(rest, '$.stats.recent[#-1]'))),
                8 + julianday(:at) - julianday(json_extract(rest, '$.stats.recent[#-1]'))) >= :expected
        """,
    "postgresql": """
        (rest::json #>> '{stats,recent,-1}') <= :silent_since
        AND (coalesce((rest::json #>> '{stats,weight}')::float, 0) + :entries)
          / (coalesce((rest::json #>> '{stats,exposure_days}')::float, 0) + :days)
          * least(7 * extract(epoch FROM :at ::timestamptz - (rest::json #>> '{stats,recent,-1}')::timestamptz) / 86400,
                  8 + extract(epoch FROM :at ::timestamptz - (rest::json #>> '{stats,recent,-1}')::timestamptz) / 86400)
          >= :expected
        """,
}


# What is found once in `rest`: SQLite takes it apart once for all lookups, PostgreSQL for each.
_KEPT: Final = {
    "sqlite": """
        json_extract(rest, '$.adopted_url') IS NOT NULL OR json_extract(rest, '$.revalidation') = 'distrusted'
        OR json_extract(rest, '$.entry_ids') IS NOT NULL
        OR interval IS NOT NULL AND json_extract(rest, '$.gap_at') IS NOT NULL
        """,
    "postgresql": """
        rest LIKE '%"adopted_url":%' OR rest LIKE '%"revalidation":"distrusted"%' OR rest LIKE '%"entry_ids":%'
        OR interval IS NOT NULL AND rest LIKE '%"gap_at":%'
        """,
}
_RECENT: Final = {
    "sqlite": "json_extract(rest, '$.stats.recent')",
    "postgresql": "rest::json #>> '{stats,recent}'",
}


@cache
def _suspects(dialect: str) -> Select[Any]:
    """Return the query for the feeds that the health check must look at.

    If silence is the only reason for a feed, `recent` has the publication times of its latest entries; else it is NULL.
    """
    other = or_(
        feeds.c.status.in_((FeedStatus.FAILING.value, FeedStatus.GONE.value)),
        feeds.c.due_at <= bindparam("due_before"),
        feeds.c.polled_at >= bindparam("polled_after"),
        text(f"({_KEPT[dialect]})"),
    )
    recent = case((other, null()), else_=literal_column(_RECENT[dialect])).label("recent")
    return select(feeds.c.id, recent).where(feeds.c.enabled, or_(other, text(f"({_SILENT[dialect]})")))


def suspect_ids(tx: Transaction, screen: FeedScreen) -> tuple[FeedId, ...]:
    """Return the feeds that the health check must look at. Only rows of feeds are read, no entries and no pages."""
    entries, days = screen.prior
    rows = tx.all(
        _suspects(tx.dialect.name),
        {
            "due_before": screen.due_before,
            "polled_after": screen.polled_after,
            "silent_since": screen.silent_since.isoformat().replace("+00:00", "Z"),
            "at": screen.now.isoformat(),
            "entries": entries,
            "days": days,
            "expected": screen.silent_entries,
        },
    )
    return tuple(FeedId(row.id) for row in rows if row.recent is None or _is_silent(json.loads(row.recent), screen))


def _is_silent(recent: list[str], screen: FeedScreen) -> bool:
    """Return whether a feed is silent for at least `silent_gaps` times each pause between its latest entries.

    `recent` are the times of these entries, the latest one last.
    This check saves time: to read all facts about a feed takes much longer.
    """
    times = [datetime.fromisoformat(text) for text in recent]
    silence = screen.now - times[-1]
    return all(silence >= screen.silent_gaps * (later - earlier) for earlier, later in pairwise(times))


_answered: Final = (
    select(hosts.c.name)
    .join(feeds, feeds.c.host_id == hosts.c.id)
    .where(feeds.c.enabled, feeds.c.succeeded_at >= bindparam("since"))
    .distinct()
)


def hosts_answered(tx: Transaction, since: datetime) -> frozenset[str]:
    """Return the hosts (name:port) on which a poll succeeded at `since` or later."""
    return frozenset(row.name for row in tx.all(_answered, {"since": since}))
