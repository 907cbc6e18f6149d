"""The fleet's queue on a real PostgreSQL: a claim and its job are one, stale jobs are discarded, workers take turns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from procrastinate.schema import SchemaManager
from psycopg.conninfo import conninfo_to_dict

from aggregator.app import App, open_app
from aggregator.clock import SystemClock
from aggregator.config.loading import load_config
from aggregator.engine.fleet import FleetEngine
from aggregator.engine.jobs import JobQueue
from aggregator.engine.local import LocalEngine
from aggregator.engine.pool import WorkerPool
from aggregator.engine.visit_runner import Engine
from aggregator.errors import StorageError, StoreVersionError
from aggregator.ports.store_records import Claim
from aggregator.selftest.server import Peer
from aggregator.store import SqlStore, open_store
from tests.support.citizen import Site, World, item, rss
from tests.support.command import call
from tests.support.stores import LEASE, StandingClock, subscribe

URLS = [f"http://{name}.example/feed" for name in "abcdefgh"]
PATIENCE = 30.0


@pytest.fixture
def shared(queue_url: str, clock: StandingClock) -> Iterator[SqlStore]:
    """The store of a fleet whose queue is ready."""
    opened = open_store(queue_url, clock, use_clock=True)
    opened.set_up_queue(JobQueue())
    yield opened
    opened.close()


def jobs(url: str) -> list[tuple[int, dict[str, int]]]:
    """Return priority and arguments of what waits, in the order in which it is taken."""
    with psycopg.connect(url) as conn:
        return conn.execute(
            "SELECT priority, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY priority DESC, id"
        ).fetchall()


# --- a claim and its job ----------------------------------------------------------------------------------------------


def test_due_hosts_become_jobs_with_their_tokens_and_priorities(
    shared: SqlStore, queue_url: str, clock: StandingClock
) -> None:
    subscribe(shared, *URLS[:3])
    feeds = {feed.url: feed for feed in shared.feeds()}
    shared.make_due([feeds[URLS[2]].id], clock.now())
    filled = shared.fill_queue(JobQueue(), 4, LEASE)
    assert (filled.queued, filled.fleet) == (3, 4)
    (first, arguments), *others = jobs(queue_url)
    assert first == 1
    assert [priority for priority, _ in others] == [0, 0]
    held = shared.resume(arguments["host_id"], arguments["token"], LEASE)  # type: ignore[arg-type] # an id from JSON
    assert held is not None
    assert (held.host, held.priority) == ("c.example:80", 1)
    assert shared.due_feeds(held, clock.now()) == (feeds[URLS[2]],)
    assert shared.claim_hosts(10, LEASE) == ()


@dataclass
class FullDisk:
    """A queue in which the jobs are written, and then something fails."""

    queue: JobQueue

    def set_up(self, connection: Any, *, migrate: bool) -> None:
        self.queue.set_up(connection, migrate=migrate)

    def waiting(self, connection: Any) -> int:
        return self.queue.waiting(connection)

    def put(self, connection: Any, claims: Sequence[Claim]) -> None:
        self.queue.put(connection, claims)
        assert self.waiting(connection) == len(claims)
        raise StorageError("the disk is full")


def test_neither_lease_nor_job_is_left_when_the_transaction_fails(shared: SqlStore, queue_url: str) -> None:
    subscribe(shared, *URLS[:2])
    with pytest.raises(StorageError, match="the disk is full"):
        shared.fill_queue(FullDisk(JobQueue()), 4, LEASE)
    assert jobs(queue_url) == []
    assert shared.fill_queue(JobQueue(), 4, LEASE).queued == 2


def test_twice_as_many_wait_as_the_fleet_has_threads(shared: SqlStore, queue_url: str, clock: StandingClock) -> None:
    subscribe(shared, *URLS)
    assert shared.fill_queue(JobQueue(), 1, LEASE).queued == 2
    assert shared.fill_queue(JobQueue(), 1, LEASE).queued == 0
    other = open_store(queue_url, clock, use_clock=True)
    filled = other.fill_queue(JobQueue(), 2, LEASE)
    assert (filled.queued, filled.fleet) == (4, 3)
    other.leave_fleet()
    other.close()
    assert shared.fill_queue(JobQueue(), 2, LEASE).fleet == 2
    clock.pass_(timedelta(seconds=61))  # nobody has said that he is there for a minute
    assert shared.fill_queue(JobQueue(), 4, LEASE).queued == 2
    assert len(jobs(queue_url)) == 8


def test_a_member_that_died_counts_for_a_minute(shared: SqlStore, queue_url: str, clock: StandingClock) -> None:
    other = open_store(queue_url, clock, use_clock=True)
    other.fill_queue(JobQueue(), 8, LEASE)
    other.close()
    assert shared.fill_queue(JobQueue(), 1, LEASE).fleet == 9
    clock.pass_(timedelta(seconds=59))
    assert shared.fill_queue(JobQueue(), 1, LEASE).fleet == 9
    clock.pass_(timedelta(seconds=1))
    assert shared.fill_queue(JobQueue(), 1, LEASE).fleet == 1


def test_one_worker_fills_at_a_time(shared: SqlStore, queue_url: str) -> None:
    subscribe(shared, *URLS[:2])
    with psycopg.connect(queue_url) as conn:
        key = conn.execute("SELECT pg_try_advisory_xact_lock(%s)", (0x61677265_7175,)).fetchone()
        assert key == (True,)
        assert shared.fill_queue(JobQueue(), 4, LEASE).queued == 0
    assert shared.fill_queue(JobQueue(), 4, LEASE).queued == 2


# --- stale jobs -------------------------------------------------------------------------------------------------------


def test_a_queued_claim_goes_on_once_however_long_it_waited(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, URLS[0])
    (queued,) = store.claim_hosts(1, LEASE)
    clock.pass_(10 * LEASE)
    held = store.resume(queued.host_id, queued.token, LEASE)
    assert held is not None
    assert held.token > queued.token
    assert held.now == clock.now()
    assert store.due_feeds(held, clock.now()) == (feed,)
    assert store.claim_hosts(1, LEASE) == ()
    assert store.resume(queued.host_id, queued.token, LEASE) is None, "delivered twice"


def test_a_host_that_was_claimed_anew_is_not_resumed(store: SqlStore, clock: StandingClock) -> None:
    subscribe(store, URLS[0])
    (queued,) = store.claim_hosts(1, LEASE)
    clock.pass_(LEASE)
    (anew,) = store.claim_hosts(1, LEASE)
    assert store.resume(queued.host_id, queued.token, LEASE) is None
    assert store.renew(anew, LEASE)
    store.release(anew)
    assert store.resume(anew.host_id, anew.token, LEASE) is None


# --- the queue's own tables -------------------------------------------------------------------------------------------


def test_workers_that_start_at_once_make_the_queue_once(queue_url: str, clock: StandingClock) -> None:
    stores = [open_store(queue_url, clock, use_clock=True) for _ in range(3)]
    failed: list[BaseException] = []

    def set_up(one: SqlStore) -> None:
        try:
            one.set_up_queue(JobQueue())
        except StorageError as error:
            failed.append(error)

    threads = [threading.Thread(target=set_up, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in stores:
        one.close()
    assert failed == []
    assert jobs(queue_url) == []


def test_tables_that_are_not_ours_or_of_another_version_are_left_alone(
    queue_url: str, clock: StandingClock, tmp_path: Path
) -> None:
    opened = open_store(queue_url, clock, use_clock=True)
    with psycopg.connect(queue_url, autocommit=True) as conn:
        conn.execute(SchemaManager.get_schema())
        with pytest.raises(StorageError, match="queue of another program"):
            opened.set_up_queue(JobQueue())
        conn.execute("COMMENT ON TABLE procrastinate_jobs IS '99.00.00_01_next.sql'")
        with pytest.raises(StoreVersionError, match=r"version 99\.00"):
            opened.set_up_queue(JobQueue(), migrate=True)
        conn.execute("COMMENT ON TABLE procrastinate_jobs IS '03.04.00_01_pre_add_retry_failed_job_procedure.sql'")
        conn.execute("DROP TRIGGER procrastinate_trigger_status_events_update_v1 ON procrastinate_jobs")
        with pytest.raises(StorageError, match="db upgrade"):
            opened.set_up_queue(JobQueue())
        (tmp_path / "aggregator.toml").write_text(f'[storage]\nurl = "{queue_url}"\n', encoding="utf-8")
        assert call("db", "upgrade", "--config", tmp_path / "aggregator.toml").status == 0
        names = conn.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = 'procrastinate_jobs'::regclass").fetchall()
        assert ("procrastinate_trigger_status_events_update_v1",) in names
    opened.set_up_queue(JobQueue())
    opened.close()


# --- engines ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool(1, timedelta(seconds=20))
    yield made
    made.close()


@pytest.fixture(params=["local", "fleet"])
def driven(request: pytest.FixtureRequest, tmp_path: Path, pool: WorkerPool) -> Driven:
    """An engine of each kind over a store of its own."""
    world = World(tmp_path, pool)
    if request.param == "local":
        return Driven(world, "", lambda app: LocalEngine(app.visits))
    url: str = request.getfixturevalue("queue_url")
    return Driven(world, url, lambda app: FleetEngine(app.visits, app.store, url))


@dataclass
class Driven:
    """A world, and the engine that works in it."""

    world: World
    url: str
    engine_of: Callable[[App], Engine]

    def run(self, until: Callable[[App], bool]) -> None:
        """Fill, extract and wait until something holds; then stop."""
        config = load_config(self.world.write(), {"AGGREGATOR_STORAGE__URL": self.url} if self.url else {})
        with open_app(config, pool=self.world.pool) as app:
            engine = self.engine_of(app)
            deadline = time.monotonic() + PATIENCE
            while not until(app):
                assert time.monotonic() < deadline, "never came"
                assert app.visits.error is None, app.visits.error
                engine.fill()
                app.visits.line.step(0.02)
            engine.stop()
            self.world.articles = list(app.store.articles())


def test_a_page_announced_while_its_host_is_leased_is_collected_at_that_hosts_next_visit(driven: Driven) -> None:
    """The one site announces a page at the other while that is being visited."""
    is_visited, is_announced = threading.Event(), threading.Event()

    def slow(peer: Peer) -> None:
        is_visited.set()
        assert is_announced.wait(PATIENCE), "the announcement never came"
        peer.answer(body=rss(), headers=("Content-Type: application/rss+xml",))

    with Site(slow) as there, Site() as here:
        here.feed = lambda peer: (
            is_visited.wait(PATIENCE),
            peer.answer(body=rss(item(there.url("/a/late"))), headers=("Content-Type: application/rss+xml",)),
        )
        driven.world.follow(there.url(), here.url())

        def collected(app: App) -> bool:
            if app.store.counts().pages_due:
                assert is_announced.is_set() or there.pages == [], "the host was leased"
                is_announced.set()
            return bool(list(app.store.articles()))

        driven.run(collected)
        assert there.pages == ["/a/late"]
        assert len(there.asked()) == 1, "its next visit was for the page"


def test_visits_under_way_never_exceed_the_threads(driven: Driven) -> None:
    most, now, lock = [0], [0], threading.Lock()

    def answer(peer: Peer) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        peer.answer(body=rss(), headers=("Content-Type: application/rss+xml",))

    driven.world.polling["workers"] = 2
    sites = [Site(answer) for _ in range(6)]
    try:
        for site in sites:
            site.__enter__()
        driven.world.follow(*(site.url() for site in sites))
        driven.run(lambda app: app.visits.totals["feeds_polled"] == 6)
    finally:
        for site in sites:
            site.__exit__(None, None, None)
    assert most[0] == 2


def test_jobs_that_came_too_late_and_those_of_dead_workers_leave_the_queue(
    queue_url: str, tmp_path: Path, pool: WorkerPool
) -> None:
    world = World(tmp_path, pool)
    with Site() as late, Site() as dead, psycopg.connect(queue_url, autocommit=True) as conn:
        world.follow(late.url(), dead.url())
        config = load_config(world.write(), {"AGGREGATOR_STORAGE__URL": queue_url})
        with open_app(config, pool=pool) as app:
            engine = FleetEngine(app.visits, app.store, queue_url)
            assert app.store.fill_queue(JobQueue(), 4, LEASE).queued == 2
            conn.execute(
                "UPDATE procrastinate_jobs SET status = 'doing' WHERE id = (SELECT max(id) FROM procrastinate_jobs)"
            )
            conn.execute("UPDATE hosts SET lease_until = 0")
            assert len(app.store.claim_hosts(2, LEASE)) == 2
            deadline = time.monotonic() + PATIENCE
            while conn.execute("SELECT 1 FROM procrastinate_jobs").fetchall():
                assert time.monotonic() < deadline, "never came"
                engine.fill()
                time.sleep(0.05)
            engine.stop()
        assert late.server.requests == dead.server.requests == []


def test_a_reload_changes_how_many_visits_a_member_holds(driven: Driven) -> None:
    begun, over = [], threading.Event()

    def answer(peer: Peer) -> None:
        begun.append(peer.server.port)
        over.wait(PATIENCE)
        peer.answer(body=rss(), headers=("Content-Type: application/rss+xml",))

    driven.world.polling["workers"] = 1
    driven.world.http |= {"timeout": "20s", "total_timeout": "20s"}
    with Site(answer) as one, Site(answer) as two:
        driven.world.follow(one.url(), two.url())

        def polled(app: App) -> bool:
            if len(begun) == 1:
                app.visits.workers = 2
            elif len(begun) == 2:
                over.set()
            return app.visits.totals["feeds_polled"] == 2

        driven.run(polled)
    assert sorted(begun) == sorted([one.server.port, two.server.port])


def test_the_polls_of_a_fleet_are_shared_out_by_threads(queue_url: str, tmp_path: Path, pool: WorkerPool) -> None:
    world = World(tmp_path, pool)
    world.polling["workers"] = 8
    config = load_config(world.write(), {"AGGREGATOR_STORAGE__URL": queue_url})
    with open_app(config, pool=pool) as app, closing(open_store(queue_url, SystemClock())) as other:
        engine = FleetEngine(app.visits, app.store, queue_url)
        other.fill_queue(JobQueue(), 24, LEASE)
        engine.fill()
        assert (engine.share, LocalEngine(app.visits).share) == (0.25, 1.0)
        engine.stop()
        assert engine.fill() == 0


@contextmanager
def away(url: str) -> Iterator[None]:
    """Let the database refuse everybody for a while, and end what is connected."""
    name = conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, dbname="postgres", autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            yield
        finally:
            conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    with psycopg.connect(url, autocommit=True) as conn:
        for table in ("hosts", "pages"):  # the time passes for which what was in hand is leased
            conn.execute(f"UPDATE {table} SET lease_until = 0")


def test_a_fleet_waits_for_its_database(queue_url: str, tmp_path: Path, pool: WorkerPool) -> None:
    world = World(tmp_path, pool)
    world.http["per_host_interval"] = "50ms"
    with Site(rss(*(item(f"/a/{number}") for number in range(12)))) as site:
        world.follow(site.url())
        config = load_config(world.write(), {"AGGREGATOR_STORAGE__URL": queue_url})
        with open_app(config, pool=pool) as app:
            engine = FleetEngine(app.visits, app.store, queue_url)

            def work(until: Callable[[], bool]) -> None:
                deadline = time.monotonic() + PATIENCE
                while not until():
                    assert time.monotonic() < deadline, "never came"
                    try:
                        app.visits.take_error()
                        engine.fill()
                        app.visits.line.step(0.02)
                    except StorageError:
                        engine.rest()
                        time.sleep(0.02)

            work(lambda: len(site.pages) > 2)
            with away(queue_url):
                with pytest.raises(StorageError):
                    engine.fill()
                with pytest.raises(StorageError):
                    app.publish()
                engine.rest()
            work(lambda: len(list(app.store.articles())) == 12)
            with away(queue_url):
                engine.stop()
    assert len(site.pages) <= 13, "the request that was under way is repeated"
