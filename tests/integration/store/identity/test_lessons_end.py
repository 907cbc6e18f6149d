"""A lesson that is disproved after hundreds of uses, and what sites teach in any order."""

from __future__ import annotations

import itertools
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from aggregator.models.ids import Key
from aggregator.store import SqlStore
from tests.support.crashes import CrashError, crash_at
from tests.support.databases import ReusedStore
from tests.support.laws import at_most
from tests.support.lessons import SITE, announced, articles, both, one_text, poll, run, tails
from tests.support.stores import StandingClock, words

FORMS = ("/news/a-{}", "/news/a-{}?maca=en-rss", "/news/a-{0}?wtx=v{0}", "/s/a-{}")


@pytest.mark.parametrize("uses", [349, pytest.param(1049, marks=pytest.mark.soak)])  # a statement takes 256 values
def test_a_contradiction_after_hundreds_of_uses_takes_all_back_and_fetches_it(
    store: SqlStore, clock: StandingClock, uses: int
) -> None:
    def contradicted(url: str) -> str:
        return one_text(url) if f"-{uses}?" not in url else words("another", 200)

    plain, tracked = both("/news/a-{}", "/news/a-{}?maca=en-rss", uses + 11)
    poll(store, 0, *plain)
    run(store, contradicted, batch=50)
    poll(store, 1, *tracked[:3])
    run(store, contradicted)
    for start in range(3, uses, 200):
        poll(store, 1, *tracked[start : min(start + 200, uses)])
        run(store, contradicted, batch=50)
    assert len(articles(store)) == uses + 11
    before = len(tails([url for urls in articles(store).values() for url in urls], "maca"))
    assert before == uses
    clock.pass_(timedelta(days=1))  # the first use of a day is fetched
    poll(store, 1, *tracked[uses:])
    asked = run(store, contradicted, batch=50)
    assert len(tails(asked, "maca")) == uses + 11 - 3 - (uses - 3) // 50  # every fiftieth use was fetched before
    found = articles(store)
    assert found[f"/news/a-{uses}"] == {f"/news/a-{uses}"}
    assert found[f"/news/a-{uses}?maca=en-rss"] == {f"/news/a-{uses}?maca=en-rss"}
    assert len(found) == uses + 12
    trace = store.trace([f"{SITE}/news/a-77?maca=en-rss"], [Key("https://courier.example/news/a-77?maca=en-rss")])
    told = [(one.verdict, one.rule) for one in trace.decisions if "maca" in one.url]
    assert ("known", "lesson") in told
    assert ("refused", "lesson") in told


# --- laws -------------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("poll"), st.integers(0, len(FORMS) - 1), st.sets(st.integers(0, 6), min_size=1)),
        st.tuples(st.just("run"), st.integers(1, 9), st.just(frozenset())),
    ),
    min_size=1,
    max_size=12,
)


@given(steps=STEPS, learns=st.booleans())
@at_most(40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_order_and_batching_gives_the_same_articles(
    reused: ReusedStore, steps: list[tuple[str, int, frozenset[int]]], learns: bool
) -> None:
    """The first three forms of an address are one article at this site; the fourth is another one."""

    def text(url: str) -> str:
        return one_text(url) if "/news/" in url else words("s" + url.rpartition("/")[2])

    store = reused.empty()
    seen: dict[int, set[str]] = {}
    for what, number, entries in steps:
        if what == "run":
            run(store, text, batch=number)
            continue
        poll(store, number, *(announced(n, FORMS[number]) for n in sorted(entries)), learns=learns)
        for n in entries:
            seen.setdefault(n, set()).add(FORMS[number].format(n))
    for _ in range(2):
        run(store, text)
        reused.clock.pass_(timedelta(hours=2))  # no address waits for longer than an hour
    news = {frozenset(url for url in urls if "/news/" in url) for urls in seen.values()}
    short = {frozenset({url}) for urls in seen.values() for url in urls if "/s/" in url}
    assert {frozenset(urls) for urls in articles(store).values()} == (news | short) - {frozenset()}


def _work(store: SqlStore, start: int) -> None:
    """Poll a feed and extract; then the other feed."""
    for feed in (0, 1):
        poll(store, feed, *(announced(n, FORMS[feed]) for n in range(start, start + 6)))
        run(store, differing_at_six, batch=20)


def differing_at_six(url: str) -> str:
    return words("another", 200) if "-6?" in url else one_text(url)


@pytest.mark.soak
def test_a_crash_while_a_lesson_is_disproved_leaves_what_was_fetched(reused: ReusedStore) -> None:
    step = 7 if reused.url.startswith("sqlite") else 29
    for countdown in itertools.count(1, step):
        store = reused.empty()
        _work(store, 0)
        reused.clock.pass_(timedelta(days=1))  # the first use of a day is fetched
        with crash_at(countdown) as count, suppress(CrashError):
            _work(store, 6)
        for _ in range(2):
            reused.clock.pass_(timedelta(hours=2))  # leases end, no address waits for longer
            _work(store, 6)
        found = articles(store)
        assert found["/news/a-6"] == {"/news/a-6"}
        assert found["/news/a-6?maca=en-rss"] == {"/news/a-6?maca=en-rss"}
        assert len(found) == 13
        assert all(len(urls) == 2 for url, urls in found.items() if "a-6" not in url)
        if count[0] < countdown:
            assert countdown > 60
            return
