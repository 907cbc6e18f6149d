"""The status page: daemon, outputs, days, what needs attention."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from aggregator.engine.followers import deliver_all
from aggregator.models.feeds import Feed, FeedStatus
from aggregator.models.fetching import Cause
from aggregator.monitoring.daemon_record import DaemonRecord, write_record
from aggregator.ports.store import Store
from aggregator.sinks.outputs.command import CommandOutput
from aggregator.sinks.outputs.files import FilesOutput
from aggregator.store import SqlStore
from aggregator.web.state import CachedOverview
from tests.support.daemon import wait_for
from tests.support.stores import START, StandingClock, claim, collect, poll, poll_record, sighting, subscribe
from tests.support.website import A, B, Open, Site, break_feed, fill


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
    cached_overview = CachedOverview(cast(Store, slow), clock.monotonic, patience=0.0)
    slow.free.set()
    first = cached_overview.look()
    slow.free.clear()
    clock.pass_(timedelta(seconds=20))
    assert cached_overview.look() is first, "it is old, and better than waiting"
    slow.free.set()
    wait_for(lambda: cached_overview.look() is not first, "the newer one")
    cached_overview.forget()
    wait_for(lambda: cached_overview.look().at == store.now(), "the one after a change")


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


def test_the_status_page_names_what_is_broken_and_the_remedy(site: Site, store: SqlStore) -> None:
    subscribe(store, A, B)
    break_feed(store)
    page = site.get("/").text
    assert "1 of 2 feeds are broken." in page
    assert "aggregator feeds discover" in page


def test_the_state_is_looked_at_again_after_a_while(site: Site, store: SqlStore, clock: StandingClock) -> None:
    site.get("/")  # waits for the first overview, which /feeds does not
    assert "0 feeds" in site.get("/feeds").text
    subscribe(store, A)
    assert "0 feeds" in site.get("/feeds").text
    clock.pass_(timedelta(seconds=15))
    assert "1 feeds" in site.get("/feeds").text
