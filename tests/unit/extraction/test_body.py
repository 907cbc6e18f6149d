"""Choosing the blocks of an article: each step alone, on pages that it improves and on pages it must leave alone."""

from __future__ import annotations

import pytest
from lxml.html import document_fromstring

from aggregator.extraction.body.blocks import Block, blocks_of, letters_of
from aggregator.extraction.body.select import (
    Guide,
    add_teaser,
    confirm,
    drop_head,
    drop_next_article,
    drop_repeated,
    drop_strays,
    fill,
    follow_guide,
    grow,
    prose_of_one,
    select_body,
)
from aggregator.extraction.body.votes import Opinion, Opinions
from aggregator.extraction.body.wrapped import add_enclosed

ONE = "The council decided on Tuesday that the bridge over the river will be closed for two years, from next spring."
TWO = "Traders on both banks fear for their customers, and the ferry that is promised to them does not exist yet."
THREE = "The mayor said that there was no other way: inspectors had found rust in places where none had looked before."
FOUR = "A vote on the money for the new bridge, which will have four lanes, will be held in the autumn of this year."
CHINESE = "城南的老茶馆从下个月起，每个星期六下午请孩子们上台讲故事，听众只要带一把椅子。"
HINDI = "गाँव की पुरानी बावड़ी पंद्रह साल बाद फिर पानी से भर गई है, यह सरपंच ने सोमवार को बताया।"
EXTRA = "Every morning the most important news from the region in your mailbox, chosen and explained by our editors."


def page(body: str) -> list[Block]:
    return blocks_of(document_fromstring(f"<html><body>{body}</body></html>"))


def paragraphs(*texts: str) -> str:
    return "".join(f"<p>{text}</p>" for text in texts)


def opinions(proposal: list[str], readable: list[str] | None = None, plain: list[str] | None = None) -> Opinions:
    return Opinions(
        recall=Opinion(proposal),
        readable=Opinion(proposal if readable is None else readable),
        plain=Opinion(proposal if plain is None else plain),
    )


def votes(blocks: list[Block], asked: Opinions) -> list[int]:
    return [asked.votes_for(block) for block in blocks]


def confirmed(blocks: list[Block], asked: Opinions) -> set[int]:
    return confirm(blocks, votes(blocks, asked))


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
    found = confirmed(blocks, opinions([ONE, TWO, THREE], readable=[ONE], plain=[TWO]))
    assert texts(blocks, found) == [ONE, TWO]


@pytest.mark.parametrize(
    "markup",
    [
        f"<h1>{ONE}</h1>",
        f"<figure><figcaption>{ONE}</figcaption></figure>",
        f'<p><a href="/">{ONE[:-1]}</a></p>',
    ],
)
def test_some_places_are_no_text_whoever_proposes_them(markup: str) -> None:
    assert confirmed(page(markup), opinions([ONE])) == set()


def test_what_is_classed_as_furniture_goes_unless_it_is_much_of_the_text() -> None:
    blocks = page(f'{paragraphs(ONE, TWO, THREE)}<div class="newsletter-box"><p>{EXTRA}</p></div>')
    assert texts(blocks, confirmed(blocks, opinions([ONE, TWO, THREE, EXTRA]))) == [ONE, TWO, THREE]
    shared = page(f'<p>{EXTRA}</p><div class="story has-share-bar">{paragraphs(ONE, TWO)}</div>')
    assert texts(shared, confirmed(shared, opinions([ONE, TWO, EXTRA]))) == [EXTRA, ONE, TWO]


@pytest.mark.parametrize("markup", [f"<ul><li>{ONE}</li></ul>", f"<h4>{ONE}</h4>", f"<div>{ONE}</div>"])
def test_two_of_three_extractors_decide(markup: str) -> None:
    blocks = page(markup)
    assert confirmed(blocks, opinions([ONE], readable=[], plain=[])) == set()
    assert confirmed(blocks, opinions([ONE], readable=[], plain=[ONE])) == {0}
    assert confirmed(blocks, opinions([], readable=[ONE], plain=[ONE])) == {0}


