"""From a fetched page or an entry's own content to an article: extract, judge, fingerprint. Pure.

`run_jobs` and `run_stored` run in a worker process, `extraction_job` in the process with the open store, `read_along`
in the process that parses the feed. `next_page_of` finds a further page that is not fetched yet; `visits/visit.py`
fetches it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import unescape
from itertools import takewhile
from typing import Final

from aggregator.extraction.feed_rules import FeedRules, RulesOf, announced_by, ruled
from aggregator.extraction.markup import Markup, read_markup
from aggregator.extraction.metadata.stated import read_date
from aggregator.extraction.metadata.titles import stated_titles
from aggregator.extraction.page_rules import PageRules
from aggregator.extraction.pagination import MAX_PARTS, Chain, Part, chain_of, join, numbers_of
from aggregator.extraction.quality import assess
from aggregator.extraction.records import record_of_entry
from aggregator.extraction.walls import Evidence, is_certain_wall
from aggregator.identity.fingerprint import fingerprint
from aggregator.identity.identify import identify, without_idle_parameters
from aggregator.identity.keys import KeyRules
from aggregator.identity.own_entries import can_stand_in
from aggregator.identity.publisher_rules import Publishers
from aggregator.identity.section_pages import may_be_article
from aggregator.identity.sites import site_of_url
from aggregator.identity.walls import Resemblance, compare_title, states_title
from aggregator.models.articles import ExtractInput, Extraction
from aggregator.models.feeds import Entry, Feed
from aggregator.models.fetching import Cause
from aggregator.models.pages import FetchedPage, PageFailed
from aggregator.ports.store_records import Collected, FeedReading, NextPage, Sighting
from aggregator.urls import host_of

_WALLS = frozenset({"consent_wall", "bot_check", "error_page", "login"})  # reasons that mean: perhaps no article
Read = Callable[[str], bytes | None]  # the bytes with a content hash; None: they are gone


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractJob:
    """One page to extract, as it is sent to a worker process. `url` is the requested address.

    `is_foreign` is True if feed and page are of different sites. Of the feed's entry, then only the date is used to
    read the page. The entry's content may still become the article if the page has none.
    """

    page: ExtractInput
    from_feed: bool  # no page was fetched: the entry's content is the only text
    is_foreign: bool
    rules: PageRules | None
    url: str
    raw: tuple[str, ...] = ()  # content hashes of the page and of `parts`, by which the worker reads the bytes
    feed_rules: FeedRules = FeedRules()  # noqa: RUF009 - frozen
    parts: tuple[Part, ...] = ()  # the fetched further pages
    chain: Chain = Chain(parts=(), missing=None)  # noqa: RUF009 - frozen; the linked `parts`, set with the bytes
    ends: bool = False  # a further page failed, so no other is fetched
    numbers: KeyRules = KeyRules()  # noqa: RUF009 - frozen; the host's rules for article numbers
    off_target: PageFailed | None = None  # redirects ended at a home page or list


def extraction_job(page: FetchedPage, rules_of: RulesOf, publishers: Publishers) -> ExtractJob:
    """Return the job to extract `page`. Its bodies are empty until `read_bodies` reads them from the raw store."""
    url = page.url if page.raw is None else page.raw.final_url
    headers = {} if page.raw is None else page.raw.headers
    blank = ExtractInput(url=url, body=b"", headers=headers, first_seen=page.first_seen)
    parts = [part for part in page.parts if part.failed is None]
    raws = () if page.raw is None else (page.raw, *(part.raw for part in parts))
    known = rules_of(host_of(url), page.feed_url)
    rules = known.pages
    return ExtractJob(
        page=blank if page.entry is None else announced_by(_with_entry(blank, page.entry), known.feed),
        feed_rules=known.feed,
        from_feed=page.raw is None,
        is_foreign=page.raw is not None and bool(page.feed_url) and _site(page.feed_url) != _site(url),
        rules=rules,
        url=page.url,
        raw=tuple("" if raw is None else raw.content_hash for raw in raws),  # "": the bytes are known to be gone
        parts=tuple(
            Part(url=part.url, page=replace(blank, url=part.raw.final_url, headers=part.raw.headers))
            for part in parts
            if part.raw is not None
        ),
        ends=failed_part(page) is not None,
        off_target=_off_target(page, publishers),
        numbers=numbers_of(host_of(url), publishers) if rules is not None and rules.next_page else KeyRules(),
    )


def _off_target(page: FetchedPage, publishers: Publishers) -> PageFailed | None:
    """Return a failure if redirects led to a home page, a section page, or an address without a key; else None."""
    final_url = page.url if page.raw is None else page.raw.final_url
    if final_url == page.url:
        return None
    if may_be_article(identify(final_url, publishers).key, page.key):
        return None
    return PageFailed(cause=Cause.LOW_QUALITY, detail=f"redirected to {final_url!r}, which is no article")


def read_bodies(job: ExtractJob, read: Read, *, may_fetch: bool) -> ExtractJob | PageFailed:
    """Return the job with the bytes of the page and of its further pages; a failure if stored bytes are gone.

    With `may_fetch`, missing further pages are no failure: the job keeps those before, and the rest is fetched again.
    """
    bodies = [body for body in takewhile(lambda body: body is not None, map(read, job.raw)) if body is not None]
    if len(bodies) < len(job.raw) and not (bodies and may_fetch and not job.ends):
        return PageFailed(cause=Cause.RAW_MISSING, detail="its bytes are gone")
    return with_bodies(job, bodies)


def with_bodies(job: ExtractJob, bodies: Sequence[bytes]) -> ExtractJob:
    """Return the job with `bodies`: the first is the page's, the next are those of its further pages, in order.

    Further pages without a body are left out. No bodies: the job is returned unchanged.
    """
    if not bodies:
        return job
    parts = zip(job.parts, bodies[1:], strict=False)
    whole = replace(
        job,
        page=replace(job.page, body=bodies[0]),
        parts=tuple(replace(part, page=replace(part.page, body=body)) for part, body in parts),
    )
    return replace(whole, chain=_chain(whole))


def failed_part(page: FetchedPage) -> PageFailed | None:
    """Return why the first failed further page of a multi-page article failed; None: none failed."""
    return next((part.failed for part in page.parts if part.failed is not None), None)


def is_shortened(page: FetchedPage, collected: Collected) -> bool:
    """Return whether the stored article has more further pages than this result, because one of them failed."""
    return failed_part(page) is not None and (page.was_whole or collected.parts < page.parts_before)


def _with_entry(page: ExtractInput, entry: Entry) -> ExtractInput:
    """Return the input with the title, date, authors, content, tags and attachments that the feed's entry states."""
    return replace(
        page,
        feed_title=entry.title,
        feed_published=_announced(entry),
        feed_authors=entry.authors,
        feed_html=entry.content or entry.summary,
        feed_summary=entry.summary,
        feed_language=entry.language,
        feed_tags=entry.categories,
        feed_enclosures=entry.enclosures,
    )


