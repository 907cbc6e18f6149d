"""Headlines of pages whose first h1 is the name of the blog or of a section."""

from __future__ import annotations

import pytest
from lxml.html import document_fromstring

from aggregator.extraction.metadata.headings import Statements
from aggregator.extraction.metadata.titles import stated_titles, title_of

URL = "https://mill.example/2024/bridge"
HEAD = "Old bridge opens again after four years"


def title(body: str, statements: Statements, site: str = "") -> str:
    return title_of(document_fromstring(f"<html><body>{body}</body></html>"), statements, site, URL)


@pytest.mark.parametrize(
    ("body", "stated"),
    [
        (f"<h1><a href='/'>Sawdust</a></h1><h2>{HEAD}</h2>", f"Sawdust: {HEAD}"),
        (f"<h1>Sawdust</h1><h1>{HEAD}</h1>", f"{HEAD} | Sawdust"),
        (f"<h1>Culture</h1><h2><a href='/x'>{HEAD}</a></h2>", f"{HEAD} – The Mill Courier"),
        (f"<h1>Notes</h1><h3>{HEAD}</h3>", f"Notes: {HEAD}"),
        (f"<h1>{HEAD}</h1><h2>Money for the town</h2>", "Old bridge opens again after…"),
        (f"<a href='https://mill.example'>The Mill</a><p>{HEAD}</p>", f"{HEAD} › The Mill"),
        (f"<h1>Notes</h1><h2></h2><h2>Notes</h2><h3>{HEAD}</h3><h3>Old bridge</h3>", f"Notes: {HEAD}"),
        ("<h1>Old bri\u00addge opens again after four years</h1>", HEAD),
    ],
)
def test_the_headline_is_found_below_the_name_of_the_blog(body: str, stated: str) -> None:
    assert title(body, Statements(element=stated)) == HEAD


def test_a_page_without_any_statement_has_its_first_heading_or_none() -> None:
    assert title(f"<h1>{HEAD}</h1>", Statements()) == HEAD
    assert title("<p>Text</p>", Statements()) == ""
    assert title("<a href='http://[x'>broken</a><h1>Short</h1>", Statements(headline=HEAD)) == HEAD


def test_two_statements_that_agree_go_before_what_the_page_shows() -> None:
    shown = "Bridge opens again"
    assert title(f"<h1>{shown}</h1>", Statements(f"{shown} in May", f"{shown} in May")) == f"{shown} in May"


def test_a_kicker_that_the_page_s_own_data_has_stays_before_the_heading() -> None:
    tree = document_fromstring("<h1>New minister named</h1>")
    statements = Statements("After the retreat: New minister named", "After the retreat: New minister named")
    assert title_of(tree, statements, "", "") == "After the retreat: New minister named"
    assert title_of(tree, statements._replace(headline=""), "", "") == "New minister named"


def test_the_titles_in_the_head_of_a_source_are_those_of_its_elements() -> None:
    metas = f"<meta name=description content='x'><meta property=og:title content='{HEAD}'><meta itemprop=headline>"
    assert list(stated_titles(f"<title>Bread &amp; salt</title>{metas}")) == ["Bread & salt", HEAD]
