"""What the schedule costs and buys: requests, bytes and delay, now and at other budgets. Pure.

*Now* is measured on the history of polls. *At a budget* is a replay: the very function that the daemon decides with
(`schedule.next_poll_at`) polls each feed again over the publication times that are remembered, without its jitter.
Delay is counted from the publisher's own time to the poll that finds the entry.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from aggregator.models.feeds import Feed, FeedStatus
from aggregator.models.ids import FeedId
from aggregator.ports.store_records import PollOutcome
from aggregator.redaction import mask_password
from aggregator.schedule.due_times import PollPolicy, next_poll_at, threshold_for
from aggregator.schedule.publication_rate import expected_rate

_DAY: Final = timedelta(days=1)
_REPLAYED: Final = timedelta(days=7)
_BURST: Final = timedelta(hours=6)  # publication times older than that move no poll
_FULL_MEMORY: Final = 64  # times: the memory may begin later than the replay
_SAMPLE: Final = 300  # feeds that a threshold is found with
_ROUNDS: Final = 4
_ENOUGH: Final = 0.02  # how close the polls must come to the budget
_MOST_POLLS: Final = 250_000  # in one replay; with more feeds it covers less time


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHistory:
    """A feed and its last outcomes, newest first."""

    feed: Feed
    polls: tuple[PollOutcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPlan:
    """A feed's share, per day; the delays are None where nothing was published that tells."""

    feed_id: FeedId
    name: str
    entries: float
    requests: float
    wire_bytes: float
    delay_p50: timedelta | None
    delay_p95: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All feeds together, per day. `budget` None: as it was measured."""

    budget: float | None
    threshold: float | None
    feeds: tuple[FeedPlan, ...]
    requests: float
    wire_bytes: float
    delay_p50: timedelta | None
    delay_p95: timedelta | None


@dataclass(frozen=True, slots=True)
class _Course:
    """A stretch of polling: its length, its polls, those that found something, the delays of entries."""

    span: timedelta
    polls: int
    found: int
    delays: tuple[timedelta, ...]


def measured(histories: Sequence[FeedHistory], now: datetime) -> Plan:
    """Return what the remembered polls cost and how late they found what was published."""
    return _plan(None, None, [(history, _remembered(history, now)) for history in _polled(histories)], now)


def planned(histories: Sequence[FeedHistory], *, budget: float, policy: PollPolicy, now: datetime) -> Plan:
    """Return what a budget (polls per feed and day, in the mean) would cost and buy.

    The threshold is found as the daemon's slow controller would find it: so that the adaptive feeds together come to
    the budget, as far as intervals, the servers' wishes and the policy's bounds allow.
    """
    chosen = _polled(histories)
    span = min(_REPLAYED, _REPLAYED * (_MOST_POLLS / max(len(chosen) * budget * 7, 1)))
    policy = replace(policy, budget=budget, jitter=0.0)
    policy = replace(policy, threshold=_fitting_threshold(chosen, policy, span, now))
    replays = [(history, _replay(history.feed, policy, span, now)) for history in chosen]
    return _plan(budget, policy.threshold, replays, now)


def _polled(histories: Iterable[FeedHistory]) -> list[FeedHistory]:
    """Leave out what is not polled: disabled, gone, never answered."""
    return [
        one
        for one in histories
        if one.feed.enabled and one.feed.state.status is not FeedStatus.GONE and one.feed.state.succeeded_at
    ]


# --- courses ----------------------------------------------------------------------------------------------------------


def _remembered(history: FeedHistory, now: datetime) -> _Course:
    """What the history says; an entry was found by the first poll after its publication that had something new."""
    polls = history.polls[::-1]
    if not polls:
        return _Course(timedelta(0), 0, 0, ())
    found = [poll.at for poll in polls if poll.entries_new]
    delays = []
    for published in _telling(history.feed.state.stats.recent):
        nth = bisect_left(found, published)
        if published > polls[0].at and nth < len(found):
            delays.append(found[nth] - published)
    span = max(now - polls[0].at, timedelta(hours=1))
    return _Course(span, len(polls), sum(poll.outcome == "new" for poll in polls), tuple(delays))


def _replay(feed: Feed, policy: PollPolicy, span: timedelta, now: datetime) -> _Course:
    """Poll the feed's remembered publications again, its rate and its server's wishes being as they are now."""
    recent = feed.state.stats.recent
    start = now - span
    if len(recent) >= _FULL_MEMORY:
        start = min(max(start, recent[0]), now - timedelta(hours=1))
    telling = _telling(recent)
    stats = feed.state.stats
    state = replace(feed.state, cause=None, not_before=None)
    at, polls, found, random = start, 0, 0, Random(0)  # noqa: S311 - without jitter nothing is drawn
    delays: list[timedelta] = []
    while at < now:
        near = recent[bisect_left(recent, at - _BURST) : bisect_right(recent, at)]
        state = replace(state, stats=replace(stats, since=None, at=at, recent=near))  # not as a newcomer
        due_at = next_poll_at(replace(feed, state=state), now=at, policy=policy, random=random)
        found += bisect_right(recent, due_at) > bisect_right(recent, at)
        delays += [
            due_at - published for published in telling[bisect_right(telling, at) : bisect_right(telling, due_at)]
        ]
        polls += 1
        at = due_at
    return _Course(at - start, polls, found, tuple(delays))


def _telling(recent: Sequence[datetime]) -> list[datetime]:
    """Leave out bare days: they do not say when."""
    return [at for at in recent if at.hour or at.minute or at.second]


def _fitting_threshold(histories: Sequence[FeedHistory], policy: PollPolicy, span: timedelta, now: datetime) -> float:
    """Return the threshold with which a sample of the adaptive feeds comes to the budget: polls fall with its root."""
    adaptive = [one.feed for one in histories if one.feed.interval is None]
    sample = adaptive[:: max(len(adaptive) // _SAMPLE, 1)]
    threshold = threshold_for(policy.budget)
    for _ in range(_ROUNDS if sample else 0):
        courses = [_replay(feed, replace(policy, threshold=threshold), span, now) for feed in sample]
        rate = sum(course.polls / (course.span / _DAY) for course in courses) / len(courses)
        if abs(rate / policy.budget - 1) < _ENOUGH:
            break
        threshold *= min(max((rate / policy.budget) ** 2, 0.05), 20.0)
    return threshold


# --- sums -------------------------------------------------------------------------------------------------------------


def _plan(
    budget: float | None, threshold: float | None, courses: Sequence[tuple[FeedHistory, _Course]], now: datetime
) -> Plan:
    feeds = tuple(_feed_plan(history, course, now) for history, course in courses)
    weighted = [
        (delay, feed.entries / len(course.delays))
        for feed, (_, course) in zip(feeds, courses, strict=True)
        for delay in course.delays
    ]
    return Plan(
        budget=budget,
        threshold=threshold,
        feeds=feeds,
        requests=sum(feed.requests for feed in feeds),
        wire_bytes=sum(feed.wire_bytes for feed in feeds),
        delay_p50=_percentile(weighted, 0.5),
        delay_p95=_percentile(weighted, 0.95),
    )


def _feed_plan(history: FeedHistory, course: _Course, now: datetime) -> FeedPlan:
    feed, days = history.feed, course.span / _DAY
    with_news, without = _bytes_a_poll(history.polls)
    wire_bytes = course.found * with_news + (course.polls - course.found) * without
    equal = [(delay, 1.0) for delay in course.delays]
    return FeedPlan(
        feed_id=feed.id,
        name=feed.name or feed.state.title or mask_password(feed.url),
        entries=expected_rate(feed.state.stats, now),
        requests=course.polls / days if days else 0.0,
        wire_bytes=wire_bytes / days if days else 0.0,
        delay_p50=_percentile(equal, 0.5),
        delay_p95=_percentile(equal, 0.95),
    )


def _bytes_a_poll(polls: Sequence[PollOutcome]) -> tuple[float, float]:
    """Return the mean bytes of a poll that found something and of one that did not."""
    news = [poll.wire_bytes for poll in polls if poll.outcome == "new"]
    none = [poll.wire_bytes for poll in polls if poll.outcome != "new"]
    return _mean(news or none), _mean(none)


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def _percentile(weighted: Iterable[tuple[timedelta, float]], share: float) -> timedelta | None:
    """Return the delay that `share` of the weight does not exceed; None: there is none."""
    ordered = sorted(weighted)
    enough, reached = share * sum(weight for _, weight in ordered), 0.0
    for delay, weight in ordered:
        reached += weight
        if reached >= enough:
            return delay
    return None
