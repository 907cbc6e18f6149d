"""Tells which address a feed's next poll requests: a pending redirect's target, an adopted one, or the configured one.

An address is adopted after permanent redirects to it. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from aggregator.models.feeds import Feed, FeedState
from aggregator.models.fetching import Hop
from aggregator.urls import host_of

_PERMANENT = frozenset({301, 308})


def end_redirect(state: FeedState) -> FeedState:
    """Return the state without its pending redirect, since this poll has requested the target."""
    return replace(state, pending_target=None, pending_hops=())


def host_of_feed(feed: Feed, state: FeedState) -> str:
    """Return the host (`name:port`) to which the feed's next poll sends its request."""
    return host_of(state.pending_target or state.adopted_url or feed.url)


def adopt(state: FeedState, feed: Feed, hops: tuple[Hop, ...], now: datetime) -> FeedState:
    """Return the state in which the next polls use the target of this poll's permanent redirects.

    Only the redirects before the first temporary one count (RFC 9110, 15.4.2 and 15.4.9). `hops` are all redirects of
    the poll.
    """
    target = None
    for hop in hops:
        if hop.status not in _PERMANENT:
            break
        target = hop.target
    if target is None or target == state.adopted_url:
        return state
    return replace(state, adopted_url=None if target == feed.url else target, adopted_at=now)
