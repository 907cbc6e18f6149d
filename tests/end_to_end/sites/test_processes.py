"""`run-once` as a process with 2 GB of addresses: killed, stopped, twice at once, among hostile servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from aggregator.models.articles import Article
from aggregator.selftest.server import Peer, Script
from tests.support.citizen import HTML, RSS, Site, World, answering, html_page, item, one_by_one, rss, story
from tests.support.installation import Installation, end_all

PAGES = [f"/a/{number}" for number in range(12)]
FEED = rss(*(item(path) for path in PAGES))
FAKETIME = [str(path) for path in Path("/usr").glob("lib*/**/faketime/libfaketimeMT.so.1")]
MOVED_CLOCK = Path(__file__).parents[2] / "support" / "moved_clock"


class Gate:
    """A page that hangs until the gate is opened, and tells when it was asked for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, peer: Peer) -> None:
        self.reached.set()
        self.opened.wait(30)
        peer.answer(200, html_page(f"About {self.path}", story(self.path)), (HTML,))


# A module that is hit by the signal where libraries import what they can do without.
SIGNALLED = """
import os, signal, sys
try:
    os.kill(os.getpid(), signal.SIGTERM)
except BaseException:
    pass
sys.path.remove(os.path.dirname(__file__))
del sys.modules["feedparser"]
import feedparser
"""


@pytest.fixture
def installed(world: World) -> Installation:
    world.http |= {"timeout": "20s", "total_timeout": "20s"}
    return Installation(world.folder)


def stored(world: World) -> list[Article]:
    """Return what the store holds; read here, which is faster than by a command."""
    return world.use(lambda app: list(app.store.articles()))


def is_complete(world: World, site: Site) -> bool:
    """Say whether every page is an article, once, in the store and on the disk."""
    articles = stored(world)
    files = list((world.folder / "data" / "articles").glob("*/*/*/*.txt"))
    return (
        sorted(one.content.title for one in articles) == sorted(f"About {path}" for path in PAGES)
        and {one.url for one in articles} == {site.url(path) for path in PAGES}
        and {path.stem.partition("_")[2] for path in files} == {one.id for one in articles}
    )


def ended(process: subprocess.Popen[str]) -> int:
    """Return the exit code, and hold that nothing but plain words was said."""
    try:
        _, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    assert "Traceback" not in err, err
    return process.returncode


