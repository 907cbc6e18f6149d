"""Two `aggregator worker` over one PostgreSQL: they share the work, keep the pace, and one of them may be killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from aggregator.selftest.server import Peer
from tests.support.citizen import HTML, RSS, Site, World, html_page, item, rss, story
from tests.support.command import call
from tests.support.daemon import Systemd, wait_for
from tests.support.installation import Installation

PACE = 0.4  # seconds
PAGES = 4


@dataclass
class Street:
    """Hosts with a feed of four pages each, their answers a little slow; who was asked when."""

    hosts: int
    open_at: threading.Event = field(default_factory=threading.Event)
    times: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    sites: list[Site] = field(default_factory=list)

    @contextmanager
    def served(self) -> Iterator[Street]:
        with ExitStack() as stack:
            for number in range(self.hosts):
                self.sites.append(stack.enter_context(self._site(number)))
            yield self

    def _site(self, number: int) -> Site:
        paths = {f"/a/{number}-{page}": self._timed(number, self._page) for page in range(PAGES)}
        announced = rss(*(item(path) for path in paths))
        feed = self._timed(number, lambda peer: peer.answer(body=announced, headers=(RSS,)))
        nothing = self._timed(number, lambda peer: peer.answer(404))
        return Site(feed, paths={**paths, "/robots.txt": nothing})

    @staticmethod
    def _page(peer: Peer) -> None:
        path = peer.request.target
        peer.answer(body=html_page(f"About {path}", story(path)), headers=(HTML,))

    def _timed(self, number: int, script: Callable[[Peer], None]) -> Callable[[Peer], None]:
        def answer(peer: Peer) -> None:
            self.open_at.wait(60)
            begun = time.monotonic()
            peer.server.stopping.wait(0.05)
            script(peer)
            self.times[str(number)].append((begun, time.monotonic()))

        return answer

    @property
    def pages(self) -> list[str]:
        """Which pages were asked for so far."""
        return [path for site in self.sites for path in site.pages]

    @property
    def gaps(self) -> list[float]:
        """The seconds between the end of an answer and the next request, at each host."""
        return [
            later[0] - earlier[1]
            for asked in self.times.values()
            for earlier, later in zip(sorted(asked), sorted(asked)[1:], strict=False)
        ]


@dataclass
class Fleet:
    """A folder, a database and the workers that share both."""

    world: World
    url: str
    systemd: Systemd
    workers: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, number: int) -> None:
        """Start workers and wait until each of them is ready."""
        self.world.write()
        installation = Installation(self.world.folder)
        for _ in range(number):
            self.workers.append(
                installation.start(
                    "worker", "-v", AGGREGATOR_STORAGE__URL=self.url, NOTIFY_SOCKET=str(self.systemd.path)
                )
            )
        wait_for(lambda: self.systemd.heard("READY=1") == number, "READY of each worker")

    @property
    def files(self) -> list[Path]:
        return list((self.world.folder / "data" / "articles").rglob("*.txt"))

    def stop(self, worker: subprocess.Popen[str]) -> str:
        """Stop a worker as a supervisor does; return its log."""
        worker.send_signal(signal.SIGTERM)
        started = time.monotonic()
        _, log = worker.communicate(timeout=30)
        assert time.monotonic() - started < 10
        assert worker.returncode == 0, log
        assert "Traceback" not in log, log
        return log

    def rows(self, query: str) -> int:
        with psycopg.connect(self.url) as conn:
            row = conn.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def fleet(tmp_path: Path, queue_url: str) -> Iterator[Fleet]:
    world = World(tmp_path)
    world.http |= {"timeout": "20s", "total_timeout": "20s", "per_host_interval": f"{PACE * 1000:.0f}ms"}
    world.polling["workers"] = 3
    made = Fleet(world, queue_url, Systemd(tmp_path / "notify"))
    made.systemd.listen()
    yield made
    for worker in made.workers:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
        worker.communicate()
    made.systemd.close()


def test_two_workers_share_the_hosts_and_keep_the_pace_of_each(fleet: Fleet) -> None:
    with Street(6).served() as street:
        fleet.world.follow(*(site.url() for site in street.sites))
        fleet.start(2)
        street.open_at.set()
        wait_for(lambda: len(fleet.files) == 6 * PAGES, "every article")
        logs = [fleet.stop(worker) for worker in fleet.workers]
    assert sorted(street.pages) == sorted(set(street.pages))
    assert len(street.pages) == 6 * PAGES
    assert fleet.rows("SELECT count(*) FROM articles") == 6 * PAGES
    visits = [len(re.findall("visited host", log)) for log in logs]
    assert min(visits) > 0, visits
    assert min(street.gaps) > 0.8 * PACE, sorted(street.gaps)[:5]
    assert fleet.systemd.heard("STOPPING=1") == 2
    assert fleet.rows("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'visit_host'") == 0
    assert fleet.rows("SELECT count(*) FROM hosts WHERE lease_owner != ''") == 0


@pytest.mark.soak
def test_a_worker_that_is_killed_loses_nothing_and_repeats_what_it_had_in_hand(fleet: Fleet) -> None:
    def end_leases(pid: int) -> None:
        """Let the time pass after which what a dead process held is anyone's."""
        with psycopg.connect(fleet.url, autocommit=True) as conn:
            for table in ("hosts", "pages"):
                conn.execute(
                    f"UPDATE {table} SET lease_until = 0 WHERE lease_owner LIKE %s",
                    (f"%:{pid}:%",),
                )

    with Street(6).served() as street:
        fleet.world.follow(*(site.url() for site in street.sites))
        fleet.start(2)
        street.open_at.set()
        killed, left = fleet.workers
        wait_for(lambda: len(street.pages) > 6, "some pages")
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        end_leases(killed.pid)
        wait_for(lambda: len(fleet.files) == 6 * PAGES, "every article")
        fleet.stop(left)
    assert sorted(set(street.pages)) == sorted(f"/a/{host}-{page}" for host in range(6) for page in range(PAGES))
    assert len(street.pages) <= 6 * PAGES + 3, "no more than the requests that were under way"
    assert fleet.rows("SELECT count(*) FROM articles") == 6 * PAGES
    assert fleet.rows("SELECT count(*) FROM revisions") == 6 * PAGES


