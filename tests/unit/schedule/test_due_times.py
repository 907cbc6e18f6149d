"""When feeds, pages and hosts are asked again: examples from the rules, and laws."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.models.feeds import Feed, FeedHints, FeedState, FeedStatus, GapFill, PublicationStats
from aggregator.models.fetching import Cause, FetchFailed, Validators
from aggregator.models.ids import Key, PageId
from aggregator.models.pages import FetchedPage, Page
from aggregator.schedule.due_times import (
    HOST_CAUSES,
    NEVER,
    PollPolicy,
    adjust_threshold,
    after_failure,
    after_gap,
    after_success,
    forced_due,
    host_not_before,
    is_skipped,
    next_poll_at,
    own_network_is_down,
    page_retry_at,
    revisit_after_update,
    revisit_at,
    threshold_for,
)
from aggregator.schedule.publication_rate import expected_rate, interval_of, rhythm_of, update_stats
from tests.support.feeds import feed_of

NOW = datetime(2022, 11, 9, 12, 30, tzinfo=UTC)  # a Wednesday
POLICY = PollPolicy()
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIXED_TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def a_feed(interval: timedelta | None = None, **state: object) -> Feed:
    known = replace(FeedState(due_at=NOW, succeeded_at=NOW - DAY), **state)  # type: ignore[arg-type]
    return feed_of("https://a.example/f", known, interval=interval)


def failed(cause: Cause = Cause.TIMEOUT, retry_after: timedelta | None = None) -> FetchFailed:
    url = "https://a.example/f"
    return FetchFailed(url=url, final_url=url, cause=cause, detail="as scripted", retry_after=retry_after)


def every(gap: timedelta, count: int, end: datetime = NOW) -> PublicationStats:
    """Return the memory of a feed whose first answer shows `count` entries, one each `gap`."""
    published = [end - number * gap for number in range(count)]
    return update_stats(PublicationStats(), published, window=count, polled_at=None, now=end)


def next_wait(feed: Feed, policy: PollPolicy = POLICY, seed: int = 1, now: datetime = NOW) -> timedelta:
    return next_poll_at(feed, now=now, policy=policy, random=Random(seed)) - now


def fails(feed: Feed, what: FetchFailed, now: datetime = NOW, *, own_network: bool = False) -> FeedState:
    return after_failure(feed, what, now=now, policy=POLICY, random=Random(1), own_network=own_network)


# --- how a feed publishes ---------------------------------------------------------------------------------------------


def test_unknown_feed_is_expected_to_publish_a_little() -> None:
    assert expected_rate(PublicationStats(), NOW) == pytest.approx(0.1)


def test_rate_is_read_from_the_first_answer() -> None:
    assert expected_rate(every(HOUR, 100), NOW) == pytest.approx(24 * 4.17 / (4.17 + 5), rel=0.2)
    assert expected_rate(every(30 * DAY, 12), NOW) < 0.1


def test_empty_first_answer() -> None:
    stats = update_stats(PublicationStats(), [], window=0, polled_at=None, now=NOW)
    assert stats.at == NOW
    assert expected_rate(stats, NOW + 30 * DAY) < expected_rate(stats, NOW)


def test_rate_follows_what_comes() -> None:
    quiet = every(DAY, 20)
    busy, now = quiet, NOW
    for _ in range(24):
        before, now = now, now + HOUR
        busy = update_stats(busy, [now - MINUTE, now - 2 * MINUTE], window=20, polled_at=before, now=now)
    assert expected_rate(busy, now) > 2 * expected_rate(quiet, now)
    assert sum(busy.hours) == pytest.approx(sum(busy.weekdays), abs=0.1) == pytest.approx(sum(busy.minutes), abs=0.1)


def test_changed_entries_count_nothing() -> None:
    before = every(HOUR, 10)
    now = NOW + HOUR
    after = update_stats(before, [NOW, NOW - HOUR, NOW - 5 * DAY], window=10, polled_at=NOW, now=now)
    assert after.weight == pytest.approx(before.weight, rel=1e-2)
    assert after.recent == before.recent


def test_entries_of_a_bare_day_count_each() -> None:
    midnight = NOW.replace(hour=0, minute=0)
    first = update_stats(PublicationStats(), [midnight], window=5, polled_at=None, now=NOW)
    second = update_stats(first, [midnight, midnight], window=5, polled_at=NOW, now=NOW + HOUR)
    assert second.weight == pytest.approx(first.weight + 2, abs=1e-2)


def test_dates_in_the_future_count_as_now() -> None:
    stats = update_stats(PublicationStats(), [NOW + DAY], window=1, polled_at=None, now=NOW)
    assert stats.recent == (NOW,)


def test_memory_of_times_is_bounded_and_excludes_what_is_older() -> None:
    full = every(MINUTE, 200)
    assert len(full.recent) == 64
    again = update_stats(full, [NOW - 190 * MINUTE], window=200, polled_at=NOW, now=NOW + MINUTE)
    assert again.weight == pytest.approx(full.weight, rel=1e-3)


def test_clock_that_steps_back_does_no_harm() -> None:
    stats = update_stats(every(HOUR, 10), [NOW], window=10, polled_at=NOW, now=NOW - 2 * HOUR)
    assert expected_rate(stats, NOW - 3 * HOUR) > 0


times = st.lists(FIXED_TIMES, max_size=80)


@settings(deadline=None)
@given(first=times, second=times, window=st.integers(0, 500), now=FIXED_TIMES, later=st.timedeltas(-DAY, 60 * DAY))
def test_stats_stay_sound(
    first: list[datetime], second: list[datetime], window: int, now: datetime, later: timedelta
) -> None:
    stats = update_stats(PublicationStats(), first, window=window, polled_at=None, now=now)
    stats = update_stats(stats, second, window=window, polled_at=now, now=now + later)
    assert expected_rate(stats, now + later) > 0
    assert list(stats.recent) == sorted(stats.recent)
    wait = interval_of(rhythm_of(stats, now + later), 200, DAY, now + later)
    assert timedelta(0) <= wait <= DAY


# --- our own interval -------------------------------------------------------------------------------------------------


def wait_of(stats: PublicationStats, threshold: float = 200, now: datetime = NOW) -> timedelta:
    return interval_of(rhythm_of(stats, now), threshold, DAY, now)


def test_busier_feeds_are_asked_sooner() -> None:
    waits = [wait_of(every(gap, 20 * DAY // gap)) for gap in (5 * MINUTE, 31 * MINUTE, 5 * HOUR, 35 * HOUR)]
    assert waits == sorted(waits)
    assert waits[0] < 20 * MINUTE
    assert waits[-1] > 3 * waits[0]


def test_wait_grows_with_the_threshold() -> None:
    stats = every(3 * HOUR, 50)
    waits = [wait_of(stats, threshold) for threshold in (1, 10, 100, 1_000, 10_000, 1e8)]
    assert waits == sorted(waits)
    assert waits[-1] == DAY


def test_window_is_guarded() -> None:
    """Half of the window must not scroll by, whatever the threshold."""
    stats = replace(every(10 * MINUTE, 300), window=20)
    assert wait_of(stats, 1e9) <= 3 * HOUR


def test_busy_feed_seen_for_the_first_time_does_not_scroll_by() -> None:
    """Fifteen entries, one every five minutes: the window is gone in 75 minutes, the cautious rate says 3 a day."""
    assert wait_of(every(5 * MINUTE, 15), 1e9) <= 45 * MINUTE


def test_hours_without_news_are_slept_through() -> None:
    mornings = [NOW.replace(hour=8, minute=minute) - day * DAY for day in range(40) for minute in (0, 20, 40)]
    stats = update_stats(PublicationStats(), mornings, window=120, polled_at=None, now=NOW)
    evening, morning = NOW.replace(hour=20), NOW.replace(hour=8, minute=0)
    assert wait_of(stats, now=evening) > 3 * wait_of(stats, now=morning)


def test_weekends_without_news_are_slept_through() -> None:
    hours = [NOW - number * HOUR for number in range(24 * 30)]
    stats = update_stats(
        PublicationStats(), [at for at in hours if at.weekday() < 5], window=50, polled_at=None, now=NOW
    )
    assert wait_of(stats, now=NOW + 3 * DAY) > wait_of(stats, now=NOW)


def test_a_few_entries_tell_the_part_of_the_day() -> None:
    """Three entries between 7 and 10 o'clock are no proof of an hour, but of mornings."""
    seen = [NOW.replace(hour=hour, minute=0) - 5 * hour * DAY for hour in (7, 8, 10)]
    stats = update_stats(PublicationStats(), seen, window=3, polled_at=None, now=NOW)
    waits = {hour: wait_of(stats, 500, NOW.replace(hour=hour, minute=0)) for hour in (7, 9, 17, 19)}
    assert waits[9] < 0.9 * waits[17]
    assert waits[7] < 0.8 * waits[19]


