"""Pairs of addresses that are one article, collected end to end from two feeds in two runs, in both orders.

    python benchmarks/identity_end_to_end.py [FOLDER] [--entries 200] [--pages 100]

Each site has a server of its own on 127.0.0.0/8. FOLDER holds saved pages (`truth.jsonl` with `url` and
`html` or `path`, `pages/`); without it, only shapes that are made here are served. Of each page two addresses are
announced, once with what the page declares of itself, once without. Printed are the share of pairs that became one
article, articles with addresses of different pages (false merges), and what the second feed of a site with many entries
costs in requests. Status 1: a bound is missed. One run.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html import escape
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from aggregator.app import App, open_app
from aggregator.clock import SystemClock
from aggregator.config.loading import load_config
from aggregator.engine.pool import WorkerPool
from aggregator.selftest.server import Peer, Server

DECLARED, PLAIN = 0.97, 0.95  # of the pairs, one article
DAY_ONE, DAY_TWO = 10, 6  # pages that the second feed may cost
MIN_WORDS = 60
HTML, RSS = "Content-Type: text/html; charset=utf-8", "Content-Type: application/rss+xml"
WALL = "<title>Subscribe</title><article><h1>Subscribe</h1><p>Read without limits, wherever you are.</p></article>"

_DECLARATION = re.compile(
    rb"<link\b[^<>]*\brel\s*=\s*[\"']?(?:canonical|amphtml|shortlink|shorturl|alternate|https://api\.w\.org/)[^<>]*>"
    rb"|<meta\b[^<>]*(?:og:url|short_url|twitter:url|al:web:url)[^<>]*>"
    rb"|<script\b[^<>]*ld\+json.*?</script\s*>|\bpostid-[0-9]+",
    re.IGNORECASE | re.DOTALL,
)
_NAMES_ITSELF = re.compile(rb"<link\b[^<>]*\brel\s*=\s*[\"']?canonical", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^<>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^<>]*>", re.IGNORECASE | re.DOTALL)


# --- what is served ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An article with the addresses at which two feeds announce it, and what stands there; `kind` names its group."""

    kind: str
    site: str
    title: str
    first: str
    second: str
    page: bytes
    second_page: bytes | None = None  # None: the same
    redirects: bool = False  # the second address leads to the first
    is_one: bool = True  # False: the second is no page of this article


@dataclass
class Town:
    """All sites: a feed of the first addresses at /feed-1, one of the second at /feed-2, and the pages."""

    hosts: dict[str, str] = field(default_factory=dict)  # by site
    servers: dict[str, Server] = field(default_factory=dict)  # by host
    pages: dict[tuple[str, str], Callable[[Peer], None]] = field(default_factory=dict)
    feeds: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def add(self, pair: Pair) -> None:
        host = self.hosts.setdefault(pair.site, f"127.7.{len(self.hosts) // 250}.{len(self.hosts) % 250 + 1}")
        second = pair.page if pair.second_page is None else pair.second_page
        self.pages[host, pair.first] = lambda peer: peer.answer(200, pair.page, (HTML,))
        self.pages[host, pair.second] = (
            (lambda peer: peer.redirect(pair.first, status=301))
            if pair.redirects
            else (lambda peer: peer.answer(200, second, (HTML,)))
        )
        for feed, path in (("/feed-1", pair.first), ("/feed-2", pair.second)):
            self.feeds.setdefault((host, feed), []).append(
                f"<item><title>{escape(pair.title)}</title><link>{escape(path)}</link><guid>{escape(path)}</guid></item>"
            )

    @contextmanager
    def open(self) -> Iterator[None]:
        """Start a server for each site."""
        with ExitStack() as stack:
            self.servers = {host: stack.enter_context(Server(self.answer, host=host)) for host in self.hosts.values()}
            yield

    def url(self, pair: Pair, path: str) -> str:
        """Return an address of a pair's site."""
        return self.servers[self.hosts[pair.site]].url(path)

    def feeds_of(self, *paths: str) -> list[str]:
        """Return the addresses of these feeds of all sites."""
        return [server.url(path) for path in paths for server in self.servers.values()]

    def answer(self, peer: Peer) -> None:
        host = (peer.request.header("host") or "").partition(":")[0]
        target = peer.request.target
        if (host, target) in self.feeds:
            items = "".join(self.feeds[host, target])
            document = f'<rss version="2.0"><channel><title>F</title>{items}</channel></rss>'
            peer.answer(200, document.encode(), (RSS,))
        elif (host, target) in self.pages:
            self.asked.append((host, target))
            self.pages[host, target](peer)
        else:
            peer.answer(404, b"")


# --- shapes made here -------------------------------------------------------------------------------------------------


def made_page(number: int, head: str = "", *, paragraphs: int = 6, more: str = "") -> tuple[str, bytes]:
    """Return title and page of an article that no other number gives."""
    pick = Random(number)
    words = ["".join(pick.choices("aeiounrstlmdbk", k=pick.randint(3, 9))) for _ in range(200)]
    title = " ".join(pick.choices(words, k=6)).capitalize()
    text = "".join(f"<p>{' '.join(pick.choices(words, k=30)).capitalize()}.</p>" for _ in range(paragraphs))
    page = f"<title>{title}</title>{head}<body><article><h1>{title}</h1>{text}{more}</article></body>"
    return title, f'<!doctype html><html lang="en"><meta charset="utf-8">{page}</html>'.encode()


