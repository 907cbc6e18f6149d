"""Entries, duplicates and content: every entry once, every article once, the fuller text."""

from __future__ import annotations

import pytest

from aggregator.selftest.server import Peer, Script
from tests.support.citizen import HTML, Site, World, answering, html_page, item, one_by_one, rss, story, street

LONG = "The council of the village met in the old school to speak about the bridge and its many repairs. " * 8


def page(path: str, head: str = "", title: str = "") -> Script:
    return answering(html_page(title or f"About {path}", story(path), head), HTML)


def full(text: str) -> str:
    return f"<content:encoded><![CDATA[<p>{text}</p>]]></content:encoded>"


# --- entries ----------------------------------------------------------------------------------------------------------


def test_an_entry_is_new_once(world: World) -> None:
    with Site(rss(item("/a/1"), item("/a/2"))) as site:
        world.follow(site.url())
        first, *later = [world.run() for _ in range(4)]
        assert (first.entries_seen, first.entries_new) == (2, 2)
        assert [report.entries_new for report in later] == [0, 0, 0]
        assert [report.articles_new for report in later] == [0, 0, 0]


def test_entries_that_leave_the_feed_stay_in_the_store_and_may_come_back(world: World) -> None:
    both, one = answering(rss(item("/a/2"), item("/a/1"))), answering(rss(item("/a/2")))
    with Site(one_by_one(both, one, answering(rss()), both)) as site:
        world.follow(site.url())
        reports = [world.run() for _ in range(4)]
        assert [report.entries_new for report in reports] == [2, 0, 0, 0]
        assert world.titles() == ["About /a/1", "About /a/2"]
        assert sorted(site.pages) == ["/a/1", "/a/2"]


def test_the_order_of_entries_does_not_matter(world: World) -> None:
    entries = [item(f"/a/{number}") for number in range(5)]
    with Site(one_by_one(answering(rss(*entries)), answering(rss(*reversed(entries))))) as site:
        world.follow(site.url())
        assert [world.run().entries_new for _ in range(2)] == [5, 0]


def test_the_same_guid_with_another_link_is_the_same_entry(world: World) -> None:
    feeds = answering(rss(item("/a/1", guid="g"))), answering(rss(item("/a/1-moved", guid="g")))
    with Site(one_by_one(*feeds)) as site:
        world.follow(site.url())
        assert [world.run().entries_new for _ in range(3)] == [1, 0, 0]


def test_two_guids_with_one_link_are_one_article(world: World) -> None:
    with Site(rss(item("/a/1", guid="g1"), item("/a/1", guid="g2"))) as site:
        world.follow(site.url())
        world.runs(2)
        assert world.titles() == ["About /a/1"]
        assert site.pages == ["/a/1"]


def test_one_guid_twice_in_a_feed_with_other_links_loses_no_article(world: World) -> None:
    """A publisher who gives all entries one guid has three articles nevertheless."""
    with Site(rss(*(item(f"/a/{number}", guid="always the same") for number in range(3)))) as site:
        world.follow(site.url())
        world.runs(2)
        assert len(world.titles()) == 3


def test_a_changed_guid_with_the_same_link_is_no_second_article(world: World) -> None:
    feeds = answering(rss(item("/a/1", guid="old"))), answering(rss(item("/a/1", guid="new")))
    with Site(one_by_one(*feeds)) as site:
        world.follow(site.url())
        world.runs(3)
        assert world.titles() == ["About /a/1"]
        assert site.pages == ["/a/1"]


def test_entries_without_guid_are_told_apart_by_link(world: World) -> None:
    with Site(rss(item("/a/1", guid=None), item("/a/2", guid=None))) as site:
        world.follow(site.url())
        assert [world.run().entries_new for _ in range(3)] == [2, 0, 0]
        assert len(world.titles()) == 2


def test_entries_without_guid_and_link_are_told_apart_by_title(world: World) -> None:
    entries = [item(None, guid=None, title=f"Title {n}", text=f"Text number {n}. {LONG}") for n in range(2)]
    with Site(rss(*entries)) as site:
        world.follow(site.url())
        assert [world.run().entries_new for _ in range(3)] == [2, 0, 0]
        assert world.titles() == ["Title 0", "Title 1"]


