"""Changes a feed's state if the rule for reading the feed changed. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from aggregator.models.feeds import FeedState
from aggregator.models.fetching import Validators
from aggregator.models.sources import SourceRule


def read_under(state: FeedState, rule: SourceRule) -> FeedState:
    """Forget the last answer if another rule was used to read it: the same bytes may give other entries now."""
    read_as = _hash(rule)
    if state.read_as == read_as:
        return state
    return replace(state, read_as=read_as, validators=Validators(), body_hash="", raw_hashes=(), index=None)


def _hash(rule: SourceRule) -> str:
    """Return a hash of the rule; "": the source is a plain feed, perhaps printed by a program."""
    if rule.kind in ("feed", "command"):
        return ""
    select = rule.select
    parts = (rule.kind, select.entry, select.link, select.title, select.date)
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
