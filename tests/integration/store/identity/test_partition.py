"""The same sightings give the same articles, in any order and batching; a crash anywhere leaves no second one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from aggregator.identity.evidence import Edge, KeyFacts, judge
from aggregator.identity.fingerprint import fingerprint
from aggregator.models.ids import EvidenceKind, Identity, Key
from aggregator.models.pages import FetchedPage
from aggregator.ports.store_records import ArticleOutcome
from aggregator.store import SqlStore
from aggregator.store.db.hashes import text_hash
from tests.support.crashes import CrashError, crash_at
from tests.support.databases import ReusedStore
from tests.support.laws import at_most, stride
from tests.support.stores import article_record, fetch_due, fetched_pages, poll, sighting, subscribe, words

FEEDS = ("http://feeds.example.org/a", "http://feeds.example.org/b")
KEYS = tuple(Key(f"https://example.org/en/story/number-{n}-of-many") for n in range(6))
TEXTS = ("one", "one", "one", "two", "two", "three")  # what stands at each key


def address(number: int, variant: int) -> str:
    return f"https://www.example.org/en/story/number-{number}-of-many?v={variant}"


def edges(pairs: frozenset[tuple[int, int]]) -> tuple[Edge, ...]:
    return tuple(
        Edge(
            key=KEYS[one],
            other=KEYS[other],
            kind=EvidenceKind.FEED_LINK,
            site="example.org",
            other_site="example.org",
            witness="example.org",
        )
        for one, other in sorted(pairs)
    )


def text_at(number: int) -> tuple[str, str]:
    return f"Title {TEXTS[number]}", words(TEXTS[number])


sightings = st.lists(
    st.tuples(st.sampled_from(FEEDS), st.integers(0, 5), st.integers(0, 2), st.integers(0, 5)), min_size=1, max_size=12
)
pairs = st.frozensets(
    st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] < pair[1]), max_size=5
)


def extract_all(store: SqlStore) -> None:
    fetch_due(store)
    while waiting := fetched_pages(store):
        extract(store, waiting)


def extract(store: SqlStore, waiting: Sequence[FetchedPage]) -> None:
    """Record the articles of these pages together."""
    outcomes = []
    for page in waiting:
        title, body = text_at(KEYS.index(page.key))
        outcomes.append(ArticleOutcome(page=page, record=article_record(page, title=title, body=body)))
    assert None not in store.record_articles(outcomes)


def announce(store: SqlStore, seen: list[tuple[str, int, int, int]], joined: frozenset[tuple[int, int]]) -> None:
    """One poll of one feed that shows these entries; the evidence comes with the first."""
    for url in FEEDS:
        shown = {(number, variant, guid): None for feed, number, variant, guid in seen if feed == url}
        entries = [
            sighting(
                f"{number}-{variant}-{guid}",
                url=address(number, variant),
                key=KEYS[number],
                edges=edges(joined) if n == 0 else (),
                content_hash=str(sorted(joined)) if n == 0 else "",
                entry_id=f"{number} {variant} {guid}",
            )
            for n, (number, variant, guid) in enumerate(shown)
        ]
        if entries:
            feed = next(feed for feed in store.feeds() if feed.url == url)
            poll(store, feed, *entries)


def outcome(store: SqlStore) -> set[frozenset[str]]:
    """Each article as the set of its addresses; the ids may differ, the partition not."""
    return {frozenset(article.urls) for article in store.articles()}


def expected(seen: list[tuple[str, int, int, int]], joined: frozenset[tuple[int, int]]) -> set[frozenset[str]]:
    numbers = {number for _, number, _, _ in seen}
    facts = {
        KEYS[n]: KeyFacts(
            text_hash=fingerprint(text_at(n)[1]).text_hash,
            title_hash=text_hash(text_at(n)[0]),
            sample=fingerprint(text_at(n)[1]).hashes,
        )
        for n in numbers
    }
    groups = judge(facts, edges(joined)).groups
    urls = [frozenset(address(n, v) for _, n, v, _ in seen if KEYS[n] in group) for group in groups]
    return {found for found in urls if found}


@given(seen=sightings, joined=pairs, cuts=st.lists(st.integers(1, 11), max_size=3), shuffled=st.randoms())
@at_most(
    15,
    phases=[Phase.explicit, Phase.generate],  # to shrink costs minutes: each example fills a store
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_order_and_batching_gives_the_same_articles(
    reused: ReusedStore,
    seen: list[tuple[str, int, int, int]],
    joined: frozenset[tuple[int, int]],
    cuts: list[int],
    shuffled: Any,
) -> None:
    at = 0 if shuffled.random() < 0.5 else max((cut for cut in cuts if cut < len(seen)), default=0)  # of the evidence
    bounds = sorted({0, len(seen), *(cut for cut in cuts if cut < len(seen))})
    order = list(seen)
    shuffled.shuffle(order)
    store = reused.empty()
    subscribe(store, *FEEDS)
    for start, end in itertools.pairwise(bounds):
        announce(store, order[start:end], joined if start == at else frozenset())
        extract_all(store)
    assert outcome(store) == expected(seen, joined)
    store.number_changes()
    announce(store, seen, joined)
    extract_all(store)
    assert outcome(store) == expected(seen, joined), "once more changes nothing"
    assert store.number_changes() == 0


steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(FEEDS), st.integers(0, 5), st.integers(0, 2), st.integers(0, 5), pairs),
        st.integers(1, 3),  # so many of the pages that wait are extracted
    ),
    min_size=1,
    max_size=12,
)


@given(taken=steps)
@at_most(
    15,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_interleaving_of_sightings_evidence_and_extraction_gives_the_same_articles(
    reused: ReusedStore, taken: list[tuple[str, int, int, int, frozenset[tuple[int, int]]] | int]
) -> None:
    store = reused.empty()
    subscribe(store, *FEEDS)
    seen, joined = [], frozenset[tuple[int, int]]()
    for step in taken:
        if isinstance(step, int):
            fetch_due(store)
            extract(store, fetched_pages(store, step))
            continue
        feed, number, variant, guid, said = step
        announce(store, [(feed, number, variant, guid)], said)
        seen.append((feed, number, variant, guid))
        joined |= said
    extract_all(store)
    assert outcome(store) == expected(seen, joined)


# --- crashes ----------------------------------------------------------------------------------------------------------


def test_a_crash_between_any_two_statements_leaves_no_second_article(reused: ReusedStore) -> None:
    """A round of work is stopped before its first statement, its second, and so on; each time it is done again."""
    expected_urls = {frozenset({address(0, 0)}), frozenset({address(3, 0), address(3, 1)})}
    step = stride() if reused.url.startswith("sqlite") else 5  # the statements are the same; PostgreSQL takes longer
    for countdown in itertools.count(1, step):
        store = reused.empty()
        subscribe(store, *FEEDS)
        with crash_at(countdown) as count, suppress(CrashError):
            _work(store)
        reused.clock.pass_(timedelta(minutes=10))  # leases end
        _work(store)
        assert outcome(store) == expected_urls
        assert store.counts().entries == 4
        assert store.number_changes() == 2
        assert [change.kind for change in store.changes_after(0, 100)] == ["new", "new"]
        if count[0] < countdown:
            assert countdown > 60
            return


@pytest.mark.soak
def test_a_crash_while_articles_are_merged_or_parted_leaves_what_the_evidence_says(reused: ReusedStore) -> None:
    """Two articles with one text become one by evidence; then the rules give both one key, and two again."""
    step = 1 if reused.url.startswith("sqlite") else 7
    both = frozenset({address(0, 0), address(1, 0)})
    for countdown in itertools.count(1, step):
        store = reused.empty()
        subscribe(store, *FEEDS)
        for number in (0, 1, 3):
            announce(store, [(FEEDS[0], number, 0, 0)], frozenset())
            extract_all(store)
        with crash_at(countdown) as count, suppress(CrashError):
            _rekey(store, "joined", lambda url: "x:" + ("one" if "-3-" not in url else "other"))
            _rekey(store, "parted", by_address)
            announce(store, [(FEEDS[1], 0, 0, 0)], frozenset({(0, 1)}))
        reused.clock.pass_(timedelta(minutes=10))
        _rekey(store, "joined", lambda url: "x:" + ("one" if "-3-" not in url else "other"))
        assert outcome(store) == {both, frozenset({address(3, 0)})}
        _rekey(store, "parted", by_address)
        announce(store, [(FEEDS[1], 0, 0, 0)], frozenset({(0, 1)}))
        assert outcome(store) == {both, frozenset({address(3, 0)})}
        if count[0] < countdown:
            assert countdown > 60
            return


def by_address(url: str) -> str:
    return url.replace("www.", "").partition("?")[0]


def _rekey(store: SqlStore, version: str, rule: Callable[[str], str]) -> None:
    while not store.rekey(version, lambda url: Identity(url=url, key=Key(rule(url)), rule="test"), limit=1):
        pass


def _work(store: SqlStore) -> None:
    """Two feeds announce two articles, one of them under two addresses."""
    for n, feed in enumerate(store.feeds()):
        first = sighting("0", url=address(0, 0), key=KEYS[0], entry_id="zero")
        second = sighting("3", url=address(3, n), key=KEYS[3], entry_id="three", edges=edges(frozenset({(3, 4)})))
        poll(store, feed, first, second)
    extract_all(store)
