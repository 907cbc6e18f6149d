from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feeds.discovery import WELL_KNOWN_PATHS, FoundFeed, find_feeds

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