def test_what_trafilatura_leaves_out_of_a_box_of_its_own_goes_unless_it_is_text_by_its_form() -> None:
    caption, note, within = "Old bridge, photo by Ada", f"<p>Notes: {EXTRA}</p>", "<p>A short line</p>"
    box = f"<div class='x'><p>{caption}</p></div><div class='y'>{note}</div><ul><li>An entry</li></ul>"
    blocks = page(f"<article>{paragraphs(ONE, TWO, THREE, FOUR)}{within}</article>{box}")
    asked = opinions([ONE, TWO, THREE, FOUR], [block.text for block in blocks])
    assert caption not in texts(blocks, drop_strays(blocks, every(blocks), asked))
    assert len(drop_strays(blocks, every(blocks), asked)) == len(blocks) - 1
    assert drop_strays(blocks, every(blocks), opinions([ONE])) == every(blocks)


def test_a_link_that_is_a_sentence_is_a_paragraph_and_a_headline_is_none() -> None:
    blocks = page(f'<p><a href="/a">{ONE}</a></p><p><a href="/b">{ONE[:-1]}</a></p><p><a href="/c">More.</a></p>')
    assert confirmed(blocks, opinions([ONE, "More."])) == {0}


def test_a_block_is_found_in_pieces_where_an_extractor_has_dropped_a_word() -> None:
    blocks = page(paragraphs(ONE))
    dropped = ONE.replace("on Tuesday ", "")
    asked = opinions([ONE], readable=[], plain=[f"{dropped} {TWO}"])
    assert votes(blocks, asked) == [1]
    longer = page(paragraphs(f"{TWO} {ONE} {THREE} {FOUR}"))
    assert votes(longer, opinions([f"{TWO} {dropped} {THREE} {FOUR}"], readable=[], plain=[])) == [1]
    assert votes(longer, opinions([TWO], readable=[], plain=[])) == [0]


def test_prose_of_resiliparse_alone_counts_where_the_others_have_a_fragment() -> None:
    intro = "A bread."
    blocks = page(f'<p>{intro}</p><div class="steps">{paragraphs(ONE, TWO)}</div><form>{paragraphs(EXTRA)}</form>')
    fragment = opinions([intro], plain=[ONE, TWO, EXTRA])
    assert texts(blocks, prose_of_one(blocks, votes(blocks, fragment), {0}, fragment)) == [ONE, TWO]
    another = opinions([intro, ONE, TWO], readable=[intro], plain=[intro])
    assert prose_of_one(blocks, votes(blocks, another), {0}, another) == set()  # trafilatura's alone is too much of it
    whole = page(paragraphs(ONE, TWO, THREE))
    asked = opinions([ONE], plain=[ONE, TWO, THREE])
    assert prose_of_one(whole, votes(whole, asked), {0}, asked) == set()


# --- grow -------------------------------------------------------------------------------------------------------------


def grown(markup: str, *sure: str, title: str = "") -> list[str]:
    blocks = page(markup)
    chosen = {i for i, block in enumerate(blocks) if block.text in sure}
    return texts(blocks, grow(blocks, chosen, [2 if i in chosen else 0 for i in range(len(blocks))], title))


def test_a_sentence_that_is_a_link_may_open_the_text_where_an_extractor_has_it() -> None:
    blocks = page(f'<div><p><a href="/1">{ONE}</a></p>{paragraphs(TWO, THREE)}</div>')
    assert texts(blocks, grow(blocks, {1, 2}, [1, 3, 3], "")) == [ONE, TWO, THREE]
    assert texts(blocks, grow(blocks, {1, 2}, [0, 3, 3], "")) == [TWO, THREE]
    blocks = page(f"<div>{paragraphs(ONE, TWO, THREE)}</div>")
    assert texts(blocks, grow(blocks, {1, 2}, [1, 3, 3], "")) == [TWO, THREE]


