from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aggregator.feeds.entry_fields import (
    EntryTree,
    is_permalink,
    person_name,
    read_authors,
    read_categories,
    read_dates,
    read_enclosures,
    read_id,
    read_link,
    read_raw_date,
    read_tree,
)
from aggregator.feeds.xml_tree import Context, read_slice
from aggregator.models.feeds import Enclosure

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BASE = "https://base.example/feed/"


def rss(inner: str, attributes: str = "") -> EntryTree:
    return tree(f"<item {attributes}>{inner}</item>", Context())


def atom(inner: str) -> EntryTree:
    return tree(f'<entry xmlns="http://www.w3.org/2005/Atom">{inner}</entry>', Context(is_atom=True))


def tree(text: str, context: Context) -> EntryTree:
    element = read_slice(text, context)
    assert element is not None
    return read_tree(element, context, BASE)


@pytest.mark.parametrize(
    ("inner", "attributes", "wanted"),
    [
        ("<guid> x </guid>", "", "x"),
        ("<guid/><guid>y</guid>", "", "y"),
        ("<guid></guid>", 'rdf:about="https://a.example/"', "https://a.example/"),
        ("<id>relative/one</id>", 'xml:base="https://x.example/"', "relative/one"),
        ("<atom:id>z</atom:id>", "", "z"),
        ("", "", ""),
    ],
)
def test_id_is_raw(inner: str, attributes: str, wanted: str) -> None:
    assert read_id(rss(inner, attributes)) == wanted


@pytest.mark.parametrize(
    ("inner", "wanted"),
    [
        ("<link>https://a.example/1</link>", "https://a.example/1"),
        ("<link> a </link>", BASE + "a"),
        ("<link/><link>b</link>", BASE + "b"),
        ("<link>mailto:x@y.example</link><link>b</link>", BASE + "b"),
        ("<link>mailto:x@y.example</link>", None),
        ('<link href="c"/>', BASE + "c"),
        ('<atom:link rel="self" href="no"/><atom:link rel="alternate" href="yes"/>', BASE + "yes"),
        ('<link rel="http://www.iana.org/assignments/relation/alternate" href="x"/>', BASE + "x"),
        ("<guid>https://a.example/g</guid>", "https://a.example/g"),
        ("<link>javascript:x</link><guid>https://a.example/g</guid>", "https://a.example/g"),
        ('<guid isPermaLink="false">https://a.example/g</guid>', None),
        ("<guid>tag:1</guid>", None),
        ("<loc>https://a.example/l</loc>", "https://a.example/l"),
        ("", None),
    ],
)
def test_link_of_rss(inner: str, wanted: str | None) -> None:
    entry = rss(inner)
    assert read_link(entry, entry_id=read_id(entry)) == wanted


@pytest.mark.parametrize(
    ("inner", "wanted"),
    [
        ('<link href="a"/>', BASE + "a"),
        ('<link rel="self" href="no"/><link rel="enclosure" href="no"/><link href="a"/>', BASE + "a"),
        ('<link type="application/pdf" href="no"/><link type="text/html" href="a"/>', BASE + "a"),
        ('<link type="application/pdf" href="only"/>', BASE + "only"),
        ('<link href="a" xml:base="https://x.example/"/>', "https://x.example/a"),
        ('<link xml:base="mailto:x" href="a"/>', BASE + "a"),
        ("<id>https://a.example/i</id>", "https://a.example/i"),
        ("<id>urn:x</id>", None),
    ],
)
def test_link_of_atom(inner: str, wanted: str | None) -> None:
    entry = atom(inner)
    assert read_link(entry, entry_id=read_id(entry)) == wanted


def test_permalink() -> None:
    assert is_permalink(rss("<guid>x</guid>"))
    assert not is_permalink(rss('<guid isPermaLink="FALSE">x</guid>'))


@pytest.mark.parametrize(
    ("inner", "published", "updated", "flagged"),
    [
        ("<pubDate>2022-11-11</pubDate>", "2022-11-11", None, False),
        ("<dc:date>2022-11-11</dc:date>", "2022-11-11", None, False),
        ("<pubDate>2022-11-11</pubDate><dc:date>2021-01-01</dc:date>", "2022-11-11", None, False),
        ("<pubDate>soon</pubDate><dc:date>2022-11-11</dc:date>", "2022-11-11", None, False),
        ("<pubDate>soon</pubDate><pubDate/>", None, None, True),
        ("<pubDate>2022-11-10</pubDate><pubDate>2022-11-11</pubDate>", "2022-11-11", None, False),
        ("<atom:updated>2022-11-11</atom:updated>", None, "2022-11-11", False),
        ("<dcterms:modified>x</dcterms:modified>", None, None, True),
        ("<pubDate>2022-11-11</pubDate><atom:updated>x</atom:updated>", "2022-11-11", None, True),
        ("", None, None, False),
    ],
)
def test_dates(inner: str, published: str | None, updated: str | None, flagged: bool) -> None:
    dates = read_dates(rss(inner), NOW)
    found = [at.date().isoformat() if at else None for at in (dates.published_at, dates.updated_at)]
    assert (*found, dates.flagged) == (published, updated, flagged)


