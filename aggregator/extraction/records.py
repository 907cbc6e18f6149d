"""Makes records of extracted articles. Pure; `record_of_entry` also runs in the process that parses a feed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aggregator.identity.evidence import Edge, edges_of_entry, edges_of_page, edges_of_parts, refusal_alone
from aggregator.identity.identify import identify, without_idle_parameters
from aggregator.identity.publisher_rules import Publishers
from aggregator.identity.section_pages import may_be_article
from aggregator.identity.sites import site_of_url
from aggregator.identity.wordpress import blog_of_page
from aggregator.models.articles import Extraction
from aggregator.models.ids import OWN_CONTENT, Identity
from aggregator.models.pages import FetchedPage
from aggregator.ports.store_records import ArticleRecord, Collected, Decision


def article_record(page: FetchedPage, collected: Collected, publishers: Publishers) -> ArticleRecord:
    """Return the record of a collected article. The key of its final address is the key of the article.

    The article has the key of `page` instead if the final address has no key, or is a home page or (other than the
    requested page) a listing. An article that is only the content of a feed's entry also has the key of `page`.
    """
    if page.key.startswith(OWN_CONTENT):
        own = Identity(url=page.url, key=page.key, rule="feed entry")
        return record_of_entry(own, page.url, (), page.feed_name, collected)
    final_url = page.raw.final_url if page.raw is not None and collected.content.source == "page" else page.url
    identity = served = identify(final_url, publishers)
    if not may_be_article(identity.key, page.key):
        identity = Identity(url=page.url, key=page.key, rule="feed entry")
    parts = tuple(
        url for part in page.parts[: collected.parts] if part.raw is not None for url in (part.url, part.raw.final_url)
    )
    seen = tuple(dict.fromkeys((page.url, *(hop.url for hop in page.hops), final_url, *parts)))
    identities = tuple(served if url == final_url else identify(url, publishers) for url in seen)
    sites = {one.url: site_of_url(one.url, publishers) for one in identities}
    edges = edges_of_page(final_url, page.hops, collected.content.declared, publishers)
    edges += edges_of_parts(final_url, parts, publishers)
    if page.entry is not None:
        edges += edges_of_entry(page.entry, page.feed_url, publishers)
    return ArticleRecord(
        identity=identity,
        url=_canonical(final_url, identity, collected.content, publishers),
        urls=tuple(one for one in identities if sites[one.url] == sites[final_url]),
        edges=edges,
        pointers=tuple(one for one in identities if sites[one.url] != sites[final_url]),
        content=collected.content,
        quality=collected.quality,
        fingerprint=collected.fingerprint,
        decisions=(
            Decision(url=final_url, key=identity.key, verdict="kept", rule=identity.rule, detail=page.feed_name),
            *_refused(edges),
        ),
        blog=blog_of_page(final_url, collected.content.declared, publishers),
        says_title=collected.says_title,
    )


def record_of_entry(
    identity: Identity, url: str, edges: tuple[Edge, ...], feed_name: str, collected: Collected
) -> ArticleRecord:
    """Return the record of an entry whose own content is the article. Its only address is the entry's."""
    decision = Decision(url=identity.url, key=identity.key, verdict="kept", rule=identity.rule, detail=feed_name)
    return ArticleRecord(
        identity=identity,
        url=url,
        urls=(identity,),
        edges=edges,
        pointers=(),
        content=collected.content,
        quality=collected.quality,
        fingerprint=collected.fingerprint,
        decisions=(decision, *_refused(edges)),
    )


def _refused(edges: Iterable[Edge]) -> Iterator[Decision]:
    """Yield a "refused" decision for each edge that is refused before any texts are compared."""
    for edge in edges:
        refusal = refusal_alone(edge)
        if refusal is not None:
            rule = f"{edge.kind}: {refusal}"
            yield Decision(url=edge.other, key=edge.other, verdict="refused", rule=rule, detail=edge.key)


def _canonical(final_url: str, identity: Identity, content: Extraction, publishers: Publishers) -> str:
    """Return the canonical address that the page declares if it has the article's key, else the final address.

    Parameters that do not affect the key (such as tracking) are removed.
    """
    declared = content.declared.canonical or content.declared.og_url
    shown = declared if declared and identify(declared, publishers).key == identity.key else final_url
    return without_idle_parameters(shown, publishers)
