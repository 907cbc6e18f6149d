"""What stands in a text's own box and is none of it, each kind beside text that looks like it and stays."""

from __future__ import annotations

import pytest
from lxml.html import document_fromstring

from aggregator.extraction.body.beside import (
    drop_beside,
    drop_ending,
    drop_leads_to_links,
    drop_scraps,
    is_caption,
    is_credit,
    is_pointer,
)
from aggregator.extraction.body.blocks import Block, blocks_of

ONE = "The council decided on Tuesday that the bridge over the river will be closed for two years, from next spring."
TWO = "Traders on both banks fear for their customers, and the ferry that is promised to them does not exist yet."
THREE = "The mayor said that there was no other way: inspectors had found rust in places where none had looked before."
THAI = "สภาเมืองมีมติเมื่อวันอังคารให้ปิดสะพานข้ามแม่น้ำเป็นเวลาสองปีตั้งแต่ฤดูใบไม้ผลิปีหน้าเป็นต้นไป"


def page(body: str) -> list[Block]:
    return blocks_of(document_fromstring(f"<html><body>{body}</body></html>"))


def paragraphs(*texts: str) -> str:
    return "".join(f"<p>{text}</p>" for text in texts)


def texts(blocks: list[Block], chosen: set[int]) -> list[str]:
    return [blocks[i].text for i in sorted(chosen)]


def every(blocks: list[Block]) -> set[int]:
    return set(range(len(blocks)))


@pytest.mark.parametrize(
    ("markup", "is_one"),
    [
        ("<p>© 2022 The Courier. All rights reserved.</p>", True),
        ("<p>The old bridge. Photo © Ada Lovelace</p>", True),
        ("<p>The sign © is older than the law.</p>", False),
        ("<ul><li>©: the sign of copyright</li></ul>", False),
        ("<pre>print('©')</pre>", False),
        (f"<p>© {THREE * 4}</p>", False),
        ("<p>Photo: Ada Lovelace</p>", False),
    ],
)
def test_a_credit_begins_with_its_sign_or_is_no_sentence(markup: str, is_one: bool) -> None:
    assert is_credit(page(markup)[0]) == is_one


PICTURE = '<img src="/bridge.jpg">'


@pytest.mark.parametrize(
    ("markup", "is_one"),
    [
        (f"<div>{PICTURE}<p>The bridge in its last winter</p></div>", True),
        (f"<div>{PICTURE}<div><span>The bridge in its last winter</span></div></div>", True),
        (f"<figure>{PICTURE}<p>The bridge stood for a hundred years.</p></figure>", True),
        (f"<div>{PICTURE}<p>The bridge stood for a hundred years.</p></div>", False),
        (f"<p>{PICTURE}The bridge in its last winter</p>", False),
        (f"<div>{PICTURE}<p>The bridge</p><p>The ferry</p></div>", False),
        (f"<div>{PICTURE}<h3>The bridge</h3></div>", False),
        (f"<ul><li>{PICTURE}<p>The bridge</p></li></ul>", False),
        ("<div><div><div><div><div><p>The bridge</p></div></div></div></div></div>", False),
        (f"<figure><p>The bridge stood for a hundred years.</p></figure>{PICTURE}<p>It is gone.</p>", False),
        (f"<div>{PICTURE}<p>The bridge {ONE * 3} of old</p></div>", False),
    ],
)
def test_a_caption_is_all_the_text_beside_a_picture(markup: str, is_one: bool) -> None:
    assert is_caption(page(markup)[0]) == is_one


@pytest.mark.parametrize(
    ("markup", "is_one"),
    [
        ('<p>Also read: <a href="/x">The ferry that does not come</a></p>', True),
        ('<p><strong>LE PUEDE INTERESAR: <a href="/x">La ficha del alcalde</a></strong></p>', True),
        ('<h3><a href="/x"><em>相关阅读</em></a>：<a href="/x">市议会决定明年春季关闭大桥</a></h3>', False),
        ('<p>相关阅读：<a href="/x">市议会决定明年春季关闭大桥</a></p>', True),
        ('<p>Source: <a href="/x">Reuters</a></p>', False),
        ('<p>Address: <a href="https://example.org/a">https://example.org/a</a></p>', False),
        ('<p>The verdict: <a href="/x">The council may close the bridge.</a></p>', False),
        ('<ul><li>First: <a href="/x">The ferry that does not come</a></li></ul>', False),
        ('<p>Also read: <a href="/x">The ferry that does not come</a> and more</p>', False),
        ('<p>What all of us on both banks have feared: <a href="/x">the ferry will not come</a></p>', False),
        (f"<p>{ONE}</p>", False),
    ],
)
def test_a_pointer_is_a_label_and_the_headline_of_something_else(markup: str, is_one: bool) -> None:
    assert is_pointer(page(markup)[0]) == is_one


FOLLOW = (
    'Follow us on <a href="https://twitter.com/courier">Twitter</a> and <a href="https://facebook.com/c">Facebook</a>.'
)
WRITE = 'Write to <a href="mailto:a@courier.example">us</a> or on <a href="https://www.instagram.com/c">Instagram</a>.'