def test_a_few_weeks_tell_the_weekend() -> None:
    """One Saturday in six weeks tells nothing of Saturdays alone, and much of weekends."""
    days = [NOW - number * DAY for number in range(42)]
    seen = [day for day in days if day.weekday() < 5 or day == NOW - 11 * DAY]
    stats = update_stats(PublicationStats(), seen, window=40, polled_at=None, now=NOW)
    wednesday, saturday, sunday = (wait_of(stats, 500, NOW + number * DAY) for number in (0, 3, 4))
    assert wednesday < 0.95 * saturday
    assert wednesday < 0.95 * sunday


def test_days_not_observed_yet_are_not_taken_for_quiet() -> None:
    """Entries at all hours since Monday: Thursday is expected to be like Wednesday."""
    midnight = NOW.replace(hour=23, minute=50)
    stats = every(35 * MINUTE, 110, end=midnight)
    assert wait_of(stats, 500, midnight + 20 * MINUTE) < 1.1 * wait_of(stats, 500, midnight - 2 * HOUR)


def test_a_weekend_is_expected_to_be_somewhat_quieter() -> None:
    stats = PublicationStats(at=NOW, weight=20, exposure_days=20)
    wednesday, saturday = (wait_of(stats, 500, NOW + number * DAY) for number in (0, 3))
    assert 1.05 * wednesday < saturday < 1.3 * wednesday


