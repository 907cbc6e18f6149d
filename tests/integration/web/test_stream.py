"""The Atom feed of the corpus."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from lxml import etree

from aggregator.feeds.parse import parse_feed
from aggregator.store import SqlStore
from tests.support.stores import START, URL, StandingClock, collect, newest, poll, sighting, words
from tests.support.website import A, Site, fill, revise


def test_the_stream_is_a_feed_that_we_could_read_ourselves(site: Site, store: SqlStore) -> None:
    articles = fill(store, 3, title="Tom & Jerry <3 \x00\x0b", body="One & two.\n\n<b>Three</b>\x08")
    answer = site.get("/feed.atom")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    parsed = parse_feed(answer.content, url=URL, headers={"content-type": answer.headers["content-type"]}, now=START)
    assert (parsed.kind, parsed.format, parsed.complete) == ("feed", "atom", True)
    assert len(parsed.entries) == 3
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
    assert len(newest(store)) == 2
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