@pytest.mark.parametrize(
    ("last", "is_dropped"),
    [
        ('Do you want to know what we do? <a href="/newsletter">Sign up here</a>', True),
        ("<em>Ada Lovelace is an editor. She writes <a href='/x'>a column</a>.</em>", True),
        (FOLLOW, True),
        (WRITE, True),
        ("dpa/ada", False),
        ('The council <a href="/minutes">wrote it down</a>.', False),
        ('He wrote on <a href="https://twitter.com/mayor">Twitter</a> that he was sorry.', False),
        (f"{ONE} {TWO} {THREE} {FOLLOW}", False),
        ("<em>The river does not ask for bridges.</em>", False),
        ("It was late.", False),
        ('As the saying is.<a href="#note">↩</a>', False),
    ],
)
def test_the_last_paragraphs_that_lead_away_go(last: str, is_dropped: bool) -> None:
    blocks = page(f"<div>{paragraphs(ONE, TWO, THREE, ONE, TWO, THREE, last)}</div>")
    assert (len(drop_ending(blocks, every(blocks))) == 6) == is_dropped


def test_where_much_of_the_text_leads_away_that_is_the_text() -> None:
    entries = [f'The news of day {number} <a href="/{number}">in the Courier</a>' for number in range(8)]
    blocks = page(paragraphs(ONE, TWO, ONE, TWO, ONE, TWO, ONE, TWO, *entries))
    assert drop_ending(blocks, every(blocks)) == every(blocks)
    few = page(paragraphs(ONE, *entries[:1]))
    assert drop_ending(few, every(few)) == every(few)
    assert drop_ending(few, set()) == set()


def test_a_language_without_marks_at_the_end_of_sentences_keeps_its_last_line() -> None:
    blocks = page(paragraphs(THAI, THAI, THAI, "จบ"))
    assert drop_ending(blocks, every(blocks)) == every(blocks)


def test_a_list_at_the_end_is_text() -> None:
    blocks = page(f'<div>{paragraphs(ONE, TWO, THREE)}<ul><li>More in <a href="/x">the minutes</a></li></ul></div>')
    assert drop_ending(blocks, every(blocks)) == every(blocks)


def test_all_kinds_at_once() -> None:
    figure = f"<div>{PICTURE}<p>The bridge in its last winter</p></div>"
    pointer = '<p>Also read: <a href="/x">The ferry that does not come</a></p>'
    body = f"<div>{paragraphs(ONE)}{figure}{paragraphs(TWO)}{pointer}{paragraphs(THREE, '© The Courier', FOLLOW)}</div>"
    blocks = page(body)
    assert texts(blocks, drop_beside(blocks, every(blocks))) == [ONE, TWO, THREE]


@pytest.mark.parametrize(
    ("after", "is_dropped"),
    [
        ('<h3>Also read</h3><a href="/x">One more</a>', True),
        (
            '<h3>Also read</h3><p><a href="/x">One more</a></p><p><a href="/y">Another</a></p><p class="t">End.</p>',
            True,
        ),
        ('<h3>Also read</h3><p><a href="/x">One more</a></p><p class="t">End.</p>', False),
        ('<p>Also read:</p><p><a href="/x">One more</a></p><p class="t">End.</p>', True),
        ("<h3>The end</h3><p class='t'>End.</p>", False),
        ('<p>It was late in the night.</p><a href="/x">One more</a>', False),
        (f'<p>{TWO[:-1]}</p><a href="/x">One more</a>', False),
        ("<p>Also read:</p>", False),
    ],
)
def test_a_line_that_leads_to_links_goes_with_them(after: str, is_dropped: bool) -> None:
    blocks = page(paragraphs(ONE) + after)
    chosen = {i for i, block in enumerate(blocks) if block.link_share < 1}
    assert (drop_leads_to_links(blocks, chosen) != chosen) == is_dropped
    assert drop_leads_to_links(blocks, set()) == set()


def test_scraps_beside_the_text_go_and_short_paragraphs_within_stay() -> None:
    story = f'<div class="story">{paragraphs(ONE, "Really", TWO)}<h2>Money</h2>{paragraphs(THREE)}</div>'
    blocks = page(f'<div class="head">{paragraphs("29 minutes ago", "It was late.")}</div>{story}<p>Page 1 of 3</p>')
    assert texts(blocks, drop_scraps(blocks, every(blocks))) == ["It was late.", ONE, "Really", TWO, "Money", THREE]


def test_a_stanza_in_a_box_of_its_own_is_text() -> None:
    poem = "<div class='poem'><p>On the bridge<br>in the rain<br>we met</p></div>"
    blocks = page(f"<div>{paragraphs(ONE, TWO)}{poem}{paragraphs(THREE)}</div>")
    assert drop_scraps(blocks, every(blocks)) == every(blocks)


def test_a_last_heading_has_no_text_below_it() -> None:
    blocks = page(f"<div>{paragraphs(ONE, TWO)}<h3>Comments</h3><h3>More</h3></div>")
    assert texts(blocks, drop_scraps(blocks, every(blocks))) == [ONE, TWO]
    assert drop_scraps(blocks, {2, 3}) == set()
    gallery = page(f"<div>{paragraphs(ONE)}<h3>1. The bridge has four lanes.</h3><h3>2. It is closed.</h3></div>")
    assert drop_scraps(gallery, every(gallery)) == every(gallery)


def test_list_entries_are_no_scraps() -> None:
    blocks = page(f"<div>{paragraphs(ONE, TWO, THREE)}</div><ul><li>Flour</li></ul>")
    assert drop_scraps(blocks, every(blocks)) == every(blocks)