def catches(process: subprocess.Popen[str], number: signal.Signals) -> bool:
    """Say whether the process has a handler of its own for the signal (proc_pid_status(5), SigCgt)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.soak),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_an_interrupted_run_is_continued_by_the_next_one(
    world: World, installed: Installation, number: signal.Signals, code: int
) -> None:
    gate = Gate(PAGES[6])
    with Site(FEED, {gate.path: gate}) as site:
        world.follow(site.url())
        world.write()
        process = installed.start("run-once")
        assert gate.reached.wait(30)
        started = time.monotonic()
        os.kill(process.pid, number)
        if number == signal.SIGTERM:
            gate.opened.set()  # what is in hand is finished; else it is given back
        assert ended(process) == code
        assert time.monotonic() - started < 15
        gate.opened.set()
        report = installed.json("run-once")
        assert time.monotonic() - started < 30  # the dead one's leases hold nothing up
        assert report["pages"]["waiting"] == 0
        assert is_complete(world, site)
        in_flight = Counter() if number == signal.SIGTERM else Counter([gate.path])
        assert Counter(site.pages) - Counter(PAGES) == in_flight  # nothing else comes twice
        assert len(site.asked()) == len(site.asked("/robots.txt")) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_that_ends_while_workers_read_feeds_is_continued(
    world: World, installed: Installation, number: signal.Signals, code: int
) -> None:
    """The first feeds start the workers; the others come when the workers run."""
    reached, opened = threading.Event(), threading.Event()

    def gated(peer: Peer, feed: bytes) -> None:
        reached.set()
        opened.wait(30)
        peer.answer(200, feed, (RSS,))

    feeds = {f"/{n}": rss(*(item(f"/{n}/{entry}") for entry in range(40))) for n in range(60)}
    scripts = {path: answering(feed, RSS) for path, feed in feeds.items()}
    scripts["/30"] = lambda peer: gated(peer, feeds["/30"])
    with Site(paths=scripts) as site:
        world.follow(*(site.url(path) for path in feeds), full_text=False)
        world.write()
        process = installed.start("run-once")
        assert reached.wait(60)
        time.sleep(2)  # the workers start
        opened.set()
        asked = len(site.server.requests)
        while len(site.server.requests) < asked + 8:
            assert process.poll() is None
            time.sleep(0.001)
        os.kill(process.pid, number)
        assert ended(process) == code
        installed.run("run-once")
        assert len(stored(world)) == 60 * 40
        assert all(len(site.asked(path)) <= 2 for path in feeds)


def test_a_signal_that_comes_early_ends_the_run_as_well(world: World, installed: Installation) -> None:
    with Site(lambda peer: peer.hang(30)) as site:
        world.follow(site.url())
        world.write()
        for seconds in (0.0, 0.3, 0.6):  # within the imports, while the store is opened, at the first request
            process = installed.start("run-once")
            while not catches(process, signal.SIGTERM):  # before our first line nobody does
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(seconds)
            process.send_signal(signal.SIGTERM)
            assert ended(process) == 143


@pytest.mark.parametrize(("command", "statuses"), [("run-once", {143}), ("run", {0, 143})])
def test_a_signal_among_the_imports_is_not_lost(
    world: World, installed: Installation, command: str, statuses: set[int]
) -> None:
    """A module swallows what the signal raises; the daemon may be about to serve when it comes again."""
    early = world.folder / "early"
    early.mkdir()
    (early / "feedparser.py").write_text(SIGNALLED)
    world.write()
    process = installed.start(command, PYTHONPATH=os.pathsep.join([str(early), *filter(None, sys.path)]))
    assert ended(process) in statuses


def test_kill_9_while_the_feed_is_asked_for_loses_nothing(world: World, installed: Installation) -> None:
    reached = threading.Event()

    def feed(peer: Peer) -> None:
        if not reached.is_set():
            reached.set()
            peer.hang(30)
        else:
            peer.answer(200, FEED)

    with Site(feed) as site, Site() as healthy:
        world.follow(site.url(), healthy.url())
        world.write()
        process = installed.start("run-once")
        assert reached.wait(30)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        installed.run("run-once")
        assert len(stored(world)) == len(PAGES) + 1
        assert len(site.asked()) == 2


def test_two_instances_at_once_share_the_work(world: World, installed: Installation) -> None:
    with ExitStack() as stack:
        sites = [stack.enter_context(Site(FEED)) for _ in range(3)]
        world.follow(*(site.url() for site in sites))
        world.write()
        processes = [installed.start("run-once", "--json") for _ in range(2)]
        outputs = [process.communicate(timeout=60) for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
        assert not any("Traceback" in err for _, err in outputs)
        reports = [json.loads(out) for out, _ in outputs]
        assert sum(report["feeds"]["polled"] for report in reports) == 3
        assert sum(report["articles"]["new"] for report in reports) == 3 * len(PAGES)
        assert all(len(site.asked()) == 1 and sorted(site.pages) == sorted(PAGES) for site in sites)
        articles = stored(world)
        assert len(articles) == len({one.id for one in articles}) == 3 * len(PAGES)
        files = [path.name for path in (installed.folder / "data" / "articles").glob("*/*/*/*.txt")]
        assert len(files) == len({name[:3] for name in files}) == 3 * len(PAGES)


def test_a_second_instance_does_what_the_first_one_leaves_and_goes(world: World, installed: Installation) -> None:
    gate = Gate("/a/1")
    with Site(rss(item("/a/1")), {"/a/1": gate}) as slow, Site(FEED) as other:
        world.follow(slow.url())
        world.write()
        first = installed.start("run-once")
        assert gate.reached.wait(30)
        world.follow(other.url())
        world.write()
        started = time.monotonic()
        second = installed.json("run-once")
        assert time.monotonic() - started < 20
        assert second["articles"]["new"] == len(PAGES)
        assert len(slow.pages) == 1
        gate.opened.set()
        assert ended(first) == 0
        assert len(stored(world)) == len(PAGES) + 1


@pytest.mark.skipif(not FAKETIME, reason="libfaketime is not installed")
@pytest.mark.parametrize("mode", [{}, {"DONT_FAKE_MONOTONIC": "1"}], ids=["all clocks", "the wall clock alone"])
def test_a_run_under_a_moved_clock_waits_for_no_longer_than_it_means_to(
    world: World, installed: Installation, mode: dict[str, str]
) -> None:
    """libfaketime has two modes: timed locks wait for an hour, or `time.sleep` fails (see `MOVED_CLOCK`)."""
    world.http["per_host_interval"] = "150ms"
    feed = one_by_one(answering(rss(item("/a/1"))), answering(rss(item("/a/2"), item("/a/3"))))
    with Site(feed) as site:
        world.follow(site.url())
        world.write()
        installed.run("run-once")
        started = time.monotonic()
        installed.run("run-once", LD_PRELOAD=FAKETIME[0], FAKETIME="+1h", PYTHONPATH=str(MOVED_CLOCK), **mode)
        assert time.monotonic() - started < 30
        assert site.pages == ["/a/1", "/a/2", "/a/3"]
        assert len(stored(world)) == 3


@pytest.mark.soak
def test_run_once_beside_the_daemon_simply_works(world: World, installed: Installation) -> None:
    with Site(FEED) as site:
        world.follow(site.url())
        world.write()
        daemon = installed.start("run")
        installed.json("run-once", "--all")
        daemon.send_signal(signal.SIGTERM)
        assert ended(daemon) == 0
        installed.run("run-once")
        assert is_complete(world, site)
        assert sorted(site.pages) == sorted(PAGES)


def test_what_a_failed_test_leaves_is_ended(installed: Installation) -> None:
    left = installed.start("run")
    done = installed.start("--version")
    done.communicate(timeout=60)
    end_all([left, done])
    assert (left.returncode, done.returncode) == (-signal.SIGKILL, 0)


# --- many hosts -------------------------------------------------------------------------------------------------------


class Memory(threading.Thread):
    """The most that a process and its children held at once, in bytes."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.ended = threading.Event()
        self._pid = pid

    def run(self) -> None:
        while not self.ended.wait(0.2):
            self.peak = max(self.peak, _resident(self._pid))


