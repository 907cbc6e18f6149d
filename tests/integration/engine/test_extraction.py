"""Pages on their way through the workers: together where they have no bytes, one by one where that fails."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pebble import ProcessExpired

from aggregator.engine.extraction import ExtractionLine, ExtractionSettings
from aggregator.engine.pool import result_of
from aggregator.errors import StorageError
from aggregator.extraction.feed_rules import ArticleRules
from aggregator.extraction.reextract import reextract
from aggregator.extraction.site_config import SiteConfig
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.models.fetching import Cause, Validators
from aggregator.models.pages import FetchedPage, PageFailed
from aggregator.rawstore import FileRawStore
from aggregator.schedule.due_times import PollPolicy
from aggregator.store import SqlStore, open_store
from aggregator.visits.collect import PageLimits
from aggregator.visits.context import VisitContext, VisitPolicy
from aggregator.visits.poll import PollSettings
from tests.support.articles import no_rules
from tests.support.stores import StandingClock, claim, poll, raw, sighting, subscribe, words

A = "https://feeds.example.org/rss"


@dataclass
class PlayedPool:
    """Workers that do their tasks in this process, at once; some tasks end them."""

    ends: Callable[[Any], bool] = lambda jobs: False  # Any: the jobs
    workers: int = 2
    is_warm: bool = False
    error: BaseException = field(default_factory=lambda: ProcessExpired("gone", code=-11))
    sizes: list[int] = field(default_factory=list)

    def warm_up(self, then: Callable[[], object]) -> None:
        self.is_warm = True
        then()

    def mend(self) -> None:
        """These workers end with their own task alone."""

    def submit(self, function: Callable[..., Any], jobs: Any, *others: Any) -> Future[Any]:
        self.sizes.append(len(jobs))
        future: Future[Any] = Future()
        if self.ends(jobs):
            future.set_exception(self.error)
        else:
            future.set_result(function(jobs, *others))
        return future


@pytest.fixture
def kept(sqlite_template: Path, tmp_path: Path, clock: StandingClock) -> Iterator[SqlStore]:
    shutil.copy(sqlite_template, tmp_path / "store.db")
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}", clock, use_clock=True)
    yield opened
    opened.close()


def line(store: SqlStore, clock: StandingClock, pool: PlayedPool, folder: Path) -> ExtractionLine:
    minute = timedelta(minutes=1)
    context = VisitContext(
        store=store,
        fetcher=None,  # type: ignore[arg-type] # nothing is fetched here
        raw_store=FileRawStore(folder),
        clock=clock,
        publishers=shipped_publishers(),
        rules_of=no_rules,
        read=None,  # type: ignore[arg-type]
        policy=VisitPolicy(lease=minute, per_host_interval=timedelta()),
        polling=PollSettings(policy=PollPolicy(), max_bytes=1, deadline=minute),
        pages=PageLimits(max_bytes=1, deadline=minute),
        random=Random(1),
        recent=deque(maxlen=20),
    )
    settings = ExtractionSettings(timeout=timedelta(seconds=20), keep_raw=True, revisit=())
    return ExtractionLine(context, pool, settings)  # type: ignore[arg-type]


def announce(store: SqlStore, count: int) -> None:
    (feed,) = subscribe(store, A)
    texts = [f"<p>{words(f'seed {n}')}</p>" for n in range(count)]
    poll(store, feed, *(sighting(n, content=text, from_feed=True) for n, text in enumerate(texts)))


def finish(made: ExtractionLine) -> None:
    while made.in_hand or made.context.store.waiting_for_extraction():
        made.step(0)


def test_pages_without_bytes_go_together(kept: SqlStore, clock: StandingClock, tmp_path: Path) -> None:
    announce(kept, 70)
    pool = PlayedPool()
    made = line(kept, clock, pool, tmp_path / "raw")
    finish(made)
    assert pool.sizes == [32, 32, 6]
    assert made.counts == {"new": 70}
    assert kept.counts().articles == 70


def test_a_page_that_ends_its_worker_costs_no_other(kept: SqlStore, clock: StandingClock, tmp_path: Path) -> None:
    announce(kept, 5)
    pool = PlayedPool(ends=lambda jobs: any("a-3" in job.page.url for job in jobs))
    made = line(kept, clock, pool, tmp_path / "raw")
    finish(made)
    assert pool.sizes == [5, 1, 1, 1, 1, 1]
    assert made.counts == {"new": 4, "failed": 1}
    ((url, cause, _),) = kept.failed_pages()
    assert "a-3" in url
    assert cause is Cause.EXTRACTION_CRASHED


def test_pages_with_which_a_process_ended_are_tried_alone(kept: SqlStore, clock: StandingClock, tmp_path: Path) -> None:
    announce(kept, 3)
    pool = PlayedPool()
    made = line(kept, clock, pool, tmp_path / "raw")
    folder = made.context.raw_store.folder
    assert len(kept.claim_fetched(1, timedelta(seconds=50), folder, batch=2)) == 2
    clock.pass_(timedelta(minutes=1))
    finish(made)
    assert sorted(pool.sizes) == [1, 1, 1]
    assert made.counts == {"new": 3}


def test_a_claim_lost_to_a_jump_of_the_clock_is_made_anew(kept: SqlStore, clock: StandingClock, tmp_path: Path) -> None:
    """The first task's outcome is stale; the page is recorded by the second."""
    announce(kept, 1)
    pool = PlayedPool(workers=1)
    made = line(kept, clock, pool, tmp_path / "raw")
    held: list[tuple[Future[Any], Any]] = []

    def hold(function: Callable[..., Any], jobs: Any, read: Any) -> Future[Any]:
        future: Future[Any] = Future()
        held.append((future, function(jobs, read)))
        return future

    pool.submit = hold  # type: ignore[method-assign]
    made.step(0)
    made.step(0)
    clock.pass_(timedelta(days=3))
    made.step(0)
    assert len(held) == 2
    for future, results in held:
        future.set_result(results)
    finish(made)
    assert made.counts == {"new": 1}


