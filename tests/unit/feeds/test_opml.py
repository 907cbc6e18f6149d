from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import ConfigError
from aggregator.feeds.opml import read_list, write_opml
from aggregator.models.feeds import Subscription

A = '<outline xmlUrl="https://a.example/"/>'
LOCAL = 'a local file; serve it, or write a feed of kind "command"'


def read_feeds(data: bytes) -> tuple[Subscription, ...]:
    return read_list(data).feeds


def opml(body: str) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?>\n<opml version="2.0"><head/>\n<body>{body}</body></opml>'.encode()


def test_folders_become_tags() -> None:
    found = read_feeds(
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
    found = read_feeds(
        opml(f'<outline text="x">{feed.format("")}</outline><outline text="y">{feed.format("N")}</outline>')
    )
    assert found == (Subscription(url="https://a.example/", name="N", tags=("x", "y")),)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither OPML nor a list"),
        (b"just some words\nand more", "neither OPML nor a list"),
        (b"<rss/>", "OPML, line 1: the root is <rss>, not <opml>"),
        (b"\n\n<html><body/></html>", "OPML, line 3: the root is <html>, not <opml>"),
        (b"<", "OPML, line 1"),
    ],
)
def test_what_is_no_list_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_list(data)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("body", "urls", "skipped"),
    [
        (
            A + '<outline xmlUrl="https://b.example/?x=1&y=2"/>',
            ["https://a.example/", "https://b.example/?x=1&y=2"],
            [],
        ),
        (
            A + '<outline text="Q&A &uuml;" xmlUrl="https://b.example/"/>',
            ["https://a.example/", "https://b.example/"],
            [],
        ),
        (
            A + "\n<outline xmlUrl='query:Unread'/>",
            ["https://a.example/"],
            [(4, "query:Unread", "a query of a reader, no feed")],
        ),
        (
            A + "\n<outline xmlUrl='ftp://b.example/'/>",
            ["https://a.example/"],
            [(4, "ftp://b.example/", "no http(s) address")],
        ),
        (A + "\n\n<outline text='b' xmlUrl=''/>", ["https://a.example/"], [(5, "b", "no address")]),
        (A + "<outline xmlUrl='file:///x.xml'/>", ["https://a.example/"], [(3, "file:///x.xml", LOCAL)]),
        (A + "<outline xmlUrl='http://'/>", ["https://a.example/"], [(3, "http://", "no http(s) address")]),
        (A + "<outline xmlUrl='b.example/rss'/>", ["https://a.example/", "https://b.example/rss"], []),
        (A + "<outline xmlUrl='//b.example/rss'/>", ["https://a.example/", "https://b.example/rss"], []),
        (A + "<outline xmlUrl='itpc://b.example/rss'/>", ["https://a.example/", "http://b.example/rss"], []),
        (A + "<outline xmlUrl='FEED:https://b.example/rss'/>", ["https://a.example/", "https://b.example/rss"], []),
        (
            A.replace("/>", ">") + "<outline xmlUrl='https://b.example/'/></outline>",
            ["https://a.example/", "https://b.example/"],
            [],
        ),
        (A + "<!-- <outline xmlUrl='https://b.example/'/> -->", ["https://a.example/"], []),
        (A + "<outline type='link' url='https://b.example/'/>", ["https://a.example/"], []),
        (A + "<outline xmlUrl='https://b.example/'", ["https://a.example/", "https://b.example/"], []),
        ("<outline text='a folder'/>", [], []),
        (A + "<outline type='RSS' url='https://b.example/rss'/>", ["https://a.example/", "https://b.example/rss"], []),
        (
            A + "<outline type='rss' text='b' htmlUrl='https://b.example/'/>",
            ["https://a.example/"],
            [(3, "b", "no address")],
        ),
        (
            A + "<outline type='include' text='b' url='https://b.example/list.opml'/>",
            ["https://a.example/"],
            [(3, "b", "another list, https://b.example/list.opml; import that file too")],
        ),
        (A + "<outline xmlUrl=' https://b.example/a b '/>", ["https://a.example/", "https://b.example/a%20b"], []),
    ],
)
def test_good_lines_are_read_and_bad_ones_named(
    body: str, urls: list[str], skipped: list[tuple[int, str, str]]
) -> None:
    found = read_list(opml(body))
    assert [feed.url for feed in found.feeds] == urls
    assert [(one.line, one.text, one.reason) for one in found.skipped] == skipped


def test_outlines_outside_the_body_are_read() -> None:
    assert [one.url for one in read_feeds(f"<opml><head/><outline text='x'>{A}</outline></opml>".encode())] == [
        "https://a.example/"
    ]


def test_outlines_behind_the_end_and_junk_before_the_beginning() -> None:
    one, two, three = A, A.replace("a.", "b."), A.replace("a.", "c.")
    body = f"Warning: old file\n<?xml version='1.0'?>\n<opml><body>{one}</body></opml>\n{two}<outline>{three}</outline>"
    assert [one.url for one in read_feeds(body.encode())] == [f"https://{name}.example/" for name in "abc"]
    assert len(read_list(f"<opml><body>{one}</body></opml>\n<!-- made by hand -->".encode()).feeds) == 1
    skipped = read_list(b"old\n<opml><body>\n<outline xmlUrl='query:x'/></body></opml>").skipped
    assert [one.line for one in skipped] == [3]


def test_a_plain_list_with_names_and_one_of_newsboat() -> None:
    found = read_list(
        b"https://a.example/rss The  Harbour\n<https://b.example/rss>\nfeed:https://c.example/rss\n"
        b'https://d.example/rss news "two words" news "~Its Name" "!" ""\nhttps://e.example/rss "tag"\n'
    )
    assert [(feed.url, feed.name, feed.tags) for feed in found.feeds] == [
        ("https://a.example/rss", "The Harbour", ()),
        ("https://b.example/rss", "", ()),
        ("https://c.example/rss", "", ()),
        ("https://d.example/rss", "Its Name", ("news", "two words")),
        ("https://e.example/rss", "", ("tag",)),
    ]


def test_a_plain_list() -> None:
    found = read_list(b"# mine\nhttps://a.example/rss\n\n// more\nb.example/feed\nno address\nhttps://a.example/rss\n")
    assert [feed.url for feed in found.feeds] == ["https://a.example/rss", "https://b.example/feed"]
    assert [(one.line, one.text) for one in found.skipped] == [(6, "no address")]


def test_no_entity_of_a_file_is_read() -> None:
    data = b'<!DOCTYPE opml [<!ENTITY x SYSTEM "file:///etc/passwd">]><opml><body><outline xmlUrl="&x;"/></body></opml>'
    assert "root:" not in repr(read_list(data))


def test_thousands_of_feeds() -> None:
    many = tuple(Subscription(url=f"https://a.example/{n}", name=f"Feed {n}", tags=("t",)) for n in range(5000))
    assert read_feeds(write_opml(many)) == many


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
    assert read_feeds(write_opml(subscriptions)) == subscriptions


def test_what_xml_cannot_hold_is_left_out() -> None:
    (only,) = read_feeds(write_opml([Subscription(url="https://a.example/", name="a\x00b", tags=("x\x01,y",))]))
    assert (only.name, only.tags) == ("a b", ("x  y",))