def _resident(pid: int) -> int:
    """Return the resident bytes of a process and all its children."""
    parents: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except (OSError, ValueError):
            continue
        parents[int(status.parent.name)] = int(facts["PPid"])
        sizes[int(status.parent.name)] = int(facts.get("VmRSS", "0").split()[0]) << 10
    total = 0
    for one in sizes:
        ancestor = one
        while ancestor not in (pid, 0):
            ancestor = parents.get(ancestor, 0)
        total += sizes[one] if ancestor == pid else 0
    return total


def _hostile() -> list[Script]:
    import gzip

    bomb = gzip.compress(bytes(300 << 20))
    hang: Script = lambda peer: peer.hang(90)  # noqa: E731
    drip: Script = lambda peer: peer.drip(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 5000, 0.3)  # noqa: E731
    return [
        *(hang,) * 4,
        *(drip,) * 3,
        lambda peer: peer.reset(),
        answering(bomb, "Content-Encoding: gzip"),
        lambda peer: peer.redirect("/feed"),
        answering(b"<html><body>Sorry</body></html>", HTML),
        answering(status=503),
    ]


@pytest.mark.soak
def test_a_dozen_hostile_hosts_hold_up_none_of_125(world: World, installed: Installation) -> None:
    world.http |= {"timeout": "20s", "total_timeout": "20s", "per_host_interval": "200ms"}
    few = rss(*(item(path) for path in PAGES[:4]))
    hostile = _hostile()
    with ExitStack() as stack:
        feeds = [*hostile, *(few,) * (125 - len(hostile))]
        sites = [stack.enter_context(Site(feed, host=f"127.0.1.{n}")) for n, feed in enumerate(feeds, 1)]
        world.follow(*(site.url() for site in sites))
        world.write()
        process = installed.start("run-once", "--json")
        memory = Memory(process.pid)
        memory.start()
        out, err = process.communicate(timeout=150)
        memory.ended.set()
        report = json.loads(out)
        assert (process.returncode, err) == (0, "")
        assert report["seconds"] < 60
        assert report["feeds"] == {"polled": 125, "unchanged": 0, "failed": len(hostile)}
        assert report["articles"]["new"] == 4 * (125 - len(hostile))
        assert memory.peak < 700 << 20
