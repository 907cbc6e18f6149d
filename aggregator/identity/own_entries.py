"""Recognises entries whose own content can be the article, and makes their keys from feed and entry id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from aggregator.models.feeds import Enclosure
from aggregator.models.ids import OWN_CONTENT, Identity, Key
from aggregator.urls import without_userinfo

_FULL_SUMMARY_CHARS = 500  # a summary of this length is a text of its own


def can_stand_in(content: str, summary: str, enclosures: Iterable[Enclosure] = ()) -> bool:
    """Return whether an entry's own text can be the article if the page gives none.

    It can if the entry has content, a long summary, or any summary with an audio or video file: such a file is the main
    content of its page. A short summary alone is a teaser.

    >>> can_stand_in("<p>All of it.</p>", ""), can_stand_in("", "A teaser.")
    (True, False)
    """
    return bool(content) or len(summary) >= _FULL_SUMMARY_CHARS or bool(summary and is_episode(enclosures))


def is_episode(enclosures: Iterable[Enclosure]) -> bool:
    """Return whether an entry has audio or video attachments."""
    return any(file.type.startswith(("audio/", "video/")) for file in enclosures)


def own_identity(feed_url: str, entry_id: str, address: str) -> Identity:
    """Return URL and key of an article that is an entry's own content. The key has a hash of feed address and id.

    The URL is where readers find the entry: `address`, with that hash as its fragment.

    >>> own_identity("https://a.example/feed", "n1", "https://a.example/notes").url.partition("#")[0]
    'https://a.example/notes'
    """
    own = hashlib.blake2b(f"{feed_url}\n{entry_id}".encode(), digest_size=16).hexdigest()
    url = f"{without_userinfo(address).partition('#')[0]}#{own}"
    return Identity(url=url, key=Key(f"{OWN_CONTENT}{own}"), rule="feed entry")
