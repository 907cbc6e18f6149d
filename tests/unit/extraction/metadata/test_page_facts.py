"""Description, section, categories, access, licence and rights of a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from lxml.html import document_fromstring

from aggregator.extraction.metadata.page_facts import read_facts
from aggregator.extraction.metadata.stated import metas_of
from aggregator.models.pages import PageFacts, Rights

URL = "https://news.example/a/1"


def facts(head: str, article: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> PageFacts:
    tree = document_fromstring(f"<html><head>{head}</head><body><p>Text</p></body></html>")
    return read_facts(tree, metas_of(tree), article or {}, headers or {}, URL)


def test_a_page_that_says_nothing_is_unknown() -> None:
    assert facts("") == PageFacts(rights=Rights())


def test_description_and_section() -> None:
    page = '<meta property="og:description" content="A ship came in."><meta property="article:section" content="Ships">'
    found = facts(page, {"description": "Other", "articleSection": "Port"})
    assert (found.description, found.section) == ("A ship came in.", "Ships")
    other = facts("", {"description": "Other", "articleSection": ["Port", "Sea"]})
    assert (other.description, other.section) == ("Other", "Port")


@pytest.mark.parametrize(
    ("stated", "tier", "is_free"),
    [
        (True, "", True),
        (False, "free", False),
        ("False", "", False),
        ("http://schema.org/True", "", True),
        ("perhaps", "", None),
        (None, "free", True),
        (None, "Metered", False),
        (None, "locked", False),
        (None, "gold", None),
    ],
)
def test_access(stated: object, tier: str, is_free: bool | None) -> None:
    head = f'<meta property="article:content_tier" content="{tier}">' if tier else ""
    assert facts(head, {} if stated is None else {"isAccessibleForFree": stated}).is_free is is_free


@pytest.mark.parametrize(
    ("head", "article", "licence", "address"),
    [
        ('<link rel="license" href="/licence">', {}, "https://news.example/licence", "https://news.example/licence"),
        ('<link rel="license" href="">', {"license": "CC BY 4.0"}, "CC BY 4.0", None),
        ('<link rel="license" href="https://[x">', {}, None, None),
        ('<meta name="dcterms.license" content="CC0">', {}, "CC0", None),
        ("", {"license": "https://cc.example/by/4.0"}, "https://cc.example/by/4.0", "https://cc.example/by/4.0"),
    ],
)
def test_licence(head: str, article: Mapping[str, Any], licence: str | None, address: str | None) -> None:
    found = facts(head, article)
    assert found.rights is not None
    assert (found.licence, found.rights.licence_url) == (licence, address)


@pytest.mark.parametrize(
    ("robots", "headers", "noai", "reservation"),
    [
        ("index, noai", {}, True, None),
        ("", {"x-robots-tag": "otherbot: NoImageAI"}, True, None),
        ("index", {"tdm-reservation": "1"}, False, True),
        ("", {"tdm-reservation": "0"}, None, False),
        ("", {"tdm-reservation": "maybe"}, None, None),
    ],
)
def test_rights(robots: str, headers: Mapping[str, str], noai: bool | None, reservation: bool | None) -> None:
    head = f'<meta name="robots" content="{robots}">' if robots else ""
    found = facts(head, headers=headers).rights
    assert found == Rights(
        robots=robots or None,
        x_robots_tag=headers.get("x-robots-tag"),
        noai=noai,
        tdm_reservation=reservation,
    )


def test_rights_of_a_meta_element() -> None:
    found = facts('<meta name="tdm-reservation" content="1">').rights
    assert found is not None
    assert found.tdm_reservation is True
