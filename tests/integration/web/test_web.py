"""The web application as a browser, a script and Prometheus meet it: a real server on 127.0.0.1 over a real store."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from lxml import etree

from aggregator.engine.followers import deliver_all
from aggregator.errors import ConfigError, PortError, StorageError
from aggregator.feeds.parse import parse_feed
from aggregator.identity.evidence import Edge
from aggregator.models.articles import Article
from aggregator.models.feeds import Feed, FeedStatus, Subscription
from aggregator.models.fetching import Cause
from aggregator.models.ids import EvidenceKind, FeedId, Key
from aggregator.monitoring.daemon_record import DaemonRecord, write_record
from aggregator.monitoring.metrics import Metrics, StoreMetrics
from aggregator.ports.store import Store
from aggregator.schedule.due_times import NEVER
from aggregator.sinks.outputs.command import CommandOutput
from aggregator.sinks.outputs.files import FilesOutput
from aggregator.sinks.records import article_record as record_of
from aggregator.store import SqlStore, open_store
from aggregator.web import RunningServer, create_app, listen, read_token, refresher, serve
from aggregator.web.access import Guard
from aggregator.web.api.schemas import Article as ArticleSchema
from aggregator.web.pages.differences import differences
from aggregator.web.state import Lookout
from tests.support.daemon import wait_for
from tests.support.stores import (
    START,
    URL,
    StandingClock,
    article_record,
    claim,
    collect,
    extraction,
    fetch_due,
    fetched_pages,
    identity,
    poll,
    poll_record,
    record_article,
    sighting,
    subscribe,
    words,
)

A, B = "http://a.example/feed", "http://b.example/feed"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
def store(sqlite_template: Path, tmp_path: Path, clock: StandingClock) -> Iterator[SqlStore]:
    file = tmp_path / "store.db"
    file.write_bytes(sqlite_template.read_bytes())
    opened = open_store(f"sqlite:///{file}", clock)
    yield opened
    opened.close()


class Site:
    """A running server and one session with it; `ready` may be changed."""

    def __init__(
        self,
        store: Store,
        clock: StandingClock,
        token: str | None,
        *,
        may_refresh: bool = True,
        raw: Callable[[str], bytes | None] | None = None,
        patience: float = 60,
    ) -> None:
        self.ready = True
        self.metrics = StoreMetrics(store.counts, lambda: 0.0)
        self.session = requests.Session()
        self.session.trust_env = False
        app = create_app(
            store,
            ready=lambda: self.ready,
            metrics=self.metrics.render,
            refresh=refresher(store) if may_refresh else None,
            token=token,
            raw=raw,
            lookout=Lookout(store, clock.monotonic, patience),
        )
        self.server: RunningServer = serve(app, listen("127.0.0.1", 0))
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


@pytest.fixture
def open_site(store: SqlStore, clock: StandingClock) -> Iterator[Open]:
    opened: list[Site] = []

    def opening(token: str | None = None, over: Store | None = None, **options: Any) -> Site:
        opened.append(Site(over or store, clock, token, **options))
        return opened[-1]

    yield opening
    for site in opened:
        site.close()


@pytest.fixture
def site(open_site: Open) -> Site:
    return open_site()


def fill(store: SqlStore, count: int = 3, title: str = "", **options: Any) -> tuple[Article, ...]:
    """Announce, collect and publish some articles."""
    (feed, *_) = store.feeds() or subscribe(store, A)
    poll(store, feed, *(sighting(n, updated_at=START) for n in range(count)))
    while collect(store, title=title, **options):
        store.number_changes()
    return store.latest(100)


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


# --- probes -----------------------------------------------------------------------------------------------------------


def test_probes_say_yes(site: Site) -> None:
    assert site.get("/healthz").text == "ok\n"
    assert site.get("/readyz").text == "ready\n"


def test_a_process_that_does_not_tick_is_alive_and_not_ready(site: Site) -> None:
    site.ready = False
    site.get("/healthz")
    assert site.get("/readyz", 503).text == "not ready\n"
    assert "Not ready." in site.get("/").text


class Broken:
    """A store whose disk is gone."""

    def __getattr__(self, name: str) -> Any:
        def fail(*args: object, **options: object) -> None:
            raise StorageError("disk I/O error")

        return fail


def test_without_a_store_nothing_is_ready_and_every_page_says_so(open_site: Open) -> None:
    site = open_site(over=Broken())
    site.get("/readyz", 503)
    assert "disk I/O error" in site.get("/", 503).text
    answer = site.get("/api/v1/feeds", 503)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "the store cannot be read: disk I/O error",
    }


def test_prometheus_reads_its_own_format(site: Site) -> None:
    answer = site.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "aggregator_store_up 1.0" in answer.text


# --- pages ------------------------------------------------------------------------------------------------------------


def test_the_status_page_says_what_the_daemon_does(site: Site, store: SqlStore) -> None:
    assert "No daemon works on this store." in site.get("/").text
    now = store.now()
    record = DaemonRecord(at=now, started_at=now, ticked_at=now, visiting=1, hosts=("a.example:443",), requests=1234)
    write_record(store, "one", record)
    page = site.get("/").text
    assert "Polling: 1 host is being visited." in page
    assert "<bdi>a.example:443</bdi>" in page
    assert "1,234" in page


def test_the_status_page_shows_days_as_a_chart_and_as_a_table(site: Site, store: SqlStore) -> None:
    fill(store, 3)
    page = site.get("/").text
    assert "<title>2026-03-01: 3 articles</title>" in page
    assert page.count("<rect") == 2
    row = '<tr><td>2026-03-01</td><td class="number">3</td><td class="number">3</td></tr>'
    assert row in page


def test_what_needs_attention_is_grouped_by_cause_with_its_remedy(site: Site, store: SqlStore) -> None:
    for feed in subscribe(store, A, B):
        fail(store, feed)
    page = site.get("/").text
    assert page.count("<strong>broken: failing</strong> (not found)") == 1
    assert page.count("find the new address with") == 1
    link = "/feeds?finding=failing&amp;cause=not_found"
    assert f'<a href="{link}">2 feeds</a>' in page
    listed = site.get(link.replace("&amp;", "&")).text
    assert "<h1>2 feeds: failing (not found)</h1>" in listed
    assert listed.count('<span class="broken">broken</span>') == 2
    assert "<h1>0 feeds: failing</h1>" in site.get("/feeds?finding=failing").text


def fail(store: SqlStore, feed: Feed) -> None:
    """Record a poll that found nothing there."""
    record = poll_record(feed, at=store.now())
    held = claim(store, feed.host)
    state = replace(record.state, status=FeedStatus.FAILING, cause=Cause.NOT_FOUND, failing_since=START)
    assert store.record_poll(held, replace(record, state=state))
    store.release(held)


class Slow:
    """A store whose feeds are looked through until `free` is set."""

    def __init__(self, store: SqlStore) -> None:
        self._store, self.free = store, threading.Event()

    def __getattr__(self, name: str) -> Any:
        if name == "signs":
            self.free.wait(60)
        return getattr(self._store, name)


def test_before_the_first_overview_feeds_are_shown_by_their_state(open_site: Open, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    fail(store, feed)
    slow = Slow(store)
    site = open_site(over=cast(Store, slow), patience=0.0)
    assert '<span class="broken">broken</span>' in site.get("/feeds").text
    assert "broken: failing" in site.get(f"/feeds/{feed.id}").text
    assert len(site.get("/api/v1/feeds").json()) == 1
    slow.free.set()
    wait_for(lambda: "1 of 1 feeds are broken." in site.get("/").text, "the overview")


def test_pages_do_not_wait_for_an_overview_that_takes_long(store: SqlStore, clock: StandingClock) -> None:
    subscribe(store, A)
    slow = Slow(store)
    lookout = Lookout(cast(Store, slow), clock.monotonic, patience=0.0)
    slow.free.set()
    first = lookout.look()
    slow.free.clear()
    clock.pass_(timedelta(seconds=20))
    assert lookout.look() is first, "it is old, and better than waiting"
    slow.free.set()
    wait_for(lambda: lookout.look() is not first, "the newer one")
    lookout.forget()
    wait_for(lambda: lookout.look().at == store.now(), "the one after a change")


def test_an_empty_store_has_pages_too(site: Site) -> None:
    assert "No feeds are subscribed to." in site.get("/").text
    assert "0 feeds" in site.get("/feeds").text
    assert "None." in site.get("/articles").text
    assert "None." in site.get("/articles?q=anything").text


def test_the_status_page_shows_how_the_outputs_stand(
    site: Site, store: SqlStore, clock: StandingClock, tmp_path: Path
) -> None:
    assert "Outputs" not in site.get("/").text
    (feed,) = subscribe(store, "http://a.example/feed")
    poll(store, feed, sighting(1))
    collect(store)
    store.number_changes()
    outputs = [
        CommandOutput("<loader>", ["/missing/program"], "seed", timedelta(seconds=5)),
        FilesOutput("copy", tmp_path / "copy", "seed"),
    ]
    deliver_all(store, clock, outputs, timedelta(seconds=20))
    text = " ".join(re.sub("<[^>]+>", " ", site.get("/").text).split())
    assert "&lt;loader&gt; : 1 changes wait; it fails: /missing/program: No such file or directory" in text
    assert "copy : has every change" in text


def test_the_status_page_says_that_all_is_well(site: Site, store: SqlStore) -> None:
    fill(store)
    page = site.get("/").text
    assert "All 1 feeds are well." in page
    assert re.search(r"<dt>new articles</dt><dd>3</dd>", page)


def break_feed(store: SqlStore) -> None:
    feed = store.feeds()[-1]
    record = poll_record(feed, at=store.now())
    state = replace(record.state, status=FeedStatus.FAILING, cause=Cause.NOT_FOUND, failing_since=START, detail=HOSTILE)
    outcome = replace(record.outcome, outcome="failed", cause=Cause.NOT_FOUND, status=404, detail=HOSTILE)
    held = claim(store, feed.host)
    assert store.record_poll(held, replace(record, state=state, outcome=outcome))
    store.release(held)


def test_the_status_page_names_what_is_broken_and_the_remedy(site: Site, store: SqlStore) -> None:
    subscribe(store, A, B)
    break_feed(store)
    page = site.get("/").text
    assert "1 of 2 feeds are broken." in page
    assert "aggregator feeds discover" in page


def test_a_feed_s_page_shows_the_history_of_its_polls(site: Site, store: SqlStore) -> None:
    subscribe(store, A)
    break_feed(store)
    (feed,) = store.feeds()
    assert f'href="/feeds/{feed.id}"' in site.get("/feeds").text
    page = site.get(f"/feeds/{feed.id}").text
    assert "The last 1 polls" in page
    assert "<td>404</td>" in page
    site.get("/feeds/999", 404)
    site.get("/feeds/999999999999999999999999", 404)
    site.get("/feeds/x", 404)


def test_a_feed_that_is_gone_has_no_next_poll(site: Site, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    record = poll_record(feed, at=store.now())
    held = claim(store, feed.host)
    state = replace(record.state, status=FeedStatus.GONE, cause=Cause.GONE, due_at=NEVER)
    assert store.record_poll(held, replace(record, state=state))
    assert "<dt>next poll</dt><dd>never</dd>" in site.get(f"/feeds/{feed.id}").text
    assert site.get(f"/api/v1/feeds/{feed.id}").json()["due_at"] is None


def test_many_feeds_are_shown_page_by_page(site: Site, store: SqlStore) -> None:
    subscribe(store, *(f"http://{n}.example/feed" for n in range(201)))
    first, second = site.get("/feeds").text, site.get("/feeds?page=2").text
    assert 'rel="next" href="/feeds?page=2"' in first
    assert 'rel="prev" href="/feeds?page=1"' in second
    assert "http://200.example/feed" in second
    assert "http://200.example/feed" not in first


def test_articles_are_listed_page_by_page_and_searched(site: Site, store: SqlStore) -> None:
    fill(store, 60)
    first = site.get("/articles").text
    (on,) = etree.HTML(first).xpath("//a[@rel='next']/@href")
    second = site.get(on).text
    assert (first.count("<li>"), second.count("<li>")) == (50, 10)
    assert 'rel="first" href="/articles"' in second
    assert 'rel="next"' not in second
    found = store.latest(1)[0]
    word = found.content.body.split()[0]
    page = site.get("/articles", params={"q": word}).text
    assert f'href="/articles/{found.id}"' in page
    assert f'value="{word}"' in page
    assert f"<mark>{word}</mark>" in page
    assert "1 article, best match first" in page


def test_a_feed_without_a_name_is_called_by_its_own_title(site: Site, store: SqlStore) -> None:
    (article,) = fill(store, 1)
    feed = store.feeds()[0]
    record = poll_record(feed, at=store.now())
    held = claim(store, feed.host)
    assert store.record_poll(held, replace(record, state=replace(record.state, title="The <Daily>")))
    store.release(held)
    for path in ("/articles", f"/articles/{article.id}"):
        shown = etree.HTML(site.get(path).text)
        assert "The <Daily>" in shown.xpath("//bdi/text()"), path
        assert A not in shown.xpath("//bdi/text()"), path
    store.sync_feeds([Subscription(url=A, name="Daily")], "named", store.now())
    assert "Daily" in etree.HTML(site.get("/articles").text).xpath("//bdi/text()")


def test_all_that_was_asked_for_stands_in_the_address_of_the_next_page(site: Site, store: SqlStore) -> None:
    fill(store, 51, body=words("storm"), quality=("too_short",))
    asked = {
        "q": words("storm").split()[0],
        "feed": A,
        "day": f"{START:%Y-%m-%d}",
        "language": "en",
        "quality": "doubtful",
    }
    page = etree.HTML(site.get("/articles", params={**asked, "tag": ""}).text)
    (on,) = page.xpath("//a[@rel='next']/@href")
    given = parse_qs(urlsplit(on).query)
    assert {name: given[name] for name in asked} == {name: [value] for name, value in asked.items()}
    second = etree.HTML(site.get(on).text)
    assert len(second.xpath("//main//li")) == 1
    assert second.xpath("//select/option[@selected]/@value") == ["doubtful"]
    for wrong in ("day=today", "after=x", "quality=bad"):
        site.get(f"/articles?{wrong}", 404 if wrong.startswith("quality") else 422)


def test_an_article_s_page_shows_text_provenance_revisions_and_duplicates(
    site: Site, store: SqlStore, clock: StandingClock
) -> None:
    body = words("text")
    fill(store, 1, title="First", body=body)
    clock.pass_(timedelta(hours=1))
    poll(store, store.feeds()[0], sighting(9, url="https://other.example/en/story/b"))
    collect(store, title="Second", body=body)
    revise(store, clock, "Quite another text.")
    second, first = store.latest(2)
    page = site.get(f"/articles/{first.id}").text
    assert "Quite another text." in page
    assert first.key in page
    assert "Revision 2" in page
    assert '<div class="added" dir="auto"><ins>Quite another text.</ins></div>' in page
    assert f'repeated by <a href="/articles/{second.id}" lang="en">' in page
    assert "announced by test" in page
    assert "nearly the same text as the earlier" in site.get(f"/articles/{second.id}").text
    site.get("/articles/0123456789abcdef", 404)
    site.get("/articles/no%00where", 404)


def test_the_address_of_a_merged_article_leads_to_the_one_that_it_is_part_of(site: Site, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    short, long = "https://s.example/en/story/x", URL.format(1)
    poll(store, feed, sighting(1), sighting("x", url=short))
    collect(store, title="One", body=words("same"))
    store.number_changes()
    edge = Edge(
        key=identity(short).key or Key(""),
        other=identity(long).key or Key(""),
        kind=EvidenceKind.FEED_LINK,
        site="example.org",
        other_site="example.org",
        witness="example.org",
    )
    poll(store, feed, sighting(1, content_hash="2", edges=(edge,)))
    store.number_changes()
    (survivor,) = store.latest(10)
    merged = next(one.id for one in store.trace([short, long], []).articles if one.merged_into)
    assert site.get(f"/articles/{merged}", 302).headers["location"] == f"/articles/{survivor.id}"
    page = site.get(f"/articles/{survivor.id}").text
    assert merged in page
    assert "one entry of a feed of example.org names both" in page
    assert site.get(f"/api/v1/articles/{merged}").json()["id"] == survivor.id
    kinds = [(one["kind"], one["article"] is None) for one in site.get("/api/v1/articles").json()["changes"]]
    assert ("merged", True) in kinds


def test_what_comes_from_outside_is_only_text(site: Site, store: SqlStore) -> None:
    subscribe(store, A)
    fill(store, 1, title=HOSTILE, body=f"{HOSTILE}\n\nSecond paragraph.", quality=(HOSTILE,))
    (article,) = store.latest(1)
    break_feed(store)
    feed = store.feeds()[0]
    for path in ("/", "/articles", "/articles?q=paragraph", f"/articles/{article.id}", f"/feeds/{feed.id}", "/feeds"):
        page = site.get(path)
        assert "<script" not in page.text
        assert not etree.HTML(page.text).xpath("//img | //script | //*[@onerror]"), path
    assert "<script" not in site.get("/articles", params={"q": HOSTILE}).text
    stream = etree.fromstring(site.get("/feed.atom").content)
    content = stream.findtext(".//{http://www.w3.org/2005/Atom}content")
    assert content is not None
    assert not etree.HTML(content).xpath("//img | //script")


def test_a_title_that_turns_the_line_around_does_not(site: Site, store: SqlStore) -> None:
    fill(
        store,
        1,
        title="Invoice \u202egnp.exe\u2067 paid",
        body="\u0645\u0631\u062d\u0628\u0627.\n\nSecond \u202dparagraph.",
    )
    (article,) = store.latest(1)
    for path in ("/articles", f"/articles/{article.id}", "/feed.atom"):
        page = site.get(path).text
        assert "Invoice gnp.exe paid" in page, path
    page = site.get(f"/articles/{article.id}").text
    tree = etree.HTML(page)
    assert tree.xpath("//article/h1/@dir") == ["auto"]
    assert tree.xpath("//article/p[not(@class)]/@dir") == ["auto", "auto"]
    assert tree.xpath("//article/@lang") == tree.xpath("//pre/@lang") == ["en"]
    assert "Second \u202dparagraph." in tree.xpath("string(//pre)")  # the text as it is stored
    assert etree.HTML(site.get("/articles").text).xpath("//li/a/bdi/text()") == ["Invoice gnp.exe paid"]


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_scripted(site: Site, store: SqlStore) -> None:
    (article, *_) = fill(store)
    for path in ("/", "/feeds", "/articles", f"/articles/{article.id}", "/api/docs", "/nowhere"):
        tree = etree.HTML(site.session.get(site.address + path, timeout=10).text)
        loaded = tree.xpath("//link[@rel='stylesheet']/@href | //*/@src")
        assert loaded == ["/static/style.css"], path
        assert not tree.xpath("//script | //style | //*[@style] | //iframe")
    style = site.get("/static/style.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "url(" not in style.text
    assert "@import" not in style.text


@pytest.mark.parametrize("path", ["/", "/static/style.css", "/api/v1/feeds", "/nowhere", "/healthz"])
def test_every_answer_carries_the_headers_that_hold_a_browser(site: Site, path: str) -> None:
    headers = site.session.get(site.address + path, timeout=10).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "server" not in headers


def test_head_is_answered_like_get_without_a_body(site: Site) -> None:
    answer = site.ask("HEAD", "/", 200)
    assert int(answer.headers["content-length"]) > 0
    assert answer.content == b""


def test_the_state_is_looked_at_again_after_a_while(site: Site, store: SqlStore, clock: StandingClock) -> None:
    assert "0 feeds" in site.get("/feeds").text
    subscribe(store, A)
    assert "0 feeds" in site.get("/feeds").text
    clock.pass_(timedelta(seconds=15))
    assert "1 feeds" in site.get("/feeds").text


# --- API --------------------------------------------------------------------------------------------------------------


def test_the_corpus_is_followed_by_cursor(site: Site, store: SqlStore, clock: StandingClock) -> None:
    fill(store, 3)
    first = site.get("/api/v1/articles?limit=2").json()
    assert [one["kind"] for one in first["changes"]] == ["new", "new"]
    assert first["more"] is True
    second = site.get(f"/api/v1/articles?after={first['cursor']}").json()
    assert (len(second["changes"]), second["more"]) == (1, False)
    assert site.get(f"/api/v1/articles?after={second['cursor']}").json() == {
        "changes": [],
        "cursor": second["cursor"],
        "epoch": store.position().epoch,
        "more": False,
    }
    revise(store, clock, "Another text.")
    (change,) = site.get(f"/api/v1/articles?after={second['cursor']}").json()["changes"]
    assert (change["kind"], change["article"]["revision"]) == ("updated", 2)


def test_a_cursor_of_another_store_leads_back_to_the_beginning(site: Site, store: SqlStore) -> None:
    fill(store, 2)
    given = site.get("/api/v1/articles").json()
    site.get(f"/api/v1/articles?after={given['cursor']}&epoch={given['epoch']}")
    for query in (f"after={given['cursor']}&epoch=0123", f"after={given['cursor'] + 1}&epoch={given['epoch']}"):
        refused = site.get(f"/api/v1/articles?{query}", 409).json()["detail"]
        assert f"start again with after=0 and epoch={given['epoch']}" in refused


def test_an_article_of_the_api_is_the_record_of_the_export(site: Site, store: SqlStore) -> None:
    (article,) = fill(store, 1)
    given = site.get(f"/api/v1/articles/{article.id}").json()
    expected = record_of(article)
    assert set(ArticleSchema.model_fields) == set(expected) == set(given)
    assert given | {"first_seen": None} == expected | {"first_seen": None}
    body = site.get(f"/api/v1/articles/{article.id}?text=body").json()
    assert body["text"] == record_of(article, "body")["text"]
    site.get("/api/v1/articles/0123456789abcdef", 404)


def test_revisions_are_given_oldest_first(site: Site, store: SqlStore, clock: StandingClock) -> None:
    (article,) = fill(store, 1)
    revise(store, clock, "Another text.")
    found = site.get(f"/api/v1/articles/{article.id}/revisions").json()
    assert [one["number"] for one in found] == [1, 2]
    assert found[1]["body"] == "Another text."


def test_search_gives_the_place(site: Site, store: SqlStore) -> None:
    (article,) = fill(store, 1, body="A storm hit the coast <b> on Monday.")
    page = site.get("/api/v1/search?q=storm").json()
    assert (page["count"], page["next"]) == (1, None)
    (found,) = page["found"]
    assert found["id"] == article.id
    assert found["snippet"] == "A <mark>storm</mark> hit the coast &lt;b&gt; on Monday."
    assert site.get("/api/v1/search").json()["found"][0]["snippet"] == ""


def test_search_goes_on_to_the_end(site: Site, store: SqlStore) -> None:
    fill(store, 5, body="storm")
    seen, after = [], ""
    while after is not None:
        page = site.get("/api/v1/search", params={"q": "storm", "limit": 2, "after": after}).json()
        seen += [one["id"] for one in page["found"]]
        after = page["next"]
    assert sorted(seen) == sorted(one.id for one in store.latest(10))


def test_feeds_and_their_polls(site: Site, store: SqlStore) -> None:
    subscribe(store, A, B)
    break_feed(store)
    good, bad = site.get("/api/v1/feeds").json()
    assert (good["url"], good["status"], bad["status"], bad["cause"]) == (A, "new", "failing", "not_found")
    detail = site.get(f"/api/v1/feeds/{bad['id']}").json()
    assert [one["outcome"] for one in detail["polls"]] == ["failed"]
    assert detail["findings"][0]["severity"] == "broken"
    site.get("/api/v1/feeds/99", 404)


def test_health_status_and_gaps(site: Site, store: SqlStore) -> None:
    (feed, _) = subscribe(store, A, B)
    held = claim(store, feed.host)
    gap = (START - timedelta(hours=3), START)
    assert store.record_poll(held, replace(poll_record(feed, sighting(1), at=START), gap=gap))
    store.release(held)
    break_feed(store)
    health = site.get("/api/v1/health").json()
    assert (health["feeds"], health["broken"]) == (2, 1)
    assert health["findings"][0]["remedy"]
    (found,) = site.get("/api/v1/gaps").json()
    assert found["feed"] == A
    assert found["until"].startswith("2026-03-01T12:00:00")
    status = site.get("/api/v1/status").json()
    assert (status["feeds"], status["feeds_broken"], status["polls"], status["polls_failed"]) == (2, 1, 2, 1)


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=9999999999999999999999", "limit=0", "limit=1001", "text=xml", "wait=61s"]
)
def test_what_cannot_be_asked_is_refused_without_repeating_it(site: Site, query: str) -> None:
    (error,) = site.get(f"/api/v1/articles?{query}", 422).json()["errors"]
    assert set(error) == {"where", "problem"}
    assert error["where"] == f"query.{query.partition('=')[0]}"


@pytest.mark.parametrize("path", ["articles?sinse=2026-01-01", "search?q=a&lang=de", "feeds?page=2", "status?x"])
def test_an_unknown_parameter_is_refused(site: Site, path: str) -> None:
    refused = site.get(f"/api/v1/{path}", 422).json()
    assert "unknown parameter" in refused["detail"]
    assert refused["status"] == 422


def test_a_follower_narrows_what_it_follows(site: Site, store: SqlStore, clock: StandingClock) -> None:
    subscribe(store, A, B)
    fill(store, 3)
    clock.pass_(timedelta(hours=1))
    poll(store, store.feeds()[1], sighting("b", url="https://b.example/story/b"))
    collect(store)
    store.number_changes()
    last = store.position().seq

    def follow(**parameters: Any) -> list[str]:
        answer = site.get("/api/v1/articles", params=parameters).json()
        assert (answer["cursor"], answer["more"]) == (last, False)
        return [change["article"]["url"] for change in answer["changes"]]

    assert len(follow()) == 4
    assert follow(feed=B) == follow(since=(START + timedelta(minutes=1)).isoformat()) == ["https://b.example/story/b"]
    assert follow(url="https://b.example/story/b") == ["https://b.example/story/b"]
    assert follow(url="https://nowhere.example/") == follow(url="https://b.example/story/b", after=last) == []
    assert follow(since="2030-01-01") == follow(feed="nobody's") == []
    first = site.get("/api/v1/articles", params={"feed": A, "limit": 2}).json()
    assert (len(first["changes"]), first["more"]) == (2, True)


def test_long_texts_come_in_several_answers(site: Site, store: SqlStore) -> None:
    fill(store, 3, body="word " * 100_000)
    after, sizes = 0, []
    while True:
        answer = site.get(f"/api/v1/articles?after={after}")
        sizes.append(len(answer.json()["changes"]))
        after = answer.json()["cursor"]
        if not answer.json()["more"]:
            break
    assert len(sizes) == store.position().seq >= 3
    assert set(sizes) == {1}


def test_a_waiting_request_is_answered_by_the_next_change(site: Site, store: SqlStore, clock: StandingClock) -> None:
    fill(store, 1)
    after = store.position().seq
    assert site.get(f"/api/v1/articles?after={after}&wait=1s").json()["changes"] == []
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(site.get, f"/api/v1/articles?after={after}&wait=60s")
        revise(store, clock, "Another text.")
        (change,) = waiting.result(timeout=50).json()["changes"]
    assert change["kind"] == "updated"
    assert site.get("/api/v1/articles?after=0&wait=60s").json()["changes"]  # there is something already


def test_what_has_not_changed_is_not_sent_again_and_what_is_sent_is_compressed(site: Site, store: SqlStore) -> None:
    fill(store, 3)
    for path in ("/api/v1/articles", "/api/v1/feeds", "/articles", "/feed.atom"):
        plain = site.get(path, headers={"Accept-Encoding": "identity"})
        packed = site.get(path, headers={"Accept-Encoding": "gzip"})
        assert (packed.headers.get("content-encoding") == "gzip") == (len(plain.content) >= 1000), path
        assert plain.content == packed.content
        tag = packed.headers["etag"]
        assert tag == plain.headers["etag"]
        again = site.get(path, 304, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.content, again.headers["etag"]) == (b"", tag)
        assert again.headers["content-security-policy"]
        site.get(path, headers={"If-None-Match": 'W/"other"'})


def test_long_lists_come_in_parts(site: Site, store: SqlStore) -> None:
    subscribe(store, *(f"http://{n}.example/feed" for n in range(5)))
    path, seen = "/api/v1/feeds?limit=2", []
    while path:
        answer = site.get(path)
        seen += [one["url"] for one in answer.json()]
        path = answer.links.get("next", {}).get("url", "")
    assert seen == [f"http://{n}.example/feed" for n in range(5)]


def test_why_tells_what_was_seen_and_decided(site: Site, store: SqlStore) -> None:
    (article,) = fill(store, 1)
    found = site.get("/api/v1/why", params={"url": article.url}).json()
    assert [one["id"] for one in found["articles"]] == [article.id]
    assert found["entries"][0]["feed"] == A
    assert found["pages"][0]["state"] == "done"
    nothing = site.get("/api/v1/why", params={"url": "https://nowhere.example/a"}).json()
    assert not any(nothing[part] for part in ("entries", "pages", "articles", "evidence", "decisions"))


def test_the_raw_page_is_a_download(open_site: Open, store: SqlStore) -> None:
    (article,) = fill(store, 1)
    page = b"<script>alert(1)</script>"
    site = open_site(raw={article.raw: page}.get)
    answer = site.get(f"/api/v1/articles/{article.id}/raw")
    assert answer.content == page
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"].startswith("sandbox")
    open_site().get(f"/api/v1/articles/{article.id}/raw", 404)
    open_site(raw={}.get).get(f"/api/v1/articles/{article.id}/raw", 404)


def test_every_route_names_its_statuses(site: Site) -> None:
    for operations in site.get("/api/openapi.json").json()["paths"].values():
        for operation in operations.values():
            assert {"401", "421", "422", "503"} <= set(operation["responses"])
            refused = operation["responses"]["422"]["content"]["application/problem+json"]["schema"]
            assert set(refused["required"]) == {"title", "status", "detail"}


def test_the_description_is_a_page_and_a_document(site: Site) -> None:
    described = site.get("/api/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/v1/articles",
        "/api/v1/articles/{article_id}",
        "/api/v1/articles/{article_id}/raw",
        "/api/v1/articles/{article_id}/revisions",
        "/api/v1/why",
        "/api/v1/search",
        "/api/v1/feeds",
        "/api/v1/feeds/{feed_id}",
        "/api/v1/feeds/{feed_id}/refresh",
        "/api/v1/health",
        "/api/v1/gaps",
        "/api/v1/status",
    }
    methods = {method for operations in described["paths"].values() for method in operations}
    assert methods == {"get", "post"}
    page = site.get("/api/docs").text
    assert all(path.replace("{", "{") in page for path in described["paths"])


# --- refresh ----------------------------------------------------------------------------------------------------------


def test_refresh_makes_a_feed_due(site: Site, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed)
    assert store.feeds()[0].state.due_at > store.now()
    assert site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 202).json() == {"feed_id": feed.id, "due": True}
    assert store.feeds()[0].state.due_at == store.now()
    assert [held.host for held in store.claim_hosts(5, timedelta(minutes=1))] == [feed.host]


def test_a_button_leads_back_to_the_page_which_shows_it(site: Site, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed)
    path = f"/api/v1/feeds/{feed.id}/refresh"
    assert f'action="{path}"' in site.get(f"/feeds/{feed.id}").text
    headers = {"Accept": "text/html", "Origin": site.address, "Sec-Fetch-Site": "same-origin"}
    assert site.ask("POST", path, 303, headers=headers).headers["location"] == f"/feeds/{feed.id}"
    assert "<dt>next poll</dt><dd>2026-03-01 12:00</dd>" in site.get(f"/feeds/{feed.id}").text


def test_retry_after_forbids_a_refresh(site: Site, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    record = poll_record(feed, at=store.now())
    held = claim(store, feed.host)
    state = replace(record.state, not_before=store.now() + timedelta(hours=1))
    assert store.record_poll(held, replace(record, state=state))
    site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 409)
    site.ask("POST", "/api/v1/feeds/99/refresh", 404)


def test_a_process_that_cannot_refresh_says_so(open_site: Open, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    site = open_site(may_refresh=False)
    site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 503)
    assert "Poll now" not in site.get(f"/feeds/{feed.id}").text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_s_page_cannot_refresh(site: Site, store: SqlStore, headers: dict[str, str]) -> None:
    (feed,) = subscribe(store, A)
    site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 403, headers=headers)


def test_a_browser_s_own_word_about_the_site_decides(site: Site, store: SqlStore) -> None:
    """A form of a page that sends no referrer has `Origin: null`, though it is ours (Chromium)."""
    (feed,) = subscribe(store, A)
    poll(store, feed)
    headers = {"Accept": "text/html", "Origin": "null", "Sec-Fetch-Site": "same-origin"}
    site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 303, headers=headers)


REBOUND = ["evil.example", "evil.example:8642", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", "user@evil"]


@pytest.mark.parametrize("name", REBOUND)
def test_a_name_that_came_to_mean_this_machine_shows_nothing(site: Site, store: SqlStore, name: str) -> None:
    """DNS rebinding: to the browser that name's pages and ours are of one origin."""
    (feed,) = subscribe(store, A)
    headers = {"Host": name, "Origin": f"http://{name}", "Sec-Fetch-Site": "same-origin"}
    for path in ("/", "/feeds", "/metrics", "/api/v1/articles", "/feed.atom"):
        site.get(path, 421, headers=headers)
    site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 421, headers=headers)
    site.get("/healthz", headers=headers)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:8642", "127.0.0.1", "127.0.0.2:80", "[::1]:8642", "10.0.0.1"])
