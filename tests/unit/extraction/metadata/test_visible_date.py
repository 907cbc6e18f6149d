"""Which day a page shows as its own: full dates around the headline."""

from __future__ import annotations

import pytest
from lxml.html import document_fromstring

from aggregator.extraction.metadata.json_ld import JsonLd
from aggregator.extraction.metadata.stated import Stated, read_metadata

LONG = "<p>" + "Words of a paragraph of the article itself. " * 5 + "</p>"


def published_in(body: str) -> str:
    tree = document_fromstring(f"<html><head><title>x</title></head><body>{body}</body></html>")
    return read_metadata(tree, {}, JsonLd(), "https://courier.example/a", Stated(), None).published


@pytest.mark.parametrize(
    "line",
    [
        "<p>Published on November 11, 2022</p>",
        "<p>By Ada Lovelace <span>| 11.11.2022</span></p>",
        "<div>Ada Lovelace<br>11 novembre 2022</div>",
        '<time datetime="2022-11-11">three years ago</time>',
        "<time>Nov 11, 2022</time>",
        "<p>2022年11月11日</p>",
    ],
)
def test_a_full_date_below_the_headline_is_the_page_s(line: str) -> None:
    assert published_in(f"<h1>All is well</h1>{line}{LONG}") == "2022-11-11"


@pytest.mark.parametrize(
    "line",
    [
        "<p>November 2022</p>",
        "<p>Chapter 11 of 12</p>",
        "<p>5 min read, 300 words</p>",
        "<p>03/02/2022</p>",
        '<div class="related-posts"><p>November 11, 2022</p></div>',
        "<nav><p>November 11, 2022</p></nav>",
        "<script>November 11, 2022</script>",
        "<p>November 11, 2022 was the day on which all of this came about as everybody knows</p>",
        f"{LONG}{LONG}<p>November 11, 2022</p>",
    ],
)
def test_other_numbers_are_no_date(line: str) -> None:
    assert published_in(f"<h1>All is well</h1>{line}{LONG}") == ""


def test_a_date_below_the_headline_goes_before_one_above_it() -> None:
    above = "<p>May 3, 2021</p><h1>All is well</h1>"
    assert published_in(above + "<p>May 4, 2021</p>") == "2021-05-04"
    assert published_in(above) == "2021-05-03"
