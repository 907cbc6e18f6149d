from __future__ import annotations

import dataclasses
import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feeds.parse import parse_feed
from aggregator.models.feeds import Entry, ParsedFeed

FEEDS = Path(__file__).parents[2] / "data" / "feeds"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def describe(feed: ParsedFeed) -> dict[str, object]:
    """Return a feed as JSON values, without what is at its default and without hashes."""

    def plain(value: object) -> object:
        match value:
            case datetime():
                return value.isoformat()
            case timedelta():
                return value.total_seconds()
            case tuple():
                return [plain(part) for part in value]
            case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
                fields = {f.name: (getattr(value, f.name), f.default) for f in dataclasses.fields(value)}
                return {
                    name: plain(v)
                    for name, (v, default) in fields.items()
                    if v != default and name not in ("raw_hash", "raw_hashes") and v != ()
                }
            case _:
                return value

    described = plain(feed)
    assert isinstance(described, dict)
    return described


def parse(text: str | bytes, **headers: str) -> ParsedFeed:
    body = text.encode() if isinstance(text, str) else text
    return parse_feed(body, url="https://base.example/feed", headers=headers, now=NOW)


@pytest.mark.parametrize("file", sorted(FEEDS.glob("*.json")), ids=lambda file: file.stem)
def test_each_dialect_reads_as_described(file: Path) -> None:
    source = next(other for other in FEEDS.glob(f"{file.stem}.*") if other != file)
    feed = parse_feed(source.read_bytes(), url="https://base.example/feed", now=NOW)
    assert describe(feed) == json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"", None, "empty"),
        (b" \n\0", None, "empty"),
        (b"hello", None, "neither feed nor page"),
        (b"%PDF-1.4", None, "neither feed nor page"),
        (b"<svg/>", None, "neither feed nor page"),
        (b"[1, 2]", None, "JSON, and no JSON Feed"),
        (b'{"a": 1}', None, "JSON, and no JSON Feed"),
        (b'{"items": [', None, "broken JSON: JSONDecodeError"),
        (b"<!DOCTYPE html><title>x</title>", "html", ""),
        (b"<p>x</p><body><rss></rss>", "html", ""),
        (b"<!-- <html> --><rss><channel/></rss>", "feed", ""),
    ],
)
def test_what_bytes_are(body: bytes, kind: str | None, error: str) -> None:
    feed = parse(body)
    assert (feed.kind, feed.error) == (kind, error)


def entry_of(inner: str, root: str = "<rss version='2.0'><channel>{}</channel></rss>") -> Entry:
    feed = parse(root.format(f"<item>{inner}</item>"))
    assert len(feed.entries) == 1
    return feed.entries[0]


@pytest.mark.parametrize(
    ("inner", "title"),
    [
        ("<title>a &amp;lt; b</title>", "a < b"),
        ("<title>x &amp;#8217; y</title>", "x ’ y"),
        ("<title>AT&amp;T</title>", "AT&T"),
        ("<title>1 &lt; 2</title>", "1 < 2"),
        ("<title>&lt;i&gt;new&lt;/i&gt; word</title>", "new word"),
        ("<title>&lt;svg/onload=alert(1)&gt;Storm &lt;script&gt;x()&lt;/script&gt;warning</title>", "Storm warning"),
        ("<media:title>&lt;img src=x onerror='x()'&gt;Storm</media:title>", "Storm"),
        ("<title>How &lt;script&gt; works</title>", "How <script> works"),
        ("<title>  two\n lines </title>", "two lines"),
        ("<title/><media:title>other</media:title>", "other"),
        ("<media:title>wrong</media:title><title>right</title>", "right"),
        ("<title><![CDATA[a ]]]]><![CDATA[> b]]></title>", "a ]]> b"),
        ("<title>in <b>bold</b><script>x()</script></title>", "in bold"),
        ("<description>no title</description>", ""),
    ],
)
def test_title_is_plain_text(inner: str, title: str) -> None:
    assert entry_of(inner).title == title


def test_full_content_stands_beside_the_summary() -> None:
    entry = entry_of("<description>teaser</description><content:encoded>&lt;p&gt;all of it&lt;/p&gt;</content:encoded>")
    assert (entry.summary, entry.content) == ("teaser", "<p>all of it</p>")
    entry = entry_of("<content:encoded>&lt;p&gt;alone&lt;/p&gt;</content:encoded>")
    assert (entry.summary, entry.content) == ("", "<p>alone</p>")


def test_plain_text_content_of_atom_is_escaped() -> None:
    feed = parse('<feed xmlns="http://www.w3.org/2005/Atom"><entry><content>1 &lt; 2 &amp; 3</content></entry></feed>')
    assert feed.entries[0].content == "1 &lt; 2 &amp; 3"


