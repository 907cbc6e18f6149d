"""Charsets without mojibake; broken XML of which the complete entries are taken; pages that are none."""

from __future__ import annotations

import codecs
import gzip
import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from aggregator.models.fetching import Cause
from aggregator.selftest.server import Script
from tests.support.citizen import HTML, RSS, Site, World, answering, html_page, item, rss, story, street

NAME = "Café – „Größe“ naïve €"
LATIN = "Café Größe naïve"
CYRILLIC = "Привет из Москвы"


def feed(title: str, encoding: str, declared: str | None = None) -> bytes:
    """Return a feed with one entry of that title, in bytes of `encoding`."""
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else '<?xml version="1.0"?>'
    entry = item(None, title=title, guid="g1", text=f"{title}. The text that the feed itself carries, {title}.")
    return f'{head}<rss version="2.0"><channel><title>T</title>{entry}</channel></rss>'.encode(encoding)


XML = "Content-Type: application/xml"
CHARSETS: dict[str, tuple[str, Script]] = {
    "UTF-8": (NAME, answering(feed(NAME, "utf-8", "UTF-8"), XML)),
    "UTF-8, nothing declared": (NAME, answering(feed(NAME, "utf-8"), XML)),
    "UTF-8 with BOM": (NAME, answering(codecs.BOM_UTF8 + feed(NAME, "utf-8", "UTF-8"), XML)),
    "BOM before a wrong declaration": (NAME, answering(codecs.BOM_UTF8 + feed(NAME, "utf-8", "ISO-8859-1"), XML)),
    "UTF-16 with BOM": (NAME, answering(feed(NAME, "utf-16", "UTF-16"), XML)),
    "UTF-16BE by header": (NAME, answering(feed(NAME, "utf-16-be", "UTF-16"), XML + "; charset=UTF-16BE")),
    "latin-1": (LATIN, answering(feed(LATIN, "latin-1", "ISO-8859-1"), XML)),
    "cp1252 declared as latin-1": (NAME, answering(feed(NAME, "cp1252", "ISO-8859-1"), XML)),
    "cp1252": (NAME, answering(feed(NAME, "cp1252", "windows-1252"), XML)),
    "the header before the declaration": (
        LATIN,
        answering(feed(LATIN, "latin-1", "UTF-8"), XML + "; charset=ISO-8859-1"),
    ),
    "a wrong header over UTF-8": (NAME, answering(feed(NAME, "utf-8", "UTF-8"), XML + "; charset=ISO-8859-1")),
    "a header that names nothing known": (NAME, answering(feed(NAME, "utf-8", "UTF-8"), XML + "; charset=klingon")),
    "a declaration that names nothing known": (NAME, answering(feed(NAME, "utf-8", "x-unknown"), XML)),
    "text/xml without charset": (NAME, answering(feed(NAME, "utf-8", "UTF-8"), "Content-Type: text/xml")),
    "koi8-r": (CYRILLIC, answering(feed(CYRILLIC, "koi8-r", "KOI8-R"), XML)),
    "cp1251 by header alone": (CYRILLIC, answering(feed(CYRILLIC, "cp1251"), XML + "; charset=windows-1251")),
    "Shift_JIS": ("東京の新聞", answering(feed("東京の新聞", "shift_jis", "Shift_JIS"), XML)),
    "GB2312": ("北京新闻", answering(feed("北京新闻", "gbk", "gb2312"), XML)),
    "Euc-KR": ("서울 뉴스", answering(feed("서울 뉴스", "euc-kr", "EUC-KR"), XML)),
}


@pytest.fixture(scope="module")
def read(make_world: Callable[[], World]) -> Iterator[dict[str, list[str]]]:
    """The titles of each site's entries, and what the feeds' texts begin with."""
    world = make_world()
    with street(world, {name: script for name, (_, script) in CHARSETS.items()}) as sites:
        for one in world.feeds:
            one["full_text"] = False
        world.run()
        found: dict[str, list[str]] = {}
        for name, site in sites.items():
            own = [article for article in world.articles if article.feed == site.url()]
            found[name] = [
                text for one in own for text in (one.content.title, one.content.body[: len(one.content.title)])
            ]
        yield found


@pytest.mark.parametrize("name", CHARSETS)
def test_a_feed_is_read_without_mojibake(read: dict[str, list[str]], name: str) -> None:
    assert read[name] == [CHARSETS[name][0]] * 2


PAGES = {
    "utf-8 by header": ("utf-8", "", "text/html; charset=utf-8"),
    "utf-8 by meta": ("utf-8", '<meta charset="utf-8">', "text/html"),
    "cp1252 called latin-1 by meta": ("cp1252", '<meta charset="iso-8859-1">', "text/html"),
    "cp1252 called latin-1 by header": ("cp1252", "", "text/html; charset=iso-8859-1"),
    "utf-16 by BOM": ("utf-16", "", "text/html"),
    "cp1252 by http-equiv": (
        "cp1252",
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1252">',
        "text/html",
    ),
}


