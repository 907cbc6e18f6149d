"""What sites teach about their addresses: proven by fetched pages, used without requests, taken back when disproved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.identity.evidence import Edge
from aggregator.identity.walls import Resemblance
from aggregator.models.fetching import Hop, Validators
from aggregator.models.ids import EvidenceKind, Identity, Key
from aggregator.models.pages import FetchedPage
from aggregator.ports.store_records import ArticleOutcome, ArticleRecord
from aggregator.store import SqlStore
from tests.support.databases import ReusedStore
from tests.support.lessons import SITE, announced, articles, both, number_in, one_text, poll, record_of, run, tails
from tests.support.stores import (
    FOLDER,
    StandingClock,
    article_record,
    claim,
    fetch_due,
    fetched_pages,
    identity,
    raw,
    words,
)

SHAPES = [
    ("/news/a-{}", "/news/a-{}?maca=en-rss"),
    ("/news/a-{}", "/news/a-{0}?wt=v{0}"),
    ("/news/storm-kills-two-here-{}", "/sp/news/storm-kills-two-here-{}"),
    ("/news/storm-kills-two-here-{}", "/world/storm-kills-two-here-{}"),
    ("/news/storm-48{:03}", "/node/48{:03}"),
    ("/news/storm-48{:03}", "/?p=48{:03}"),
]


@pytest.mark.parametrize(("shape", "turned"), [*((shape, False) for shape in SHAPES), (SHAPES[0], True)])
def test_three_paths_teach_what_further_addresses_need_no_request_for(
    reused: ReusedStore, shape: tuple[str, str], turned: bool
) -> None:
    store = reused.empty()
    first, second = both(*(shape[::-1] if turned else shape), 8)
    poll(store, 0, *first)
    poll(store, 1, *second)
    asked = run(store)
    assert len(asked) == 8 + 3
    assert len(list(store.articles())) == 8
    reused.clock.pass_(timedelta(days=1))
    more, again = both(*(shape[::-1] if turned else shape), 8, start=100)
    poll(store, 0, *more)
    run(store)
    assert poll(store, 1, *again) == 7  # the first use of a day is fetched all the same
    assert len(run(store)) == 1
    assert len(list(store.articles())) == 16
    assert all(len(urls) == 2 for urls in articles(store).values())


def test_of_many_uses_every_fiftieth_is_fetched(store: SqlStore) -> None:
    plain, tracked = both("/news/a-{}", "/news/a-{}?maca=en-rss", 153)
    poll(store, 0, *plain)
    poll(store, 1, *tracked)
    assert len(tails(run(store), "maca")) == 3 + 3
    assert len(articles(store)) == 153


def test_a_name_that_addresses_articles_is_never_learned(store: SqlStore) -> None:
    plain, numbered = both("/news/a-{}", "/news/a-{}?page=2", 10)
    poll(store, 0, *plain)
    poll(store, 1, *numbered)
    assert len(run(store)) == 20


def test_pages_that_differ_disprove_it_and_none_waits(store: SqlStore) -> None:
    plain, other = both("/news/a-{}", "/news/a-{}?part=2", 10)
    poll(store, 0, *plain)
    poll(store, 1, *other)
    assert len(run(store, lambda url: words("p" + url.replace("/", "").replace("?", "")))) == 20
    assert len(articles(store)) == 20


def test_pages_that_prove_nothing_keep_others_waiting_for_no_longer_than_themselves(store: SqlStore) -> None:
    plain, other = both("/news/a-{}", "/news/a-{}?maca=x", 10)
    poll(store, 0, *plain)
    poll(store, 1, *other)
    assert len(run(store, lambda url: one_text(url)[:80])) == 20  # too short to be one article by its text


def test_addresses_wait_an_hour_at_most(store: SqlStore, clock: StandingClock) -> None:
    plain, other = both("/news/a-{}", "/news/a-{}?maca=x", 10)
    poll(store, 1, *other)
    poll(store, 0, *plain)
    held = claim(store, "www.courier.example:443")
    assert len(store.due_pages(held, store.now())) == 13
    assert len(store.due_pages(held, store.now() + timedelta(hours=1))) == 20


def test_lessons_that_are_not_wanted_rest(store: SqlStore, clock: StandingClock) -> None:
    plain, tracked = both("/news/a-{}", "/news/a-{}?maca=en-rss", 10)
    poll(store, 0, *plain[:5])
    poll(store, 1, *tracked[:5])
    run(store)
    poll(store, 0, *plain[5:])
    assert poll(store, 1, *tracked[5:], learns=False) == 0
    assert len(run(store)) == 10


def test_what_a_wall_proved_is_proved_no_longer(store: SqlStore, clock: StandingClock) -> None:
    plain, tracked = both("/news/a-{}", "/news/a-{}?maca=en-rss", 6)
    poll(store, 0, *plain)
    poll(store, 1, *tracked)

    def walled(page: FetchedPage) -> ArticleRecord:
        record = article_record(page, title="Subscribe", body=words("wall", 80))
        return replace(record, says_title=Resemblance.NOTHING)

    held = claim(store, "www.courier.example:443")
    for page in store.due_pages(held, store.now()):
        store.record_fetched(
            held, page, raw(page, content_hash=f"{page.id:064x}", at=store.now()), FOLDER, (), Validators()
        )
    store.release(held)
    until = store.now() + timedelta(hours=1)
    store.record_articles(
        [ArticleOutcome(page=page, record=walled(page), if_wall=until) for page in fetched_pages(store)]
    )
    assert articles(store) == {}
    clock.pass_(timedelta(hours=1))
    assert len(run(store)) == 6 + 3
    assert len(articles(store)) == 6


def test_why_names_the_lesson_and_two_proofs(store: SqlStore) -> None:
    plain, tracked = both("/news/a-{}", "/news/a-{}?maca=en-rss", 9)
    poll(store, 0, *plain)
    poll(store, 1, *tracked)
    run(store)
    trace = store.trace([f"{SITE}/news/a-8?maca=en-rss"], [])
    (told,) = [one for one in trace.decisions if one.verdict == "known"]
    assert told.detail.startswith("?maca is tracking at courier.example: 3 proofs, none against, checked 2026-03-01; ")
    assert told.detail.count("?maca=en-rss = ") == 2
    assert [page.state for page in trace.pages] == ["done", "done"]


@pytest.mark.parametrize(("batch", "order"), [(1, (0, 1, 2)), (7, (2, 1, 0)), (50, (1, 2, 0))])
def test_feeds_in_any_order_and_batches_of_any_size_give_the_same(
    reused: ReusedStore, batch: int, order: Sequence[int]
) -> None:
    store = reused.empty()
    forms = ("/news/a-{}", "/news/a-{}?maca=en-rss", "/news/a-{0}?maca=x{0}")
    for feed in order:
        poll(store, feed, *(announced(n, forms[feed]) for n in range(12)))
    run(store, batch=batch)
    assert articles(store) == {f"/news/a-{n}": {form.format(n) for form in forms} for n in range(12)}


# --- declarations and redirects ---------------------------------------------------------------------------------------


def short_link(page: FetchedPage) -> tuple[Edge, ...]:
    other = Key(f"https://courier.example/s/{number_in(page.url)}")
    if page.key == other:
        return ()
    site = "courier.example"
    return (Edge(key=page.key, other=other, kind=EvidenceKind.DECLARED, site=site, other_site=site, witness=site),)


def extract_all(store: SqlStore) -> int:
    """Fetch and extract what is due; articles declare a short link. Return how many pages that were."""
    count = 0
    while fetch_due(store):
        while pages := fetched_pages(store):
            made = [replace(record_of(page, one_text), edges=short_link(page)) for page in pages]
            outcomes = [ArticleOutcome(page=page, record=record) for page, record in zip(pages, made, strict=True)]
            store.record_articles(outcomes)
            count += len(pages)
    return count


def test_short_links_that_pages_declare_are_trusted_after_three(store: SqlStore, clock: StandingClock) -> None:
    poll(store, 0, *(announced(n) for n in range(20)))
    extract_all(store)
    assert poll(store, 1, *(announced(n, "/s/{}") for n in range(3))) == 0
    assert extract_all(store) == 3
    assert poll(store, 1, *(announced(n, "/s/{}") for n in range(3, 20))) == 17
    assert extract_all(store) == 0
    (lesson,) = store.lessons.all()
    assert lesson.sentence().startswith(
        "a short link, AMP or telephone page that an article declares is that article at "
    )
    assert len(articles(store)) == 20


def test_short_links_that_were_announced_before_their_articles_are_declared_wait(store: SqlStore) -> None:
    poll(store, 0, *(announced(n, "/s/{}") for n in range(10)))
    poll(store, 1, *(announced(n) for n in range(10)))
    held = claim(store, "www.courier.example:443")
    for page in store.due_pages(held, store.now()):
        if "/s/" not in page.url:
            store.record_fetched(held, page, raw(page, at=store.now()), FOLDER, (), Validators())
    store.release(held)
    made = [(page, replace(record_of(page, one_text), edges=short_link(page))) for page in fetched_pages(store)]
    store.record_articles([ArticleOutcome(page=page, record=record) for page, record in made])
    assert extract_all(store) == 3
    assert len(articles(store)) == 10


def test_a_redirect_to_a_page_that_waits_waits_for_it(store: SqlStore, clock: StandingClock) -> None:
    poll(store, 0, announced(1, "/p/{}"))
    poll(store, 1, announced(1))
    held = claim(store, "www.courier.example:443")
    short, page = store.due_pages(held, store.now())
    target = identity(page.url, page.key)
    assert store.is_known_target(short, target)
    assert not store.is_known_target(short, identity(short.url, short.key))
    assert not store.is_known_target(short, Identity(url="x", key=None, rule="no-url"))
    hops = (Hop(url=short.url, status=301, target=page.url),)
    assert store.record_handover(held, short, target, "www.courier.example:443", hops) is not None
    assert [one.url for one in store.due_pages(held, store.now())] == [page.url]
    assert [one.target for one in store.due_pages(held, store.now() + timedelta(hours=1))] == [page.url, page.url]
    store.release(held)
    assert run(store) == ["/news/a-1"]
    assert articles(store) == {"/p/1": {"/p/1", "/news/a-1"}}
    trace = store.trace([short.url], [])
    assert ("merged", "redirect") in [(one.verdict, one.rule) for one in trace.decisions]
    assert store.lessons.all() == ()
    clock.pass_(timedelta(hours=2))
    assert run(store) == []