def test_publishers_are_expected_to_keep_to_the_clock() -> None:
    """Nothing is known of the feed's minutes: it is asked soon after the full hour."""
    stats = PublicationStats(at=NOW, weight=240, exposure_days=10)
    before, after = (wait_of(stats, 500, NOW.replace(minute=minute)) for minute in (45, 5))
    assert before < 0.9 * after


def test_a_quiet_feed_counts_for_more_than_its_entries() -> None:
    """Ten times fewer entries, hardly longer waits: each feed is worth half an entry a day by itself."""
    waits = [wait_of(PublicationStats(at=NOW, weight=weight, exposure_days=20), 500) for weight in (2, 0.2)]
    assert waits[0] < waits[1] < 1.3 * waits[0]


@pytest.mark.parametrize(
    ("age", "least", "most"), [(0, 45, 55), (5, 45, 55), (7, 120, 1440)], ids=["first answer", "new", "known"]
)
def test_a_new_feed_is_due_within_the_hour(age: int, least: int, most: int) -> None:
    stats = update_stats(PublicationStats(), [NOW - 90 * DAY], window=1, polled_at=None, now=NOW)
    for hour in range(1, age + 1):
        stats = update_stats(stats, [], window=1, polled_at=NOW + (hour - 1) * HOUR, now=NOW + hour * HOUR)
    now = NOW + age * HOUR
    for seed in range(20):
        due_at = next_poll_at(a_feed(stats=stats), now=now, policy=POLICY, random=Random(seed))
        assert least * MINUTE <= due_at - now <= most * MINUTE


def test_clockwork_is_met_after_its_minute() -> None:
    on_the_hour = [NOW.replace(minute=0) - number * HOUR for number in range(300)]
    stats = update_stats(PublicationStats(), on_the_hour, window=100, polled_at=None, now=NOW)
    early = NOW.replace(minute=8)
    due_at = early + wait_of(stats, 600, now=early)
    assert due_at.minute < 30


def test_what_moves_moves_on() -> None:
    stats = every(2 * HOUR, 100, end=NOW - HOUR)
    now = NOW
    burst = [now - number * MINUTE for number in range(1, 9)]
    moved = update_stats(stats, burst, window=100, polled_at=now - 10 * MINUTE, now=now)
    assert wait_of(moved) < 0.7 * wait_of(stats)


def test_unusual_silence_lasts_for_a_while() -> None:
    """Nothing for six hours where two entries an hour are usual; a usual day later it is forgotten."""
    stats = every(30 * MINUTE, 500, end=NOW - 6 * HOUR)
    silent = update_stats(stats, [], window=50, polled_at=NOW - 6 * HOUR, now=NOW)
    assert wait_of(silent) > 1.2 * wait_of(stats)
    again = [NOW + number * 30 * MINUTE for number in range(1, 49)]
    usual = update_stats(silent, again, window=50, polled_at=NOW, now=NOW + DAY)
    assert wait_of(usual, now=NOW + DAY) < 1.1 * wait_of(stats)


