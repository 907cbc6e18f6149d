"""The daemon for minutes, as a process and in this one, while everything around it fails now and then."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aggregator.app import open_app
from aggregator.clock import SystemClock
from aggregator.config.loading import load_config
from aggregator.config.wiring import fetch_limits
from aggregator.engine.local import LocalEngine
from aggregator.http.fetch import HttpFetcher
from aggregator.http.netguard import system_lookup
from aggregator.models.fetching import Cause
from aggregator.monitoring.overview import finding_record, unwell
from aggregator.selftest.server import Peer
from aggregator.service import Service
from tests.support.citizen import RSS, Site, item, rss
from tests.support.daemon import MovableClock, wait_for
from tests.support.databases import is_sound

pytestmark = pytest.mark.soak

ENTRY_EVERY = 3.0  # seconds between two new entries of a site


@dataclass
class Source:
    """A site that publishes by the clock on the wall, and what is wrong with it just now."""

    fault: str = ""
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    site: Site = field(init=False)

    def __post_init__(self) -> None:
        self.site = Site(self._feed)

    @property
    def paths(self) -> list[str]:
        """The addresses of all entries so far, within the site."""
        now = self.ended or time.monotonic()
        return [f"/a/{n}" for n in range(1 + int((now - self.started) / ENTRY_EVERY))]

    @property
    def published(self) -> list[str]:
        return [self.site.url(path) for path in self.paths]

    def _feed(self, peer: Peer) -> None:
        match self.fault:
            case "down":
                peer.reset()
            case "slow":
                peer.hang(30)
            case "server error":
                peer.answer(500, b"oops", (RSS,))
            case "busy":
                peer.answer(503, b"later", (RSS, "Retry-After: 5"))
            case "garbage":
                peer.answer(200, bytes(range(256)) * 40, (RSS,))
            case "html":
                peer.answer(
                    200, b"<!doctype html><html><body><h1>Welcome</h1></body></html>", ("Content-Type: text/html",)
                )
            case _:
                peer.answer(200, rss(*map(item, reversed(self.paths))), (RSS,))


FAULTS = {
    "down": {"connect", "protocol", "truncated"},
    "slow": {"timeout"},
    "server error": {"server_error"},
    "busy": {"unavailable"},
    "garbage": {"unreadable"},
    "html": {"not_a_feed"},
}


@contextmanager
def sources(count: int) -> Iterator[list[Source]]:
    with ExitStack() as stack:
        made = [Source() for _ in range(count)]
        for source in made:
            stack.enter_context(source.site)
        yield made


def write_config(folder: Path, urls: list[str], min_free: str = "0") -> Path:
    path = folder / "aggregator.toml"
    listed = "".join(f'[[feeds]]\nurl = "{url}"\ninterval = "4s"\n' for url in urls)
    path.write_text(
        f'[storage]\nmin_free = "{min_free}"\n'
        '[http]\nallow_private_networks = ["127.0.0.0/8"]\nper_host_interval = "20ms"\n'
        'timeout = "1s"\ntotal_timeout = "2s"\n'
        '[polling]\nmin_interval = "4s"\nrevisit = []\n[extraction]\nworkers = 1\n[web]\nlisten = ""\n'
        f"{listed}",
        encoding="utf-8",
    )
    return path


def settle(config: Path, published: set[str]) -> None:
    """Hours later all that waits for a retry is collected; then every article is there, once, in one file."""
    urls: list[str] = []
    for hours in range(1, 80, 6):
        clock = SystemClock(ahead=timedelta(hours=hours))
        with open_app(load_config(config, {}), clock=clock) as app:
            app.run_once()
            urls = [article.url for article in app.store.articles()]
            assert is_sound(app.config.storage.url)
        if published <= set(urls):
            break
    assert Counter(urls) == Counter(published)
    ids = [path.stem.partition("_")[2] for path in (config.parent / "data/articles").rglob("*.txt")]
    assert len(ids) == len(set(ids)) == len(published)


# --- as a process -----------------------------------------------------------------------------------------------------


@dataclass
class Daemon:
    """`aggregator run`, started again whenever it was killed."""

    config: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "aggregator", "--config", str(self.config), "run", "-v"]
        with (self.config.parent / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, start_new_session=True)

    def kill(self, number: int) -> None:
        assert self.process is not None
        if number == signal.SIGKILL:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.process.wait(timeout=30)

    def findings(self) -> list[dict[str, str]]:
        command = [sys.executable, "-m", "aggregator", "--config", str(self.config), "health", "--json"]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False, text=True)
        assert "Traceback" not in done.stderr, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    @property
    def log(self) -> str:
        return (self.config.parent / "log").read_text(encoding="utf-8")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "aggregator.toml")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill(signal.SIGKILL)


def names(daemon: Daemon, source: Source, causes: set[str]) -> bool:
    url = source.site.url()
    return any(one["url"] == url and one["cause"] in causes for one in daemon.findings())


@pytest.mark.parametrize("kills", [pytest.param(3, marks=pytest.mark.soak(short=True)), 12])
def test_faults_come_and_go_and_kill_strikes_every_few_seconds(daemon: Daemon, tmp_path: Path, kills: int) -> None:
    with sources(len(FAULTS) + 1) as made:
        urls = [source.site.url() for source in made]
        write_config(tmp_path, urls)
        daemon.start()
        wait_for(lambda: all(source.site.pages for source in made), "the first pages")

        for source, fault in zip(made, FAULTS, strict=False):
            source.fault = fault
        for source, causes in zip(made, FAULTS.values(), strict=False):
            wait_for(lambda: names(daemon, source, causes), f"{source.fault} in health")  # noqa: B023
        healthy = made[-1].site.url()
        assert not [one for one in daemon.findings() if one["url"] == healthy]
        for source in made:
            source.fault = ""

        write_config(tmp_path, urls, min_free="900TiB")
        wait_for(lambda: "polling pauses" in daemon.log, "a pause")
        assert daemon.findings()[0]["kind"] == "disk"
        time.sleep(3)  # requests in hand
        asked = len(made[-1].site.asked())
        time.sleep(8)
        assert len(made[-1].site.asked()) == asked
        write_config(tmp_path, urls)
        wait_for(lambda: "polling resumes" in daemon.log, "the end of the pause")

        for _ in range(kills):
            time.sleep(4)
            daemon.kill(signal.SIGKILL)
            daemon.start()
        for source in made:
            source.ended = time.monotonic()
        time.sleep(15)
        daemon.kill(signal.SIGTERM)
        assert daemon.process is not None
        assert daemon.process.returncode == 0
        assert "Traceback" not in daemon.log
        assert daemon.log.count("service: polling pauses") == 1
        settle(daemon.config, {url for source in made for url in source.published})


# --- in this process: names and clocks --------------------------------------------------------------------------------


def expected(made: list[Source]) -> list[str]:
    """Return the addresses of all entries; the first two sites are known by name."""
    return [
        url.replace("127.0.0.1", f"site{n}.example") if n < 2 else url
        for n, source in enumerate(made)
        for url in source.published
    ]


@pytest.mark.soak(short=True)
def test_names_that_do_not_resolve_and_a_clock_that_is_set(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    resolves = threading.Event()
    resolves.set()

    def lookup(name: str, port: int) -> object:
        if not resolves.is_set():
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return system_lookup("127.0.0.1" if name.endswith(".example") else name, port)

    problems: list[BaseException] = []
    with sources(4) as made:
        named = [re.sub(r"//127.0.0.1", f"//site{n}.example", source.site.url()) for n, source in enumerate(made)]
        config = write_config(tmp_path, [*named[:2], *(source.site.url() for source in made[2:])])
        clock = MovableClock()
        with open_app(load_config(config, {}), clock=clock) as app:
            fetcher = HttpFetcher(fetch_limits(app.config), clock, lookup=lookup)  # type: ignore[arg-type]
            app = replace(app, fetcher=fetcher)
            app.visits.context = replace(app.visits.context, fetcher=fetcher)
            service = Service(app, LocalEngine(app.visits), lambda: load_config(config, {}), {})

            def causes() -> dict[str, set[str]]:
                found: dict[str, set[str]] = defaultdict(set)
                for one in unwell(app.store, clock.now()):
                    records = [finding_record(one.feed, finding) for finding in one.findings]
                    found[one.feed.url] = {str(record["cause"] or record["kind"]) for record in records}
                return found

            def polls() -> list[datetime]:
                return [poll.at for feed in app.store.feeds() for poll in app.store.polls(feed.id)]

            def script() -> None:
                wait_for(lambda: all(source.site.pages for source in made), "the first pages")
                resolves.clear()
                for source in made[:2]:
                    source.fault = "down"  # ends the connections that are open
                wait_for(lambda: all(Cause.DNS.value in causes()[url] for url in named[:2]), "dns in health")
                assert not any(causes()[source.site.url()] for source in made[2:])
                resolves.set()
                for source in made[:2]:
                    source.fault = ""
                clock.move(timedelta(days=3))
                wait_for(lambda: not any(causes().values()), "all well after the jump ahead", 120)
                assert max(polls()) > clock.now() - timedelta(seconds=30)
                clock.move(-timedelta(days=5))
                wait_for(lambda: "the clock went back" in caplog.text, "the step in the log")
                back = clock.now()
                asked = [len(source.site.asked()) for source in made]
                wait_for(lambda: all(len(s.site.asked()) > n + 1 for s, n in zip(made, asked, strict=True)), "polls")
                assert any(back < at <= clock.now() for at in polls())
                wait_for(lambda: not any(causes().values()), "all well after the step back")

            def play() -> None:
                try:
                    script()
                except BaseException as problem:  # noqa: BLE001 - shown by the main thread
                    problems.append(problem)
                for source in made:
                    source.ended = time.monotonic()
                for _ in range(6):  # hours later all that waits for a retry is collected
                    time.sleep(10)
                    if {article.url for article in app.store.articles()} >= set(expected(made)):
                        break
                    clock.move(timedelta(hours=6))
                os.kill(os.getpid(), signal.SIGTERM)

            player = threading.Thread(target=play)
            player.start()
            service.run()
            player.join()
            fetcher.close()
            if problems:
                raise problems[0]
            there = Counter(article.url for article in app.store.articles())
    assert there == Counter(expected(made))