def test_what_is_given_back_was_not_tried(kept: SqlStore, clock: StandingClock, tmp_path: Path) -> None:
    announce(kept, 2)
    pool = PlayedPool()
    made = line(kept, clock, pool, tmp_path / "raw")
    made.context = replace(made.context)
    pool.submit = lambda function, jobs, read: Future()  # type: ignore[method-assign]
    made.step(0)
    made.step(0)
    assert made.in_hand == 2
    made.give_back()
    pages = kept.claim_fetched(5, timedelta(seconds=50), made.context.raw_store.folder)
    assert [page.claims for page in pages] == [1, 1]


class FailingStore:
    """A store that fails whenever one method is called for a page whose address has a certain end."""

    def __init__(self, store: SqlStore, method: str, end: str) -> None:
        self._store, self._method, self._end = store, method, end
        self.fails = True

    def __getattr__(self, name: str) -> Any:  # Any: whatever the store has
        kept = getattr(self._store, name)
        return partial(self._failing, kept) if name == self._method else kept

    def _failing(self, kept: Callable[..., Any], what: Any, *others: Any) -> Any:
        pages = [what] if isinstance(what, FetchedPage) else [outcome.page for outcome in what]
        if self.fails and any(page.url.endswith(self._end) for page in pages):
            raise StorageError("the disk is full")
        return kept(what, *others)


def failing(made: ExtractionLine, method: str, end: str) -> FailingStore:
    store = FailingStore(made.context.store, method, end)  # type: ignore[arg-type]
    made.context = replace(made.context, store=store)  # type: ignore[arg-type]
    return store