def test_hours_without_an_answer_are_no_silence() -> None:
    stats = every(30 * MINUTE, 500, end=NOW - 6 * HOUR)
    assert wait_of(stats) == pytest.approx(wait_of(stats, now=NOW - 6 * HOUR), rel=0.1)


def test_a_clock_that_stepped_back_far_makes_no_burst() -> None:
    stats = replace(every(30 * MINUTE, 500), at=NOW - 30 * DAY)
    assert wait_of(stats, now=NOW - 30 * DAY) > MINUTE


def test_a_single_entry_of_a_quiet_feed_is_no_burst() -> None:
    stats = every(5 * DAY, 20, end=NOW - 2 * DAY)
    moved = update_stats(stats, [NOW], window=20, polled_at=NOW - DAY, now=NOW)
    assert wait_of(moved) > 0.7 * wait_of(stats)


# --- gaps -------------------------------------------------------------------------------------------------------------


def gapped(feed: Feed, covered: timedelta | None = None, now: datetime = NOW) -> Feed:
    """Return the feed as it is after a gap."""
    state = after_gap(feed, feed.state, covered=covered, now=now)
    return replace(feed, state=after_success(state, now=now))


@pytest.mark.parametrize(
    ("since", "planned", "covered", "allowed"),
    [
        pytest.param(4 * HOUR, 2 * HOUR, None, HOUR, id="half of the planned interval"),
        pytest.param(2 * HOUR, 4 * HOUR, None, HOUR, id="half of the real one, where that was shorter"),
        pytest.param(4 * HOUR, 4 * HOUR, 40 * MINUTE, 20 * MINUTE, id="half of what the window covers"),
        pytest.param(4 * HOUR, -HOUR, -HOUR, 2 * HOUR, id="times that cannot be count nothing"),
        pytest.param(timedelta(0), timedelta(0), None, DAY, id="nothing is known"),
    ],
)
def test_a_gap_halves_the_interval(
    since: timedelta, planned: timedelta, covered: timedelta | None, allowed: timedelta
) -> None:
    last = NOW - since
    feed = a_feed(succeeded_at=last, polled_at=last, due_at=last + planned)
    assert after_gap(feed, feed.state, covered=covered, now=NOW).gap_interval == allowed


def test_while_a_gap_is_filled_the_planned_interval_is_the_one_after_it() -> None:
    last = NOW - 3 * HOUR
    work = GapFill(since=last, until=last, resume_at=last + HOUR, sources=())
    feed = a_feed(succeeded_at=last, polled_at=last, due_at=last, filling=work)
    assert after_gap(feed, feed.state, covered=None, now=NOW).gap_interval == HOUR / 2


def test_the_bound_of_a_gap_doubles_each_day() -> None:
    feed = gapped(a_feed(succeeded_at=NOW - HOUR, polled_at=NOW - HOUR))
    policy = PollPolicy(threshold=2000)
    assert next_wait(replace(feed, state=replace(feed.state, gap_at=None)), policy) > 4 * HOUR
    waits = [max(next_wait(feed, policy, seed, NOW + days * DAY) for seed in range(9)) for days in range(4)]
    assert waits == [HOUR / 2, HOUR, 2 * HOUR, 4 * HOUR]
    assert next_wait(feed, policy, now=NOW + 4000 * DAY) > 4 * HOUR  # its own rhythm


def test_repeated_gaps_go_down_to_the_shortest_interval() -> None:
    feed, now = a_feed(succeeded_at=NOW - HOUR, polled_at=NOW - HOUR, due_at=NOW), NOW
    for _ in range(9):
        feed = gapped(feed, now=now)
        wait = next_wait(feed, now=now)
        assert wait >= POLICY.min_interval
        now += wait
        feed = replace(feed, state=replace(feed.state, due_at=now))
    assert wait == POLICY.min_interval


def test_a_gap_shortens_no_fixed_interval_and_no_wish() -> None:
    fixed = gapped(a_feed(interval=HOUR, succeeded_at=NOW - HOUR, polled_at=NOW - HOUR))
    assert next_wait(fixed) > 50 * MINUTE
    assert fixed.state.gap_at == NOW
    asleep = gapped(a_feed(interval=HOUR, succeeded_at=NOW - DAY, polled_at=NOW - DAY))
    assert asleep.state.gap_at is None
    wish = a_feed(succeeded_at=NOW - HOUR, polled_at=NOW - HOUR, hints=FeedHints(ttl=3 * HOUR))
    assert next_wait(gapped(wish)) == 3 * HOUR