@pytest.mark.parametrize("path", ["/feed", "/feed.xml", "/f", "/storm-kills-two-1234567", "/?p=12", "/"])
def test_entries_without_link_are_articles_wherever_the_feed_lies(world: World, path: str) -> None:
    """Their only address is that of the feed, which may look like that of an article."""
    entries = [item(None, guid=f"g{n}", title=f"Title {n}", text=f"{story(f'{n}')} {LONG}") for n in range(3)]
    feeds = answering(rss(*entries[:2])), answering(rss(*entries))
    with Site(paths={path: one_by_one(*feeds)}) as site:
        world.follow(site.url(path))
        assert [world.run().articles_new for _ in range(3)] == [2, 1, 0]
        assert world.titles() == ["Title 0", "Title 1", "Title 2"]
        assert len({article.key for article in world.articles}) == 3


def test_an_entry_without_anything_does_no_harm(world: World) -> None:
    with Site(rss("<item/>", "<item></item>", "<item><title/></item>", item("/a/1"))) as site:
        world.follow(site.url())
        world.runs(2)
        assert world.titles() == ["About /a/1"]


def test_a_permalink_guid_is_the_link_where_there_is_none(world: World) -> None:
    with Site() as site:
        entry = f"<item><title>T</title><guid>{site.url('/a/1')}</guid></item>"
        site.feed = answering(rss(entry))
        world.follow(site.url())
        world.run()
        assert site.pages == ["/a/1"]


def test_a_huge_guid_and_odd_characters_are_kept_apart(world: World) -> None:
    guids = ["x" * 100_000 + "1", "x" * 100_000 + "2", "é\u200b☃", "../../etc/passwd", "'; DROP TABLE entries; --"]
    with Site(rss(*(item(f"/a/{n}", guid=guid) for n, guid in enumerate(guids)))) as site:
        world.follow(site.url())
        assert [world.run().entries_new for _ in range(2)] == [5, 0]
        names = [path.name for path in (world.folder / "data" / "articles").rglob("*.txt")]
        assert len(names) == 5
        assert all(len(name) == 24 for name in names)