@pytest.mark.parametrize("method", ["record_articles", "record_extraction_failure", "give_back_page"])
def test_a_page_that_the_store_refuses_costs_no_other(
    kept: SqlStore, clock: StandingClock, tmp_path: Path, method: str
) -> None:
    """Its claim ends with the lease; then it is extracted like the others."""
    announce(kept, 4)
    pool = PlayedPool()
    made = line(kept, clock, pool, tmp_path / "raw")
    folder = made.context.raw_store.folder
    kept.claim_fetched(1, timedelta(seconds=50), folder, batch=4)
    clock.pass_(timedelta(minutes=1))  # from here on the pages go alone
    if method != "record_articles":
        ending = CancelledError() if method == "give_back_page" else ProcessExpired("gone", code=-11)
        pool.ends, pool.error = (lambda jobs: jobs[0].page.url.endswith("a-2")), ending
    store = failing(made, method, "a-2")
    made.step(0)
    with pytest.raises(StorageError, match="the disk is full"):
        made.step(0)
    assert (made.in_hand, made.counts) == (0, {"new": 3})
    store.fails = False
    pool.ends = lambda jobs: False
    clock.pass_(timedelta(hours=1))
    finish(made)
    assert made.counts == {"new": 4}


def test_a_page_to_be_retried_alone_outlives_an_error(kept: SqlStore, clock: StandingClock, tmp_path: Path) -> None:
    announce(kept, 3)
    made = line(kept, clock, PlayedPool(ends=lambda jobs: len(jobs) > 1), tmp_path / "raw")
    store = failing(made, "renew_page", "a-1")
    made.step(0)
    with pytest.raises(StorageError):
        made.step(0)
    store.fails = False
    finish(made)
    assert made.counts == {"new": 3}