def test_a_failure_after_a_gap_is_no_earlier_than_without_it() -> None:
    feed = gapped(a_feed(succeeded_at=NOW - HOUR, polled_at=NOW - HOUR))
    assert fails(feed, failed()).due_at - NOW >= HOUR / 2


@settings(deadline=None)
@given(seed=st.integers(), gap=st.timedeltas(MINUTE, 20 * DAY), threshold=st.floats(0.01, 1e8))
def test_own_interval_is_bounded_and_varied(seed: int, gap: timedelta, threshold: float) -> None:
    feed = a_feed(stats=every(gap, 30))
    policy = PollPolicy(threshold=threshold)
    wait, even = next_wait(feed, policy, seed), next_wait(feed, replace(policy, jitter=0), seed)
    assert policy.min_interval <= wait <= policy.max_interval
    assert 0.9 * even - SECOND <= max(wait, 0.9 * even) <= 1.1 * even + SECOND


@pytest.mark.parametrize(
    ("interval", "least", "most"),
    [(HOUR, 54 * MINUTE, HOUR), (48 * HOUR, 43 * HOUR, 48 * HOUR), (MINUTE, 5 * MINUTE, 5 * MINUTE)],
)
def test_fixed_interval_is_never_overrun(interval: timedelta, least: timedelta, most: timedelta) -> None:
    for seed in range(50):
        assert least <= next_wait(a_feed(interval), seed=seed) <= most


# --- the server's wishes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [
        {"fresh_for": 3 * HOUR},
        {"hints": FeedHints(ttl=3 * HOUR)},
        {"hints": FeedHints(update_interval=3 * HOUR)},
        {"not_before": NOW + 3 * HOUR},
    ],
)
def test_wishes_are_lower_bounds(state: dict[str, object]) -> None:
    assert next_wait(a_feed(10 * MINUTE, **state)) == 3 * HOUR
    assert next_wait(a_feed(6 * HOUR, **state)) > 5 * HOUR


@pytest.mark.parametrize("state", [{"fresh_for": 90 * DAY}, {"hints": FeedHints(ttl=90 * DAY)}])
def test_wishes_beyond_max_interval_hold_up_to_a_week(state: dict[str, object]) -> None:
    assert next_wait(a_feed(**state)) == 7 * DAY


def test_negative_wishes_are_none() -> None:
    assert next_wait(a_feed(HOUR, fresh_for=-DAY)) <= HOUR


@pytest.mark.parametrize(
    ("hints", "due_at"),
    [
        (FeedHints(skip_hours=(12, 13)), NOW.replace(hour=14, minute=0)),
        (FeedHints(skip_hours=tuple(range(12, 24))), NOW.replace(day=10, hour=0, minute=0)),
        (FeedHints(skip_days=(2, 3)), NOW.replace(day=11, hour=0, minute=0)),
        (FeedHints(skip_hours=(0,), skip_days=(2,)), NOW.replace(day=10, hour=1, minute=0)),
    ],
)
def test_skipped_hours_and_days(hints: FeedHints, due_at: datetime) -> None:
    assert next_poll_at(a_feed(10 * MINUTE, hints=hints), now=NOW, policy=POLICY, random=Random(1)) == due_at


@pytest.mark.parametrize("hints", [FeedHints(skip_hours=tuple(range(24))), FeedHints(skip_days=tuple(range(7)))])
def test_hints_that_leave_no_hour_are_none(hints: FeedHints) -> None:
    assert next_wait(a_feed(10 * MINUTE, hints=hints)) <= 10 * MINUTE


# --- success and failure ----------------------------------------------------------------------------------------------


def test_success_clears_every_trace_of_failure() -> None:
    state = fails(a_feed(), failed(Cause.UNAVAILABLE, retry_after=HOUR))
    cleared = after_success(state, now=NOW + HOUR)
    assert (cleared.status, cleared.cause, cleared.detail, cleared.failures) == (FeedStatus.OK, None, "", 0)
    assert (cleared.failing_since, cleared.not_before) == (None, None)
    assert cleared.polled_at == cleared.succeeded_at == NOW + HOUR


def test_first_failure_is_remembered() -> None:
    state = fails(a_feed(), failed(Cause.TLS))
    assert (state.status, state.cause, state.detail, state.failing_since) == (
        FeedStatus.FAILING,
        Cause.TLS,
        "as scripted",
        NOW,
    )
    again = fails(a_feed(failures=state.failures, failing_since=NOW), failed(Cause.TLS), NOW + DAY)
    assert again.failing_since == NOW
    assert again.failures == 1.0


