from __future__ import annotations

from datetime import timedelta

import pytest

from aggregator.feeds.feed_fields import Head, read_feed_head
from aggregator.feeds.xml_tree import Context, read_head
from aggregator.models.feeds import FeedHints


def head(text: str, *, is_atom: bool = False, url: str = "https://base.example/feed") -> Head:
    root = read_head(text, {})
    assert root is not None
    return read_feed_head(root, Context(is_atom=is_atom), url)


def rss(inner: str) -> Head:
    return head(f"<rss><channel>{inner}</channel></rss>")


def atom(inner: str, attributes: str = "") -> Head:
    return head(f'<feed xmlns="http://www.w3.org/2005/Atom" {attributes}>{inner}</feed>', is_atom=True)


@pytest.mark.parametrize(
    ("inner", "title"),
    [
        ("<title>A &amp;amp; B</title>", "A & B"),
        ("<title>x &lt; y and z > w</title>", "x < y and z > w"),
        ("<title>&lt;b&gt;A&lt;/b&gt;</title>", "A"),
        ("<title type='text'>&lt;b&gt;A&lt;/b&gt;</title>", "<b>A</b>"),
        ("<title type='html'>A&lt;br&gt;B</title>", "A B"),
        ("<title>A <i>B</i><script>x</script> C</title>", "A B C"),
        ("<title mode='base64'>QSA8Yj5CPC9iPg==</title>", "A B"),
        ("<title mode='base64'>=</title>", ""),
        ("<title type='application/octet-stream'>//8=</title>", "//8="),
        ("<title/><dc:title>other</dc:title>", "other"),
        ("<image><title>no</title></image>", ""),
    ],
)
def test_title(inner: str, title: str) -> None:
    assert rss(inner).title == title


@pytest.mark.parametrize(
    ("inner", "generator"),
    [
        ("<generator>https://wordpress.org/?v=6.4</generator>", "https://wordpress.org/?v=6.4"),
        ('<admin:generatorAgent rdf:resource="https://wordpress.org/?v=2"/>', "https://wordpress.org/?v=2"),
        ("<generator>" + "x" * 999 + "</generator>", "x" * 200),
        ("", ""),
    ],
)
def test_generator(inner: str, generator: str) -> None:
    assert rss(inner).generator == generator


def test_generator_of_atom() -> None:
    found = atom('<generator uri="https://wordpress.com/" version="1">WordPress.com</generator>').generator
    assert found == "WordPress.com https://wordpress.com/"


def test_links_by_relation() -> None:
    found = rss(
        """<atom:link rel="self" href="/self"/><atom:link rel="hub" href="https://hub.example/"/>
        <atom:link rel="prev-archive" href="/7"/><atom:link rel="next" href="/2"/>
        <link>/home</link><link>javascript:x</link>"""
    )
    assert (found.link, found.self_url, found.hub, found.previous_url) == (
        "https://base.example/home",
        "https://base.example/self",
        "https://hub.example/",
        "https://base.example/7",
    )


def test_language_and_base() -> None:
    assert rss("<language> de </language>").language == "de"
    assert rss("<dc:language>fr</dc:language>").language == "fr"
    assert atom("", 'xml:lang="en"').language == "en"
    assert atom("", 'xml:base="/x/"').base == "https://base.example/x/"
    assert (
        head("<rss><channel><link>https://own.example/</link></channel></rss>", url="").base == "https://own.example/"
    )
    assert head("<rss/>", url="").base == ""


def test_entries_inherit_authors_of_atom_alone() -> None:
    assert atom("<author><name>A</name></author>").authors == ("A",)
    assert rss("<managingEditor>x@y.example (M)</managingEditor><author>A</author>").authors == ()


@pytest.mark.parametrize(
    ("inner", "hints"),
    [
        ("", FeedHints()),
        ("<ttl>60</ttl>", FeedHints(ttl=timedelta(hours=1))),
        ("<ttl>0</ttl>", FeedHints()),
        ("<ttl>-5</ttl>", FeedHints()),
        ("<ttl>99999999</ttl>", FeedHints(ttl=timedelta(days=366))),  # the schedule waits a week
        (f"<ttl>{9**500}</ttl>", FeedHints(ttl=timedelta(days=366))),
        ("<ttl>1.5</ttl>", FeedHints()),
        (
            "<skipHours><hour>1</hour><hour>24</hour><hour>25</hour><hour>x</hour></skipHours>",
            FeedHints(skip_hours=(0, 1)),
        ),
        ("<skipDays><day>SUNDAY</day><day>Monday</day><day>x</day></skipDays>", FeedHints(skip_days=(0, 6))),
        ("<sy:updatePeriod>daily</sy:updatePeriod>", FeedHints(update_interval=timedelta(days=1))),
        ("<sy:updateFrequency>2</sy:updateFrequency>", FeedHints(update_interval=timedelta(hours=12))),
        (
            "<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>600</sy:updateFrequency>",
            FeedHints(update_interval=timedelta(minutes=1)),
        ),
        ("<sy:updatePeriod>often</sy:updatePeriod>", FeedHints()),
        ("<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>0</sy:updateFrequency>", FeedHints()),
    ],
)
def test_hints(inner: str, hints: FeedHints) -> None:
    assert rss(inner).hints == hints
