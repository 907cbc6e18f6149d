"""Makes a store with many articles and feeds, for benchmarks and for tests of large numbers. Needs no network.

`python benchmarks/fill_store.py STORE_URL [--articles 100000] [--feeds 5000] [--days 90] [--words 350]`

Articles are recorded through the store as a poll of their feed records them. Texts are words of made languages in a
Zipf distribution; one in fifty repeats an earlier one nearly word for word. The same arguments give the same articles.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final

from aggregator.identity.fingerprint import fingerprint
from aggregator.identity.identify import identify
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.models.articles import DateSource, Extraction
from aggregator.models.feeds import Enclosure, Entry, Feed, Subscription
from aggregator.models.fetching import Validators
from aggregator.models.pages import LeadImage, PageFacts, Rights
from aggregator.ports.store_records import ArticleRecord, PollOutcome, PollRecord, Sighting
from aggregator.store import SqlStore, open_store

START: Final = datetime(2026, 8, 3, 6, tzinfo=UTC)
LANGUAGES: Final = ("en", "de", "fr", "es", "pt-BR", "tr")
VOCABULARY: Final = 20_000  # words of a language
FEEDS_PER_HOST: Final = 4
ROUNDS: Final = 5  # polls of each feed that bring articles
LEASE: Final = timedelta(minutes=10)


@dataclass
class FillClock:
    """The time of the store while it is filled."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Texts:
    """Texts of one language."""

    def __init__(self, language: str, words: int) -> None:
        pick = random.Random(language)
        self.language = language
        self._mean = words
        self._words = ["".join(pick.choices("aeiounrstlmdbk", k=pick.randint(2, 11))) for _ in range(VOCABULARY)]
        self._weights = list(accumulate(1 / rank for rank in range(3, VOCABULARY + 3)))

    def title(self, pick: random.Random) -> str:
        return self._sentence(pick, pick.randint(5, 12)).rstrip(".")

    def paragraphs(self, pick: random.Random) -> list[str]:
        length = max(30, round(pick.lognormvariate(0, 0.6) * self._mean * 0.83))
        made = []
        while length > 0:
            sentences = [self._sentence(pick, pick.randint(6, 26)) for _ in range(pick.randint(1, 4))]
            made.append(" ".join(sentences))
            length -= made[-1].count(" ") + 1
        return made

    def _sentence(self, pick: random.Random, count: int) -> str:
        return " ".join(pick.choices(self._words, cum_weights=self._weights, k=count)).capitalize() + "."


def article_of(number: int, feed: int, seen_at: datetime, texts: Texts) -> ArticleRecord:
    """Return the article with this number; each fiftieth repeats the one before it in its feed."""
    pick = random.Random(number - number % 50 if number % 50 == 1 else number)
    title, paragraphs = texts.title(pick), texts.paragraphs(pick)
    if number % 50 == 1:
        title, paragraphs = f"{title} ({number})", [*paragraphs, f"Copy {number}."]
    body = "\n\n".join(paragraphs)
    url = f"https://www.site-{feed // FEEDS_PER_HOST}.example/{feed}/news-{number}"
    own = identify(url, shipped_publishers())
    published = seen_at - timedelta(minutes=pick.randint(5, 90))
    image = LeadImage(url=f"{url}/picture.jpg", caption=texts.title(pick), alt=title, credit="Made")
    content = Extraction(
        title=title,
        authors=(f"Author {number % 900}",),
        date=f"{published:%Y-%m-%d}",
        published=published.isoformat(),
        date_source=DateSource.PAGE,
        language=texts.language,
        site=f"Site {feed // FEEDS_PER_HOST}",
        text=f"{title}\n\n{body}",
        body=body,
        markdown="\n\n".join([*paragraphs[:2], f"## {texts.title(pick)}", *paragraphs[2:]]),
        source="feed",
        lead_image=image,
        tags=(f"section {feed % 7}", f"topic {number % 40}"),
        extractor_name="made",
        extractor_version="1",
        enclosures=(Enclosure(url=f"{url}/audio.mp3", type="audio/mpeg", length=number),) if number % 20 == 0 else (),
        facts=PageFacts(
            description=paragraphs[0][:150],
            section=f"Section {feed % 7}",
            is_free=number % 9 > 0,
            rights=Rights(noai=number % 11 == 0),
            images=(image,),
        ),
    )
    return ArticleRecord(
        identity=own,
        url=url,
        urls=(own,),
        edges=(),
        pointers=(),
        content=content,
        quality=("too_short",) if len(paragraphs) < 2 else (),
        fingerprint=fingerprint(body),
    )


