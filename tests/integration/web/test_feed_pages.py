"""The list of feeds and the page of a feed."""

from __future__ import annotations

from dataclasses import replace

from lxml import etree

from aggregator.models.feeds import FeedStatus, Subscription
from aggregator.models.fetching import Cause
from aggregator.schedule.due_times import NEVER
from aggregator.store import SqlStore
from tests.support.stores import claim, poll_record, subscribe
from tests.support.website import A, Site, break_feed, fill


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
