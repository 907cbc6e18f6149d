"""Computes what the schedule costs (requests, bytes) and how late entries are found, now and at other budgets. Pure.

The present figures come from the history of polls. Those for another budget come from a replay: it computes when each
feed would have been polled (`next_poll_at`, without jitter), and which of its stored entries each poll would have
found. The delay of an entry is the time from the publisher's date to the poll that finds it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from aggregator.models.feeds import Feed
from aggregator.models.ids import FeedId
from aggregator.ports.readings import FeedHistory
from aggregator.redaction import mask_password
from aggregator.schedule.due_times import PollPolicy, next_poll_at, threshold_for
from aggregator.schedule.publication_rate import expected_rate, rhythm_of

_DAY: Final = timedelta(days=1)
_REPLAYED: Final = timedelta(days=7)
_BURST: Final = timedelta(hours=6)  # older publication times do not change the next poll
_FULL_MEMORY: Final = 64  # stored times at most: with so many, older ones are missing
_SAMPLE: Final = 300  # feeds used to find a threshold, and to compute a budget without listing feeds
_ROUNDS: Final = 4
_ENOUGH: Final = 0.02  # accepted relative difference between polls and budget
_LISTED_POLLS: Final = 12_000  # in the replay of all feeds; more feeds: less time for each
_SAMPLE_POLLS: Final = 3_000  # in the replay of a sample
_GOLDEN: Final = 0.618033988749895  # the fractions of its multiples spread evenly between 0 and 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPlan:
    """What polling one feed costs a day, and how late its entries are found (None: no entry's time is known)."""

    feed_id: FeedId
    name: str
    entries: float
    requests: float
    wire_bytes: float
    delay_p50: timedelta | None
    delay_p95: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What polling all feeds costs a day (requests, bytes), and how late entries are found (median, 95th percentile).

    `budget` None: the figures come from stored polls, not from a replay. `feeds` has the figures of each feed; it is
    empty if it was not asked for.
    """

    budget: float | None
    threshold: float | None
    feeds: tuple[FeedPlan, ...]
    requests: float
    wire_bytes: float
    delay_p50: timedelta | None
    delay_p95: timedelta | None


@dataclass(frozen=True, slots=True)
class _Course:
    """The polls of a feed over a time span, stored or replayed. `found` is the number of polls with new entries.

    `delays` are the times from the publication of each entry to the poll that finds it.
    """

    span: timedelta
    polls: int
    found: int
    delays: tuple[timedelta, ...]


_Courses = Sequence[tuple[FeedHistory, _Course]]


def measured(histories: Sequence[FeedHistory], now: datetime, *, of: int = 0) -> Plan:
    """Return what the stored polls cost a day (requests, bytes), and the delays of the entries that they found.

    `histories` has the feeds that are enabled, not gone (410) and answered at least once, or a sample of them. `of` is
    the number of all such feeds if it is a sample; the sums are scaled to it.
    """
    courses = [(history, _remembered(history, now)) for history in histories]
    return _plan(None, None, courses, now, max(of, len(courses)), listed=True)


def planned(
    histories: Sequence[FeedHistory],
    *,
    budget: float,
    policy: PollPolicy,
    now: datetime,
    of: int = 0,
    listed: bool = True,
) -> Plan:
    """Return what the polls would cost with `budget` (polls per feed and day), and the delays of the entries.

    The polls are replayed. The settings come from `policy`, but its `threshold` is set so that the feeds without a
    fixed interval meet the budget. `of` is the number of all feeds if `histories` is a sample. `listed` False: the
    figures of single feeds are left out, and only a sample of `histories` is replayed.
    """
    count = max(of, len(histories))
    policy = replace(policy, budget=budget, jitter=0.0)
    policy = replace(policy, threshold=_fitting_threshold(histories, policy, now))
    shown, polls = (histories, _LISTED_POLLS) if listed else (_sample(histories), _SAMPLE_POLLS)
    return _plan(budget, policy.threshold, _replays(shown, policy, polls, now), now, count, listed=listed)


# --- courses ----------------------------------------------------------------------------------------------------------


def _remembered(history: FeedHistory, now: datetime) -> _Course:
    """Return the stored polls of a feed.

    An entry counts as found by the first poll after its publication that found new entries.
    """
    polls = history.polls
    if polls.first_at is None:
        return _Course(timedelta(0), 0, 0, ())
    recent, delays = history.feed.state.stats.recent, []
    for published in _telling(recent[bisect_right(recent, polls.first_at) :]):
        nth = bisect_left(polls.found_at, published)
        if nth < len(polls.found_at):
            delays.append(polls.found_at[nth] - published)
    span = max(now - polls.first_at, timedelta(hours=1))
    return _Course(span, polls.count, polls.found, tuple(delays))


def _replays(histories: Sequence[FeedHistory], policy: PollPolicy, polls: int, now: datetime) -> _Courses:
    """Return, by feed, the polls that `policy` would have made in a part of the last week.

    Each feed's part is at another place in the week. All feeds together make about `polls` polls.
    """
    span = min(_REPLAYED, _DAY * (polls / max(len(histories) * policy.budget, 1)))
    return [
        (history, _replay(history.feed, policy, span, number * _GOLDEN % 1, now))
        for number, history in enumerate(histories)
    ]


def _replay(feed: Feed, policy: PollPolicy, span: timedelta, place: float, now: datetime) -> _Course:
    """Return the polls that a feed would have had in a part, `span` long, of the last week.

    `place` tells which part: 0 is the earliest for which publication times are stored, 1 the latest. Rhythm and hints
    are the present ones. Retry-After and the shorter intervals of a new feed are left out.
    """
    recent = feed.state.stats.recent
    earliest = now - _REPLAYED
    if len(recent) >= _FULL_MEMORY:
        earliest = min(max(earliest, recent[0]), now - timedelta(hours=1))
    span = min(span, now - earliest)
    start = earliest + (now - earliest - span) * place
    telling, rhythm = _telling(recent), rhythm_of(feed.state.stats, now)
    stats = replace(feed.state.stats, since=None)  # so that the feed does not count as new
    feed = replace(feed, state=replace(feed.state, cause=None, not_before=None, stats=stats))
    at, polls, found, random = start, 0, 0, Random(0)  # noqa: S311 - unused without jitter
    delays: list[timedelta] = []
    while at < start + span:
        seen = bisect_right(recent, at)
        then = replace(rhythm, known_at=at.timestamp(), recent=recent[bisect_left(recent, at - _BURST) : seen])
        due_at = next_poll_at(feed, now=at, policy=policy, random=random, rhythm=then)
        found += bisect_right(recent, due_at) > seen
        delays += [
            due_at - published for published in telling[bisect_right(telling, at) : bisect_right(telling, due_at)]
        ]
        polls += 1
        at = due_at
    return _Course(at - start, polls, found, tuple(delays))


def _telling(recent: Sequence[datetime]) -> list[datetime]:
    """Return `recent` without times at midnight: such a time often means that only the day is known."""
    return [at for at in recent if at.hour or at.minute or at.second]


def _sample(histories: Sequence[FeedHistory]) -> Sequence[FeedHistory]:
    return histories[:: -(-len(histories) // _SAMPLE) or 1]


def _fitting_threshold(histories: Sequence[FeedHistory], policy: PollPolicy, now: datetime) -> float:
    """Return the `threshold` at which a sample of the feeds without a fixed interval meets the budget of `policy`."""
    sample = _sample([one for one in histories if one.feed.interval is None])
    threshold = threshold_for(policy.budget)
    for _ in range(_ROUNDS if sample else 0):
        courses = _replays(sample, replace(policy, threshold=threshold), _SAMPLE_POLLS, now)
        rate = sum(course.polls / (course.span / _DAY) for _, course in courses) / len(courses)
        if abs(rate / policy.budget - 1) < _ENOUGH:
            break
        threshold *= min(max((rate / policy.budget) ** 2, 0.05), 20.0)
    return threshold


# --- sums -------------------------------------------------------------------------------------------------------------


def _plan(
    budget: float | None, threshold: float | None, courses: _Courses, now: datetime, of: int, *, listed: bool
) -> Plan:
    """Return the requests and bytes a day of all `of` feeds, computed from those in `courses`, and the delays.

    `listed` False: the figures of each feed are left out.
    """
    feeds = tuple(_feed_plan(history, course, now) for history, course in courses)
    share = of / max(len(courses), 1)
    weighted = [(delay, _DAY / course.span) for _, course in courses for delay in course.delays]
    return Plan(
        budget=budget,
        threshold=threshold,
        feeds=feeds if listed else (),
        requests=share * sum(feed.requests for feed in feeds),
        wire_bytes=share * sum(feed.wire_bytes for feed in feeds),
        delay_p50=_percentile(weighted, 0.5),
        delay_p95=_percentile(weighted, 0.95),
    )


def _feed_plan(history: FeedHistory, course: _Course, now: datetime) -> FeedPlan:
    feed, polls, days = history.feed, history.polls, course.span / _DAY
    wire_bytes = course.found * polls.bytes_found + (course.polls - course.found) * polls.bytes_else
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


def _percentile(weighted: Iterable[tuple[timedelta, float]], share: float) -> timedelta | None:
    """Return the percentile `share` (0 to 1) of delays with weights; None: there are no delays."""
    ordered = sorted(weighted)
    enough, reached = share * sum(weight for _, weight in ordered), 0.0
    for delay, weight in ordered:
        reached += weight
        if reached >= enough:
            return delay
    return None
