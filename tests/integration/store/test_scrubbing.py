"""What `forget` leaves in the files of the database: not one word of the text."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from aggregator.store import SqlStore
from aggregator.store.db.dialects import SqliteDialect
from tests.support.databases import empty_postgres, is_sound
from tests.support.stores import (
    URL,
    StandingClock,
    article_record,
    collect,
    fetch_due,
    fetched_pages,
    identity,
    poll,
    record_article,
    sighting,
    subscribe,
)

WAIT = timedelta(seconds=20)
SECRET = 7  # the number of the article that is forgotten


def text_of(number: int, count: int = 900) -> str:
    """A text whose words are its own; long enough for pages of their own in a database, and for no compression."""
    pick = random.Random(number)
    return " ".join(f"q{number}q{pick.getrandbits(40):x}" for _ in range(count))


def files_of(store_url: str) -> Iterator[Path]:
    """The files of a store; those of PostgreSQL are tables and indexes, without the log."""
    if store_url.startswith("sqlite"):
        path = Path(store_url.removeprefix("sqlite:///"))
        yield from (file for file in path.parent.glob(f"{path.name}*") if file.is_file())
        return
    with closing(psycopg.connect(store_url, autocommit=True)) as conn:
        conn.execute("CHECKPOINT")
        own = "SELECT oid FROM pg_database WHERE datname = current_database()"  # others hold the same words
        row = conn.execute(f"SELECT current_setting('data_directory') || '/base/' || ({own})").fetchone()
    assert row is not None
    yield from (file for file in Path(row[0]).rglob("*") if file.is_file())


def remains(store_url: str, mark: str) -> list[str]:
    """The files in which a word of the text stands."""
    return [file.name for file in files_of(store_url) if mark.encode() in file.read_bytes()]


def fill(store: SqlStore, clock: StandingClock, count: int = 12) -> None:
    """Articles that came, changed, and were announced again: what a store has moved about for a while."""
    (feed,) = subscribe(store, "http://a.example/feed")
    for turn in range(2):
        poll(
            store,
            feed,
            *(
                sighting(number, content=f"<p>{text_of(number, 400 + turn)}</p>", content_hash=str(turn))
                for number in range(count)
            ),
        )
        fetch_due(store)
        for page in fetched_pages(store):
            number = int(page.url.rpartition("-")[2])
            body = f"{text_of(number)} edition {turn}"
            record_article(store, page, article_record(page, title=text_of(number, 9), body=body))
        clock.pass_(timedelta(hours=1))
        store.make_due([feed.id], clock.now())
    store.number_changes()


def test_no_word_of_a_forgotten_text_is_left_in_the_files(
    store: SqlStore, store_url: str, clock: StandingClock
) -> None:
    fill(store, clock)
    secret, other = f"q{SECRET}q", f"q{SECRET + 1}q"
    assert remains(store_url, secret)
    store.forget([identity(URL.format(SECRET)).key], [])  # type: ignore[list-item]
    assert store.scrub(WAIT)
    assert remains(store_url, secret) == []
    assert remains(store_url, other)
    assert is_sound(store_url)
    assert len(list(store.articles())) == 11


def test_a_forgotten_text_that_its_feed_still_brings_is_not_kept(
    store: SqlStore, store_url: str, clock: StandingClock
) -> None:
    fill(store, clock)
    secret = f"q{SECRET}q"
    store.forget([identity(URL.format(SECRET)).key], [])  # type: ignore[list-item]
    first, second = subscribe(store, "http://a.example/feed", "http://b.example/feed", config_hash="2")
    for feed in (first, second):
        clock.pass_(timedelta(hours=1))
        again = f"<p>{text_of(SECRET)}</p>"
        for seen in (
            sighting(SECRET, content=again, content_hash="9", updated_at=clock.now()),
            sighting(SECRET, content=again, content_hash="9", entry_id="another", from_feed=True),
        ):
            poll(store, feed, seen)
            assert fetch_due(store) == []
            assert collect(store) == []
    assert store.scrub(WAIT)
    assert remains(store_url, secret) == []


def test_a_reader_that_holds_an_older_state_is_told_of(tmp_path: Path, clock: StandingClock) -> None:
    from aggregator.store import open_store

    url = f"sqlite:///{tmp_path / 'store.db'}"
    with closing(open_store(url, clock)) as store:
        fill(store, clock, 8)
        with closing(SqliteDialect(tmp_path / "store.db").connect("ro")) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM articles").fetchone()
            store.forget([identity(URL.format(SECRET)).key], [])  # type: ignore[list-item]
            assert not store.scrub(timedelta(milliseconds=10))
        assert store.scrub(WAIT)
        assert remains(url, f"q{SECRET}q") == []


def test_a_transaction_that_sees_an_older_state_is_waited_for_and_told_of(
    postgres_url: str, clock: StandingClock
) -> None:
    from aggregator.store import open_store

    empty_postgres(postgres_url)
    with closing(open_store(postgres_url, clock, use_clock=True)) as store:
        fill(store, clock, 8)
        with closing(psycopg.connect(postgres_url)) as reader:
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT count(*) FROM properties")
            store.forget([identity(URL.format(SECRET)).key], [])  # type: ignore[list-item]
            assert not store.scrub(timedelta(milliseconds=10))
            assert remains(postgres_url, f"q{SECRET}q")
        assert store.scrub(WAIT)
        assert remains(postgres_url, f"q{SECRET}q") == []


@pytest.mark.parametrize("again", [1, 2])
def test_scrubbing_loses_nothing(store: SqlStore, clock: StandingClock, again: int) -> None:
    fill(store, clock, 3)
    before = list(store.articles())
    for _ in range(again):
        assert store.scrub(WAIT)
    assert list(store.articles()) == before


def test_another_address_of_a_forgotten_article_leaves_no_raw_page(store: SqlStore, clock: StandingClock) -> None:
    fill(store, clock, 2)
    (feed,) = store.feeds()
    poll(store, feed, sighting("short", url="http://short.example/1", content="<p>again</p>"))
    store.forget([identity(URL.format(1)).key], [])  # type: ignore[list-item]
    fetch_due(store)
    (page,) = fetched_pages(store)
    assert page.raw is not None
    record_article(store, page, article_record(page, served=identity(URL.format(1))))
    assert store.referenced_raw([page.raw.content_hash]) == frozenset()
