"""JSON-LD: which object is the article's, and what is forgiven."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.extraction.metadata.json_ld import read_json_ld, text_of

URL = "https://example.org/a"


def page(*blocks: str) -> str:
    return "".join(f'<script type="application/ld+json">{block}</script>' for block in blocks)


@pytest.mark.parametrize(
    "block",
    [
        '{"@type": "NewsArticle", "headline": "Yes"}',
        '[{"@type": "WebSite"}, {"@type": ["Thing", "BlogPosting"], "headline": "Yes"}]',
        '{"@graph": [{"@type": "Person"}, {"@type": "Article", "headline": "Yes"}]}',
        '{"@type": "WebPage", "mainEntity": {"@type": "ReportageNewsArticle", "headline": "Yes"}}',
        '<!-- {"@type": "Article", "headline": "Yes"} -->',
        '//<![CDATA[\n{"@type": "Article", "headline": "Yes"}\n//]]>',
        '{"@type": "Article", "headline": "Yes",}',
        '{"@type": "Article", "text": "two\nlines", "headline": "Yes"};',
        "{&quot;@type&quot;: &quot;Article&quot;, &quot;headline&quot;: &quot;Yes&quot;}",
    ],
)
def test_the_article_is_found(block: str) -> None:
    assert read_json_ld(page(block), URL).article.get("headline") == "Yes"


@pytest.mark.parametrize("block", ["", "{", "nonsense", '{"@type": "WebSite"}', "[" * 100_000, "3"])
def test_nothing_is_nothing(block: str) -> None:
    assert read_json_ld(page(block), URL).article == {}
    assert read_json_ld("<script>var x;</script>", URL).article == {}


def test_of_several_the_one_at_this_address() -> None:
    other = '{"@type": "Article", "headline": "Other", "url": "https://example.org/b"}'
    own = '{"@type": "Article", "headline": "Own", "mainEntityOfPage": {"@id": "https://example.org/a"}}'
    assert read_json_ld(page(other, own), URL).article["headline"] == "Own"
    assert read_json_ld(page(other, own), "https://example.org/c").article["headline"] == "Other"


def test_without_an_end_the_block_goes_to_the_end_of_the_page() -> None:
    html = '<script type="application/ld+json">{"@type": "Article", "headline": "Yes"}'
    assert read_json_ld(html, URL).article["headline"] == "Yes"


def test_references_are_resolved() -> None:
    block = (
        '{"@graph": [{"@type": "Article", "author": {"@id": "#x"}}, {"@id": "#x", "@type": "Person"},'
        '{"@id": "#x", "name": "Ada"}]}'
    )
    found = read_json_ld(page(block), URL)
    assert found.resolve(found.article["author"]) == {"@id": "#x", "name": "Ada"}
    assert found.resolve({"@id": "#y"}) == {"@id": "#y"}
    assert found.resolve("Ada") == "Ada"


def test_a_huge_block_is_read_in_part() -> None:
    assert read_json_ld(page("[" + ",".join(["{}"] * 6000) + ', {"@type": "Article"}]'), URL).article == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("  two\n lines ", "two lines"),
        ("Q&amp;amp;A <i>x</i>", "Q&A x"),
        (["first", "second"], "first"),
        ([], ""),
        ({"@value": "v"}, "v"),
        (None, ""),
        (3, ""),
    ],
)
def test_text_of_a_value(value: object, text: str) -> None:
    assert text_of(value) == text


@given(st.text())
def test_never_raises(text: str) -> None:
    read_json_ld(page(text), URL)
