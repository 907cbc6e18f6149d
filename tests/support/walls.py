"""Walls in front of twenty entries, and a site and time that are played, to meet them in one process. No test."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from aggregator.engine.extraction import ExtractionLine, ExtractionSettings
from aggregator.engine.feed_readers import AnswerReader
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.models.feeds import Subscription
from aggregator.models.fetching import Fetched, FetchRequest, FetchResult, Hop, Validators
from aggregator.schedule.due_times import PollPolicy
from aggregator.store import SqlStore
from aggregator.visits.collect import PageLimits
from aggregator.visits.context import VisitContext, VisitPolicy
from aggregator.visits.poll import PollSettings
from aggregator.visits.visit import HostVisit
from tests.support.articles import no_rules
from tests.support.citizen import html_page, item, rss, story
from tests.support.pool import PoolHere, RememberingPool
from tests.support.stores import FOLDER, START, StandingClock

TITLES = (
    "Council opens the harbour bridge",
    "Ferry loses its oldest captain",
    "Museum buys an orchard",
    "Teacher wins a prize for patience",
    "Railway returns after forty winters",
    "Bakery closes its doors on Sunday",
    "Library lends out tools and ladders",
    "Festival draws crowds into the valley",
    "Garden of the old mill is saved",
    "River floods meadows near the village",
    "Theatre plays without light",
    "Budget leaves the schools short",
    "Market moves behind the station",
    "Lantern makers meet once more",
    "Engine drivers strike until Friday",
    "Choir sings for the lighthouse",
    "Doctors look for a new practice",
    "Farmers count their apples again",
    "Swimmers cross the bay at night",
    "Mayor rides to work by bicycle",
)
PATHS = tuple(f"/a/{n}/the-{n}" for n in range(len(TITLES)))
TEXTS = {
    "subscription": (
        "Subscribe now",
        "You have reached your limit of free pages. Subscribe now to get unlimited access to all our journalism on "
        "every device. Cancel at any time. Already a subscriber? Sign in to continue reading.",
    ),
    "app": (
        "Get the app",
        "This page can be read in our app. Download it for your telephone and follow the news wherever you are. It is "
        "there for all devices, and it costs nothing.",
    ),
    "holding page": (
        "We will be right back",
        "We are making our site better for you. Please come back in a few minutes. Thank you for your patience, our "
        "people are working on it.",
    ),
    "consent": (
        "Your privacy",
        "We and our 120 partners use cookies to show you what you like. Accept all cookies or manage your choices in "
        "the settings.",
    ),
    "bot check": ("Just a moment...", "Checking your browser before you continue. Enable JavaScript and cookies."),
}
DECLARATIONS = ("none", "canonical", "canonical and og:url", "redirect", "redirect with return")
_CANONICAL = '<link rel="canonical" href="/consent">'
_HEADS = {"canonical": _CANONICAL, "canonical and og:url": _CANONICAL + '<meta property="og:url" content="/consent">'}


def wall_page(text: str, declares: str, echo: str = "") -> bytes:
    """Return the page of a wall, under the title `echo` if it repeats the one it was asked for."""
    title, body = TEXTS[text]
    return html_page(echo or title, f"<p>{body}</p>", _HEADS.get(declares, ""))


def redirect_of(declares: str, number: int) -> str:
    """Return where a wall sends the reader of an entry, "" for nowhere."""
    return {"redirect": "/subscribe", "redirect with return": f"/subscribe?return={number}"}.get(declares, "")


def feed_of_entries(count: int = len(TITLES)) -> bytes:
    """Return the feed of the first entries."""
    return rss(*(item(path, title=title) for path, title in zip(PATHS[:count], TITLES, strict=False)))


# --- played -----------------------------------------------------------------------------------------------------------

HOST = "https://www.example.org"


Shape = Callable[[int, int], tuple[bytes, str]]  # number of an entry, of a request: the page, and its redirect or ""


@dataclass
class PlayedSite:
    """Answers as a site does that has a wall in front of its entries while it `stands`; a fetcher without a network."""

    text: str = ""
    declares: str = ""
    stands: bool = True
    shown: int = len(TITLES)  # entries in the feed
    echoes: bool = False  # the wall repeats the entry's title
    shape: Shape | None = None  # a wall of another shape
    asked: list[str] = field(default_factory=list)  # articles that were given
    requests: int = 0

    def fetch(self, request: FetchRequest) -> FetchResult:
        path = request.url.removeprefix(HOST)
        if path not in PATHS:
            return _answer(request.url, feed_of_entries(self.shown), "application/rss+xml")
        number = PATHS.index(path)
        self.requests += 1
        if not self.stands:
            self.asked.append(path)
            return _answer(request.url, html_page(TITLES[number], story(TITLES[number])), "text/html")
        wall, target = self._wall(number) if self.shape is None else self.shape(number, self.requests)
        return _answer(request.url, wall, "text/html", target and HOST + target)

    def _wall(self, number: int) -> tuple[bytes, str]:
        wall = wall_page(self.text, self.declares, TITLES[number] if self.echoes else "")
        return wall, redirect_of(self.declares, number)


def _answer(url: str, body: bytes, kind: str, target: str = "") -> Fetched:
    return Fetched(
        url=url,
        final_url=target or url,
        status=200,
        headers={"content-type": f"{kind}; charset=utf-8"},
        body=body,
        validators=Validators(),
        hops=(Hop(url=url, status=302, target=target),) if target else (),
        fresh_for=None,
        wire_bytes=len(body),
        elapsed=timedelta(),
    )


@dataclass
class Spool:
    """A raw store in memory."""

    folder: str = FOLDER
    kept: dict[str, bytes] = field(default_factory=dict)

    def put(self, body: bytes, at: datetime) -> str:
        name = hashlib.sha256(body).hexdigest()
        self.kept[name] = body
        return name

    def get(self, content_hash: str) -> bytes | None:
        return self.kept.get(content_hash)

    def delete(self, content_hash: str) -> None:
        self.kept.pop(content_hash, None)

    def names(self) -> Iterator[tuple[str, datetime]]:
        return iter(())


class PlayedRun:
    """Visits and extraction as a process does them, over a store and a site, in the time of a clock."""

    def __init__(
        self, store: SqlStore, clock: StandingClock, site: PlayedSite, revisit: tuple[timedelta, ...] | None = None
    ) -> None:
        revisit = _REVISIT if revisit is None else revisit
        self.store, self.clock = store, clock
        self._context = VisitContext(
            store=store,
            fetcher=site,
            raw_store=Spool(),
            clock=clock,
            rules_of=no_rules,
            publishers=shipped_publishers(),
            read=AnswerReader(PoolHere(), shipped_publishers()),  # type: ignore[arg-type]  # has its methods
            policy=VisitPolicy(
                lease=timedelta(seconds=90), per_host_interval=timedelta(), respect_robots=False, revisit=revisit
            ),
            polling=PollSettings(policy=PollPolicy(), max_bytes=1_000_000, deadline=timedelta(minutes=1)),
            pages=PageLimits(max_bytes=1_000_000, deadline=timedelta(minutes=1)),
            random=Random(15),
            recent=deque(maxlen=20),
        )
        settings = ExtractionSettings(timeout=timedelta(seconds=20), keep_raw=True, revisit=revisit)
        self._line = ExtractionLine(self._context, RememberingPool(), settings)  # type: ignore[arg-type]
        store.sync_feeds([Subscription(url=f"{HOST}/feed", interval=timedelta(hours=1))], "1", START)

    def run(self, *, after: timedelta = timedelta()) -> None:
        """Do all that is due."""
        self.clock.pass_(after)
        while True:
            claims = self.store.claim_hosts(1, timedelta(seconds=90))
            for claim in claims:
                HostVisit(claim, self._context, max_pages=200, others_due=lambda: False, stopping=lambda: False).run()
            if not self._line.step(0.0) and not claims:
                return

    @property
    def titles(self) -> list[str]:
        """The titles of the articles."""
        return sorted(article.content.title for article in self.store.articles())


_REVISIT = (timedelta(hours=6), timedelta(hours=24), timedelta(hours=72))
