"""The identity of an entry whose own content is the article: it depends on feed and entry id, not on a link."""

from __future__ import annotations

import hashlib

from aggregator.models.records import OWN_CONTENT, Identity, Key
from aggregator.urls import without_userinfo


def own_identity(feed_url: str, entry_id: str, address: str) -> Identity:
    """Return the identity; `address` is where the entry can be looked up, the feed's or the one it links to.

    >>> own_identity("https://a.example/feed", "n1", "https://a.example/notes").url.partition("#")[0]
    'https://a.example/notes'
    """
    own = hashlib.blake2b(f"{feed_url}\n{entry_id}".encode(), digest_size=16).hexdigest()
    url = f"{without_userinfo(address).partition('#')[0]}#{own}"
    return Identity(url=url, key=Key(f"{OWN_CONTENT}{own}"), rule="feed entry")