def sighting_of(record: ArticleRecord, host: str) -> Sighting:
    """Return the entry that announced an article."""
    content = record.content
    entry = Entry(
        id=record.url,
        entry_id=record.url,
        link=record.url,
        title=content.title,
        published_at=datetime.fromisoformat(content.published),
        updated_at=None,
        summary=content.body[:150],
        authors=content.authors,
        categories=content.tags,
    )
    return Sighting(
        entry=entry,
        content_hash=record.url,
        url=record.url,
        host=host,
        identity=record.identity,
        from_feed=True,
        article=record,
    )


def poll_of(feed: Feed, at: datetime, sightings: Sequence[Sighting]) -> PollRecord:
    """Return a poll that brought these entries."""
    state = replace(feed.state, due_at=at + timedelta(hours=1), polled_at=at, validators=Validators(etag='"made"'))
    outcome = PollOutcome(
        at=at,
        outcome="new",
        status=200,
        cause=None,
        detail="",
        elapsed=timedelta(milliseconds=40),
        wire_bytes=9_000,
        entries_seen=len(sightings),
    )
    return PollRecord(feed_id=feed.id, host=feed.host, state=state, outcome=outcome, sightings=tuple(sightings))


def fill(store: SqlStore, clock: FillClock, articles: int, feeds: int, days: int, words: int) -> Iterator[int]:
    """Record the articles of one host after the other, round by round; yield how many there are by then."""
    urls = [f"https://www.site-{number // FEEDS_PER_HOST}.example/{number}/feed.xml" for number in range(feeds)]
    store.sync_feeds([Subscription(url=url, tags=(f"tag {n % 5}",)) for n, url in enumerate(urls)], "made", clock.at)
    known = {feed.url: feed for feed in store.feeds()}
    texts = [Texts(language, words) for language in LANGUAGES]
    visits = ROUNDS * -(-feeds // FEEDS_PER_HOST)
    done = visited = 0
    for turn in range(ROUNDS):
        for first in range(0, feeds, FEEDS_PER_HOST):
            clock.at = START + timedelta(days=days) * visited / visits
            visited += 1
            host = known[urls[first]].host
            claim = store.claim_host(host, LEASE)
            if claim is None:
                raise SystemExit(f"fill_store: {host} is claimed by another process; fill a new store")
            for feed in range(first, min(first + FEEDS_PER_HOST, feeds)):
                numbers = range(feed * articles // feeds, (feed + 1) * articles // feeds)
                made = [
                    sighting_of(article_of(number, feed, clock.at, texts[feed % len(texts)]), host)
                    for number in numbers[len(numbers) * turn // ROUNDS : len(numbers) * (turn + 1) // ROUNDS]
                ]
                store.record_poll(claim, poll_of(known[urls[feed]], clock.at, made))
                done += len(made)
            store.release(claim)
            yield done
        store.number_changes()


def fill_url(url: str, articles: int, feeds: int, *, days: int = 90, words: int = 350) -> None:
    """Fill a new store at a `[storage] url`, and say how far it is on stderr."""
    clock = FillClock()
    store = open_store(url, clock, use_clock=True)
    said = time.monotonic()
    try:
        for done in fill(store, clock, articles, feeds, days, words):
            if time.monotonic() - said > 10:
                said = time.monotonic()
                print(f"fill_store: {done} of {articles} articles", file=sys.stderr)
    finally:
        store.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Make a store with many articles and feeds.")
    parser.add_argument("url", help="sqlite:///path or postgresql://…, where no store is yet")
    for name, default in (("articles", 100_000), ("feeds", 5_000), ("days", 90), ("words", 350)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{default} unless given")
    wanted = parser.parse_args()
    fill_url(wanted.url, wanted.articles, wanted.feeds, days=wanted.days, words=wanted.words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