def test_what_stands_between_paragraphs_in_their_box_belongs_to_them() -> None:
    markup = (
        f"<div><h2>First</h2>{paragraphs(ONE)}<h3>Money</h3>{paragraphs(TWO)}<ul><li>bread</li><li>salt</li></ul>"
        f"<table><tr><td>Adult</td><td>5</td></tr><tr><td>Child</td><td>2</td></tr></table>{paragraphs(THREE)}"
        f"<ol><li>last</li></ol></div>"
    )
    shown = ["First", ONE, "Money", TWO, "bread", "salt", "Adult\t5", "Child\t2", THREE, "last"]
    assert grown(markup, ONE, TWO, THREE) == shown


@pytest.mark.parametrize(
    "item",
    [
        "<div class='item' id='{0}'><h3>{0}</h3><div><p>{1}</p></div></div>",
        "<section class='item is-{0}'><div class='head'><h3>{0}</h3></div><div><p>{1}</p></div></section>",
        "<article><header><h3>{0}</h3></header><p>{1}</p></article>",
        "<div class='item'><div><h4><a href='#{0}'>{0}</a></h4></div><div id='{0}'><p>{1}</p></div></div>",
    ],
)
def test_headings_of_items_of_one_look_belong_to_the_text_below_them(item: str) -> None:
    items = item.format("Costs", ONE) + item.format("Ferry", TWO)
    assert grown(f"<main>{items}</main>", ONE, TWO) == ["Costs", ONE, "Ferry", TWO]
    lone = "<div class='box'><h3>Read more</h3><div><p>{}</p></div></div>"
    assert grown(f"<main>{paragraphs(ONE)}{lone.format(TWO)}</main>", ONE, TWO) == [ONE, TWO]
    examples = items.replace("Ferry", "Costs")
    assert grown(f"<main>{examples}</main>", ONE, TWO) == ["Costs", ONE, "Costs", TWO]
    again = item.format("Costs", ONE) * 2
    assert grown(f"<main>{again}</main>", ONE) == [ONE, ONE]
    other = "<div class='item'><h3><a href='/{0}'>{0}</a></h3><div><p>{1}</p></div></div>"
    assert grown(f"<main>{other.format('Costs', ONE)}{other.format('Ferry', TWO)}</main>", ONE, TWO) == [ONE, TWO]
    bare = f"<h3>Costs</h3><div>{paragraphs(ONE)}</div><h3>Ferry</h3><div>{paragraphs(TWO)}</div>"
    assert grown(bare, ONE, TWO) == [ONE, TWO]


@pytest.mark.parametrize(
    "between",
    [
        f'<div class="newsletter"><p>{EXTRA}</p></div>',
        f"<figure><figcaption>{EXTRA}</figcaption></figure>",
        '<p><a href="/x">Another article</a></p>',
        f"<form><p>{EXTRA}</p></form>",
        '<h3><a href="/x">Another article</a></h3><ul><li><a href="/y">And one</a></li></ul>',
        '<h3><a href="/x">Another article</a></h3><p>2 hours ago</p>',
    ],
)
def test_what_stands_beside_the_text_does_not(between: str) -> None:
    found = grown(f"<div>{paragraphs(ONE)}{between}{paragraphs(TWO)}</div>", ONE, TWO)
    assert [text for text in found if text not in (ONE, TWO, "2 hours ago")] == []


def test_what_nobody_has_in_a_form_or_an_aside_does_not() -> None:
    assert grown(f"<form>{paragraphs(ONE, EXTRA, TWO)}</form>", ONE, TWO) == [ONE, TWO]


def test_an_opinion_piece_named_comment_keeps_its_list_and_comments_below_an_article_go() -> None:
    asked = opinions([ONE, TWO, THREE])
    opinion = page(
        f'<div class="kommentar">{paragraphs(ONE)}<ul><li>Rust</li><li>Money</li></ul>{paragraphs(TWO)}</div>'
    )
    chosen = confirmed(opinion, asked)
    assert texts(opinion, grow(opinion, chosen, votes(opinion, asked), "")) == [ONE, "Rust", "Money", TWO]
    below = page(
        f'<div>{paragraphs(ONE, TWO)}</div><section class="kommentare">{paragraphs("No comments yet.")}</section>'
    )
    assert texts(below, confirmed(below, opinions([ONE, TWO, "No comments yet."]))) == [ONE, TWO]


