from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import ModuleType

import pytest

from aggregator.feeds.parse import parse_feed
from aggregator.models.feeds import Entry, ParsedFeed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MEDIA = 'xmlns:media="http://search.yahoo.com/mrss/"'
ATOM = "http://www.w3.org/2005/Atom"


def rss(inner: str, attributes: str = MEDIA, channel: str = "") -> ParsedFeed:
    body = f"<rss version='2.0' {attributes}><channel {channel}><title>Post</title><item>{inner}</item></channel></rss>"
    return parse_feed(body.encode(), url="https://base.example/feed", now=NOW)


def atom(inner: str) -> Entry:
    body = f"<feed xmlns='{ATOM}' {MEDIA}><entry><id>1</id>{inner}</entry></feed>"
    return parse_feed(body.encode(), url="https://base.example/feed", now=NOW).entries[0]


# --- Media RSS --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inner",
    [
        "<media:description>Words</media:description>",
        "<media:group><media:description>Words</media:description></media:group>",
        "<media:content url='/a.mp4'><media:description>Words</media:description></media:content>",
        "<media:group><media:content><media:description>Words</media:description></media:content></media:group>",
        "<media:group><media:description/></media:group><media:description>Words</media:description>",
    ],
)
def test_a_description_of_media_is_the_text_at_any_depth(inner: str) -> None:
    assert rss(inner).entries[0].summary == "Words"
    assert atom(inner).summary == "Words"


def test_a_caption_is_no_text_beside_one() -> None:
    caption = "<media:content><media:description>A long caption of the picture</media:description></media:content>"
    entry = rss(f"{caption}<description>Teaser</description>").entries[0]
    assert (entry.summary, entry.content) == ("Teaser", "")


def test_a_description_of_media_may_be_plain_or_html() -> None:
    for kind, text, summary in (("plain", "a &lt; b", "a &lt; b"), ("html", "a &lt;b&gt;c&lt;/b&gt;", "a <b>c</b>")):
        inner = f"<media:description type='{kind}'>{text}</media:description>"
        assert rss(f"<media:group>{inner}</media:group>").entries[0].summary == summary


# --- plain text -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["", " type='text'", " type='text/plain'"])
def test_lines_of_plain_atom_text_stay(kind: str) -> None:
    assert atom(f"<content{kind}>One\nTwo\n\nThree</content>").content == "<p>One<br>Two</p><p>Three</p>"


def test_atom_text_without_a_type_may_be_html() -> None:
    assert atom("<content>&lt;p&gt;One\nTwo&lt;/p&gt;</content>").content == "<p>One\nTwo</p>"


def test_line_ends_of_html_are_blanks() -> None:
    assert atom("<content type='html'>One\nTwo</content>").content == "One\nTwo"
    assert rss("<description>&lt;p&gt;One\nTwo&lt;/p&gt;</description>").entries[0].summary == "<p>One\nTwo</p>"


def test_lines_of_a_description_without_tags_stay() -> None:
    assert rss("<description>Tom &amp;amp; Ann\nTwo</description>").entries[0].summary == "<p>Tom &amp; Ann<br>Two</p>"


def test_a_literal_name_of_a_soft_hyphen_stays_in_plain_text() -> None:
    assert atom("<content type='text'>Write &amp;shy; for it</content>").content == "Write &amp;shy; for it"


# --- RSS in the namespace of another format ---------------------------------------------------------------------------

NAMESPACES = [
    ATOM,
    "http://search.yahoo.com/mrss/",
    "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "http://www.w3.org/1999/xhtml",
    "http://purl.org/dc/elements/1.1/",
    "urn:of-nobody",
]
FIELDS = (
    "<title>Ferry</title><link>https://a.example/1</link><guid isPermaLink='false'>n1</guid>"
    "<pubDate>Mon, 20 May 2024 08:00:00 GMT</pubDate><description>Text</description>"
)


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("place", ["root", "channel"])
def test_a_default_namespace_changes_nothing(namespace: str, place: str) -> None:
    declared = f'xmlns="{namespace}"'
    feed = rss(FIELDS, declared) if place == "root" else rss(FIELDS, channel=declared)
    plain = rss(FIELDS)
    assert feed.title == plain.title == "Post"
    (entry,), (expected,) = feed.entries, plain.entries
    for name in ("id", "entry_id", "link", "title", "published_at", "summary"):
        assert getattr(entry, name) == getattr(expected, name)


def test_a_default_namespace_beside_the_format_s_own_means_itself() -> None:
    body = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:r="http://purl.org/rss/1.0/" '
        'xmlns="http://purl.org/dc/elements/1.1/"><r:item><r:title>Title</r:title><title>Other</title></r:item></rdf:RDF>'
    )
    assert parse_feed(body.encode(), now=NOW).entries[0].title == "Title"


def test_a_prefixed_atom_feed_may_have_another_default() -> None:
    body = (
        f'<a:feed xmlns:a="{ATOM}" xmlns="http://purl.org/dc/elements/1.1/"><a:entry><a:id>1</a:id>'
        "<a:title>Title</a:title><title>Other</title></a:entry></a:feed>"
    )
    assert parse_feed(body.encode(), now=NOW).entries[0].title == "Title"


# --- the parser -------------------------------------------------------------------------------------------------------


class _OtherParser(ModuleType):
    """A driver of another XML parser, as feedparser looks for it."""

    @staticmethod
    def create_parser() -> None:
        pytest.fail("asked for a parser")


def test_texts_are_read_by_expat_whatever_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "drv_libxml2", _OtherParser("drv_libxml2"))
    assert rss("<description>Words</description>").entries[0].summary == "Words"