def test_dates_of_atom_03_and_cdf() -> None:
    dates = read_dates(
        atom("<created>2020-01-01</created><issued>2020-01-02</issued><modified>2020-01-03</modified>"), NOW
    )
    assert dates.published_raw == "2020-01-02"
    assert dates.updated_at == datetime(2020, 1, 3, tzinfo=UTC)
    assert read_dates(rss("", 'LASTMOD="1998-01-01"'), NOW).updated_at == datetime(1998, 1, 1, tzinfo=UTC)
    assert read_dates(rss("", 'LASTMOD="soon"'), NOW).flagged


def test_raw_date_is_the_first() -> None:
    assert read_raw_date(rss("<pubDate/><dc:date>x</dc:date>")) == "x"
    assert read_raw_date(rss("")) == ""


@pytest.mark.parametrize(
    ("inner", "authors"),
    [
        ("<author>zoe@example.org (Zoë Müller)</author>", ("Zoë Müller",)),
        ("<author>zoe@example.org</author>", ("zoe@example.org",)),
        ("<author/>", ()),
        ("<dc:creator>A</dc:creator><dc:creator>B</dc:creator><dc:creator>A</dc:creator>", ("A", "B")),
        ("<itunes:author>I</itunes:author>", ("I",)),
        ("<dc:creator>A</dc:creator><itunes:author>I</itunes:author>", ("A",)),
        ("<atom:author><atom:name>N</atom:name><atom:email>e@x.example</atom:email></atom:author>", ("N",)),
        ("<author><name/><email>e@x.example</email></author>", ("e@x.example",)),
        ("<author><b>Bold</b> Name</author>", ("Bold Name",)),
    ],
)
def test_authors(inner: str, authors: tuple[str, ...]) -> None:
    assert read_authors(rss(inner)) == authors


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Zoë Müller <zoe@example.org>", "Zoë Müller"),
        ("Zoë (zoe@example.org)", "Zoë"),
        ("mailto:zoe@example.org (Zoë)", "Zoë"),
        ('"Zoë" <zoe@example.org>', "Zoë"),
        ("By Zoë and Jo", "By Zoë and Jo"),
    ],
)
def test_person_name(text: str, name: str) -> None:
    assert person_name(text) == name


def test_enclosures_of_an_episode_and_its_pictures() -> None:
    found = read_enclosures(
        rss(
            """<itunes:duration>1:02:03</itunes:duration><enclosure url="a.mp3" type="audio/mpeg"/>
            <media:group><media:content url="b.mp4" duration="95.5"><media:thumbnail url="t.jpg"/></media:content>
            <media:thumbnail url="t.jpg"/></media:group><itunes:image href="i.png"/>"""
        )
    )
    assert [(one.url.removeprefix(BASE), one.type, one.duration) for one in found] == [
        ("a.mp3", "audio/mpeg", 3723),
        ("b.mp4", "", 95),
        ("t.jpg", "image/*", None),
        ("i.png", "image/*", None),
    ]


@pytest.mark.parametrize("duration", ["", "an hour", "1:2:3:4", "-5", "9999999"])
def test_a_duration_that_says_nothing(duration: str) -> None:
    (found,) = read_enclosures(rss(f'<enclosure url="a.mp3"/><itunes:duration>{duration}</itunes:duration>'))
    assert found.duration is None


def test_enclosures() -> None:
    found = read_enclosures(
        rss(
            """<enclosure url="a.mp3" type="audio/mpeg" length="12"/><enclosure url="a.mp3"/><enclosure url="file:x"/>
            <media:group><media:content url="b.mp4" fileSize="x"/><media:title>t</media:title></media:group>
            <media:content url="c.jpg"/><atom:link rel="enclosure" href="d.ogg"/><link>e</link>"""
        )
    )
    assert found[0] == Enclosure(url=BASE + "a.mp3", type="audio/mpeg", length=12)
    assert [enclosure.url.removeprefix(BASE) for enclosure in found] == ["a.mp3", "b.mp4", "c.jpg", "d.ogg"]


def test_categories() -> None:
    entry = rss(
        '<category>a  b</category><category term="t"/><dc:subject>s</dc:subject><category/><category>a b</category>'
    )
    assert read_categories(entry) == ("a b", "t", "s")


def test_an_entry_has_its_own_base() -> None:
    assert rss("", 'xml:base="x/"').base == BASE + "x/"