def test_a_fault_that_one_page_shows_costs_no_other(
    kept: SqlStore, clock: StandingClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One page cannot become a job, another's result cannot become a record."""
    announce(kept, 4)
    pool = PlayedPool()
    made = line(kept, clock, pool, tmp_path / "raw")
    asked: list[str] = []

    def rules_of(host: str, feed: str) -> ArticleRules:
        asked.append(host)
        if len(asked) in {1, 2}:  # with the others, and alone
            raise ValueError("an odd address")
        return ArticleRules()

    def damaged(function: Callable[..., Any], jobs: Any, read: Any) -> Future[Any]:
        future: Future[Any] = Future()
        results = function(jobs, read)
        is_damaged = "a-2" in jobs[0].page.url
        future.set_result(tuple(replace(one, content=None) if is_damaged else one for one in results))
        return future

    made.context = replace(made.context, rules_of=rules_of)
    pool.submit = damaged  # type: ignore[method-assign]
    finish(made)
    assert made.counts == {"new": 2, "failed": 2}
    assert {cause for _, cause, _ in kept.failed_pages()} == {Cause.EXTRACTION_FAILED}
    assert "no extraction job" in caplog.text
    assert "no record of an article" in caplog.text


def test_workers_that_cannot_start_leave_no_task_behind(kept: SqlStore, clock: StandingClock, tmp_path: Path) -> None:
    announce(kept, 1)
    pool = PlayedPool(workers=1)
    made = line(kept, clock, pool, tmp_path / "raw")
    submit = pool.submit

    def refuse(*task: Any) -> Future[Any]:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    made.step(0)
    for _ in range(3):
        pool.submit = refuse  # type: ignore[method-assign]
        with pytest.raises(BlockingIOError):
            made.step(0)
        clock.pass_(timedelta(minutes=5))
    pool.submit = submit  # type: ignore[method-assign]
    finish(made)
    assert made.counts == {"new": 1}


def test_an_error_is_raised_once(kept: SqlStore, clock: StandingClock, tmp_path: Path) -> None:
    """A second error of the same step hides the first; neither comes back with the next step."""
    announce(kept, 1)
    made = line(kept, clock, PlayedPool(), tmp_path / "raw")
    made.settings = replace(made.settings, keep_raw=False)
    store = failing(made, "record_articles", "a-0")
    store.awaited_raw = refuse_all  # type: ignore[attr-defined]
    made.step(0)
    with pytest.raises(StorageError, match="no answer"):
        made.step(0)
    del store.awaited_raw  # type: ignore[attr-defined]
    store.fails = False
    clock.pass_(timedelta(hours=1))
    finish(made)
    assert made.counts == {"new": 1}


def refuse_all(*_: object) -> frozenset[str]:
    raise StorageError("no answer")


class StopsWhileClaiming:
    """A store during whose claim the daemon stops, as it does in another thread."""

    def __init__(self, store: SqlStore, stop: Callable[[], None]) -> None:
        self._store, self._stop = store, stop

    def __getattr__(self, name: str) -> Any:  # Any: whatever the store has
        return getattr(self._store, name)

    def claim_fetched(self, *arguments: Any, **options: Any) -> Any:
        claimed = self._store.claim_fetched(*arguments, **options)
        self._stop()
        return claimed


def test_pages_claimed_during_a_stop_are_given_back(kept: SqlStore, clock: StandingClock, tmp_path: Path) -> None:
    announce(kept, 2)
    made = line(kept, clock, PlayedPool(), tmp_path / "raw")
    made.context = replace(made.context, store=StopsWhileClaiming(kept, made.give_back))  # type: ignore[arg-type]
    for _ in range(3):
        made.step(0)
    assert (made.in_hand, made.counts) == (0, {})
    pages = kept.claim_fetched(5, timedelta(seconds=50), made.context.raw_store.folder)
    assert [page.claims for page in pages] == [1, 1]


class StopsWhileRecording:
    """A store during whose record the daemon gives back what is in hand, as a stop in another thread does."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.stop: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:  # Any: whatever the store has
        return getattr(self._store, name)

    def record_articles(self, outcomes: Any) -> Any:
        recorded = self._store.record_articles(outcomes)
        self.stop()
        return recorded


def test_a_stop_during_the_record_costs_nothing(kept: SqlStore, clock: StandingClock, tmp_path: Path) -> None:
    announce(kept, 3)
    made = line(kept, clock, PlayedPool(), tmp_path / "raw")
    store = StopsWhileRecording(kept)
    store.stop = made.give_back
    made.context = replace(made.context, store=store)  # type: ignore[arg-type]
    finish(made)
    assert (made.counts, kept.counts().articles) == ({"new": 3}, 3)


# --- articles on several pages ----------------------------------------------------------------------------------------

RULES = SiteConfig(next_page=("//a[@class='next']",))


def put_page(store: SqlStore, made: ExtractionLine, body: str) -> None:
    """Visit the site and have what is due there answered so."""
    raw_store = made.context.raw_store
    held = claim(store, "www.example.org:443")
    (page,) = store.due_pages(held, store.now())
    html = f"<html><head><title>The long report</title></head><body><article>{body}</article></body></html>".encode()
    came = raw(page, content_hash=raw_store.put(html, store.now()), at=store.now(), final_url=page.target)
    assert store.record_fetched(held, page, came, raw_store.folder, (), Validators())
    store.release(held)


def begun(kept: SqlStore, clock: StandingClock, folder: Path, *, keep_raw: bool) -> ExtractionLine:
    """Have the first of two pages fetched."""
    (feed,) = subscribe(kept, A)
    poll(kept, feed, sighting(1))
    made = line(kept, clock, PlayedPool(), folder)
    made.settings = replace(made.settings, keep_raw=keep_raw)
    made.context = replace(made.context, rules_of=lambda host, feed: ArticleRules(pages=RULES))
    put_page(kept, made, f"<p>{words('first')}</p><a class='next' href='?page=2'>Next</a>")
    finish(made)
    return made


def raw_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if len(path.name) == 64]


def test_the_bytes_of_parts_go_once_the_article_is_whole(kept: SqlStore, clock: StandingClock, tmp_path: Path) -> None:
    made = begun(kept, clock, tmp_path / "raw", keep_raw=False)
    assert len(raw_files(tmp_path / "raw")) == 1
    put_page(kept, made, f"<p>{words('second')}</p>")
    finish(made)
    (article,) = kept.articles()
    assert "first299" in article.content.body
    assert "second299" in article.content.body
    assert made.counts == {"new": 1}
    assert raw_files(tmp_path / "raw") == []


def test_a_part_that_fails_keeps_the_bytes_until_it_has_come(
    kept: SqlStore, clock: StandingClock, tmp_path: Path
) -> None:
    made = begun(kept, clock, tmp_path / "raw", keep_raw=False)
    held = claim(kept, "www.example.org:443")
    (page,) = kept.due_pages(held, kept.now())
    assert kept.record_page_failure(held, page, PageFailed(cause=Cause.TIMEOUT), None)
    kept.release(held)
    finish(made)
    (article,) = kept.articles()
    assert article.quality == ("truncated",)
    clock.pass_(timedelta(hours=1))
    put_page(kept, made, f"<p>{words('second')}</p>")
    finish(made)
    (article,) = kept.articles()
    assert ("second299" in article.content.body, article.quality, article.revision) == (True, (), 2)
    assert raw_files(tmp_path / "raw") == []


def test_a_revisit_fetches_only_further_pages_whose_bytes_were_deleted(
    kept: SqlStore, clock: StandingClock, tmp_path: Path
) -> None:
    made = begun(kept, clock, tmp_path / "raw", keep_raw=False)
    made.settings = replace(made.settings, revisit=(timedelta(days=1),))
    put_page(kept, made, f"<p>{words('second')}</p>")
    finish(made)
    clock.pass_(timedelta(days=2))
    put_page(kept, made, f"<p>{words('first')}</p><a class='next' href='?page=2'>Next</a>")
    finish(made)
    put_page(kept, made, f"<p>{words('changed')}</p>")
    finish(made)
    (article,) = kept.articles()
    assert ("changed299" in article.content.body, article.quality) == (True, ())
    assert made.counts == {"new": 1, "updated": 1}


LINK = "<a class='next' href='?page=2'>Next</a>"


@pytest.mark.parametrize("first", ["first", "other"])
@pytest.mark.parametrize("keep_raw", [False, True])
def test_a_whole_article_outlives_a_further_page_that_fails_at_a_revisit(
    kept: SqlStore, clock: StandingClock, tmp_path: Path, keep_raw: bool, first: str
) -> None:
    """The first page has changed or not; the bytes of the further page are gone."""
    made = begun(kept, clock, tmp_path / "raw", keep_raw=keep_raw)
    made.settings = replace(made.settings, revisit=(timedelta(days=1),))
    put_page(kept, made, f"<p>{words('second')}</p>")
    finish(made)
    for path in raw_files(tmp_path / "raw"):
        path.unlink()
    clock.pass_(timedelta(days=2))
    put_page(kept, made, f"<p>{words(first)}</p>{LINK}")
    finish(made)
    held = claim(kept, "www.example.org:443")
    (page,) = kept.due_pages(held, kept.now())
    assert kept.record_page_failure(held, page, PageFailed(cause=Cause.TIMEOUT), None)
    kept.release(held)
    finish(made)
    submit = lambda run, job, read: PlayedPool().submit(lambda jobs, read: run(jobs[0], read), [job], read)  # noqa: E731
    context = made.context
    tuple(reextract(kept, context.raw_store, context.publishers, context.rules_of, submit, result_of, dry_run=False))
    (article,) = kept.articles()
    assert ("second299" in article.content.body, article.quality, article.revision) == (True, (), 1)


def test_a_page_whose_bytes_are_gone_is_fetched_again_after_timeouts(
    kept: SqlStore, clock: StandingClock, tmp_path: Path
) -> None:
    (feed,) = subscribe(kept, A)
    poll(kept, feed, sighting(1))
    made = line(kept, clock, PlayedPool(), tmp_path / "raw")
    for _ in range(2):
        held = claim(kept, "www.example.org:443")
        (page,) = kept.due_pages(held, kept.now())
        assert kept.record_page_failure(held, page, PageFailed(cause=Cause.TIMEOUT), kept.now())
        kept.release(held)
    for loses in (True, False):
        put_page(kept, made, f"<p>{words('text')}</p>")
        if loses:
            (path,) = raw_files(tmp_path / "raw")
            path.unlink()
        finish(made)
    assert made.counts == {"failed": 1, "new": 1}


def test_parts_whose_bytes_are_gone_are_fetched_anew(kept: SqlStore, clock: StandingClock, tmp_path: Path) -> None:
    made = begun(kept, clock, tmp_path / "raw", keep_raw=True)
    put_page(kept, made, f"<p>{words('second')}</p>")
    for path in raw_files(tmp_path / "raw"):
        path.unlink()
    finish(made)
    assert list(kept.articles()) == []
    clock.pass_(timedelta(hours=1))
    put_page(kept, made, f"<p>{words('anew')}</p>")
    finish(made)
    (article,) = kept.articles()
    assert article.content.body.startswith("anew0")


def finish_one(made: ExtractionLine) -> None:
    while not made.counts:
        made.step(0)


def test_pages_with_equal_bytes_share_the_file_until_the_last_is_extracted(
    kept: SqlStore, clock: StandingClock, tmp_path: Path
) -> None:
    (feed,) = subscribe(kept, A)
    poll(kept, feed, sighting(1), sighting(2))
    made = line(kept, clock, PlayedPool(workers=1), tmp_path / "raw")
    made.settings = replace(made.settings, keep_raw=False)
    raw_store = made.context.raw_store
    html = f"<html><body><article><p>{words('same')}</p></article></body></html>".encode()
    held = claim(kept, "www.example.org:443")
    pages = kept.due_pages(held, kept.now())
    for page in pages:
        came = raw(page, content_hash=raw_store.put(html, kept.now()), at=kept.now())
        assert kept.record_fetched(held, page, came, raw_store.folder, (), Validators())
    kept.release(held)
    other = kept.claim_fetched(1, timedelta(minutes=10), raw_store.folder)  # as another process does
    finish_one(made)
    assert len(raw_files(tmp_path / "raw")) == 1
    for page in other:
        kept.give_back_page(page)
    finish(made)
    assert made.counts == {"new": 1, "failed": 1}
    assert {cause for _, cause, _ in kept.failed_pages()} == {Cause.WALL}, "one text under two titles; no bytes missed"
    assert raw_files(tmp_path / "raw") == []


@pytest.mark.parametrize("fails", [False, True])
def test_the_bytes_of_a_lost_page_stay_for_its_new_holder(
    kept: SqlStore, clock: StandingClock, tmp_path: Path, fails: bool
) -> None:
    (feed,) = subscribe(kept, A)
    poll(kept, feed, sighting(1))
    pool = PlayedPool(ends=lambda jobs: fails)
    made = line(kept, clock, pool, tmp_path / "raw")
    made.settings = replace(made.settings, keep_raw=False)
    put_page(kept, made, f"<p>{words('text')}</p>")
    submit = pool.submit

    def taken_meanwhile(*task: Any) -> Future[Any]:
        clock.pass_(timedelta(hours=1))
        assert kept.claim_fetched(1, timedelta(minutes=10), made.context.raw_store.folder), "another process claims it"
        return submit(*task)

    pool.submit = taken_meanwhile  # type: ignore[method-assign]
    finish_one(made)
    assert made.counts == {"lost": 1}
    assert len(raw_files(tmp_path / "raw")) == 1