def test_a_page_is_read_without_mojibake(world: World) -> None:
    with street(world, dict.fromkeys(PAGES, rss(item("/a/1")))) as sites:
        for name, (encoding, declared, header) in PAGES.items():
            text = f"<p>{NAME}. The mayor of the village opened the old bridge, {NAME}.</p>" * 4
            head = f"<!doctype html><html><head>{declared}<title>{NAME}</title></head>"
            page = f"{head}<body><article><h1>{NAME}</h1>{text}</article></body></html>"
            sites[name].paths["/a/1"] = answering(page.encode(encoding), f"Content-Type: {header}")
        world.run()
        assert {name: world.titles(site) for name, site in sites.items()} == {name: [NAME] for name in PAGES}
        assert all(article.content.body.startswith(NAME) for article in world.articles)


# --- XML --------------------------------------------------------------------------------------------------------------

A, B = item("/a/1"), item("/a/2")
BOTH = ["/a/1", "/a/2"]
GOOD = rss(A, B)
ATOM_ENTRY = (
    "<entry><id>urn:{0}</id><title>About {0}</title><link href='{0}'/><updated>2023-11-06T08:00:00Z</updated></entry>"
)
ATOM = "<feed xmlns='http://www.w3.org/2005/Atom'><title>F</title><id>urn:f</id>{}</feed>"
ATOM_BOTH = ATOM.format(ATOM_ENTRY.format("/a/1") + ATOM_ENTRY.format("/a/2")).encode()
JSON_BOTH = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "F",
        "items": [{"id": path, "url": path, "title": f"About {path}"} for path in BOTH],
    }
).encode()
RDF = (
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">'
    b'<channel rdf:about="/"><title>F</title><link>/</link></channel>'
    b'<item rdf:about="/a/1"><title>About /a/1</title><link>/a/1</link></item>'
    b'<item rdf:about="/a/2"><title>About /a/2</title><link>/a/2</link></item></rdf:RDF>'
)


class Broken(NamedTuple):
    body: bytes
    pages: list[str]
    header: str = RSS


BROKEN: dict[str, Broken] = {
    "leading blanks": Broken(b"\n\n  " + GOOD, BOTH),
    "leading junk": Broken(b"<!-- cached -->\n<br />\n" + GOOD, BOTH),
    "PHP warning first": Broken(
        b"<br />\n<b>Warning</b>:  mysql_connect() in <b>/var/www/x.php</b><br />\n" + GOOD, BOTH
    ),
    "trailing junk": Broken(GOOD + b"<script>track()</script>\n<!-- 0.2s -->", BOTH),
    "control characters": Broken(GOOD.replace(b"About /a/1", b"About \x00\x08\x0b\x1f /a/1"), BOTH),
    "undefined entities": Broken(GOOD.replace(b"A teaser.", b"Caf&eacute;&nbsp;&hellip; &madeup; &"), BOTH),
    "bare ampersands": Broken(
        GOOD.replace(b"<link>/a/1", b"<link>/a/1?x=1&y=2").replace(b"A teaser.", b"A & B"), ["/a/1?x=1&y=2", "/a/2"]
    ),
    "invalid UTF-8": Broken(GOOD.replace(b"A teaser.", b"bad \xff\xfe bytes \xc3"), BOTH),
    "cut off in an entry": Broken(GOOD[: GOOD.rindex(b"<description>")], ["/a/1"]),
    "cut off between entries": Broken(GOOD[: GOOD.index(b"</channel>")], BOTH),
    "unclosed elements": Broken(GOOD.replace(b"</description>", b"", 2), BOTH),
    "mismatched tags": Broken(GOOD.replace(b"A teaser.", b"<b>bold<i>both</b></i>", 1), BOTH),
    "undeclared prefix": Broken(
        GOOD.replace(b"</item>", b"<media:thumbnail url='x'/><foo:bar>1</foo:bar></item>"), BOTH
    ),
    "HTML in the description": Broken(GOOD.replace(b"A teaser.", b"<p>Text <br> more <img src=x></p>"), BOTH),
    "doctype of HTML": Broken(
        GOOD.replace(b"<rss", b'<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "x"><rss'), BOTH
    ),
    "wrong content type": Broken(GOOD, BOTH, HTML),
    "text/plain": Broken(GOOD, BOTH, "Content-Type: text/plain"),
    "octet-stream": Broken(GOOD, BOTH, "Content-Type: application/octet-stream"),
    "no content type": Broken(GOOD, BOTH, "X-Nothing: 1"),
    "gzip file as content": Broken(gzip.compress(GOOD), BOTH, "Content-Type: application/gzip"),
    "upper-case elements": Broken(GOOD.replace(b"<item>", b"<ITEM>").replace(b"</item>", b"</ITEM>"), BOTH),
    "RSS 0.91": Broken(GOOD.replace(b'version="2.0"', b'version="0.91"'), BOTH),
    "RDF": Broken(RDF, BOTH),
    "Atom": Broken(ATOM_BOTH, BOTH, "Content-Type: application/atom+xml"),
    "Atom cut off": Broken(ATOM_BOTH[:-40], ["/a/1"]),
    "JSON Feed": Broken(JSON_BOTH, BOTH, "Content-Type: application/feed+json"),
    "billion laughs": Broken(
        b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "lol">'
        + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(10))
        + b"]>"
        + GOOD.partition(b"?>")[2].replace(b"A teaser.", b"&k;"),
        BOTH,
    ),
    "deep nesting": Broken(GOOD.replace(b"A teaser.", b"<b>" * 20_000 + b"deep", 1), BOTH),
    "brackets": Broken(GOOD.replace(b"A teaser.", b"&lt;" * 150_000, 1), BOTH),
    "a million attributes": Broken(GOOD.replace(b"<item>", b"<item " + b"a='1' " * 50_000 + b">", 1), BOTH),
    "a huge title": Broken(GOOD.replace(b"<title>About /a/1", b"<title>" + b"long " * 400_000), BOTH),
}


