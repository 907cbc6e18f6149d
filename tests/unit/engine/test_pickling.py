"""Records on their way to another process."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest

from aggregator.engine.pickling import MANY, pass_values
from aggregator.extraction.pipeline import read_along
from aggregator.feeds.sightings import read_feed
from aggregator.identity.publisher_rules import Publishers
from aggregator.models.records import Feed, FeedId, FeedState
from aggregator.ports.store_records import FeedReading
from tests.support.answers import fetched

NOW = datetime(2026, 11, 20, tzinfo=UTC)
FEED = b"""<rss version="2.0"><channel><title>News</title><item><title>One</title><link>https://a.example/1</link>
<guid>https://a.example/?p=1</guid><description>A sentence.</description></item></channel></rss>"""


def there_and_back(sent: Any) -> Any:  # Any: whatever is sent
    pass_values()
    return ForkingPickler.loads(ForkingPickler.dumps(sent))


def test_a_reading_arrives_as_it_was_sent() -> None:
    url = "https://a.example/feed"
    feed = Feed(
        id=FeedId(1),
        url=url,
        host="a.example:443",
        name="",
        interval=None,
        tags=(),
        full_text=False,
        enabled=True,
        state=FeedState(due_at=NOW),
    )
    answer = fetched(url, FEED, "application/rss+xml")
    reading = read_along(read_feed(feed, answer, (), NOW, Publishers()), feed, NOW, Publishers())
    assert reading.sightings[0].article is not None
    assert reading.sightings[0].edges
    arrived = there_and_back(reading)
    assert isinstance(arrived, FeedReading)
    assert arrived == reading


@pytest.mark.parametrize("kind", MANY)
def test_every_field_arrives(kind: type[Any]) -> None:
    names = [field.name for field in fields(kind)]
    sent = object.__new__(kind)
    for name in names:
        object.__setattr__(sent, name, f"its {name}")
    arrived = there_and_back(sent)
    assert type(arrived) is kind
    assert [getattr(arrived, name) for name in names] == [f"its {name}" for name in names]
