"""Extracts pages again from their stored raw responses; reports the changes, and stores them unless it is a dry run."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace

from aggregator.extraction.feed_rules import RulesOf
from aggregator.extraction.pipeline import ExtractJob, Read, extraction_job, is_shortened, run_stored
from aggregator.extraction.records import article_record
from aggregator.identity.publisher_rules import Publishers
from aggregator.models.articles import Article, Extraction
from aggregator.models.fetching import Cause
from aggregator.models.ids import ArticleId, PageId
from aggregator.models.pages import FetchedPage, PageFailed
from aggregator.ports.protocols import RawStore
from aggregator.ports.store import Store
from aggregator.ports.store_records import Collected

_BATCH = 200
_AHEAD = 8  # jobs handed to the workers before the first result is waited for

Run = Callable[[ExtractJob, Read], Collected | PageFailed]
Submit = Callable[[Run, ExtractJob, Read], Future[Collected | PageFailed]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a new extraction of one page changes. `similarity` (0 to 1) compares the words of the old and the new body.

    `failed` is set if the page gives no article any more.
    """

    article_id: ArticleId | None  # None: the page gave no article so far
    url: str
    fields: tuple[str, ...]  # which fields change; empty: none
    similarity: float
    failed: PageFailed | None


def reextract(
    store: Store,
    raw_store: RawStore,
    publishers: Publishers,
    rules_of: RulesOf,
    submit: Submit,
    result_of: Callable[[Future[Collected | PageFailed]], Collected | PageFailed | None],
    *,
    dry_run: bool,
) -> Iterator[Difference]:
    """Extract again all pages whose bytes are stored, and yield the differences from the stored articles, page by page.

    `submit` hands a job to a worker process; `result_of` waits for its result. The new articles are stored, unless
    `dry_run` is True. The old texts stay as revisions. If a page gives no article any more, its stored article stays.
    """
    waiting: deque[tuple[FetchedPage, Future[Collected | PageFailed]]] = deque()
    for page in _stored_pages(store):
        waiting.append((page, submit(run_stored, extraction_job(page, rules_of, publishers), raw_store.get)))
        if len(waiting) > _AHEAD:
            yield from _settle(store, publishers, *waiting.popleft(), result_of, dry_run)
    while waiting:
        yield from _settle(store, publishers, *waiting.popleft(), result_of, dry_run)


def _stored_pages(store: Store) -> Iterator[FetchedPage]:
    last = PageId(0)
    while pages := store.stored_pages(last, _BATCH):
        yield from pages
        last = pages[-1].id


def _settle(
    store: Store,
    publishers: Publishers,
    page: FetchedPage,
    future: Future[Collected | PageFailed],
    result_of: Callable[[Future[Collected | PageFailed]], Collected | PageFailed | None],
    dry_run: bool,
) -> Iterator[Difference]:
    outcome = result_of(future)
    if outcome is None or (isinstance(outcome, PageFailed) and outcome.cause is Cause.RAW_MISSING):
        return
    article = store.article(page.article_id) if page.article_id is not None else None
    if isinstance(outcome, PageFailed):
        if article is not None:
            yield Difference(article_id=article.id, url=page.url, fields=(), similarity=0.0, failed=outcome)
        return
    if is_shortened(page, outcome):
        return
    record = article_record(page, outcome, publishers)
    if article is None:
        yield Difference(article_id=None, url=page.url, fields=("article",), similarity=0.0, failed=None)
    else:
        fields = _changed_fields(article, record.content)
        if not fields:
            return
        similarity = difflib.SequenceMatcher(
            None, article.content.body.split(), record.content.body.split(), autojunk=False
        ).ratio()
        yield Difference(
            article_id=article.id, url=page.url, fields=fields, similarity=round(similarity, 3), failed=None
        )
    if not dry_run:
        store.record_reextracted(page, record)


def _changed_fields(article: Article, new: Extraction) -> tuple[str, ...]:
    """Return the names of the fields in which a new extraction differs from the stored article.

    The extractor's name and version are not compared.
    """
    old = article.content
    new = replace(new, extractor_name=old.extractor_name, extractor_version=old.extractor_version)
    return tuple(name for name in Extraction.__slots__ if getattr(old, name) != getattr(new, name))
