"""Filters over what is stored: the result is that of the rules alone, whenever they came; nothing is lost by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import Phase, given
from hypothesis import strategies as st

from aggregator.filters.decide import NO_FILTERS, Filters, RuleSet
from aggregator.filters.facts import TEXT_FIELDS
from aggregator.filters.rules import Rule, read_age, read_test, read_words
from aggregator.models.articles import Article
from aggregator.models.feeds import Feed, Subscription
from aggregator.models.ids import ArticleId
from aggregator.models.pages import FetchedPage
from aggregator.ports.readings import ArticleSearch
from aggregator.ports.store_records import ArticleRecord, Sighting
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