def test_bytes_are_never_taken_for_a_file_name(tmp_path: Path) -> None:
    secret = tmp_path / "feed.xml"
    secret.write_text("<rss><channel><item><title>secret</title></item></channel></rss>")
    assert parse(str(secret).encode()).kind is None


def test_content_location_is_a_base() -> None:
    feed = parse("<rss><channel><item><link>a</link></item></channel></rss>", **{"content-location": "/news/"})
    assert feed.entries[0].link == "https://base.example/news/a"


def test_a_file_without_address_uses_the_feeds_own() -> None:
    body = b"<rss><channel><link>https://own.example/x/</link><item><link>a</link></item></channel></rss>"
    assert parse_feed(body, now=NOW).entries[0].link == "https://own.example/x/a"


def test_namespaces_declared_on_the_channel_reach_the_entries() -> None:
    root = '<rss><channel xmlns:d="http://purl.org/dc/elements/1.1/">{}</channel></rss>'
    assert entry_of("<d:creator>Zoë</d:creator>", root).authors == ("Zoë",)


def test_an_unreadable_head_costs_no_entries() -> None:
    feed = parse("<rss\x01 <<<><item><title>still</title></item>")
    assert [entry.title for entry in feed.entries] == ["still"]


def test_many_namespaces_are_cut_to_the_known() -> None:
    declared = " ".join(f'xmlns:n{n}="urn:{n}"' for n in range(500))
    feed = parse(
        f'<rss {declared} xmlns:dc="http://purl.org/dc/elements/1.1/"><item><dc:date>2022-11-11</dc:date></item>'
    )
    assert feed.kind == "feed"


# --- the ladder -------------------------------------------------------------------------------------------------------

ENTRY = "<item><title>Story {n}</title><link>https://e.example/{n}</link>{id}<description>{text}</description></item>"