def test_this_machine_s_own_names_are_answered(site: Site, name: str) -> None:
    site.get("/", headers={"Host": name})


def test_with_a_token_any_name_is_answered(open_site: Open) -> None:
    headers = {"Host": "status.example.org", "Authorization": "Bearer s3cret"}
    open_site(token="s3cret").get("/", headers=headers)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_nothing_else_can_be_written(site: Site, store: SqlStore, method: str) -> None:
    fill(store, 1)
    for path in ("/", "/feeds", "/api/v1/articles", "/api/v1/feeds"):
        site.ask(method, path, 405)


def test_a_feed_that_is_not_there_cannot_be_refreshed(store: SqlStore) -> None:
    assert refresher(store)(FeedId(7)) is False


# --- token ------------------------------------------------------------------------------------------------------------


def test_with_a_token_only_probes_are_open(open_site: Open, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    site = open_site(token="s3cret")
    for path in ("/", "/feeds", "/metrics", "/api/v1/feeds", "/feed.atom", "/static/style.css", "/api/docs"):
        assert "Bearer" in site.get(path, 401).headers["www-authenticate"]
    site.ask("POST", f"/api/v1/feeds/{feed.id}/refresh", 401)
    site.get("/healthz")
    site.get("/readyz")


@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer", "Basic !!!", "Digest s3cret", "Basic czNjcmV0", "s3cret"])
def test_a_wrong_token_is_refused(open_site: Open, value: str) -> None:
    open_site(token="s3cret").get("/", 401, headers={"Authorization": value})


def test_the_token_comes_as_bearer_or_as_a_browser_s_password(open_site: Open) -> None:
    site = open_site(token="s3cret")
    site.get("/", headers={"Authorization": "Bearer s3cret"})
    site.get("/", headers={"Authorization": "bearer  s3cret "})
    site.get("/", auth=("anybody", "s3cret"))


def test_the_token_is_the_content_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    assert read_token(None) is None
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(file)
    file.write_text(" \n")
    with pytest.raises(ConfigError, match="is empty"):
        read_token(file)
    file.write_text("s3cret\n")
    assert read_token(file) == "s3cret"


def test_the_guard_leaves_a_server_s_own_messages_alone() -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def never(*_: Any) -> Any:
        raise AssertionError

    asyncio.run(Guard(inner, "s3cret")({"type": "lifespan"}, never, never))
    assert seen == ["lifespan"]


# --- the stream -------------------------------------------------------------------------------------------------------


def test_the_stream_is_a_feed_that_we_could_read_ourselves(site: Site, store: SqlStore) -> None:
    articles = fill(store, 3, title="Tom & Jerry <3 \x00\x0b", body="One & two.\n\n<b>Three</b>\x08")
    answer = site.get("/feed.atom")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    parsed = parse_feed(answer.content, url=URL, headers={"content-type": answer.headers["content-type"]}, now=START)
    assert (parsed.kind, parsed.format, parsed.complete) == ("feed", "atom", True)
    assert len(parsed.entries) == 1 or len(parsed.entries) == 3
    entry = parsed.entries[0]
    assert entry.link == articles[0].url
    assert entry.title.startswith("Tom & Jerry")
    assert entry.authors == ("A. Writer",)
    assert "&lt;b&gt;Three" in entry.content


def test_the_stream_gives_each_article_once(site: Site, store: SqlStore, clock: StandingClock) -> None:
    fill(store, 1, body=words("text"))
    clock.pass_(timedelta(hours=1))
    poll(store, store.feeds()[0], sighting(9, url="https://other.example/en/story/b"))
    collect(store, body=words("text"))
    assert len(store.latest(10)) == 2
    assert site.get("/feed.atom").text.count("<entry") == 1


ATOM = "{http://www.w3.org/2005/Atom}"


def test_a_revised_article_comes_first_in_the_stream(site: Site, store: SqlStore, clock: StandingClock) -> None:
    fill(store, 3)
    before = etree.fromstring(site.get("/feed.atom").content)
    revise(store, clock, "Another text.")
    after = etree.fromstring(site.get("/feed.atom").content)
    ids = [one.findtext(f"{ATOM}id") for one in after.iter(f"{ATOM}entry")]
    times = [one.findtext(f"{ATOM}updated") for one in after.iter(f"{ATOM}entry")]
    assert times == sorted(times, reverse=True)
    assert after.findtext(f"{ATOM}updated") == times[0] > before.findtext(f"{ATOM}updated")
    assert "Another text." in (after.findtext(f"{ATOM}entry/{ATOM}content") or "")
    assert sorted(ids) == sorted(one.findtext(f"{ATOM}id") for one in before.iter(f"{ATOM}entry"))


def test_the_stream_leads_page_by_page_to_the_first_article(site: Site, store: SqlStore) -> None:
    fill(store, 103)
    path, seen = f"/feed.atom?feed={quote(A)}", []
    while path:
        feed = etree.fromstring(site.get(path).content)
        seen += [one.findtext(f"{ATOM}id") for one in feed.iter(f"{ATOM}entry")]
        links = {link.get("rel"): link.get("href") for link in feed.iterchildren(f"{ATOM}link")}
        assert links["first"] == feed.findtext(f"{ATOM}id")
        path = links["next"].removeprefix(site.address) if "next" in links else ""
    assert len(set(seen)) == len(seen) == 103
    assert not list(etree.fromstring(site.get("/feed.atom?q=nothing+of+this").content).iter(f"{ATOM}entry"))


def test_the_stream_is_not_sent_twice(site: Site, store: SqlStore, clock: StandingClock) -> None:
    fill(store, 1)
    etag = site.get("/feed.atom").headers["etag"]
    again = site.get("/feed.atom", 304, headers={"If-None-Match": etag})
    assert again.content == b""
    revise(store, clock, "Another text.")
    assert site.get("/feed.atom", headers={"If-None-Match": etag}).headers["etag"] != etag


def test_the_description_says_who_may_ask_and_has_examples(open_site: Open) -> None:
    described = open_site().get("/api/openapi.json").json()
    assert set(described["components"]["securitySchemes"]) == {"token", "password"}
    assert described["security"] == [{}]
    assert described["components"]["schemas"]["Feed"]["examples"][0]["name"] == "Example News"
    headers = {"Authorization": "Bearer s3cret"}
    guarded = open_site("s3cret").get("/api/openapi.json", headers=headers).json()
    assert guarded["security"] == [{"token": []}, {"password": []}]


def test_revisions_come_in_parts(site: Site, store: SqlStore, clock: StandingClock) -> None:
    (article,) = fill(store, 1)
    revise(store, clock, "Another text.")
    answer = site.get(f"/api/v1/articles/{article.id}/revisions?limit=1")
    assert [one["number"] for one in answer.json()] == [1]
    following = answer.links["next"]["url"]
    assert [one["body"] for one in site.get(following).json()] == ["Another text."]
    assert "next" not in site.get(following).links


# --- an article as evidence -------------------------------------------------------------------------------------------


def test_the_text_is_downloaded_in_each_layout(site: Site, store: SqlStore) -> None:
    (article,) = fill(store, 1, title="Storm")
    for layout, name in (("seed", "txt"), ("body", "txt"), ("markdown", "md")):
        answer = site.get(f"/articles/{article.id}/text?layout={layout}")
        assert answer.headers["content-disposition"] == f'attachment; filename="{article.id}.{name}"'
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text.endswith("\n")
    assert "Storm" in site.get(f"/articles/{article.id}/text").text
    site.get("/articles/0000000000000000/text", 404)


def test_the_raw_page_stands_in_a_frame_that_may_do_nothing(open_site: Open, store: SqlStore) -> None:
    (article,) = fill(store, 1)
    pages = {article.raw: '<meta charset="iso-8859-1"><script>pwn()</script><p title="x">caf\u00e9'.encode("latin-1")}
    site = open_site(raw=pages.get)
    assert '<iframe class="raw" sandbox src=' in site.get(f"/articles/{article.id}").text
    answer = site.get(f"/articles/{article.id}/raw")
    assert "sandbox" in answer.headers["content-security-policy"].split("; ")
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "&lt;script&gt;pwn()&lt;/script&gt;" in answer.text
    assert "<script" not in answer.text
    assert "caf\u00e9" in answer.text
    pages.clear()
    site.get(f"/articles/{article.id}/raw", 404)


def test_near_duplicates_stand_side_by_side_with_their_score(site: Site, store: SqlStore, clock: StandingClock) -> None:
    fill(store, 1, body=words("text"))
    clock.pass_(timedelta(hours=1))
    poll(store, store.feeds()[0], sighting(9, url="https://other.example/en/story/b"))
    collect(store, body=words("text").replace(words("text").split()[3], "changed"))
    second, first = store.latest(10)
    assert second.near_duplicate_of == first.id
    page = site.get(f"/articles/{second.id}").text
    assert re.search(r"\d\d % shared", page)
    beside = site.get(f"/articles/{second.id}/beside/{first.id}").text
    assert "<del>changed</del>" in beside
    assert re.search(r"\d\d % of the passages of both are shared", beside)
    site.get(f"/articles/{second.id}/beside/0000000000000000", 404)


def test_texts_that_are_too_short_have_no_score(site: Site, store: SqlStore) -> None:
    one, other = fill(store, 2, body="A few words.")
    assert "too short for a score" in site.get(f"/articles/{one.id}/beside/{other.id}").text


def test_doubts_are_explained(site: Site, store: SqlStore) -> None:
    (article,) = fill(store, 1, quality=("listing",))
    assert "The page lists other articles" in site.get(f"/articles/{article.id}").text


# --- the server -------------------------------------------------------------------------------------------------------


def test_an_address_that_is_taken_is_a_clear_error() -> None:
    with listen("127.0.0.1", 0) as sock, pytest.raises(PortError, match=r"\[web\] listen: .* is not free"):
        listen("127.0.0.1", sock.getsockname()[1])


def test_an_address_of_somebody_else_is_a_clear_error() -> None:
    with pytest.raises(PortError, match="name another port"):
        listen("no host", 80)


def test_a_stopped_server_frees_its_address(store: SqlStore) -> None:
    app = create_app(store, ready=lambda: True, metrics=Metrics().render, refresh=None, token=None)
    with serve(app, listen("127.0.0.1", 0)) as server:
        requests.get(f"{server.url}healthz", timeout=10).close()
    listen(*server.address).close()


def test_ipv6_addresses_stand_in_brackets() -> None:
    app = create_app(Broken(), ready=lambda: True, metrics=Metrics().render, refresh=None, token=None)
    with serve(app, listen("::1", 0)) as server:
        assert server.url.startswith("http://[::1]:")


def test_a_text_too_long_to_compare_says_so(store: SqlStore, clock: StandingClock) -> None:
    fill(store, 1)
    revise(store, clock, "\n".join(str(n) for n in range(3001)))
    (article,) = store.latest(1)
    (difference,) = differences(store.revisions(article.id))
    assert [line.kind for line in difference.lines] == ["place"]
