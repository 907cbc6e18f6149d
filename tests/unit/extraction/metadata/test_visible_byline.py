"""Whom a page shows as its author: near the headline, as the markup, a link or a lead-in tells."""

from __future__ import annotations

import pytest
from lxml.html import document_fromstring

from aggregator.extraction.metadata.visible_byline import visible_authors

LONG = "<p>" + "Words of a paragraph of the article itself. " * 5 + "</p>"


def authors_in(body: str, site: str = "") -> tuple[str, ...]:
    return visible_authors(document_fromstring(f"<html><body>{body}</body></html>"), site)


@pytest.mark.parametrize(
    "byline",
    [
        '<span class="post-author">Ada Lovelace</span>',
        '<p class="author">\n <b>Ada Lovelace</b></p>',
        '<p class="byline">By <a href="/x">Ada Lovelace</a>, December 5, 2021</p>',
        '<div class="BlogAuthorDate"><span>Ada Lovelace</span><span>Sun Dec 5</span></div>',
        '<div class="meta"><a rel="author" href="/x">Ada Lovelace</a></div>',
        '<div itemprop="author"><meta itemprop="name" content="Ada Lovelace"></div>',
        '<div itemprop="author"><b itemprop="name">Ada Lovelace</b><i>Engineer</i></div>',
        '<meta itemprop="author" content="Ada Lovelace">',
        '<span itemprop="author">Ada Lovelace</span>',
        '<p>Posted in <a href="/author/ada-lovelace/">Ada Lovelace</a></p>',
        "<p>By Ada Lovelace</p>",
        "<p>Von <b>Ada Lovelace</b></p>",
        "<p>Created by Ada Lovelace</p>",
        "<p>Written by: Ada Lovelace</p>",
        "<p>Text: Ada Lovelace</p>",
    ],
)
def test_a_byline_below_the_headline_is_read_in_every_usual_form(byline: str) -> None:
    assert authors_in(f"<h1>All is well</h1>{byline}{LONG}") == ("Ada Lovelace",)


@pytest.mark.parametrize(
    ("byline", "name"),
    [
        ('<span class="author">李长河</span>', "李长河"),
        ("<p><span>记者 李长河</span> | <span>2024年5月12日</span></p>", "李长河"),
        ("<p>本报记者 李长河</p>", "李长河"),
        ('<span class="byline">김민수</span>', "김민수"),
        ("<p>文＝小林春子</p>", "小林春子"),
        ("<p>Tác giả: Nguyễn Thị Hoa</p>", "Nguyễn Thị Hoa"),
        ("<p>Teksti: Aino Virtanen</p>", "Aino Virtanen"),
    ],
)
def test_a_byline_is_read_in_other_languages(byline: str, name: str) -> None:
    assert authors_in(f"<h1>All is well</h1>{byline}{LONG}") == (name,)


@pytest.mark.parametrize(
    "byline",
    [
        '<span class="authority">Royal Society</span>',
        "<p>记者说这件事还没有结束</p>",
        '<span class="author-avatar">Photo Credit</span>',
        '<p><a href="/user/login">Log In</a></p>',
        '<p><a href="/people/all">Our People</a></p>',
        '<p><a href="//[bad/author/x">Bad Address</a></p>',
        '<nav><span class="author">Ada Lovelace</span></nav>',
        '<div class="related-posts"><span class="author">Ada Lovelace</span></div>',
        "<time class='author'>Monday Morning</time>",
        "<p>Ursula von der Leyen</p>",
        "<p>By " + "many words of a long sentence that only begins like a byline, " * 2 + "</p>",
        "<p>By <i>" + "many words of a long sentence that only begins like a byline, " * 2 + "</i></p>",
        '<p class="byline">By</p>',
        '<p class="byline">12 May 2021</p>',
    ],
)
def test_what_only_looks_like_a_byline_is_none(byline: str) -> None:
    assert authors_in(f"<h1>All is well</h1>{byline}{LONG}") == ()


def test_names_below_the_second_long_paragraph_are_those_of_others() -> None:
    assert authors_in(f'<h1>All is well</h1>{LONG}{LONG}<p class="author">George Gordon</p>') == ()


def test_the_byline_below_the_headline_goes_before_one_above_it() -> None:
    page = '<p class="author">George Gordon</p><h1>All is well</h1><p class="author">Ada Lovelace</p>'
    assert authors_in(page) == ("Ada Lovelace",)


def test_a_byline_above_any_headline_counts_where_the_markup_says_author() -> None:
    assert authors_in(f'<p class="author">Ada Lovelace</p><p>By George Gordon</p>{LONG}') == ("Ada Lovelace",)


def test_a_person_goes_before_a_nickname_and_a_nickname_before_nothing() -> None:
    nickname = '<span class="username">ada99</span>'
    assert authors_in(f"<h1>All is well</h1>{nickname}") == ("ada99",)
    assert authors_in(f"<h1>All is well</h1>{nickname}<p>By Ada Lovelace</p>") == ("Ada Lovelace",)
    assert authors_in('<h1>All is well</h1><p class="author">three small words</p>') == ()


def test_authors_beside_each_other_are_all_named() -> None:
    page = '<h1>All is well</h1><p><a rel="author">Ada Lovelace</a> and <a rel="author">George Gordon</a></p>'
    assert authors_in(page) == ("Ada Lovelace", "George Gordon")
    assert authors_in(page + '<p><a rel="author">Some Body</a></p>') == ("Ada Lovelace", "George Gordon")


def test_the_site_is_no_author() -> None:
    assert authors_in('<h1>All is well</h1><span class="author">The Daily Post</span>', "The Daily Post") == ()


def test_an_item_without_a_name_of_its_own_is_read_by_its_text() -> None:
    assert authors_in('<h1>All is well</h1><p itemprop="author" class="x">By <b>Ada Lovelace</b> | 5 min</p>') == (
        "Ada Lovelace",
    )
