"""Forgets the last answer of a feed if the rule for reading the feed has changed. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from aggregator.models.feeds import FeedState
from aggregator.models.fetching import Validators
from aggregator.models.sources import SourceRule


def read_under(state: FeedState, rule: SourceRule) -> FeedState:
    """Return the state of a feed that is now read by `rule`.

    If it was read by another rule before, its last answer is forgotten: the same bytes may give other entries now.
    """
    read_as = _hash(rule)
    if state.read_as == read_as:
        return state
    return replace(state, read_as=read_as, validators=Validators(), body_hash="", raw_hashes=(), index=None)


def _hash(rule: SourceRule) -> str:
    """Return a hash of the rule; "": the source is a plain feed, fetched or printed by a program."""
    if rule.kind in ("feed", "command"):
        return ""
    select = rule.select
    parts = (rule.kind, select.entry, select.link, select.title, select.date)
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
