"""Keys and ids of articles, feeds, pages and hosts, and the kinds of evidence that two keys mean one article."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType

Key = NewType("Key", str)  # which article a URL means, e.g. "dw:63723431"
ArticleId = NewType("ArticleId", str)  # 16 hexadecimal digits
FeedId = NewType("FeedId", int)
PageId = NewType("PageId", int)
HostId = NewType("HostId", int)

NO_PAGE: Final = PageId(0)  # the id of a page that is not in the store yet
OWN_CONTENT: Final = "entry:"  # keys of entries without a page begin like this; their text is the feed's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The key of a URL and the name of the rule that gave it. URLs of one article have equal keys.

    `key` None: the URL cannot mean an article (a home page, for example).
    """

    url: str
    key: Key | None
    rule: str


class EvidenceKind(StrEnum):
    """The kinds of evidence that two keys mean one article, strongest first."""

    REDIRECT = "redirect"  # chain of our own fetch within one registrable domain
    PART = "part"  # a further page of the article, which we fetched and joined to its first
    FEED_LINK = "feed_link"  # link, origLink, permalink guid, content id of one entry
    CANONICAL = "canonical"  # canonical and og:url of the page agree, same site
    DECLARED = "declared"  # amphtml or shortlink of the page
    BARE_CANONICAL = "bare_canonical"  # canonical that og:url does not confirm: joins only equal texts
    SAME_TEXT = "same_text"  # two addresses of one site that served one text under one title
    LESSON = "lesson"  # the keys differ in a part that means nothing on this site, as learned from its pages
    SAME_ENTRY = "same_entry"  # an entry with the same title has a new link now: joins only equal texts
