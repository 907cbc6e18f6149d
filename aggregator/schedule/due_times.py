"""Computes when feeds, pages and hosts are requested next, after success and after failure. Pure; reads no clock.

A feed is due after its own interval (`publication_rate`), or later if the server asks for that. Each kind of failure
has waits of its own (docs/schedule.md). All requests to a host are deferred (its back-off) after one failure with a
cause in `HOST_CAUSES` (429, 503, no connection, DNS, TLS), or after several timeouts in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from aggregator.models.feeds import Feed, FeedHints, FeedState, FeedStatus
from aggregator.models.fetching import Cause, FetchFailed
from aggregator.models.pages import FetchedPage, Page
from aggregator.schedule.publication_rate import Rhythm, interval_of, rhythm_of

NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)  # when a feed that is gone is due
# One failure with such a cause backs the whole host off. Timeouts: see `HostSession`.
HOST_CAUSES: Final = frozenset({Cause.RATE_LIMITED, Cause.UNAVAILABLE, Cause.CONNECT, Cause.DNS, Cause.TLS})
_LONGEST_WISH: Final = timedelta(days=7)  # a server's freshness, Retry-After, ttl, sy:update* (docs/politeness.md)
_BACK_OFF_CAP: Final = timedelta(hours=24)
_NEWCOMER: Final = timedelta(hours=6)  # a feed is new for this time after its first answer
_NEWCOMER_WAIT: Final = timedelta(minutes=50)  # with jitter under an hour: an hourly timer finds the feed due
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """The operator's settings for polling, and the `threshold` that follows from `budget`.

    A busy feed is polled when the expected waiting times of its new entries add up to `threshold` (entries x seconds).
    `budget` is the mean number of polls per feed and day. `jitter` is the share by which computed intervals vary at
    random.
    """

    min_interval: timedelta = timedelta(minutes=5)
    max_interval: timedelta = timedelta(hours=24)
    budget: float = 24.0  # polls per feed and day, in the mean
    threshold: float = 455.0
    jitter: float = 0.1


# --- feeds ------------------------------------------------------------------------------------------------------------


def next_poll_at(
    feed: Feed, *, now: datetime, policy: PollPolicy, random: Random, rhythm: Rhythm | None = None
) -> datetime:
    """Return the time of the next poll after a successful poll at `now`.

    The wait is our own interval (fixed, or from the publication rate), varied at random. After lost entries it is
    shorter (`after_gap`). The server may ask for a longer one, up to seven days, even beyond `max_interval`. `rhythm`
    None: it is computed from `feed`.
    """
    wait = _varied(_own_interval(feed, now, policy, rhythm), feed, policy, random)
    if feed.interval is None:
        wait = min(wait, max(_longest_after_gap(feed.state, now), policy.min_interval))
    return _after_hints(feed.state, now + wait, now)


def after_success(state: FeedState, *, now: datetime) -> FeedState:
    """Return `state` after a usable answer. `due_at` is unchanged: the caller sets it by `next_poll_at`."""
    return replace(
        state,
        status=FeedStatus.OK,
        cause=None,
        detail="",
        failures=0.0,
        failing_since=None,
        polled_at=now,
        succeeded_at=now,
        not_before=None,
    )


def after_gap(feed: Feed, state: FeedState, *, covered: timedelta | None, now: datetime) -> FeedState:
    """Return `state` with a limit for the next intervals, because this poll found that entries were lost.

    `state` is the feed's state after this poll, `feed.state` that before it. The limit doubles each day. It begins at
    half of the shortest of: the time since the last answer, the interval planned then, and `covered`, the age of the
    feed's oldest entry (None: not known). No limit is set if the feed has a fixed interval and the last answer is more
    than two intervals old: the poll was merely late.
    """
    before = feed.state
    last = before.succeeded_at or now
    if feed.interval is not None and now - last > 2 * feed.interval:
        return state
    planned = (before.filling.resume_at if before.filling is not None else before.due_at) - (before.polled_at or last)
    spans = [span for span in (now - last, planned, covered) if span is not None and span > timedelta(0)]
    return replace(state, gap_at=now, gap_interval=min(spans, default=2 * _BACK_OFF_CAP) / 2)


def _longest_after_gap(state: FeedState, now: datetime) -> timedelta:
    """Return the longest poll interval at `now` after a feed lost entries; `timedelta.max` if it lost none."""
    if state.gap_at is None or state.gap_interval is None:
        return timedelta.max
    growth: float = 2.0 ** min(max((now - state.gap_at) / _DAY, 0.0), 12.0)
    return state.gap_interval * growth


def after_failure(
    feed: Feed,
    failed: FetchFailed,
    *,
    now: datetime,
    policy: PollPolicy,
    random: Random,
    own_network: bool = False,
) -> FeedState:
    """Return the feed's state after a failed poll, with its next `due_at`.

    The wait is our own interval, or `min_interval` for a feed that never answered and has no fixed interval. It doubles
    with each failure in a row; a fault that somebody has to repair counts as half a failure, a temporary one as a
    quarter (`_STEPS`). It is at most 24 hours, `max_interval` if that is shorter, or our own interval if that is
    longer. The server may ask for more. 410 Gone pauses the feed until an operator acts.

    `own_network` True: our own network failed, so the failure does not count.
    """
    state = replace(
        feed.state,
        status=FeedStatus.GONE if failed.cause is Cause.GONE else FeedStatus.FAILING,
        cause=failed.cause,
        detail=failed.detail,
        failing_since=feed.state.failing_since or now,
        polled_at=now,
        not_before=None if failed.retry_after is None else now + _bounded(failed.retry_after),
    )
    if state.status is FeedStatus.GONE:
        return replace(state, failures=state.failures + 1, due_at=NEVER)
    is_new = feed.state.succeeded_at is None and feed.interval is None
    own = policy.min_interval if is_new else _own_interval(feed, now, policy)
    if own_network:
        return replace(state, due_at=_after_hints(state, now + _varied(own, feed, policy, random), now))
    failures = feed.state.failures + _STEPS[failed.cause]
    cap = max(min(_BACK_OFF_CAP, policy.max_interval), own)
    wait = max(own * 2.0 ** min(failures, 24.0), _wait_before(feed.state))
    wait = min(wait * random.uniform(1, 1 + 2 * policy.jitter), cap)
    return replace(state, failures=failures, due_at=_after_hints(state, now + wait, now))


def _wait_before(state: FeedState) -> timedelta:
    """Return how long a feed waited for this poll, if its previous poll failed; else 0."""
    if state.failures and state.polled_at is not None:
        return state.due_at - state.polled_at
    return timedelta(0)


def forced_due(state: FeedState, now: datetime) -> bool:
    """Return whether `run-once --all` may poll a feed now: 410 Gone did not pause it, and no Retry-After holds."""
    return state.status is not FeedStatus.GONE and (state.not_before is None or state.not_before <= now)


def _own_interval(feed: Feed, now: datetime, policy: PollPolicy, rhythm: Rhythm | None = None) -> timedelta:
    """Return our own interval: the operator's fixed interval, or one computed from the feed's publication rate."""
    if feed.interval is not None:
        return max(feed.interval, policy.min_interval)
    stats = feed.state.stats
    wait = interval_of(rhythm or rhythm_of(stats, now), policy.threshold, policy.max_interval, now)
    if stats.since is not None and now - stats.since < _NEWCOMER:
        wait = min(wait, _NEWCOMER_WAIT)
    return max(min(wait, _longest_after_gap(feed.state, now)), policy.min_interval)


def _varied(wait: timedelta, feed: Feed, policy: PollPolicy, random: Random) -> timedelta:
    """Return the wait varied at random, so that feeds that were added together are not always polled together.

    A fixed interval is only shortened: a timer that starts `run-once` once per interval must find the feed due.
    """
    if feed.interval is not None:
        return max(wait * random.uniform(1 - policy.jitter, 1), policy.min_interval)
    varied = wait * random.uniform(1 - policy.jitter, 1 + policy.jitter)
    return min(max(varied, policy.min_interval), policy.max_interval)


def _after_hints(state: FeedState, due_at: datetime, now: datetime) -> datetime:
    """Return `due_at`, or a later time if the server asks for it: by Retry-After, freshness or the feed's hints."""
    hints = state.hints
    wishes = [_bounded(wish) for wish in (hints.ttl, hints.update_interval) if wish is not None]
    if state.fresh_for is not None and state.cause is None:
        wishes.append(_bounded(state.fresh_for))
    due_at = max([due_at, *(now + wish for wish in wishes)])
    return _after_skips(hints, max(due_at, state.not_before or due_at))