def _canonical(path: str) -> str:
    return f'<link rel="canonical" href="{path}">'


FORMS: dict[str, Callable[[int], str]] = {  # second addresses of /news/<slug>-<number>
    "an unknown parameter": lambda n: f"{_slug(n)}?maca=en-rss",
    "a value of its own": lambda n: f"{_slug(n)}?wtx=v{n * 7}",
    "a short link": lambda n: f"/p/C{n * 31 + 7:X}x?maca=en-rss",
    "/sp/": lambda n: f"/sp{_slug(n)}",
    "another section": lambda n: _slug(n).replace("/news/", "/world/"),
    "/node/": lambda n: f"/node/{48_000 + n}",
}


def _slug(number: int) -> str:
    return f"/news/what-is-new-here-{48_000 + number}"


def made_pairs(count: int) -> Iterator[Pair]:
    """Yield pairs of each shape: declared in each way, not declared, updated, stubs, walls."""
    heads: dict[str, Callable[[str, str], str]] = {
        "canonical": lambda first, second: _canonical(first),
        "canonical and og:url": lambda first, second: _canonical(first) + f'<meta property="og:url" content="{first}">',
        "shortlink": lambda first, second: f'<link rel="shortlink" href="{second}">',
        "amphtml": lambda first, second: f'<link rel="amphtml" href="{second}">',
    }
    numbers = iter(range(10**6))
    for form, address in FORMS.items():
        for n in (next(numbers) for _ in range(count)):
            title, page = made_page(n)
            yield Pair(kind="plain", site=f"plain {form}", title=title, first=_slug(n), second=address(n), page=page)
    for name, head in heads.items():
        for n in (next(numbers) for _ in range(count)):
            first, second = _slug(n), f"/x/{n}/other-place"
            title, page = made_page(n, head(first, second))
            yield Pair(kind="declared", site=name, title=title, first=first, second=second, page=page)
    for n in (next(numbers) for _ in range(count)):
        title, page = made_page(n, _canonical(_slug(n)) + f'<meta property="og:url" content="{_slug(n)}">')
        _, newer = made_page(
            n, _canonical(_slug(n)) + f'<meta property="og:url" content="{_slug(n)}">', more="<p>More.</p>"
        )
        yield Pair(
            kind="declared", site="an update", title=title, first=_slug(n), second=f"{_slug(n)}?u=1", page=page,
            second_page=newer,
        )  # fmt: skip
    for site, other in (("a stub", 1), ("a wall", 0)):
        for n in (next(numbers) for _ in range(count)):
            title, page = made_page(n)
            stub = made_page(n, paragraphs=other)[1] if other else (_canonical("/consent") + WALL).encode()
            yield Pair(
                kind="others", site=site, title=title, first=_slug(n), second=f"/y/{n}/closed", page=page,
                second_page=stub, is_one=False,
            )  # fmt: skip


# --- saved pages ------------------------------------------------------------------------------------------------------


def saved_pairs(folder: Path, most: int) -> Iterator[Pair]:
    """Yield pairs of saved pages: as they are, with their own host replaced, and without what they declare."""
    for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()[:most]:
        saved = json.loads(line)
        page = gzip.decompress((folder / (saved.get("path") or saved["html"])).read_bytes())
        parts, found = urlsplit(saved["url"]), _TITLE.search(page)
        title = saved.get("title") or (" ".join(found[1].decode("utf-8", "replace").split()) if found else "")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if path == "/" or not title:
            continue
        second = f"{path}{'&' if parts.query else '?'}maca=rss"
        own = re.sub(rb"(?i)https?:(?:\\?/){2}" + re.escape(parts.netloc.encode()), b"", page)
        if _NAMES_ITSELF.search(own):
            yield Pair(
                kind="declared", site=f"as saved {parts.netloc}", title=title, first=path, second=second, page=own
            )
        bare = _DECLARATION.sub(b"", own)
        if len(_TAG.sub(" ", str(saved.get("body", ""))).split()) >= MIN_WORDS:
            yield Pair(kind="plain", site=f"bare {parts.netloc}", title=title, first=path, second=second, page=bare)


# --- collecting -------------------------------------------------------------------------------------------------------


@dataclass
class Collector:
    """An installation that collects a town; `ahead` is how far its clock is set ahead."""

    folder: Path
    pool: WorkerPool
    ahead: timedelta = timedelta()

    def run(self, feeds: Iterable[str], *, after: timedelta = timedelta(hours=1)) -> None:
        """Follow these feeds, and run once."""
        path = self.folder / "aggregator.toml"
        listed = "".join(f'[[feeds]]\nurl = "{url}"\ninterval = "10m"\n' for url in feeds)
        path.write_text(
            '[storage]\nmin_free = "0"\narticles_dir = ""\n[http]\nallow_private_networks = ["127.0.0.0/8"]\n'
            'per_host_interval = "1ms"\n[polling]\nrevisit = []\nmax_pages_per_visit = 5000\n'
            f'[extraction]\nworkers = {self.pool.workers}\n[web]\nlisten = ""\n{listed}',
            encoding="utf-8",
        )
        self.ahead += after
        with self.open() as app:
            app.run_once()

    @contextmanager
    def open(self) -> Iterator[App]:
        config = load_config(self.folder / "aggregator.toml", {})
        with open_app(config, clock=SystemClock(ahead=self.ahead), pool=self.pool) as app:
            yield app