@pytest.mark.parametrize(
    ("cause", "until_doubled"),
    [
        (Cause.NOT_FOUND, 1),
        (Cause.FORBIDDEN, 1),
        (Cause.DNS, 2),
        (Cause.NOT_A_FEED, 2),
        (Cause.TIMEOUT, 4),
        (Cause.UNAVAILABLE, 4),
    ],
)
def test_classes_of_failure(cause: Cause, until_doubled: int) -> None:
    feed = a_feed(HOUR)
    for _ in range(until_doubled):
        feed = replace(feed, state=fails(feed, failed(cause)))
    assert feed.state.failures == 1.0
    assert 2 * HOUR <= feed.state.due_at - NOW <= 2.4 * HOUR * 1.2


@settings(deadline=None)
@given(causes=st.lists(st.sampled_from(sorted(set(Cause) - {Cause.GONE})), min_size=1, max_size=15), seed=st.integers())
def test_never_faster_after_an_error_and_never_given_up(causes: list[Cause], seed: int) -> None:
    random, now, before = Random(seed), NOW, timedelta(0)
    feed = a_feed(stats=every(20 * MINUTE, 40))
    for cause in causes:
        own = interval_of(rhythm_of(feed.state.stats, now), POLICY.threshold, POLICY.max_interval, now)
        state = after_failure(feed, failed(cause), now=now, policy=POLICY, random=random)
        wait = state.due_at - now
        assert max(min(before, DAY), own) <= wait <= DAY
        feed, now, before = replace(feed, state=state), state.due_at, wait


def test_a_long_interval_is_its_own_cap() -> None:
    feed = a_feed(48 * HOUR, failures=9.0)
    assert fails(feed, failed(Cause.NOT_FOUND)).due_at == NOW + 48 * HOUR


def test_new_feed_is_tried_again_soon() -> None:
    assert fails(a_feed(succeeded_at=None), failed(Cause.DNS)).due_at < NOW + 10 * MINUTE
    assert fails(a_feed(HOUR, succeeded_at=None), failed(Cause.DNS)).due_at > NOW + HOUR


def test_freshness_of_an_old_answer_does_not_bind_after_a_failure() -> None:
    assert fails(a_feed(HOUR, fresh_for=7 * DAY), failed()).due_at < NOW + 2 * HOUR


def test_gone_is_paused_for_good() -> None:
    state = fails(a_feed(), failed(Cause.GONE))
    assert (state.status, state.due_at) == (FeedStatus.GONE, NEVER)
    assert not forced_due(state, NOW + 1000 * DAY)


@pytest.mark.parametrize(("asked", "granted"), [(3 * DAY, 3 * DAY), (365 * DAY, 7 * DAY), (2 * HOUR, 2 * HOUR)])
def test_retry_after_binds_beyond_max_interval(asked: timedelta, granted: timedelta) -> None:
    state = fails(a_feed(HOUR), failed(Cause.UNAVAILABLE, asked))
    assert state.due_at == state.not_before == NOW + granted
    assert not forced_due(state, NOW + granted - SECOND)
    assert forced_due(state, NOW + granted)


def test_forced_poll_overrides_everything_else() -> None:
    state = fails(a_feed(failures=9.0, hints=FeedHints(ttl=DAY), fresh_for=DAY), failed(Cause.NOT_FOUND))
    assert state.due_at > NOW
    assert forced_due(state, NOW)


# --- our own network --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "down"),
    [
        ([], False),
        ([("a", Cause.DNS), ("b", Cause.DNS)], False),
        ([("a", Cause.DNS), ("a", Cause.DNS), ("a", Cause.DNS)], False),
        ([("a", Cause.DNS), ("b", Cause.CONNECT), ("c", Cause.TIMEOUT)], True),
        ([("a", Cause.DNS), ("b", Cause.CONNECT), ("c", None), ("d", Cause.DNS)], False),
        ([("a", Cause.DNS), ("b", Cause.CONNECT), ("c", Cause.SERVER_ERROR), ("d", Cause.DNS)], False),
    ],
)
def test_own_network(outcomes: list[tuple[str, Cause | None]], down: bool) -> None:
    assert own_network_is_down(outcomes) is down


