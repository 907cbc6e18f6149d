"""When a feed is asked again: what the server and the feed wish, and what `--all` may override."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from aggregator.selftest.server import Script
from tests.support.citizen import RSS, Site, World, answering, item, one_by_one, rss, street

FEED = rss(item("/a/1"))
DATE = "Date: Wed, 01 Nov 2023 10:00:00 GMT"
EACH = list(range(10))
EVERY_FOUR = [0, 4, 8]


def at(hours: float) -> str:
    """Return an HTTP date, hours after the first run."""
    return format_datetime(datetime.now(UTC) + timedelta(hours=1 + hours), usegmt=True)


def in_channel(hints: str) -> Script:
    return answering(rss(item("/a/1"), channel=hints))


HEADERS: dict[str, tuple[tuple[str, ...], list[int]]] = {  # in which of ten hourly runs the feed is asked
    "none": ((), EACH),
    "max-age": (("Cache-Control: public, max-age=12600",), EVERY_FOUR),
    "quoted max-age": (('Cache-Control: max-age="12600"',), EVERY_FOUR),
    "max-age less Age": (("Cache-Control: max-age=14400", "Age: 3600"), [0, 3, 6, 9]),
    "max-age before Expires": (("Cache-Control: max-age=12600", "Expires: 0"), EVERY_FOUR),
    "short max-age": (("Cache-Control: max-age=60",), EACH),
    "s-maxage is not for us": (("Cache-Control: s-maxage=99999",), EACH),
    "no-cache": (("Cache-Control: no-cache, max-age=99999",), EACH),
    "malformed": (("Cache-Control: max-age=soon",), EACH),
    "huge": (("Cache-Control: max-age=99999999999999",), [0]),
    "Expires": ((f"Expires: {at(3.5)}",), [0, *EACH[4:]]),
    "Expires and Date": ((DATE, "Expires: Wed, 01 Nov 2023 13:30:00 GMT"), EVERY_FOUR),
    "Expires 0": (("Expires: 0",), EACH),
    "Expires in the past": ((DATE, "Expires: Mon, 01 Jan 2001 00:00:00 GMT"), EACH),
}
HINTS: dict[str, tuple[str, list[int]]] = {
    "ttl": ("<ttl>210</ttl>", EVERY_FOUR),
    "ttl 0": ("<ttl>0</ttl>", EACH),
    "ttl junk": ("<ttl>often</ttl>", EACH),
    "ttl negative": ("<ttl>-60</ttl>", EACH),
    "ttl of months": ("<ttl>99999</ttl>", [0]),
    "sy hourly": ("<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>1</sy:updateFrequency>", EACH),
    "sy daily by 8": (
        "<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>8</sy:updateFrequency>",
        [0, 3, 6, 9],
    ),
    "sy weekly": ("<sy:updatePeriod>weekly</sy:updatePeriod>", [0]),
}


@pytest.fixture(scope="module")
def came(make_world: Callable[[], World]) -> Iterator[dict[str, list[int]]]:
    """In which of ten hourly runs each site was asked."""
    feeds: dict[str, Script | bytes] = {name: answering(FEED, RSS, *headers) for name, (headers, _) in HEADERS.items()}
    feeds |= {name: in_channel(hints) for name, (hints, _) in HINTS.items()}
    world = make_world()
    with street(world, feeds) as sites:
        came: dict[str, list[int]] = {name: [] for name in sites}
        for hour in range(10):
            before = {name: len(site.asked()) for name, site in sites.items()}
            world.run()
            for name, site in sites.items():
                came[name] += [hour] * (len(site.asked()) - before[name])
        yield came


@pytest.mark.parametrize("name", HEADERS)
def test_a_fresh_answer_is_not_asked_for_again(came: dict[str, list[int]], name: str) -> None:
    assert came[name] == HEADERS[name][1]


@pytest.mark.parametrize("name", HINTS)
def test_a_feed_is_not_asked_before_the_time_it_names(came: dict[str, list[int]], name: str) -> None:
    assert came[name] == HINTS[name][1]


def polled(world: World, site: Site, hours: int, **options: object) -> list[int]:
    world.follow(site.url(), **options)
    found: list[int] = []
    for hour in range(hours):
        before = len(site.asked())
        world.run()
        found += [hour] * (len(site.asked()) - before)
    return found


def hour_of(runs: int) -> int:
    """Return the hour of the day (UTC) at which that run takes place."""
    return (datetime.now(UTC) + timedelta(hours=1 + runs)).hour


def test_skipped_hours_are_skipped(world: World) -> None:
    skipped = "".join(f"<hour>{hour_of(run)}</hour>" for run in (1, 2, 3))
    with Site(in_channel(f"<skipHours>{skipped}</skipHours>")) as site:
        assert polled(world, site, 6) == [0, 4, 5]


def test_hour_24_is_midnight(world: World) -> None:
    with Site(in_channel("<skipHours><hour>24</hour></skipHours>")) as site:
        world.follow(site.url())
        world.run(after=(23 - datetime.now(UTC).hour) % 24)
        asked = [len(site.asked())]
        for _ in range(2):
            world.run()
            asked.append(len(site.asked()))
        assert asked == [1, 1, 2]


def test_skipped_days_are_skipped(world: World) -> None:
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    tomorrow = (datetime.now(UTC) + timedelta(hours=25)).weekday()
    with Site(in_channel(f"<skipDays><day>{days[tomorrow]}</day></skipDays>")) as site:
        world.follow(site.url())
        world.run()
        world.run(after=24)
        assert len(site.asked()) == 1
        world.run(after=24)
        assert len(site.asked()) == 2


def test_hints_that_leave_no_hour_are_no_hints(world: World) -> None:
    with Site(in_channel("<skipHours>" + "".join(f"<hour>{n}</hour>" for n in range(24)) + "</skipHours>")) as site:
        assert polled(world, site, 3) == [0, 1, 2]


def test_the_latest_of_all_wishes_counts(world: World) -> None:
    feed = answering(rss(item("/a/1"), channel="<ttl>90</ttl>"), RSS, "Cache-Control: max-age=12600")
    with Site(feed) as site:
        assert polled(world, site, 9, interval="2h") == EVERY_FOUR


def test_our_own_interval_counts_when_it_is_longer(world: World) -> None:
    with Site(answering(FEED, RSS, "Cache-Control: max-age=600")) as site:
        assert polled(world, site, 8, interval="3h") == [0, 3, 6]


def test_min_interval_holds_for_a_shorter_interval(world: World) -> None:
    world.polling["min_interval"] = "150m"
    with Site() as site:
        assert polled(world, site, 7) == [0, 3, 6]


def test_a_304_carries_freshness(world: World) -> None:
    feed = one_by_one(
        answering(FEED, RSS, 'ETag: "a"'), answering(b"", "Cache-Control: max-age=12600", status=304), answering(FEED)
    )
    with Site(feed) as site:
        assert polled(world, site, 7) == [0, 1, 5, 6]


def test_a_304_without_freshness_has_none(world: World) -> None:
    feed = one_by_one(answering(FEED, RSS, 'ETag: "a"', "Cache-Control: max-age=12600"), answering(b"", status=304))
    with Site(feed) as site:
        assert polled(world, site, 7) == [0, 4, 5, 6]


def test_a_ttl_that_is_withdrawn_counts_no_more(world: World) -> None:
    with Site(one_by_one(in_channel("<ttl>210</ttl>"), answering(FEED))) as site:
        assert polled(world, site, 7) == [0, 4, 5, 6]


def test_all_overrides_everything_but_retry_after_and_410(world: World) -> None:
    feeds: dict[str, Script | bytes] = {
        "max-age": answering(FEED, RSS, "Cache-Control: max-age=99999"),
        "ttl": in_channel("<ttl>9999</ttl>"),
        "skipHours": in_channel("<skipHours>" + "".join(f"<hour>{n}</hour>" for n in range(23)) + "</skipHours>"),
        "failing": answering(b"", status=500),
        "not found": answering(b"", status=404),
        "gone": answering(b"", status=410),
        "busy": answering(b"", "Retry-After: 86400", status=503),
    }
    with street(world, feeds) as sites:
        world.run()
        world.run(after=0.01, force=True)
        world.run(after=0.01, force=True)
        asked = {name: len(site.asked()) for name, site in sites.items()}
        assert asked == {**dict.fromkeys(feeds, 3), "gone": 1, "busy": 1}


def test_a_named_feed_is_polled_when_it_is_due_and_no_other(world: World) -> None:
    with Site() as first, Site() as second:
        world.follow(first.url(), second.url())
        world.run(feeds=[first.url()])
        assert (len(first.asked()), len(second.asked())) == (1, 0)
        world.run(after=0.01, feeds=[first.url()], force=True)
        assert (len(first.asked()), len(second.asked())) == (2, 0)


def test_due_times_survive_a_restart(world: World) -> None:
    with Site(answering(FEED, RSS, "Cache-Control: max-age=7200")) as site:
        world.follow(site.url())
        world.run()
        for _ in range(3):
            world.run(after=0.01)
        assert len(site.asked()) == 1
