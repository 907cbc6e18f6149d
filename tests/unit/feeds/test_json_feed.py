from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feeds.json_feed import parse_json_feed
from aggregator.models.feeds import Entry, ParsedFeed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "https://json.example/feed.json"


def parse(document: object) -> ParsedFeed:
    return parse_json_feed(json.dumps(document), url=URL, now=NOW)


def entry(**item: object) -> Entry:
    return parse({"version": "https://jsonfeed.org/version/1", "items": [item]}).entries[0]


@pytest.mark.parametrize(
    ("raw", "wanted"), [(7, "7"), (7.0, "7"), (7.5, "7.5"), ("x", "x"), (" x ", "x"), (None, ""), (True, ""), ([1], "")]
)
def test_ids_are_text(raw: object, wanted: str) -> None:
    assert entry(id=raw).id == wanted


@pytest.mark.parametrize(
    ("item", "link"),
    [
        ({"url": "/a"}, "https://json.example/a"),
        ({"url": "b"}, "https://json.example/b"),
        ({"external_url": "https://x.example/"}, "https://x.example/"),
        ({"url": "javascript:x", "external_url": "https://x.example/"}, "https://x.example/"),
        ({"id": "https://y.example/1"}, "https://y.example/1"),
        ({"id": "urn:x"}, None),
    ],
)
def test_link(item: dict[str, object], link: str | None) -> None:
    assert entry(**item).link == link


@pytest.mark.parametrize(
    ("item", "authors"),
    [
        ({"authors": [{"name": "A"}, {"name": "B"}, {"name": "A"}]}, ("A", "B")),
        ({"author": {"name": "A"}}, ("A",)),
        ({"author": "A"}, ("A",)),
        ({"author": {"url": "https://a.example/"}}, ("https://a.example/",)),
        ({"authors": "A", "author": ["B", "C"]}, ("B", "C")),
        ({}, ("Feed",)),
    ],
)
def test_authors(item: dict[str, object], authors: tuple[str, ...]) -> None:
    assert parse({"items": [item], "author": {"name": "Feed"}}).entries[0].authors == authors


def test_odd_values_are_forgiven() -> None:
    feed = parse(
        {
            "version": 1,
            "title": ["x"],
            "home_page_url": 5,
            "hubs": ["x", {}],
            "items": [
                {"title": None, "tags": "one", "attachments": [{}, {"url": "a.mp3", "size_in_bytes": True}, 3]},
                4,
            ],
        }
    )
    assert (feed.kind, feed.title, feed.hub) == ("feed", "", None)
    (only,) = feed.entries
    assert only.categories == ("one",)
    assert [(e.url, e.length) for e in only.enclosures] == [("https://json.example/a.mp3", None)]
    assert entry(content_text="a\ud800b").content == "a?b"


def test_a_version_without_items_is_a_feed() -> None:
    assert parse({"version": "https://jsonfeed.org/version/1.1"}).kind == "feed"
    assert parse({"items": {}}).kind is None
    assert parse([]).kind is None


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"items":[' + "9" * 10_000 + "]}"])
def test_broken_json_is_an_error_value(text: str) -> None:
    feed = parse_json_feed(text, url=URL, now=NOW)
    assert (feed.kind, feed.error[:11]) == (None, "broken JSON")


KEYS = st.sampled_from(
    ["id", "url", "title", "items", "author", "authors", "name", "tags", "attachments", "hubs", "date_published"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=3))
def test_no_document_raises(items: list[object]) -> None:
    feed = parse({"version": "jsonfeed", "items": items})
    assert all(one.entry_id for one in feed.entries)


def test_signs_that_no_text_may_hold_are_left_out() -> None:
    body = r'{"items": [{"id": "a\u0000b", "title": "On\u0000e\u0007", "content_text": "x\u0000"}]}'
    (entry,) = parse_json_feed(body, url="", now=NOW).entries
    assert (entry.id, entry.title, entry.content) == ("ab", "One", "x")


def test_dates_are_read_in_the_language_of_the_feed() -> None:
    body = '{"language": "pl", "items": [{"id": "1", "date_published": "11 listopada 2022"}]}'
    (entry,) = parse_json_feed(body, url="", now=NOW).entries
    assert entry.published_at is not None
    assert entry.published_at.month == 11


@pytest.mark.parametrize(
    ("text", "title", "ids"),
    [
        (
            '{"title": "T", "items": [{"id": "1", "title": "One"}, {"id": "2", "title": "O "n" e", "authors": '
            '[{"name": "A"}], "attachments": [{"url": "https://a.example/x", "mime_type": "a/b", "title": "x"}]}, '
            '{"id": "3", "title": "Three"}]}',
            "T",
            ["1", "3"],
        ),
        (
            '{"title": "T", "items": [{"id": "1", "title": "One"}, <b>Warning</b>: {x} {"id": "2", "title": "b"}]}',
            "T",
            ["1", "2"],
        ),
        ('{"title": T, "items": [{"id": "1", "summary": "One"}]}', "", ["1"]),
    ],
)
def test_whole_items_of_a_feed_that_is_broken_in_its_middle(text: str, title: str, ids: list[str]) -> None:
    feed = parse_json_feed(text, url="", now=NOW)
    assert (feed.title, [entry.id for entry in feed.entries], feed.complete) == (title, ids, False)


def test_a_feed_of_broken_items_is_given_up() -> None:
    body = '{"items": [' + '{"id": x},' * 200 + '{"id": "1", "title": "One"}]}'
    assert parse_json_feed(body, url="", now=NOW).entries == ()