def test_after_three_days_without_network_all_feeds_are_back_within_one_interval() -> None:
    """Sixty feeds, each with its own rhythm; the network is gone for three days, nobody is punished for it."""
    random, end = Random(7), NOW + 3 * DAY
    feeds = [a_feed(stats=every((number + 1) * 20 * MINUTE, 40)) for number in range(60)]
    feeds = [
        replace(feed, state=replace(feed.state, due_at=NOW + number * MINUTE)) for number, feed in enumerate(feeds)
    ]
    recent: list[tuple[str, Cause | None]] = [(str(number), None) for number in range(20)]
    while (number := min(range(60), key=lambda each: feeds[each].state.due_at)) is not None:
        now = feeds[number].state.due_at
        if now >= end:
            break
        recent = [*recent[1:], (str(number), Cause.DNS)]
        state = after_failure(
            feeds[number],
            failed(Cause.DNS),
            now=now,
            policy=POLICY,
            random=random,
            own_network=own_network_is_down(recent),
        )
        feeds[number] = replace(feeds[number], state=state)
    for feed in feeds:
        own = max(
            interval_of(rhythm_of(feed.state.stats, end), POLICY.threshold, POLICY.max_interval, end),
            POLICY.min_interval,
        )
        assert feed.state.due_at - end <= 1.1 * own + HOUR
    assert sum(feed.state.failures > 0 for feed in feeds) <= 20


def test_own_network_for_a_new_feed() -> None:
    state = fails(a_feed(succeeded_at=None), failed(Cause.DNS), own_network=True)
    assert state.failures == 0
    assert state.due_at - NOW < 6 * MINUTE


# --- hosts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", sorted(HOST_CAUSES))
def test_host_is_left_alone_longer_each_time(cause: Cause) -> None:
    waits = [host_not_before(failed(cause), failures, now=NOW, random=Random(1)) - NOW for failures in range(40)]
    assert waits == sorted(waits)
    assert waits[0] >= MINUTE
    assert waits[-1] <= DAY


def test_host_that_asks_for_quiet_gets_it() -> None:
    for asked, granted in ((10 * SECOND, 10 * SECOND), (30 * DAY, 7 * DAY)):
        assert host_not_before(failed(Cause.RATE_LIMITED, asked), 3, now=NOW, random=Random(1)) == NOW + granted


# --- pages ------------------------------------------------------------------------------------------------------------


def tries(cause: Cause) -> list[timedelta]:
    """Return the waits between the tries of a page that always fails alike."""
    waits: list[timedelta] = []
    while (at := page_retry_at(len(waits) + 1, cause, None, now=NOW, random=Random(1))) is not None:
        waits.append(at - NOW)
    return waits


@pytest.mark.parametrize("cause", [Cause.GONE, Cause.BAD_URL, Cause.FORBIDDEN_ADDRESS, Cause.TOO_LARGE, Cause.NOT_TEXT])
def test_one_try(cause: Cause) -> None:
    assert tries(cause) == []


def test_not_found_is_tried_once_more_after_an_hour() -> None:
    assert len(tries(Cause.NOT_FOUND)) == 1
    assert HOUR <= tries(Cause.NOT_FOUND)[0] <= 2 * HOUR


def test_robots_are_asked_again_after_a_day() -> None:
    waits = tries(Cause.ROBOTS)
    assert all(DAY <= wait <= 1.2 * DAY for wait in waits)
    refused_before_a_try = page_retry_at(0, Cause.ROBOTS, None, now=NOW, random=Random(1))
    assert refused_before_a_try is not None
    assert refused_before_a_try >= NOW + DAY


def test_temporary_causes_are_tried_for_days() -> None:
    waits = tries(Cause.CONNECT)
    assert sum(waits, timedelta(0)) > 2 * DAY
    assert sum(waits, timedelta(0)) > 2 * sum(tries(Cause.CLIENT_ERROR), timedelta(0))


@pytest.mark.parametrize("cause", [Cause.UNAUTHORIZED, Cause.FORBIDDEN, Cause.LOW_QUALITY, Cause.WALL])
def test_what_a_wall_answers_is_tried_for_a_week_and_once_a_day_at_most(cause: Cause) -> None:
    waits = tries(cause)
    assert sum(waits, timedelta(0)) > 7 * DAY
    assert max(waits) >= DAY
    assert len(waits) <= 24


@pytest.mark.parametrize("cause", list(Cause))
def test_every_page_comes_to_an_end(cause: Cause) -> None:
    waits = tries(cause)
    assert len(waits) < 40
    assert all(wait <= 1.2 * DAY for wait in waits)


