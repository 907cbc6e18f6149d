"""The daemon's status page follows its settings; its log says what an operator wants to know."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from aggregator.clock import SystemClock
from aggregator.config.settings import WebSettings
from aggregator.errors import PortError
from aggregator.models.feeds import Feed, FeedStatus
from aggregator.models.fetching import Cause
from aggregator.monitoring.daemon_record import DaemonRecord, read_records, write_record
from aggregator.ports.store_records import PollRecord
from aggregator.service.activity import ActivityLog, say_changes
from aggregator.service.page import PageProcess
from aggregator.service.status import CpuShare, OutageWatch
from aggregator.store import SqlStore, open_store
from aggregator.web.listening import PageSettings
from aggregator.web.process import NICE, busy_check
from tests.support.daemon import wait_for
from tests.support.stores import START, poll_record, subscribe
from tests.support.website import Broken

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
def installed(sqlite_template: Path, tmp_path: Path) -> Iterator[SqlStore]:
    file = tmp_path / "page.db"
    file.write_bytes(sqlite_template.read_bytes())
    store = open_store(f"sqlite:///{file}", SystemClock())
    yield store
    store.close()


@pytest.fixture
def standing() -> list[float]:
    """The seconds at which the page's clock stands; none: it goes."""
    return []


@pytest.fixture
def page(installed: SqlStore, tmp_path: Path, standing: list[float]) -> Iterator[PageProcess]:
    settings = PageSettings(
        store_url=f"sqlite:///{tmp_path}/page.db", raw_folder=str(tmp_path / "raw"), token=None, daemon="this"
    )
    made = PageProcess(settings, monotonic=lambda: standing[-1] if standing else time.monotonic())
    yield made
    made.stop()


def status(address: str, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"{address}feeds", headers=headers, timeout=60).status_code


def test_a_new_token_holds_at_once_and_the_page_is_never_open(page: PageProcess, tmp_path: Path) -> None:
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
    page: PageProcess, lines: list[tuple[str, dict[str, object]]]
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


def test_a_taken_port_at_the_start_is_no_fault_of_the_configuration(page: PageProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortError, match="is not free") as caught:
        page.start(WebSettings(listen=f"127.0.0.1:{taken.getsockname()[1]}"))
    assert caught.value.exit_code == 3


