"""What the rest of the house calls: URL to key, its version, its hashes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.identity.identify import (
    article_id,
    identify,
    key_hash,
    key_version,
    without_idle_parameters,
)
from aggregator.identity.publisher_rules import Publishers, shipped_publishers
from aggregator.models.ids import Identity, Key

DW = shipped_publishers()


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("https://p.dw.com/p/4JNNH", "https://www.dw.com/en/x/a-63723431"),
        ("https://p.dw.com/p/4Qrqm", "https://www.dw.com/en/x/video-65508876"),
    ],
)
def test_short_and_long_link_are_one_article(short: str, long: str) -> None:
    assert identify(short, DW).key == identify(long, DW).key


def test_an_edited_headline_keeps_the_article_and_a_translation_is_another() -> None:
    key = identify("https://www.dw.com/en/before/a-63723431", DW).key
    assert identify("https://www.dw.com/en/after/a-63723431?maca=en-rss", DW).key == key
    assert identify("https://www.dw.com/de/uebersetzung/a-63723999", DW).key != key


def test_identity_carries_the_address_verbatim() -> None:
    assert identify(" HTTP://Example.org ", DW) == Identity(
        url=" HTTP://Example.org ", key=Key("https://example.org/"), rule="generic"
    )
    assert identify("nonsense", DW) == Identity(url="nonsense", key=None, rule="no-url")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a?utm_source=x&id=5&fbclid=y#part", "https://example.org/a?id=5#part"),
        ("https://example.org/a?utm_source=x", "https://example.org/a"),
        ("https://example.org/a?id=5", "https://example.org/a?id=5"),
        ("https://example.org/a#?utm_source=x", "https://example.org/a#?utm_source=x"),
        ("https://www.dw.com/en/x/a-63723431?maca=en-rss", "https://www.dw.com/en/x/a-63723431"),
        ("nonsense?utm_source=x", "nonsense?utm_source=x"),
        (f"https://example.org/a?{'utm_a=1&' * 50}", f"https://example.org/a?{'utm_a=1&' * 50}"),
    ],
)
def test_parameters_that_make_no_difference_are_left_out(url: str, shown: str) -> None:
    assert without_idle_parameters(url, DW) == shown


@given(st.text(st.sampled_from("?&=#ab/utm_x5")))
def test_the_shown_address_means_the_same_article(tail: str) -> None:
    url = f"https://example.org/{tail}"
    assert identify(without_idle_parameters(url, DW), DW).key == identify(url, DW).key


@given(st.text())
def test_nothing_raises(url: str) -> None:
    identity = identify(url, DW)
    assert identity.url == url
    if identity.key is not None:
        assert len(key_hash(identity.key)) == 16
        assert re.fullmatch("[0-9a-f]{16}", article_id(identity.key))


def test_hashes_take_any_text_and_differ() -> None:
    assert key_hash("\ud800") != key_hash("a")
    assert article_id(Key("\ud800")) != article_id(Key("a"))


def test_the_version_names_steps_and_rules() -> None:
    assert re.fullmatch(r"[0-9]+-[0-9a-f]{16}", key_version(DW))
    assert key_version(DW) != key_version(Publishers())
