from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feeds.repair import MAX_INFLATED_BYTES, cut_long_tags, inflate, read_text, repair_signs

FEED = "<rss><channel><title>Grüße — дом</title></channel></rss>"
BODY = FEED.encode()


def raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


@pytest.mark.parametrize("packed", [BODY, gzip.compress(BODY, mtime=0), zlib.compress(BODY), raw_deflate(BODY)])
def test_inflate_by_magic(packed: bytes) -> None:
    assert inflate(packed) == (BODY, True)


@pytest.mark.parametrize(
    "packed", [gzip.compress(BODY, mtime=0)[:-4], gzip.compress(BODY * 50, mtime=0)[:60], zlib.compress(BODY)[:-6]]
)
def test_what_is_left_of_a_cut_off_stream_is_kept(packed: bytes) -> None:
    text, whole = inflate(packed)
    assert not whole
    assert BODY[:20].startswith(text[:20])


def test_a_broken_stream_keeps_what_came_before() -> None:
    packed = bytearray(gzip.compress(bytes(range(256)) * 4000, 1))
    packed[len(packed) // 2 :] = b"\xff" * 100
    assert inflate(bytes(packed))[1] is False


@pytest.mark.parametrize("body", [b"", b"x", b"\x00\x01\x02binary", b"\x78\x9cx"])
def test_other_bytes_stay(body: bytes) -> None:
    assert inflate(body)[0] in (body, b"")


def test_inflating_stops_at_the_limit() -> None:
    packed = gzip.compress(b" " * (MAX_INFLATED_BYTES * 3), 1)
    assert len(inflate(packed)[0]) < MAX_INFLATED_BYTES * 1.1
    text = read_text(packed, {})
    assert (text.too_large, text.body) == (True, "")


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        b"\xef\xbb\xbf" + BODY,
        b"\xef\xbb\xbf\n\xef\xbb\xbf" + BODY,
        b"\0\0 \r\n" + BODY,
        b"Notice: undefined\n" + BODY,
        FEED.encode("utf-16"),
        FEED.encode("utf-16-le"),
    ],
)
def test_text_starts_at_the_first_tag(body: bytes) -> None:
    assert read_text(body, {}).body == FEED


def test_charset_of_the_header_and_the_declaration() -> None:
    russian = "<rss><title>Новости дня</title></rss>"
    header = {"content-type": "text/xml; charset=windows-1251"}
    assert read_text(russian.encode("cp1251"), header).body == russian
    declared = f'<?xml version="1.0" encoding="koi8-r"?>{russian}'
    assert read_text(declared.encode("koi8-r"), {}).body == declared


def test_single_bad_bytes_do_not_garble_the_rest() -> None:
    text = read_text(("<rss>" + "дом " * 100 + "</rss>").encode() + b"\xff", {}).body
    assert text.count("дом") == 100
    assert text.endswith("\ufffd")


def test_only_plain_entities_of_the_dtd_are_known() -> None:
    dtd = (
        '<!DOCTYPE rss [<!ENTITY town "Kherson"><!ENTITY two \'b\'><!ENTITY bomb "&town;&town;">'
        f'<!ENTITY % p "x"><!ENTITY file SYSTEM "file:///etc/passwd"><!ENTITY long "{"x" * 1001}">]>'
    )
    assert read_text((dtd + FEED).encode(), {}).entities == {"town": "Kherson", "two": "b"}
    assert read_text(BODY, {}).entities == {}


@pytest.mark.parametrize(
    ("xml", "wanted"),
    [
        ("a & b", "a &amp; b"),
        ("a && b", "a &amp;&amp; b"),
        ("a&b;c", "a&amp;b;c"),
        ("&amp;&lt;&#65;&#x42;", "&amp;&lt;AB"),
        ("&#38;&#60;&#x3e;&#34;&#39;", "&#38;&#60;&#62;&#34;&#39;"),
        ("&nbsp;&eacute;&AMP;&LT;", "\xa0é&amp;&lt;"),
        ("&town;", "Kherson"),
        ("&#0;&#8;&#xD800;&#150;", "\ufffd\ufffd–"),
        ("&#99999999;", "\ufffd"),
        ("\x00\x08a\x0b", "a"),
        ("<![CDATA[&nbsp;]]>&nbsp;", "<![CDATA[&nbsp;]]>\xa0"),
        ("<!-- & -->&", "<!-- & -->&amp;"),
        ("<![CDATA[ok]]> <![CDATA[open & on", "<![CDATA[ok]]> open &amp; on"),
        ("<a b=c d='e f=g' h=i/>x j=k", '<a b="c" d=\'e f=g\' h="i"/>x j=k'),
        ("<a b=1><![CDATA[<a b=c>]]>", '<a b="1"><![CDATA[<a b=c>]]>'),
        ("<!-- never closed &", " never closed &amp;"),
    ],
)
def test_repair_signs(xml: str, wanted: str) -> None:
    assert repair_signs(xml, {"town": "Kherson"}) == wanted


def test_expansion_is_bounded() -> None:
    assert len(repair_signs("&a;" * 10_000, {"a": "x" * 1000})) <= 1_000_000


@given(st.text(max_size=200))
def test_repaired_text_needs_no_repair(xml: str) -> None:
    once = repair_signs(xml, {})
    assert repair_signs(once, {}) == once


def test_long_tags_are_cut_and_others_are_not() -> None:
    many = " ".join(f'a{n}="v>"' for n in range(500))
    for end in (">", "/>"):
        short = cut_long_tags(f"<a {many}{end}x<b c='d'/>")
        assert len(short) < 2000
        assert short.endswith(f"{end}x<b c='d'/>")
    content = f"<![CDATA[<a {many}>]]>" + "<p class='x'/>" * 200
    assert cut_long_tags(content) == content
    one_long = f'<a href="{"x" * 5000}"/>' + '<b c="d"/>' * 200
    assert cut_long_tags(one_long) == one_long
