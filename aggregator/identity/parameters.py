"""The parameters of addresses, and whether two addresses differ only in parameters that name no article. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from aggregator.urls import split

# What names an article, a place in it or a version of it in the addresses of common software: WordPress (p, page_id,
# attachment_id, cat, s, paged), Drupal (q, page), Joomla (option, view, id, itemid, task), MediaWiki (title, oldid,
# curid), phpBB and vBulletin (t, f, p, v), TYPO3 (uid, l), pages in ASP and PHP (id, nid, aid, sid, cid, newsid).
NEVER_LEARNED: Final = frozenset({
    "a", "action", "aid", "album", "archive", "art", "article", "article_id", "articleid", "artid",
    "attachment_id", "author", "c", "cat", "category", "channel", "cid", "city", "code", "comment", "cp",
    "curid", "d", "date", "day", "doc", "docid", "document", "edition", "entry", "ep", "episode", "event", "f",
    "file", "format", "forum", "g", "gallery", "h", "hl", "i", "id", "idx", "image", "img", "issue", "item",
    "itemid", "k", "key", "keyword", "l", "lang", "language", "lng", "locale", "location", "m", "month", "msg",
    "n", "name", "news", "news_id", "newsid", "nid", "no", "node", "num", "number", "o", "offset", "oldid",
    "option", "p", "page", "page_id", "paged", "pageid", "path", "permalink", "pg", "photo", "pid", "post",
    "post_id", "postid", "product", "q", "query", "r", "record", "region", "rev", "revision", "s", "search",
    "season", "section", "show", "sid", "slide", "slug", "sort", "start", "story", "story_id", "storyid",
    "subid", "t", "tab", "tag", "target", "task", "thread", "tid", "time", "title", "topic", "type", "u", "uid",
    "url", "user", "v", "version", "vid", "video", "view", "w", "week", "x", "y", "year",
})  # fmt: skip


def parameters(url: str) -> tuple[tuple[str, str], ...]:
    """Return the names and values in the query of an address, sorted; empty if it is no valid address.

    >>> parameters("https://example.org/a?b=2&a=1")
    (('a', '1'), ('b', '2'))
    """
    parts = split(url)
    return () if parts is None else tuple(sorted(parse_qsl(parts.query or "", keep_blank_values=True)))


def without_query(url: str) -> str:
    """Return the address without query and fragment."""
    return url.partition("#")[0].partition("?")[0]


def differ_in_values(one: str, other: str) -> bool:
    """Return whether two addresses differ only in values of parameters, and none of these names articles.

    `NEVER_LEARNED` has the parameters that name articles in common software.

    >>> differ_in_values("https://example.org/a?from=rss1", "https://example.org/a?from=rss2")
    True
    >>> differ_in_values("https://example.org/a?id=1", "https://example.org/a?id=2")
    False
    """
    if without_query(one) != without_query(other) or one.partition("#")[2] != other.partition("#")[2]:
        return False
    left, right = parameters(one), parameters(other)
    if [name for name, _ in left] != [name for name, _ in right]:
        return False
    changed = [name for (name, value), (_, now) in zip(left, right, strict=True) if value != now]
    return bool(changed) and NEVER_LEARNED.isdisjoint(name.lower() for name in changed)
