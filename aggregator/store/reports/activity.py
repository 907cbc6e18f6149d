"""Recent activity in numbers, for health, the status page and metrics. Only the newest entries and pages are read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from sqlalchemy import and_, bindparam, case, func, select

from aggregator.models.fetching import Cause
from aggregator.models.ids import FeedId
from aggregator.ports.readings import Activity, DayCounts, FeedSigns
from aggregator.store.db.codec import load_strings
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import articles, entries, pages, polls

_LATEST: Final = 50_000  # newest rows of entries and pages that are read: at least a day's, in any store
_FLAGGED: Final = '%"date_flagged":true%'  # as `codec` writes it; within an entry's text the quotes are escaped

_last_entry: Final = select(func.max(entries.c.id).label("id"))
_last_page: Final = select(func.max(pages.c.id).label("id"))

_entries: Final = (
    select(
        entries.c.feed_id,
        func.count().label("entries"),
        func.sum(case((entries.c.rest.like(_FLAGGED), 1), else_=0)).label("flagged"),
    )
    .where(entries.c.id > bindparam("after"), entries.c.first_seen >= bindparam("since"))
    .group_by(entries.c.feed_id)
)
_articles: Final = (
    select(articles.c.feed_id, articles.c.quality, func.count().label("articles"))
    .where(articles.c.first_seen >= bindparam("since"), articles.c.merged_into.is_(None))
    .group_by(articles.c.feed_id, articles.c.quality)
)
_failed_pages: Final = (
    select(pages.c.feed_id, pages.c.cause, func.count().label("pages"))
    .where(
        pages.c.id > bindparam("after"),
        pages.c.first_seen >= bindparam("since"),
        pages.c.cause.is_not(None),
        pages.c.article_id.is_(None),
    )
    .group_by(pages.c.feed_id, pages.c.cause)
)
_failed_polls: Final = (
    select(polls.c.feed_id, func.count().label("failed")).where(polls.c.outcome == "failed").group_by(polls.c.feed_id)
)


def signs(tx: Transaction, since: datetime) -> Mapping[FeedId, FeedSigns]:
    """Return the counts of each feed: new entries, articles and failed pages since `since`, and failed polls.

    At most the newest `_LATEST` entries and pages are read. Failed polls are counted in the whole stored history.
    """
    seen = {row.feed_id: row for row in tx.all(_entries, {"after": _floor(tx, _last_entry), "since": since})}
    polls_failed = {row.feed_id: row.failed for row in tx.all(_failed_polls)}
    kept: Counter[int] = Counter()
    doubtful: Counter[int] = Counter()
    reasons: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for row in tx.all(_articles, {"since": since}):
        kept[row.feed_id] += row.articles
        named = load_strings(row.quality)
        if named:
            doubtful[row.feed_id] += row.articles
            reasons[row.feed_id].update(dict.fromkeys(named, row.articles))
    failed: defaultdict[int, dict[Cause, int]] = defaultdict(dict)
    for row in tx.all(_failed_pages, {"after": _floor(tx, _last_page), "since": since}):
        failed[row.feed_id][Cause(row.cause)] = row.pages
    return {
        FeedId(feed_id): FeedSigns(
            entries=seen[feed_id].entries if feed_id in seen else 0,
            dates_flagged=int(seen[feed_id].flagged) if feed_id in seen else 0,
            articles=kept[feed_id],
            articles_doubtful=doubtful[feed_id],
            reasons=dict(reasons.get(feed_id, {})),
            pages_failed=failed.get(feed_id, {}),
            polls_failed=polls_failed.get(feed_id, 0),
        )
        for feed_id in {*seen, *polls_failed, *kept, *failed} - {None}
    }


def _floor(tx: Transaction, last: object) -> int:
    row = tx.first(last)  # type: ignore[arg-type] # one of the two selects above
    return max((row.id or 0) - _LATEST, 0) if row is not None else 0


_polls_since: Final = select(
    func.count().label("polls"),
    func.sum(case((polls.c.outcome == "failed", 1), else_=0)).label("failed"),
    func.sum(polls.c.wire_bytes).label("wire_bytes"),
    func.sum(polls.c.entries_new).label("entries_new"),
).where(polls.c.at >= bindparam("since"))
_articles_since: Final = select(func.count().label("articles")).where(
    articles.c.first_seen >= bindparam("since"), articles.c.merged_into.is_(None)
)
_first_entries: Final = select(entries.c.feed_id, func.min(entries.c.id).label("id")).group_by(entries.c.feed_id)
_first, _firsts = entries.alias("first"), _first_entries.subquery("firsts")
# Entries of a feed's first poll are left out: they may be old, so they say nothing about the delay.
_delays: Final = (
    select(entries.c.first_seen, entries.c.published_at)
    .join(_firsts, _firsts.c.feed_id == entries.c.feed_id)
    .join(_first, _first.c.id == _firsts.c.id)
    .where(
        and_(
            entries.c.id > bindparam("after"),
            entries.c.first_seen >= bindparam("since"),
            entries.c.first_seen > _first.c.first_seen,
            entries.c.published_at >= bindparam("since"),
            entries.c.published_at <= entries.c.first_seen,
        )
    )
)


def activity(tx: Transaction, since: datetime) -> Activity:
    """Return counts, and delays of entries, since `since`. Polls are counted as far back as their history is stored."""
    counted = tx.all(_polls_since, {"since": since})[0]
    delays = tx.all(_delays, {"after": _floor(tx, _last_entry), "since": since})
    return Activity(
        since=since,
        polls=counted.polls,
        polls_failed=int(counted.failed or 0),
        wire_bytes=int(counted.wire_bytes or 0),
        entries_new=int(counted.entries_new or 0),
        articles_new=tx.all(_articles_since, {"since": since})[0].articles,
        delays=tuple(sorted(row.first_seen - row.published_at for row in delays)),
    )


# --- days -------------------------------------------------------------------------------------------------------------

_articles_between: Final = (
    select(func.count())
    .select_from(articles)
    .where(articles.c.first_seen >= bindparam("since"), articles.c.first_seen < bindparam("until"))
)
_entry_from: Final = (
    select(entries.c.id, entries.c.first_seen).where(entries.c.id >= bindparam("id")).order_by(entries.c.id).limit(1)
)


def days(tx: Transaction, until: datetime, count: int) -> tuple[DayCounts, ...]:
    """Return the numbers of new entries and articles on each of `count` days (UTC). The last is the day of `until`.

    Articles that were merged or withdrawn later are counted. The number of entries is a difference of row numbers: that
    is fast, but includes unused row numbers (of removed feeds; in PostgreSQL, of updated entries).
    """
    first = until.astimezone(UTC).date() - timedelta(days=count - 1)
    starts = [datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(days=n) for n in range(count + 1)]
    row = tx.first(_last_entry)
    last = 0 if row is None or row.id is None else int(row.id)
    numbers = [_first_number(tx, start, last) for start in starts]
    return tuple(
        DayCounts(
            day=start.date(),
            articles=tx.run(_articles_between, {"since": start, "until": end}).scalar_one(),
            entries=numbers[n + 1] - numbers[n],
        )
        for n, (start, end) in enumerate(pairwise(starts))
    )


def _first_number(tx: Transaction, at: datetime, last: int) -> int:
    """Return the row number of the first entry found at `at` or later; `last` + 1: there is none."""
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        row = tx.first(_entry_from, {"id": middle})
        if row is not None and row.first_seen < at:
            low = int(row.id) + 1
        else:
            high = middle
    row = tx.first(_entry_from, {"id": low})
    return last + 1 if row is None else int(row.id)
