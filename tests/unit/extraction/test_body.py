"""Choosing the blocks of an article: each step alone, on pages that it improves and on pages it must leave alone."""

from __future__ import annotations

import pytest
from lxml.html import document_fromstring

from aggregator.extraction.blocks import Block, blocks_of, letters_of
from aggregator.extraction.body import (
    Guide,
    Opinion,
    Opinions,
    add_teaser,
    confirm,
    drop_head,
    drop_next_article,
    drop_repeated,
    drop_scraps,
    fill,
    follow_guide,
    select_body,
)

ONE = "The council decided on Tuesday that the bridge over the river will be closed for two years, from next spring."
TWO = "Traders on both banks fear for their customers, and the ferry that is promised to them does not exist yet."
THREE = "The mayor said that there was no other way: inspectors had found rust in places where none had looked before."
FOUR = "A vote on the money for the new bridge, which will have four lanes, will be held in the autumn of this year."
EXTRA = "Every morning the most important news from the region in your mailbox, chosen and explained by our editors."


def page(body: str) -> list[Block]:
    return blocks_of(document_fromstring(f"<html><body>{body}</body></html>"))


def paragraphs(*texts: str) -> str:
    return "".join(f"<p>{text}</p>" for text in texts)


def opinions(proposal: list[str], readable: list[str] | None = None, plain: list[str] | None = None) -> Opinions:
    return Opinions(
        proposal=Opinion(proposal),
        readable=Opinion(proposal if readable is None else readable),
        plain=Opinion(proposal if plain is None else plain),
    )


def texts(blocks: list[Block], chosen: set[int]) -> list[str]:
    return [blocks[i].text for i in sorted(chosen)]


def every(blocks: list[Block]) -> set[int]:
    return set(range(len(blocks)))


def test_an_opinion_has_lines_and_parts_of_long_lines() -> None:
    opinion = Opinion([ONE, "Home"])
    assert opinion.has(letters_of("HOME!"))
    assert opinion.has(letters_of(ONE[:60]))
    assert not opinion.has(letters_of("river"))
    assert (opinion.count("home"), opinion.count("river"), opinion.size) == (1, 0, len(letters_of(ONE)) + 4)


# --- confirm ----------------------------------------------------------------------------------------------------------


def test_what_nobody_confirms_goes_and_what_readability_or_resiliparse_confirm_stays() -> None:
    blocks = page(paragraphs(ONE, TWO, THREE))
    found = confirm(blocks, opinions([ONE, TWO, THREE], readable=[ONE], plain=[TWO]))
    assert texts(blocks, found) == [ONE, TWO]


@pytest.mark.parametrize(
    "markup",
    [
        f"<h1>{ONE}</h1>",
        f"<figure><figcaption>{ONE}</figcaption></figure>",
        f'<p><a href="/">{ONE}</a></p>',
    ],
)
def test_some_places_are_no_text_whoever_proposes_them(markup: str) -> None:
    assert confirm(page(markup), opinions([ONE])) == set()


def test_what_is_classed_as_furniture_goes_unless_it_is_much_of_the_text() -> None:
    blocks = page(f'{paragraphs(ONE, TWO, THREE)}<div class="newsletter-box"><p>{EXTRA}</p></div>')
    assert texts(blocks, confirm(blocks, opinions([ONE, TWO, THREE, EXTRA]))) == [ONE, TWO, THREE]
    shared = page(f'<p>{EXTRA}</p><div class="story has-share-bar">{paragraphs(ONE, TWO)}</div>')
    assert texts(shared, confirm(shared, opinions([ONE, TWO, EXTRA]))) == [EXTRA, ONE, TWO]


@pytest.mark.parametrize("markup", [f"<ul><li>{ONE}</li></ul>", f"<h4>{ONE}</h4>", f"<div>{ONE}</div>"])
def test_lists_and_small_heads_need_readability(markup: str) -> None:
    assert confirm(page(markup), opinions([ONE], readable=[])) == set()
    assert confirm(page(markup), opinions([ONE], readable=[ONE], plain=[])) == {0}


def test_a_second_opinion_has_a_veto_unless_it_leaves_less_than_half() -> None:
    blocks = page(paragraphs(ONE, TWO, THREE))
    first = opinions([ONE, TWO, THREE])

    def with_second(*lines: str) -> Opinions:
        return Opinions(proposal=first.proposal, readable=first.readable, plain=first.plain, second=Opinion(lines))

    assert texts(blocks, confirm(blocks, with_second(ONE, THREE))) == [ONE, THREE]
    assert texts(blocks, confirm(blocks, with_second(ONE))) == [ONE, TWO, THREE]


# --- drop_next_article, drop_repeated ---------------------------------------------------------------------------------


def test_the_next_article_of_an_endless_page_goes() -> None:
    first = f"<article><h1>The bridge</h1>{paragraphs(ONE, TWO)}<h1>Money</h1>{paragraphs(THREE)}</article>"
    blocks = page(first + f"<article><h1>Football</h1>{paragraphs(FOUR)}</article>")
    assert texts(blocks, drop_next_article(blocks, {1, 2, 4, 6})) == [ONE, TWO, THREE]