def _announced(entry: Entry) -> str:
    """Return when an entry was published, as ISO 8601 with the feed's own UTC offset or as a bare day; `""`: unknown.

    It is in UTC if the entry has only a time of update, or if the feed's own text means another time.
    """
    at = entry.published_at or entry.updated_at
    if at is None:
        return ""
    own = read_date(entry.published_raw) if entry.published_at is not None else ""
    is_same = datetime.fromisoformat(own) == at if "T" in own else own == at.date().isoformat()
    return own if is_same else at.isoformat()


def run_jobs(jobs: Sequence[ExtractJob], read: Read) -> tuple[Collected | NextPage | PageFailed, ...]:
    """Return the result of each job, in order, in a worker. A `NextPage` is a page to be fetched before the article."""
    whole = (read_bodies(job, read, may_fetch=True) for job in jobs)
    return tuple([job if isinstance(job, PageFailed) else next_page_of(job) or run_job(job) for job in whole])


def run_stored(job: ExtractJob, read: Read) -> Collected | PageFailed:
    """Return the extracted article of stored responses, or why there is none; runs in a worker process.

    Further pages of the article are used if they are stored; none is fetched.
    """
    whole = read_bodies(job, read, may_fetch=False)
    return whole if isinstance(whole, PageFailed) else run_job(whole)


def next_page_of(job: ExtractJob) -> NextPage | None:
    """Return the further page to fetch before the article is extracted.

    None: the last page links to no other, a further page failed, or the article has as many pages as allowed.
    """
    chain = job.chain
    if chain.missing is None or job.ends or len(chain.parts) + 1 >= MAX_PARTS:
        return None
    return NextPage(number=len(chain.parts) + 2, url=chain.missing)


def _chain(job: ExtractJob) -> Chain:
    if job.from_feed or job.off_target or job.rules is None or not job.rules.next_page:
        return Chain(parts=(), missing=None)
    return chain_of(Part(url=job.url, page=job.page), job.parts, job.rules, job.numbers)


def run_job(job: ExtractJob) -> Collected | PageFailed:
    """Extract, judge and fingerprint a page; runs in a worker process.

    A page with text is an article; `quality` lists the reasons to doubt it, such as "truncated": a further page is
    missing. A bot check proven by its markup is no article, nor is a list or home page to which redirects led. If the
    page gives no article, or looks like a wall (consent, bot check, error, login), the content of the feed's entry is
    used instead, unless it is a teaser.
    """
    from aggregator.extraction.extract import extract_entry  # imported late: only workers need these 17 MiB

    if job.from_feed:
        return _assessed(job.feed_rules, extract_entry(job.page), ())
    outcome, reasons, joined, says = (job.off_target, (), 0, Resemblance.SAYS) if job.off_target else _read(job)
    content = job.page.feed_html if job.page.feed_html != job.page.feed_summary else ""
    failed = outcome.cause if isinstance(outcome, PageFailed) else Cause.LOW_QUALITY
    is_doubtful = isinstance(outcome, PageFailed) or bool(_WALLS.intersection(reasons))
    if is_doubtful and can_stand_in(content, job.page.feed_summary, job.page.feed_enclosures):
        stand_in = extract_entry(job.page)
        if isinstance(stand_in, Extraction):
            return _assessed(job.feed_rules, stand_in, (f"page_{failed}",))
    return _assessed(job.feed_rules, outcome, reasons, joined, says)


