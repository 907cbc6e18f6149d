"""Opening a store: what is not there, not ours, too old, too new, held, full; backup and copy."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, make_url
from sqlalchemy.engine import Engine

from aggregator.errors import NoStoreError, StorageError, StoreHeldError, StoreVersionError
from aggregator.ports.readings import ArticleSearch, Position
from aggregator.store import backup, copy_store, open_store, upgrade
from aggregator.store.db.schema import HEAD, metadata
from aggregator.store.lifecycle.upgrading import VERSIONS
from tests.support.databases import empty_postgres, is_sound, new_database
from tests.support.stores import LEASE, START, StandingClock, collect, ids, poll, sighting, subscribe

FEED = "http://a.example/feed"


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def set_version(file: Path, version: str) -> None:
    with closing(sqlite3.connect(file)) as conn:
        conn.execute("UPDATE alembic_version SET version_num = ?", (version,))
        conn.commit()


def migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[3] / "aggregator" / "store" / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


# --- the schema -------------------------------------------------------------------------------------------------------


def test_the_migrations_make_the_schema_and_end_at_head(store_url: str) -> None:
    from alembic.autogenerate import compare_metadata

    engine = create_engine(store_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as conn:

        def ours(item: object, name: str | None, kind: str, *_: object) -> bool:
            return not (kind == "table" and (name or "").startswith(("article_search", "procrastinate_")))

        context = MigrationContext.configure(conn, opts={"include_object": ours, "compare_type": False})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []
    scripts = ScriptDirectory.from_config(migrations())
    assert scripts.get_current_head() == HEAD == VERSIONS[-1]
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(VERSIONS)


def test_a_store_is_made_with_its_folders_and_opened_again(tmp_path: Path, clock: StandingClock) -> None:
    url = url_of(tmp_path / "deep" / "data" / "a b?#%.db")
    open_store(url, clock).close()
    store = open_store(url, clock, create=False)
    assert store.counts().feeds == 0
    assert is_sound(url)
    store.close()
    store.close()
    assert not list((tmp_path / "deep" / "data").glob("*.locks/*"))


def test_a_store_that_is_read_only_is_read(tmp_path: Path, clock: StandingClock) -> None:
    url = url_of(tmp_path / "a.db")
    with pytest.raises(StorageError, match="there is no store yet"):
        open_store(url, clock, readonly=True)
    writing = open_store(url, clock)
    subscribe(writing, FEED)
    store = open_store(url, clock, readonly=True)
    assert len(store.feeds()) == 1
    assert store.free_dead_leases() == 0
    with pytest.raises(StorageError, match="cannot be written"):
        store.claim_hosts(1, LEASE)
    store.close()
    writing.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("data/a.db", "names no store"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("mysql://root@localhost/x", '"mysql" is unknown'),
    ],
)
def test_a_url_that_names_no_store(url: str, words: str, clock: StandingClock) -> None:
    with pytest.raises(StorageError, match=words):
        open_store(url, clock)


def test_no_store_where_none_may_be_made(tmp_path: Path, clock: StandingClock) -> None:
    with pytest.raises(StorageError, match="there is no store yet"):
        open_store(url_of(tmp_path / "a.db"), clock, create=False)
    with pytest.raises(StorageError, match="is a folder"):
        open_store(url_of(tmp_path), clock)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="folder cannot be made"):
        open_store(url_of(tmp_path / "file" / "a.db"), clock)
    (tmp_path / "b.db.locks").touch()
    with pytest.raises(StorageError, match="check its folder's permissions"):
        open_store(url_of(tmp_path / "b.db"), clock)


def test_an_empty_file_becomes_a_store_only_where_one_may_be_made(tmp_path: Path, clock: StandingClock) -> None:
    file = tmp_path / "a.db"
    file.touch()
    with pytest.raises(StorageError, match="there is no store yet"):
        open_store(url_of(file), clock, create=False)
    open_store(url_of(file), clock).close()


def test_what_is_no_store_of_ours(tmp_path: Path, clock: StandingClock) -> None:
    file = tmp_path / "a.db"
    file.write_bytes(b"this is not a database, but long enough to look at" * 50)
    with pytest.raises(StorageError, match="not a store of ours"):
        open_store(url_of(file), clock)
    other = tmp_path / "b.db"
    with closing(sqlite3.connect(other)) as conn:
        conn.execute("CREATE TABLE customers (id)")
    with pytest.raises(StorageError, match="another program"):
        open_store(url_of(other), clock)
    with pytest.raises(StorageError, match="another program"):
        upgrade(url_of(other), clock)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "b.db"], "nothing of ours is left beside them"


def test_a_damaged_store_says_so(sqlite_template: Path, tmp_path: Path, clock: StandingClock) -> None:
    file = tmp_path / "a.db"
    store = open_store(url_of(file), clock)
    subscribe(store, *(f"http://h{n}.example/{'x' * 500}" for n in range(200)))
    store.close()
    whole = bytearray(file.read_bytes())
    whole[4096 * 8 :] = os.urandom(len(whole) - 4096 * 8)
    file.write_bytes(whole)
    with pytest.raises(StorageError, match="damaged"):
        read_everything(file, clock)


def read_everything(file: Path, clock: StandingClock) -> None:
    store = open_store(url_of(file), clock)
    try:
        store.feeds()
        store.counts()
        list(store.articles())
    finally:
        store.close()


def test_a_full_disk_loses_nothing(tmp_path: Path, clock: StandingClock) -> None:
    url = url_of(tmp_path / "a.db")
    open_store(url, clock).close()

    def narrow(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count=200")

    event.listen(Engine, "connect", narrow)
    store = open_store(url, clock)
    try:
        (feed,) = subscribe(store, FEED)
        poll(store, feed, sighting("small"))
        clock.pass_(LEASE)
        with pytest.raises(StorageError, match="disk is full"):
            poll(store, feed, *(sighting(n, content="x" * 100_000) for n in range(20)))
        assert store.counts().entries == 1
    finally:
        event.remove(Engine, "connect", narrow)
        store.close()
    clock.pass_(LEASE)
    store = open_store(url, clock)
    poll(store, feed, sighting("more", content="x" * 1_000_000))
    assert store.counts().entries == 2
    assert is_sound(url)
    store.close()


# --- versions ---------------------------------------------------------------------------------------------------------


def test_a_newer_store_is_refused(tmp_path: Path, clock: StandingClock) -> None:
    file = tmp_path / "a.db"
    open_store(url_of(file), clock).close()
    set_version(file, "9999")
    with pytest.raises(StoreVersionError, match="9999"):
        open_store(url_of(file), clock)
    with pytest.raises(StoreVersionError, match="9999"):
        upgrade(url_of(file), clock)


def test_upgrade_makes_and_keeps(tmp_path: Path, clock: StandingClock) -> None:
    url = url_of(tmp_path / "a.db")
    assert upgrade(url, clock) == (None, HEAD)
    assert upgrade(url, clock) == (HEAD, HEAD)
    store = open_store(url, clock)
    with pytest.raises(StoreHeldError, match="stop it first"):
        upgrade(url, clock)
    store.close()


def test_a_store_of_the_first_version_gets_what_is_new(tmp_path: Path, clock: StandingClock) -> None:
    file = tmp_path / "a.db"
    engine = create_engine(url_of(file))
    with engine.begin() as conn:
        config = migrations()
        config.attributes["connection"] = conn
        command.upgrade(config, "0001")
    engine.dispose()
    assert upgrade(url_of(file), clock) == ("0001", HEAD)
    with closing(sqlite3.connect(file)) as conn:
        assert conn.execute("SELECT count(*) FROM page_parts").fetchone() == (0,)
        assert conn.execute("SELECT length(value) FROM properties WHERE name = 'epoch'").fetchone() == (32,)


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there(clock: StandingClock) -> None:
    with pytest.raises(StorageError, match=r"is the server running") as raised:
        open_store("postgresql://user:secret@127.0.0.1:1/db", clock)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_postgresql_store_is_made_once(postgres_url: str, clock: StandingClock) -> None:
    name = "fresh_store"
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {name}")
        conn.execute(f"CREATE DATABASE {name}")
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    with pytest.raises(StorageError, match="there is no store yet"):
        open_store(url, clock, create=False)
    open_store(url, clock).close()
    assert upgrade(url, clock) == (HEAD, HEAD)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreVersionError):
        open_store(url, clock)
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name}")


# --- as a whole -------------------------------------------------------------------------------------------------------


def filled(url: str, clock: StandingClock) -> list[str]:
    store = open_store(url, clock, use_clock=True)
    (feed,) = subscribe(store, FEED)
    poll(store, feed, *(sighting(n) for n in range(4)))
    collect(store)
    store.number_changes()
    found = [str(article_id) for article_id in ids(store)]
    store.close()
    return found


def epoch_of(file: Path, clock: StandingClock) -> str:
    store = open_store(url_of(file), clock, readonly=True)
    found = store.position()
    store.close()
    assert found.seq == 4
    return found.epoch


def test_a_backup_is_a_store(tmp_path: Path, clock: StandingClock) -> None:
    found = filled(url_of(tmp_path / "a.db"), clock)
    store = open_store(url_of(tmp_path / "a.db"), clock)
    held = store.claim_hosts(1, LEASE)
    target = tmp_path / "backup.db"
    backup(url_of(tmp_path / "a.db"), target)
    first = epoch_of(target, clock)
    backup(url_of(tmp_path / "a.db"), target)
    assert len({first, epoch_of(target, clock), store.position().epoch}) == 3  # each may go on by itself
    with pytest.raises(StorageError, match="cannot be written"):
        backup(url_of(tmp_path / "a.db"), tmp_path / "nowhere" / "b.db")
    store.close()
    assert held == ()
    assert sorted(file.name for file in tmp_path.iterdir() if file.suffix == ".db") == ["a.db", "backup.db"]
    copy = open_store(url_of(target), clock)
    assert ids(copy) == found
    copy.close()


def test_only_stores_of_ours_are_backed_up(tmp_path: Path, clock: StandingClock) -> None:
    with pytest.raises(NoStoreError):
        backup(url_of(tmp_path / "a.db"), tmp_path / "b.db")
    (tmp_path / "a.db").touch()
    with pytest.raises(NoStoreError):
        backup(url_of(tmp_path / "a.db"), tmp_path / "b.db")
    (tmp_path / "a.db").unlink()
    open_store(url_of(tmp_path / "a.db"), clock).close()
    set_version(tmp_path / "a.db", "9999")
    with pytest.raises(StoreVersionError):
        backup(url_of(tmp_path / "a.db"), tmp_path / "b.db")
    assert not (tmp_path / "b.db").exists()


@pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "--map-root-user", "true"], check=False, stderr=subprocess.DEVNULL).returncode
    != 0,
    reason="this machine lets nobody mount in a name space of his own",
)
def test_a_store_on_a_disk_that_is_mounted_read_only_is_read(tmp_path: Path, clock: StandingClock) -> None:
    """No log and no lock can be made there."""
    folder = tmp_path / "disk"
    found = filled(url_of(folder / "a.db"), clock)
    code = (
        "from aggregator.clock import SystemClock; from aggregator.store import open_store;"
        f"store = open_store({url_of(folder / 'a.db')!r}, SystemClock(), readonly=True);"
        "print(*(one.id for one in store.articles())); store.close()"
    )
    mount = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && exec {sys.executable} -c '{code}'"
    mount = mount.replace(f"-c '{code}'", '-c "$CODE"')
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "CODE": code})
    assert said.stdout.split() == found


def test_postgresql_is_backed_up_by_its_own_tool(postgres_url: str, tmp_path: Path, clock: StandingClock) -> None:
    operate = (Path(__file__).parents[3] / "docs" / "how-to" / "operate.md").read_text(encoding="utf-8")
    (statement,) = re.findall('"(UPDATE properties .*)"', operate)  # after a restore, so that followers start again
    with new_database(postgres_url, "backup_") as url:  # an emptied store has no epoch
        store = open_store(url, clock)
        with pytest.raises(StorageError, match="pg_dump"):
            backup(url, tmp_path / "b")
        before = store.position()
        with psycopg.connect(url) as conn:
            conn.execute(statement)
        after = store.position()
        store.close()
    assert (after.seq, len(after.epoch), after.epoch != before.epoch) == (before.seq, 32, True)


def test_a_store_moves_from_engine_to_engine(postgres_url: str, tmp_path: Path, clock: StandingClock) -> None:
    found = filled(url_of(tmp_path / "a.db"), clock)
    empty_postgres(postgres_url)
    seen: list[int] = []
    rows = copy_store(url_of(tmp_path / "a.db"), postgres_url, clock, lambda done: seen.append(len(done)))
    assert rows["articles"] == 4
    epoch = epoch_of(tmp_path / "a.db", clock)
    assert seen[-1] == len(metadata.tables)
    with pytest.raises(StorageError, match="not empty"):
        copy_store(url_of(tmp_path / "a.db"), postgres_url, clock)
    assert copy_store(postgres_url, url_of(tmp_path / "b.db"), clock) == rows
    for url in (postgres_url, url_of(tmp_path / "b.db")):
        store = open_store(url, clock, use_clock=True)
        assert ids(store) == found
        assert store.position() == Position(epoch=epoch, seq=4)  # the store has moved: cursors go on
        assert store.search(ArticleSearch(query="Article")).count == 4
        (feed,) = store.feeds()
        clock.pass_(timedelta(hours=1))
        poll(store, feed, sighting(f"new {clock.now() - START}"))
        assert [recorded.kind for recorded in collect(store)] == ["new"]
        store.close()
