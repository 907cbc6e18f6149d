from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import ConfigError
from aggregator.feeds.subscriptions import WELL_KNOWN_PATHS, FoundFeed, find_feeds, read_opml, write_opml
from aggregator.models.records import Subscription

PAGE = "https://site.example/news/page.html"
RSS, ATOM, JSON = "application/rss+xml", "application/atom+xml", "application/feed+json"


def link(href: str, kind: str = RSS, title: str = "", rel: str = "alternate") -> str:
    return f'<link rel="{rel}" type="{kind}" title="{title}" href="{href}">'


def urls(html: str | bytes) -> list[str]:
    return [feed.url for feed in find_feeds(html, PAGE)]


@pytest.mark.parametrize(
    ("html", "found"),
    [
        (link("/rss"), ["https://site.example/rss"]),
        (link("rss"), ["https://site.example/news/rss"]),
        (link("//cdn.example/rss"), ["https://cdn.example/rss"]),
        ("<base href='/x/'>" + link("rss"), ["https://site.example/x/rss"]),
        (link("/f?a=1&amp;b=2"), ["https://site.example/f?a=1&b=2"]),
        (link("/a", rel="alternate feed"), ["https://site.example/a"]),
        ("<link rel=feed href=/f>", ["https://site.example/f"]),
        ("<LINK HREF='/f' TYPE='application/RSS+XML; charset=utf-8' REL='ALTERNATE'>", ["https://site.example/f"]),
        ("<body><p>" + link("/late") + "</p>", ["https://site.example/late"]),
        (link("/f", kind="text/html"), []),
        (link("/f", rel="stylesheet"), []),
        (link("/f", rel="alternate stylesheet"), []),
        (link("javascript:x"), []),
        ("<link rel=alternate type=application/rss+xml>", []),
        (f"<!-- {link('/old')} -->", []),
        (f"<script>{link('/old')}</script>{link('/new')}", ["https://site.example/new"]),
        (f"<style>{link('/old')}", []),
        (f"<a href='/feed'>feed</a>{link('/f')}", ["https://site.example/f"]),
        (
            link("/1") + link("/1", title="again") + link("/2", ATOM),
            ["https://site.example/1", "https://site.example/2"],
        ),
        ("", []),
    ],
)
def test_find_feeds(html: str, found: list[str]) -> None:
    assert urls(html) == found
    assert urls(html.encode()) == found


def test_best_first_and_comments_last() -> None:
    html = (
        link("/comments/feed", title="Site » Comments Feed")
        + link("/api.json", "application/json")
        + link("/feed.json", JSON)
        + link("/main")
        + link("/kommentare", title="Kommentare")
    )
    assert urls(html) == [
        f"https://site.example{path}" for path in ("/main", "/feed.json", "/api.json", "/comments/feed", "/kommentare")
    ]


def test_a_found_feed_says_what_it_is() -> None:
    assert find_feeds(link("/a", ATOM, "A &amp; B"), PAGE) == (
        FoundFeed(url="https://site.example/a", title="A & B", type=ATOM),
    )


def test_well_known_paths_are_paths() -> None:
    assert len(set(WELL_KNOWN_PATHS)) == len(WELL_KNOWN_PATHS)
    assert all(path.startswith("/") for path in WELL_KNOWN_PATHS)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_page_raises(html: str | bytes) -> None:
    find_feeds(html, PAGE)


# --- OPML -------------------------------------------------------------------------------------------------------------


def opml(body: str) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?>\n<opml version="2.0"><head/>\n<body>{body}</body></opml>'.encode()


def test_folders_become_tags() -> None:
    found = read_opml(
        opml(
            """<outline text="News"><outline text="World" title="World news">
              <outline type="rss" text="A" title="Feed A" xmlUrl="https://a.example/rss" htmlUrl="https://a.example/"/>
            </outline></outline><outline text="B" XMLURL="feed://b.example/rss" category="/Tech/Linux,News"/>
            <outline xmlUrl="feed:https://c.example/"/><outline text="empty folder"/><other xmlUrl="https://x.example/"/>"""
        )
    )
    assert found == (
        Subscription(url="https://a.example/rss", name="Feed A", tags=("News", "World news")),
        Subscription(url="http://b.example/rss", name="B", tags=("Linux", "News")),
        Subscription(url="https://c.example/"),
    )


def test_a_feed_in_two_folders_is_one_with_both_tags() -> None:
    feed = '<outline text="{}" xmlUrl="https://a.example/"/>'
    found = read_opml(
        opml(f'<outline text="x">{feed.format("")}</outline><outline text="y">{feed.format("N")}</outline>')
    )
    assert found == (Subscription(url="https://a.example/", name="N", tags=("x", "y")),)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1"),
        (b"<opml>\n<body>\n<outline></body></opml>", "line 3"),
        (b"\n\n<opml>\n<<", "line 4"),
        (b"<rss/>", "line 1: the root is <rss>, not <opml>"),
        (opml('\n\n<outline text="x" xmlUrl="ftp://a.example/"/>'), "line 5: 'ftp://a.example/' is no http"),
    ],
)
def test_bad_files_name_the_line(data: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=r"^OPML, line") as caught:
        read_opml(data)
    assert message in str(caught.value)


def test_no_entity_of_a_file_is_read(tmp_path: object) -> None:
    data = b'<!DOCTYPE opml [<!ENTITY x SYSTEM "file:///etc/passwd">]><opml><body><outline text="&x;"/></body></opml>'
    with pytest.raises(ConfigError):
        read_opml(data.replace(b'<outline text="&x;"/>', b'<outline xmlUrl="&x;"/>'))


def test_thousands_of_feeds() -> None:
    many = tuple(Subscription(url=f"https://a.example/{n}", name=f"Feed {n}", tags=("t",)) for n in range(5000))
    assert read_opml(write_opml(many)) == many


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(lambda s: " ".join(s.split()))
TAGS = st.from_regex(r"[a-zA-Z0-9äöü &<>\"'-]{1,12}", fullmatch=True).map(lambda s: s.strip() or "t")
SUBSCRIPTIONS = st.lists(
    st.builds(
        Subscription,
        url=st.integers(0, 999).map(lambda n: f"https://f.example/{n}?a=1&b=<2>"),
        name=NAMES.filter(bool),
        tags=st.lists(TAGS, unique=True, max_size=3).map(tuple),
    ),
    unique_by=lambda one: one.url,
    max_size=5,
).map(tuple)


@given(SUBSCRIPTIONS)
def test_what_is_written_is_read_back(subscriptions: tuple[Subscription, ...]) -> None:
    assert read_opml(write_opml(subscriptions)) == subscriptions


def test_what_xml_cannot_hold_is_left_out() -> None:
    (only,) = read_opml(write_opml([Subscription(url="https://a.example/", name="a\x00b", tags=("x\x01,y",))]))
    assert (only.name, only.tags) == ("a b", ("x  y",))
