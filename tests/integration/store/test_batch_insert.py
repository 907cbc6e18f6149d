"""Articles recorded together are what they are when they are recorded one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from aggregator.identity.evidence import Edge
from aggregator.identity.wordpress import Blog
from aggregator.models.ids import EvidenceKind, Key
from aggregator.models.pages import FetchedPage
from aggregator.ports.store_records import ArticleOutcome, ArticleRecord, ArticleRecorded
from aggregator.store import SqlStore
from tests.support.databases import ReusedStore
from tests.support.laws import at_most
from tests.support.stores import (
    StandingClock,
    article_record,
    fetch_due,
    fetched_pages,
    identity,
    ids,
    poll,
    sighting,
    subscribe,
    words,
)

FEED = "http://feeds.example.org/a"
SEEDS = ("wire", "agency", "own")


def address(number: int) -> str:
    return f"https://www.example.org/{number}"


def key(number: int) -> Key:
    found = identity(address(number)).key
    assert found is not None
    return found


def edge(number: int, other: Key | None, other_site: str = "example.org") -> Edge:
    assert other is not None
    return Edge(
        key=key(number),
        other=other,
        kind=EvidenceKind.FEED_LINK,
        site="example.org",
        other_site=other_site,
        witness="example.org",
    )


def waiting(store: SqlStore, count: int) -> tuple[FetchedPage, ...]:
    """Announce and fetch so many pages."""
    (feed,) = subscribe(store, FEED)
    poll(store, feed, *(sighting(n, url=address(n), key=key(n)) for n in range(count)))
    fetch_due(store)
    return fetched_pages(store)


def record(store: SqlStore, outcomes: Sequence[ArticleOutcome], *, together: bool) -> list[ArticleRecorded | None]:
    if together:
        return list(store.record_articles(outcomes))
    return [store.record_articles([outcome])[0] for outcome in outcomes]


def outcomes_of(pages: Sequence[FetchedPage], records: Sequence[ArticleRecord]) -> list[ArticleOutcome]:
    return [ArticleOutcome(page=page, record=record) for page, record in zip(pages, records, strict=True)]


Text = tuple[tuple[str, int, int], ...]  # passages: seed, first word, how many

passages = st.tuples(st.sampled_from(SEEDS), st.integers(0, 3).map(lambda n: 100 * n), st.sampled_from([20, 200, 400]))
texts = st.lists(
    st.tuples(
        st.lists(passages, min_size=1, max_size=2).map(tuple),
        st.integers(0, 9),  # whose key another address of it has, if any page's
        st.booleans(),  # a pointer that all share leads to it
        st.booleans(),  # it names an address on another site, which nobody believes
    ),
    min_size=2,
    max_size=6,
)


def body_of(text: Text) -> str:
    parts = (words(seed, first + count).split()[first:] for seed, first, count in text)
    return "\n".join(" ".join(part) for part in parts)


def what_is_there(store: SqlStore, count: int) -> list[object]:
    """All that a reader of the store can see of the articles."""
    store.number_changes()
    urls, keys = [address(n) for n in range(count)], [key(n) for n in range(count)]
    pointed = store.article("http://t.example/shared")
    return [
        [(one.id, one.key, one.url, one.urls, one.content, one.near_duplicate_of) for one in store.articles()],
        sorted(  # those of one article in their order
            [(change.article_id, change.kind) for change in store.changes_after(0, 100)], key=lambda change: change[0]
        ),
        sorted((one.url, one.verdict, one.rule, one.article_id or "") for one in store.decisions(urls, keys)),
        [sorted(store.near_duplicates(article)) for article in ids(store)],
        None if pointed is None else pointed.id,
        replace(store.counts(), size_bytes=0),
    ]


@given(made=texts)
@at_most(
    15,
    phases=[Phase.explicit, Phase.generate],  # to shrink costs minutes: each example fills two stores
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_together_or_one_by_one_is_the_same(reused: ReusedStore, made: list[tuple[Text, int, bool, bool]]) -> None:
    seen = []
    for together in (False, True):
        store = reused.empty()
        pages = waiting(store, len(made))
        records = [
            article_record(
                page,
                body=body_of(text),
                urls=(identity(f"https://amp.example.org/{n}", key(other)),) if other >= len(made) else (),
                pointers=(identity("http://t.example/shared"),) if points else (),
                edges=(edge(n, identity("https://copy.example/x").key, "copy.example"),) if names else (),
            )
            for n, (page, (text, other, points, names)) in enumerate(zip(pages, made, strict=True))
        ]
        recorded = record(store, outcomes_of(pages, records), together=together)
        assert [one and one.kind for one in recorded] == ["new"] * len(made)
        seen.append(what_is_there(store, len(made)))
    assert seen[0] == seen[1]


def test_one_of_them_that_another_names_is_merged_as_ever(store: SqlStore) -> None:
    pages = waiting(store, 4)
    said = edge(3, key(0))
    records = [
        article_record(page, body=words("same"), edges=(said,) if n == 3 else ()) for n, page in enumerate(pages)
    ]
    kinds = [one and one.kind for one in store.record_articles(outcomes_of(pages, records))]
    assert kinds == ["new", "new", "new", "duplicate"]
    assert len(ids(store)) == 3
    article = store.article(address(0))
    assert article is not None
    assert address(3) in article.urls


def test_two_texts_under_one_key_are_one_article(store: SqlStore) -> None:
    pages = waiting(store, 3)
    records = [article_record(page, served=identity(address(n % 2))) for n, page in enumerate(pages)]
    kinds = [one and one.kind for one in store.record_articles(outcomes_of(pages, records))]
    assert sorted(str(kind) for kind in kinds) == ["new", "new", "unchanged"]
    assert len(ids(store)) == 2


def test_what_is_known_already_is_a_revision_beside_new_ones(store: SqlStore, clock: StandingClock) -> None:
    pages = waiting(store, 3)
    again = clock.now() + timedelta(minutes=1)
    store.record_articles([ArticleOutcome(page=pages[0], record=article_record(pages[0]), if_changed=again)])
    clock.pass_(timedelta(minutes=2))
    fetch_due(store)
    pages = fetched_pages(store)  # the other leases have run out
    records = [article_record(page, body=words(f"later{n}x")) for n, page in enumerate(pages)]
    kinds = [one and one.kind for one in store.record_articles(outcomes_of(pages, records))]
    assert kinds == ["updated", "new", "new"]


def test_a_lost_claim_among_them_saves_nothing_of_it(store: SqlStore) -> None:
    pages = waiting(store, 3)
    store.give_back_page(pages[1])
    recorded = store.record_articles(outcomes_of(pages, [article_record(page) for page in pages]))
    assert [one and one.kind for one in recorded] == ["new", None, "new"]
    assert len(ids(store)) == 2


def test_a_forgotten_text_does_not_come_back_among_new_ones(store: SqlStore) -> None:
    pages = waiting(store, 3)
    recorded = store.record_articles(outcomes_of(pages[:2], [article_record(page) for page in pages[:2]]))
    assert recorded[0] is not None
    store.forget([key(0)], [])
    (feed,) = store.feeds()
    poll(store, feed, sighting("x", url=address(7), key=key(7)), sighting("y", url=address(8), key=key(8)))
    fetch_due(store)
    later = fetched_pages(store)
    records = [
        article_record(later[0], served=identity(address(0))),
        article_record(later[1]),
        article_record(pages[2]),
    ]
    kinds = [one and one.kind for one in store.record_articles(outcomes_of((*later, pages[2]), records))]
    assert kinds == ["unchanged", "new", "new"]
    assert len(ids(store)) == 3


def test_a_blog_that_one_of_them_tells_of_joins_its_short_link(store: SqlStore) -> None:
    """The link's own text comes in the same batch, as does that of the post."""
    (feed,) = subscribe(store, FEED)
    link, post, other = "https://wp.me/p2-1d", "https://blog.example.org/?p=75", "https://blog.example.org/a-page"
    poll(store, feed, *(sighting(url, url=url, key=url) for url in (link, post, other)))
    fetch_due(store)
    pages = fetched_pages(store)
    records = [article_record(page, body=words("post" if page.url != other else "other")) for page in pages]
    blog = Blog(number=2, host="blog.example.org", site="example.org")
    records = [replace(record, blog=blog if record.url == other else None) for record in records]
    assert None not in store.record_articles(outcomes_of(pages, records))
    found, wanted = store.article(link), store.article(post)
    assert found is not None
    assert wanted is not None
    assert found.id == wanted.id
    assert len(ids(store)) == 2
