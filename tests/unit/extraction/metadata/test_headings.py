"""Which heading is the headline, where the page states another title for search engines and networks."""

from __future__ import annotations

import pytest
from lxml.html import document_fromstring

from aggregator.extraction.metadata.headings import Head, Statements, head_of
from aggregator.extraction.metadata.titles import title_of

SHOWN = "Seven ferries are to stop for the winter"
SEARCHED = "Ferry timetable: winter stop for seven ferries"
OTHER = "Ferrymen and mayor quarrel over the last boat"
URL = "https://www.riverpost.example/news/ferries"


def title(body: str, json_ld: str = "", network: str = "", feed: str = "", element: str = "", url: str = URL) -> str:
    tree = document_fromstring(f"<html><body>{body}</body></html>")
    return title_of(tree, Statements(json_ld, network, feed, element=element), "", url)


@pytest.mark.parametrize(
    ("shown", "searched"),
    [
        (SHOWN, SEARCHED),
        ("Sieben Fähren stehen im Winter still", "Fähren im Winter: Sieben Linien stehen still"),
        ("Семь паромов встанут на зиму", "Зимой встанут семь паромов: расписание"),
        ("七艘渡轮今年冬季停航", "冬季停航：七艘渡轮时刻表"),
        ("冬のあいだ七隻の渡し船が休みます", "渡し船 七隻が冬のあいだ休み"),
    ],
)
def test_a_heading_that_statements_resemble_is_the_headline(shown: str, searched: str) -> None:
    assert title(f"<h1>{shown}</h1>", json_ld=searched, network=searched, element=searched) == shown


def test_the_feed_and_all_statements_together_go_before_a_heading_that_resembles_them() -> None:
    assert title(f"<h1>{SHOWN}</h1>", SEARCHED, SEARCHED, SEARCHED, SEARCHED) == SHOWN
    tree = document_fromstring(f"<h1>{SHOWN}</h1>")
    stated = Statements(SEARCHED, SEARCHED, SEARCHED, SEARCHED, element=SEARCHED)
    assert title_of(tree, stated, "", URL) == SEARCHED


def test_a_heading_that_no_statement_resembles_has_one_vote_only() -> None:
    assert title(f"<h1>Our river, our town</h1><p>{SHOWN}</p>", json_ld=SEARCHED) == SEARCHED


@pytest.mark.parametrize("shown", [OTHER, f"<span>Winter</span> {OTHER}", f"<div>Winter</div>{OTHER}"])
def test_the_headline_of_networks_that_an_h2_shows_goes_before_an_h1_for_search_engines(shown: str) -> None:
    body = f"<h1 class='unseen'>{SEARCHED}</h1><article><h2>{shown}</h2></article>"
    assert title(body, json_ld=SEARCHED, network=OTHER, element=SEARCHED) == OTHER


def test_the_newest_post_of_a_live_blog_is_not_its_headline() -> None:
    body = f"<h1>{SEARCHED}</h1><h2>{OTHER}</h2><p>Text</p>"
    assert title(body, feed=OTHER, element=SEARCHED) == SEARCHED


def test_an_h2_that_shows_another_statement_in_part_changes_nothing() -> None:
    assert title(f"<h1>{SEARCHED}</h1><h2>Winter</h2>", SEARCHED, "Winter", element=SEARCHED) == SEARCHED
    whole = f"All that the council said this week, at some length, and: {OTHER}"
    assert title(f"<h1>{SEARCHED}</h1><h2>{whole}</h2>", SEARCHED, OTHER, element=SEARCHED) == SEARCHED


def test_a_kicker_in_the_heading_goes_if_no_statement_has_it() -> None:
    body = f"<h1><span class='overline'>Winter</span> {SHOWN}</h1>"
    assert title(body, network=SHOWN, element=f"{SHOWN} | River Post") == SHOWN
    assert title(body, network=f"Winter: {SHOWN}", element=f"Winter: {SHOWN}") == f"Winter: {SHOWN}"


def test_a_count_after_the_heading_goes_if_no_statement_has_it() -> None:
    body = f"<h1>{SHOWN} <a href='#comments'>12</a></h1>"
    assert title(body, network=SHOWN) == SHOWN
    assert title(body, network=f"{SHOWN} 12") == f"{SHOWN} 12"
    assert title(f"<h1>{SHOWN} 2024</h1>", network=SHOWN) == f"{SHOWN} 2024"


@pytest.mark.parametrize("sign", ["¶", "#", "🔗"])
def test_the_sign_of_a_link_to_the_heading_is_no_part_of_it(sign: str) -> None:
    body = f"<h1>Reading fields<a class='headerlink' href='#reading'>{sign}</a></h1>"
    assert title(body, network="Reading fields - The Manual") == "Reading fields"
    assert title("<h1>Learn <a href='#c'>C#</a></h1>", network="Learn C# - The Manual") == "Learn C#"


def test_a_short_heading_is_the_headline_if_a_title_begins_with_it() -> None:
    assert title("<h1>Fields</h1>", element="Fields - Types - The Manual") == "Fields"
    assert title("<h1>Sport</h1>", element="Rowers win again - Sport") == "Rowers win again - Sport"
    assert title("<h1>Sport</h1>", element="Sporting life in the town") == "Sporting life in the town"


def test_the_name_of_the_book_as_h1_is_not_the_title_of_its_chapter() -> None:
    book = "<h2>Fields</h2><h1>The Manual of Records</h1><main><h2>Fields</h2></main>"
    assert title(book, element="Fields - The Manual of Records") == "Fields"
    assert title(f"<h2>Winter</h2><h1>{SHOWN}</h1>", element=f"Winter | {SHOWN}") == SHOWN


def test_of_several_parts_of_a_title_the_longest_heading_is_the_headline() -> None:
    body = f"<h2>Talks by the river</h2><h2>{SHOWN}</h2>"
    assert title(body, element=f"{SHOWN} - Talks by the river") == SHOWN


def test_signs_of_quotation_do_not_matter() -> None:
    assert title("<h1>It won’t rain today</h1>", network="It won't rain today | River News") == "It won’t rain today"


@pytest.mark.parametrize("last", ["Riverpost Forum", "riverpost.example – online", "RiverPost"])
def test_a_short_last_part_that_begins_like_the_host_is_the_name_of_the_site(last: str) -> None:
    assert title("<p>Text</p>", element=f"{SHOWN} - {last}") == SHOWN


def test_a_long_last_part_is_no_name() -> None:
    stated = "Talk: Riverpost readers ask for more boats"
    assert title("<p>Text</p>", element=stated) == stated
    assert title("<p>Text</p>", element="Talk - Riverpost ferry") == "Talk - Riverpost ferry"


def test_a_page_without_headings_has_no_headline() -> None:
    assert head_of(document_fromstring("<p>Text</p>"), Statements(SHOWN), frozenset()) == Head("", 0.9)


def test_the_name_of_a_section_that_is_a_word_of_the_headline_is_not_the_headline() -> None:
    stated = "How photography came to the villages along the river"
    assert title("<h1>Photography</h1>", network=stated, element=f"{stated} | Riverpost") == stated
    assert (
        title("<h1>How photography came to the villages</h1>", network=stated) == "How photography came to the villages"
    )
