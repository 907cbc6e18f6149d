"""A page cut into blocks: what is one block, and what is known about its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml.html import document_fromstring

from aggregator.extraction.body.blocks import Block, blocks_of, letters_of, text_in


def blocks(body: str) -> list[Block]:
    return blocks_of(document_fromstring(f"<html><body>{body}</body></html>"))


def texts(body: str) -> list[str]:
    return [block.text for block in blocks(body)]


def test_blocks_end_where_the_page_breaks() -> None:
    assert texts("<p>One <b>bold</b>\n word.</p>tail<div>two<p>three</p>four</div>") == [
        "One bold word.",
        "tail",
        "two",
        "three",
        "four",
    ]


def test_a_line_break_is_a_line_and_an_empty_line_ends_a_paragraph() -> None:
    assert texts("<div>a<br>b<br>\n<br>c</div>") == ["a\nb", "c"]


def test_what_is_no_text_is_left_out_and_what_follows_it_is_kept() -> None:
    assert texts("<p>a<script>x</script>b<svg><text>y</text></svg>c<br></p><noscript>z</noscript>") == ["abc"]
    assert texts("<p> — </p><p>\u00a0</p>") == []


def test_comments_are_no_text() -> None:
    assert texts("<p>a<!-- no --> b<?no ?> c</p>") == ["a b c"]


def test_a_block_knows_its_place() -> None:
    page = (
        '<article><figure><figcaption>Caption</figcaption></figure><h1>Head</h1><h2>Sub</h2><div class="story" id="s">'
        '<p class="x">Text <a href="/">link</a></p></div></article><nav><ul><li><a href="/">Home</a></li></ul></nav>'
    )
    caption, head, sub, text, home = blocks(page)
    assert caption.inside == {"article", "figure", "figcaption"}
    assert head.inside == {"article", "h1"}
    assert sub.is_heading
    assert not head.is_heading
    assert (text.tag, text.style, text.place.names) == ("p", ("p.x#", "div.story#s"), (("x",),))
    assert text.article == head.article != 0
    assert 0.4 < text.link_share < 0.5
    assert (home.inside, home.link_share, home.article) == ({"nav", "li"}, 1.0, 0)
    assert text.parent != home.parent


def test_depth_costs_no_recursion() -> None:
    assert texts("<div>" * 200 + "deep" + "</div>" * 200) == ["deep"]


def test_letters() -> None:
    assert letters_of(" “Ärger!” — 24_7 ") == "ärger247"


def test_text_of_an_element() -> None:
    assert text_in(document_fromstring("<p>a <b>b</b>\n c</p>")) == "a b c"


@given(
    st.lists(st.sampled_from(["<p>", "</p>", "<div>", "</div>", "<a>", "</a>", "<br>", "<li>", "text", " ", "<h1>"]))
)
def test_every_letter_is_in_exactly_one_block(parts: list[str]) -> None:
    tree = document_fromstring("<html><body>x" + "".join(parts) + "</body></html>")
    assert "".join(block.letters for block in blocks_of(tree)) == letters_of(text_in(tree))


@pytest.mark.parametrize(
    "table",
    [
        "<table><tr><td>a<table><tr><td>b</td></tr></table></td><td>c</td></tr><tr><td>d</td><td>e</td></tr></table>",
        "<table><tr><td>a</td><td>b</td></tr></table>",
        "<table><tr><td>a</td></tr><tr><td>b</td></tr></table>",
        "<table><tr><td><h2>a</h2></td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>",
        "<table><tr><td><p>a</p><p>b</p></td><td>c</td></tr><tr><td>d</td><td>e</td></tr></table>",
        f"<table><tr><td>{'a' * 300}</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>",
    ],
)
def test_a_table_that_lays_out_a_page_is_no_data(table: str) -> None:
    assert not any("\t" in text for text in texts(table))


def test_a_table_of_data_is_its_rows() -> None:
    rows = "<tr><th>Town</th><th>People</th></tr><tr><td>A<div>lm</div></td><td>5<br>000</td></tr>"
    assert texts(f"<table><caption>Towns</caption>{rows}</table>") == ["Towns", "Town\tPeople", "A lm\t5\n000"]


def test_code_keeps_its_lines() -> None:
    assert texts("<pre>a<br>  b<div>c</div>\n<div>d</div></pre>") == ["a\n  b\nc\n\nd"]
    assert texts("<pre><div>a</div><div>b</div></pre><pre>1\n2\n3</pre>") == ["a\nb"]