@pytest.mark.soak
def test_the_hosts_of_a_killed_worker_come_back_after_their_lease(fleet: Fleet) -> None:
    fleet.world.http["total_timeout"] = "5s"  # the lease is half a minute longer
    with Street(6).served() as street:
        fleet.world.follow(*(site.url() for site in street.sites))
        fleet.start(2)
        street.open_at.set()
        killed, left = fleet.workers
        wait_for(lambda: len(street.pages) > 6, "some pages")
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        wait_for(lambda: len(fleet.files) == 6 * PAGES, "every article", patience=120)
        fleet.stop(left)
    assert len(street.pages) <= 6 * PAGES + 3
    assert fleet.rows("SELECT count(*) FROM articles") == 6 * PAGES


# --- what it needs ----------------------------------------------------------------------------------------------------


def test_a_worker_needs_postgresql(tmp_path: Path) -> None:
    called = call("worker", "--config", World(tmp_path).write())
    assert called.status == 2
    (line,) = called.err.splitlines()
    assert "`aggregator worker` needs PostgreSQL; `aggregator run` is for SQLite" in line
    assert not (tmp_path / "data").exists()


def test_a_worker_needs_the_extra(tmp_path: Path) -> None:
    code = "import sys; sys.modules['procrastinate'] = None; from aggregator.cli import main; main(sys.argv[1:])"
    environment = {**os.environ, "AGGREGATOR_STORAGE__URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    arguments = ["worker", "--config", str(World(tmp_path).write())]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.endswith("install it with: pip install 'feed-corpus[postgresql]'")
