"""What holds for every page: nothing foreign is run, loaded or framed."""

from __future__ import annotations

import pytest
from lxml import etree

from aggregator.store import SqlStore
from tests.support.stores import newest, subscribe
from tests.support.website import HOSTILE, A, Site, break_feed, fill


def test_what_comes_from_outside_is_only_text(site: Site, store: SqlStore) -> None:
    subscribe(store, A)
    fill(store, 1, title=HOSTILE, body=f"{HOSTILE}\n\nSecond paragraph.", quality=(HOSTILE,))
    (article,) = newest(store)
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


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_scripted(site: Site, store: SqlStore) -> None:
    (article, *_) = fill(store)
    for path in ("/", "/feeds", "/articles", f"/articles/{article.id}", "/api/docs", "/nowhere"):
        tree = etree.HTML(site.session.get(site.address + path, timeout=10).text)
        loaded = tree.xpath("//link[@rel='stylesheet']/@href | //*/@src")
        framed = [f"{path}/raw"] if path == f"/articles/{article.id}" else []
        assert loaded == ["/static/style.css", *framed], path
        assert tree.xpath("//iframe/@src") == framed
        assert not tree.xpath("//script | //style | //*[@style]")
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