@pytest.fixture(scope="module")
def taken(make_world: Callable[[], World]) -> Iterator[dict[str, list[str]]]:
    """Which pages each site was asked for; a healthy feed beside them."""
    world = make_world()
    with Site() as healthy, street(world, {name: answering(b.body, b.header) for name, b in BROKEN.items()}) as sites:
        world.follow(healthy.url())
        report = world.run()
        assert world.titles(healthy) == ["About /a/1"]
        assert report.seconds < 60
        yield {name: sorted(site.pages) for name, site in sites.items()}


@pytest.mark.parametrize("name", BROKEN)
def test_the_complete_entries_are_taken(taken: dict[str, list[str]], name: str) -> None:
    assert taken[name] == BROKEN[name].pages


# --- HTML, and pages that are none ------------------------------------------------------------------------------------


def test_html_instead_of_a_feed_is_no_article_and_is_reported(world: World) -> None:
    page = html_page(
        "Home", story("home"), '<link rel="alternate" type="application/rss+xml" href="/real.xml" title="R">'
    )
    with Site(answering(page, HTML)) as site:
        site.paths["/real.xml"] = answering(GOOD)
        world.follow(site.url())
        report = world.run()
        state = world.state(site.url())
        assert (report.feeds_failed, report.articles_new) == (1, 0)
        assert state.cause is Cause.NOT_A_FEED
        assert state.advertised == (site.url("/real.xml"),)
        assert site.asked("/real.xml") == []  # reported, not followed: the user named an address
        site.feed = answering(GOOD)
        world.runs(2)
        assert len(world.titles()) == 2


NO_PAGES: dict[str, Script] = {
    "PDF": answering(b"%PDF-1.7\n" + b"text " * 500, "Content-Type: application/pdf"),
    "PDF called HTML": answering(b"%PDF-1.7\n" + b"text " * 500, HTML),
    "binary called HTML": answering(b"<html>\0\0\1" + bytes(range(256)) * 40, HTML),
    "image": answering(b"\x89PNG\r\n\x1a\n" + bytes(4000), "Content-Type: image/png"),
    "empty": answering(b"", HTML),
    "blank": answering(b"  \n\t " * 50, HTML),
    "no text": answering(b"<!doctype html><html><body><div id=root></div></body></html>", HTML),
    "error page": answering(
        html_page("404 Not Found", "<p>The page you asked for does not exist.</p>"), HTML, status=404
    ),
}


@pytest.fixture(scope="module")
def no_pages(make_world: Callable[[], World]) -> Iterator[tuple[World, dict[str, Site]]]:
    world = make_world()
    with street(world, dict.fromkeys(NO_PAGES, GOOD)) as sites:
        for name, site in sites.items():
            site.paths["/a/1"] = NO_PAGES[name]
        world.runs(2)
        yield world, sites


@pytest.mark.parametrize("name", NO_PAGES)
def test_what_is_no_page_gives_no_article_and_harms_no_other(
    no_pages: tuple[World, dict[str, Site]], name: str
) -> None:
    world, sites = no_pages
    assert "About /a/2" in world.titles(sites[name])
    others = [article for article in world.articles if article.url == sites[name].url("/a/1")]
    assert [article.content.body for article in others] in ([], ["A teaser."])
