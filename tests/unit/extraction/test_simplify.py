"""A page's tree made plain: each step on pages that it improves and on pages it must leave alone."""

from __future__ import annotations

import pytest
from lxml.etree import _Element as Element
from lxml.html import document_fromstring, fragment_fromstring

from aggregator.extraction.body.blocks import blocks_of
from aggregator.extraction.body.simplify import is_hidden, remove, rescue_swallowed, simplify, unwrap, words_in

LONG = "The council decided on Tuesday that the bridge over the river will be closed for two years, from next spring."
MORE = "Traders on both banks fear for their customers, and the ferry that is promised to them does not exist yet."


def page(body: str) -> Element:
    return document_fromstring(f"<html><body>{body}</body></html>")


def plain(body: str, language: str = "") -> list[str]:
    tree = page(body)
    simplify(tree, language)
    return [block.text for block in blocks_of(tree)]


# --- pages in one element ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "is_opened"),
    [
        (f"<button><h1>Bridge</h1><p>{LONG}</p></button>", True),
        (f"<select><p>{LONG}</p></select>", True),
        (f"<nav><article><p>{LONG}</p></article></nav>", True),
        (f"<nav><p>{LONG}</p></nav>", True),
        (f"<footer><p>{LONG}</p></footer>", False),
        (f"<div>{LONG} {MORE}</div><nav><p>{LONG}</p></nav>", False),
        (f"<p>{LONG} {MORE} {MORE}</p><button><h1>Bridge</h1><p>{LONG[:40]}</p></button>", False),
        (f"<p>{LONG}</p><button><h1>Bridge</h1></button>", False),
        ("<button>Menu</button><div>No paragraph</div>", False),
    ],
)
def test_an_element_that_holds_the_page_is_opened(body: str, *, is_opened: bool) -> None:
    tree = page(body)
    before = sum(1 for _ in tree.iter("button", "select", "nav"))
    rescue_swallowed(tree)
    assert sum(1 for _ in tree.iter("button", "select", "nav")) == before - is_opened


# --- what a reader does not see ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("hidden", True),
        ('hidden="until-found"', False),
        ('aria-hidden="true"', True),
        ('aria-hidden="false"', False),
        ('style="color: red; Display : none"', True),
        ('style="color: red"', False),
        ('style="position: absolute; left: -9999px"', True),
        ('style="text-indent:-99999px"', True),
        ('style="margin-left: -20px"', False),
        ('style="position:absolute; clip: rect(0 0 0 0)"', True),
        ("popover", True),
        ('class="lead sr-only"', True),
        ('class="unhidden"', False),
    ],
)
def test_the_markup_says_what_is_hidden(attributes: str, *, expected: bool) -> None:
    assert is_hidden(fragment_fromstring(f"<p {attributes}>x</p>")) == expected
    words = ["before after"] if expected else ["before secret after"]
    assert plain(f"<p>before <span {attributes}>secret </span>after</p>") == words


def test_a_dialog_that_is_closed_is_hidden() -> None:
    assert plain(f"<p>{LONG}</p><dialog>closed</dialog><dialog open>open</dialog>") == [LONG, "open"]


def test_what_holds_most_of_the_page_is_shown_later() -> None:
    script = f"<script>{'x = 1; ' * 200}</script>"
    assert plain(f'<div style="visibility:hidden"><p>{LONG}</p></div><p>Menu</p>{script}') == [LONG, "Menu"]


def test_parts_that_are_shown_later_count_together() -> None:
    parts = f'<div hidden id="a"><p>{LONG}</p></div><div hidden id="b"><p>{MORE}</p><p hidden>part</p></div>'
    links = "".join(f"<a href='/{n}'>link number {n} of the menu</a> " for n in range(9))
    shown = plain(f"<p>Loading</p><div>{links}</div><div hidden>menu</div>{parts}")
    assert [shown[0], *shown[2:]] == ["Loading", LONG, MORE, "part"]


def test_the_hidden_half_of_a_formula_goes_with_its_source() -> None:
    source = "<math><semantics><mi>x</mi><annotation>\\frac x</annotation></semantics></math>"
    visible = '<span class="katex-html" aria-hidden="true">x²</span>'
    assert plain(f'<p>Let <span><span class="katex-mathml">{source}</span>{visible}</span> be.</p>') == ["Let x² be."]
    hidden = f'<span aria-hidden="true">{source}</span>'
    assert plain(f"<p>Let <span>{hidden}{source}</span> be the length of the bridge.</p>") == [
        "Let x be the length of the bridge."
    ]


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("<msup><mi>x</mi><mn>2</mn></msup><mo>+</mo><mn>1</mn>", "x²+1"),
        ("<msup><mi>x</mi><mi>ab</mi></msup>", "x^(ab)"),
        ("<msup><mi>x</mi></msup>", "x"),
    ],
)
def test_a_formula_is_its_words(formula: str, words: str) -> None:
    assert plain(f"<p>Here <math>{formula}</math> is.</p>") == [f"Here {words} is."]


def test_a_formula_without_words_has_its_description() -> None:
    assert plain('<p>Here <math alttext="a+b"></math> is.</p>') == ["Here a+b is."]
    assert plain("<p>Here <math></math>is.</p>") == ["Here is."]


