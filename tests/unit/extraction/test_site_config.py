"""Site-config files of FiveFilters as rules about pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.extraction.extract import extract_page
from aggregator.extraction.site_config import SiteConfig, SiteConfigs, load_site_configs, read_site_config
from aggregator.models.articles import ExtractInput, Extraction

FILE = """
# a comment: //nothing
title: //h1
body: //div[@id='story'] | //div[@id="more"]
body: //article
author: //meta[@name='author']/@content
author: //b[@class='who']
date: substring-after(//i, 'Published ')
strip: //div[@class='related']
strip_id_or_class: advert
strip_id_or_class: o'clock
strip_id_or_class: both'"kinds
strip_id_or_class: ""
strip_image_src: /pixel
next_page_link: //a[@class='next']
prune: no
http_header(user-agent): Example
replace_string(<br>): </p>
strip:
test_url: https://example.org/a
nonsense
"""


def test_a_file() -> None:
    assert read_site_config(FILE) == SiteConfig(
        content=("//div[@id='story'] | //div[@id=\"more\"]", "//article"),
        author=("//meta[@name='author']/@content", "//b[@class='who']"),
        date=("(substring-after(//i, 'Published '))",),
        strip=(
            "//div[@class='related']",
            "//*[contains(@class, 'advert') or contains(@id, 'advert')]",
            '//*[contains(@class, "o\'clock") or contains(@id, "o\'clock")]',
            "//img[contains(@src, '/pixel')]",
        ),
        next_page=("//a[@class='next']",),
    )


def test_a_file_applied_to_a_page() -> None:
    page = b"""<html><head></head><body><article><p>Not this.</p></article><div id="story"><p>One.</p>
        <div class="advert-top"><p>Buy!</p></div><p>Two.</p></div><div class="related"><p>Related</p></div>
        <b class="who">Ada Byron</b><i>Published 3 May 2024</i><a class="next" href="/a/2">2</a></body></html>"""
    found = extract_page(ExtractInput(url="https://example.org/a", body=page), read_site_config(FILE))
    assert isinstance(found, Extraction)
    assert found.body == "One.\n\nTwo."
    assert (found.authors, found.date) == (("Ada Byron",), "2024-05-03")
    assert found.declared.next_page == "https://example.org/a/2"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.org", "own"),
        ("WWW.example.org", "own"),
        ("news.example.org", "below"),
        ("a.b.example.org", "below"),
        ("example.com", None),
        ("localhost", None),
    ],
)
def test_the_file_of_a_host(host: str, name: str | None) -> None:
    named = {name: SiteConfig(content=(f"//{name}",)) for name in ("own", "below")}
    configs = SiteConfigs(by_host={"example.org": named["own"], ".example.org": named["below"]})
    assert configs.of(host) == (named[name] if name else None)


def test_a_directory(tmp_path: Path) -> None:
    (tmp_path / "example.org.txt").write_bytes(b"body: //article\nauthor: //b[.='\xff']\n")
    (tmp_path / ".Example.net.txt").write_text("strip: //aside\n")
    (tmp_path / "empty.org.txt").write_text("tidy: no\n")
    (tmp_path / "README.md").write_text("body: //article\n")
    assert load_site_configs(tmp_path).by_host == {
        "example.org": SiteConfig(content=("//article",), author=("//b[.='\ufffd']",)),
        ".example.net": SiteConfig(strip=("//aside",)),
    }


@given(st.text())
def test_never_raises(text: str) -> None:
    read_site_config(text)
    read_site_config("body: " + text)