def test_entries_with_dates_in_the_future_and_past_are_taken(world: World) -> None:
    dates = ("Fri, 01 Jan 2199 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "yesterday", "0000-00-00", "")
    with Site(rss(*(item(f"/a/{n}", date=date) for n, date in enumerate(dates)))) as site:
        world.follow(site.url())
        world.run()
        assert len(world.titles()) == 5


@pytest.mark.soak
def test_ten_thousand_entries_are_stored_and_their_pages_wait(world: World) -> None:
    world.polling["max_pages_per_visit"] = 5
    with Site(rss(*(item(f"/a/{number}") for number in range(10_000)))) as site:
        world.follow(site.url())
        first = world.run()
        assert (first.entries_new, len(site.pages)) == (10_000, 5)
        assert first.pages_waiting == 9_995
        second = world.run()
        assert (second.entries_new, second.pages_waiting) == (0, 9_990)
        assert len(site.pages) == len(set(site.pages)) == 10


# --- duplicates -------------------------------------------------------------------------------------------------------


def test_one_article_in_two_feeds_is_fetched_and_stored_once(world: World) -> None:
    with Site() as site:
        site.paths["/second"] = answering(rss(item("/a/1", guid="another")))
        world.follow(site.url(), site.url("/second"))
        world.runs(2)
        assert world.titles() == ["About /a/1"]
        assert site.pages == ["/a/1"]
        (article,) = world.articles
        assert set(article.feeds) == {site.url(), site.url("/second")}


def test_tracking_parameters_make_no_second_article(world: World) -> None:
    queries = (
        "?utm_source=rss&utm_medium=feed",
        "?fbclid=abc",
        "?utm_campaign=x#comments",
        "#section",
        "?at_medium=RSS",
    )
    with street(world, {query: rss(item("/a/1"), item(f"/a/1{query}", guid="t")) for query in queries}) as sites:
        world.runs(2)
        assert {query: len(world.titles(site)) for query, site in sites.items()} == dict.fromkeys(queries, 1)
        assert {query: len(site.pages) for query, site in sites.items()} == dict.fromkeys(queries, 1)


def test_parameters_that_mean_something_stay(world: World) -> None:
    with Site(rss(item("/a/1?id=1"), item("/a/1?id=2"))) as site:
        for number in "12":
            site.paths[f"/a/1?id={number}"] = page(f"/a/1 {number}")
        world.follow(site.url())
        world.runs(2)
        assert sorted(site.pages) == ["/a/1?id=1", "/a/1?id=2"]
        assert len(world.titles()) == 2


def test_a_redirect_to_a_known_article_is_no_second_one(world: World) -> None:
    with Site(rss(item("/a/1"), item("/a/short", guid="short"))) as site:
        site.paths["/a/short"] = lambda peer: peer.redirect("/a/1", 301)
        world.follow(site.url())
        world.runs(2)
        assert world.titles() == ["About /a/1"]


def test_a_redirect_over_another_host_is_no_second_article(world: World) -> None:
    with Site(host="127.0.0.2") as short, Site() as site:
        short.paths["/x"] = lambda peer: peer.redirect(site.url("/a/1"), 301)
        site.feed = answering(rss(item("/a/1"), item(short.url("/x"), guid="short")))
        world.follow(site.url())
        world.runs(2)
        assert world.titles() == ["About /a/1"]


def test_a_canonical_link_joins_two_addresses(world: World) -> None:
    with Site() as site:
        head = (
            f'<link rel="canonical" href="{site.url("/a/story-1234567")}">'
            f'<meta property="og:url" content="{site.url("/a/story-1234567")}">'
        )
        body = html_page("A story", story("same"), head)
        site.paths |= dict.fromkeys(("/a/story-1234567", "/a/print/story-1234567"), answering(body, HTML))
        site.feed = answering(rss(item("/a/story-1234567"), item("/a/print/story-1234567")))
        world.follow(site.url())
        world.runs(2)
        assert world.titles() == ["A story"]


def test_a_canonical_link_that_lies_joins_nothing(world: World) -> None:
    """All pages of a broken site name the home page as their canonical address."""
    with Site(rss(*(item(f"/a/{number}") for number in range(3)))) as site:
        head = f'<link rel="canonical" href="{site.url("/")}">'
        site.paths |= {f"/a/{number}": page(f"/a/{number}", head) for number in range(3)}
        world.follow(site.url())
        world.runs(2)
        assert len(world.titles()) == 3


def test_spellings_of_an_address_are_one_article(world: World) -> None:
    spellings = ("/a/1/", "//127.0.0.1:{port}/a/1", "/a/../a/1", "/%61/1", "/a/1?")
    with street(world, dict.fromkeys(spellings, b"")) as sites:
        for other, site in sites.items():
            link = other.format(port=site.server.port)
            site.feed = answering(rss(item("/a/1"), item(link, guid="other")))
        world.runs(2)
        assert {other: len(world.titles(site)) for other, site in sites.items()} == dict.fromkeys(spellings, 1)


def test_the_same_text_at_two_addresses_is_kept_and_marked(world: World) -> None:
    with Site(rss(item("/a/1"), item("/a/2"))) as site:
        site.paths |= dict.fromkeys(("/a/1", "/a/2"), answering(html_page("One text", story("same")), HTML))
        world.follow(site.url())
        world.runs(2)
        assert sum(article.near_duplicate_of is None for article in world.articles) == 1


def test_files_and_articles_agree(world: World) -> None:
    with Site(rss(*(item(f"/a/{number}") for number in range(6)))) as site:
        world.follow(site.url())
        world.runs(3)
        names = {path.stem.partition("_")[2] for path in (world.folder / "data" / "articles").rglob("*.txt")}
        assert names == {article.id for article in world.articles}
        assert len(names) == 6


# --- content ----------------------------------------------------------------------------------------------------------


def test_full_text_false_keeps_the_feeds_content_and_asks_for_no_page(world: World) -> None:
    with Site(rss(item("/a/1", more=full(LONG)), item("/a/2", text=LONG))) as site:
        world.follow(site.url(), full_text=False)
        world.runs(9)  # not even when a page would be looked at again
        assert site.pages == []
        assert [article.content.source for article in world.articles] == ["feed", "feed"]
        assert all(LONG[:90] in article.content.body for article in world.articles)
        assert {article.url for article in world.articles} == {site.url("/a/1"), site.url("/a/2")}


def test_the_feeds_content_stands_in_for_a_page_that_fails(world: World) -> None:
    failing = {str(status): answering(b"Sorry", status=status) for status in (403, 404, 410, 500, 503)}
    failing["robots"] = answering(b"Sorry")
    feed = rss(item("/a/1", more=full(LONG)))
    with street(world, {name: Site(feed, {"/a/1": script}) for name, script in failing.items()}) as sites:
        sites["robots"].paths["/robots.txt"] = answering(b"User-agent: *\nDisallow: /\n", "Content-Type: text/plain")
        world.run()
        assert {article.url for article in world.articles} == {site.url("/a/1") for site in sites.values()}
        for article in world.articles:
            assert article.content.source == "feed"
            assert LONG[:90] in article.content.body
            assert "Sorry" not in article.content.text


def test_the_page_replaces_the_feeds_content_when_it_comes_back(world: World) -> None:
    with Site(rss(item("/a/1", more=full(LONG)))) as site:
        site.paths["/a/1"] = one_by_one(answering(status=500), page("/a/1"))
        world.follow(site.url())
        world.run()
        assert [article.content.source for article in world.articles] == ["feed"]
        world.run()
        assert [(article.content.source, article.revision) for article in world.articles] == [("page", 2)]
        assert len(site.asked("/a/1")) == 2


def test_a_page_that_stays_gone_is_left_alone_behind_its_stand_in(world: World) -> None:
    with Site(rss(item("/a/1", more=full(LONG)), item("/a/2", more=full(LONG + " 2")))) as site:
        site.paths |= {"/a/1": answering(status=410), "/a/2": answering(status=404)}
        world.follow(site.url())
        world.runs(12)
        assert len(site.asked("/a/1")) == 1
        assert len(site.asked("/a/2")) == 2
        assert len(world.titles()) == 2


def test_the_page_is_taken_where_it_has_more(world: World) -> None:
    with Site(rss(item("/a/1", text="A short teaser."))) as site:
        world.follow(site.url())
        world.run()
        (article,) = world.articles
        assert article.content.source == "page"
        assert "counted twice" in article.content.body


def test_the_feeds_content_is_taken_where_the_page_has_none(world: World) -> None:
    shell = b"<!doctype html><html><head><title>App</title></head><body><div id=root></div></body></html>"
    with Site(rss(item("/a/1", more=full(LONG)))) as site:
        site.paths["/a/1"] = answering(shell, HTML)
        world.follow(site.url())
        world.run()
        (article,) = world.articles
        assert article.content.source == "feed"
        assert LONG[:90] in article.content.body


def test_markup_in_the_feed_is_text_and_never_script(world: World) -> None:
    nasty = f"<svg/onload=alert(1)><script>alert(2)</script><p onclick=x()>{LONG}</p><iframe src=javascript:x></iframe>"
    entry = item(
        "/a/1", title="<b>Bold</b> &lt;script&gt;", more=f"<content:encoded><![CDATA[{nasty}]]></content:encoded>"
    )
    with Site(rss(entry)) as site:
        world.follow(site.url(), full_text=False)
        world.run()
        (article,) = world.articles
        for text in (article.content.text, article.content.body, article.content.title):
            assert "alert" not in text
            assert "onclick" not in text
            assert "<svg" not in text


def test_a_changed_text_is_a_revision_and_no_second_article(world: World) -> None:
    world.polling["revisit"] = ["1h"]
    with Site() as site:
        site.paths["/a/1"] = one_by_one(page("/a/1"), answering(html_page("About /a/1", story("other")), HTML))
        world.follow(site.url())
        world.runs(3)
        (article,) = world.articles
        assert article.revision == 2


def test_a_page_that_redirects_to_the_home_page_is_no_article(world: World) -> None:
    def home(peer: Peer) -> None:
        peer.answer(200, html_page("Home", story("home")), (HTML,))

    with Site(rss(item("/a/1"), item("/a/2")), {"/": home, "/a/1": lambda peer: peer.redirect("/")}) as site:
        world.follow(site.url())
        world.runs(2)
        assert world.titles() == ["About /a/2"]


def test_a_short_link_to_an_article_in_a_folder_named_archive_is_stored(world: World) -> None:
    """Folders named archive, themen, topics once made every address in them one of a section page."""
    end = "/a/archive/2020/08/sturm/615610"
    with Site(rss(item("/s/x1")), {"/s/x1": lambda peer: peer.redirect(end)}) as site:
        world.follow(site.url())
        world.run()
        assert [article.url for article in world.articles] == [site.url(end)]
