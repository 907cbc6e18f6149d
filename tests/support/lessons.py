"""A site that announces its articles under several addresses, in a store without a network. No test of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from aggregator.models.fetching import Validators
from aggregator.models.pages import FetchedPage
from aggregator.ports.store_records import ArticleOutcome, ArticleRecord, Sighting
from aggregator.store import SqlStore
from tests.support.stores import (
    FOLDER,
    LEASE,
    article_record,
    claim,
    fetched_pages,
    poll_record,
    raw,
    sighting,
    subscribe,
    words,
)

SITE = "https://www.courier.example"
Text = Callable[[str], str]


def announced(number: int, path: str = "/news/a-{}", host: str = SITE) -> Sighting:
    url = host + path.format(number)
    return sighting(number, url=url, key=url.replace("www.", ""))


def number_in(url: str) -> str:
    return re.findall("[0-9]+", url)[0]


def one_text(url: str) -> str:
    """The site tells articles apart by the first number in an address alone."""
    return words(f"w{number_in(url)}x", 200)


def poll(store: SqlStore, feed: int, *sightings: Sighting, learns: bool = True) -> int:
    """Record a poll; return how many entries were known."""
    subscribed = subscribe(store, *(f"{SITE}/feed{n}" for n in range(4)))[feed]
    held = claim(store, subscribed.host)
    recorded = store.record_poll(held, replace(poll_record(subscribed, *sightings, at=store.now()), learns=learns))
    store.release(held)
    assert recorded is not None
    return recorded.known


def record_of(page: FetchedPage, text: Text) -> ArticleRecord:
    return article_record(page, title=f"Title of id-{number_in(page.url)}", body=text(page.url))


def run(store: SqlStore, text: Text = one_text, *, batch: int = 1) -> list[str]:
    """Fetch and extract page by page until nothing is due; return which addresses were asked for."""
    asked: list[str] = []
    while claims := store.claim_hosts(10, LEASE):
        for held in claims:
            for page in store.due_pages(held, store.now(), limit=batch):
                body = raw(page, content_hash=f"{page.id:064x}", at=store.now())
                assert store.record_fetched(held, page, body, FOLDER, (), Validators())
                asked.append(page.url.removeprefix(SITE))
            for feed in store.due_feeds(held, store.now()):
                assert store.record_poll(held, poll_record(feed, at=store.now()))
            store.release(held)
        store.record_articles(
            [ArticleOutcome(page=page, record=record_of(page, text)) for page in fetched_pages(store)]
        )
    return asked


def articles(store: SqlStore) -> dict[str, set[str]]:
    """Return the addresses of each article, by the shortest one."""
    found = [{url.removeprefix(SITE) for url in article.urls} for article in store.articles()]
    return {min(urls, key=lambda url: (len(url), url)): urls for urls in found}


def tails(urls: Iterable[str], part: str) -> list[str]:
    return [url for url in urls if part in url]


def both(first: str, second: str, count: int, *, start: int = 0) -> tuple[list[Sighting], list[Sighting]]:
    numbers = range(start, start + count)
    return [announced(n, first) for n in numbers], [announced(n, second) for n in numbers]