def test_headlines_within_one_article_and_teasers_above_it_drop_nothing() -> None:
    blocks = page(f"<article><h1>One</h1>{paragraphs(ONE)}<h1>Two</h1>{paragraphs(TWO)}</article>")
    assert drop_next_article(blocks, {1, 3}) == {1, 3}
    teaser = page(f"<article><h1>Teaser</h1></article><article><h1>Bridge</h1>{paragraphs(ONE)}</article>")
    assert drop_next_article(teaser, {2}) == {2}


def test_a_copy_for_telephones_goes_and_a_refrain_stays() -> None:
    blocks = page(f"<div><p>{ONE}</p></div><main>{paragraphs(ONE, TWO, THREE)}</main>")
    kept = drop_repeated(blocks, every(blocks), Opinion([ONE, TWO, THREE]))
    assert kept == {1, 2, 3}
    song = page(paragraphs(ONE, TWO, ONE, THREE))
    assert drop_repeated(song, every(song), Opinion([ONE, TWO, ONE, THREE])) == {0, 1, 2, 3}


def test_the_whole_text_once_more_in_one_piece_goes() -> None:
    whole = " ".join([ONE, TWO, THREE, FOUR, EXTRA])
    blocks = page(paragraphs(ONE, TWO, THREE, FOUR, EXTRA) + f"<div>{whole}</div>")
    assert drop_repeated(blocks, every(blocks), Opinion([ONE])) == {0, 1, 2, 3, 4}


def test_a_long_paragraph_of_its_own_stays() -> None:
    blocks = page(paragraphs(ONE, " ".join([TWO, THREE, FOUR, EXTRA, ONE.upper()])))
    assert drop_repeated(blocks, every(blocks), Opinion([ONE])) == {0, 1}


# --- fill -------------------------------------------------------------------------------------------------------------


def test_an_article_in_pieces_is_filled_up() -> None:
    piece = '<div class="chunk">{}</div><div class="ad"><p>{}</p></div>'
    blocks = page(piece.format(paragraphs(ONE, TWO), EXTRA) + piece.format(paragraphs(THREE, FOUR), "Ad"))
    filled = fill(blocks, {0, 1}, Opinion([ONE, TWO, THREE, FOUR, EXTRA]))
    assert texts(blocks, filled) == [ONE, TWO, THREE, FOUR]
    assert fill(blocks, {0, 1}, Opinion([ONE, TWO])) == {0, 1}


def test_a_second_article_is_not_filled_up() -> None:
    own = f"<article>{paragraphs(ONE, TWO)}</article>"
    assert fill(page(own + f"<article>{paragraphs(THREE)}</article>"), {0, 1}, Opinion([THREE])) == {0, 1}
    below = page(f"<div>{paragraphs(ONE, TWO)}<h1>Another headline</h1>{paragraphs(THREE)}</div>")
    assert fill(below, {0, 1}, Opinion([THREE])) == {0, 1}


def test_nothing_is_filled_into_nothing_or_by_links_or_twice() -> None:
    blocks = page(paragraphs(ONE, ONE, f'<a href="/">{TWO}</a>') + f"<div>{THREE}</div>")
    assert fill(blocks, set(), Opinion([ONE])) == set()
    assert fill(blocks, {0}, Opinion([ONE, TWO, THREE])) == {0}
    lists = page(f"<ul><li>{ONE}</li></ul>" + paragraphs(TWO))
    assert fill(lists, {0}, Opinion([TWO])) == {0}


# --- follow_guide -----------------------------------------------------------------------------------------------------


def test_article_body_decides_when_it_is_this_text() -> None:
    blocks = page(f"{paragraphs(ONE, TWO)}<h2>Money</h2>{paragraphs(THREE, FOUR, EXTRA)}<h2>More</h2>")
    asked = opinions([ONE, TWO, THREE, EXTRA], plain=[ONE, FOUR], readable=[])
    chosen = {0, 1, 2, 3, 5, 6}
    guided = follow_guide(blocks, chosen, asked, letters_of(ONE + TWO + THREE + FOUR))
    assert texts(blocks, guided) == [ONE, TWO, "Money", THREE, FOUR]


def test_article_body_does_not_bring_the_whole_text_in_one_piece() -> None:
    whole = " ".join([ONE, TWO, THREE, FOUR, EXTRA])
    blocks = page(paragraphs(ONE, TWO, THREE, FOUR, EXTRA) + f"<div>{whole}</div>")
    asked = opinions([ONE, TWO, THREE, FOUR, EXTRA])
    assert follow_guide(blocks, {0, 1, 2, 3, 4}, asked, letters_of(whole)) == {0, 1, 2, 3, 4}


def test_an_article_body_of_another_text_or_of_its_beginning_changes_nothing() -> None:
    blocks = page(paragraphs(ONE, TWO, THREE))
    asked, chosen = opinions([ONE, TWO, THREE]), {0, 1, 2}
    assert follow_guide(blocks, chosen, asked, letters_of(ONE)) == chosen
    assert follow_guide(blocks, chosen, asked, "x" * 1000) == chosen
    assert follow_guide(blocks, set(), asked, letters_of(ONE * 9)) == set()
    assert follow_guide(blocks, {2}, asked, letters_of(ONE + TWO + TWO + ONE)) == {2}


