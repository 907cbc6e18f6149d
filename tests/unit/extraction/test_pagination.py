"""Where an article goes on, and its parts joined."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.extraction.extract import extract_page
from aggregator.extraction.pagination import Part, chain_of, is_part, join, numbers_of
from aggregator.extraction.site_config import SiteConfig
from aggregator.identity.keys import KeyRules
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.models.articles import ExtractInput, Extraction

FIRST = "https://www.example.org/news/long-story"
RULES = SiteConfig(next_page=("//a[@class='next']",))
NONE = KeyRules()


def part(url: str, following: str = "", final_url: str = "", text: str = "") -> Part:
    link = f"<a class='next' href='{following}'>Next</a>" if following else ""
    html = f"<html><body><p>{text or url}</p>{link}</body></html>".encode()
    return Part(url=url, page=ExtractInput(url=final_url or url, body=html))


# --- the chain --------------------------------------------------------------------------------------------------------


def test_the_chain_follows_the_links_through_what_is_there() -> None:
    first, second = part(FIRST, "?page=2"), part(f"{FIRST}?page=2", "?page=3")
    third = part(f"{FIRST}?page=3")
    assert chain_of(first, [], RULES, NONE).missing == f"{FIRST}?page=2"
    assert chain_of(first, [second], RULES, NONE).missing == f"{FIRST}?page=3"
    whole = chain_of(first, [second, third], RULES, NONE)
    assert (whole.parts, whole.missing) == ((second, third), None)


def test_a_part_to_which_no_link_leads_is_left_out() -> None:
    stray = part(f"{FIRST}?page=9")
    chain = chain_of(part(FIRST, "?page=2"), [stray], RULES, NONE)
    assert (chain.parts, chain.missing) == ((), f"{FIRST}?page=2")
    ended = chain_of(part(FIRST), [stray], RULES, NONE)
    assert (ended.parts, ended.missing) == ((), None)


def test_the_chain_ends_where_an_address_or_the_bytes_come_again() -> None:
    first = part(FIRST, "?page=2")
    back = part(f"{FIRST}?page=2", "?page=3", final_url=FIRST, text="the first page once more")
    same = Part(url=f"{FIRST}?page=2", page=replace(first.page, url=f"{FIRST}?page=2"))
    for one in (back, same):
        chain = chain_of(first, [one], RULES, NONE)
        assert (chain.parts, chain.missing) == ((), None)


@pytest.mark.parametrize(
    "link", ["", "#top", "?page=1#x", "javascript:next()", "https://m.example.org/news/long-story?page=2"]
)
def test_what_is_no_other_page_here_is_no_link(link: str) -> None:
    first = replace(part(FIRST, link), url=f"{FIRST}?page=1")
    assert chain_of(first, [], RULES, NONE).missing is None


@pytest.mark.parametrize("body", [b"", b"<!-- -->", b"\0\0", b"\xff\xfe", b"<?xml version='1.0' encoding='x'?>"])
def test_what_is_no_page_has_no_link(body: bytes) -> None:
    first = Part(url=FIRST, page=ExtractInput(url=FIRST, body=body))
    assert chain_of(first, [], SiteConfig(next_page=("a.next",)), NONE).missing is None


@given(st.binary(max_size=200))
def test_any_bytes_have_a_chain(body: bytes) -> None:
    assert chain_of(Part(url=FIRST, page=ExtractInput(url=FIRST, body=body)), [], RULES, NONE).parts == ()


# --- which links count ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "link"),
    [
        ("/news/long-story", "/news/long-story?page=2"),
        ("/news/long-story", "/news/long-story?seite=2"),
        ("/news/long-story?page=1", "/news/long-story?page=2"),
        ("/news/long-story?id=7", "/news/long-story?id=7&p=2"),
        ("/news/long-story", "/news/long-story?pagewanted=all"),
        ("/news/long-story.html", "/news/long-story.html?start=20"),
        ("/news/long-story", "/news/long-story/2"),
        ("/news/long-story/", "/news/long-story/page/2/"),
        ("/news/long-story", "/news/long-story/the-conclusion"),
        ("/news/long-story.html", "/news/long-story-2.html"),
        ("/news/long-story.html", "/news/long-story,seite-2.html"),
        ("/news/long-story-1.html", "/news/long-story-2.html"),
        ("/news/long-story/1", "/news/long-story/2"),
        ("/news/20417/1", "/news/20417/2"),
        ("/news/long-story.html", "/news/long-story.html/2"),
        ("/news/20417", "/news/20417/2"),
    ],
)
def test_a_page_number_makes_a_part(first: str, link: str) -> None:
    host = "https://www.example.org"
    assert is_part(host + link, host + first, NONE)


@pytest.mark.parametrize(
    ("first", "link"),
    [
        ("/news/long-story", "/news/next-story"),
        ("/news/long-story", "/news/long-story"),
        ("/news/long-story", "/news/long-story/?utm=x"),
        ("/news/20417", "/news/20418"),
        ("/news/17", "/news/18"),
        ("/news/1", "/news/2"),
        ("/news/long-story-7", "/news/long-story-8"),
        ("/article?id=17", "/article?id=18"),
        ("/article?id=17", "/article?page=2"),
        ("/", "/2"),
        ("/", "/long-story"),
        ("/news/long-story", "/news/long-story/2?id=5000"),
        ("/news/long-story", "/"),
    ],
)
def test_another_articles_address_is_no_part(first: str, link: str) -> None:
    host = "https://www.example.org"
    assert not is_part(host + link, host + first, NONE)


def test_what_is_no_address_is_no_part() -> None:
    assert not is_part("mailto:x", FIRST, NONE)


def test_a_publishers_number_decides() -> None:
    publishers = shipped_publishers()
    numbers = numbers_of("www.dw.com:443", publishers)
    one = "https://www.dw.com/en/one-story/a-63723431"
    assert is_part("https://www.dw.com/en/other-words/a-63723431?page=2", one, numbers)
    assert not is_part("https://www.dw.com/en/one-story/a-63723432", one, numbers)
    assert numbers_of("www.example.org:443", publishers).sites == {}


# --- joined -----------------------------------------------------------------------------------------------------------


@cache
def blank() -> Extraction:
    page = ExtractInput(url=FIRST, body=b"<html><body><article><p>Some words of a page.</p></article></body></html>")
    extracted = extract_page(page)
    assert isinstance(extracted, Extraction)
    return extracted


def made(*paragraphs: str) -> Extraction:
    title = paragraphs[0] if paragraphs else ""
    return replace(blank(), title=title, text="\n".join(paragraphs), body="\n\n".join(paragraphs))


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        ([["A", "B"], ["C"]], "A B C"),
        ([["Teaser", "A", "B"], ["Teaser", "C"], ["Teaser", "D"]], "Teaser A B C D"),
        ([["A", "Author"], ["B", "Author"], ["C", "Author"]], "A B C Author"),
        ([["T", "A", "Z"], ["T", "B", "Z"]], "T A B Z"),
        ([["A", "B"], ["A", "B"]], "A B"),
        ([["A", "B"], ["C", "B", "D"]], "A B C B D"),
        ([["A"], []], "A"),
        ([[], ["A"]], "A"),
        ([["A"]], "A"),
    ],
)
def test_what_stands_at_the_same_place_in_each_part_is_there_once(parts: list[list[str]], body: str) -> None:
    joined = join([made(*part) for part in parts])
    assert joined.body == "\n\n".join(body.split())
    assert joined.text == "\n".join("\n".join(part) for part in parts)
    assert joined.title == made(*parts[0]).title


@given(st.lists(st.lists(st.sampled_from("ABCDEF"), max_size=6), min_size=1, max_size=5))
def test_every_paragraph_stays_once_at_least_and_none_is_made(parts: list[list[str]]) -> None:
    joined = join([made(*part) for part in parts]).body.split()
    assert set(joined) == {paragraph for part in parts for paragraph in part}
    assert len(joined) <= sum(map(len, parts))
