"""A site that misbehaves as its scripts say, and a folder in which `run-once` meets it hour after hour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import tomlkit

from aggregator.app import App, open_app
from aggregator.clock import SystemClock
from aggregator.config.loading import load_config
from aggregator.engine.local import RunReport
from aggregator.models.articles import Article
from aggregator.models.feeds import Feed, FeedState
from aggregator.selftest.server import Peer, Request, Script, Server
from tests.support.pool import PoolHere

T = TypeVar("T")
RSS = "Content-Type: application/rss+xml; charset=utf-8"
HTML = "Content-Type: text/html; charset=utf-8"
_WORDS = (  # noqa: SIM905  readable so
    "harbour council ferry bridge market school river winter budget museum teacher orchard library station "
    "festival engine garden theatre lantern railway bakery village meadow captain"
).split()


# --- what sites say ---------------------------------------------------------------------------------------------------


def item(
    link: str | None = "/a/1", *, guid: str | None = "", title: str = "", text: str = "", date: str = "", more: str = ""
) -> str:
    """Return an RSS entry; `guid` "" is made of the link, None leaves it out."""
    parts = [f"<title>{escape(title or f'About {link}')}</title>"]
    if link is not None:
        parts.append(f"<link>{escape(link)}</link>")
    if guid is not None:
        parts.append(f'<guid isPermaLink="false">{escape(guid or f"id {link}")}</guid>')
    parts.append(f"<description>{escape(text or 'A teaser.')}</description>")
    if date:
        parts.append(f"<pubDate>{date}</pubDate>")
    return f"<item>{''.join(parts)}{more}</item>"


def rss(*items: str, channel: str = "") -> bytes:
    """Return an RSS feed."""
    head = "<title>Feed</title><link>/</link><description>All of it</description>"
    namespaces = 'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" {namespaces}><channel>{head}{channel}'
        f"{''.join(items)}</channel></rss>"
    ).encode()


def story(seed: str, paragraphs: int = 6) -> str:
    """Return paragraphs of an article that no other seed gives."""
    number = sum(ord(letter) * (index + 7) for index, letter in enumerate(seed)) * 2_654_435_761
    lines = []
    for paragraph in range(paragraphs):
        words = [_WORDS[(number >> (3 * at + paragraph)) % len(_WORDS)] for at in range(24)]
        lines.append(f"<p>{seed.strip('/')} {paragraph}: the {', the '.join(words)} were counted twice.</p>")
    return "".join(lines)


def html_page(title: str, body: str, head: str = "") -> bytes:
    """Return a page with one article."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>{head}</head>'
        f"<body><article><h1>{escape(title)}</h1>{body}</article></body></html>"
    ).encode()


def answering(body: bytes = b"", *headers: str | bytes, status: int = 200) -> Script:
    """Return a script that always answers so."""
    return lambda peer: peer.answer(status, body, headers or (RSS,))


def one_by_one(*scripts: Script) -> Script:
    """Return a script that plays the given ones at its first, second ... request; the last one stays."""
    left = list(scripts)
    return lambda peer: (left.pop(0) if len(left) > 1 else left[0])(peer)


class Site:
    """A feed at /feed, an article at every address below /a/, and whatever `paths` say; in a `with` statement."""

    def __init__(self, feed: Script | bytes = b"", paths: dict[str, Script] | None = None, **server: Any) -> None:
        self.feed = feed if callable(feed) else answering(feed or rss(item()))
        self.paths = paths or {}
        self.server = Server(self._answer, **server)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    def url(self, path: str = "/feed") -> str:
        """Return an address of this site."""
        return self.server.url(path)

    def asked(self, path: str = "/feed") -> list[Request]:
        """Return the requests for one path so far."""
        return [request for request in self.server.requests if request.target == path]

    @property
    def pages(self) -> list[str]:
        """Which pages were asked for, in order, each time."""
        return [request.target for request in self.server.requests if request.target.startswith("/a/")]

    def _answer(self, peer: Peer) -> None:
        target = peer.request.target
        if target in self.paths:
            self.paths[target](peer)
        elif target == "/feed":
            self.feed(peer)
        elif target.startswith("/a/"):
            path = target.partition("?")[0]
            peer.answer(body=html_page(f"About {path}", story(path)), headers=(HTML,))
        else:
            peer.answer(404, b"nothing here")