def test_several_h1_are_subheads_and_one_is_the_headline() -> None:
    several = f"<div><h1>The bridge</h1><h1>Closed</h1>{paragraphs(ONE)}<h1>Money</h1>{paragraphs(TWO)}</div>"
    assert grown(several, ONE, TWO, title="thebridge") == ["Closed", ONE, "Money", TWO]
    assert grown(f"<div>{paragraphs(ONE)}<h1>Football</h1>{paragraphs(TWO)}</div>", ONE, TWO) == [ONE, TWO]


def test_a_quotation_in_a_wrapper_of_its_own_stands_in_the_text() -> None:
    quote = f"<div class='embed'><blockquote><p>{EXTRA}</p></blockquote></div>"
    assert grown(f"<div>{paragraphs(ONE)}{quote}{paragraphs(TWO)}</div>", ONE, TWO) == [ONE, EXTRA, TWO]


def test_a_table_in_a_wrapper_of_its_own_stands_in_the_text() -> None:
    rows = "<tr><td>Adult</td><td>5</td></tr><tr><td>Child</td><td>2</td></tr>"
    table = f"<div class='scroll'><div><table>{rows}</table></div><div class='shadow'> </div><script>1</script></div>"
    assert grown(f"<div>{paragraphs(ONE)}{table}{paragraphs(TWO)}</div>", ONE, TWO) == [
        ONE,
        "Adult\t5",
        "Child\t2",
        TWO,
    ]


def test_a_table_in_a_wrapper_after_the_text_is_not_added() -> None:
    table = "<table><tr><td>Today</td><td>14 degrees</td></tr><tr><td>Then</td><td>16 degrees</td></tr></table>"
    asked = opinions([ONE, TWO])
    for after, added in ((table, 2), (f"<div>{table}</div>", 0)):
        blocks = page(f"<article>{paragraphs(ONE, TWO)}{after}</article>")
        assert len(grow(blocks, {0, 1}, votes(blocks, asked), "")) == 2 + added


def test_a_table_in_a_wrapper_under_a_last_subhead_is_added_if_an_extractor_has_it() -> None:
    table = "<table><tr><td>Easy runs</td><td>30 minutes</td></tr><tr><td>Long runs</td><td>2 hours</td></tr></table>"
    asked = opinions([ONE, TWO, "Easy runs | 30 minutes", "Long runs | 2 hours"], readable=[ONE, TWO], plain=[ONE, TWO])
    for subhead, known, added in (
        ("<h3>Plan</h3>", asked, 3),
        ("", asked, 0),
        ("<h3>Plan</h3>", opinions([ONE, TWO]), 0),
    ):
        blocks = page(f"<article>{paragraphs(ONE, TWO)}{subhead}<div>{table}</div></article>")
        assert len(grow(blocks, {0, 1}, votes(blocks, known), "")) == 2 + added


def test_what_has_words_beside_the_table_is_no_wrapper_of_it() -> None:
    table = "<table><tr><td>Today</td><td>14 degrees</td></tr><tr><td>Then</td><td>16 degrees</td></tr></table>"
    deep = f"<div><div><div><div><div>{table}</div></div></div></div></div>"
    for box in (f"<div>The weather {table}</div>", f"<div><b>The weather</b>{table}</div>", deep):
        assert grown(f"<section>{paragraphs(ONE)}{box}{paragraphs(TWO)}</section>", ONE, TWO) == [ONE, TWO]