def _after_skips(hints: FeedHints, due_at: datetime) -> datetime:
    """Return `due_at` if skipHours and skipDays (RSS 2.0, UTC) allow it, else the start of the next allowed hour.

    If they allow no hour of the week, they are ignored.
    """
    at = due_at
    for _ in range(7 * 24 if hints.skip_hours or hints.skip_days else 0):
        if at.hour not in hints.skip_hours and at.weekday() not in hints.skip_days:
            return at
        at = at.replace(minute=0, second=0, microsecond=0) + _HOUR
    return due_at


def is_skipped(hints: FeedHints, now: datetime) -> bool:
    """Return whether the feed asks for no polls in this hour (RSS 2.0: skipHours, skipDays)."""
    return _after_skips(hints, now) != now


def _bounded(wish: timedelta) -> timedelta:
    return min(max(wish, timedelta(0)), _LONGEST_WISH)


# --- classes of failure -----------------------------------------------------------------------------------------------

_HARD: Final = 1.0  # a decision of the publisher rarely changes
_SOFT: Final = 0.5  # a fault that somebody has to repair
_TEMPORARY: Final = 0.25  # a temporary failure

TEMPORARY_CAUSES: Final = frozenset(
    {
        Cause.CONNECT,
        Cause.TIMEOUT,
        Cause.PROXY,
        Cause.TRUNCATED,
        Cause.RATE_LIMITED,
        Cause.UNAVAILABLE,
        Cause.ROBOTS_UNREACHABLE,
    }
)
_STEPS: Final[dict[Cause, float]] = {
    **dict.fromkeys(Cause, _HARD),
    **dict.fromkeys(
        (
            Cause.DNS,
            Cause.TLS,
            Cause.PROTOCOL,
            Cause.BAD_ENCODING,
            Cause.REDIRECT_LOOP,
            Cause.TOO_MANY_REDIRECTS,
            Cause.SERVER_ERROR,
            Cause.EMPTY,
            Cause.NOT_A_FEED,
            Cause.NO_LINKS,
            Cause.PROGRAM,
            Cause.UNREADABLE,
        ),
        _SOFT,
    ),
    **dict.fromkeys(TEMPORARY_CAUSES, _TEMPORARY),
}

