from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feeds.xml_tree import (
    MAX_CHILDREN,
    NAMESPACES,
    Context,
    attribute,
    name_of,
    read_head,
    read_slice,
    text_of,
)

RSS, ATOM = Context(), Context(namespaces={None: "http://www.w3.org/2005/Atom"}, is_atom=True)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<item/>", "item"),
        ("<Item/>", "item"),
        ('<item xmlns="http://purl.org/rss/1.0/"/>', "item"),
        ('<item xmlns="http://backend.userland.com/rss2"/>', "item"),
        ('<x:date xmlns:x="http://purl.org/dc/elements/1.1/"/>', "dc:date"),
        ('<x:date xmlns:x="HTTP://PURL.ORG/DC/ELEMENTS/1.1/"/>', "dc:date"),
        ('<dc:date xmlns:dc="urn:wrong"/>', "dc:date"),
        ("<dc:date/>", "dc:date"),
        ("<my:date/>", "my:date"),
        ('<date xmlns="urn:unknown"/>', "date"),
        ('<a10:updated xmlns:a10="http://www.w3.org/2005/Atom"/>', "atom:updated"),
    ],
)
def test_names_in_rss(text: str, name: str) -> None:
    element = read_slice(text, RSS)
    assert element is not None
    assert name_of(element, RSS) == name


@pytest.mark.parametrize("uri", ["http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#", "http://purl.org/echo/"])
def test_atom_is_its_own_vocabulary(uri: str) -> None:
    element = read_slice(f'<entry xmlns="{uri}"/>', ATOM)
    assert element is not None
    assert name_of(element, ATOM) == "entry"
    assert name_of(element, RSS) == "atom:entry"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<a>x &amp; y</a>", "x & y"),
        ("<a>x & y</a>", "x & y"),
        ("<a>&nbsp;x&hellip;</a>", "x…"),
        ("<a>\x01x</a>", "x"),
        ("<a>1 < 2</a>", "1 < 2"),
        ("<a>x <b>y</a>", "x y"),
        ("<a>x <b>y</b> z</a>", "x y z"),
        ("<a><![CDATA[ <b> ]]></a>", "<b>"),
        ("<a><!-- no --><?pi no?>yes</a>", "yes"),
    ],
)
def test_broken_slices_are_read(text: str, wanted: str) -> None:
    element = read_slice(text, RSS)
    assert element is not None
    assert text_of(element) == wanted


@pytest.mark.parametrize("text", ["", "  ", "text", "</a>", "\x00"])
def test_nothing_to_read(text: str) -> None:
    assert read_slice(text, RSS) is None


def test_more_prefixes_than_are_declared_for_them() -> None:
    element = read_slice("<a>" + "".join(f"<p{n:03}:x/>" for n in range(80)) + "</a>", RSS)
    assert element is not None
    names = [name_of(child, RSS) for child in element]
    assert names == [f"p{n:03}:x" for n in range(80)]


def test_children_and_attributes_are_bounded() -> None:
    many = " ".join(f'a{n}="v"' for n in range(100))
    element = read_slice(f"<a {many}>" + "<b/>" * (MAX_CHILDREN + 50) + "</a>", RSS)
    assert element is not None
    assert len(element) == MAX_CHILDREN
    assert len(element.attrib) == 60


def test_attributes_in_any_case_and_namespace() -> None:
    element = read_slice('<a isPermaLink=" no " rdf:about="x"/>', RSS)
    assert element is not None
    assert [attribute(element, name) for name in ("ispermalink", "about", "other")] == ["no", "x", ""]


@pytest.mark.parametrize(
    "text", ["<rss><channel>", "<rss><channel><title>a & b</rss>", "<rss a=>x", "<x:rss>", "<rss <<<"]
)
def test_heads_however_they_end(text: str) -> None:
    head = read_head(text, {})
    assert head is None or "rss" in str(head.tag)


def test_no_head() -> None:
    assert read_head("", {}) is None


def test_known_prefixes_are_lower_case() -> None:
    assert all(prefix == prefix.lower() for prefix in NAMESPACES)


@given(st.text(st.sampled_from("<>/ab:='\"&;![]-CDAT \x01"), max_size=60))
def test_no_text_raises(text: str) -> None:
    read_slice(f"<item>{text}</item>", RSS)
    read_head(f"<rss>{text}", {})
