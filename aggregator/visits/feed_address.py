"""Chooses the address for a feed's next poll: the configured one, a pending redirect, or an adopted one. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from aggregator.models.feeds import Feed, FeedState
from aggregator.models.fetching import Hop
from aggregator.urls import host_of

_PERMANENT = frozenset({301, 308})


def end_redirect(state: FeedState) -> FeedState:
    """Forget the redirect that was pending: this poll has followed it."""
    return replace(state, pending_target=None, pending_hops=())


def host_of_feed(feed: Feed, state: FeedState) -> str:
    """Return the host that the next poll asks."""
    return host_of(state.pending_target or state.adopted_url or feed.url)


def adopt(state: FeedState, feed: Feed, hops: tuple[Hop, ...], now: datetime) -> FeedState:
    """Use the address behind the leading permanent redirects from the next poll on (RFC 9110, 15.4.2 and 15.4.9)."""
    target = None
    for hop in hops:
        if hop.status not in _PERMANENT:
            break
        target = hop.target
    if target is None or target == state.adopted_url:
        return state
    return replace(state, adopted_url=None if target == feed.url else target, adopted_at=now)
