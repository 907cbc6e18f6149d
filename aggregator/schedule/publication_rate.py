"""How often a feed publishes: its statistics, the expected rate, and the wait until the next poll. Pure.

The wait follows the *area rule* (docs/schedule.md). An entry that appears at s waits for the next poll, at t. The
expected waiting times of all entries since the last poll add up to A(t) = integral of rate(s) * (t - s) ds. The next
poll is due when A(t) reaches a threshold.
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
_MONDAY: Final = 3 * _DAY  # 1970-01-01 was a Thursday
_HALF_LIFE: Final = 14 * _DAY  # of the rate
_DECAY: Final = math.log(2) / _HALF_LIFE
_PROFILE_HALF_LIFE: Final = 60 * _DAY  # of the shares of hours and weekdays, which change more slowly
CAUTION: Final = (0.5, 5.0)  # prior (entries, days) of an unknown feed
_CURIOSITY: Final = (0.25, 1.0)  # prior where a mistake only costs polls: expects more entries
_DAYTIME_PRIOR: Final = 4.0  # weight, in entries, of the prior: all parts of the day are alike
_DAYTIME_HOURS: Final = 7
_HOUR_PRIOR: Final = 12.0  # weight, in entries, of the prior: an hour is like its part of the day
_WEEKEND: Final = 0.7  # entries of a weekend day, as a share of a workday's: a mean of newsrooms and blogs
_WORKDAY: Final = 7 / (5 + 2 * _WEEKEND)  # entries of a workday, as a multiple of the week's mean
_WEEKEND_PRIOR: Final = 40.0  # weight, in entries, of the prior `_WEEKEND`
_WEEKDAY_PRIOR: Final = 120.0  # weight, in entries, of the prior: workdays are alike, and so are weekend days
_CLOCK: Final = (2.2, *[0.84] * 5, 1.4, *[0.84] * 5)  # prior: many publishers release on the hour and half hour
_MINUTE_PRIOR: Final = 24.0  # weight, in entries, of the prior `_CLOCK`
_FINE_SPAN: Final = 10_800.0  # seconds ahead for which the minute of the hour counts
_ACTIVITY_SPAN: Final = 14_400.0  # seconds in which an unusual activity falls to 1/e
_ACTIVITY_PRIOR: Final = 3.0  # weight, in entries, of the prior: activity is as usual
_FEED_WORTH: Final = 0.35  # entries per day that each feed counts for in addition to its own
_GUARD: Final = 0.5  # share of the feed's window that may be new at a poll, so that no entry leaves it unseen
_SMALLEST_WINDOW: Final = 3
_FIRST_DAYS: Final = 0.5
_LAG: Final = timedelta(hours=36)  # an entry dated this long before the last poll is not new, only changed
_REMEMBERED: Final = 64  # publication times that are kept


# --- memory -----------------------------------------------------------------------------------------------------------


def update_stats(
    stats: PublicationStats,
    published: Sequence[datetime],
    *,
    window: int,
    polled_at: datetime | None,
    now: datetime,
) -> PublicationStats:
    """Return the statistics after a poll. `published` are the publication times of its new or changed entries.

    `window` is the number of all entries in the feed. Changed entries are left out: those with a time (other than
    midnight) that is known already, or more than 36 hours before the last poll (`polled_at`). On the first poll all
    entries count, and the observation starts at the oldest entry.
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
    """Return those of the times `published` that belong to new entries: late enough, and not counted before.

    A time after `now` is replaced by `now`.
    """
    times = [min(at, now) for at in published]
    if stats.at is None:
        return times
    oldest = max([(polled_at or stats.at) - _LAG, *(stats.recent[:1] if len(stats.recent) == _REMEMBERED else ())])
    known = set(stats.recent)
    return [at for at in times if at >= oldest and (at not in known or _is_bare_day(at))]


def _is_bare_day(at: datetime) -> bool:
    """Return whether a time is midnight: then probably only the day is known, and many entries may have this time."""
    return not (at.hour or at.minute or at.second)


def _seed(ages: Sequence[float]) -> tuple[float, float]:
    """Return the first statistics of a feed: (weight, its number of entries; exposure, the days since they began).

    The older an entry or a day is, the less it counts. The exposure begins with the oldest entry, which the weight
    leaves out. `ages` are the ages in seconds of the entries in the feed's first answer.
    """
    if not ages:
        return 0.0, 0.0
    oldest = max(ages)
    weight = sum(math.exp(-_DECAY * max(age, 0)) for age in ages) - math.exp(-_DECAY * oldest)
    return weight, (1 - math.exp(-_DECAY * oldest)) / _DECAY / _DAY


def _elapsed(stats: PublicationStats, now: datetime) -> float:
    """Return the seconds since the statistics were updated; 0 if the clock went back."""
    return 0.0 if stats.at is None else max((now - stats.at).total_seconds(), 0.0)


def _decayed(stats: PublicationStats, now: datetime) -> tuple[float, float]:
    """Return a feed's weight of entries and its days of exposure, decayed to `now`, as if no entry came since."""
    fade = math.exp(-_DECAY * _elapsed(stats, now))
    gained = (1 - fade) / _DECAY / _DAY if stats.at is not None else 0.0
    return stats.weight * fade, stats.exposure_days * fade + gained


# --- expectation ------------------------------------------------------------------------------------------------------


def expected_rate(stats: PublicationStats, now: datetime) -> float:
    """Return the expected number of entries per day: the mean of the Gamma posterior. It is never zero."""
    return _posterior_rate(stats, now, CAUTION)