_NETWORK: Final = frozenset({Cause.DNS, Cause.CONNECT, Cause.TIMEOUT, Cause.PROXY})
_ENOUGH_HOSTS: Final = 3


def own_network_is_down(outcomes: Sequence[tuple[str, Cause | None]]) -> bool:
    """Return whether our own network is down: the latest requests went to three hosts or more, and none was answered.

    `outcomes` has (host, cause of failure) of each of these requests, in any order; a cause of None: no failure. Any
    answer of a server, even an error, proves that our network works.
    """
    hosts = {host for host, _ in outcomes}
    return len(hosts) >= _ENOUGH_HOSTS and all(cause in _NETWORK for _, cause in outcomes)


# --- hosts ------------------------------------------------------------------------------------------------------------


def host_not_before(failed: FetchFailed, failures: int, *, now: datetime, random: Random) -> datetime:
    """Return until when all requests to a host are deferred (its back-off), after `failed`.

    The server's Retry-After is used, up to seven days. Without it the wait doubles with each back-off in a row: from
    five minutes up to a day after 429 or 503, from one minute up to an hour after other failures. `failures` is the
    number of back-offs before this one, or 0 if our own network is down.
    """
    if failed.retry_after is not None:
        return now + _bounded(failed.retry_after)
    asked = failed.cause in (Cause.RATE_LIMITED, Cause.UNAVAILABLE)
    first, cap = (timedelta(minutes=5), _DAY) if asked else (timedelta(minutes=1), _HOUR)
    return now + min(first * 2.0 ** min(failures, 16) * random.uniform(1, 1.2), cap)


# --- pages ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Retry:
    """How often a page is tried, and the `first` wait. Each further wait is `factor` times the last, up to a day."""

    tries: int
    first: timedelta = timedelta(minutes=10)
    factor: float = 2.0


_ONCE: Final = _Retry(1)
_TEMPORARY_PAGE: Final = _Retry(10)  # 10 minutes ... 24 hours: about three days
_RETRIES: Final[dict[Cause, _Retry]] = {
    **dict.fromkeys((*TEMPORARY_CAUSES, Cause.DNS, Cause.TLS), _TEMPORARY_PAGE),
    Cause.ROBOTS: _Retry(30, _DAY, 1.0),
    Cause.ROBOTS_UNREACHABLE: _Retry(30, timedelta(minutes=30), 1.0),  # when robots.txt is asked for again
    Cause.NOT_FOUND: _Retry(2, _HOUR),  # a content network may not have the page yet
    Cause.SERVER_ERROR: _Retry(8),
    Cause.PROTOCOL: _Retry(5),
    Cause.BAD_ENCODING: _Retry(3, _HOUR),
    Cause.UNAUTHORIZED: _Retry(10, _HOUR, 6.0),  # a week: a wall may answer like this, and may last so long
    Cause.FORBIDDEN: _Retry(10, _HOUR, 6.0),
    Cause.CLIENT_ERROR: _Retry(2, _HOUR),
    Cause.TOO_MANY_REDIRECTS: _Retry(3, _HOUR),
    Cause.REDIRECT_LOOP: _Retry(3, _HOUR),
    Cause.EMPTY: _Retry(3, _HOUR),
    Cause.NO_TEXT: _Retry(2, timedelta(hours=6)),
    Cause.LOW_QUALITY: _Retry(12, timedelta(hours=6)),  # ten days: a wall or a maintenance page may last a week
    Cause.WALL: _Retry(24, _HOUR),  # three weeks
    Cause.RAW_MISSING: _Retry(10, timedelta(0)),  # not the site's fault, so at once; the tries before it count too
}


