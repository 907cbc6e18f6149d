"""A table of rules and entries, the errors of rules, and the laws of decisions."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aggregator.filters.decide import NO_RULE, Filters, RuleSet, decide
from aggregator.filters.facts import TEXT_FIELDS, Facts, facts_of
from aggregator.filters.rules import Rule, read_age, read_test, read_words
from aggregator.models.articles import Extraction
from aggregator.models.feeds import Entry
from tests.support.articles import content

SEEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
URL = "https://news.example.org/de/sport/ein-spiel-17?x=M%C3%BCnchen"
ENTRY = Entry(
    id="1",
    entry_id="1",
    link=URL,
    title="Straße gesperrt: the C++ council's 3.5-hour talk",
    authors=("Ann Other", "B. Writer"),
    categories=("Local News", "Sport & Games"),
    published_at=SEEN - timedelta(days=3),
)
BARE = Entry(id="1", entry_id="1", link=URL)
BODY = "Der Rat hat über die Brücke gesprochen.\n\nThe market in the old harbour opens on Monday."
ARTICLE = content(
    title="Page title",
    authors=("Page Author",),
    tags=("page tag",),
    language="de-AT",
    body=BODY,
    published="2026-02-28",
)


def rule(name: str = "", **fields: str) -> Rule:
    return Rule(
        name=name,
        place=f"place of {name}",
        texts=tuple((field, read_test(field, fields[field])) for field in TEXT_FIELDS if field in fields),
        words=read_words(fields["words"]) if "words" in fields else None,
        age=read_age(fields["age"]) if "age" in fields else None,
    )


def facts(entry: Entry = ENTRY, article: Extraction | None = None, **changed: Any) -> Facts:
    return facts_of(
        replace(entry, **changed),
        feed=("DW Deutsch", "https://rss.dw.com/de"),
        url=URL,
        first_seen=SEEN,
        content=article,
    )


CJK = {"title": "東京オリンピック開幕 live"}
TABLE: list[tuple[dict[str, str], dict[str, Any], Extraction | None, bool | None]] = [
    # plain words: any case, whole words, one after the other
    ({"title": "STRASSE"}, {}, None, True),
    ({"title": "Strasse gesperrt"}, {}, None, True),
    ({"title": "gesperrt strasse"}, {}, None, False),
    ({"title": "stra"}, {}, None, False),
    ({"title": "council"}, {}, None, True),
    ({"title": "C++"}, {}, None, True),
    ({"title": "hour  talk"}, {}, None, True),
    ({"title": "sport"}, {"title": "Transport and a sport"}, None, True),
    ({"title": "sport"}, {"title": "Transporter"}, None, False),
    ({"title": "снег"}, {"title": "Первый СНЕГ в городе"}, None, True),
    ({"title": "снег"}, {"title": "Снегопад"}, None, False),
    ({"title": "हिन्द"}, {"title": "हिन्दी में"}, None, False),
    ({"title": "ﬁle"}, {"title": "A FILE"}, None, True),
    ({"title": "İstanbul"}, {"title": "i̇stanbul"}, None, True),
    # scripts without blanks: anywhere; beside them a word ends
    ({"title": "オリンピック"}, CJK, None, True),
    ({"title": "京オ"}, CJK, None, True),
    ({"title": "live"}, {"title": "開幕live中継"}, None, True),
    ({"title": "ข่าว"}, {"title": "อ่านข่าวเช้า"}, None, True),
    # patterns: anywhere, with case
    ({"title": r"re:coun\w+"}, {}, None, True),
    ({"title": "re:COUNCIL"}, {}, None, False),
    ({"title": "re:(?i)COUNCIL"}, {}, None, True),
    ({"title": "re:^council"}, {}, None, False),
    ({"title": r"re:\p{Cyrillic}"}, {"title": "Снег"}, None, True),
    # addresses: a part of them, decoded too
    ({"url": "/SPORT/"}, {}, None, True),
    ({"url": "spiel-1"}, {}, None, True),
    ({"url": "münchen"}, {}, None, True),
    ({"url": "m%c3%bc"}, {}, None, True),
    ({"url": "re:^https://news\\."}, {}, None, True),
    ({"url": "example.com"}, {}, None, False),
    # authors, categories, feeds: one of them
    ({"author": "other"}, {}, None, True),
    ({"author": "Ann Writer"}, {}, None, False),
    ({"category": "games"}, {}, None, True),
    ({"category": "re:^Sport$"}, {}, None, False),
    ({"feed": "dw deutsch"}, {}, None, True),
    ({"feed": "re:rss\\.dw\\.com"}, {}, None, True),
    ({"feed": "other feed"}, {}, None, False),
    # age: when it was first seen
    ({"age": ">2d"}, {}, None, True),
    ({"age": "<2d"}, {}, None, False),
    ({"age": ">3d"}, {}, None, False),
    ({"age": "< 1h"}, {"published_at": None, "updated_at": SEEN - timedelta(minutes=59)}, None, True),
    # what only the article tells
    ({"language": "de"}, {}, None, None),
    ({"text": "harbour"}, {}, None, None),
    ({"words": "<80"}, {}, None, None),
    ({"language": "de"}, {}, ARTICLE, True),
    ({"language": "DE_at"}, {}, ARTICLE, True),
    ({"language": "de-ch"}, {}, ARTICLE, False),
    ({"language": "re:^(de|nl)"}, {}, ARTICLE, True),
    ({"text": "old harbour"}, {}, ARTICLE, True),
    ({"text": "gesprochen. the"}, {}, ARTICLE, True),
    ({"text": "re:(?s)Rat.*Monday"}, {}, ARTICLE, True),
    ({"words": "<80"}, {}, ARTICLE, True),
    ({"words": "> 80"}, {}, ARTICLE, False),
    # what the feed does not say is looked for in the article
    ({"title": "page title"}, {"title": ""}, None, None),
    ({"title": "page title"}, {"title": ""}, ARTICLE, True),
    ({"title": "page title"}, {}, ARTICLE, False),
    ({"author": "page author"}, {"authors": ()}, None, None),
    ({"author": "page author"}, {"authors": ()}, ARTICLE, True),
    ({"category": "page tag"}, {"categories": ()}, ARTICLE, True),
    ({"age": ">1d"}, {"published_at": None}, None, None),
    ({"age": ">1d"}, {"published_at": None}, ARTICLE, True),
    ({"age": ">1d"}, {"published_at": None}, content(published=""), False),
    ({"age": "<2h"}, {"published_at": None}, content(published="2026-03-01T12:30:00+01:00"), True),
    ({"age": ">59d"}, {"published_at": None}, content(published="2026"), True),
    ({"author": "page author"}, {"authors": ()}, content(authors=()), False),
    ({"language": "de"}, {}, content(language=""), False),
    # all fields must fit
    ({"title": "council", "category": "games"}, {}, None, True),
    ({"title": "council", "category": "politics"}, {}, None, False),
    ({"title": "council", "language": "de"}, {}, None, None),
    ({"title": "minister", "language": "de"}, {}, None, False),
    ({"title": "council", "words": "<80", "age": ">2d"}, {}, ARTICLE, True),
]


@pytest.mark.parametrize(("fields", "changed", "article", "expected"), TABLE)
def test_whether_a_rule_fits_an_entry(
    fields: dict[str, str], changed: dict[str, Any], article: Extraction | None, expected: bool | None
) -> None:
    assert rule(**fields).fits(facts(ENTRY, article, **changed)) is expected


def test_the_table_has_forty_rules_and_more() -> None:
    assert len({tuple(sorted(fields.items())) for fields, *_ in TABLE}) >= 40


@pytest.mark.parametrize("pattern", ["re:(a+)+$", "re:(a|aa)+$", "re:(.*a){12}$", "re:^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_pattern_that_explodes_elsewhere_ends_on_a_large_text(pattern: str) -> None:
    text = "a" * 1_000_000 + "!"
    assert rule(text=pattern).fits(facts(article=content(body=text))) is False


@pytest.mark.parametrize(
    ("field", "written", "message"),
    [
        ("title", "", 'is empty; write words, or "re:" and a pattern'),
        ("title", " \u00a0", 'is empty; write words, or "re:" and a pattern'),
        ("title", "re:", "is empty, so it would fit everything"),
        ("title", "re:(?=x)", r"has a look-ahead, which RE2 cannot do: (?="),
        ("title", "re:(?<=x)y", r"has a look-behind, which RE2 cannot do: (?<"),
        ("title", "re:(a)\\1", "has a back-reference or an unknown escape"),
        ("title", "re:(", "is no regular expression"),
        ("title", "re:" + "a" * 2001, "has 2001 characters; 2000 are the most"),
        ("language", "german", 'is no code of a language; write one such as "de" or "pt-br"'),
    ],
)
def test_what_nothing_can_fit_is_an_error(field: Any, written: str, message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        read_test(field, written)


@pytest.mark.parametrize("written", ["80", "<", "<8x", "=80", "<-1"])
def test_words_take_a_sign_and_a_number(written: str) -> None:
    with pytest.raises(ValueError, match="is no bound of words"):
        read_words(written)


@pytest.mark.parametrize(("written", "message"), [("30d", "is no bound of age"), (">30", 'has no unit; write "30d"')])
def test_an_age_takes_a_sign_and_a_duration(written: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_age(written)


# --- decisions --------------------------------------------------------------------------------------------------------

COUNCIL, MINISTER = rule("council", title="council"), rule("minister", title="minister")
GERMAN, ENGLISH = rule("german", language="de"), rule("english", language="en")


def rules(keep: tuple[Rule, ...] = (), skip: tuple[Rule, ...] = (), place: str = "file: filter.") -> RuleSet:
    return RuleSet(place=place, keep=keep, skip=skip)


@pytest.mark.parametrize(
    ("sets", "early", "late"),
    [
        ((), ("kept", ""), ("kept", "")),
        ((rules(skip=(MINISTER, COUNCIL)),), ("skipped", "council"), ("skipped", "council")),
        ((rules(skip=(MINISTER,)),), ("kept", ""), ("kept", "")),
        ((rules(keep=(MINISTER, COUNCIL)),), ("kept", "council"), ("kept", "council")),
        ((rules(keep=(MINISTER,)),), ("skipped", NO_RULE), ("skipped", NO_RULE)),
        ((rules(keep=(COUNCIL,), skip=(COUNCIL,)),), ("skipped", "council"), ("skipped", "council")),
        ((rules(skip=(GERMAN,)),), ("open", ""), ("skipped", "german")),
        ((rules(skip=(ENGLISH,)),), ("open", ""), ("kept", "")),
        ((rules(keep=(GERMAN,)),), ("open", ""), ("kept", "german")),
        ((rules(keep=(ENGLISH, MINISTER)),), ("open", ""), ("skipped", NO_RULE)),
        ((rules(keep=(COUNCIL, GERMAN)),), ("kept", "council"), ("kept", "council")),
        # a feed's own rules are asked, too; what is sure is said at once
        ((rules(keep=(COUNCIL,)), rules(keep=(MINISTER,))), ("skipped", NO_RULE), ("skipped", NO_RULE)),
        ((rules(keep=(COUNCIL,)), rules(skip=(COUNCIL,))), ("skipped", "council"), ("skipped", "council")),
        ((rules(skip=(ENGLISH,)), rules(skip=(COUNCIL,))), ("skipped", "council"), ("skipped", "council")),
        ((rules(skip=(ENGLISH,)), rules(keep=(COUNCIL,))), ("open", ""), ("kept", "council")),
    ],
)
def test_decisions(sets: tuple[RuleSet, ...], early: tuple[str, str], late: tuple[str, str]) -> None:
    before, after = decide(sets, facts()), decide(sets, facts(article=ARTICLE))
    assert (before.kind, before.rule) == early
    assert (after.kind, after.rule) == late


def test_a_decision_names_the_place_of_its_rule() -> None:
    assert decide((rules(skip=(COUNCIL,)),), facts()).place == "place of council"
    assert decide((rules(keep=(MINISTER,)),), facts()).place == "file: filter.keep"


def test_the_rules_for_all_feeds_come_before_those_of_a_feed() -> None:
    everywhere, own = rules(skip=(COUNCIL,)), rules(keep=(MINISTER,), place="feed: ")
    filters = Filters(everywhere=everywhere, of_feeds={"https://a.example/feed": own}, digest="1")
    assert filters.sets_of("https://a.example/feed") == (everywhere, own)
    assert filters.sets_of("https://b.example/feed") == (everywhere,)
    assert Filters(of_feeds={"https://a.example/feed": own}).sets_of("https://b.example/feed") == ()


RULES = st.lists(
    st.builds(
        rule,
        st.sampled_from(["one", "two"]),
        **{
            field: st.sampled_from(values)
            for field, values in {
                "title": ["council", "minister"],
                "language": ["de", "en"],
                "words": ["<3", ">3"],
            }.items()
        },
    )
    | st.sampled_from([COUNCIL, MINISTER, GERMAN, ENGLISH]),
    max_size=3,
).map(tuple)


@given(keep=RULES, skip=RULES, own_keep=RULES, own_skip=RULES, has_title=st.booleans(), in_german=st.booleans())
def test_an_early_decision_is_never_reversed_by_the_article(
    keep: tuple[Rule, ...],
    skip: tuple[Rule, ...],
    own_keep: tuple[Rule, ...],
    own_skip: tuple[Rule, ...],
    has_title: bool,
    in_german: bool,
) -> None:
    sets = (rules(keep, skip), rules(own_keep, own_skip))
    entry = ENTRY if has_title else BARE
    early = decide(sets, facts(entry)).kind
    late = decide(sets, facts(entry, ARTICLE if in_german else content())).kind
    assert late in ("kept", "skipped")
    assert early in ("open", late)


@given(written=st.text(min_size=1, max_size=12), text=st.text(max_size=40))
def test_words_stand_in_a_text_that_has_them_between_blanks(written: str, text: str) -> None:
    assume(not written.startswith("re:") and _can_be_read(written))
    assert read_test("title", written).is_in(f"{text} {written} {text}")


def _can_be_read(written: str) -> bool:
    try:
        read_test("title", written)
    except ValueError:
        return False
    return True