def test_pages_heed_retry_after() -> None:
    asked = page_retry_at(1, Cause.RATE_LIMITED, 3 * DAY, now=NOW, random=Random(1))
    assert asked == NOW + 3 * DAY
    assert page_retry_at(1, Cause.RATE_LIMITED, 300 * DAY, now=NOW, random=Random(1)) == NOW + 7 * DAY


def a_page(visits: int) -> Page:
    return Page(
        id=PageId(1),
        url="https://a.example/1",
        key=Key("a"),
        host="a.example:443",
        target="https://a.example/1",
        hops=(),
        attempts=0,
        due_at=NOW,
        validators=Validators(),
        article_id=None,
        fetched_at=None,
        visits=visits,
    )


def a_fetched_page(visits: int) -> FetchedPage:
    return FetchedPage(
        id=PageId(1),
        url="https://a.example/1",
        key=Key("a"),
        token=1,
        raw=None,
        failed=None,
        hops=(),
        article_id=None,
        entry=None,
        feed_name="",
        feed_url="",
        attempts=1,
        visits=visits,
        first_seen=NOW,
    )


REVISIT = (6 * HOUR, 24 * HOUR, 72 * HOUR)


@pytest.mark.parametrize(
    ("page", "changed", "wait"),
    [
        (a_fetched_page(1), False, 6 * HOUR),
        (a_fetched_page(1), True, 6 * HOUR),
        (a_fetched_page(2), False, None),
        (a_fetched_page(2), True, 18 * HOUR),
        (a_fetched_page(3), True, 48 * HOUR),
        (a_fetched_page(4), True, None),
        (a_page(1), True, 18 * HOUR),
        (a_page(1), False, None),
        (a_page(3), True, None),
    ],
)
def test_revisits(page: Page | FetchedPage, changed: bool, wait: timedelta | None) -> None:
    at = revisit_at(page, changed=changed, now=NOW, revisit=REVISIT)
    assert at == (None if wait is None else NOW + wait)


def test_no_revisits() -> None:
    assert revisit_at(a_fetched_page(1), changed=True, now=NOW, revisit=()) is None


@pytest.mark.parametrize(
    ("fetched", "due", "at"),
    [
        (NOW - HOUR, NOW + DAY, NOW + 5 * HOUR),
        (NOW - DAY, NOW + DAY, NOW),
        (NOW - DAY, None, NOW),
        (NOW - HOUR, NOW + HOUR, NOW + HOUR),
        (NOW - HOUR, NOW - HOUR, NOW),
    ],
)
def test_updated_entries_bring_the_revisit_forward(fetched: datetime, due: datetime | None, at: datetime) -> None:
    assert revisit_after_update(fetched, due, now=NOW) == at


# --- the budget -------------------------------------------------------------------------------------------------------


def test_threshold_begins_by_the_budget() -> None:
    assert threshold_for(24) == POLICY.threshold
    assert threshold_for(6) == 16 * POLICY.threshold


def test_the_threshold_reaches_the_budget_slowly() -> None:
    """A world in which a threshold of 800 gives 24 polls: polls fall with its square root."""
    threshold = threshold_for(24)
    for _ in range(60):
        rate = 24 * (800 / threshold) ** 0.5
        step = adjust_threshold(threshold, polls=round(rate * 100), feed_days=100, budget=24, elapsed=DAY)
        assert 0.5 * threshold <= step <= 2 * threshold
        threshold = step
    assert threshold == pytest.approx(800, rel=0.05)


@settings(deadline=None)
@given(
    threshold=st.floats(0.01, 1e8),
    polls=st.integers(0, 10**9),
    feed_days=st.floats(0, 1e6),
    budget=st.floats(0.1, 1440),
    elapsed=st.timedeltas(timedelta(0), 1000 * DAY),
)
def test_an_adjustment_is_bounded(
    threshold: float, polls: int, feed_days: float, budget: float, elapsed: timedelta
) -> None:
    adjusted = adjust_threshold(threshold, polls=polls, feed_days=feed_days, budget=budget, elapsed=elapsed)
    assert 0.01 <= adjusted <= 1e8
    assert adjusted <= threshold or polls > 0


def test_an_hour_or_day_that_the_feed_wants_skipped_is_known() -> None:
    assert is_skipped(FeedHints(skip_hours=(12,)), NOW)
    assert is_skipped(FeedHints(skip_days=(2,)), NOW)
    assert not is_skipped(FeedHints(skip_hours=(11, 13)), NOW)
    assert not is_skipped(FeedHints(skip_hours=tuple(range(24))), NOW)
    assert not is_skipped(FeedHints(), NOW)
