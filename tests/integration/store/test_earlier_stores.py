"""Stores that earlier versions wrote are upgraded, and nothing in them is lost (tests/data/stores)."""

from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from aggregator.app import App, open_app
from aggregator.config.loading import load_config
from aggregator.demo.configuration import demo_config
from aggregator.demo.newsroom import Newsroom
from aggregator.models.fetching import Cause
from aggregator.models.pages import PageFailed
from aggregator.ports.readings import ArticleSearch
from aggregator.rawstore import FileRawStore
from aggregator.store import SqlStore, backup, open_store, upgrade
from aggregator.store.db.database import Database
from aggregator.store.db.dialects import dialect_of
from aggregator.store.db.record_form import Position, convert_batch
from aggregator.store.db.schema import HEAD
from tests.support.databases import is_sound, new_database, postgres_tools
from tests.support.stores import LEASE, StandingClock, fetch_due, fetched_pages

DATA = Path(__file__).parents[2] / "data" / "stores"
LATER = datetime(2026, 12, 3, 12, 0, tzinfo=UTC)  # two days after the stores were written: every lease has run out
SEED_TEXT = "Russia"

Json = dict[str, Any]  # Any: what the earlier program read, as JSON


def stored(name: str) -> bytes:
    return gzip.decompress((DATA / name).read_bytes())


@pytest.fixture(scope="module")
def before() -> Json:
    """What the earlier program read."""
    read: Json = json.loads(stored("read.json.gz"))
    return read


TO_0001 = "DROP TABLE page_parts; UPDATE alembic_version SET version_num = '0001'"  # schema 0002 added this alone


@pytest.fixture(params=["0001", "0002"])
def version(request: pytest.FixtureRequest) -> str:
    """The schema of the store before it is upgraded."""
    schema: str = request.param
    return schema


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest, version: str, tmp_path: Path) -> Iterator[str]:
    """A store of an earlier schema, not upgraded yet."""
    if request.param == "sqlite":
        (tmp_path / "old.db").write_bytes(stored("schema-0002.db.gz"))
        with closing(sqlite3.connect(tmp_path / "old.db")) as conn:
            conn.executescript(TO_0001 if version == "0001" else "")
        yield f"sqlite:///{tmp_path / 'old.db'}"
        return
    with new_database(request.getfixturevalue("postgres_url"), "earlier") as url:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(stored("schema-0002.sql.gz"))
            conn.execute(TO_0001 if version == "0001" else "")
        yield url


@pytest.fixture
def upgraded(old_url: str, version: str) -> Iterator[SqlStore]:
    clock = StandingClock(at=LATER)
    assert upgrade(old_url, clock) == (version, HEAD)
    store = open_store(old_url, clock, use_clock=True)
    yield store
    store.close()


def plain(value: object, like: object) -> Any:  # Any: JSON
    """Return a value as JSON gives it back, without the fields that `like` has not: they came later."""

    def encode(one: object) -> object:
        return one.isoformat() if isinstance(one, datetime) else one.total_seconds()  # type: ignore[attr-defined]

    return _without_later_fields(json.loads(json.dumps(value, default=encode)), like)


def _without_later_fields(value: Any, like: Any) -> Any:  # Any: JSON
    if isinstance(value, dict) and isinstance(like, dict):
        return {name: _without_later_fields(value[name], like[name]) for name in value if name in like}
    if isinstance(value, list) and isinstance(like, list) and len(value) == len(like):
        return [_without_later_fields(one, other) for one, other in zip(value, like, strict=True)]
    return value


def test_everything_is_read_as_before(upgraded: SqlStore, before: Json) -> None:
    articles, feeds = list(upgraded.articles()), upgraded.feeds()
    assert plain([asdict(one) for one in articles], before["articles"]) == before["articles"]
    revisions = {one.id: [asdict(text) for text in upgraded.revisions(one.id)] for one in articles}
    assert plain(revisions, before["revisions"]) == before["revisions"]
    assert plain([asdict(one) for one in feeds], before["feeds"]) == before["feeds"]
    polls = {one.url: [asdict(poll) for poll in upgraded.polls(one.id)] for one in feeds}
    assert plain(polls, before["polls"]) == before["polls"]
    assert before["counts"].items() <= asdict(upgraded.counts()).items()
    assert plain([asdict(gap) for gap in upgraded.gaps()], before["gaps"]) == before["gaps"]
    assert plain(upgraded.failed_pages(), before["failed_pages"]) == before["failed_pages"]
    changes = upgraded.changes_after(0, 1000)
    assert [[c.seq, c.kind, c.article_id, c.merged_into, c.day, c.number] for c in changes] == before["changes"]


def test_an_upgrade_that_was_killed_goes_on(old_url: str, version: str, before: Json) -> None:
    """Each batch is a transaction of its own: the process ends after any of them."""
    clock = StandingClock(at=LATER)
    database = Database(dialect_of(old_url), clock, use_clock=True)
    database.write(lambda tx: convert_batch(tx.conn, Position(column=1)))  # entries; feeds and revisions are not yet
    database.close()
    assert upgrade(old_url, clock) == (version, HEAD)
    store = open_store(old_url, clock, use_clock=True)
    assert plain([asdict(one) for one in store.articles()], before["articles"]) == before["articles"]
    assert plain([asdict(one) for one in store.feeds()], before["feeds"]) == before["feeds"]
    store.close()


