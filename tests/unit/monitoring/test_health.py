"""What is said about a feed that is unwell, and that nothing is said about one that is well."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.feeds import Feed, FeedState, FeedStatus, PublicationStats
from aggregator.models.fetching import Cause, FetchFailed
from aggregator.monitoring.health import Finding, Kind, Severity, diagnose
from aggregator.monitoring.remedies import PAGE_REMEDIES, REMEDIES
from aggregator.ports.readings import FeedSigns
from aggregator.ports.store_records import PollOutcome
from aggregator.schedule.due_times import PollPolicy, after_failure, after_success
from aggregator.schedule.publication_rate import update_stats
from tests.support.feeds import feed_of

NOW = datetime(2026, 11, 19, 10, 0, tzinfo=UTC)  # a Thursday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POLICY = PollPolicy()


def a_feed(*, enabled: bool = True, **state: Any) -> Feed:
    well: dict[str, Any] = {
        "due_at": NOW + HOUR,
        "status": FeedStatus.OK,
        "polled_at": NOW - HOUR,
        "succeeded_at": NOW - HOUR,
    }
    return feed_of("https://a.example/feed", FeedState(**{**well, **state}), name="A", enabled=enabled)


def failing(cause: Cause, times: int = 1, **state: Any) -> Feed:
    """A feed after so many failures in a row, as `schedule` counts them."""
    feed = a_feed(**state)
    for _ in range(times):
        failed = FetchFailed(url=feed.url, final_url=feed.url, cause=cause, detail="said so")
        after = after_failure(feed, failed, now=NOW, policy=POLICY, random=Random(1))
        feed = replace(feed, state=replace(after, due_at=max(after.due_at, NOW)))
    return feed


def poll(outcome: str = "unchanged", cause: Cause | None = None, ago: timedelta = HOUR) -> PollOutcome:
    return PollOutcome(
        at=NOW - ago,
        outcome=outcome,  # type: ignore[arg-type]
        status=None,
        cause=cause,
        detail="",
        elapsed=timedelta(0),
        wire_bytes=0,
    )


def only(found: tuple[Finding, ...]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def test_a_feed_that_is_well_has_no_findings() -> None:
    assert diagnose(a_feed(), (poll(),) * 20, NOW) == ()


def test_a_feed_that_was_never_polled_has_no_findings() -> None:
    assert diagnose(a_feed(status=FeedStatus.NEW, polled_at=None, succeeded_at=None, due_at=NOW), (), NOW) == ()


def test_a_disabled_feed_has_no_findings() -> None:
    assert diagnose(replace(failing(Cause.NOT_FOUND), enabled=False), (), NOW) == ()


# --- failing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "times", "kind", "severity"),
    [
        (Cause.NOT_FOUND, 1, Kind.FAILING, Severity.BROKEN),
        (Cause.SERVER_ERROR, 1, Kind.FAILING, Severity.BROKEN),
        (Cause.DNS, 1, Kind.FAILING, Severity.BROKEN),
        (Cause.UNREADABLE, 1, Kind.FAILING, Severity.BROKEN),
        (Cause.NOT_A_FEED, 1, Kind.HTML, Severity.BROKEN),
        (Cause.UNAUTHORIZED, 1, Kind.BLOCKED, Severity.BROKEN),
        (Cause.FORBIDDEN, 1, Kind.BLOCKED, Severity.BROKEN),
        (Cause.ROBOTS, 1, Kind.BLOCKED, Severity.BROKEN),
        (Cause.GONE, 1, Kind.GONE, Severity.BROKEN),
        (Cause.TIMEOUT, 1, Kind.FAILING, Severity.ATTENTION),
        (Cause.TIMEOUT, 3, Kind.FAILING, Severity.ATTENTION),
        (Cause.TIMEOUT, 4, Kind.FAILING, Severity.BROKEN),
        (Cause.UNAVAILABLE, 1, Kind.FAILING, Severity.ATTENTION),
        (Cause.RATE_LIMITED, 1, Kind.FAILING, Severity.ATTENTION),
        (Cause.CONNECT, 1, Kind.FAILING, Severity.ATTENTION),
    ],
)
def test_a_failure_is_named_with_its_cause(cause: Cause, times: int, kind: Kind, severity: Severity) -> None:
    finding = only(diagnose(failing(cause, times), (), NOW))
    assert (finding.kind, finding.severity, finding.cause) == (kind, severity, cause)
    assert finding.since == NOW
    assert finding.detail == "said so"
    assert finding.remedy == REMEDIES[cause]


def test_a_bad_moment_that_lasts_is_broken() -> None:
    feed = failing(Cause.TIMEOUT, failing_since=NOW - timedelta(hours=6), succeeded_at=NOW - timedelta(hours=7))
    finding = only(diagnose(feed, (), NOW))
    assert finding.severity is Severity.BROKEN
    assert finding.since == NOW - timedelta(hours=6)


def test_a_feed_that_never_worked_is_broken_at_once() -> None:
    feed = failing(Cause.CONNECT, status=FeedStatus.NEW, polled_at=None, succeeded_at=None)
    assert only(diagnose(feed, (), NOW)).severity is Severity.BROKEN


def test_after_a_success_the_failure_is_forgotten() -> None:
    feed = failing(Cause.NOT_FOUND)
    state = replace(after_success(feed.state, now=NOW), due_at=NOW + HOUR)
    assert diagnose(replace(feed, state=state), (), NOW) == ()


def test_a_web_page_in_place_of_the_feed_names_the_feeds_that_it_advertises() -> None:
    feed = failing(Cause.NOT_A_FEED, advertised=("https://a.example/new.xml", "https://a.example/comments.xml"))
    assert "https://a.example/new.xml" in only(diagnose(feed, (), NOW)).remedy


def test_every_cause_has_a_remedy_of_one_line() -> None:
    assert set(REMEDIES) == set(Cause)
    assert all("\n" not in text and text.endswith(".") for text in REMEDIES.values())
    assert len(set(REMEDIES.values())) == len(REMEDIES)


# --- overdue, unsteady ------------------------------------------------------------------------------------------------


def test_a_feed_that_nobody_polls_is_overdue() -> None:
    finding = only(diagnose(a_feed(due_at=NOW - 3 * HOUR), (), NOW))
    assert (finding.kind, finding.since) == (Kind.OVERDUE, NOW - 3 * HOUR)
    assert "3 hours" in finding.detail


@pytest.mark.parametrize("state", [{"due_at": NOW - timedelta(minutes=59)}, {"due_at": NOW - DAY, "not_before": NOW}])
def test_a_feed_that_must_wait_is_not_overdue(state: dict[str, Any]) -> None:
    assert diagnose(a_feed(**state), (), NOW) == ()


def test_a_feed_that_fails_now_and_then_is_unsteady() -> None:
    polls = [poll()] * 7 + [poll("failed", Cause.TIMEOUT)] * 2 + [poll("failed", Cause.DNS, DAY)]
    finding = only(diagnose(a_feed(), polls, NOW))
    assert (finding.kind, finding.cause, finding.since) == (Kind.UNSTEADY, Cause.TIMEOUT, NOW - DAY)
    assert finding.detail == "3 of the last 10 polls failed: 2 timeout, 1 dns"


def test_an_unsteady_feed_without_causes_points_to_its_history() -> None:
    finding = only(diagnose(a_feed(), [poll("failed")] * 10, NOW))
    assert finding.cause is None
    assert "history" in finding.remedy


@pytest.mark.parametrize("polls", [[poll("failed", Cause.DNS)] * 9, [poll()] * 8 + [poll("failed", Cause.DNS)] * 2])
def test_few_failures_are_no_finding(polls: list[PollOutcome]) -> None:
    assert diagnose(a_feed(), polls, NOW) == ()


# --- silent -----------------------------------------------------------------------------------------------------------


def stats_of(times: list[datetime], at: datetime) -> PublicationStats:
    return update_stats(PublicationStats(), times, window=len(times), polled_at=None, now=at)


def daily(until: datetime, *, per_day: int = 3, days: int = 14, weekdays: bool = False) -> list[datetime]:
    hours = [8 + 12 * n // per_day for n in range(per_day)]
    found = [
        (until - day * DAY).replace(hour=hour, minute=7)
        for day in range(days)
        for hour in hours
        if not weekdays or (until - day * DAY).weekday() < 5
    ]
    return sorted(at for at in found if at <= until)


def test_a_feed_is_silent_against_its_own_rhythm() -> None:
    last = NOW - 4 * DAY
    stats = stats_of(daily(last), last)
    finding = only(diagnose(a_feed(stats=stats), (), NOW))
    assert (finding.kind, finding.severity, finding.cause) == (Kind.SILENT, Severity.ATTENTION, None)
    assert finding.since == stats.recent[-1]
    assert "4 days" in finding.detail


def test_a_slow_feed_may_be_silent_for_as_long() -> None:
    stats = stats_of(daily(NOW - 4 * DAY, per_day=1, days=14)[::5], NOW - 4 * DAY)
    assert diagnose(a_feed(stats=stats), (), NOW) == ()


def test_a_weekend_is_no_silence() -> None:
    sunday = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
    friday = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
    stats = stats_of(daily(friday, per_day=2, days=28, weekdays=True), friday)
    assert diagnose(a_feed(stats=stats, due_at=sunday + HOUR), (), sunday) == ()


def test_weekdays_without_entries_are_not_expected_to_bring_any() -> None:
    """A pause of two days never seen among the remembered times, on a weekend that the weekdays know."""
    sunday = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
    times = daily(datetime(2026, 11, 20, 18, 0, tzinfo=UTC), per_day=12, days=5)
    workdays = (12.0, 12.0, 12.0, 12.0, 12.0, 0.0, 0.0)
    stats = replace(stats_of(times, times[-1]), weekdays=workdays)
    assert diagnose(a_feed(stats=stats, due_at=sunday + HOUR), (), sunday) == ()
    monday = sunday + DAY
    late = diagnose(a_feed(stats=stats, due_at=monday + HOUR), (), monday)
    assert only(late).kind is Kind.SILENT


def test_a_feed_that_fails_is_not_called_silent_too() -> None:
    last = NOW - 4 * DAY
    assert only(diagnose(failing(Cause.NOT_FOUND, stats=stats_of(daily(last), last)), (), NOW)).kind is Kind.FAILING


def test_a_few_publication_times_are_no_rhythm() -> None:
    last = NOW - 40 * DAY
    assert diagnose(a_feed(stats=stats_of([last - HOUR, last - HOUR / 2, last], last)), (), NOW) == ()


# --- moved, clocks, validators ----------------------------------------------------------------------------------------


def test_a_move_is_proposed_once_it_was_stable_for_a_week() -> None:
    moved = {"adopted_url": "https://b.example/feed"}
    assert diagnose(a_feed(**moved, adopted_at=NOW - 6 * DAY), (), NOW) == ()
    finding = only(diagnose(a_feed(**moved, adopted_at=NOW - 7 * DAY), (), NOW))
    assert (finding.kind, finding.since) == (Kind.MOVED, NOW - 7 * DAY)
    assert finding.remedy == (
        'In the configuration write url = "https://b.example/feed" instead of "https://a.example/feed".'
    )


def test_ids_that_do_not_hold_are_told() -> None:
    finding = only(diagnose(a_feed(entry_ids="link+date"), (), NOW))
    assert (finding.kind, finding.severity) == (Kind.ENTRY_IDS, Severity.ATTENTION)
    assert "link and date" in finding.detail


def test_our_own_clock_went_back() -> None:
    finding = only(diagnose(a_feed(polled_at=NOW + 3 * HOUR), (), NOW))
    assert finding.kind is Kind.OWN_CLOCK
    assert "3 hours" in finding.detail


@pytest.mark.parametrize(("flagged", "entries", "found"), [(2, 2, True), (1, 5, True), (1, 6, False), (0, 0, False)])
def test_dates_that_cannot_be_right_are_counted(flagged: int, entries: int, found: bool) -> None:
    findings = diagnose(a_feed(), (), NOW, FeedSigns(entries=entries, dates_flagged=flagged))
    assert [one.kind for one in findings] == [Kind.CLOCK] * found


def test_a_server_whose_validators_lie_is_named() -> None:
    finding = only(diagnose(a_feed(revalidation="distrusted", distrusted_at=NOW - DAY), (), NOW))
    assert (finding.kind, finding.since) == (Kind.STUCK_VALIDATORS, NOW - DAY)
    assert diagnose(a_feed(revalidation="checked"), (), NOW) == ()
    assert diagnose(a_feed(revalidation="", distrusted_at=NOW - 8 * DAY), (), NOW) == ()


def test_a_fixed_interval_that_loses_entries_is_named_for_a_week() -> None:
    feed = replace(a_feed(gap_at=NOW - DAY), interval=3 * HOUR)
    finding = only(diagnose(feed, (), NOW))
    assert (finding.kind, finding.severity, finding.since) == (Kind.LOST_ENTRIES, Severity.ATTENTION, NOW - DAY)
    assert "every 3 hours" in finding.detail
    assert diagnose(replace(feed, state=replace(feed.state, gap_at=NOW - 7 * DAY)), (), NOW) == ()
    assert diagnose(a_feed(gap_at=NOW - DAY), (), NOW) == ()  # an adaptive one shortens it by itself


# --- pages and articles -----------------------------------------------------------------------------------------------


def test_pages_that_refuse_us_are_a_block() -> None:
    signs = FeedSigns(articles=5, pages_failed={Cause.ROBOTS: 4, Cause.FORBIDDEN: 1})
    finding = only(diagnose(a_feed(), (), NOW, signs))
    assert (finding.kind, finding.cause, finding.severity) == (Kind.BLOCKED, Cause.ROBOTS, Severity.ATTENTION)
    assert finding.detail == "5 of its 10 latest pages refused us: 4 robots, 1 forbidden"


def test_pages_without_an_article_are_counted() -> None:
    signs = FeedSigns(articles=6, pages_failed={Cause.NO_TEXT: 2, Cause.NOT_FOUND: 1})
    finding = only(diagnose(a_feed(), (), NOW, signs))
    assert (finding.kind, finding.cause) == (Kind.QUALITY, Cause.NO_TEXT)
    assert finding.detail == "3 of its 9 latest pages gave no article: 2 no text, 1 not found"


def test_pages_that_are_missing_have_another_remedy_than_a_missing_feed() -> None:
    finding = only(diagnose(a_feed(), (), NOW, FeedSigns(articles=2, pages_failed={Cause.NOT_FOUND: 4})))
    feed = only(diagnose(a_feed(status=FeedStatus.FAILING, cause=Cause.NOT_FOUND, failing_since=NOW), (), NOW))
    assert "feeds discover" in feed.remedy
    assert finding.remedy.startswith("The feed announces pages that are not there")
    assert PAGE_REMEDIES.keys() == REMEDIES.keys() == set(Cause)
    assert not [cause for cause, remedy in PAGE_REMEDIES.items() if "feeds discover" in remedy]


@pytest.mark.parametrize(
    "signs",
    [
        FeedSigns(articles=0, pages_failed={Cause.NO_TEXT: 2}),
        FeedSigns(articles=97, pages_failed={Cause.NO_TEXT: 3}),
        FeedSigns(articles=2, articles_doubtful=2),
        FeedSigns(articles=100, articles_doubtful=20),
    ],
)
def test_some_bad_pages_are_ordinary(signs: FeedSigns) -> None:
    assert diagnose(a_feed(), (), NOW, signs) == ()


@pytest.mark.parametrize(
    ("reasons", "end"), [({"too_short": 3, "listing": 1}, "doubtful: 3 too short, 1 listing"), ({}, "doubtful")]
)
def test_doubtful_articles_are_counted_with_their_reasons(reasons: dict[str, int], end: str) -> None:
    signs = FeedSigns(articles=8, articles_doubtful=4, reasons=reasons)
    finding = only(diagnose(a_feed(), (), NOW, signs))
    assert finding.kind is Kind.QUALITY
    assert finding.detail.endswith(end)


# --- laws -------------------------------------------------------------------------------------------------------------

moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
states = st.builds(
    FeedState,
    due_at=moments,
    status=st.sampled_from(FeedStatus),
    cause=st.none() | st.sampled_from(Cause),
    detail=st.text(max_size=20),
    failures=st.floats(0, 100),
    failing_since=st.none() | moments,
    polled_at=st.none() | moments,
    succeeded_at=st.none() | moments,
    not_before=st.none() | moments,
    adopted_url=st.none() | st.just("https://b.example/"),
    adopted_at=st.none() | moments,
    revalidation=st.sampled_from(["", "checked", "distrusted"]),
    stats=st.lists(moments, max_size=12).map(lambda times: stats_of(times, max(times, default=NOW))),
)
signs_ = st.builds(
    FeedSigns,
    entries=st.integers(0, 50),
    dates_flagged=st.integers(0, 50),
    articles=st.integers(0, 50),
    articles_doubtful=st.integers(0, 50),
    pages_failed=st.dictionaries(st.sampled_from(Cause), st.integers(1, 9)),
)


@given(states, signs_, st.lists(st.builds(poll, st.sampled_from(["new", "failed"])), max_size=20))
def test_any_state_gets_findings_that_say_what_to_do(
    state: FeedState, signs: FeedSigns, polls: list[PollOutcome]
) -> None:
    found = diagnose(replace(a_feed(), state=state), polls, NOW, signs)
    assert found == tuple(sorted(found, key=lambda one: one.severity is not Severity.BROKEN))
    assert all(one.remedy for one in found)
    assert all(one.cause is not None for one in found if one.severity is Severity.BROKEN)
