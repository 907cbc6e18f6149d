"""How a feed publishes: a small memory of it, the rate it promises, and how long to wait for news. Pure.

The wait is the *area rule*: the next poll is due when the expected accumulated waiting time of the entries that came
meanwhile, A(t) = integral of rate(s) * (t - s) ds from the last poll, reaches a threshold (docs/schedule.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final

from aggregator.models.feeds import PublicationStats

_HOUR: Final = 3_600.0
_DAY: Final = 86_400.0
_MONDAY: Final = 3 * _DAY  # the first of January 1970 was a Thursday
_HALF_LIFE: Final = 14 * _DAY  # of the rate
_DECAY: Final = math.log(2) / _HALF_LIFE
_PROFILE_HALF_LIFE: Final = 60 * _DAY  # of the distributions over hours and weekdays: they change more slowly
CAUTION: Final = (0.5, 5.0)  # a feed that we know nothing of: half an entry in five days
_CURIOSITY: Final = (0.25, 1.0)  # and where it only costs polls: a quarter of an entry in a day
_DAYTIME_PRIOR: Final = 4.0  # entries' worth of belief that all parts of the day are alike ...
_DAYTIME_HOURS: Final = 7
_HOUR_PRIOR: Final = 12.0  # ... and that an hour is like its part of the day
_WEEKEND: Final = 0.7  # of a day's entries come on a day of the weekend: newsrooms rest, blogs do not
_WORKDAY: Final = 7 / (5 + 2 * _WEEKEND)  # of the mean over a week
_WEEKEND_PRIOR: Final = 40.0  # entries' worth of belief in that ...
_WEEKDAY_PRIOR: Final = 120.0  # ... and that a day is like the others of the week, or of the weekend
_CLOCK: Final = (2.2, *[0.84] * 5, 1.4, *[0.84] * 5)  # many a publisher releases on the hour, and on the half
_MINUTE_PRIOR: Final = 24.0  # entries' worth of belief in that
_FINE_SPAN: Final = 10_800.0  # so far ahead minutes are looked at
_ACTIVITY_SPAN: Final = 14_400.0  # over which the mood of a feed fades
_ACTIVITY_PRIOR: Final = 3.0  # entries' worth of belief that its mood is as ever
_FEED_WORTH: Final = 0.35  # entries per day: what a feed's mean counts for beside its entries
_GUARD: Final = 0.5  # share of the feed's window that may be new before we look, so that nothing scrolls out
_SMALLEST_WINDOW: Final = 3
_FIRST_DAYS: Final = 0.5
_LAG: Final = timedelta(hours=36)  # an entry dated earlier than this before the last poll is an old one, changed
_REMEMBERED: Final = 64  # publication times


# --- memory -----------------------------------------------------------------------------------------------------------


def update_stats(
    stats: PublicationStats,
    published: Sequence[datetime],
    *,
    window: int,
    polled_at: datetime | None,
    now: datetime,
) -> PublicationStats:
    """Return the memory after a poll that showed entries of these publication times among `window` entries.

    `published` may contain entries that only changed: times known already, or more than 36 hours before the last
    poll (`polled_at`), count nothing. On the first poll all count, and the oldest opens the time of observation.
    """
    fresh = _fresh(stats, published, polled_at, now)
    if stats.at is None:
        weight, exposure = _seed([(now - at).total_seconds() for at in fresh])
    else:
        weight, exposure = _decayed(stats, now)
        weight += len(fresh)
    fade = 0.5 ** (_elapsed(stats, now) / _PROFILE_HALF_LIFE)
    hours = [share * fade for share in stats.hours]
    weekdays = [share * fade for share in stats.weekdays]
    minutes = [share * fade for share in stats.minutes]
    for at in fresh:
        appeared = at if polled_at is None or stats.at is None else max(at, polled_at)
        hours[appeared.hour] += 1
        weekdays[appeared.weekday()] += 1
        minutes[appeared.minute // 5] += 1
    return PublicationStats(
        since=now if stats.at is None else stats.since,
        at=now,
        weight=round(weight, 6),
        exposure_days=round(exposure, 6),
        hours=tuple(round(share, 4) for share in hours),
        weekdays=tuple(round(share, 4) for share in weekdays),
        minutes=tuple(round(share, 4) for share in minutes),
        recent=tuple(sorted([*stats.recent, *fresh])[-_REMEMBERED:]),
        window=window,
    )


def _fresh(
    stats: PublicationStats, published: Sequence[datetime], polled_at: datetime | None, now: datetime
) -> list[datetime]:
    """Return the times of new entries, none later than `now`."""
    times = [min(at, now) for at in published]
    if stats.at is None:
        return times
    oldest = max([(polled_at or stats.at) - _LAG, *(stats.recent[:1] if len(stats.recent) == _REMEMBERED else ())])
    known = set(stats.recent)
    return [at for at in times if at >= oldest and (at not in known or _is_bare_day(at))]


def _is_bare_day(at: datetime) -> bool:
    """Midnight says that only the day is known: many entries share it."""
    return not (at.hour or at.minute or at.second)


def _seed(ages: Sequence[float]) -> tuple[float, float]:
    """Return weight and exposure (days) from the ages (seconds) of the entries in the first answer."""
    if not ages:
        return 0.0, 0.0
    oldest = max(ages)
    weight = sum(math.exp(-_DECAY * max(age, 0)) for age in ages) - math.exp(-_DECAY * oldest)
    return weight, (1 - math.exp(-_DECAY * oldest)) / _DECAY / _DAY


def _elapsed(stats: PublicationStats, now: datetime) -> float:
    """Return the seconds since the memory was last brought up to date; never negative, clocks step back."""
    return 0.0 if stats.at is None else max((now - stats.at).total_seconds(), 0.0)


def _decayed(stats: PublicationStats, now: datetime) -> tuple[float, float]:
    """Return weight and exposure (days) at `now`, nothing having come since."""
    fade = math.exp(-_DECAY * _elapsed(stats, now))
    gained = (1 - fade) / _DECAY / _DAY if stats.at is not None else 0.0
    return stats.weight * fade, stats.exposure_days * fade + gained


# --- expectation ------------------------------------------------------------------------------------------------------


def expected_rate(stats: PublicationStats, now: datetime) -> float:
    """Return the entries per day to expect: mean of the Gamma posterior; never zero."""
    return _posterior_rate(stats, now, CAUTION)


def _posterior_rate(stats: PublicationStats, now: datetime, prior: tuple[float, float]) -> float:
    """Return the entries per day, `prior` entries in days being known besides."""
    weight, exposure = _decayed(stats, now)
    return (max(weight, 0.0) + prior[0]) / (exposure + prior[1])


def _haste(stats: PublicationStats, rate: float, now: datetime) -> float:
    """Return how many times faster than `rate` the window may scroll, 1 or more.

    In a feed's first hours the cautious rate can be far below a busy truth: what was counted is the safer guess then.
    """
    weight, exposure = _decayed(stats, now)
    return max(weight / max(exposure, 1 / 288) / rate, 1.0) if exposure < _FIRST_DAYS else 1.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How a feed publishes, as far as its memory tells; the mood of the moment comes on top."""

    rate: float  # entries per day
    hours: Sequence[float]  # how much busier than the mean each hour of the day is (UTC),
    weekdays: Sequence[float]  # each day of the week, Monday first,
    minutes: Sequence[float]  # and each five minutes of an hour
    room: float  # entries that may come before the window is half new
    observed: float  # seconds
    known_at: float  # up to when the feed is known, in seconds since the epoch
    recent: Sequence[datetime]  # the latest publication times, oldest first

    def flow_at(self, time: float) -> float:
        """Return the entries per second to expect at a time, in seconds since the epoch."""
        hour, day = int(time // _HOUR) % 24, int((time + _MONDAY) // _DAY) % 7
        return self.rate / _DAY * self.hours[hour] * self.weekdays[day]


def rhythm_of(stats: PublicationStats, now: datetime) -> Rhythm:
    """Return the rhythm that `stats` show at `now`."""
    rate = _posterior_rate(stats, now, _CURIOSITY)
    known = now.timestamp() if stats.at is None else stats.at.timestamp()
    observed = _observed(stats)
    return Rhythm(
        rate=rate,
        hours=_hour_factors(stats.hours, _seen(observed, known, _HOUR, 24)),
        weekdays=_weekday_factors(stats.weekdays, _seen(observed, known + _MONDAY, _DAY, 7)),
        minutes=_minute_factors(stats.minutes),
        room=_GUARD * max(stats.window, _SMALLEST_WINDOW) / _haste(stats, rate, now),
        observed=observed,
        known_at=known,
        recent=stats.recent,
    )


def adaptive_interval(stats: PublicationStats, threshold: float, longest: timedelta, now: datetime) -> timedelta:
    """Return how long to wait for news, at most `longest`.

    `threshold` is the waiting time (entries x seconds) that may accumulate, where each feed counts for .35 entries a
    day more than it has; a quiet feed is thus asked at least every few hours (docs/schedule.md). Earlier, when half of
    the feed's window is expected to be new.
    """
    return interval_of(rhythm_of(stats, now), threshold, longest, now)


def interval_of(rhythm: Rhythm, threshold: float, longest: timedelta, now: datetime) -> timedelta:
    """Return the same for a rhythm that is known already."""
    limit = threshold * rhythm.rate / (rhythm.rate + _FEED_WORTH)
    known, minutes, room = rhythm.known_at, rhythm.minutes, rhythm.room
    mood = _activity(rhythm) - 1
    start = now.timestamp()
    time, end = start, start + longest.total_seconds()
    area = count = 0.0
    while time < end:
        flow = rhythm.flow_at(time) * (1 + mood * _fading(max(time - known, 0.0)))
        step = _HOUR - time % _HOUR
        if time - start < _FINE_SPAN:
            flow *= minutes[int(time // 300) % 12]
            step = 300 - time % 300
        reached = area + count * step + flow * step * step / 2
        if reached >= limit:
            time += (math.sqrt(count * count + 2 * flow * (limit - area)) - count) / flow
            break
        time += step
        if count + flow * step > room:
            break
        area, count = reached, count + flow * step
    return timedelta(seconds=min(time, end) - start)


def _observed(stats: PublicationStats) -> float:
    """Return for how many seconds the feed has been observed: what the decayed exposure comes from."""
    return -math.log1p(-min(_DECAY * _DAY * stats.exposure_days, 1 - 1e-9)) / _DECAY


def _seen(observed: float, end: float, unit: float, count: int) -> list[float]:
    """Return which share of the `observed` seconds up to `end` fell in each of the `count` units of a day or week."""
    observed = max(observed, _HOUR)
    rounds, rest = divmod(observed, unit * count)
    seen = [rounds * unit / observed] * count
    time = end - rest
    while time < end:
        step = min(unit - time % unit, end - time)
        seen[int(time // unit) % count] += step / observed
        time += step
    return seen


def _hour_factors(shares: Sequence[float], seen: Sequence[float]) -> list[float]:
    """Return how much busier than the mean each hour is: smoothed, shrunk to its part of the day, and that to 1."""
    even = [sum(shares) * part for part in seen]
    prior = _DAYTIME_PRIOR / 24
    parts = [(own + prior) / (flat + prior) for own, flat in zip(_daytimes(shares), _daytimes(even), strict=True)]
    prior = _HOUR_PRIOR / 24
    return [
        (own + prior * part) / (flat + prior)
        for own, flat, part in zip(_smoothed(shares), _smoothed(even), parts, strict=True)
    ]


def _smoothed(shares: Sequence[float]) -> list[float]:
    """Return each hour of the day with a quarter of either neighbour."""
    return [(shares[hour - 1] + 2 * shares[hour] + shares[(hour + 1) % 24]) / 4 for hour in range(24)]


def _daytimes(shares: Sequence[float]) -> list[float]:
    """Return the mean over the seven hours around each hour of the day, twice."""
    half = _DAYTIME_HOURS // 2
    for _ in range(2):
        sums = list(accumulate([*shares[-half:], *shares, *shares[:half]], initial=0.0))
        shares = [(upper - lower) / _DAYTIME_HOURS for lower, upper in zip(sums, sums[_DAYTIME_HOURS:], strict=False)]
    return list(shares)


def _weekday_factors(shares: Sequence[float], seen: Sequence[float]) -> list[float]:
    """Return how much busier than the mean each weekday is, shrunk to its part of the week, and that to the usual."""
    even = [sum(shares) * part for part in seen]
    factors = []
    for days, usual in ((slice(0, 5), _WORKDAY), (slice(5, 7), _WORKDAY * _WEEKEND)):
        own, flat = shares[days], even[days]
        prior = _WEEKEND_PRIOR / 7 * len(own)
        part = (sum(own) + prior * usual) / (sum(flat) + prior)
        prior = _WEEKDAY_PRIOR / 7
        factors += [(day + prior * part) / (mean + prior) for day, mean in zip(own, flat, strict=True)]
    return factors


def _minute_factors(shares: Sequence[float]) -> list[float]:
    """Return how much busier than the mean each five minutes of an hour are, shrunk to the usual."""
    total = sum(shares) + _MINUTE_PRIOR
    return [(12 * share + _MINUTE_PRIOR * usual) / total for share, usual in zip(shares, _CLOCK, strict=True)]


def _activity(rhythm: Rhythm) -> float:
    """Return how many times as many entries as expected came of late: what moves, moves on for a while.

    Both are weighted by how long ago they were, at the last answer.
    """
    known, recent, span = rhythm.known_at, rhythm.recent, min(rhythm.observed, 4 * _ACTIVITY_SPAN)
    if len(recent) == _REMEMBERED:
        span = min(span, known - recent[0].timestamp())
    came = 0.0
    for at in reversed(recent):
        age = known - at.timestamp()
        if age > span:
            break
        came += _fading(max(age, 0.0))
    expected, end, left = 0.0, known, 1.0
    while end > known - span:
        begin = max(known - span, (math.ceil(end / _HOUR) - 1) * _HOUR)
        still = _fading(known - begin)
        expected += rhythm.flow_at(begin) * _ACTIVITY_SPAN * (left - still)
        end, left = begin, still
    return (came + _ACTIVITY_PRIOR) / (expected + _ACTIVITY_PRIOR)


def _fading(age: float) -> float:
    """Return what is left of a mood after `age` seconds."""
    return math.exp(-age / _ACTIVITY_SPAN)