def _says_title(outcome: Extraction | PageFailed, announced: str, markup: Markup) -> Resemblance:
    """Return how much of the entry's title the page has; `SAYS` if it failed, or if its text is the feed's."""
    if isinstance(outcome, PageFailed) or outcome.source == "feed":
        return Resemblance.SAYS
    is_own = outcome.title != announced or announced in markup.text or announced in unescape(markup.text)
    says = compare_title(announced, outcome.title if is_own else "", outcome.body)
    is_stated = says is Resemblance.NOTHING and states_title(announced, stated_titles(markup.text))
    return Resemblance.ECHOES if is_stated else says  # the headline may be the name of a show


def _read(job: ExtractJob) -> tuple[Extraction | PageFailed, tuple[str, ...], int, Resemblance]:
    """Return the article, reasons to doubt it, its number of further pages, and how much of the feed's title it has."""
    page = _without_feed(job.page) if job.is_foreign else job.page
    markup = read_markup(page)
    chain = job.chain
    outcome, joined = _extract_parts(page, markup, chain.parts, job)
    reasons: tuple[str, ...] = ()
    if isinstance(outcome, Extraction):
        reasons = assess(outcome, page, markup)
        if outcome.source == "page" and (chain.missing is not None or joined < len(chain.parts)):
            reasons = tuple(dict.fromkeys((*reasons, "truncated")))
        if "bot_check" in reasons and is_certain_wall(Evidence(content=outcome, page=page, markup=markup)):
            outcome = PageFailed(cause=Cause.LOW_QUALITY, detail="bot_check")
    return outcome, reasons, joined, _says_title(outcome, job.page.feed_title, markup)


def _extract_parts(
    page: ExtractInput, markup: Markup, further: Sequence[Part], job: ExtractJob
) -> tuple[Extraction | PageFailed, int]:
    """Return the article and its number of further pages: those before the first that fails or is a wall (a login)."""
    from aggregator.extraction.extract import extract_page, with_feed_content

    if not further:
        return extract_page(page, job.rules, markup), 0
    first = extract_page(replace(page, feed_html=""), job.rules, markup)
    if isinstance(first, PageFailed):
        return first, 0
    parts = [first]
    for one in further:
        own = read_markup(one.page)
        part = extract_page(one.page, job.rules, own)
        if isinstance(part, PageFailed) or _WALLS.intersection(assess(part, one.page, own)):
            break
        parts.append(part)
    return with_feed_content(join(parts), page), len(parts) - 1


_NO_RULES: Final = Publishers()


def _site(url: str) -> str:
    return site_of_url(url, _NO_RULES)


def _without_feed(page: ExtractInput) -> ExtractInput:
    page = replace(page, feed_title="", feed_html="", feed_summary="", feed_authors=(), feed_language="")
    return replace(page, feed_tags=(), feed_enclosures=())


def _assessed(
    rules: FeedRules,
    outcome: Extraction | PageFailed,
    reasons: tuple[str, ...],
    parts: int = 0,
    says: Resemblance = Resemblance.SAYS,
) -> Collected | PageFailed:
    if isinstance(outcome, PageFailed):
        return outcome
    return Collected(
        content=ruled(outcome, rules),
        quality=reasons,
        fingerprint=fingerprint(outcome.body),
        parts=parts,
        says_title=says,
    )


# --- an entry's own content -------------------------------------------------------------------------------------------


def read_along(
    reading: FeedReading, feed: Feed, now: datetime, publishers: Publishers, rules: FeedRules
) -> FeedReading:
    """Return `reading` with the articles of entries whose own content is the article.

    An entry whose content gives no article is unchanged: the extraction of its page records the reason.
    """
    sightings = tuple(_read_along(one, feed, now, publishers, rules) for one in reading.sightings)
    return replace(reading, sightings=sightings)


def _read_along(sighting: Sighting, feed: Feed, now: datetime, publishers: Publishers, rules: FeedRules) -> Sighting:
    from aggregator.extraction.extract import extract_entry  # imported late, as above

    entry, identity = sighting.entry, sighting.identity
    if not sighting.from_feed or identity is None or identity.key is None or not (entry.content or entry.summary):
        return sighting
    page = announced_by(_with_entry(ExtractInput(url=identity.url, body=b"", first_seen=now), entry), rules)
    collected = _assessed(rules, extract_entry(page), ())
    if isinstance(collected, PageFailed):
        return sighting
    shown = without_idle_parameters(identity.url, publishers)
    record = record_of_entry(identity, shown, sighting.edges, feed.name or feed.url, collected)
    return replace(sighting, article=record)
