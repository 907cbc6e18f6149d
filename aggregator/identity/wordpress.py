"""WordPress: its short links, and the "?p=" address of a post. Pure.

A short link is https://wp.me/p<blog>-<post>, both in base 62 with small letters first
(https://wordpress.com/support/shortlinks, read 2026-11). The link does not contain the blog's host; only a fetched page
that declares a short link tells it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aggregator.identity.keys import decode_base62
from aggregator.identity.publisher_rules import Publishers
from aggregator.identity.sites import end_of
from aggregator.models.ids import Key
from aggregator.models.pages import DeclaredUrls
from aggregator.urls import host_of, split

_SHORT_KEY = re.compile(r"https://wp\.me/[pP][0-9A-Za-z]{1,10}-[0-9A-Za-z]{1,10}")
_POST = re.compile(r"https://([^/?]+)/\?p=([0-9]{1,18})")
_SHORT_PATH = re.compile(r"/[pP]([0-9A-Za-z]{1,10})-([0-9A-Za-z]{1,10})/?")


def parse_wordpress_shortlink(url: str) -> tuple[int, int] | None:
    """Return the numbers of blog and post in a wp.me short link; None: `url` is no such link.

    >>> parse_wordpress_shortlink("https://wp.me/p2-1c")
    (2, 74)
    """
    parts = split(url)
    if parts is None or parts.host != "wp.me":
        return None
    match = _SHORT_PATH.fullmatch(parts.path)
    if match is None:
        return None
    return decode_base62(match[1], "base62_lower"), decode_base62(match[2], "base62_lower")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blog:
    """A WordPress blog: its number in short links, its host (with a port other than 80 and 443), and its site."""

    number: int
    host: str
    site: str


def blog_of_page(page_url: str, declared: DeclaredUrls, publishers: Publishers) -> Blog | None:
    """Return the WordPress blog at a page's host; None: the page declares no usable wp.me short link."""
    post = parse_wordpress_shortlink(declared.shortlink or "")
    end = None if post is None else end_of(post_url(page_url, post[1]), publishers)
    match = None if end is None else _POST.fullmatch(end[0])
    if post is None or end is None or match is None:
        return None
    return Blog(number=post[0], host=match[1], site=end[1])


def post_of_key(key: Key) -> tuple[str, int] | None:
    """Return host and number of a WordPress post if `key` is its "?p=" address in normal form; else None.

    >>> post_of_key(Key("https://blog.example.org/?p=74"))
    ('blog.example.org', 74)
    """
    match = _POST.fullmatch(key)
    return None if match is None else (match[1], int(match[2]))


def post_url(page_url: str, post: int) -> str:
    """Return the "?p=" address of the post with the number `post`, at the host of a page."""
    return f"https://{host_of(page_url).removesuffix(':443').removesuffix(':80')}/?p={post}"


def is_short_key(key: Key) -> bool:
    """Return whether `key` is the key of a wp.me short link."""
    return _SHORT_KEY.fullmatch(key) is not None
