"""Decides which keys are one article, from statements that two keys are one (edges). Pure; the store keeps the edges.

**The result (`judge`) depends only on the set of edges and on the facts about the keys (`KeyFacts`), not on any
order.** Edges are tried from the strongest kind to the weakest, edges of one kind in the order of their keys, and the
kinds in `_WEAK` last. An edge joins the groups of its two keys unless there is a reason to refuse it (`Refusal`). If an
edge or a text is removed, the groups that it had joined are separate again.

A new edge changes only the groups of its connected component. So after new edges or a new text at a key, a store

1. collects the edges at this key, then the edges at their other ends, until there are no further edges; it stores edges
   that `refusal_alone` refuses, but does not follow them (else each home page would connect all articles of its site);
2. calls `judge(facts, edges)` for that component; a key without edges is a group of its own;
3. gives every group one article: the oldest article whose own key is in the group. (An article made from a later page
   of a multi-page article comes last.) The other articles of the group are merged into it. A key that left the group of
   an article gets an article of its own.

Refused edges stay stored, because a later edge or text may remove the reason. The decision log has the reason.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from aggregator.identity.publisher_rules import Publishers, publisher_of
from aggregator.identity.section_pages import is_listing
from aggregator.identity.sites import End, end_of, site_of_url
from aggregator.identity.wordpress import Blog, is_short_key, parse_wordpress_shortlink, post_url
from aggregator.models.feeds import Entry
from aggregator.models.fetching import Hop
from aggregator.models.ids import EvidenceKind, Key
from aggregator.models.pages import DeclaredUrls
from aggregator.urls import host_of, is_http, registrable_domain

MAX_ALIASES = 32  # keys of one article
MAX_SHARED = 2  # different articles that may name one target; a target that more name proves nothing
LIKE = 0.8  # the least resemblance of two texts if one names the other's address
MIN_SAMPLE = 4  # hashes; with smaller samples two texts are compared by their titles
_WEAK = frozenset({EvidenceKind.BARE_CANONICAL, EvidenceKind.SAME_ENTRY})  # join nothing but equal texts
_OF_OURS = frozenset({EvidenceKind.REDIRECT, EvidenceKind.LESSON})  # statements of a page are doubted sooner
_STRENGTH = {kind: rank for rank, kind in enumerate(EvidenceKind)}  # the strongest kind is the first in `models.ids`


# --- records ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Edge:
    """A statement that `key` and `other` are one article, usually because the page or entry of `key` names `other`.

    `site` and `other_site` are the sites of the two keys (`identity/sites.py`). `witness` is the site of the feed or
    page that makes the statement.
    """

    key: Key
    other: Key
    kind: EvidenceKind
    site: str
    other_site: str
    witness: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What is known about the text under a key: hashes of text and title, and the hashes of its fingerprint."""

    text_hash: bytes | None = None
    title_hash: bytes | None = None
    sample: frozenset[int] = frozenset()


