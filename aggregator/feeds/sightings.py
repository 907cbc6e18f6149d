"""Makes a sighting of each entry in a feed's answer: the entry, its key, and the address of its page, if any. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from aggregator.feeds.kinds.link_list import read_link_list
from aggregator.feeds.kinds.sitemap import choose_sitemaps, fits, named_sitemaps
from aggregator.feeds.parse import parse_feed
from aggregator.identity.evidence import edges_of_entry
from aggregator.identity.identify import identify
from aggregator.identity.own_entries import own_identity
from aggregator.identity.publisher_rules import Publishers
from aggregator.identity.section_pages import is_home
from aggregator.models.feeds import Entry, Feed, ParsedFeed
from aggregator.models.fetching import Fetched
from aggregator.models.ids import Identity
from aggregator.models.sources import PLAIN_FEED, SourceRule
from aggregator.ports.store_records import Decision, FeedReading, Sighting
from aggregator.urls import clean, host_of, without_userinfo


def read_feed(
    feed: Feed,
    fetched: Fetched,
    known: Collection[str],
    now: datetime,
    publishers: Publishers,
    rule: SourceRule = PLAIN_FEED,
) -> FeedReading:
    """Parse an answer of `feed` by its rule, and return it with the sightings of its entries.

    Entries whose `raw_hash` is in `known` are left out.
    """
    return identify_entries(parse_answer(fetched, rule, publishers, now=now, known=known), feed, publishers)


def parse_answer(
    fetched: Fetched, rule: SourceRule, publishers: Publishers, *, now: datetime, known: Collection[str]
) -> ParsedFeed:
    """Return the parsed content of an answer: a feed, a sitemap, a sitemap index or a page with links, as `rule` says.

    Entries whose `raw_hash` is in `known` are left out.
    """
    body, url, headers = fetched.body, fetched.final_url, fetched.headers
    if rule.kind == "html":
        return read_link_list(body, rule.select, publishers, url=url, headers=headers, now=now, known=known)
    if rule.kind == "sitemap" and (named := named_sitemaps(body, url, headers)) is not None:
        return ParsedFeed(kind="feed", format="sitemap", sitemaps=choose_sitemaps(named, url, rule.select.entry, now))
    parsed = parse_feed(body, url=url, headers=headers, now=now, known=known)
    if rule.kind != "sitemap":
        return parsed
    return replace(parsed, entries=tuple(one for one in parsed.entries if fits(rule.select.link, one.link or "")))


def identify_entries(parsed: ParsedFeed, feed: Feed, publishers: Publishers) -> FeedReading:
    """Return a parsed answer with a sighting for each of its entries."""
    return FeedReading(parsed=parsed, sightings=tuple(sighting_of(entry, feed, publishers) for entry in parsed.entries))


def sighting_of(entry: Entry, feed: Feed, publishers: Publishers) -> Sighting:
    """Return the sighting of an entry: the address and key of its page, or the entry's own content as the article."""
    link = entry.original_link or entry.link or (entry.id if entry.is_permalink else None)
    cleaned = clean(link) if link else None
    url = without_userinfo(cleaned) if cleaned else None
    identity = identify(url, publishers) if url else None
    content_hash = _content_hash(entry)
    if url is None or identity is None:
        return _without_page(entry, feed, content_hash, ())
    if rule := _no_page_rule(identity, entry, feed):
        skipped = Decision(url=identity.url, key=identity.key, verdict="skipped", rule=rule, detail=feed.url)
        return _without_page(entry, feed, content_hash, (skipped,))
    return Sighting(
        entry=entry,
        content_hash=content_hash,
        url=url,
        host=host_of(url),
        identity=identity,
        edges=edges_of_entry(entry, feed.url, publishers),
        from_feed=not feed.full_text,
        decisions=(Decision(url=url, key=identity.key, verdict="announced", rule=identity.rule, detail=feed.url),),
    )


def _no_page_rule(identity: Identity, entry: Entry, feed: Feed) -> str:
    """Return why an entry's address is not that of an article's page, such as "home page"; "": it may be one."""
    if identity.key is None or is_home(identity.key):
        return "home page"
    address = identity.url.partition("#")[0]
    if address.rstrip("?") in (without_userinfo(feed.url), feed.state.adopted_url):  # an empty link, "#" and "?" do
        return "the feed itself"
    return "a file of the entry" if any(address in (file.url, clean(file.url)) for file in entry.enclosures) else ""


def _without_page(entry: Entry, feed: Feed, content_hash: str, decisions: tuple[Decision, ...]) -> Sighting:
    """Return the sighting of an entry that links to no article: its own content is the article.

    If the entry has neither content nor summary, there is no article (`url` None).
    """
    if not (entry.content or entry.summary):
        return Sighting(entry=entry, content_hash=content_hash, url=None, host=None, identity=None, decisions=decisions)
    own = own_identity(feed.url, entry.entry_id, feed.url)
    return Sighting(
        entry=entry,
        content_hash=content_hash,
        url=own.url,
        host=host_of(feed.url),
        identity=own,
        from_feed=True,
        decisions=decisions,
    )


def _content_hash(entry: Entry) -> str:
    addresses = (entry.link or "", entry.original_link or "", entry.content_id or "")  # a new address is evidence
    parts = (entry.title, *addresses, entry.content, entry.summary, str(entry.updated_at))
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()
