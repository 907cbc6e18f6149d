"""What a page says about its article, field by field."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml.html import document_fromstring

from aggregator.extraction.metadata.json_ld import read_json_ld
from aggregator.extraction.metadata.stated import Metadata, Stated, is_plausible, metas_of, read_date, read_metadata
from aggregator.extraction.metadata.titles import without_names
from aggregator.models.pages import DeclaredUrls

URL = "https://www.example.org/news/a"
SEEN = datetime(2024, 6, 1, 12, tzinfo=UTC)


def read(head: str = "", body: str = "", ld: str = "", url: str = URL, stated: Stated | None = None) -> Metadata:
    page = (
        f'<html><head><script type="application/ld+json">{ld}</script>{head}</head><body>{body}<p>x</p></body></html>'
    )
    tree = document_fromstring(page)
    return read_metadata(tree, metas_of(tree), read_json_ld(page, url), url, stated or Stated(), SEEN)


def meta(name: str, content: str) -> str:
    return f'<meta property="{name}" content="{content}">'


@pytest.mark.parametrize(
    ("head", "body", "ld", "title"),
    [
        pytest.param("<title>From title | Other</title>", "", "", "From title | Other", id="title alone"),
        pytest.param(
            "", "<h1><div>Local</div>A <b>bridge</b></h1>", "", "Local A bridge", id="kicker in a block of its own"
        ),
        pytest.param(meta("og:title", "Open graph"), "<h1>Shown head</h1>", "", "Open graph", id="og before h1"),
        pytest.param(
            meta("og:title", "Open graph"),
            "",
            '{"@type": "Article", "headline": "Head line"}',
            "Head line",
            id="JSON-LD",
        ),
        pytest.param(
            meta("og:title", "As shown"),
            "<h1>As shown</h1>",
            '{"@type": "Article", "headline": "For robots"}',
            "As shown",
            id="the majority",
        ),
        pytest.param(
            meta("og:title", "A head line | Politics | Day"),
            "<h1>A head line</h1>",
            "",
            "A head line",
            id="h1 and suffix",
        ),
        pytest.param(
            meta("og:site_name", "The Times") + meta("og:title", "News today | The Times"),
            "",
            "",
            "News today",
            id="site",
        ),
        pytest.param(
            meta("og:site_name", "The Times") + "<title>Real title</title>",
            "<h1>The Times</h1>",
            "",
            "Real title",
            id="logo",
        ),
        pytest.param("", "", "", "", id="none"),
    ],
)
def test_title(head: str, body: str, ld: str, title: str) -> None:
    assert read(head, body, ld).title == title


@pytest.mark.parametrize(
    ("head", "body", "ld", "authors", "credited"),
    [
        ("", "", '{"@type": "Person", "name": "Ada Byron"}', ("Ada Byron",), ("Ada Byron",)),
        ("", "", '["Ada Byron", {"name": ["Mary Ann"]}]', ("Ada Byron", "Mary Ann"), None),
        ("", "", '[[{"givenName": "Ada", "familyName": "Byron"}]]', ("Ada Byron",), None),
        ("", "", '{"@type": "Organization", "name": "dpa"}', (), ("dpa",)),
        ("", "", '"Ada Byron"', ("Ada Byron",), None),
        (meta("author", "By Ada Byron"), "", "", ("Ada Byron",), None),
        (meta("author", "newsroom"), "", "", (), ("newsroom",)),
        (meta("article:author", "https://x.example/ada"), '<a rel="author">Ada Byron</a>', "", ("Ada Byron",), ()),
        ("", "", "", (), ()),
    ],
)
def test_authors(head: str, body: str, ld: str, authors: tuple[str, ...], credited: tuple[str, ...] | None) -> None:
    found = read(head, body, f'{{"@type": "Article", "author": {ld or 0}}}')
    assert found.authors == authors
    assert credited is None or found.credited == credited


def test_a_reference_to_an_author_is_followed() -> None:
    ld = '{"@graph": [{"@type": "Article", "creator": {"@id": "#a"}}, {"@id": "#a", "name": "Ada Byron"}]}'
    assert read(ld=ld).authors == ("Ada Byron",)


@pytest.mark.parametrize(
    ("head", "body", "ld", "url", "published"),
    [
        ("", "", '{"@type": "Article", "datePublished": "2024-05-01T23:30:00+0200"}', URL, "2024-05-01T23:30:00+02:00"),
        (meta("article:published_time", "2024-05-02T10:00:00Z"), "", "", URL, "2024-05-02T10:00:00+00:00"),
        ("", "", '{"@type": "Article", "datePublished": 1715500800000}', URL, "2024-05-12T08:00:00+00:00"),
        ("", '<time itemprop="datePublished" datetime="2024-05-03">x</time>', "", URL, "2024-05-03"),
        ("", "<time>2024-04-01</time><article><time>2024-05-04</time></article>", "", URL, "2024-05-04"),
        ("", "", "", "https://example.org/2024/05/05/a", "2024-05-05"),
        (meta("date", "2031-01-01") + meta("article:published_time", "1970-01-01T00:00:00Z"), "", "", URL, ""),
        ("", "", '{"@type": "Article", "datePublished": "soon", "dateCreated": "2024-05"}', URL, "2024-05"),
        ("", "", "", URL, ""),
    ],
)
def test_published(head: str, body: str, ld: str, url: str, published: str) -> None:
    assert read(head, body, ld, url).published == published


def test_a_rule_is_believed_first() -> None:
    ld = '{"@type": "Article", "datePublished": "2024-05-01", "author": "Ada Byron"}'
    found = read(ld=ld, stated=Stated(authors=("Mary Shelley",), dates=("2024-04-30",), next_page="?page=2"))
    assert (found.authors, found.published) == (("Mary Shelley",), "2024-04-30")
    assert found.declared.next_page == "https://www.example.org/news/a?page=2"


@pytest.mark.parametrize(
    ("raw", "date"),
    [
        ("2024-05-01", "2024-05-01"),
        ("2024-05", "2024-05"),
        ("2024", "2024"),
        ("2024-05-01 10:20", "2024-05-01T10:20:00"),
        ("2024-05-01T10:20:30.123Z", "2024-05-01T10:20:30+00:00"),
        ("2024-05-01T10:20:30+05:30", "2024-05-01T10:20:30+05:30"),
        ("2024-05-01T10:20:30-08", "2024-05-01T10:20:30-08:00"),
        ("2024-05-01T10:20:30+99:00", "2024-05-01T10:20:30"),
        ("2024-13-01", ""),
        ("2024-02-30", ""),
        ("Wed, 01 May 2024 10:20:30 +0200", "2024-05-01T10:20:30+02:00"),
        ("1 May 2024 10:20 EST", "2024-05-01T10:20:00-05:00"),
        ("1. Mai 2024", "2024-05-01"),
        ("1 May 2024 10:20 CEST", "2024-05-01T08:20:00+00:00"),
        ("soon", ""),
        ("", ""),
    ],
)
def test_dates(raw: str, date: str) -> None:
    assert read_date(raw, SEEN) == date
    assert read_date(raw)[:7] == date[:7]


@pytest.mark.parametrize(
    ("date", "plausible"), [("2024-06-02", True), ("2024-06-04", False), ("1994-12-31", False), ("2024", True)]
)
def test_plausible_dates(date: str, plausible: bool) -> None:
    assert is_plausible(date, SEEN) is plausible
    assert is_plausible(date, None) is (date >= "1995")


def test_updated_site_language_and_tags() -> None:
    ld = (
        '{"@type": "Article", "dateModified": "2024-05-06T01:00:00Z", "inLanguage": "fr", "keywords": "a, b ,a",'
        '"publisher": [{"name": "The House"}]}'
    )
    found = read(meta("article:tag", "c"), ld=ld)
    assert (found.updated, found.site, found.language) == ("2024-05-06T01:00:00+00:00", "The House", "fr")
    assert found.tags == ("a", "b", "c")
    assert read(ld='{"@type": "Article", "keywords": ["x", "y, z"], "publisher": "P"}').tags == ("x", "y, z")
    assert read(meta("og:locale", "pt_BR") + meta("og:site_name", "S")).language == "pt-BR"
    assert read(ld='{"@type": "Article", "publisher": []}').site == ""


def test_addresses_are_absolute_and_of_the_web() -> None:
    head = (
        '<link rel="canonical" href="/news/a"><link rel="amphtml" href="https://amp.example.org/a">'
        '<link rel="shortlink" href="javascript:alert(1)"><link rel="stylesheet" href="/x.css">'
        + meta("og:url", "//x[")
    )
    body = '<a rel="next nofollow" href="?page=2">2</a><a rel="canonical" href="/b">b</a>'
    ld = '{"@type": "Article", "mainEntityOfPage": "https://example.org/ld", "image": [{"url": "/i.jpg"}, "j.jpg", 3]}'
    found = read(head, body, ld)
    assert found.declared == DeclaredUrls(
        canonical="https://www.example.org/news/a",
        amphtml="https://amp.example.org/a",
        json_ld="https://example.org/ld",
        next_page="https://www.example.org/news/a?page=2",
    )
    assert found.image_urls == ("https://www.example.org/i.jpg", "https://www.example.org/news/j.jpg")


@pytest.mark.parametrize(
    ("head", "others"),
    [
        ('<link rel="alternate" media="handheld" href="/m/a">', ("https://www.example.org/m/a",)),
        (
            '<link rel="alternate" media="only screen and (max-width: 640px)" href="/m/a">',
            ("https://www.example.org/m/a",),
        ),
        ('<link rel="alternate" media="print" href="/print/a">', ()),
        ('<link rel="alternate" hreflang="fr" href="/fr/a">', ()),
        ('<link rel="shorturl" href="https://ex.example/1">', ("https://ex.example/1",)),
        (meta("short_url", "https://ex.example/1"), ("https://ex.example/1",)),
        (
            '<link rel="alternate" href="https://www.example.org/blog/wp-json/wp/v2/posts/74">',
            ("https://www.example.org/blog/?p=74",),
        ),
        ('<link rel="alternate" href="https://www.example.org/wp-json/wp/v2/categories/7">', ()),
        ('<link rel="next" href="https://www.example.org/wp-json/wp/v2/posts/7">', ()),
    ],
)
def test_further_addresses_of_the_page(head: str, others: tuple[str, ...]) -> None:
    assert read(head).declared.others == others


def test_what_guides_the_body() -> None:
    ld = '{"@type": "Article", "description": "D", "articleBody": "One.&lt;p&gt; Two.", "image": "/i.jpg"}'
    found = read(meta("og:description", "E"), ld=ld)
    assert (found.teasers, found.article_body) == (("D", "E"), "One. Two.")


@pytest.mark.parametrize(
    ("title", "short"),
    [
        ("A - B | The Times", "A - B"),
        ("A – example.org", "A"),
        ("A | Example", "A"),
        ("A » example.org", "A"),
        ("The Times | A", "A"),
        ("Mother-in-law", "Mother-in-law"),
        ("", ""),
    ],
)
def test_titles_lose_their_site(title: str, short: str) -> None:
    assert without_names(title, frozenset({"thetimes", "exampleorg", "example"})) == short


@given(st.text(), st.text(), st.text())
def test_never_raises(head: str, body: str, ld: str) -> None:
    strip = str.maketrans("", "", "".join(map(chr, [*range(32), 0xFFFE, 0xFFFF])) + "\x7f")
    read(meta("og:title", head.translate(strip)), body.translate(strip), ld, URL)
    read_date(head)


@pytest.mark.parametrize(
    ("raw", "date"),
    [
        ("-0001-11-30T00:00:00", ""),
        ("2024-05-25T24:00:00+02:00", "2024-05-26T00:00:00+02:00"),
        ("2024-05-25 22:00 EST", "2024-05-25T22:00:00-05:00"),
        ("2024-05-25 22:00 XYZ", "2024-05-25"),
        ("2024", "2024"),
    ],
)
def test_dates_as_pages_write_them(raw: str, date: str) -> None:
    assert read_date(raw).startswith(date) if date else read_date(raw) == ""