class Refusal(StrEnum):
    """The reason why an edge does not join its two keys."""

    OTHER_SITE = "other_site"  # kept as `syndicated_of`
    FOREIGN_FEED = "foreign_feed"  # a feed speaks about another site's addresses
    LISTING = "listing"  # one end is a home page or a section page
    SHARED_TARGET = "shared_target"  # different articles name this target as theirs
    OTHER_TITLES = "other_titles"  # entries with other titles lead to it, and no page says the title of another's
    OTHER_TEXT = "other_text"  # the two groups hold articles with different texts
    TOO_MANY = "too_many"  # the group would own more than `MAX_ALIASES` keys
    UNPROVEN = "unproven"  # a weak kind of evidence, and no equal text


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The groups of keys (each group is one article), and the refused edges with the reason. Both are sorted."""

    groups: tuple[frozenset[Key], ...]
    refused: tuple[tuple[Edge, Refusal], ...]


# --- the judgement ----------------------------------------------------------------------------------------------------


def judge(facts: Mapping[Key, KeyFacts], edges: Collection[Edge]) -> Judgement:
    """Group the keys in `edges` and `facts` by article; return the groups and the refused edges.

    The result does not depend on the order of `edges`, nor on repeated edges.
    """
    ordered = sorted(set(edges), key=lambda edge: (_STRENGTH[edge.kind], edge))
    refused: list[tuple[Edge, Refusal]] = []
    sound: list[Edge] = []
    for edge in ordered:
        reason = refusal_alone(edge)
        if reason is None:
            sound.append(edge)
        else:
            refused.append((edge, reason))
    shared = _shared_targets(sound, facts)
    contested = _contested(sound)
    groups = {key: frozenset({key}) for edge in ordered for key in (edge.key, edge.other)}
    groups |= {key: frozenset({key}) for key in facts}
    bare = [edge for edge in sound if edge.kind in _WEAK]
    for edge in sound:
        if edge.kind in _WEAK:
            continue
        left, right = groups[edge.key], groups[edge.other]
        if left is right:
            continue
        if edge.other in contested:
            reason = Refusal.OTHER_SITE
        elif (edge.kind, edge.other) in shared:
            reason = Refusal.SHARED_TARGET
        else:
            reason = _refusal_of_join(left, right, facts)
        if reason is not None:
            refused.append((edge, reason))
            continue
        joined = left | right
        groups.update(dict.fromkeys(joined, joined))
    refused += ((edge, Refusal.UNPROVEN) for edge in _join_equal(groups, bare, facts))
    return Judgement(groups=tuple(sorted(set(groups.values()), key=min)), refused=tuple(sorted(refused)))


def _join_equal(groups: dict[Key, frozenset[Key]], bare: Iterable[Edge], facts: Mapping[Key, KeyFacts]) -> list[Edge]:
    """Join groups that `bare`, edges of the weak kinds (`_WEAK`), connects and that have an equal text.

    Two groups are connected if a key of one names a key of the other, or both name the same target. If the edge is a
    `rel=canonical`, similar texts at its two keys suffice. `groups` (the group of each key) is changed. Return edges
    that joined nothing: `key` shares a group neither with the target nor with another key that names the target.
    """
    named: dict[Key, list[Edge]] = defaultdict(list)
    for edge in bare:
        named[edge.other].append(edge)
    refused: list[Edge] = []
    for target, edges in named.items():
        by_text: dict[bytes, list[Key]] = defaultdict(list)
        for key in dict.fromkeys((target, *(edge.key for edge in edges))):
            for text in sorted(_texts_of(groups[key], facts)):
                by_text[text].append(key)
        for first, *others in by_text.values():
            for key in others:
                left, right = groups[first], groups[key]
                if left is not right and _refusal_of_join(left, right, facts) is None:
                    groups.update(dict.fromkeys(left | right, left | right))
        for edge in edges:
            left, right = groups[edge.key], groups[target]
            if left is not right and _are_alike(edge, facts) and _refusal_of_join(left, right, facts) is None:
                groups.update(dict.fromkeys(left | right, left | right))
        ends = {target, *(edge.key for edge in edges)}
        refused += (edge for edge in edges if len(groups[edge.key] & ends) == 1)
    return refused


def _are_alike(edge: Edge, facts: Mapping[Key, KeyFacts]) -> bool:
    if edge.kind is not EvidenceKind.BARE_CANONICAL:
        return False
    one, other = facts.get(edge.key), facts.get(edge.other)
    return one is not None and other is not None and resemblance(one, other) >= LIKE


def _texts_of(group: Iterable[Key], facts: Mapping[Key, KeyFacts]) -> set[bytes]:
    return {text for key in group if key in facts and (text := facts[key].text_hash) is not None}


def refusal_alone(edge: Edge) -> Refusal | None:
    """Return why an edge is refused by its own content; None: the texts of its two keys and other edges decide."""
    if edge.site != edge.other_site:
        if edge.kind is EvidenceKind.DECLARED and is_short_key(edge.other):
            return Refusal.LISTING if is_listing(edge.key) else None
        return Refusal.OTHER_SITE
    if edge.kind is EvidenceKind.FEED_LINK and edge.witness != edge.site:
        return Refusal.FOREIGN_FEED
    if is_listing(edge.key) or is_listing(edge.other) or is_above(edge.other, edge.key):
        return Refusal.LISTING
    return None


def is_above(key: Key, other: Key) -> bool:
    """Return whether `key` is a folder above `other` (/news, /news/a) and its last segment has no five-digit number."""
    prefix = key.partition("?")[0]
    return other.startswith(prefix + "/") and _NUMBERED.search(prefix.rpartition("/")[2]) is None


def _shared_targets(edges: Iterable[Edge], facts: Mapping[Key, KeyFacts]) -> set[tuple[EvidenceKind, Key]]:
    """Return each key to which edges of one kind lead from more than `MAX_SHARED` different articles, as (kind, key).

    It is, for example, the key of an error page, a section, or a wrong guid that a template gives to all entries.
    """
    sources: dict[tuple[EvidenceKind, Key], set[Key]] = defaultdict(set)
    for edge in edges:
        sources[edge.kind, edge.other].add(edge.key)
    return {
        (kind, target)
        for (kind, target), keys in sources.items()
        if len(keys) > MAX_SHARED and _count_articles(keys, facts, strict=kind in _OF_OURS) > MAX_SHARED
    }


def _contested(edges: Iterable[Edge]) -> set[Key]:
    """Return the wp.me keys that pages of several sites declare as theirs. Such a key is joined with none of them."""
    sites: dict[Key, set[str]] = defaultdict(set)
    for edge in edges:
        if edge.site != edge.other_site:
            sites[edge.other].add(edge.site)
    return {key for key, claiming in sites.items() if len(claiming) > 1}


def _count_articles(keys: Iterable[Key], facts: Mapping[Key, KeyFacts], *, strict: bool) -> int:
    """Return the number of different articles under `keys`.

    Two keys without texts or titles to compare count as one article if `strict`, otherwise as two.
    """
    found: list[KeyFacts] = []
    for key in sorted(keys):
        known = facts.get(key, KeyFacts())
        if all((differ(known, other) is True) if strict else (differ(known, other) is not False) for other in found):
            found.append(known)
    return len(found)


def _refusal_of_join(left: frozenset[Key], right: frozenset[Key], facts: Mapping[Key, KeyFacts]) -> Refusal | None:
    if len(left) + len(right) > MAX_ALIASES:
        return Refusal.TOO_MANY
    texts_left, texts_right = (
        [known for key in sorted(group) if (known := facts.get(key)) is not None and known.text_hash is not None]
        for group in (left, right)
    )
    if any(differ(one, other) is True for one in texts_left for other in texts_right):
        return Refusal.OTHER_TEXT
    return None


def differ(one: KeyFacts, other: KeyFacts) -> bool | None:
    """Return whether two keys are different articles; None: neither their texts nor their titles can be compared.

    Two texts are one article if at least half of the hashes of the smaller sample are in the other: a mobile page is
    shorter, an update is longer. Equal texts are always one. Titles decide if a sample is too small or a text missing.
    """
    if one.text_hash is not None and other.text_hash is not None:
        if one.text_hash == other.text_hash:
            return False
        smaller = min(len(one.sample), len(other.sample))
        if smaller >= MIN_SAMPLE:
            return 2 * len(one.sample & other.sample) < smaller
        return one.title_hash is None or one.title_hash != other.title_hash
    if one.title_hash is not None and other.title_hash is not None:
        return one.title_hash != other.title_hash
    return None


def resemblance(one: KeyFacts, other: KeyFacts) -> float:
    """Return how alike two samples are, from 0 to 1: the number of common hashes, divided by that of all hashes.

    Equal texts give 1. If there are fewer than `MIN_SAMPLE` hashes in all, the result is 0.
    """
    if one.text_hash is not None and one.text_hash == other.text_hash:
        return 1.0
    either = one.sample | other.sample
    return len(one.sample & other.sample) / len(either) if len(either) >= MIN_SAMPLE else 0.0


# --- from entries and pages -------------------------------------------------------------------------------------------


def edges_of_entry(entry: Entry, feed_url: str, publishers: Publishers) -> tuple[Edge, ...]:
    """Return the edges between an entry's link and its other addresses: feedburner:origLink, guid and content id.

    The guid is used only if it is a permalink, or the short address of the linked post (WordPress, Medium).
    """
    is_address = entry.is_permalink or _is_post_of(entry.id, entry.link or "")
    addresses = dict.fromkeys((entry.link, entry.original_link, entry.id if is_address else None))
    if sum(1 for address in addresses if address and is_http(address)) < 2 and not entry.content_id:
        return ()  # most entries name one
    ends = _ends(addresses, publishers)
    if entry.content_id and (end := _content_end(entry.content_id, feed_url, publishers)) is not None:
        ends.append(end)
    witness = site_of_url(feed_url, publishers)
    return _star(ends, EvidenceKind.FEED_LINK, witness)


def _is_post_of(guid: str, link: str) -> bool:
    """Return whether `guid` is the short address of the WordPress or Medium post at `link`.

    >>> _is_post_of("https://example.org/?p=12", "https://example.org/2026/storm")
    True
    >>> _is_post_of("https://medium.com/p/0123456789ab", "https://medium.com/@ann/storm-0123456789ab?source=rss")
    True
    """
    if (post := _POST_GUID.fullmatch(guid)) is None:
        return False
    if post[1] is not None:
        return host_of(guid) == host_of(link)
    return link.partition("?")[0].endswith(f"-{post[2]}")


def edges_of_page(
    page_url: str, hops: Sequence[Hop], declared: DeclaredUrls, publishers: Publishers
) -> tuple[Edge, ...]:
    """Return the edges from the redirects that led to `page_url`, and from the addresses that the page declares.

    A `rel=canonical` is weak evidence (`BARE_CANONICAL`) unless `og:url` has the same key. Addresses in JSON-LD give no
    edge. A declared wp.me short link gives a second edge, to the "?p=" address of its post on the page's host.
    """
    if not hops and declared == _DECLARED_NOTHING:
        return ()
    page = end_of(page_url, publishers)
    if page is None:
        return ()
    edges: list[Edge] = []
    for hop in hops:
        ends = _ends((hop.url, hop.target), publishers)
        edges += _star(ends, EvidenceKind.REDIRECT, page[1]) if len(ends) == 2 else ()
    canonical, og_url = (
        end_of(address, publishers) if address else None for address in (declared.canonical, declared.og_url)
    )
    if canonical is not None:
        kind = EvidenceKind.CANONICAL if canonical == og_url else EvidenceKind.BARE_CANONICAL
        edges += _star([page, canonical], kind, page[1])
    post = parse_wordpress_shortlink(declared.shortlink or "")
    posted = None if post is None else post_url(page_url, post[1])
    stated = _ends((declared.amphtml, declared.shortlink, *declared.others, posted), publishers)
    edges += _star([page, *stated], EvidenceKind.DECLARED, page[1])
    return tuple(dict.fromkeys(edges))


def edges_of_parts(page_url: str, part_urls: Sequence[str], publishers: Publishers) -> tuple[Edge, ...]:
    """Return the edges between the first page of an article, at `page_url`, and its further pages, at `part_urls`."""
    if not part_urls:
        return ()
    ends = _ends((page_url, *part_urls), publishers)
    return _star(ends, EvidenceKind.PART, site_of_url(page_url, publishers))


def edges_of_wordpress(link: Key, blog: Blog) -> tuple[Edge, ...]:
    """Return the edge from the "?p=" address of a post to its wp.me `link`; empty: the post is of another blog."""
    post = parse_wordpress_shortlink(link)
    if post is None or post[0] != blog.number:
        return ()
    key = Key(f"https://{blog.host}/?p={post[1]}")
    return _star([(key, blog.site), (link, registrable_domain("wp.me"))], EvidenceKind.DECLARED, blog.site)


# --- the ends of edges ------------------------------------------------------------------------------------------------

_NUMBERED = re.compile(r"[0-9]{5}")
_POST_GUID = re.compile(r"https?://[^/?#]+/\?p=([0-9]{1,18})|https://medium\.com/p/([0-9a-f]{8,16})")
_CONTENT_ID = re.compile(r"[0-9]{5,10}")

_DECLARED_NOTHING = DeclaredUrls()


def _content_end(content_id: str, feed_url: str, publishers: Publishers) -> End | None:
    """Return key and site of an entry's `content_id`; None: it is not 5 to 10 digits, or no rule makes keys of it.

    A rule with `per_host` makes none: its ids are unique within one host only, and `content_id` names no host.
    """
    publisher = publisher_of(publishers, host_of(feed_url))
    if publisher is None or publisher.site.per_host or not publisher.site.ids or not _CONTENT_ID.fullmatch(content_id):
        return None
    return Key(f"{publisher.name}:{content_id}"), site_of_url(feed_url, publishers)


def _ends(addresses: Iterable[str | None], publishers: Publishers) -> list[End]:
    """Return key and site of each address that has a key, in the order of `addresses`."""
    return [end for address in addresses if address and (end := end_of(address, publishers)) is not None]


def _star(ends: Sequence[End], kind: EvidenceKind, witness: str) -> tuple[Edge, ...]:
    """Return an edge from the first key of `ends` to each other key. `ends` are keys with their sites."""
    if not ends:
        return ()
    (key, site), *others = ends
    return tuple(
        Edge(key=key, other=other, kind=kind, site=site, other_site=other_site, witness=witness)
        for other, other_site in dict.fromkeys(others)
        if other != key
    )