def page_retry_at(
    attempts: int, cause: Cause, retry_after: timedelta | None, *, now: datetime, random: Random
) -> datetime | None:
    """Return when a page is tried again after `attempts` tries, this one included; None: it failed for good.

    `_RETRIES` has the number of tries and the waits for each cause. A cause that is not in it, such as 410 or a refused
    address, allows only one try. The wait is at least `retry_after`, of which at most seven days count.
    """
    retry = _RETRIES.get(cause, _ONCE)
    if attempts >= retry.tries:
        return None
    wait = min(retry.first * retry.factor ** min(max(attempts - 1, 0), 24), _DAY) * random.uniform(1, 1.2)
    return now + max(wait, _bounded(retry_after or timedelta(0)))


def revisit_at(
    page: Page | FetchedPage, *, changed: bool, now: datetime, revisit: Sequence[timedelta]
) -> datetime | None:
    """Return when a page that was fetched at `now` is fetched again; None: never.

    `revisit` has the times from the first fetch to the second, third and so on. The second fetch is always made. A
    later one is made only if this fetch (`changed`) or an earlier one found a change. The count of fetches in `page`
    (`visits`) includes this fetch if `page` is a `FetchedPage`, and leaves it out if it is a `Page`.
    """
    done = max(page.visits - (0 if isinstance(page, Page) else 1), 0)
    if done >= len(revisit) or (done and not changed and not page.has_changed):
        return None
    return now + revisit[done] - (revisit[done - 1] if done else timedelta(0))


_IN_DOUBT: Final = (timedelta(hours=6), timedelta(hours=24), timedelta(hours=72), timedelta(days=7), timedelta(days=21))


def revisit_in_doubt_at(page: FetchedPage, *, now: datetime) -> datetime | None:
    """Return when a page that may be a wall (one document at many addresses) is fetched again; None: never.

    It is fetched five more times over three weeks, since a wall may last so long. The setting `revisit` does not apply.
    """
    return revisit_at(page, changed=True, now=now, revisit=_IN_DOUBT)


def revisit_after_update(fetched_at: datetime, due_at: datetime | None, *, now: datetime) -> datetime:
    """Return when a page is fetched again because the `updated` of its entry changed.

    This is 6 hours after the last fetch, or at `due_at` if the next fetch was planned earlier; but not before `now`.
    """
    soon = max(now, fetched_at + timedelta(hours=6))
    return soon if due_at is None else min(soon, max(due_at, now))


# --- the budget -------------------------------------------------------------------------------------------------------

_THRESHOLD_AT_24: Final = 455.0  # measured on publication traces (docs/schedule.md)
_THRESHOLDS: Final = (0.01, 1e8)


def threshold_for(budget: float) -> float:
    """Return the `threshold` of `PollPolicy` to start with for a budget (polls per feed and day)."""
    return _THRESHOLD_AT_24 * (24 / budget) ** 2


def adjust_threshold(threshold: float, *, polls: int, feed_days: float, budget: float, elapsed: timedelta) -> float:
    """Return a `threshold` of `PollPolicy` that brings the number of polls closer to `budget` (per feed and day).

    `polls` were made in `elapsed`, the time since the last call; feeds with a fixed interval do not count. `feed_days`
    is the number of feeds times the days: five for ten feeds in half a day. If a day has passed, a tenth of the
    correction is made, so that one busy day changes little. A call at most doubles or halves the threshold.
    """
    if feed_days <= 0:
        return threshold
    wanted = min(max(polls / feed_days / budget, 0.1), 10.0) ** 2
    change: float = wanted ** min(elapsed / _DAY / 10, 1.0)
    lowest, highest = _THRESHOLDS
    return min(max(threshold * min(max(change, 0.5), 2.0), lowest), highest)
