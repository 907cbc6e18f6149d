"""The records that go into the stores of tests, and a clock that stands still. No test of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zlib import crc32

from aggregator.identity.evidence import Edge
from aggregator.identity.fingerprint import fingerprint
from aggregator.models.articles import Article, DateSource, Extraction
from aggregator.models.feeds import Entry, Feed, Subscription
from aggregator.models.fetching import Validators
from aggregator.models.ids import ArticleId, Identity, Key
from aggregator.models.pages import DeclaredUrls, FetchedPage, Page, RawResponse
from aggregator.ports.readings import ArticleSearch
from aggregator.ports.store_records import (
    ArticleOutcome,
    ArticleRecord,
    ArticleRecorded,
    Claim,
    Decision,
    PollOutcome,
    PollRecord,
    Sighting,
)
from aggregator.store import SqlStore
from aggregator.urls import host_of, registrable_domain

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=90)
FOLDER = "f" * 32
URL = "https://www.example.org/en/story/a-{}"


@dataclass
class StandingClock:
    """Time stands still until it is moved; to sleep moves it."""

    at: datetime = START
    seconds: float = field(default=0.0)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pass_(timedelta(seconds=seconds))

    def pass_(self, span: timedelta) -> None:
        self.at += span
        self.seconds += span.total_seconds()


# --- what -------------------------------------------------------------------------------------------------------------


def identity(url: str, key: str = "") -> Identity:
    """The key is the last part of the address, unless given."""
    name = key or f"https://{registrable_domain(url)}/en/story/{url.rstrip('/').rpartition('/')[2]}"
    return Identity(url=url, key=Key(name), rule="test")


def key_of(number: int | str) -> Key:
    key = identity(URL.format(number)).key
    assert key is not None
    return key


def entry(entry_id: str, link: str | None = None, *, content: str = "", updated_at: datetime | None = None) -> Entry:
    return Entry(
        id=entry_id,
        entry_id=entry_id,
        link=link,
        title=f"Title of {entry_id}",
        published_at=START - timedelta(hours=1),
        updated_at=updated_at,
        content=content,
        authors=("A. Writer",),
        categories=("news",),
    )


def sighting(
    number: int | str,
    *,
    url: str | None = None,
    key: str = "",
    content: str = "",
    content_hash: str = "1",
    from_feed: bool = False,
    updated_at: datetime | None = None,
    edges: tuple[Edge, ...] = (),
    entry_id: str = "",
) -> Sighting:
    """One entry that announces one address."""
    address = URL.format(number) if url is None else url
    seen = identity(address, key)
    return Sighting(
        entry=entry(entry_id or f"id-{number}", address, content=content, updated_at=updated_at),
        content_hash=content_hash,
        url=address,
        host=host_of(address),
        identity=seen,
        edges=edges,
        from_feed=from_feed,
        decisions=(Decision(url=address, key=seen.key, verdict="announced", rule="test"),),
    )


def poll_record(
    feed: Feed,
    *sightings: Sighting,
    at: datetime,
    every: timedelta = timedelta(minutes=30),
    etag: str | None = None,
    host: str = "",
) -> PollRecord:
    """A successful poll."""
    from dataclasses import replace

    state = replace(feed.state, due_at=at + every, validators=Validators(etag=etag), polled_at=at)
    outcome = PollOutcome(
        at=at,
        outcome="new" if sightings else "unchanged",
        status=200 if sightings else 304,
        cause=None,
        detail="",
        elapsed=timedelta(milliseconds=20),
        wire_bytes=1000,
        entries_seen=len(sightings),
    )
    return PollRecord(feed_id=feed.id, host=host or feed.host, state=state, outcome=outcome, sightings=sightings)


def subscribe(store: SqlStore, *urls: str, config_hash: str = "1", at: datetime = START) -> tuple[Feed, ...]:
    store.sync_feeds([Subscription(url=url) for url in urls], config_hash, at)
    return store.feeds()


def claim(store: SqlStore, host: str) -> Claim:
    held = store.claim_host(host, LEASE)
    assert held is not None
    return held


def poll(store: SqlStore, feed: Feed, *sightings: Sighting) -> None:
    """Visit the feed's host and record one poll."""
    held = claim(store, feed.host)
    assert store.record_poll(held, poll_record(feed, *sightings, at=store.now())) is not None
    store.release(held)