def _posterior_rate(stats: PublicationStats, now: datetime, prior: tuple[float, float]) -> float:
    """Return the expected number of entries per day. `prior` (entries, days) is added to what was observed."""
    weight, exposure = _decayed(stats, now)
    return (max(weight, 0.0) + prior[0]) / (exposure + prior[1])


def _haste(stats: PublicationStats, rate: float, now: datetime) -> float:
    """Return the factor (at least 1) by which a feed's true rate may be higher than `rate`.

    In the first half day `rate` can be far too low: then `rate` times the factor is at least the counted entries per
    day of observation. Later the factor is 1.
    """
    weight, exposure = _decayed(stats, now)
    return max(weight / max(exposure, 1 / 288) / rate, 1.0) if exposure < _FIRST_DAYS else 1.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A feed's usual rate of new entries in each hour of the week, and the latest entries, for its present activity."""

    rate: float  # entries per day
    hours: Sequence[float]  # factor on the mean rate for each hour of the day (UTC)
    weekdays: Sequence[float]  # factor for each day of the week, Monday first
    minutes: Sequence[float]  # factor for each five minutes of an hour
    room: float  # entries that may appear before half of the window is new
    observed: float  # seconds
    known_at: float  # time of the last update, in seconds since the epoch
    recent: Sequence[datetime]  # the latest publication times, oldest first

    def flow_at(self, time: float) -> float:
        """Return the expected entries per second at `time` (seconds since the epoch)."""
        hour, day = int(time // _HOUR) % 24, int((time + _MONDAY) // _DAY) % 7
        return self.rate / _DAY * self.hours[hour] * self.weekdays[day]


def rhythm_of(stats: PublicationStats, now: datetime) -> Rhythm:
    """Return a feed's rhythm at `now`, computed from its statistics."""
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


def interval_of(rhythm: Rhythm, threshold: float, longest: timedelta, now: datetime) -> timedelta:
    """Return the wait from `now` to the next poll, at most `longest`.

    The wait ends when the expected waiting times of new entries add up to `threshold` (entries x seconds), which is
    lowered for feeds that publish little (docs/schedule.md). It ends earlier if half of the feed's entries are expected
    to be new by then.
    """
    limit = threshold * rhythm.rate / (rhythm.rate + _FEED_WORTH)
    known, minutes, room = rhythm.known_at, rhythm.minutes, rhythm.room
    excess = _activity(rhythm) - 1
    start = now.timestamp()
    time, end = start, start + longest.total_seconds()
    area = count = 0.0
    while time < end:
        flow = rhythm.flow_at(time) * (1 + excess * _fading(max(time - known, 0.0)))
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
    """Return for how many seconds the feed was observed. In `exposure_days` a day long ago counts as less than one."""
    return -math.log1p(-min(_DECAY * _DAY * stats.exposure_days, 1 - 1e-9)) / _DECAY


def _seen(observed: float, end: float, unit: float, count: int) -> list[float]:
    """Return which share of the `observed` seconds before `end` fell into each hour of the day, or day of the week.

    `unit` is 3600 seconds and `count` 24 for the hours; for the days they are 86,400 and 7. The shares add up to 1.
    """
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
    """Return for each hour of the day its rate as a multiple of the mean rate.

    `shares` are the counts of entries in each hour, `seen` the share of each hour in the observed time. With few
    entries, the factor of an hour is close to that of the hours around it; with very few, to 1.
    """
    even = [sum(shares) * part for part in seen]
    prior = _DAYTIME_PRIOR / 24
    parts = [(own + prior) / (flat + prior) for own, flat in zip(_daytimes(shares), _daytimes(even), strict=True)]
    prior = _HOUR_PRIOR / 24
    return [
        (own + prior * part) / (flat + prior)
        for own, flat, part in zip(_smoothed(shares), _smoothed(even), parts, strict=True)
    ]


def _smoothed(shares: Sequence[float]) -> list[float]:
    """Return the value of each hour averaged with its two neighbours, by the weights 1, 2, 1."""
    return [(shares[hour - 1] + 2 * shares[hour] + shares[(hour + 1) % 24]) / 4 for hour in range(24)]


def _daytimes(shares: Sequence[float]) -> list[float]:
    """Return for each hour of the day the moving mean over seven hours, applied twice."""
    half = _DAYTIME_HOURS // 2
    for _ in range(2):
        sums = list(accumulate([*shares[-half:], *shares, *shares[:half]], initial=0.0))
        shares = [(upper - lower) / _DAYTIME_HOURS for lower, upper in zip(sums, sums[_DAYTIME_HOURS:], strict=False)]
    return list(shares)


def _weekday_factors(shares: Sequence[float], seen: Sequence[float]) -> list[float]:
    """Return for each weekday its rate as a multiple of the mean rate.

    `shares` are the counts of entries on each day, `seen` the share of each day in the observed time. With few entries,
    the factor of a day is close to the mean of the workdays or of the weekend; with very few, to the usual mean.
    """
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
    """Return for each five minutes of the hour their rate as a multiple of the mean rate.

    The fewer the entries, the closer the factors are to the usual ones (`_CLOCK`).
    """
    total = sum(shares) + _MINUTE_PRIOR
    return [(12 * share + _MINUTE_PRIOR * usual) / total for share, usual in zip(shares, _CLOCK, strict=True)]


def _activity(rhythm: Rhythm) -> float:
    """Return the number of recent entries as a multiple of the expected number: a busy feed stays busy for a while.

    The longer ago an entry came or was expected, the less it counts.
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
    """Return how much an entry that is `age` seconds old counts for a feed's present activity: from 1 down to 0."""
    return math.exp(-age / _ACTIVITY_SPAN)
