"""From a fetched page to the record of its article: extract, judge, fingerprint, identify again. Pure.

`perform` runs in a worker process; the rest beside the store. Both the extraction of new pages and that of kept ones
(`reprocess`) go this way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from aggregator.evidence import (
    Edge,
    blog_of_page,
    edges_of_entry,
    edges_of_page,
    is_home,
    is_listing,
    refusal_alone,
    site_of_url,
)
from aggregator.extract import extract_entry, extract_page
from aggregator.fingerprint import fingerprint
from aggregator.identify import identify
from aggregator.ledger import ArticleRecord, Collected, Decision
from aggregator.markup import read_markup
from aggregator.models import OWN_CONTENT, Cause, Entry, ExtractInput, Extraction, FetchedPage, Identity, PageFailed
from aggregator.pagerules import PageRules
from aggregator.quality import assess
from aggregator.rules import Publishers
from aggregator.seedformat import can_stand_in
from aggregator.urls import host_of

_NO_ARTICLE = frozenset({"consent_wall", "bot_check", "error_page", "login"})  # reasons that say: not an article at all


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractJob:
    """What a worker process gets. `from_feed` True: the entry's content is all there is.

    `is_foreign` True: the feed is of another site than the page. What it says never goes over what the page says.
    """

    page: ExtractInput
    from_feed: bool
    is_foreign: bool
    rules: PageRules | None
    mode: Literal["standard", "thorough"]


RulesOf = Callable[[str], PageRules | None]  # what is known about the pages of a host (name:port)


def job_of(
    page: FetchedPage, body: bytes | None, rules_of: RulesOf, mode: Literal["standard", "thorough"]
) -> ExtractJob:
    """Put together what the extraction of `page` needs; `body` None where there are no bytes."""
    raw = page.raw
    url = raw.final_url if raw is not None else page.url
    blank = ExtractInput(
        url=url, body=body or b"", headers=raw.headers if raw is not None else {}, first_seen=page.first_seen
    )
    return ExtractJob(
        page=blank if page.entry is None else _with_entry(blank, page.entry),
        from_feed=body is None,
        is_foreign=bool(page.feed_url) and _site(page.feed_url) != _site(url),
        rules=rules_of(host_of(url)),
        mode=mode,
    )


def _with_entry(page: ExtractInput, entry: Entry) -> ExtractInput:
    """Add what the feed says about the article."""
    at = entry.published_at or entry.updated_at
    return replace(
        page,
        feed_title=entry.title,
        feed_published=at.isoformat() if at is not None else "",
        feed_authors=entry.authors,
        feed_html=entry.content or entry.summary,
        feed_summary=entry.summary,
        feed_language=entry.language,
        feed_tags=entry.categories,
    )


def perform_all(jobs: Sequence[ExtractJob]) -> tuple[Collected | PageFailed, ...]:
    """Do several jobs in one go; runs in a worker process."""
    return tuple([perform(job) for job in jobs])


def perform(job: ExtractJob) -> Collected | PageFailed:
    """Extract, judge and fingerprint; runs in a worker process.

    The feed's own content stands in when the page gives nothing or is no article; a teaser never does.
    """
    if job.from_feed:
        return _assessed(extract_entry(job.page), ())
    page = _without_feed(job.page) if job.is_foreign else job.page
    markup = read_markup(page)
    outcome = extract_page(page, job.rules, job.mode, markup)
    reasons: tuple[str, ...] = ()
    if isinstance(outcome, Extraction):
        reasons = assess(outcome, page, markup)
        if wrong := _NO_ARTICLE.intersection(reasons):
            outcome = PageFailed(cause=Cause.LOW_QUALITY, detail=", ".join(sorted(wrong)))
    content = job.page.feed_html if job.page.feed_html != job.page.feed_summary else ""
    if isinstance(outcome, PageFailed) and can_stand_in(content, job.page.feed_summary):
        stand_in = extract_entry(job.page)
        if isinstance(stand_in, Extraction):
            return _assessed(stand_in, (f"page_{outcome.cause}",))
    return _assessed(outcome, reasons)


def _site(url: str) -> str:
    return site_of_url(url, Publishers())


def _without_feed(page: ExtractInput) -> ExtractInput:
    return replace(page, feed_title="", feed_html="", feed_summary="", feed_authors=(), feed_language="", feed_tags=())


def _assessed(outcome: Extraction | PageFailed, reasons: tuple[str, ...]) -> Collected | PageFailed:
    if isinstance(outcome, PageFailed):
        return outcome
    return Collected(content=outcome, quality=reasons, fingerprint=fingerprint(outcome.body))


# --- what to record ---------------------------------------------------------------------------------------------------


def record_of(page: FetchedPage, collected: Collected, publishers: Publishers) -> ArticleRecord | PageFailed:
    """Say which article was collected: identified again, by the address that served it and by what the page declares.

    A page whose redirects ended at no article (a home page) is a failure, unless the text came from the feed.
    """
    if page.key.startswith(OWN_CONTENT):
        return _record_of_entry(page, collected)
    final_url = page.raw.final_url if page.raw is not None and collected.content.source == "page" else page.url
    identity = identify(final_url, publishers)
    if identity.key is None or is_home(identity.key) or (identity.key != page.key and is_listing(identity.key)):
        if final_url != page.url:
            return PageFailed(cause=Cause.LOW_QUALITY, detail=f"redirected to {final_url!r}, which is no article")
        identity = Identity(url=page.url, key=page.key, rule="feed entry")
    own_site = site_of_url(final_url, publishers)
    seen = tuple(dict.fromkeys((page.url, *(hop.url for hop in page.hops), final_url)))
    identities = tuple(identify(url, publishers) for url in seen)
    edges = edges_of_page(final_url, page.hops, collected.content.declared, publishers)
    if page.entry is not None:
        edges += edges_of_entry(page.entry, page.feed_url, publishers)
    return ArticleRecord(
        identity=identity,
        url=_canonical(final_url, identity, collected.content, publishers),
        urls=tuple(one for one in identities if site_of_url(one.url, publishers) == own_site),
        edges=edges,
        pointers=tuple(one for one in identities if site_of_url(one.url, publishers) != own_site),
        content=collected.content,
        quality=collected.quality,
        fingerprint=collected.fingerprint,
        decisions=(
            Decision(url=final_url, key=identity.key, verdict="kept", rule=identity.rule, detail=page.feed_name),
            *_refused(edges),
        ),
        blog=blog_of_page(final_url, collected.content.declared, publishers),
    )


def _record_of_entry(page: FetchedPage, collected: Collected) -> ArticleRecord:
    """An entry without a page is an article of its own: its address is the feed's, as that of its neighbours is."""
    identity = Identity(url=page.url, key=page.key, rule="feed entry")
    decision = Decision(url=page.url, key=page.key, verdict="kept", rule=identity.rule, detail=page.feed_name)
    return ArticleRecord(
        identity=identity,
        url=page.url,
        urls=(identity,),
        edges=(),
        pointers=(),
        content=collected.content,
        quality=collected.quality,
        fingerprint=collected.fingerprint,
        decisions=(decision,),
    )


def _refused(edges: Iterable[Edge]) -> Iterator[Decision]:
    """Say what the page or the feed claimed and nobody believes."""
    for edge in edges:
        refusal = refusal_alone(edge)
        if refusal is not None:
            rule = f"{edge.kind}: {refusal}"
            yield Decision(url=edge.other, key=edge.other, verdict="refused", rule=rule, detail=edge.key)


def _canonical(final_url: str, identity: Identity, content: Extraction, publishers: Publishers) -> str:
    """Return the page's own canonical address where it means the same article, else the address that served it."""
    declared = content.declared.canonical or content.declared.og_url
    if declared and identify(declared, publishers).key == identity.key:
        return declared
    return final_url
