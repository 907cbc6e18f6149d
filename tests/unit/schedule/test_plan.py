"""What the schedule costs and buys: measured on histories, replayed at budgets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.feeds import Feed, FeedHints, FeedState, FeedStatus, PublicationStats
from aggregator.models.fetching import Cause
from aggregator.models.ids import FeedId
from aggregator.ports.readings import FeedHistory, PollSums
from aggregator.schedule.due_times import PollPolicy
from aggregator.schedule.plan import Plan, measured, planned
from aggregator.schedule.publication_rate import update_stats
from tests.support.feeds import feed_of
from tests.support.laws import at_most

NOW = datetime(2026, 11, 19, 10, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
POLICY = PollPolicy()


def a_feed(number: int = 1, *, interval: timedelta | None = None, enabled: bool = True, **state: Any) -> Feed:
    known: dict[str, Any] = {
        "due_at": NOW,
        "status": FeedStatus.OK,
        "succeeded_at": NOW - HOUR,
        "polled_at": NOW - HOUR,
    }
    return feed_of(
        f"https://a.example/{number}",
        FeedState(**{**known, **state}),
        id=FeedId(number),
        name=f"feed {number}",
        interval=interval,
        enabled=enabled,
    )


def published(*ago: timedelta) -> PublicationStats:
    times = sorted(NOW - one for one in ago)
    return update_stats(PublicationStats(), times, window=20, polled_at=None, now=NOW)


def every(span: timedelta, *, days: int = 1, news: tuple[int, ...] = ()) -> PollSums:
    """Polls a `span` apart; those numbered in `news`, counted from the newest, found something."""
    count = int(days * DAY / span)
    return PollSums(
        first_at=NOW - count * span,
        count=count,
        found=len(news),
        bytes_found=1000 if news else 100,
        bytes_else=100,
        found_at=tuple(NOW - n * span for n in sorted(news, reverse=True)),
    )


# --- now --------------------------------------------------------------------------------------------------------------


def test_the_history_tells_requests_bytes_and_delays() -> None:
    stats = published(HOUR * 2.5, HOUR * 5.75)
    plan = measured([FeedHistory(feed=a_feed(stats=stats), polls=every(HOUR, news=(2, 5)))], NOW)
    assert plan.budget is None
    (feed,) = plan.feeds
    assert feed.requests == pytest.approx(24)
    assert feed.wire_bytes == pytest.approx(2 * 1000 + 22 * 100)
    assert (feed.delay_p50, feed.delay_p95) == (30 * MINUTE, 45 * MINUTE)
    assert (plan.requests, plan.delay_p50) == (feed.requests, feed.delay_p50)


def test_an_entry_is_found_by_the_first_poll_that_had_something_new() -> None:
    """The poll between publication and discovery saw nothing: the feed showed it late."""
    plan = measured([FeedHistory(feed=a_feed(stats=published(HOUR * 3.5)), polls=every(HOUR, news=(2,)))], NOW)
    assert plan.delay_p50 == 90 * MINUTE


def test_what_was_published_before_the_history_or_not_found_yet_tells_nothing() -> None:
    feed = a_feed(stats=published(30 * HOUR, 10 * MINUTE))
    assert measured([FeedHistory(feed=feed, polls=every(HOUR, news=(3,)))], NOW).delay_p50 is None


def test_a_bare_day_tells_no_delay() -> None:
    midnight = NOW - NOW.replace(hour=0)
    plan = measured([FeedHistory(feed=a_feed(stats=published(midnight)), polls=every(HOUR, news=(2,)))], NOW)
    assert plan.delay_p50 is None


def test_a_feed_without_history_costs_nothing_yet() -> None:
    (feed,) = measured([FeedHistory(feed=a_feed(), polls=PollSums())], NOW).feeds
    assert (feed.requests, feed.wire_bytes, feed.delay_p50) == (0, 0, None)


def test_nothing_is_planned_where_nothing_is_polled() -> None:
    assert measured((), NOW).feeds == ()
    assert planned((), budget=24, policy=POLICY, now=NOW) == Plan(
        budget=24,
        threshold=pytest.approx(POLICY.threshold),
        feeds=(),
        requests=0,
        wire_bytes=0,
        delay_p50=None,
        delay_p95=None,
    )


def test_a_sample_stands_for_all() -> None:
    """The sums are those of all feeds, the delays those of the sample."""
    one, ten = (measured(CROWD, NOW, of=count) for count in (len(CROWD), 10 * len(CROWD)))
    assert (ten.requests, ten.wire_bytes) == pytest.approx((10 * one.requests, 10 * one.wire_bytes))
    assert (ten.feeds, ten.delay_p50) == (one.feeds, one.delay_p50)
    sums = planned(CROWD, budget=24, policy=POLICY, now=NOW, of=10 * len(CROWD), listed=False)
    assert sums.feeds == ()
    assert sums.requests == pytest.approx(240 * len(CROWD), rel=0.1)


def test_many_feeds_cost_as_many_polls_as_few() -> None:
    """Each of many feeds is replayed for a shorter time; together they come to the same budget."""
    many = [lively(n, rate, seed) for seed in range(60) for n, rate in enumerate((0.5, 2, 5, 10, 20), start=1)]
    plan = planned(many, budget=24, policy=POLICY, now=NOW)
    assert plan.requests == pytest.approx(24 * len(many), rel=0.1)
    sums = planned(many, budget=24, policy=POLICY, now=NOW, listed=False)
    assert sums.requests == pytest.approx(plan.requests, rel=0.15)


# --- budgets ----------------------------------------------------------------------------------------------------------


def lively(number: int, per_day: float, seed: int = 0) -> FeedHistory:
    """A feed with publications at random in the last 20 days."""
    random = Random(1000 * seed + number)
    count = max(int(per_day * 20), 1)
    stats = published(*(20 * DAY * random.random() for _ in range(count)))
    return FeedHistory(feed=a_feed(number, stats=stats), polls=every(HOUR, news=(3, 9)))


CROWD = [lively(n, rate) for n, rate in enumerate((0.2, 0.5, 1, 2, 3, 5, 10, 20, 60), start=1)]


@pytest.mark.parametrize("budget", [6.0, 12.0, 24.0, 48.0])
def test_the_adaptive_feeds_together_come_to_the_budget(budget: float) -> None:
    plan = planned(CROWD, budget=budget, policy=POLICY, now=NOW)
    assert plan.budget == budget
    assert plan.requests == pytest.approx(budget * len(CROWD), rel=0.1)


def test_more_requests_buy_less_delay_and_cost_bytes() -> None:
    few, many = (planned(CROWD, budget=budget, policy=POLICY, now=NOW) for budget in (6, 48))
    assert few.delay_p50 is not None
    assert many.delay_p50 is not None
    assert many.delay_p50 < few.delay_p50 / 3
    assert few.delay_p95 is not None
    assert few.delay_p95 > few.delay_p50
    assert many.wire_bytes > few.wire_bytes


def test_a_busy_feed_gets_more_of_the_budget() -> None:
    plan = planned(CROWD, budget=24, policy=POLICY, now=NOW)
    assert plan.feeds[-1].requests > 2 * plan.feeds[0].requests


def test_a_fixed_interval_is_kept_at_any_budget() -> None:
    fixed = FeedHistory(feed=a_feed(1, interval=30 * MINUTE, stats=published(HOUR)), polls=PollSums())
    for budget in (6, 48):
        (feed,) = planned([fixed], budget=budget, policy=POLICY, now=NOW).feeds
        assert feed.requests == pytest.approx(48)


def test_the_server_s_wishes_hold_in_a_plan_too() -> None:
    history = lively(1, 60)
    hints = replace(history.feed.state, hints=FeedHints(ttl=4 * HOUR), cause=Cause.TIMEOUT, not_before=NOW + DAY)
    (feed,) = planned(
        [replace(history, feed=replace(history.feed, state=hints))], budget=48, policy=POLICY, now=NOW
    ).feeds
    assert feed.requests <= 6.1


def test_a_full_memory_is_replayed_from_where_it_begins() -> None:
    """64 times within hours: before them nothing is known, so nothing is replayed."""
    stats = published(*(n * 7 * MINUTE for n in range(1, 100)))
    assert len(stats.recent) == 64
    history = FeedHistory(feed=a_feed(stats=stats), polls=every(HOUR, news=(2,)))
    (feed,) = planned([history], budget=100, policy=POLICY, now=NOW).feeds
    assert feed.delay_p50 is not None
    assert feed.delay_p50 <= 20 * MINUTE
    assert feed.requests <= 288 * 1.01


def test_without_a_poll_that_found_something_the_others_tell_the_bytes() -> None:
    history = FeedHistory(feed=a_feed(stats=published(HOUR)), polls=every(HOUR))
    (feed,) = planned([history], budget=24, policy=POLICY, now=NOW).feeds
    assert feed.wire_bytes == pytest.approx(100 * feed.requests)


@at_most(30)
@given(
    st.lists(st.timedeltas(timedelta(0), 30 * DAY), max_size=80),
    st.floats(0.5, 300),
    st.timedeltas(timedelta(0), 2 * DAY) | st.none(),
)
def test_any_history_can_be_planned(ago: list[timedelta], budget: float, ttl: timedelta | None) -> None:
    feed = a_feed(stats=published(*ago), hints=FeedHints(ttl=ttl))
    plan = planned([FeedHistory(feed=feed, polls=every(HOUR))], budget=budget, policy=POLICY, now=NOW)
    assert 0 < plan.requests <= 288.1
    if plan.delay_p50 is not None:
        assert plan.delay_p95 is not None
        assert timedelta(0) <= plan.delay_p50 <= plan.delay_p95 <= 7 * DAY
