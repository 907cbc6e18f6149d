"""Filters over what is stored: the result is that of the rules alone, whenever they came; nothing is lost by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from aggregator.filters.decide import NO_FILTERS, Filters, RuleSet
from aggregator.filters.facts import TEXT_FIELDS
from aggregator.filters.rules import Rule, read_age, read_test, read_words
from aggregator.identity.evidence import Edge
from aggregator.identity.walls import Resemblance
from aggregator.models.articles import Article
from aggregator.models.feeds import Feed, Subscription
from aggregator.models.fetching import Cause
from aggregator.models.ids import ArticleId, EvidenceKind, Key, PageId
from aggregator.models.pages import FetchedPage, PageFailed
from aggregator.ports.readings import ArticleSearch
from aggregator.ports.store_records import ArticleOutcome, ArticleRecord, NextPage, Sighting
from aggregator.store import SqlStore
from tests.support.databases import ReusedStore
from tests.support.laws import at_most
from tests.support.stores import (
    START,
    article_record,
    fetch_due,
    fetched_pages,
    poll,
    record_article,
    sighting,
    words,
)

FEEDS = ("https://www.example.org/feed", "https://news.example.net/feed")
TITLES = ("Council opens the bridge", "Sport today", "Weather")


def rule(**fields: str) -> Rule:
    return Rule(
        name=" ".join(fields.values()),
        place="aggregator.toml: filter.skip[0]",
        texts=tuple((field, read_test(field, fields[field])) for field in TEXT_FIELDS if field in fields),
        words=read_words(fields["words"]) if "words" in fields else None,
        age=read_age(fields["age"]) if "age" in fields else None,
    )


def filters(*skip: Rule, keep: Iterable[Rule] = (), of_feeds: dict[str, RuleSet] | None = None) -> Filters:
    made = Filters(everywhere=RuleSet(place="filter.", keep=tuple(keep), skip=skip), of_feeds=of_feeds or {})
    return replace(made, digest=repr(made))


SPORT, SHORT, GERMAN = rule(title="sport"), rule(words="<50"), rule(language="de")

# --- a small world ----------------------------------------------------------------------------------------------------


def body_of(seed: str) -> str:
    """Return a text that is always the same for a seed; one in three is short."""
    return words(f"w{seed}x", 20 if int(seed, 36) % 3 == 0 else 60)


def made_of(page: FetchedPage) -> ArticleRecord:
    """Return what the extraction of a page gives: its own text, or that of its entry."""
    if page.raw is not None:
        record = article_record(page, body=body_of(page.url.rpartition("-")[2]))
    else:
        assert page.entry is not None
        record = article_record(page, title=page.entry.title, body=page.entry.content, source="feed")
    language = "de" if len(record.content.body) % 2 else "en"
    return replace(record, content=replace(record.content, language=language))


def announced(number: int, title: str, feed: int) -> Sighting:
    """Return an entry; the second feed carries the whole text."""
    text = body_of(f"{number}{TITLES.index(title)}")
    one = sighting(number, content=text if feed else "", content_hash=f"{number} {title} {feed}", from_feed=bool(feed))
    return replace(one, entry=replace(one.entry, title=title, summary="A teaser." if not feed else ""))


def subscribe_both(store: SqlStore) -> Sequence[Feed]:
    listed = [Subscription(url=url, full_text=not number) for number, url in enumerate(FEEDS)]
    store.sync_feeds(listed, "1", START)
    return sorted(store.feeds(), key=lambda feed: FEEDS.index(feed.url))


def collect(store: SqlStore) -> list[str]:
    """Fetch and extract until nothing is due; return what was fetched."""
    asked: list[str] = []
    while True:
        fetched = fetch_due(store)
        asked += [page.url for page in fetched]
        pages = fetched_pages(store)
        if not pages and not fetched:
            return asked
        for page in pages:
            assert record_article(store, page, made_of(page)) is not None


def state_of(article: Article) -> tuple[object, ...]:
    content = article.content
    facts = (content.title, content.body, content.language, content.source)
    return (article.id, article.key, article.url, article.urls, facts, article.first_seen, article.feeds, article.tags)


def corpus(store: SqlStore) -> list[tuple[object, ...]]:
    return sorted(map(state_of, store.articles()), key=repr)


def followed(store: SqlStore) -> set[ArticleId]:
    """Return what somebody has who took every change."""
    store.number_changes()
    copy: set[ArticleId] = set()
    for change in store.changes_after(0, 1000):
        (copy.add if change.article is not None else copy.discard)(change.article_id)
    return copy


# --- the law ----------------------------------------------------------------------------------------------------------

SOME_RULES = st.sampled_from(
    [
        SPORT,
        SHORT,
        GERMAN,
        rule(title="council", language="en"),
        rule(url="a-1"),
        rule(text="re:w2"),
        rule(author="a. writer", title="weather"),
        rule(age=">30m"),
        rule(feed="example.net"),
        rule(category="news", words=">50"),
    ]
)
RULE_SETS = st.builds(
    RuleSet,
    place=st.just("x: "),
    keep=st.lists(SOME_RULES, max_size=2).map(tuple),
    skip=st.lists(SOME_RULES, max_size=2).map(tuple),
)
FILTERS = st.builds(
    lambda everywhere, own: replace(made := Filters(everywhere=everywhere, of_feeds=own), digest=repr(made)),
    RULE_SETS,
    st.dictionaries(st.sampled_from(FEEDS), RULE_SETS, max_size=1),
)
ENTRIES = st.dictionaries(st.integers(0, 3), st.sampled_from(TITLES), min_size=1, max_size=3)
POLLS = st.tuples(st.just("poll"), st.integers(0, 1), ENTRIES)
STEPS = st.lists(
    POLLS | st.tuples(st.just("collect")) | st.tuples(st.just("rules"), FILTERS, st.booleans()), min_size=2, max_size=9
)


def live(reused: ReusedStore, steps: Sequence[tuple[object, ...]], rules: Filters, *, from_start: bool) -> SqlStore:
    """Go through the steps; the rules hold from the start, or others come and go and these are applied at the end."""
    store = reused.empty()
    store.use_filters(rules if from_start else NO_FILTERS)
    feeds = subscribe_both(store)
    for step in steps:
        reused.clock.pass_(timedelta(minutes=40))
        match step:
            case ("poll", int(number), dict(entries)):
                poll(store, feeds[number], *(announced(which, title, number) for which, title in entries.items()))
            case ("collect",):
                collect(store)
            case ("rules", Filters() as others, bool(is_applied)) if not from_start:
                store.use_filters(others)
                for _ in store.apply_filters(others) if is_applied else ():
                    pass
                store.number_changes()
            case ("rules", *_):  # they hold from the start
                pass
            case _:
                raise AssertionError(step)
    if not from_start:
        store.use_filters(rules)
        for _ in store.apply_filters(rules):
            pass
    collect(store)
    return store


# An example takes half a second, so a failure is not shrunk.
@at_most(40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(steps=STEPS, rules=FILTERS)
def test_the_corpus_is_as_if_the_rules_had_been_there_from_the_start(
    reused: ReusedStore, steps: list[tuple[object, ...]], rules: Filters
) -> None:
    store = live(reused, steps, rules, from_start=True)
    expected = corpus(store)
    assert list(store.apply_filters(rules)) == []  # nothing is left to be done
    store = live(reused, steps, rules, from_start=False)
    assert corpus(store) == expected
    assert followed(store) == {article[0] for article in expected}
    found = store.search(ArticleSearch(query="", limit=50)).found
    assert {one.article.id for one in found} == {article[0] for article in expected}
    assert list(store.apply_filters(rules)) == []


# --- single cases -----------------------------------------------------------------------------------------------------


def apply(store: SqlStore, rules: Filters) -> list[bool]:
    """Apply rules; return for each change whether it is a skip."""
    store.use_filters(rules)
    return [change.is_skipped for change in store.apply_filters(rules)]


def announce(store: SqlStore, *titles: str, **options: object) -> None:
    """Let the first feed announce pages 0, 1 ... under these titles."""
    entries = [sighting(number, **options) for number in range(len(titles))]  # type: ignore[arg-type]
    named = [replace(one, entry=replace(one.entry, title=title)) for one, title in zip(entries, titles, strict=True)]
    poll(store, subscribe_both(store)[0], *named)


def extract_all(store: SqlStore, **options: str) -> None:
    fetch_due(store)
    for page in fetched_pages(store):
        record_article(store, page, article_record(page, **options))  # type: ignore[arg-type]


def test_a_page_decides_for_itself_where_a_feed_of_texts_announced_it_first(reused: ReusedStore) -> None:
    rules = filters(keep=(SHORT,))
    steps = [("poll", 1, {3: "Sport today"}), ("collect",), ("poll", 0, {3: "Sport today"}), ("collect",)]
    for from_start in (True, False):
        ((_, _, _, _, (_, body, _, source), *_),) = corpus(live(reused, steps, rules, from_start=from_start))
        assert (body, source) == (body_of("3"), "page")


def test_a_dry_run_says_what_the_command_does_and_writes_nothing(store: SqlStore) -> None:
    announce(store, "Sport today", "Weather", "Sport again")
    fetch_due(store)
    first, *_ = fetched_pages(store)
    record_article(store, first, made_of(first))
    before = corpus(store), store.counts()
    planned = list(store.apply_filters(filters(SPORT), dry_run=True))
    assert [(one.title, one.article_id is None) for one in planned] == [("Sport today", False)]
    assert (corpus(store), store.counts()) == before
    assert list(store.apply_filters(filters(SPORT))) == planned
    assert planned[0].rule == "sport"
    assert planned[0].place == "aggregator.toml: filter.skip[0]"


def test_rules_that_come_hold_at_once_for_what_waits(store: SqlStore) -> None:
    announce(store, "Sport today", "Weather")
    store.use_filters(filters(SPORT))
    assert [page.url[-1] for page in fetch_due(store)] == ["1"]
    store.use_filters(NO_FILTERS)
    assert [page.url[-1] for page in fetch_due(store)] == ["0"]


def test_rules_that_come_withdraw_nothing_by_themselves(store: SqlStore) -> None:
    announce(store, "Sport today", "Weather")
    extract_all(store)
    store.use_filters(filters(SPORT))
    assert len(corpus(store)) == 2
    assert apply(store, filters(SPORT)) == [True]
    store.use_filters(NO_FILTERS)  # what was skipped comes back by itself
    assert len(corpus(store)) == 2


def test_followers_hear_of_what_goes_and_comes_back_and_of_nothing_else(store: SqlStore) -> None:
    store.use_filters(filters(SHORT))
    announce(store, "Sport today", "Weather")
    extract_all(store, body=words("few", 20))
    store.number_changes()
    assert store.changes_after(0, 10) == ()
    apply(store, NO_FILTERS)
    store.number_changes()
    assert [change.kind for change in store.changes_after(0, 10)] == ["new", "new"]
    apply(store, filters(SPORT))
    store.number_changes()
    (last,) = store.changes_after(2, 10)
    assert (last.kind, last.article, last.merged_into) == ("withdrawn", None, None)


def test_what_repeats_a_skipped_article_repeats_nothing(store: SqlStore) -> None:
    announce(store, "Sport today", "Weather", "Council")
    fetch_due(store)
    shared = words("the same text", 200)
    for number, page in enumerate(fetched_pages(store)):
        record_article(
            store, page, article_record(page, title=f"T{number}", body=f"{shared} {words(f'own{number}', 9)}")
        )

    def repeats() -> dict[str, ArticleId | None]:
        return {article.content.title: article.near_duplicate_of for article in store.articles()}

    before = repeats()
    assert list(before.values()).count(None) == 1
    apply(store, filters(SPORT))
    first = next(article.id for article in store.articles())
    assert repeats() == {"T1": None, "T2": first}
    apply(store, NO_FILTERS)
    assert repeats() == before


def test_what_was_merged_into_a_skipped_article_stands_alone(store: SqlStore) -> None:
    keys = [Key(f"https://example.org/en/story/a-{number}") for number in range(2)]
    edge = Edge(
        key=keys[0],
        other=keys[1],
        kind=EvidenceKind.CANONICAL,
        site="example.org",
        other_site="example.org",
        witness="example.org",
    )
    announce(store, "Sport today", "Weather")
    fetch_due(store)
    for page in fetched_pages(store):
        record_article(store, page, article_record(page, title="One", body=words("one text"), edges=(edge,)))
    (both,) = store.articles()
    assert both.key == keys[0]
    assert apply(store, filters(SPORT)) == [True]
    assert [article.key for article in store.articles()] == [keys[1]]
    assert apply(store, filters(rule(title="weather"))) == [True]  # the first came back before
    assert [article.key for article in store.articles()] == [keys[0]]
    assert apply(store, filters(SPORT, rule(title="weather"))) == [True]
    assert corpus(store) == []
    apply(store, NO_FILTERS)
    assert [article.id for article in store.articles()] == [both.id]
    assert followed(store) == {both.id}


def test_what_was_forgotten_is_not_asked_for_when_a_rule_goes(store: SqlStore) -> None:
    announce(store, "Sport today", "Weather")
    extract_all(store)
    announce(store, "Sport today", "Weather", "Council")
    store.forget([Key(f"https://example.org/en/story/a-{number}") for number in (0, 2)], [])
    everything = filters(rule(url="example.org"))
    apply(store, everything)
    apply(store, NO_FILTERS)
    assert fetch_due(store) == []
    assert [article.url[-1] for article in store.articles()] == ["1"]


def test_a_skipped_article_is_forgotten_with_its_text(store: SqlStore) -> None:
    edge = Edge(
        key=Key("https://example.org/en/story/a-0"),
        other=Key("https://example.org/en/story/a-9"),
        kind=EvidenceKind.CANONICAL,
        site="example.org",
        other_site="example.org",
        witness="example.org",
    )
    announce(store, "Sport today")
    fetch_due(store)
    (page,) = fetched_pages(store)
    record_article(store, page, article_record(page, edges=(edge,)))
    (article,) = store.articles()
    apply(store, filters(SPORT))
    assert store.forget([article.key], [])[0] == (article.id,)
    assert store.revisions(article.id) == ()
    assert apply(store, NO_FILTERS) == []
    assert fetch_due(store) == []


def test_retention_erases_skipped_texts_too(store: SqlStore) -> None:
    announce(store, "Sport today")
    extract_all(store)
    apply(store, filters(SPORT))
    gone, _ = store.expire(store.now() + timedelta(days=1))
    assert len(gone) == 1
    assert apply(store, NO_FILTERS) == []
    assert corpus(store) == []
    assert fetch_due(store) == []


@pytest.mark.parametrize("has_next", [False, True])
def test_a_page_that_is_skipped_while_it_is_extracted_is_not_asked_for_again(store: SqlStore, has_next: bool) -> None:
    announce(store, "Sport today")
    fetch_due(store)
    store.use_filters(filters(SPORT))
    (page,) = fetched_pages(store)
    if has_next:
        assert store.record_next_page(page, NextPage(number=2, url=f"{page.url}?page=2")) is None
    else:
        failed = PageFailed(cause=Cause.LOW_QUALITY)
        assert store.record_extraction_failure(page, failed, store.now())
    assert fetch_due(store) == []
    store.use_filters(NO_FILTERS)
    assert len(fetch_due(store)) == (not has_next)
    assert len(fetched_pages(store)) == 1


def test_another_extraction_is_decided_again(store: SqlStore) -> None:
    store.use_filters(filters(SHORT))
    announce(store, "Weather")
    extract_all(store)
    (page,) = store.stored_pages(PageId(0), 10)
    assert store.record_reextracted(page, article_record(page, body=words("few", 20)))
    assert corpus(store) == []
    assert store.stored_pages(PageId(0), 10) == ()


def test_a_wall_does_not_make_a_skipped_page_due(store: SqlStore) -> None:
    announce(store, "Council opens the bridge", "Ferry loses its captain", "Museum buys an orchard")
    fetch_due(store)
    kinds = []
    for number, page in enumerate(fetched_pages(store)):
        wall = replace(article_record(page, title="Subscribe", body=words("wall", 80)), says_title=Resemblance.NOTHING)
        outcome = ArticleOutcome(page=page, record=wall, if_wall=store.now())
        kinds += [one.kind for one in store.record_articles([outcome]) if one is not None]
        if number == 0:
            apply(store, filters(rule(title="council")))
    assert kinds[-1] == "wall"
    assert "https://www.example.org/en/story/a-0" not in [page.url for page in fetch_due(store)]


def test_why_names_rule_and_place(store: SqlStore) -> None:
    store.use_filters(filters(SPORT, keep=[rule(title="council"), SPORT]))
    announce(store, "Sport today", "Council", "Weather")
    told = store.decisions([f"https://www.example.org/en/story/a-{number}" for number in range(3)], [])
    assert [(one.verdict, one.rule, one.detail) for one in told if "filter" in one.detail] == [
        ("skipped", "sport", "aggregator.toml: filter.skip[0]"),
        ("kept", "council", "aggregator.toml: filter.skip[0]"),
        ("skipped", "no rule of keep fits", "filter.keep"),
    ]
