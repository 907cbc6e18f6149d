from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aggregator.feeds.parse import parse_feed
from aggregator.feeds.sightings import identify_entries
from aggregator.identity.own_entries import can_stand_in, is_episode
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.models.feeds import Enclosure, Feed, FeedState
from aggregator.models.ids import OWN_CONTENT
from aggregator.ports.store_records import Sighting
from tests.support.feeds import feed_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FEED = feed_of("https://pod.example/feed", FeedState(due_at=NOW))
RULES = shipped_publishers()


def sighted(inner: str, feed: Feed = FEED) -> Sighting:
    body = f"<rss version='2.0'><channel><item><guid isPermaLink='false'>1</guid>{inner}</item></channel></rss>"
    (only,) = identify_entries(parse_feed(body.encode(), url=feed.url, now=NOW), feed, RULES).sightings
    return only


def test_a_link_is_the_page_of_the_article() -> None:
    one = sighted("<link>https://pod.example/story-1</link><description>Teaser</description>")
    assert (one.url, one.from_feed) == ("https://pod.example/story-1", False)
    assert [decision.verdict for decision in one.decisions] == ["announced"]
    assert sighted("<link>https://pod.example/story-1</link>", replace(FEED, full_text=False)).from_feed


@pytest.mark.parametrize(
    ("link", "rule"),
    [
        ("<link>https://pod.example/</link>", "home page"),
        ("<link>#</link>", "the feed itself"),
        ("<link>https://pod.example/1.mp3</link><enclosure url='https://pod.example/1.mp3'/>", "a file of the entry"),
    ],
)
def test_a_link_to_no_page_leaves_the_entry_its_own_text(link: str, rule: str) -> None:
    one = sighted(f"{link}<description>We talk about the bridge.</description>")
    assert one.from_feed
    assert one.identity is not None
    assert one.identity.key is not None
    assert one.identity.key.startswith(OWN_CONTENT)
    assert [(decision.verdict, decision.rule) for decision in one.decisions] == [("skipped", rule)]


def test_an_entry_with_neither_link_nor_text_leads_nowhere() -> None:
    assert sighted("<title>Nothing</title>").identity is None
    assert sighted("<description>Words.</description>").decisions == ()


@pytest.mark.parametrize(
    ("kind", "stands_in"), [("audio/mpeg", True), ("video/mp4", True), ("image/jpeg", False), ("", False)]
)
def test_the_description_of_an_episode_is_a_text(kind: str, stands_in: bool) -> None:
    files = (Enclosure(url="https://pod.example/1", type=kind),)
    assert is_episode(files) == stands_in
    assert can_stand_in("", "We talk about the bridge.", files) == stands_in
    assert not can_stand_in("", "", files)
