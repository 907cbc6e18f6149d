from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feeds.slices import MAX_ENTRIES, Root, Sliced, find_root, hash_slice, salt_of, split


def cut(text: str) -> Sliced:
    root = find_root(text)
    assert root is not None
    return split(text, root)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("<rss version='2.0'>", "rss", "rss"),
        ("<RSS>", "rss", "RSS"),
        ("<rdf:RDF xmlns:rdf='x'>", "rdf", "rdf:RDF"),
        ("<feed/>", "atom", "feed"),
        ("<atom:feed >", "atom", "atom:feed"),
        ("junk <b>x</b> <channel>", "rss", "channel"),
        ("<channel href='http://x'>", "cdf", "channel"),
        ("<CHANNEL LASTMOD='x'><ITEM HREF='y'/>", "cdf", "CHANNEL"),
        ("<item>", "rss", "item"),
        ("<entry>", "atom", "entry"),
        ("<urlset>", "sitemap", "urlset"),
        ("<!DOCTYPE html>", "html", "!DOCTYPE html"),
        ("<html><rss>", "html", "html"),
        ("<!DOCTYPE html PUBLIC 'x'>\n<feed>", "atom", "feed"),
        ("<!DOCTYPE html><title>x</title><rss>", "html", "!DOCTYPE html"),
        ("<!-- <html> --><feed>", "atom", "feed"),
    ],
)
def test_root(text: str, kind: str, name: str) -> None:
    root = find_root(text)
    assert root is not None
    assert (root.kind, root.name) == (kind, name)
    assert text[root.start + 1 :].startswith(name)


@pytest.mark.parametrize(
    "text", ["", "x", "<rssx>", "<feeds>", "<!-- <rss> ", "<svg>", "<" * 1000, " " * 300_000 + "<rss>"]
)
def test_no_root(text: str) -> None:
    assert find_root(text) is None


@pytest.mark.parametrize(
    ("text", "slices", "head", "complete"),
    [
        ("<rss>a<item>1</item>b<item>2</item>c</rss>d", ["<item>1</item>", "<item>2</item>"], "<rss>abc", True),
        ("<rss><item>1</item> <item>2</item></rss>", ["<item>1</item>", "<item>2</item>"], "<rss> ", True),
        ("<rss><item>1</item><item a='/'>2</item></rss>", ["<item>1</item>", "<item a='/'>2</item>"], "<rss>", True),
        ("<rss><item/><item a='>'/>x</rss>", ["<item/>", "<item a='>'/>"], "<rss>x", True),
        ("<rss><ITEM>1</item ></rss>", ["<ITEM>1</item >"], "<rss>", True),
        ("<rss><items/><item>1</item></rss>", ["<item>1</item>"], "<rss><items/>", True),
        (
            "<rss><item><![CDATA[</item><item>]]></item></rss>",
            ["<item><![CDATA[</item><item>]]></item>"],
            "<rss>",
            True,
        ),
        ("<rss><item><!-- </item> --></item></rss>", ["<item><!-- </item> --></item>"], "<rss>", True),
        ("<rss><!-- <item>x</item> --><item>1</item></rss>", ["<item>1</item>"], "<rss><!-- <item>x</item> -->", True),
        ("<rss><item>1<item>2</item></rss>", ["<item>1", "<item>2</item>"], "<rss>", True),
        ("<rss><item>1</item><item>2</rss>", ["<item>1</item>", "<item>2"], "<rss>", True),
        ("<rss><item>1</item><item>2", ["<item>1</item>"], "<rss>", False),
        ("<rss><item>1</item>x", ["<item>1</item>"], "<rss>x", False),
        ("<rss><item>1</item", [], "<rss>", False),
        ("<rss><item>1</item ", [], "<rss>", False),
        (
            "<rss><item><![CDATA[1</item><item>2</item></rss>",
            ["<item><![CDATA[1</item>", "<item>2</item>"],
            "<rss>",
            True,
        ),
        ("<rss><item <item>1</item></rss>", ["<item ", "<item>1</item>"], "<rss>", True),
        ("<rss></item>x<item>1</item></rss>", ["<item>1</item>"], "<rss></item>x", True),
        (
            "<feed><a:entry>1</a:entry><entry>2</entry></feed>",
            ["<a:entry>1</a:entry>", "<entry>2</entry>"],
            "<feed>",
            True,
        ),
        (
            "<rss><item>1<media:item>x</media:item></item></rss>",
            ["<item>1<media:item>x</media:item></item>"],
            "<rss>",
            True,
        ),
        ("<rss><item><!-- --><x:item/></item></rss>", ["<item><!-- --><x:item/></item>"], "<rss>", True),
        ("<urlset><url>1</url></urlset>", ["<url>1</url>"], "<urlset>", True),
        ("<entry>alone</entry>", ["<entry>alone</entry>"], "", False),
    ],
)
def test_split(text: str, slices: list[str], head: str, complete: bool) -> None:
    found = cut(text)
    assert (list(found.slices), found.head, found.complete) == (slices, head, complete)


def test_entries_are_bounded() -> None:
    for entry in ("<item/>", "<item>x</item>"):
        assert len(cut("<rss>" + entry * (MAX_ENTRIES + 10) + "</rss>").slices) == MAX_ENTRIES


PIECES = st.lists(
    st.sampled_from(
        [
            "<item>",
            "</item>",
            "<item/>",
            "<item a='>'>",
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "x",
            " ",
            "\n",
            "</rss>",
            "</ITEM>",
        ]
    ),
    max_size=30,
).map("".join)


@given(PIECES)
def test_slices_come_in_order_and_do_not_overlap(inner: str) -> None:
    text = f"<rss>{inner}</rss>"
    position = 0
    for piece in cut(text).slices:
        position = text.index(piece, position) + len(piece)


@given(
    st.lists(st.sampled_from(["a", "<b>", "<![CDATA[</item>]]>", "<!-- <item> -->", "&amp;"]), max_size=8),
    st.booleans(),
)
def test_well_formed_entries_are_cut_exactly(contents: list[str], spaced: bool) -> None:
    entries = [f"<item>{content}</item>" for content in contents]
    found = cut(f"<rss>{(' ' if spaced else '').join(entries)}</rss>")
    assert list(found.slices) == entries
    assert found.complete


def test_hash_depends_on_text_and_root() -> None:
    one, two = salt_of("<rss a='1'>x"), salt_of("<rss a='2'>x")
    assert len({hash_slice("x", one), hash_slice("y", one), hash_slice("x", two)}) == 3
    assert salt_of("<rss a='1'>x") == salt_of("<rss a='1'>y")
    assert len(salt_of("")) == len(one)
    assert len(hash_slice("\ud800", one)) == 32


def test_root_is_a_record() -> None:
    assert find_root("<feed>") == Root(kind="atom", name="feed", start=0)