def test_what_no_extractor_sees_is_hidden() -> None:
    blocks = page(paragraphs(ONE, TWO, THREE, FOUR))
    asked = opinions([ONE, TWO, THREE], readable=[], plain=[])
    assert follow_guide(blocks, {0, 1, 2}, asked, letters_of(ONE + TWO + THREE + FOUR)) == {0, 1, 2}


# --- drop_head, drop_scraps, add_teaser -------------------------------------------------------------------------------


def test_lines_up_to_the_headline_go() -> None:
    blocks = page(paragraphs("Politics", "By Ada Byron", "The Bridge", ONE, TWO))
    assert texts(blocks, drop_head(blocks, every(blocks), letters_of("The bridge"))) == [ONE, TWO]
    assert drop_head(blocks, every(blocks), "") == every(blocks)
    assert drop_head(blocks, every(blocks), "elsewhere") == every(blocks)


def test_a_headline_at_the_end_takes_no_text_with_it() -> None:
    blocks = page(paragraphs(ONE, TWO, "The Bridge", THREE))
    assert drop_head(blocks, every(blocks), letters_of("The Bridge")) == every(blocks)


def test_scraps_beside_the_text_go_and_short_paragraphs_within_stay() -> None:
    story = f'<div class="story">{paragraphs(ONE, "Really", TWO)}<h2>Money</h2>{paragraphs(THREE)}</div>'
    blocks = page(f'<div class="head">{paragraphs("29 minutes ago", "It was late.")}</div>{story}<p>Page 1 of 3</p>')
    assert texts(blocks, drop_scraps(blocks, every(blocks))) == ["It was late.", ONE, "Really", TWO, "Money", THREE]


def test_a_last_heading_has_no_text_below_it() -> None:
    blocks = page(f"<div>{paragraphs(ONE, TWO)}<h3>Comments</h3><h3>More</h3></div>")
    assert texts(blocks, drop_scraps(blocks, every(blocks))) == [ONE, TWO]
    assert drop_scraps(blocks, {2, 3}) == set()


def test_list_entries_are_no_scraps() -> None:
    blocks = page(f"<div>{paragraphs(ONE, TWO, THREE)}</div><ul><li>Flour</li></ul>")
    assert drop_scraps(blocks, every(blocks)) == every(blocks)


TEASER = "Two years without a bridge over the river: what that means for the trade on both banks."


@pytest.mark.parametrize("description", [TEASER, TEASER[:45], f"{TEASER} More.", TEASER[:-10] + "other end."])
def test_the_teaser_below_the_headline_belongs_to_the_article(description: str) -> None:
    blocks = page(f"<h1>Bridge</h1>{paragraphs(TEASER, 'By Ada Byron', ONE, TWO)}")
    assert texts(blocks, add_teaser(blocks, {3, 4}, [letters_of(description)])) == [TEASER, ONE, TWO]


def test_only_the_description_between_headline_and_text_is_a_teaser() -> None:
    shown = f"{paragraphs(TEASER)}<h1>Bridge</h1><figure><p>{TEASER}</p></figure>{paragraphs(ONE)}{paragraphs(TEASER)}"
    blocks = page(shown)
    assert texts(blocks, add_teaser(blocks, {3}, [letters_of(TEASER)])) == [ONE]
    assert add_teaser(blocks, {3}, []) == {3}
    assert add_teaser(blocks, set(), ["x"]) == set()
    assert add_teaser(blocks, {3}, ["", letters_of(EXTRA)]) == {3}


def test_without_a_headline_the_teaser_is_near_the_text() -> None:
    blocks = page(paragraphs(TEASER, ONE))
    assert add_teaser(blocks, {1}, [letters_of(TEASER)]) == {0, 1}
    assert add_teaser(blocks, {0, 1}, [letters_of(TEASER)]) == {0, 1}


# --- all together -----------------------------------------------------------------------------------------------------


def test_a_page_to_its_body() -> None:
    blocks = page(
        '<nav><p><a href="/">Home</a></p></nav><article><h1>The bridge</h1>'
        f'<p class="lead">{TEASER}</p><div class="story">{paragraphs(ONE, TWO, THREE)}</div></article>'
        f'<div class="newsletter"><p>{EXTRA}</p></div>'
    )
    asked = opinions(["The bridge", ONE, TWO, THREE, EXTRA])
    found = select_body(blocks, asked, Guide(title="The bridge", teasers=(TEASER,)))
    assert found is not None
    assert [block.text for block in found] == [TEASER, ONE, TWO, THREE]


def test_a_proposal_that_is_not_on_the_page_is_not_judged() -> None:
    assert select_body(page(paragraphs(ONE)), opinions([TWO, THREE]), Guide()) is None
    assert select_body([], opinions([TWO]), Guide()) is None
