"""Decides which keys are one article. The evidence is a set of edges. Pure; the store keeps the edges.

**The partition is a function of the set of edges (and of what is known about the keys), never of their order.** The
edges are tried from the strongest kind to the weakest. Edges of one kind are tried in the order of their keys. An edge
joins the groups at its ends unless a guard forbids it. So the same set always gives the same groups. A new edge changes
only its connected component. Without an edge or a text, the groups that it joined are separate again.

A store therefore never loads more than one component. After new edges or a new text at a key it

1. collects the edges that touch the key, then those at their other ends, until nothing new comes; edges with
   `refusal_alone(edge)` set are recorded, but not walked through (that keeps home pages from joining everything);
2. calls `judge(facts, edges)` for that component; keys that no edge touches stay alone;
3. gives every group one article: the oldest that owns one of its keys; other articles in the group are merged into it
   (a tombstone each), and a key that left an article's group gets an article of its own.

Repeating these steps changes nothing. Refused edges stay stored, because the reason of a refusal may end. The decision
log has the reason.
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
    """A statement that `key` and `other` are one article. If one of them names the other, `other` is the named key.

    Sites are registrable domains; `witness` is the site of the feed or page that makes the statement.
    """

    key: Key
    other: Key
    kind: EvidenceKind
    site: str
    other_site: str
    witness: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """The known facts about the article under a key: hashes of its text and title, the sample of its fingerprint."""

    text_hash: bytes | None = None
    title_hash: bytes | None = None
    sample: frozenset[int] = frozenset()


class Refusal(StrEnum):
    """The reason why an edge does not count."""

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
    """The groups of keys and the refused edges, both sorted. A group is a sorted set of keys."""

    groups: tuple[frozenset[Key], ...]
    refused: tuple[tuple[Edge, Refusal], ...]


# --- the judgement ----------------------------------------------------------------------------------------------------


def judge(facts: Mapping[Key, KeyFacts], edges: Collection[Edge]) -> Judgement:
    """Decide which keys at the edges, or in `facts`, are one article, and which edges do not count.

    The result does not depend on the order of `edges`, nor on repetitions.
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
    """Join keys with nearly the same text if an edge says that they are one; return the edges that joined nothing.

    Several keys that name one key can be joined with each other, too. Templates that name a wrong address are common,
    so a named key counts only if its text was fetched.
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
    """Return whether a page names the other page's address by `rel=canonical` alone, and has nearly the same text."""
    if edge.kind is not EvidenceKind.BARE_CANONICAL:
        return False
    one, other = facts.get(edge.key), facts.get(edge.other)
    return one is not None and other is not None and resemblance(one, other) >= LIKE


def _texts_of(group: Iterable[Key], facts: Mapping[Key, KeyFacts]) -> set[bytes]:
    return {text for key in group if key in facts and (text := facts[key].text_hash) is not None}


def refusal_alone(edge: Edge) -> Refusal | None:
    """Return why the edge never counts, even without other edges; None: it may count."""
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
    """Return whether `key` is a section with `other` below it. A path that ends in a number belongs to an article."""
    prefix = key.partition("?")[0]
    return other.startswith(prefix + "/") and _NUMBERED.search(prefix.rpartition("/")[2]) is None


def _shared_targets(edges: Iterable[Edge], facts: Mapping[Key, KeyFacts]) -> set[tuple[EvidenceKind, Key]]:
    """Return the keys named by too many different articles: error pages, sections, broken templates and guids."""
    sources: dict[tuple[EvidenceKind, Key], set[Key]] = defaultdict(set)
    for edge in edges:
        sources[edge.kind, edge.other].add(edge.key)
    return {
        (kind, target)
        for (kind, target), keys in sources.items()
        if len(keys) > MAX_SHARED and _count_articles(keys, facts, strict=kind in _OF_OURS) > MAX_SHARED
    }


def _contested(edges: Iterable[Edge]) -> set[Key]:
    """Return the wp.me links that pages of several sites claim. Such a link counts for none of these pages."""
    sites: dict[Key, set[str]] = defaultdict(set)
    for edge in edges:
        if edge.site != edge.other_site:
            sites[edge.other].add(edge.site)
    return {key for key, claiming in sites.items() if len(claiming) > 1}


def _count_articles(keys: Iterable[Key], facts: Mapping[Key, KeyFacts], *, strict: bool) -> int:
    """Count different articles.

    `strict`: count only articles that are proven different, else all that are not proven equal.
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
    """Return whether two articles are different; None if they cannot be compared: no text or title is known for both.

    Texts that share half of the smaller sample count as one text: a mobile page is shorter, an update is longer.
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
    """Return the share of two samples that both texts have: 1 for equal texts, 0 for samples that are too small."""
    if one.text_hash is not None and one.text_hash == other.text_hash:
        return 1.0
    either = one.sample | other.sample
    return len(one.sample & other.sample) / len(either) if len(either) >= MIN_SAMPLE else 0.0


# --- from entries and pages -------------------------------------------------------------------------------------------


def edges_of_entry(entry: Entry, feed_url: str, publishers: Publishers) -> tuple[Edge, ...]:
    """Return the edges of an entry: its link, feedburner:origLink, permalink guid and content id are one article."""
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
    """Return whether a guid that is no permalink is the number of the linked post: WordPress, Medium.

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
    """Return the edges of a fetched page: its redirects, which end at `page_url`, and the declarations of the page.

    `rel=canonical` counts if `og:url` means the same. Alone it counts only between equal texts; JSON-LD never counts. A
    wp.me short link also means the blog's "?p=" address.
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
    """Return the edges between an article at `page_url` and its further pages, which were joined to it."""
    if not part_urls:
        return ()
    ends = _ends((page_url, *part_urls), publishers)
    return _star(ends, EvidenceKind.PART, site_of_url(page_url, publishers))


def edges_of_wordpress(link: Key, blog: Blog) -> tuple[Edge, ...]:
    """Return the edge between the key of a wp.me short link and its "?p=" address, if the link is one of `blog`."""
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
    """Return the key of a content id in the feed of a publisher with one number space."""
    publisher = publisher_of(publishers, host_of(feed_url))
    if publisher is None or publisher.site.per_host or not publisher.site.ids or not _CONTENT_ID.fullmatch(content_id):
        return None
    return Key(f"{publisher.name}:{content_id}"), site_of_url(feed_url, publishers)


def _ends(addresses: Iterable[str | None], publishers: Publishers) -> list[End]:
    """Return the ends of those addresses that can mean an article."""
    return [end for address in addresses if address and (end := end_of(address, publishers)) is not None]


def _star(ends: Sequence[End], kind: EvidenceKind, witness: str) -> tuple[Edge, ...]:
    """Return the edges from the first end to each further end with another key."""
    if not ends:
        return ()
    (key, site), *others = ends
    return tuple(
        Edge(key=key, other=other, kind=kind, site=site, other_site=other_site, witness=witness)
        for other, other_site in dict.fromkeys(others)
        if other != key
    )