def raw(page: Page, *, content_hash: str = "c" * 64, at: datetime, final_url: str = "") -> RawResponse:
    return RawResponse(
        content_hash=content_hash,
        url=page.url,
        final_url=final_url or page.url,
        status=200,
        headers={"content-type": "text/html"},
        fetched_at=at,
    )


def fetch_due(store: SqlStore) -> list[Page]:
    """Visit every host that is due and fetch all its due pages."""
    fetched: list[Page] = []
    while claims := store.claim_hosts(10, LEASE):
        for held in claims:
            for page in store.due_pages(held, store.now()):
                body = raw(page, content_hash=f"{page.id:064x}", at=store.now())
                assert store.record_fetched(held, page, body, FOLDER, (), Validators(etag='"1"'))
                fetched.append(page)
            for feed in store.due_feeds(held, store.now()):
                assert store.record_poll(held, poll_record(feed, at=store.now()))
            store.release(held)
    return fetched


def fetched_pages(store: SqlStore, limit: int = 50) -> tuple[FetchedPage, ...]:
    return store.claim_fetched(limit, LEASE, FOLDER)


def words(seed: str, count: int = 300) -> str:
    """A text of its own: no two seeds share a phrase."""
    return " ".join(f"{seed}{n}" for n in range(count)) + "."


def extraction(title: str, body: str, *, source: str = "page") -> Extraction:
    return Extraction(
        title=title,
        authors=("A. Writer",),
        date="2026-03-01",
        published="2026-03-01T10:00:00+01:00",
        date_source=DateSource.PAGE,
        updated="",
        language="en",
        site="Example",
        text=f"{title}\n\n{body}",
        body=body,
        source="feed" if source == "feed" else "page",
        lead_image=None,
        declared=DeclaredUrls(),
        tags=("politics",),
        extractor_name="test",
        extractor_version="1",
    )


def article_record(
    page: FetchedPage,
    *,
    title: str = "",
    body: str = "",
    served: Identity | None = None,
    edges: tuple[Edge, ...] = (),
    pointers: tuple[Identity, ...] = (),
    urls: tuple[Identity, ...] = (),
    quality: tuple[str, ...] = (),
    source: str = "page",
) -> ArticleRecord:
    """What the extraction of `page` gave; the text follows from the key, unless given."""
    own = served or Identity(url=page.url, key=page.key, rule="test")
    text_body = body or words(f"w{crc32(str(own.key).encode())}x")
    return ArticleRecord(
        identity=own,
        url=own.url,
        urls=(own, *urls),
        edges=edges,
        pointers=pointers,
        content=extraction(title or f"Article {own.key}", text_body, source=source),
        quality=quality,
        fingerprint=fingerprint(text_body),
        decisions=(Decision(url=own.url, key=own.key, verdict="kept", rule="test"),),
    )


def record_article(
    store: SqlStore,
    page: FetchedPage,
    record: ArticleRecord,
    *,
    if_changed: datetime | None = None,
    if_unchanged: datetime | None = None,
) -> ArticleRecorded | None:
    """Record one article."""
    outcome = ArticleOutcome(page=page, record=record, if_changed=if_changed, if_unchanged=if_unchanged)
    return store.record_articles([outcome])[0]


def collect(store: SqlStore, **options: object) -> list[ArticleRecorded]:
    """Fetch and extract everything that is due; every page has a text of its own unless `options` give one."""
    fetch_due(store)
    done = []
    for page in fetched_pages(store):
        recorded = record_article(store, page, article_record(page, **options))  # type: ignore[arg-type]
        assert recorded is not None
        done.append(recorded)
    return done


def newest(store: SqlStore) -> tuple[Article, ...]:
    """The newest articles, the newest first."""
    return tuple(one.article for one in store.search(ArticleSearch(limit=100)).found)


def ids(store: SqlStore) -> list[ArticleId]:
    return [article.id for article in store.articles()]
