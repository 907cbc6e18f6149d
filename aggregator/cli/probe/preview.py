"""Shows what `run-once` would store of a feed's newest entry. It polls that feed alone, with a temporary store."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from aggregator.app import App, open_app
from aggregator.config.settings import Config, FeedSettings, StorageSettings
from aggregator.extraction.markup import read_markup
from aggregator.extraction.page_rules import acting_rules
from aggregator.models.articles import Article, ExtractInput
from aggregator.models.feeds import Entry, Feed, ParsedFeed
from aggregator.models.fetching import Fetched, FetchRequest, FetchResult
from aggregator.models.ids import PageId
from aggregator.sinks.records import article_record
from aggregator.urls import host_of

if TYPE_CHECKING:
    from aggregator.ports.protocols import Fetcher
    from aggregator.ports.readings import Trace
    from aggregator.ports.store_records import FeedReading, Sighting
    from aggregator.visits.poll import FeedReader

_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The result of a trial poll.

    `parsed` is the parsed feed, or None if no answer was read. `failed` says why the poll failed, or is "". `page` is
    the record of the newest entry.
    """

    parsed: ParsedFeed | None
    failed: str
    page: dict[str, object]


def try_feed(config: Config, url: str, answer: Fetched | None = None, *, with_page: bool = True) -> Trial:
    """Poll one feed with its settings in the configuration, and with `with_page` also collect its newest entry.

    `answer` is the answer of the feed's address if it was requested before; None: request it now. The record of the
    entry has the fields of an article, the `rules` that were used, and in `error` why there is no article.
    """
    with TemporaryDirectory(prefix="aggregator-") as folder, open_app(_trial(config, url, Path(folder))) as app:
        context = app.visits.context
        newest = _Newest(context.read, with_page)
        fetcher = context.fetcher if answer is None else _Answered(context.fetcher, url, answer)
        app.visits.context = replace(context, read=newest, fetcher=fetcher)
        app.run_once(force=True)
        page: dict[str, object] = {"rules": [], "error": "the feed has no entries"}
        if newest.sighting is not None and with_page:
            page = _outcome(app, url, newest.sighting)
        state = app.store.feeds()[0].state
        failed = "" if state.cause is None else f"{state.cause}: {state.detail}"
        return Trial(parsed=newest.parsed, failed=failed, page=page)


def _trial(config: Config, url: str, folder: Path) -> Config:
    """Return the configuration with this feed as the only one, a store in `folder`, and no outputs and no lists."""
    listed = next((feed for feed in config.feeds if feed.url == url), FeedSettings(url=url))
    storage = StorageSettings(url=f"sqlite:///{folder}/trial.db", articles_dir=None, raw_dir=folder / "raw", min_free=0)
    feed = listed.model_copy(update={"enabled": True})
    extraction = config.extraction.model_copy(update={"workers": 1})
    without = {"outputs": (), "lists": ()}
    return config.model_copy(update={"storage": storage, "extraction": extraction, "feeds": (feed,), **without})


class _Newest:
    """Calls the feed reader `read`, and drops all entries but the newest one of the first answer that has entries.

    Of several entries with the newest date, the first one counts. If `with_page` is False, all entries are dropped.
    """

    def __init__(self, read: FeedReader, with_page: bool) -> None:
        self.parsed: ParsedFeed | None = None
        self.sighting: Sighting | None = None
        self._read, self._with_page = read, with_page

    def __call__(self, feed: Feed, fetched: Fetched, known: Collection[str], now: datetime) -> FeedReading:
        reading = self._read(feed, fetched, known, now)
        if self.sighting is not None or not reading.sightings:
            self.parsed = self.parsed or reading.parsed
            return replace(reading, sightings=())
        self.parsed = reading.parsed
        self.sighting = max(reading.sightings, key=lambda one: _time_of(one.entry))
        return replace(reading, sightings=(self.sighting,) if self._with_page else ())


def _time_of(entry: Entry) -> datetime:
    return entry.published_at or entry.updated_at or _BEGINNING


class _Answered:
    """A fetcher that returns `answer` for the feed's address, and requests all other addresses."""

    def __init__(self, fetcher: Fetcher, url: str, answer: Fetched) -> None:
        self._fetcher, self._url, self._answer = fetcher, url, answer

    def fetch(self, request: FetchRequest) -> FetchResult:
        if request.accept != "robots" and request.url == self._url:
            return self._answer
        return self._fetcher.fetch(request)


# --- the result -------------------------------------------------------------------------------------------------------


def _outcome(app: App, feed: str, sighting: Sighting) -> dict[str, object]:
    address = sighting.url or sighting.entry.link or ""
    key = None if sighting.identity is None else sighting.identity.key
    trace = app.store.trace((address,), () if key is None else (key,))
    rules = [f"{one.verdict}: {one.rule}" for one in sighting.decisions]
    rules += [f"{one.verdict}: {one.rule}" for one in trace.decisions]
    article = next(iter(app.store.articles()), None)
    if article is None:
        rules = list(dict.fromkeys(rules))
        return {"title": sighting.entry.title, "url": address, "rules": rules, "error": _failure(trace, sighting)}
    rules += _acting(app, article, feed)
    return {**article_record(article), "rules": list(dict.fromkeys(rules)), "error": None}


def _failure(trace: Trace, sighting: Sighting) -> str:
    causes = [f"{page.cause}: {page.detail}" for page in trace.pages if page.cause is not None]
    if causes:
        return causes[-1]
    if sighting.identity is None:
        return "the entry has neither a link nor a text"
    skipped = [f"skipped: {one.rule}" for one in trace.decisions if one.verdict == "skipped"]
    return skipped[-1] if skipped else "the page was not collected; its host asks for a pause"


def _acting(app: App, article: Article, feed: str) -> Iterator[str]:
    """Yield a line for each selector that matched the page, and for the feed's rules for title and language.

    In brackets is whose rule it is: "feed", a publisher's name or "site-config".
    """
    page = next(iter(app.store.stored_pages(PageId(0), 1)), None)
    body = None if page is None or page.raw is None else app.raw_store.get(page.raw.content_hash)
    own = app.rules.of_article("", feed).feed
    if page is not None and page.raw is not None and body is not None:
        host = host_of(page.raw.final_url)
        known = app.rules.of_article(host, feed)
        found = ExtractInput(url=page.raw.final_url, body=body, headers=page.raw.headers)
        markup = read_markup(found).text
        for name, selector in () if known.pages is None else acting_rules(markup, known.pages):
            says = "feed" if selector in getattr(own, name) else app.rules.name_of(host)
            yield f"{name}: {selector} ({says})"
    if own.title_strip:
        yield f"title_strip: {', '.join(own.title_strip)} (feed)"
    if own.language and article.content.language == own.language:
        yield f"language: {own.language} (feed)"
