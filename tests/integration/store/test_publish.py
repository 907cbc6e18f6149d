"""Numbers, cursors, reading, search, erasing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregator.identity.identify import article_id
from aggregator.models.feeds import Subscription
from aggregator.models.pages import FetchedPage
from aggregator.ports.readings import ArticleFilter, ArticleSearch
from aggregator.ports.store_records import ArticleRecorded
from aggregator.sinks.publish import publish
from aggregator.sinks.seed_files import SeedFiles
from aggregator.store import SqlStore, open_store
from aggregator.store.db.schema import HEAD
from tests.support.stores import (
    FOLDER,
    LEASE,
    START,
    URL,
    StandingClock,
    article_record,
    claim,
    collect,
    fetch_due,
    fetched_pages,
    identity,
    ids,
    key_of,
    poll,
    poll_record,
    record_article,
    sighting,
    subscribe,
    words,
)

A, B = "http://a.example/feed", "http://b.example/feed"


def fill(store: SqlStore, *numbers: int, feed_url: str = A) -> None:
    feed = next(feed for feed in subscribe(store, A, B) if feed.url == feed_url)
    poll(store, feed, *(sighting(n) for n in numbers))
    collect(store)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_changes_are_numbered_once_and_articles_within_their_day(store: SqlStore, clock: StandingClock) -> None:
    fill(store, 1, 2)
    assert store.changes_after(0, 10) == ()
    assert store.counts().unpublished == 2
    assert store.number_changes() == 2
    assert store.number_changes() == 0
    clock.pass_(timedelta(hours=6))
    fill(store, 3)
    clock.pass_(timedelta(hours=7))
    fill(store, 4)
    assert store.number_changes() == 2
    changes = store.changes_after(0, 10)
    assert [(change.seq, change.kind, change.day, change.number) for change in changes] == [
        (1, "new", "2026/03/01", 0),
        (2, "new", "2026/03/01", 1),
        (3, "new", "2026/03/01", 2),
        (4, "new", "2026/03/02", 0),
    ]
    assert [change.article_id for change in store.changes_after(2, 1)] == [article_id(key_of(3))]
    assert changes[0].article is not None
    assert (changes[0].article.day, changes[0].article.number, changes[0].article.change_seq) == ("2026/03/01", 0, 1)


def test_the_day_is_that_of_the_poll_that_announced_it(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    clock.pass_(timedelta(days=2))
    collect(store)
    store.number_changes()
    assert [article.day for article in store.articles()] == ["2026/03/01"]


def test_a_new_revision_keeps_the_number(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    for body in ("one", "two"):
        fetch_due(store)
        (waiting,) = fetched_pages(store)
        record_article(store, waiting, article_record(waiting, body=body), if_changed=clock.now())
        store.number_changes()
    assert [(c.seq, c.kind, c.number) for c in store.changes_after(0, 10)] == [(1, "new", 0), (2, "updated", 0)]
    bodies = [change.article.content.body for change in store.changes_after(0, 10) if change.article is not None]
    assert bodies == ["two", "two"], "each change gives the article as it is now"


def test_cursors_of_sinks(store: SqlStore) -> None:
    assert store.delivered("txt", "f1") == 0
    store.set_delivered("txt", "f1", 7)
    store.set_delivered("txt", "f1", 9)
    store.set_delivered("txt", "f2", 1)
    assert (store.delivered("txt", "f1"), store.delivered("txt", "f2"), store.delivered("jsonl", "f1")) == (9, 1, 0)


def test_one_publishes_at_a_time(store_url: str, clock: StandingClock) -> None:
    one, other = open_store(store_url, clock), open_store(store_url, clock)
    with one.publishing(timedelta(0)) as held:
        assert held
        before = clock.monotonic()
        with other.publishing(timedelta(seconds=2)) as also_held:
            assert not also_held
        assert clock.monotonic() - before >= 2
    with other.publishing(timedelta(0)) as held:
        assert held
    one.close()
    other.close()


# --- reading ----------------------------------------------------------------------------------------------------------


def test_articles_are_read_by_first_sighting_and_filtered(store: SqlStore, clock: StandingClock) -> None:
    store.sync_feeds([Subscription(url=A, name="Alpha", tags=("x", "y")), Subscription(url=B)], "1", START)
    alpha, beta = store.feeds()
    poll(store, alpha, *(sighting(n) for n in range(105)))
    while collect(store):
        pass
    store.number_changes()
    clock.pass_(timedelta(hours=1))
    poll(store, beta, sighting(500), sighting(7, entry_id="seen here too"))
    fetch_due(store)
    (waiting,) = fetched_pages(store)
    record_article(store, waiting, article_record(waiting, quality=("short",)))
    everything = list(store.articles())
    assert len(everything) == 106
    assert sorted(everything, key=lambda article: article.first_seen) == everything
    newest, seventh = everything[-1], everything[7]
    assert (newest.feed, newest.feeds, newest.tags) == (B, (B,), ("politics",))
    assert (seventh.feed, seventh.feeds, seventh.tags) == ("Alpha", ("Alpha", B), ("x", "y", "politics"))
    assert list(store.articles(ArticleFilter(since=clock.now()))) == [newest]
    assert list(store.articles(ArticleFilter(quality=True))) == [newest]
    assert list(store.articles(ArticleFilter(feed=B))) == [seventh, newest]
    assert len(list(store.articles(ArticleFilter(feed="Alpha")))) == 105
    assert list(store.articles(ArticleFilter(feed="unknown"))) == []
    assert len(list(store.articles(ArticleFilter(limit=101)))) == 101
    assert len(list(store.articles(ArticleFilter(after_seq=100)))) == 5


def test_reading_sees_one_snapshot(store: SqlStore) -> None:
    fill(store, *range(101))
    while collect(store):
        pass
    reading = store.articles()
    next(reading)
    fill(store, 900)
    assert len(list(reading)) == len(ids(store)) - 2


def test_an_article_is_found_by_id_address_and_key(store: SqlStore) -> None:
    fill(store, 1)
    (article,) = store.articles()
    assert store.article(article.id) == article
    assert store.article(URL.format(1)) == article
    assert store.article("http://nowhere.example/", [key_of(1)]) == article
    assert store.article("0" * 16) is None
    assert store.article("http://nowhere.example/") is None


# --- the list of feeds ------------------------------------------------------------------------------------------------


def test_the_configuration_brings_and_takes_feeds(store: SqlStore) -> None:
    first = store.sync_feeds([Subscription(url=A, name="Alpha"), Subscription(url=B)], "1", START)
    assert (first.added, first.removed, first.changed) == (("Alpha", B), (), ())
    assert store.sync_feeds([], "1", START).removed == (), "the same configuration again"
    newer = [
        Subscription(url=A, name="Alpha", interval=timedelta(minutes=10), tags=("x",), full_text=False),
        Subscription(url="http://c.example/"),
    ]
    report = store.sync_feeds(newer, "2", START + timedelta(hours=1))
    assert (report.added, report.removed) == (("http://c.example/",), (B,))
    assert report.changed == ('"Alpha": tags [] -> ["x"], interval adaptive -> 10m, full_text true -> false',)
    assert [feed.url for feed in store.feeds()] == [A, "http://c.example/"]
    assert [feed.enabled for feed in store.feeds(enabled_only=False)] == [True, False, True]


def test_an_older_configuration_adds_and_takes_nothing_away(store: SqlStore) -> None:
    store.sync_feeds([Subscription(url=A)], "1", START)
    report = store.sync_feeds([Subscription(url=B)], "2", START - timedelta(hours=1))
    assert (report.added, report.removed) == ((B,), ())
    assert [feed.url for feed in store.feeds()] == [A, B]
    assert (report.refused, report.newer_at) == ((f"- {A}",), START)


def test_an_older_configuration_is_told_beforehand_what_is_refused(store: SqlStore) -> None:
    store.sync_feeds([Subscription(url=A, name="Alpha")], "1", START)
    renamed = [Subscription(url=A, name="Beta")]
    assert store.preview_feeds(renamed, START - timedelta(hours=1)).refused == ('"Beta": name "Alpha" -> "Beta"',)
    assert store.preview_feeds(renamed, START).refused == ()
    assert store.feeds()[0].name == "Alpha"


def test_a_time_to_come_keeps_no_later_configuration_out(store: SqlStore) -> None:
    store.sync_feeds([Subscription(url=A)], "1", START + timedelta(days=3650))
    assert store.sync_feeds([], "2", START + timedelta(hours=1)).removed == (A,)


def test_on_one_machine_the_content_decides(store: SqlStore) -> None:
    store.sync_feeds([Subscription(url=A)], "1", START)
    report = store.sync_feeds([Subscription(url=B)], "2", START - timedelta(days=365), decides=True)
    assert (report.added, report.removed, report.refused) == ((B,), (A,), ())


def test_a_feed_that_comes_back_goes_on_where_it_was(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    held = claim(store, feed.host)
    store.record_poll(held, poll_record(feed, sighting(1), at=START, etag='"1"', every=timedelta(minutes=5)))
    store.sync_feeds([], "2", START)
    store.release(held)
    clock.pass_(timedelta(minutes=5))
    assert "a.example:80" not in {one.host for one in store.claim_hosts(5, LEASE)}
    report = store.sync_feeds([Subscription(url=A)], "3", START)
    assert report.changed == (f'"{A}": enabled false -> true',)
    (again,) = store.feeds()
    assert (again.id, again.state.validators.etag) == (feed.id, '"1"')
    assert "a.example:80" in {one.host for one in store.claim_hosts(5, LEASE)}


# --- upkeep -----------------------------------------------------------------------------------------------------------


def test_what_is_forgotten_is_gone_and_never_comes_back(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1, content="<p>secret</p>"), sighting(2))
    collect(store)
    store.number_changes()
    kept_hash = store.article(URL.format(1)).raw  # type: ignore[union-attr]
    gone, freed = store.forget([key_of(1)], [])
    assert gone == (article_id(key_of(1)),)
    assert freed == (kept_hash,)
    assert store.article(URL.format(1)) is None
    assert ids(store) == [article_id(key_of(2))]
    assert store.revisions(gone[0]) == ()
    assert store.search(ArticleSearch(query="a-1")).found == ()
    store.number_changes()
    tombstone = store.changes_after(2, 10)[-1]
    assert (tombstone.kind, tombstone.article, tombstone.day, tombstone.number) == ("forgotten", None, "2026/03/01", 0)
    assert store.forget([key_of(1)], []) == ((), ())
    poll(store, feed, sighting(1, content_hash="2"), sighting(1, entry_id="other"), sighting("n", key=key_of(1)))
    assert collect(store) == []
    assert store.number_changes() == 0


def test_a_forgotten_page_that_is_extracted_all_the_same_stores_nothing(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1), sighting("short", url="http://short.example/1"))
    fetch_due(store)
    first, second = fetched_pages(store)
    record_article(store, first, article_record(first))
    store.forget([key_of(1)], [])
    recorded = record_article(store, second, article_record(second, served=identity(URL.format(1))))
    assert recorded is not None
    assert recorded.kind == "unchanged"
    assert ids(store) == []


def test_a_host_is_forgotten_with_all_below_it(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(
        store,
        feed,
        sighting(1),
        sighting("x", url="http://sub.example.org/x"),
        sighting("y", url="http://example.com/y"),
        sighting("z", url="http://notexample.org/z"),
    )
    held = claim(store, "sub.example.org:80")
    assert len(collect(store)) == 3
    gone, _ = store.forget([], ["example.org"])
    assert gone == (article_id(key_of(1)),)
    store.release(held)
    assert fetch_due(store) == []
    assert {article.url for article in store.articles()} == {"http://example.com/y", "http://notexample.org/z"}


def test_texts_expire_and_their_keys_stay(store: SqlStore, clock: StandingClock) -> None:
    fill(store, 1)
    clock.pass_(timedelta(days=10))
    fill(store, 2)
    gone, freed = store.expire(clock.now() - timedelta(days=5))
    assert gone == (article_id(key_of(1)),)
    assert len(freed) == 1
    assert store.expire(clock.now() - timedelta(days=5)) == ((), ())
    clock.pass_(timedelta(days=1))
    (feed, _) = store.feeds()
    poll(store, feed, sighting(1, content_hash="2"), sighting(2, content_hash="2"), sighting(1, entry_id="new"))
    assert collect(store) == []
    assert ids(store) == [article_id(key_of(2))]


def test_raw_pages_expire_once_they_are_extracted(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1), sighting(2))
    fetch_due(store)
    first, second = store.claim_fetched(2, LEASE, FOLDER)
    assert first.raw is not None
    assert second.raw is not None
    record_article(store, first, article_record(first))
    clock.pass_(timedelta(days=2))
    both = [first.raw.content_hash, second.raw.content_hash]
    assert store.referenced_raw([*both, "f" * 64]) == frozenset(both)
    assert store.expire_raw(clock.now()) == (first.raw.content_hash,)
    assert store.referenced_raw(both) == {second.raw.content_hash}
    assert store.raw_of(article_id(key_of(1))) == ()


# --- all at once ------------------------------------------------------------------------------------------------------


def test_threads_share_a_store(store: SqlStore) -> None:
    feeds = subscribe(store, *(f"http://h{n}.example/feed" for n in range(12)))
    by_host = {feed.host: feed for feed in feeds}

    def visit(_: int) -> None:
        while claims := store.claim_hosts(1, LEASE):
            for held in claims:
                if held.host in by_host:
                    record = poll_record(by_host[held.host], *(sighting(n) for n in range(6)), at=store.now())
                    assert store.record_poll(held, record) is not None
                store.release(held, not_before=store.now() + timedelta(days=1))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(visit, range(6)))
    counts = store.counts()
    assert (counts.entries, counts.pages_due) == (72, 6)


def test_workers_record_one_article_at_once(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, *(sighting(f"s{n}", url=f"http://short.example/{n}") for n in range(8)))
    fetch_due(store)

    def work(page: FetchedPage) -> ArticleRecorded | None:
        return record_article(store, page, article_record(page, served=identity(URL.format(1))))

    with ThreadPoolExecutor(4) as pool:
        recorded = list(pool.map(work, fetched_pages(store)))
    assert None not in recorded
    assert ids(store) == [article_id(key_of(1))]
    assert store.number_changes() == 1


def test_the_newest_counts_and_the_clock(store: SqlStore, clock: StandingClock) -> None:
    assert store.now() == clock.now()
    fill(store, 1)
    counts = store.counts()
    assert (counts.feeds, counts.entries, counts.articles, counts.revisions) == (2, 1, 1, 1)
    assert counts.schema_version == HEAD
    assert counts.size_bytes > 10_000
    assert words("a", 2) == "a0 a1."


def test_the_databases_own_clock_is_the_stores(postgres_url: str) -> None:
    store = open_store(postgres_url, StandingClock())
    assert abs(store.now() - datetime.now(UTC)) < timedelta(minutes=1)
    store.close()


@pytest.mark.parametrize("many", [700])
def test_many_entries_in_one_poll(store: SqlStore, many: int) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, *(sighting(n) for n in range(many)))
    assert (store.counts().entries, store.counts().pages_due) == (many, many)
    assert len(store.scope_due(START).pages) == many


# --- bringing sinks up to date ----------------------------------------------------------------------------------------


def test_a_stop_leaves_the_rest_to_the_next_publishing(store: SqlStore, tmp_path: Path) -> None:
    fill(store, 1)
    sink = SeedFiles(tmp_path)
    stopped = publish(store, (sink,), stopping=lambda: True)
    assert (stopped.held, stopped.delivered, list(tmp_path.rglob("*.txt"))) == (True, 0, [])
    assert publish(store, (sink,)).delivered == 1
    assert len(list(tmp_path.rglob("*.txt"))) == 1