# --- the folder -------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """A folder with a configuration, in this process. Every run is an hour after the last one."""

    folder: Path
    pool: Any = field(default_factory=PoolHere)  # or a WorkerPool, where processes are the subject
    feeds: list[dict[str, Any]] = field(default_factory=list)
    http: dict[str, Any] = field(default_factory=dict)
    polling: dict[str, Any] = field(default_factory=dict)
    extraction: dict[str, Any] = field(default_factory=dict)
    lists: list[dict[str, Any]] = field(default_factory=list)
    filter: dict[str, Any] = field(default_factory=dict)
    storage: dict[str, Any] = field(default_factory=dict)
    hours: float = 0.0
    articles: list[Article] = field(default_factory=list)
    listed: dict[str, Feed] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "aggregator.toml"

    def follow(self, *urls: str, **options: Any) -> None:
        """List feeds; by default polled every ten minutes."""
        self.feeds += [{"url": url, "interval": "10m", **options} for url in urls]

    def write(self) -> Path:
        """Write the configuration and return its path."""
        document = {
            "storage": {"min_free": "0", **self.storage},
            "http": {
                "allow_private_networks": ["127.0.0.0/8"],
                "per_host_interval": "1ms",
                "timeout": "2s",
                "total_timeout": "3s",
                **self.http,
            },
            "polling": self.polling,
            "extraction": {"workers": 1, **self.extraction},
            "web": {"listen": ""},
            "filter": self.filter,
            "lists": self.lists,
            "feeds": [{key: value for key, value in feed.items() if value is not None} for feed in self.feeds],
        }
        text = tomlkit.dumps(document)
        if not self.config.exists() or self.config.read_text(encoding="utf-8") != text:
            self.config.write_text(text, encoding="utf-8")
        return self.config

    def run(self, *, after: float = 1.0, force: bool = False, feeds: Iterable[str] = ()) -> RunReport:
        """Run once, `after` hours after the run before."""

        def work(app: App) -> RunReport:
            report, _ = app.run_once(force=force, feeds=tuple(feeds))
            self.articles = list(app.store.articles())
            self.listed = {feed.url: feed for feed in app.store.feeds()}
            return report

        return self.use(work, after=after)

    def runs(self, number: int) -> RunReport:
        """Run that often; return the last report."""
        return [self.run() for _ in range(number)][-1]

    def use(self, work: Callable[[App], T], *, after: float = 0.0) -> T:
        """Do something with the open parts."""
        self.hours += after
        config = load_config(self.write(), {})
        with open_app(config, clock=SystemClock(ahead=timedelta(hours=self.hours)), pool=self.pool) as app:
            return work(app)

    def titles(self, site: Site | None = None) -> list[str]:
        """Return the titles of the articles (of a site), sorted, as they were after the last run."""
        start = "" if site is None else site.url("/")
        return sorted(article.content.title for article in self.articles if article.url.startswith(start))

    def state(self, url: str) -> FeedState:
        """Return what is known of the feed listed by this address, as it was after the last run."""
        return self.listed[url].state


@contextmanager
def street(world: World, feeds: Mapping[str, Script | bytes | Site]) -> Iterator[dict[str, Site]]:
    """Open a site for each feed and follow them all."""
    with ExitStack() as stack:
        sites = {
            name: stack.enter_context(feed if isinstance(feed, Site) else Site(feed)) for name, feed in feeds.items()
        }
        world.follow(*(site.url() for site in sites.values()))
        yield sites
