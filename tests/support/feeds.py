"""A feed as the store returns it, for tests that have no store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aggregator.models.feeds import Feed, FeedState
from aggregator.models.ids import FeedId
from aggregator.urls import host_of


def feed_of(url: str, state: FeedState, **fields: Any) -> Feed:
    """Return an enabled feed with an adaptive interval. `fields` replace its fields."""
    feed = Feed(
        id=FeedId(1),
        url=url,
        host=host_of(url),
        name="",
        interval=None,
        tags=(),
        full_text=True,
        enabled=True,
        state=state,
    )
    return replace(feed, **fields)
