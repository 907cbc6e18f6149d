"""WordPress short links (wp.me): stores the host of each blog, as its pages state it, and computes the evidence.

The evidence is not stored. It follows from the stored blogs and links, so it ends when a second host claims a blog.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import bindparam, select

from aggregator.identity.evidence import Edge, edges_of_wordpress
from aggregator.identity.identify import key_hash
from aggregator.identity.wordpress import Blog, parse_wordpress_shortlink, post_of_key
from aggregator.models.ids import Key
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import record_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import blogs, short_links

_PREFIX: Final = "https://wp.me/"
_places: Final = select(blogs).where(any_of(blogs.c.number))
_blogs_at: Final = select(blogs.c.number).where(blogs.c.host == bindparam("at_host"))
_links_of_blog: Final = select(short_links.c.key).where(short_links.c.blog == bindparam("of_blog"))
_links_of_post: Final = select(short_links.c.key).where(
    short_links.c.blog == bindparam("of_blog"), short_links.c.post == bindparam("of_post")
)
_known: Final = select(short_links.c.key_hash).where(any_of(short_links.c.key_hash))


def is_short_link(key: Key) -> bool:
    """Return whether a key is a wp.me short link to a post."""
    return key.startswith(_PREFIX) and parse_wordpress_shortlink(key) is not None


def is_wordpress(key: Key) -> bool:
    """Return whether a key is a wp.me link or a "?p=" address. The evidence about such keys is computed, not stored."""
    return key.startswith(_PREFIX) or post_of_key(key) is not None


def note_short_links(tx: Transaction, keys: Iterable[Key | None]) -> set[Key]:
    """Store the short links among these keys; return the new ones."""
    seen = {key for key in keys if key is not None and key.startswith(_PREFIX)}
    posts = {key: post for key in seen if (post := parse_wordpress_shortlink(key)) is not None}
    known = {row.key_hash for row in tx.all_of(_known, map(key_hash, posts))}
    new = {key: post for key, post in posts.items() if key_hash(key) not in known}
    rows = [{"key_hash": key_hash(key), "key": key, "blog": blog, "post": post} for key, (blog, post) in new.items()]
    tx.add(short_links, rows)
    return set(new)


def learn_blog(tx: Transaction, blog: Blog) -> set[Key]:
    """Store the host that a page states for its blog; return the keys whose evidence may change by this."""
    places = _at(tx, blog.number)
    if blog in places or len(places) > 1:  # more claims change nothing
        return set()
    tx.add(blogs, [{"number": blog.number, "host": blog.host, "site": blog.site}])
    links = {Key(row.key) for row in tx.all(_links_of_blog, {"of_blog": blog.number})}
    ends = {edge.key for link in links for place in (*places, blog) for edge in edges_of_wordpress(link, place)}
    return links | ends


def wordpress_edges(tx: Transaction, keys: Iterable[Key]) -> set[Edge]:
    """Return the edges between wp.me links and "?p=" addresses of the same posts, if `keys` has one of the two."""
    edges: set[Edge] = set()
    for key in keys:
        if key.startswith(_PREFIX) and (post := parse_wordpress_shortlink(key)) is not None:
            edges |= _edges(tx, post[0], [key])
        elif (address := post_of_key(key)) is not None:
            for row in tx.all(_blogs_at, {"at_host": address[0]}):
                found = tx.all(_links_of_post, {"of_blog": row.number, "of_post": address[1]})
                edges |= _edges(tx, row.number, [Key(link.key) for link in found])
    return edges


def _edges(tx: Transaction, number: int, links: Iterable[Key]) -> set[Edge]:
    places = _at(tx, number)
    if len(places) != 1:
        return set()
    return {edge for link in links for edge in edges_of_wordpress(link, places[0])}


def _at(tx: Transaction, number: int) -> list[Blog]:
    return [record_of(Blog, row) for row in tx.all_of(_places, [number])]