@pytest.mark.parametrize(
    ("inner", "is_added"),
    [
        (f"<div class='commentary'><p>{EXTRA}</p></div>", True),
        (f"<div class='no-sidebar'><div>{paragraphs(EXTRA, EXTRA)}</div></div>", True),
        (f"<div class='menu-of-the-day'><p>{CHINESE}</p></div>", True),
        (f"<div class='sidebarred'><p>{HINDI}</p></div>", True),
        ("<div class='commentary'><p>Not long.</p></div>", False),
        (f"<div class='newsletter'><p>{EXTRA}</p></div>", False),
        (f"<div class='box'><p>{EXTRA}</p><p>Subscribe</p></div>", False),
        (f"<div class='box'><p><a href='/x'>Bridge:</a> {EXTRA}</p></div>", False),
        (f"<div class='box'><img src='a.jpg'><p>{EXTRA}</p></div>", False),
        (f"<aside class='box'><p>{EXTRA}</p></aside>", False),
    ],
)
def test_sentences_in_a_wrapper_between_paragraphs_are_added_whatever_its_name(inner: str, *, is_added: bool) -> None:
    blocks = page(f"<main>{paragraphs(ONE)}{inner}{paragraphs(TWO)}</main><div><p>{EXTRA}</p></div>")
    known = {0, len(blocks) - 2}
    added = add_enclosed(blocks, known, [3 if i in known else 0 for i in range(len(blocks))])
    assert (added == set(range(len(blocks) - 1))) == is_added
    assert is_added or added == known


def test_what_is_in_another_box_or_known_is_not_added() -> None:
    first, other, last = map(paragraphs, (ONE, EXTRA, TWO))
    beside = f"<div><div>{first}</div><div><span>x</span>{other}</div><div>{last}</div></div>"
    assert grown(beside, ONE, TWO) == [ONE, TWO]
    assert grown(f"<div>{paragraphs(ONE, TWO, TWO)}</div>", ONE, TWO) == [ONE, TWO, TWO]
    assert grow([], set(), [], "") == set()


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
    kept = drop_repeated(blocks, every(blocks), opinions([ONE, TWO, THREE]))
    assert kept == {1, 2, 3}
    song = page(paragraphs(ONE, TWO, ONE, THREE))
    assert drop_repeated(song, every(song), opinions([ONE, TWO, ONE, THREE])) == {0, 1, 2, 3}


def test_the_whole_text_once_more_in_one_piece_goes() -> None:
    whole = " ".join([ONE, TWO, THREE, FOUR, EXTRA])
    blocks = page(paragraphs(ONE, TWO, THREE, FOUR, EXTRA) + f"<div>{whole}</div>")
    assert drop_repeated(blocks, every(blocks), opinions([ONE])) == {0, 1, 2, 3, 4}


def test_a_long_paragraph_of_its_own_stays() -> None:
    blocks = page(paragraphs(ONE, " ".join([TWO, THREE, FOUR, EXTRA, ONE.upper()])))
    assert drop_repeated(blocks, every(blocks), opinions([ONE])) == {0, 1}


def test_a_sentence_set_large_goes_and_a_quotation_of_its_own_stays() -> None:
    blocks = page(f"{paragraphs(f'{ONE} {TWO}')}<aside><p>{TWO}</p></aside><blockquote>{THREE}</blockquote>")
    assert drop_repeated(blocks, every(blocks), opinions([ONE, TWO])) == {0, 2}


# --- fill -------------------------------------------------------------------------------------------------------------


def filled_by(blocks: list[Block], chosen: set[int], plain: list[str]) -> set[int]:
    return fill(blocks, chosen, votes(blocks, opinions([], plain=plain)))


def test_an_article_in_pieces_is_filled_up() -> None:
    piece = '<div class="chunk">{}</div><div class="ad"><p>{}</p></div>'
    blocks = page(piece.format(paragraphs(ONE, TWO), EXTRA) + piece.format(paragraphs(THREE, FOUR), "Ad"))
    filled = filled_by(blocks, {0, 1}, [ONE, TWO, THREE, FOUR, EXTRA])
    assert texts(blocks, filled) == [ONE, TWO, THREE, FOUR]
    assert filled_by(blocks, {0, 1}, [ONE, TWO]) == {0, 1}


