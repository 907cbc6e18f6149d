"""What a feed's table says about its articles."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.extraction.feed_rules import (
    FeedRules,
    announced_by,
    article_rules,
    ruled,
    strip_title,
)
from aggregator.extraction.site_config import SiteConfig
from aggregator.models.articles import ExtractInput, Extraction


@pytest.mark.parametrize(
    ("title", "parts", "left"),
    [
        ("Ferry late | The Harbour", ("The Harbour",), "Ferry late"),
        ("Ferry late \u2013 THE HARBOUR", ("the  harbour",), "Ferry late"),
        ("The Harbour: Ferry late", ("The Harbour",), "Ferry late"),
        ("Live: Ferry late - The Harbour", ("The Harbour", "live"), "Ferry late"),
        ("Ferry late [update]", ("[update]",), "Ferry late"),
        ("\u6e2f\u53e3\u95dc\u9589_\u6d77\u5cb8\u5831", ("\u6d77\u5cb8\u5831",), "\u6e2f\u53e3\u95dc\u9589"),
        ("Late ferry at The Harbours", ("The Harbour",), "Late ferry at The Harbours"),  # another word
        ("Northbound", ("bound", "north"), "Northbound"),
        ("The Harbour is closed today", ("closed",), "The Harbour is closed today"),  # not at an end
        ("The Harbour", ("The Harbour",), "The Harbour"),  # nothing would be left
        ("12 (c) Ferry  late (c)", (r"re:\(c\)", "re:^[0-9]+"), "Ferry late"),
        ("Ferry late", ("re:.*",), "Ferry late"),
        ("Ferry late", (), "Ferry late"),
        ("", ("The Harbour",), ""),
    ],
)
def test_title_strip(title: str, parts: tuple[str, ...], left: str) -> None:
    assert strip_title(title, parts) == left


@given(title=st.text(max_size=30), parts=st.lists(st.text(min_size=1, max_size=5).filter(str.strip), max_size=3))
def test_a_title_is_never_emptied(title: str, parts: list[str]) -> None:
    plain = tuple(part for part in parts if not part.startswith("re:"))
    left = strip_title(title, plain)
    assert left in title
    assert bool(left) == bool(title)


def test_selectors_of_the_feed_go_before_those_of_others() -> None:
    others = SiteConfig(content=("main",), strip=("aside",), author=(".by",), next_page=("a.next",))
    own = FeedRules(content=("div.story",), strip=("p.share",), date=("time",), language="de")
    joined = article_rules(own, others)
    assert joined.feed is own
    assert joined.pages == replace(
        own, content=("div.story", "main"), strip=("p.share", "aside"), author=(".by",), next_page=("a.next",)
    )
    assert article_rules(own, None).pages is own
    assert article_rules(FeedRules(language="de"), others).pages is others


def test_title_and_language_are_those_of_the_operator() -> None:
    rules = FeedRules(title_strip=("The Harbour",), language="lb")
    content = Extraction(title="Ferry late | The Harbour", language="de", body="b", source="page")
    assert (ruled(content, rules).title, ruled(content, rules).language) == ("Ferry late", "lb")
    assert ruled(content, FeedRules()) == content
    page = ExtractInput(url="", body=b"", feed_title="The Harbour: Ferry late", feed_language="en")
    announced = announced_by(page, rules)
    assert (announced.feed_title, announced.feed_language) == ("Ferry late", "lb")
    assert announced_by(page, FeedRules()) == page
