"""The lock files by which processes know that another one is dead."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from aggregator.models.feeds import Subscription
from aggregator.store import open_store
from aggregator.store.db.process_lock import ProcessLock, file_lock, machine_id
from tests.support.databases import empty_postgres
from tests.support.stores import LEASE, START, StandingClock, subscribe


def dead_file(folder: Path) -> str:
    """What a killed process leaves: a file that nobody locks."""
    name = "d" * 32
    (folder / name).touch()
    return f"{machine_id()}:{name}"


def test_a_living_process_is_not_dead(tmp_path: Path) -> None:
    with closing(ProcessLock(tmp_path)) as one, closing(ProcessLock(tmp_path)) as other:
        assert one.owner != other.owner
        assert not one.is_dead(other.owner)
        assert not one.is_dead(one.owner)
        assert one.others_alive()
    assert not tmp_path.exists()


def test_what_can_be_locked_is_dead(tmp_path: Path) -> None:
    with closing(ProcessLock(tmp_path)) as lock:
        owner = dead_file(tmp_path)
        assert lock.is_dead(owner)
        assert not lock.others_alive()


@pytest.mark.parametrize("owner", ["", "elsewhere:" + "d" * 32, "no name", f"{machine_id()}:../../etc/passwd"])
def test_what_is_missing_or_foreign_proves_nothing(tmp_path: Path, owner: str) -> None:
    with closing(ProcessLock(tmp_path)) as lock:
        dead_file(tmp_path)
        assert not lock.is_dead(owner)
        assert not lock.is_dead(f"{machine_id()}:{'e' * 32}")


def test_files_of_the_dead_are_swept_once_no_lease_names_them(tmp_path: Path) -> None:
    with closing(ProcessLock(tmp_path)) as one, closing(ProcessLock(tmp_path)) as other:
        owner = dead_file(tmp_path)
        (tmp_path / "notes").touch()
        one.sweep([owner])
        assert one.is_dead(owner)
        one.sweep([])
        assert {file.name for file in tmp_path.iterdir()} == {
            "notes",
            one.owner.rpartition(":")[2],
            other.owner.rpartition(":")[2],
        }


def test_a_process_whose_file_was_replaced_takes_a_new_name(tmp_path: Path) -> None:
    with closing(ProcessLock(tmp_path)) as lock:
        before = lock.owner
        lock.renew()
        assert lock.owner == before
        file = tmp_path / before.rpartition(":")[2]
        file.unlink()
        file.touch()
        assert not lock.is_ours()
        lock.renew()
        assert lock.owner != before
        assert lock.is_ours()
        lock.close()
        lock.close()


def test_a_lock_is_held_by_one(tmp_path: Path, clock: StandingClock) -> None:
    path = tmp_path / "x.lock"
    with file_lock(path, timedelta(0), clock) as held, file_lock(path, timedelta(seconds=1), clock) as also_held:
        assert (held, also_held) == (True, False)
    with file_lock(path, timedelta(0), clock) as held:
        assert held


def test_a_name_lost_on_the_way_frees_by_time(tmp_path: Path, clock: StandingClock) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    store, other = open_store(url, clock), open_store(url, clock)
    subscribe(store, "http://a.example/feed")
    (held,) = store.claim_hosts(1, LEASE)
    for file in (tmp_path / "a.db.locks").iterdir():
        file.unlink()
    assert other.free_dead_leases() == store.free_dead_leases() == 0
    assert store.renew(held, LEASE)
    clock.pass_(LEASE)
    assert len(other.claim_hosts(1, LEASE)) == 1
    store.close()
    other.close()


def test_a_transaction_that_a_deadlock_stopped_is_done_again(postgres_url: str, clock: StandingClock) -> None:
    """Another session locks two hosts in the wrong order; PostgreSQL stops the one that waited first: us."""
    empty_postgres(postgres_url)
    store = open_store(postgres_url, clock, use_clock=True)
    urls = ("http://a.example/feed", "http://b.example/feed")
    first, second = subscribe(store, *urls)
    with psycopg.connect(postgres_url) as rude:
        rude.execute("SET deadlock_timeout = '20s'")
        ids = [row[0] for row in rude.execute("SELECT id FROM hosts ORDER BY id").fetchall()]
        rude.execute("SELECT 1 FROM hosts WHERE id = %s FOR UPDATE", [ids[1]])
        ours = threading.Thread(target=store.make_due, args=([first.id, second.id], START - timedelta(hours=1)))
        ours.start()
        with psycopg.connect(postgres_url, autocommit=True) as watch:
            while not watch.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                pass
        rude.execute("SELECT 1 FROM hosts WHERE id = %s FOR UPDATE", [ids[0]])
        rude.rollback()
    ours.join()
    assert [feed.state.due_at for feed in store.feeds()] == [START - timedelta(hours=1)] * 2
    store.sync_feeds([Subscription(url=url) for url in urls], "x", START)
    store.close()
