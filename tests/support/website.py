"""A web server on 127.0.0.1 over a store, with one session, for tests of its pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import Any

import requests

from aggregator.errors import StorageError
from aggregator.models.articles import Article
from aggregator.models.feeds import FeedStatus
from aggregator.models.fetching import Cause
from aggregator.monitoring.metrics import Metrics, StoreMetrics
from aggregator.ports.store import Store
from aggregator.store import SqlStore
from aggregator.web.application import create_app
from aggregator.web.listening import listen
from aggregator.web.server import RunningServer
from aggregator.web.state import CachedOverview
from aggregator.web.state import Site as SharedState
from tests.support.stores import (
    START,
    StandingClock,
    article_record,
    claim,
    collect,
    extraction,
    fetch_due,
    fetched_pages,
    newest,
    poll,
    poll_record,
    record_article,
    sighting,
    subscribe,
)

A, B = "http://a.example/feed", "http://b.example/feed"


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def state_over(store: Store, **own: Any) -> SharedState:
    """Return what the routes share, with parts of a test's own."""
    state = SharedState(
        store=store,
        ready=lambda: True,
        metrics=Metrics().render,
        raw=lambda content_hash: None,
        cached_overview=CachedOverview(store, monotonic, patience=60),
    )
    return replace(state, **own)


class Site:
    """A running server and one session with it; `ready` may be changed."""

    def __init__(
        self,
        store: Store,
        clock: StandingClock,
        token: str | None,
        *,
        raw: Callable[[str], bytes | None] = lambda content_hash: None,
        patience: float = 60,
        base_url: str = "",
        is_busy: Callable[[], bool] | None = None,
    ) -> None:
        self.ready = True
        self.metrics = StoreMetrics(store.counts, lambda: 0.0)
        self.session = requests.Session()
        self.session.trust_env = False
        overview = CachedOverview(store, clock.monotonic, patience)
        state = state_over(
            store, ready=lambda: self.ready, metrics=self.metrics.render, raw=raw, cached_overview=overview
        )
        app = create_app(state, token=token, base_url=base_url, is_busy=is_busy)
        self.server: RunningServer = RunningServer(app, listen("127.0.0.1", 0))
        self.address = self.server.url.rstrip("/")

    def get(self, path: str, status: int = 200, **options: Any) -> requests.Response:
        return self.ask("GET", path, status, **options)

    def ask(self, method: str, path: str, status: int, **options: Any) -> requests.Response:
        answer = self.session.request(method, self.address + path, allow_redirects=False, timeout=10, **options)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer

    def close(self) -> None:
        self.session.close()
        self.server.stop()


Open = Callable[..., Site]


def fill(store: SqlStore, count: int = 3, title: str = "", **options: Any) -> tuple[Article, ...]:
    """Announce, collect and publish some articles."""
    (feed, *_) = store.feeds() or subscribe(store, A)
    poll(store, feed, *(sighting(n, updated_at=START) for n in range(count)))
    while collect(store, title=title, **options):
        store.number_changes()
    return newest(store)


def revise(store: SqlStore, clock: StandingClock, body: str) -> None:
    """Visit the first page again; its text is another one."""
    (feed, *_) = store.feeds()
    clock.pass_(timedelta(hours=7))
    poll(store, feed, sighting(0, content_hash="2", updated_at=store.now()))
    fetch_due(store)
    for page in fetched_pages(store):
        record = article_record(page)
        assert record_article(store, page, replace(record, content=extraction("Article", body)))
    store.number_changes()


class Broken:
    """A store whose disk is gone."""

    def __getattr__(self, name: str) -> Any:
        def fail(*args: object, **options: object) -> None:
            raise StorageError("disk I/O error")

        return fail


def break_feed(store: SqlStore) -> None:
    feed = store.feeds()[-1]
    record = poll_record(feed, at=store.now())
    state = replace(record.state, status=FeedStatus.FAILING, cause=Cause.NOT_FOUND, failing_since=START, detail=HOSTILE)
    outcome = replace(record.outcome, outcome="failed", cause=Cause.NOT_FOUND, status=404, detail=HOSTILE)
    held = claim(store, feed.host)
    assert store.record_poll(held, replace(record, state=state, outcome=outcome))
    store.release(held)