@st.composite
def feeds(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Return the entries of a feed as they were, and after an edit."""
    numbers = draw(st.lists(st.integers(0, 9), max_size=6))
    id_of = draw(
        st.sampled_from(
            ["<guid>{n}</guid>", "", "<guid>same</guid>", "<guid></guid>", "<!-- </item> --><guid>{n}</guid>"]
        )
    )
    texts = st.sampled_from(["a", "<b>", "&amp;", "<![CDATA[</item>]]>", "&nbsp;", "x:<y:z/>"])
    old = [ENTRY.format(n=n, id=id_of.format(n=n), text=draw(texts)) for n in numbers]
    new = draw(st.permutations(old))
    kept = new[draw(st.integers(0, len(new))) :]
    added = [
        ENTRY.format(n=n, id=id_of.format(n=n), text=draw(texts))
        for n in draw(st.lists(st.integers(0, 19), max_size=3))
    ]
    return old, [*added, *kept]


@given(feeds())
def test_ladder_gives_exactly_the_new_entries_of_the_full_parse(pair: tuple[list[str], list[str]]) -> None:
    frame = "<rss version='2.0'><channel><title>t</title>{}</channel></rss>"
    before, after = (frame.format("\n".join(entries)).encode() for entries in pair)
    known = frozenset(parse(before).raw_hashes)
    full, short = parse(after), parse_feed(after, url="https://base.example/feed", now=NOW, known=known)
    assert short.entries == tuple(entry for entry in full.entries if entry.raw_hash not in known)
    assert dataclasses.replace(short, entries=()) == dataclasses.replace(full, entries=())
    assert all(entry.entry_id for entry in full.entries)


def test_ladder_of_json_feeds() -> None:
    def body(*ids: int) -> bytes:
        return json.dumps({"version": "jsonfeed", "items": [{"id": n, "title": f"t{n}"} for n in ids]}).encode()

    known = parse(body(1, 2)).raw_hashes
    feed = parse_feed(body(3, 1, 2), url="", now=NOW, known=known)
    assert [entry.id for entry in feed.entries] == ["3"]
    assert feed.raw_hashes[1:] == known


@pytest.mark.parametrize(
    "uri", ["http://www.w3.org/2005/Atom", "http://search.yahoo.com/mrss/", "http://www.w3.org/1999/xhtml"]
)
def test_a_default_namespace_of_the_entry_itself_takes_nothing_away(uri: str) -> None:
    (entry,) = parse(
        f"<rss><channel><item xmlns='{uri}' xmlns:m='http://search.yahoo.com/mrss/'><title>T</title><link>https://a.example/1</link>"
        "<guid>g</guid><pubDate>Fri, 11 Nov 2022 09:15:00 GMT</pubDate><m:thumbnail url='https://a.example/t.jpg'/></item></channel></rss>"
    ).entries
    assert (entry.title, entry.link, entry.id) == ("T", "https://a.example/1", "g")
    assert entry.published_at is not None
    assert [file.url for file in entry.enclosures] == ["https://a.example/t.jpg"]


@pytest.mark.parametrize(
    "body",
    [
        "<rss><channel><language>pl</language><item><pubDate>11 listopada 2022</pubDate></item></channel></rss>",
        "<rss><language>hr</language><item xml:lang='pl'><pubDate>11 lis 2022</pubDate></item></rss>",
    ],
)
def test_dates_are_read_in_the_language_of_the_feed(body: str) -> None:
    (entry,) = parse(body).entries
    assert entry.published_at is not None
    assert entry.published_at.month == 11


@pytest.mark.parametrize(
    "form", ["&lt;![CDATA[{}]]&gt;", "<![CDATA[<![CDATA[{}]]]]>", "&lt;![CDATA[{}]]", "<![CDATA[{}]]>"]
)
def test_a_section_that_was_escaped_is_its_text(form: str) -> None:
    title, link, text = (form.format(words) for words in ("Tea", "https://a.example/1", "All of it."))
    body = f"<rss><item><title>{title}</title><link>{link}</link><description>{text}</description></item></rss>"
    (entry,) = parse(body).entries
    assert (entry.title, entry.link, entry.summary) == ("Tea", "https://a.example/1", "All of it.")


def test_an_entry_under_other_namespaces_is_another() -> None:
    one, two = (parse(f"<rss xmlns:a='{uri}'><item><a:b/></item></rss>") for uri in ("urn:1", "urn:2"))
    assert one.raw_hashes != two.raw_hashes


# --- hostile ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"<rss><item " + b" ".join(b'a%d="v"' % n for n in range(20_000)) + b"><title>t</title></item></rss>",
        b"<rss><item><title " + b" ".join(b'a%d="v"' % n for n in range(20_000)) + b">t</title></item></rss>",
        b"<rss><item><description>" + b"<div>" * 50_000 + b"</description><title>t</title></item></rss>",
        b"<rss><item><title>t</title>" + b"<category>c</category>" * 50_000 + b"</item></rss>",
        b'<!DOCTYPE r [<!ENTITY a "'
        + b"a" * 999
        + b'">]><rss><item><title>t</title><x>'
        + b"&a;" * 200_000
        + b"</x></item>",
        b"<rss><item><title>t</title></item><item>" + b"<![CDATA[" * 200_000,
        b"<rss><item><title>t</title></item><item>" + b"<!--" * 400_000,
        b"<rss><item><title>t</title><author>" + b"a" * 1_000_000 + b"</author></item></rss>",
        b"<rss><item><title>t</title><description><![CDATA[" + b"</a" * 700_000 + b"]]></description></item></rss>",
        pytest.param(  # while branches are counted it takes three times as long
            b"<rss><item><title>t</title></item>" + b"<item>" * 100_000, id="items", marks=pytest.mark.soak
        ),
    ],
    ids=[
        "attributes",
        "title-attributes",
        "deep",
        "children",
        "entities",
        "cdata",
        "comments",
        "author",
        "tags",
        None,
    ],
)
def test_hostile_feeds_are_read_in_bounded_time(body: bytes) -> None:
    start = time.process_time()
    feed = parse(body)
    assert time.process_time() - start < 5
    assert feed.kind == "feed"
    assert not feed.entries or feed.entries[0].title in ("t", "")


def test_no_external_entity_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:x")
    body = f'<!DOCTYPE r [<!ENTITY x SYSTEM "file://{secret}">]><rss><item><title>a&x;</title></item></rss>'
    assert "root" not in repr(parse(body))


def test_billion_laughs_stay_silent() -> None:
    lines = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    feed = parse(f'<!DOCTYPE r [<!ENTITY l0 "ha">{lines}]><rss><item><title>&l11;</title></item></rss>')
    assert len(repr(feed)) < 5000


def test_a_bomb_is_not_inflated() -> None:
    feed = parse(gzip.compress(b"<rss>" + b" " * 40_000_000, 1))
    assert (feed.kind, feed.error) == (None, "too large when inflated")


@given(st.binary(max_size=400))
def test_no_bytes_raise(body: bytes) -> None:
    for start in (b"", b"<rss><item>", b'{"items":[', b"<feed><entry><title>"):
        parse(start + body)
    for whole in (
        b"<rss><item><title>%b</title></item></rss>",
        b'<feed><entry><link href="http://a.example/"/>%b</entry>',
    ):
        feed = parse(whole % body.replace(b"<", b""))
        assert [bool(entry.entry_id) for entry in feed.entries] in ([], [True])