def test_readings_go_and_the_characters_stay() -> None:
    assert plain("<p>これは<ruby><rb>橋</rb><rp>(</rp><rt>はし</rt><rp>)</rp></ruby>です</p>") == ["これは橋です"]


def test_struck_out_words_go_but_not_the_whole_text() -> None:
    assert plain(f"<p>{LONG} It costs <del>45</del> <ins>38</ins> pounds, <s>not</s> more.</p>") == [
        f"{LONG} It costs 38 pounds, more."
    ]
    assert plain(f'<p>{LONG} It costs <span style="text-decoration: line-through">45</span> 38 pounds.</p>') == [
        f"{LONG} It costs 38 pounds."
    ]
    assert plain(f'<p>{LONG} It costs <span style="text-decoration: underline">45</span> pounds.</p>') == [
        f"{LONG} It costs 45 pounds."
    ]
    assert plain(f"<p><del>{LONG}</del></p>") == [LONG]


# --- inline elements as text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["time", "label", "button", "acronym", "output"])
def test_an_element_within_a_sentence_is_text(tag: str) -> None:
    tree = page(f'<p>The bridge was closed on <em>the <{tag} class="x" id="y">third</{tag}></em> of May.</p>')
    simplify(tree)
    assert next(tree.iter(tag), None) is None
    assert words_in(tree).strip() == "The bridge was closed on the third of May."


@pytest.mark.parametrize(
    "body",
    [
        "<p><button>Share</button></p>",
        "<div>Some words beside it that are long enough <button>Share</button></div>",
        "<form><p>Some words beside it that are long enough <button>Send</button></p></form>",
        "<p>No <button>A rather long control</button></p>",
    ],
)
def test_a_control_stays_a_control(body: str) -> None:
    tree = page(body)
    simplify(tree)
    assert next(tree.iter("button"), None) is not None


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (f"<h3><button>Who pays</button></h3><p>{LONG}</p>", ["Who pays", LONG]),
        (f"<div><button>Who pays?</button><div>{LONG}</div></div>", ["Who pays?", LONG]),
        (f'<div><button aria-controls="a">Who pays</button><div id="a">{LONG}</div></div>', ["Who pays", LONG]),
        (f"<div><button>Who pays</button><div>{LONG}</div></div>", [LONG]),
        (f"<div><input type='checkbox'><label>Who pays</label><div>{LONG}</div></div>", ["Who pays", LONG]),
        (f"<div><label>Who pays?</label><div>{LONG}</div></div>", ["Who pays?", LONG]),
        ("<div><button>Who pays?</button></div>", []),
        (f"<div><button>Who pays?</button> now <div>{LONG}</div></div>", ["now", LONG]),
        ("<div><button>Who pays?</button><div>I do</div></div>", ["I do"]),
    ],
)
def test_a_button_over_a_text_is_its_heading(body: str, shown: list[str]) -> None:
    assert plain(body) == shown


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("10<sup>9</sup> people", "10⁹ people"),
        ("10<sup><b>-3</b></sup> metres", "10⁻³ metres"),
        ("the 1<sup>er</sup> May", "the 1er May"),
        ("in May<sup><a href='#n1'>1</a></sup>.", "in May."),
        ("in May<a href='#n1'><sup>[1]</sup></a>.", "in May."),
        ("in May.<sup>12</sup> Then", "in May. Then"),
        ("<b>in May.</b><sup>12</sup> Then", "in May. Then"),
        ("f(x)<sup>2</sup> is", "f(x)² is"),
        ("what<sup>registered mark</sup> is", "whatregistered mark is"),
        ("H<sub>2</sub>O", "H2O"),
    ],
)
def test_raised_figures_are_powers_or_notes(body: str, shown: str) -> None:
    assert plain(f"<p>{body}</p>") == [shown]


@pytest.mark.parametrize(
    ("body", "language", "shown"),
    [
        ("He said <q>no</q>.", "", "He said “no”."),
        ("Er sagte <q>nein, <b>nie</b></q>.", "de-AT", "Er sagte „nein, nie“."),
        ("He said <q>“no”</q>.", "en", "He said “no”."),
        ("He said “<q>no</q>”.", "en", "He said “no”."),
        ("He said <q></q>nothing.", "en", "He said nothing."),
    ],
)
def test_quoted_words_have_their_marks(body: str, language: str, shown: str) -> None:
    assert plain(f"<p>{body}</p>", language) == [shown]


# --- tree surgery -----------------------------------------------------------------------------------------------------


def test_text_around_an_element_stays_in_its_place() -> None:
    tree = page("<p>a<b>b<i>c</i>d</b>e<u>f</u>g<s></s>h</p>")
    for tag, change in (("b", unwrap), ("u", remove), ("s", unwrap), ("i", unwrap)):
        change(next(tree.iter(tag)))
    assert words_in(tree) == "abcdegh"


def test_the_root_stays() -> None:
    tree = page("<p>a</p>")
    remove(tree)
    unwrap(tree)
    assert words_in(tree) == "a"
