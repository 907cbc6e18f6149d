"""A page whose links are entries: what selectors find, what looks like an article without them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feeds.kinds.link_list import check_select, read_link_list
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.models.feeds import ParsedFeed
from aggregator.models.sources import Select

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
URL = "https://town.example/news/"
RULES = shipped_publishers()


def read(html: str | bytes, known: tuple[str, ...] = (), **select: str) -> ParsedFeed:
    body = html if isinstance(html, bytes) else html.encode()
    wanted = Select(**select)
    return read_link_list(body, wanted, RULES, url=URL, headers={"content-type": "text/html"}, now=NOW, known=known)


def found(html: str, **select: str) -> list[tuple[str | None, str]]:
    return [(entry.link, entry.title) for entry in read(html, **select).entries]


CARD = '<div class=c><a href="/1"><img></a><h3>First</h3><a href="/2">more</a></div>'
NESTED = '<ul><li class=c><a href="1">Outer</a><ul><li class=c><a href="2">Inner</a></ul></ul>'


T = "https://town.example"


@pytest.mark.parametrize(
    ("html", "select", "expected"),
    [
        (CARD, {"entry": ".c"}, [(T + "/1", "First")]),  # first link, its heading
        (CARD, {"entry": ".c", "link": "h3 + a"}, [(T + "/2", "First")]),  # its link
        (CARD, {"entry": ".c", "title": "h3 + a"}, [(T + "/1", "more")]),  # its title
        (CARD, {"link": ".c a"}, [(T + "/1", ""), (T + "/2", "more")]),  # links
        ("<a class=c href=/1><h2>One</h2>text</a>", {"entry": ".c"}, [(T + "/1", "One")]),  # a link is the entry
        (NESTED, {"entry": ".c"}, [(URL + "1", "Outer"), (URL + "2", "Inner")]),  # entries within entries
        ('<base href="https://b.example/x/"><a href=y>Y</a>', {"link": "a"}, [("https://b.example/x/y", "Y")]),  # base
        ("<a href=/1>A</a><a href=/1>B</a>", {"link": "a"}, [(T + "/1", "A")]),  # each address once
        ("<p class=c>no link</p><a class=c href='mailto:x'>m</a>", {"entry": ".c"}, []),  # no link, no web address
        ("", {"entry": ".c"}, []),  # empty
    ],
)
def test_selectors(html: str, select: dict[str, str], expected: list[tuple[str, str]]) -> None:
    assert found(html, **select) == expected


@pytest.mark.parametrize(
    ("html", "at", "flagged"),
    [
        ('<time datetime="2026-11-20T08:00:00+01:00">gestern</time>', datetime(2026, 11, 20, 7, tzinfo=UTC), False),
        ('<meta itemprop=date content="2026-11-20"><time>x</time>', None, True),
        ("<time>20. listopada 2026.</time>", None, True),  # October and November
        ("<time>20. November 2026</time>", datetime(2026, 11, 20, tzinfo=UTC), False),
        ("<time>02/03/2026</time>", None, True),
        ("<span>20. November 2026</span>", None, False),
    ],
)
def test_dates(html: str, at: datetime | None, flagged: bool) -> None:
    (entry,) = read(f"<p class=c><a href=/1>A</a>{html}</p>", entry=".c").entries
    assert (entry.published_at, entry.date_flagged) == (at, flagged)


def test_the_operators_date_goes_before_the_usual_one() -> None:
    html = "<p class=c><a href=/1>A</a><time>1 May 2026</time><b>20 Nov 2026</b></p>"
    assert read(html, entry=".c", date="b").entries[0].published_at == datetime(2026, 11, 20, tzinfo=UTC)


HEADLINE = "Storm leaves the town without power"
LOOKS = f"""<title>News</title>
<nav><a href="/a/0">{HEADLINE} for days</a></nav>
<ul><li><a href="/a/1"><img></a><a href="/a/1#read">{HEADLINE}</a><time datetime="2026-11-20">x</time></li></ul>
<a href="/a/2">嵐で二人が死亡し町が停電した</a>
<a href="/politics">Politics of the whole wide world</a>
<a href="/a/3">Read more</a>
<a href="https://other.example/a/4">{HEADLINE}</a>
<a href="{URL}">All of the news of the town</a>
<a href="javascript:void(0)">{HEADLINE}</a>
<a href="https://www.town.example/a/5">{HEADLINE} again</a>"""


def test_without_selectors_the_links_that_look_like_articles() -> None:
    parsed = read(LOOKS)
    assert [(entry.link, entry.published_at) for entry in parsed.entries] == [
        ("https://town.example/a/1", datetime(2026, 11, 20, tzinfo=UTC)),
        ("https://town.example/a/2", None),
        ("https://www.town.example/a/5", None),
    ]
    assert (parsed.title, parsed.entries[0].title) == ("News", HEADLINE)


def test_known_entries_are_left_out_and_a_changed_title_is_another_entry() -> None:
    first = read("<a href=/1>A</a><a href=/2>B</a>", link="a")
    again = read("<a href=/1>A</a><a href=/2>C</a>", first.raw_hashes, link="a")
    assert [entry.title for entry in again.entries] == ["C"]
    assert again.raw_hashes[0] == first.raw_hashes[0]


def test_a_long_text_is_cut() -> None:
    html = "<a href=/1>" + "<b>word </b>" * 10_000
    assert len(found(html, link="a")[0][1]) == 499


def test_a_page_in_which_nothing_is_found_says_what() -> None:
    assert (read("<p>x</p>", entry="p").error, read("<p>x</p>").error) == (
        "no element fits `select`",
        "no link looks like that of an article",
    )


def test_a_selector_that_is_no_css_is_refused_by_name() -> None:
    check_select(Select(entry="article.x > h2 a[href]"))
    with pytest.raises(ValueError, match=r"title: 'h2\[\[' is not CSS"):
        check_select(Select(title="h2[["))


@given(st.binary(max_size=300), st.sampled_from([{}, {"entry": "*"}, {"link": "a", "title": "*", "date": "*"}]))
def test_no_bytes_raise(body: bytes, select: dict[str, Any]) -> None:
    read(body, **select)
    read(b"<a href=/1>" + body, **select)
