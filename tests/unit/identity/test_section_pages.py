"""Home pages and sections, as far as an address tells."""

from __future__ import annotations

import pytest

from aggregator.identity.section_pages import is_home, is_listing
from aggregator.models.ids import Key


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("https://example.org/", True),
        ("https://example.org/?p=123", False),
        ("https://example.org/?t=1789633752", True),
        ("https://example.org/en", True),
        ("https://example.org/en-us", True),
        ("https://example.org/sport/football", True),
        ("https://example.org/EN/News/world", True),
        ("https://example.org/final", False),
        ("https://example.org/articles/one", False),
        ("https://example.org/2026/11", True),
        ("https://example.org/1927", False),
        ("https://example.org/tag/storm-warning-2026", True),
        ("https://example.org/tags", True),
        ("https://example.org/themen/klima", True),
        ("https://example.org/x/archive", True),
        ("https://example.org/x/archive/2020/08/a-slug/615610", False),
        ("https://example.org/x/archive/2020/08/31", True),
        ("https://example.org/themen/klima/sturm-trifft-die-nordsee", False),
        ("https://example.org/topics/storm%20hits%20the%20coast", False),
        ("https://example.org/author/ann-marie-of-cleves/feed", True),
        ("https://example.org/news/world/a-storm-hits", False),
        ("https://example.org/news?id=5", False),
        ("https://example.org/#!5753509/hello", False),
        ("https://example.org/storm-hits-coast", False),
        ("dw:63723431", False),
    ],
)
def test_what_looks_like_a_listing(address: str, verdict: bool) -> None:
    assert is_listing(Key(address)) is verdict


def test_a_home_page_stays_one_whatever_is_appended() -> None:
    assert is_home(Key("https://example.org/?t=1789633752"))
    assert not is_home(Key("https://example.org/?p=1"))
    assert not is_home(Key("https://example.org/news"))
    assert not is_home(Key("dw:63723431"))
