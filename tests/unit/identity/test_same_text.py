"""Two addresses with one text: when they are one article."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.identity.same_text import ServedText, edge_of_same_text, is_long_enough
from aggregator.models.ids import EvidenceKind, Key

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def served(path: str, *titles: str, host: str = "example.org", **facts: object) -> ServedText:
    made = ServedText(
        key=Key(f"https://{host}{path}"),
        site=host,
        text_hash=b"t" * 16,
        title_hash=b"h" * 16,
        language="en",
        feed_titles=frozenset(titles or ("Storm hits coast",)),
        first_seen=NOW,
    )
    return replace(made, **facts)  # type: ignore[arg-type]


HERE = served("/news/storm-hits-coast")


@pytest.mark.parametrize(
    "other",
    [
        served("/news/storm-hits-coast?maca=en-rss"),
        served("/world/storm-hits-coast"),
        served("/sp/storm-hits-coast", "Storm hits coast | The Example"),
        served("/node/17", "storm hits coast!"),
        served("/world/storm-hits-coast", first_seen=NOW + timedelta(days=14)),
        served("/2026/11/30/storm-hits-coast"),
    ],
)
def test_one_text_at_two_addresses_of_a_site_is_one_article(other: ServedText) -> None:
    edge = edge_of_same_text(HERE, other)
    assert edge is not None
    assert edge == edge_of_same_text(other, HERE)
    assert {edge.key, edge.other} == {HERE.key, other.key}
    assert (edge.kind, edge.site, edge.witness) == (EvidenceKind.SAME_TEXT, "example.org", "example.org")


TRAPS = {
    "itself": HERE,
    "another text": served("/x", text_hash=b"x" * 16),
    "another title": served("/x", title_hash=b"x" * 16),
    "another language": served("/x", language="fr"),
    "weeks later": served("/x", first_seen=NOW - timedelta(days=15)),
    "another title in the feed": served("/x", "The weather"),
    "no title in the feed": served("/x", ""),
    "another host": served("/x", host="blog.example.org"),
    "a publisher's number": replace(HERE, key=Key("dw:63723431")),
    "a section": served("/news"),
    "a page below": served("/news/storm-hits-coast/comments"),
    "untranslated": served("/fr/news/storm-hits-coast"),
    "untranslated, by parameter": served("/news/storm-hits-coast?lang=fr"),
}


@pytest.mark.parametrize("name", TRAPS)
def test_what_stays_apart(name: str) -> None:
    assert edge_of_same_text(HERE, TRAPS[name]) is None
    assert edge_of_same_text(TRAPS[name], HERE) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/weather/2026-11-29", "/weather/2026-11-30"),
        ("/2026/11/29/column", "/2026/11/30/column"),
        ("/a/20261129-lottery", "/a/20261130-lottery"),
        ("/@ann/a-post", "/@bob/a-post"),
        ("/~ann/a-post", "/b/a-post"),
    ],
)
def test_other_days_and_other_people_stay_apart(one: str, other: str) -> None:
    assert edge_of_same_text(served(one), served(other)) is None


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("word " * 59, False), ("word " * 60, True), ("文" * 239, False), ("文" * 240, True), ("", False)],
)
def test_how_long_a_text_has_to_be(text: str, verdict: bool) -> None:
    assert is_long_enough(text) is verdict
