"""Selectors of rules, applied to a page."""

from __future__ import annotations

import pytest
from lxml.html import document_fromstring

from aggregator.extraction.metadata.stated import Stated
from aggregator.extraction.page_rules import (
    Applied,
    acting_rules,
    apply_rules,
    is_xpath,
    mark_css,
    rules_in_force,
    selector_faults,
)
from aggregator.extraction.site_config import SiteConfig

PAGE = """<html><head><meta name="author" content="Ada Byron"></head><body>
    <div class="x"><p id="a">One</p> <div class="x"><p id="b">Two</p></div></div>
    <time datetime="2024-05-03">today</time><a href="?2">next</a><aside>No</aside></body></html>"""


def applied(rules: SiteConfig, page: str = PAGE) -> Applied:
    return apply_rules(document_fromstring(mark_css(page, rules)), rules)


def texts(found: Applied) -> list[str]:
    return ["".join(element.itertext()).split()[0] for element in found.content]


@pytest.mark.parametrize("selector", ["#a, #b", "//p", "(//p)"])
def test_css_and_xpath_mean_the_same(selector: str) -> None:
    assert texts(applied(SiteConfig(content=(selector,)))) == ["One", "Two"]


def test_the_first_selector_that_finds_anything_holds() -> None:
    assert texts(applied(SiteConfig(content=(".none", "//none", "#b", "#a")))) == ["Two"]
    assert texts(applied(SiteConfig(content=(".x",)))) == ["One"]  # the inner one is part of the outer one
    assert applied(SiteConfig(content=(".none",))).content == ()


@pytest.mark.parametrize(
    ("rules", "stated"),
    [
        (SiteConfig(author=("meta[name=author]",)), Stated(authors=("Ada Byron",))),
        (SiteConfig(author=("//meta/@content",)), Stated(authors=("Ada Byron",))),
        (SiteConfig(author=("(string(//meta/@name))",)), Stated(authors=("author",))),
        (SiteConfig(author=("(string(//none))",)), Stated()),
        (SiteConfig(author=("//p",)), Stated(authors=("One", "Two"))),
        (SiteConfig(date=("time",)), Stated(dates=("2024-05-03",))),
        (SiteConfig(date=("(count(//p))", "//time")), Stated(dates=("2024-05-03",))),
        (SiteConfig(next_page=("a",)), Stated(next_page="?2")),
        (SiteConfig(), Stated()),
    ],
)
def test_what_is_stated(rules: SiteConfig, stated: Stated) -> None:
    assert applied(rules).stated == stated


def test_all_that_is_to_be_stripped_goes_but_the_root_and_text_stay() -> None:
    tree = document_fromstring(mark_css(PAGE, SiteConfig(strip=("aside",))))
    apply_rules(tree, SiteConfig(strip=("aside", "//p[@id='a']", "/html", "//p/text()", "//p/ancestor::div")))
    assert " ".join(tree.text_content().split()) == "todaynext"


@pytest.mark.parametrize("selector", ["/html[", "p[", "count(//p)", ""])
def test_what_is_no_selector_finds_nothing(selector: str) -> None:
    assert applied(SiteConfig(content=(selector,), strip=(selector,))).content == ()


def test_a_page_without_css_rules_is_not_rewritten() -> None:
    assert mark_css(PAGE, SiteConfig(content=("//p",))) is PAGE
    assert is_xpath("./p")
    assert not is_xpath("p")


def test_a_publishers_rule_goes_before_a_site_config() -> None:
    rule, config = SiteConfig(strip=("aside",)), SiteConfig(content=("//p",))
    assert rules_in_force(rule, config) is rule
    assert rules_in_force(SiteConfig(), config) is config
    assert rules_in_force(None, config) is config
    assert rules_in_force(None, None) is None


def test_selectors_that_are_none_are_named() -> None:
    rules = SiteConfig(content=("p", "p["), strip=("//p", "//p["))
    faults = sorted(selector_faults(rules))
    assert [fault.partition(";")[0] for fault in faults] == ["content: 'p[' is not CSS", "strip: '//p[' is not XPath"]
    assert all("write a selector such as" in fault for fault in faults)


def test_which_rules_act() -> None:
    rules = SiteConfig(content=(".none", "#b", "#a"), strip=("aside", ".none", "//time"), author=("//none",))
    assert acting_rules(PAGE, rules) == (("content", "#b"), ("strip", "aside"), ("strip", "//time"))
    assert acting_rules("", rules) == ()