def test_a_second_article_is_not_filled_up() -> None:
    own = f"<article>{paragraphs(ONE, TWO)}</article>"
    assert filled_by(page(own + f"<article>{paragraphs(THREE)}</article>"), {0, 1}, [THREE]) == {0, 1}
    below = page(f"<div>{paragraphs(ONE, TWO)}<h1>Another headline</h1>{paragraphs(THREE)}</div>")
    assert filled_by(below, {0, 1}, [THREE]) == {0, 1}


def test_nothing_is_filled_into_nothing_or_by_links_or_twice() -> None:
    blocks = page(paragraphs(ONE, ONE, f'<a href="/">{TWO}</a>') + f"<div>{THREE}</div>")
    assert filled_by(blocks, set(), [ONE]) == set()
    assert filled_by(blocks, {0}, [ONE, TWO, THREE]) == {0}
    lists = page(f"<ul><li>{ONE}</li></ul>" + paragraphs(TWO))
    assert filled_by(lists, {0}, [TWO]) == {0}


# --- follow_guide -----------------------------------------------------------------------------------------------------


def test_article_body_decides_when_it_is_this_text() -> None:
    blocks = page(f"{paragraphs(ONE, TWO)}<h2>Money</h2>{paragraphs(THREE, FOUR, EXTRA)}<h2>More</h2>")
    asked = opinions([ONE, TWO, THREE, EXTRA], plain=[ONE, FOUR], readable=[])
    chosen = {0, 1, 2, 3, 5, 6}
    guided = follow_guide(blocks, chosen, votes(blocks, asked), letters_of(ONE + TWO + THREE + FOUR))
    assert texts(blocks, guided) == [ONE, TWO, "Money", THREE, FOUR]


def test_article_body_does_not_bring_the_whole_text_in_one_piece() -> None:
    whole = " ".join([ONE, TWO, THREE, FOUR, EXTRA])
    blocks = page(paragraphs(ONE, TWO, THREE, FOUR, EXTRA) + f"<div>{whole}</div>")
    asked = opinions([ONE, TWO, THREE, FOUR, EXTRA])
    assert follow_guide(blocks, {0, 1, 2, 3, 4}, votes(blocks, asked), letters_of(whole)) == {0, 1, 2, 3, 4}


def test_an_article_body_of_another_text_or_of_its_beginning_changes_nothing() -> None:
    blocks = page(paragraphs(ONE, TWO, THREE))
    asked, chosen = opinions([ONE, TWO, THREE]), {0, 1, 2}
    assert follow_guide(blocks, chosen, votes(blocks, asked), letters_of(ONE)) == chosen
    assert follow_guide(blocks, chosen, votes(blocks, asked), "x" * 1000) == chosen
    assert follow_guide(blocks, set(), votes(blocks, asked), letters_of(ONE * 9)) == set()
    assert follow_guide(blocks, {2}, votes(blocks, asked), letters_of(ONE + TWO + TWO + ONE)) == {2}


def test_what_no_extractor_sees_is_hidden() -> None:
    blocks = page(paragraphs(ONE, TWO, THREE, FOUR))
    asked = opinions([ONE, TWO, THREE], readable=[], plain=[])
    assert follow_guide(blocks, {0, 1, 2}, votes(blocks, asked), letters_of(ONE + TWO + THREE + FOUR)) == {0, 1, 2}


# --- drop_head, drop_scraps, add_teaser -------------------------------------------------------------------------------


def test_lines_up_to_the_headline_go() -> None:
    blocks = page(paragraphs("Politics", "By Ada Byron", "The Bridge", ONE, TWO))
    assert texts(blocks, drop_head(blocks, every(blocks), letters_of("The bridge"))) == [ONE, TWO]
    assert drop_head(blocks, every(blocks), "") == every(blocks)
    assert drop_head(blocks, every(blocks), "elsewhere") == every(blocks)


def test_a_headline_at_the_end_takes_no_text_with_it() -> None:
    blocks = page(paragraphs(ONE, TWO, "The Bridge", THREE))
    assert drop_head(blocks, every(blocks), letters_of("The Bridge")) == every(blocks)


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
