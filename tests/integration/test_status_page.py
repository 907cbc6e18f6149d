"""The daemon's status page follows its settings; its log says what an operator wants to know."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from aggregator import web
from aggregator.config.settings import WebSettings
from aggregator.errors import PortError
from aggregator.models.feeds import Feed, FeedStatus
from aggregator.models.fetching import Cause
from aggregator.monitoring.metrics import Metrics
from aggregator.ports.store_records import PollRecord
from aggregator.service.activity import ActivityLog, say_changes
from aggregator.service.page import StatusPage
from aggregator.store import SqlStore
from tests.support.stores import START, poll_record, subscribe

A = "http://a.example/f"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[tuple[str, dict[str, object]]]]:
    """The messages of the service with their facts, as they come."""
    found: list[tuple[str, dict[str, object]]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            known = vars(logging.makeLogRecord({}))
            found.append((record.getMessage(), {k: v for k, v in vars(record).items() if k not in known}))

    logger, handler = logging.getLogger("aggregator.service"), Handler()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(before)


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def page(store: SqlStore) -> Iterator[StatusPage]:
    made = StatusPage(
        lambda token: web.create_app(store, ready=lambda: True, metrics=Metrics(), refresh=None, token=token)
    )
    yield made
    made.stop()


def status(address: str, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"{address}feeds", headers=headers, timeout=10).status_code


def test_a_new_token_holds_at_once_and_the_page_is_never_open(page: StatusPage, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    page.start(WebSettings(listen="127.0.0.1:0"))
    assert status(page.address) == 200
    page.follow(WebSettings(listen="127.0.0.1:0", token_file=token))
    assert (status(page.address), status(page.address, "first")) == (401, 200)
    token.write_text("second")
    page.follow(WebSettings(listen="127.0.0.1:0", token_file=token))
    assert (status(page.address, "first"), status(page.address, "second")) == (401, 200)


def test_the_address_follows_and_a_taken_one_is_tried_again(
    page: StatusPage, lines: list[tuple[str, dict[str, object]]]
) -> None:
    page.start(WebSettings(listen="127.0.0.1:0"))
    first = page.address
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = WebSettings(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        page.follow(wanted)
        page.follow(wanted)
        assert page.address == ""
        with pytest.raises(requests.ConnectionError):
            status(first)
    assert [message for message, _ in lines] == ["no status page; tried again each second"]
    page.follow(wanted)
    assert status(page.address) == 200
    page.follow(WebSettings(listen=""))
    assert lines[-1] == ("status page", {"address": "off"})


def test_a_taken_port_at_the_start_is_no_fault_of_the_configuration(page: StatusPage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortError, match="is not free") as caught:
        page.start(WebSettings(listen=f"127.0.0.1:{taken.getsockname()[1]}"))
    assert caught.value.exit_code == 3


# --- what is said -----------------------------------------------------------------------------------------------------


def good_poll(feed: Feed) -> PollRecord:
    record = poll_record(feed, at=START)
    return replace(record, state=replace(record.state, status=FeedStatus.OK))


def test_a_feed_that_begins_or_ends_to_fail_is_named_once(
    store: SqlStore, lines: list[tuple[str, dict[str, object]]]
) -> None:
    (feed,) = subscribe(store, A)
    good = good_poll(feed)
    bad = replace(
        good,
        state=replace(
            good.state, status=FeedStatus.FAILING, failures=1.0, cause=Cause.TIMEOUT, failing_since=START, detail="late"
        ),
    )
    failing = replace(feed, state=bad.state)
    log = ActivityLog()
    for known, record in ((feed, good), (feed, bad), (failing, bad), (failing, good)):
        log.note_poll(known, record)
    assert lines == [
        ("feed fails", {"feed": A, "cause": Cause.TIMEOUT.value, "detail": "late"}),
        ("feed works again", {"feed": A, "failing_since": f"{START:%Y-%m-%d %H:%M:%SZ}"}),
    ]


def test_an_outage_of_all_feeds_is_counted(store: SqlStore, lines: list[tuple[str, dict[str, object]]]) -> None:
    (feed,) = subscribe(store, A)
    good = good_poll(feed)
    bad = replace(good, state=replace(good.state, status=FeedStatus.FAILING, failures=1.0, failing_since=None))
    log = ActivityLog()
    for _ in range(30):
        log.note_poll(feed, bad)
    log.note_poll(replace(feed, state=bad.state), good)
    assert len(lines) == 20
    log.say_minute({}, 0)
    assert lines[-1] == ("in the last minute", {"more_begin_to_fail": 10, "more_work_again": 1})
    log.note_poll(replace(feed, state=bad.state), good)
    assert lines[-1] == ("feed works again", {"feed": A, "failing_since": None})


def test_a_minute_in_which_nothing_was_done_has_no_line(lines: list[tuple[str, dict[str, object]]]) -> None:
    log = ActivityLog()
    totals = Counter(feeds_polled=3, feeds_unchanged=2, articles_new=4)
    log.say_minute(totals, 4)
    log.say_minute(totals, 4)
    log.say_minute(totals + Counter(feeds_polled=1), 4)
    assert lines == [
        ("in the last minute", {"polled": 3, "unchanged": 2, "articles": 4, "published": 4}),
        ("in the last minute", {"polled": 1}),
    ]


def test_many_changes_are_cut_short(lines: list[tuple[str, dict[str, object]]]) -> None:
    say_changes("changed", (f"feed + {number}" for number in range(30)))
    assert len(lines) == 21
    assert lines[-1] == ("changed", {"change": "and 10 more"})
    assert datetime.now(UTC) > START