def is_there(pid: int) -> bool:
    """Return whether a process lives; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_it_is_a_process_of_low_priority_and_ends_with_its_parent(page: PageProcess) -> None:
    page.start(WebSettings(listen="127.0.0.1:0"))
    pid = page.pid
    assert pid is not None
    assert status(page.address) == 200
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + NICE, 19)
    page.stop()
    assert not is_there(pid)


def test_ctrl_c_does_not_reach_the_process_while_it_loads(page: PageProcess) -> None:
    page.start(WebSettings(listen="127.0.0.1:0"))
    status = Path(f"/proc/{page.pid}/status").read_text(encoding="ascii")
    (blocked,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigBlk:"))
    assert blocked & (1 << (signal.SIGINT - 1))


def test_a_process_that_died_is_started_again_and_the_address_stays(
    page: PageProcess, standing: list[float], lines: list[tuple[str, dict[str, object]]]
) -> None:
    standing.append(0.0)
    settings = WebSettings(listen="127.0.0.1:0")
    page.start(settings)
    address, first = page.address, page.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: page.follow(settings) or page.pid != first, "the next start")
    assert (page.address, status(address)) == (address, 200)
    assert lines == [("status page died; started again", {"status": -signal.SIGKILL})]
    second = page.pid
    assert second is not None
    os.kill(second, signal.SIGKILL)
    wait_for(lambda: not is_there(second), "its second end")
    page.follow(settings)
    assert page.pid == second, "the next start is a little later"
    standing.append(1.0)
    wait_for(lambda: page.follow(settings) or page.pid != second, "the third start")


def test_probes_and_metrics_are_those_of_the_daemon(page: PageProcess, installed: SqlStore) -> None:
    page.start(WebSettings(listen="127.0.0.1:0"))

    def get(path: str) -> requests.Response:
        return requests.get(page.address + path, timeout=60)

    assert (get("readyz").status_code, "aggregator_polls" in get("metrics").text) == (503, False)
    now = installed.now()
    record = DaemonRecord(at=now, started_at=now, ticked_at=now, metrics="aggregator_polls_total 3.0\n")
    write_record(installed, "this", record)
    metrics = get("metrics").text
    assert get("readyz").status_code == 200
    assert "aggregator_polls_total 3.0" in metrics
    assert "aggregator_store_up 1.0" in metrics
    write_record(installed, "this", replace(record, ticked_at=now - timedelta(seconds=31)))
    assert get("readyz").status_code == 503
    assert get("healthz").status_code == 200


def test_the_record_tells_whether_the_daemon_needs_the_cpu(installed: SqlStore) -> None:
    is_busy = busy_check("this", installed)
    assert not is_busy(), "there is no record"
    now = installed.now()
    record = DaemonRecord(at=now, started_at=now, ticked_at=now, cores=0.9)
    write_record(installed, "this", record)
    assert is_busy()
    write_record(installed, "this", replace(record, cores=0.1))
    assert not is_busy()
    broken: Any = Broken()
    assert not busy_check("this", broken)(), "the page says what is wrong"


def test_a_page_whose_store_is_gone_says_why_and_ends(page: PageProcess, tmp_path: Path) -> None:
    (tmp_path / "page.db").rename(tmp_path / "moved.db")
    page.start(WebSettings(listen="127.0.0.1:0"))
    pid = page.pid
    assert pid is not None
    wait_for(lambda: not is_there(pid), "its end")


def test_nine_requests_in_ten_that_reach_no_host_are_an_outage() -> None:
    watch = OutageWatch()
    assert not watch.is_offline(0.0, {"requests": 100})
    assert not watch.is_offline(10.0, {"requests": 104, "cause_dns": 4}), "too few to tell"
    assert watch.is_offline(20.0, {"requests": 110, "cause_dns": 6, "cause_connect": 4})
    assert not watch.is_offline(30.0, {"requests": 120, "cause_dns": 6, "cause_connect": 4})
    assert watch.is_offline(331.0, {"requests": 126, "cause_dns": 6, "cause_timeout": 6, "cause_connect": 4})


def test_the_share_of_cpu_is_that_since_the_last_look() -> None:
    times, used = iter((0.0, 3.0, 6.0, 6.0)), iter((10.0, 11.5, 14.5, 14.5))
    share = CpuShare(times.__next__, used.__next__)
    assert [share.lately(), share.lately(), share.lately()] == [0.5, 1.0, 0.0]


def test_records_are_those_of_all_daemons_without_their_metrics(installed: SqlStore) -> None:
    now = installed.now()
    for name, seconds in (("a", 5), ("b", 0)):
        at = now - timedelta(seconds=seconds)
        write_record(installed, name, DaemonRecord(at=at, started_at=at, ticked_at=at, metrics="m", hosts=(name,)))
    installed.write_fact("daemon:old", "{}")
    assert [(record.hosts, record.metrics) for record in read_records(installed)] == [(("b",), ""), (("a",), "")]


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


def test_a_socket_in_the_file_system_is_there_while_the_page_is(page: PageProcess, tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    page.start(WebSettings(listen=f"unix:{path}"))
    assert (page.address, path.is_socket()) == (f"unix:{path}", True)
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(60)
        caller.connect(str(path))
        caller.sendall(b"GET /healthz HTTP/1.1\r\nHost: proxy.example\r\nConnection: close\r\n\r\n")
        assert caller.recv(100).startswith(b"HTTP/1.1 200")
    page.follow(WebSettings(listen=f"unix:{path}", base_url="https://corpus.example.org/agg"))
    assert path.is_socket()
    page.stop()
    assert not path.exists()