def test_a_backup_of_an_earlier_schema_is_restored_and_upgraded(
    old_url: str, version: str, before: Json, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """On SQLite by `db backup` of this version; on PostgreSQL by the database's own tools."""
    with ExitStack() as stack:
        if old_url.startswith("sqlite"):
            backup(old_url, tmp_path / "backup.db")
            restored = f"sqlite:///{tmp_path / 'backup.db'}"
        else:
            tools = postgres_tools()
            dump, load = [tools / "pg_dump", "--no-owner", old_url], [tools / "psql", "--quiet"]
            restored = stack.enter_context(new_database(request.getfixturevalue("postgres_url"), "restored"))
            saved = subprocess.run(dump, check=True, stdout=subprocess.PIPE).stdout
            subprocess.run([*load, restored], check=True, input=saved, stdout=subprocess.DEVNULL)
        clock = StandingClock(at=LATER)
        assert upgrade(restored, clock) == (version, HEAD)
        store = open_store(restored, clock, use_clock=True)
        assert plain([asdict(one) for one in store.articles()], before["articles"]) == before["articles"]
        assert is_sound(restored)
        store.close()
        assert upgrade(old_url, clock) == (version, HEAD), "what was backed up is as it was"


def test_why_and_duplicates_and_search_are_as_before(upgraded: SqlStore, before: Json) -> None:
    for url, decisions in before["decisions"].items():
        assert plain([asdict(one) for one in upgraded.decisions([url], [])], decisions) == decisions
        assert upgraded.article(url) is not None
    for article_id, others in before["near_duplicates"].items():
        assert list(upgraded.near_duplicates(article_id)) == others
    assert any(before["near_duplicates"].values())
    found = {one.article.key for one in upgraded.search(ArticleSearch(query=SEED_TEXT)).found}
    assert "dw:63723431" in found


def test_articles_are_found_by_the_language_of_their_current_text(upgraded: SqlStore) -> None:
    spoken = {one.id: one.content.language for one in upgraded.articles()}
    assert any(spoken.values())
    for tag in filter(None, spoken.values()):
        main = tag.partition("-")[0]
        found = {one.article.id for one in upgraded.search(ArticleSearch(language=main, limit=500)).found}
        assert found == {one for one, its in spoken.items() if its.partition("-")[0] == main}


def test_an_entry_with_every_field_is_read_as_before(upgraded: SqlStore, before: Json) -> None:
    assert len(fetch_due(upgraded)) >= len(before["entries"])
    entries = {page.entry.link: page.entry for page in fetched_pages(upgraded) if page.entry is not None}
    for link, entry in before["entries"].items():
        assert plain(asdict(entries[link]), entry) == entry


def test_a_lease_of_a_process_that_is_gone_runs_out(upgraded: SqlStore) -> None:
    (host,) = {feed.host for feed in upgraded.feeds() if feed.name == "All fields"}
    assert upgraded.claim_host(host, LEASE) is not None


@pytest.fixture
def app(old_url: str, tmp_path: Path) -> Iterator[App]:
    """The program over an upgraded store, with the newsroom that the store was filled from."""
    clock = StandingClock(at=LATER)
    upgrade(old_url, clock)
    with Newsroom() as newsroom:
        newsroom.advance()
        path = tmp_path / "aggregator.toml"
        text = demo_config(tmp_path, newsroom).replace(f"sqlite:///{tmp_path / 'aggregator.db'}", old_url)
        path.write_text(text, encoding="utf-8")
        with open_app(load_config(path, {}), clock=clock) as opened:
            yield opened


def test_the_next_run_brings_nothing_twice(app: App, before: Json) -> None:
    report, _ = app.run_once(force=True)
    assert report.feeds_polled + report.feeds_failed >= len(before["feeds"]) - 1
    assert report.entries_new == 0
    was_waiting = set(before["entries"])  # the addresses of the pages that were due
    assert {one.id for one in app.store.articles() if one.url not in was_waiting} == {
        one["id"] for one in before["articles"]
    }


def test_a_page_that_was_refused_for_a_word_is_fetched_once_more(old_url: str, before: Json, tmp_path: Path) -> None:
    (refused,) = (url for url, cause, _ in before["failed_pages"] if cause == "low_quality")
    clock = StandingClock(at=LATER)
    upgrade(old_url, clock)
    with closing(open_store(old_url, clock, use_clock=True)) as store:
        raw_store = FileRawStore(tmp_path / "raw")  # without any bytes
        assert refused not in {page.url for page in fetch_due(store)}
        assert store.ask_refused_again(raw_store)
        clock.pass_(timedelta(days=7))
        assert [page.url for page in fetch_due(store)].count(refused) == 1
        (page,) = (page for page in fetched_pages(store) if page.url == refused)
        assert store.record_extraction_failure(page, PageFailed(cause=Cause.NO_TEXT), None)
        assert store.ask_refused_again(raw_store)
        clock.pass_(timedelta(days=7))
        assert refused not in {page.url for page in fetch_due(store)}