def collect_pairs(pairs: list[Pair], pool: WorkerPool, *, turned: bool) -> dict[str, tuple[int, int]]:
    """Collect the pairs; return by kind how many became one article, of how many, and under "" the false merges."""
    town = Town()
    for pair in pairs:
        town.add(pair)
    found: dict[str, tuple[int, int]] = {}
    articles: dict[str, set[tuple[str, str]]] = {}
    with town.open(), tempfile.TemporaryDirectory() as name:
        collector = Collector(Path(name), pool)
        feeds = ["/feed-2", "/feed-1"] if turned else ["/feed-1", "/feed-2"]
        for count in (1, 2):
            collector.run(town.feeds_of(*feeds[:count]))
        with collector.open() as app:
            for pair in pairs:
                ends = [app.store.article(town.url(pair, path)) for path in (pair.first, pair.second)]
                for end in ends:
                    if end is not None:
                        articles.setdefault(end.id, set()).add((pair.site, pair.first))
                if pair.is_one and ends[0] is not None:
                    one, of = found.get(pair.kind, (0, 0))
                    found[pair.kind] = (one + (ends[1] is not None and ends[0].id == ends[1].id), of + 1)
                    if os.environ.get("SHOW") and (ends[1] is None or ends[0].id != ends[1].id):
                        print("two articles", pair.kind, pair.site, pair.first, pair.second)
    found[""] = (sum(len(ones) > 1 for ones in articles.values()), len(articles))
    return found


def second_feed(form: str, count: int, pool: WorkerPool) -> tuple[list[int], list[int]]:
    """Return the articles after each of two days, and the pages that the second feed cost on each.

    The redirect of a short link is no page.
    """
    town, articles, costs = Town(), [], []
    made = [
        [
            Pair(
                kind=form, site=form, title=title, first=_slug(n), second=FORMS[form](n), page=page,
                redirects=form == "a short link",
            )
            for n in range(day * count, (day + 1) * count)
            for title, page in [made_page(n)]
        ]
        for day in (0, 1)
    ]  # fmt: skip
    town.add(made[0][0])
    with town.open(), tempfile.TemporaryDirectory() as name:
        collector = Collector(Path(name), pool)
        for pairs in made:
            town.feeds.clear()
            for pair in pairs:
                town.add(pair)
            collector.run(town.feeds_of("/feed-1"), after=timedelta(hours=24))
            before = len(town.asked)
            collector.run(town.feeds_of("/feed-1", "/feed-2"))
            costs.append(sum(not target.startswith("/p/") for _, target in town.asked[before:]))
            with collector.open() as app:
                articles.append(sum(1 for _ in app.store.articles()))
    return articles, costs


def main(arguments: Sequence[str] | None = None, pool: WorkerPool | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--entries", type=int, default=200)
    parser.add_argument("--pages", type=int, default=10_000)
    options = parser.parse_args(arguments)
    if options.folder is not None and not (options.folder / "truth.jsonl").exists():
        print(f"identity_end_to_end: {options.folder} holds no truth.jsonl; nothing measured")
        return 2
    groups = {"made": list(made_pairs(max(options.entries // 10, 3)))}
    if options.folder is None:
        print("no folder of saved pages was given: shapes made here alone")
    else:
        groups["saved"] = list(saved_pairs(options.folder, options.pages))
    own, is_met = pool or WorkerPool(os.cpu_count() or 1, timedelta(seconds=20)), True
    try:
        for name, pairs in groups.items():
            for turned in (False, True):
                order = "second feed first" if turned else "first feed first"
                for kind, (one, of) in collect_pairs(pairs, own, turned=turned).items():
                    if not kind:
                        is_met &= one == 0
                        print(f"{name:6} {order:18} false merges {one} of {of} articles (bound 0)")
                        continue
                    bound = DECLARED if kind == "declared" else PLAIN
                    is_met &= one >= bound * of
                    print(f"{name:6} {order:18} {kind:9} {one / of:.3f} of {of} pairs one article (bound {bound})")
        for form in FORMS if options.entries else ():
            articles, costs = second_feed(form, options.entries, own)
            is_met &= articles == [options.entries, 2 * options.entries] and costs[0] <= DAY_ONE and costs[1] <= DAY_TWO
            print(
                f"{form:22} articles {articles[0]}, {articles[1]} (wanted {options.entries}, {2 * options.entries}); "
                f"second feed {costs[0]}, {costs[1]} pages (bound {DAY_ONE}, {DAY_TWO})"
            )
    finally:
        own.close()
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
