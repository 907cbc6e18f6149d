"""What is wrong with an installation as a whole."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregator.models.feeds import Feed, FeedState, FeedStatus
from aggregator.models.fetching import Cause
from aggregator.models.ids import FeedId
from aggregator.monitoring.daemon_record import DaemonRecord
from aggregator.monitoring.health import Severity, diagnose
from aggregator.monitoring.installation import (
    REMEDIES,
    Problem,
    daemon_problems,
    is_of_network,
    network_problem,
    publishing_problem,
)
from aggregator.monitoring.overview import finding_record
from tests.support.feeds import feed_of

NOW = datetime(2026, 11, 19, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_feed(number: int, host: str, **state: Any) -> Feed:
    return feed_of(
        f"http://{host}/{number}",
        FeedState(**{"due_at": NOW, "status": FeedStatus.OK, **state}),
        id=FeedId(number),
    )


def unresolved(number: int, ago: timedelta) -> Feed:
    state = {"status": FeedStatus.FAILING, "cause": Cause.DNS, "failing_since": NOW - ago, "polled_at": NOW}
    return a_feed(number, f"h{number}.example", **state)


def answering(number: int, ago: timedelta) -> Feed:
    return a_feed(number, f"well{number}.example", succeeded_at=NOW - ago, polled_at=NOW - ago)


def answered(feeds: list[Feed]) -> Callable[[datetime], Collection[str]]:
    return lambda since: [one.host for one in feeds if one.state.succeeded_at and one.state.succeeded_at >= since]


# --- our own network --------------------------------------------------------------------------------------------------


def test_two_hundred_names_that_do_not_resolve_are_one_finding() -> None:
    """What answered before the outage does not speak against it; a name that died months ago is not part of it."""
    dead = unresolved(500, 2000 * HOUR)
    outage = [unresolved(n, HOUR - timedelta(seconds=n)) for n in range(200)]
    feeds = [dead, *outage, *(answering(n, 2 * HOUR) for n in range(300))]
    problem = network_problem(feeds, answered(feeds))
    assert problem is not None
    assert (problem.kind, problem.cause, problem.since) == ("network", Cause.DNS, NOW - HOUR)
    assert problem.detail == "the names of 200 hosts do not resolve"
    of_it = [[is_of_network(one, problem) for one in diagnose(feed, (), NOW)] for feed in (dead, *outage)]
    assert of_it == [[False], *[[True]] * 200]
    assert finding_record(None, problem)["remedy"] == REMEDIES["network"]
    assert finding_record(None, problem)["since"] == (NOW - HOUR).isoformat()


@pytest.mark.parametrize(
    "feeds",
    [
        [],
        [answering(1, HOUR)],
        [unresolved(n, HOUR) for n in range(2)],
        [*(unresolved(n, HOUR) for n in range(30)), *(answering(n, HOUR / 2) for n in range(31))],
        [a_feed(n, f"h{n}.example", cause=Cause.DNS) for n in range(9)],
    ],
    ids=["none", "all well", "two hosts", "others answer meanwhile", "since when is not known"],
)
def test_names_that_are_dead_one_by_one_are_no_outage(feeds: list[Feed]) -> None:
    assert network_problem(feeds, answered(feeds)) is None
    assert [is_of_network(one, None) for feed in feeds for one in diagnose(feed, (), NOW)].count(True) == 0


def test_feeds_that_fail_otherwise_are_not_of_the_outage() -> None:
    problem = network_problem([unresolved(n, HOUR) for n in range(9)], answered([]))
    (finding,) = diagnose(
        a_feed(1, "b.example", status=FeedStatus.FAILING, cause=Cause.NOT_FOUND, failing_since=NOW), (), NOW
    )
    assert not is_of_network(finding, problem)
    (overdue,) = diagnose(a_feed(1, "b.example", due_at=NOW - 3 * HOUR), (), NOW)
    assert not is_of_network(overdue, Problem(kind="disk", detail=""))


# --- daemon, publishing -----------------------------------------------------------------------------------------------


def test_what_daemons_say_of_page_and_configuration_is_told_once() -> None:
    record = DaemonRecord(at=NOW, started_at=NOW, ticked_at=NOW, page_fault="port taken", config_fault="restart")
    gone = DaemonRecord(at=NOW - HOUR, started_at=NOW, ticked_at=NOW, page_fault="long ago")
    well = DaemonRecord(at=NOW, started_at=NOW, ticked_at=NOW)
    found = daemon_problems((record, record, gone, well), NOW)
    assert [(one.kind, one.detail, one.severity) for one in found] == [
        ("page", "port taken", Severity.BROKEN),
        ("configuration", "restart", Severity.BROKEN),
    ]


def test_many_changes_that_wait_to_be_written_are_told_with_their_progress() -> None:
    waiting = publishing_problem("/articles", 8_000, 20_000)
    assert waiting is not None
    assert waiting.detail == "/articles: 8000 of 20000 changes are written, 12000 wait"
    assert waiting.severity is Severity.ATTENTION
    assert publishing_problem("/articles", 19_500, 20_000) is None
