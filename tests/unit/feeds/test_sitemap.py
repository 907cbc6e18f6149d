"""Sitemaps and their indexes as sources: what an index names, which are chosen, which addresses fit."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feeds.kinds.sitemap import MAX_SITEMAPS, check_select, choose_sitemaps, named_sitemaps
from aggregator.feeds.sightings import parse_answer
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.models.feeds import ParsedFeed
from aggregator.models.sources import Kind, NamedSitemap, Select, SourceRule
from tests.support.answers import fetched

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
URL = "https://town.example/sitemap.xml"
INDEX = """<?xml version="1.0"?><x:sitemapindex xmlns:x="http://www.sitemaps.org/schemas/sitemap/0.9">
<x:sitemap><x:loc> /one.xml?a=1&amp;b=2 </x:loc><x:lastmod>2026-11-01</x:lastmod></x:sitemap>
<x:sitemap><x:loc><![CDATA[https://town.example/two.xml]]></x:loc></x:sitemap>
<x:sitemap><x:loc>mailto:me</x:loc><x:lastmod>2026-11-09</x:lastmod></x:sitemap>
<x:sitemap><x:loc>/one.xml?a=1&amp;b=2</x:loc><x:lastmod>2026-11-03</x:lastmod></x:sitemap></x:sitemapindex>"""


def read(body: bytes, select: Select = Select()) -> ParsedFeed:  # noqa: B008 - frozen
    rule = SourceRule(kind="sitemap", select=select)
    return parse_answer(fetched(URL, body), rule, shipped_publishers(), now=NOW, known=())


@pytest.mark.parametrize("body", [INDEX.encode(), gzip.compress(INDEX.encode()), INDEX.encode("utf-16")])
def test_what_an_index_names(body: bytes) -> None:
    assert named_sitemaps(body, URL, {}) == (
        NamedSitemap(url="https://town.example/one.xml?a=1&b=2", lastmod="2026-11-03"),
        NamedSitemap(url="https://town.example/two.xml"),
    )
    assert [one.url[21:] for one in read(body).sitemaps] == ["one.xml?a=1&b=2", "two.xml"]


@pytest.mark.parametrize("body", [b"", b"<urlset/>", b"<html><p>sitemapindex", b"\x1f\x8b\x08 broken"])
def test_what_is_no_index(body: bytes) -> None:
    assert named_sitemaps(body, URL, {}) is None


def named(*pairs: str) -> list[NamedSitemap]:
    return [
        NamedSitemap(url=f"https://town.example/{path}", lastmod=at)
        for path, _, at in (p.partition(" ") for p in pairs)
    ]


@pytest.mark.parametrize(
    ("pairs", "pattern", "chosen"),
    [
        (["a 2026-01-01", "b", "c 2026-11-01", "d nonsense"], "", ["c", "a", "b", "d"]),
        (["a 2026-01-01", "google-news", "c"], "", ["google-news"]),
        (["a 2026-01-01", "google-news", "c"], "/A", ["a"]),
        (["y-2025", "y-2026"], "re:-2026$", ["y-2026"]),
        (["sitemap.xml", "b"], "", ["b"]),  # the index itself
        ([f"s{n}" for n in range(30)], "", [f"s{n}" for n in range(MAX_SITEMAPS)]),
    ],
)
def test_which_sitemaps_are_read(pairs: list[str], pattern: str, chosen: list[str]) -> None:
    far = NamedSitemap(url="https://other.example/news", lastmod="2026-11-20")
    found = choose_sitemaps([far, *named(*pairs)], URL, pattern, NOW)
    assert [one.url.rpartition("/")[2] for one in found] == chosen


def test_a_pattern_chooses_among_addresses() -> None:
    urls = b"<url><loc>/world/1</loc></url><url><loc>/sport/2</loc></url><url><lastmod>2026-11-01</lastmod></url>"
    body = b"<urlset>" + urls + b"</urlset>"
    assert [entry.link for entry in read(body, Select(link="/world/")).entries] == ["https://town.example/world/1"]
    assert len(read(body).entries) == 3
    assert len(read(body).raw_hashes) == 3


def test_a_feed_stays_a_feed_and_a_page_a_page() -> None:
    assert read(b"<rss><channel><item><link>/1</link></item></channel></rss>").format == "rss"
    assert read(b"<!doctype html><p>x").kind == "html"


def test_a_pattern_that_is_none_is_refused_by_name() -> None:
    check_select(Select(entry="re:[0-9]+", link="(plain"))
    with pytest.raises(ValueError, match=r"link: 're:\(' is no regular expression"):
        check_select(Select(link="re:("))
    with pytest.raises(ValueError, match="2000 are the most"):
        check_select(Select(link="re:" + "a" * 2001))


@pytest.mark.parametrize(("kind", "read_as"), [("html", "html"), ("feed", "sitemap"), ("command", "sitemap")])
def test_each_kind_is_read_in_its_way(kind: Kind, read_as: str) -> None:
    body = b"<urlset><url><loc>/1</loc></url></urlset><a href=/1>"
    rule = SourceRule(kind=kind, select=Select(link="a"))
    parsed = parse_answer(fetched(URL, body), rule, shipped_publishers(), now=NOW, known=())
    assert (parsed.format, len(parsed.entries)) == (read_as, 1)


@given(st.binary(max_size=300))
def test_no_bytes_raise(body: bytes) -> None:
    read(body)
    read(b"<sitemapindex><loc>" + body)
