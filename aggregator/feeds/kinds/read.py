"""Parses an answer by the kind of source that the configuration names. Never raises, fetches nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from aggregator.feeds.kinds.link_list import read_link_list
from aggregator.feeds.kinds.sitemap import choose_sitemaps, fits, named_sitemaps
from aggregator.feeds.parse import parse_new
from aggregator.identity.publisher_rules import Publishers
from aggregator.models.feeds import ParsedFeed
from aggregator.models.sources import SourceRule


def parse_by_kind(
    body: bytes,
    rule: SourceRule,
    publishers: Publishers,
    *,
    url: str,
    headers: Mapping[str, str],
    now: datetime,
    known: Collection[str],
) -> ParsedFeed:
    """Return the content of an answer, parsed by `rule`; entries whose raw hash is in `known` are left out."""
    if rule.kind == "html":
        return read_link_list(body, rule.select, publishers, url=url, headers=headers, now=now, known=known)
    if rule.kind != "sitemap":
        return parse_new(body, url=url, headers=headers, now=now, known=known)
    named = named_sitemaps(body, url, headers)
    if named is not None:
        return ParsedFeed(kind="feed", format="sitemap", sitemaps=choose_sitemaps(named, url, rule.select.entry, now))
    parsed = parse_new(body, url=url, headers=headers, now=now, known=known)
    wanted = rule.select.link
    return replace(parsed, entries=tuple(entry for entry in parsed.entries if fits(wanted, entry.link or "")))
