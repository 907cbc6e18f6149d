"""Which pairs of addresses a lesson speaks of, and when it holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.identity.evidence import KeyFacts
from aggregator.identity.lessons.standing import CHECK_EVERY, Standing, Verdict, compare
from aggregator.identity.lessons.variants import Lesson, LessonKind, family_of, lesson_between, lesson_of_declaration
from aggregator.models.ids import Key

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LESSON = Lesson(tenant="x.example", kind=LessonKind.PARAMETER, subject="?maca")

TAUGHT = [
    ("x.example/a", "x.example/a?maca=en", "?maca is tracking at x.example"),
    ("x.example/a?maca=1", "x.example/a?maca=2", "?maca is tracking at x.example"),
    ("x.example/a?id=7", "x.example/a?from=1&rss=2&id=7", "?from&rss is tracking at x.example"),
    ("x.example/@ann/a", "x.example/@ann/a?maca=en", "?maca is tracking at x.example/@ann"),
    (
        "x.example/news/one-two-three-four",
        "x.example/sp/news/one-two-three-four",
        "/ = /sp/ is one folder at x.example",
    ),
    ("x.example/news/a-12345", "x.example/world/a-12345", "/news/ = /world/ is one folder at x.example"),
    ("x.example/a/b/c/a-12345", "x.example/a/d/c/a-12345", "/b/ = /d/ is one folder at x.example"),
    ("x.example/a/b-12345", "m.x.example/a/b-12345", "m.x.example = x.example is one host at x.example"),
    ("x.example/node/12345", "x.example/a/slug-12345", "/node/# is the article with that number at x.example"),
    ("x.example/?p=12345", "x.example/12345/slug", "/?p=# is the article with that number at x.example"),
]
NEVER = [
    ("x.example/a", "x.example/a?ID=1"),
    ("x.example/a?date=1", "x.example/a?date=2"),
    ("x.example/a", "x.example/a?b=1&c=2&e=3&z=4"),
    ("x.example/a", "x.example/a#!b"),
    ("x.example/a", "x.example/a"),
    ("x.example/fr/one-two-three-four", "x.example/one-two-three-four"),
    ("x.example/2025/one-two-three-four", "x.example/2026/one-two-three-four"),
    ("x.example/a/b/c/one-two-three-four", "x.example/one-two-three-four"),
    ("x.example/a/short", "x.example/b/short"),
    ("x.example/a/one-two-three-four?id=1", "x.example/b/one-two-three-four"),
    ("fr.x.example/one-two-three-four", "x.example/one-two-three-four"),
    ("x.example/a/short", "m.x.example/a/short"),
    ("a.example/one-two-three-four", "b.example/one-two-three-four"),
    ("127.0.0.1:81/one-two-three-four", "127.0.0.1:82/one-two-three-four"),
    ("x.example/@ann/one-two-three-four", "x.example/@bob/one-two-three-four"),
    ("x.example/node/12345", "x.example/a/slug-54321"),
    ("x.example/node/1234", "x.example/a/slug-1234"),
    ("x.example/a/other-12345", "x.example/a/slug-12345"),
    ("x.example/a/slug", "x.example/b/slag"),
    ("x.example/node/12345?id=3", "x.example/a/slug-12345?id=3"),
    ("x.example/n2/12345", "x.example/a/slug-12345"),
]


def keys(*addresses: str) -> list[Key]:
    return [Key(f"https://{address}") for address in addresses]


@pytest.mark.parametrize(("one", "other", "claim"), TAUGHT)
def test_what_two_addresses_may_teach_is_the_same_either_way(one: str, other: str, claim: str) -> None:
    first, second = keys(one, other)
    lesson = lesson_between(first, second)
    assert lesson is not None
    assert lesson.claim == claim
    assert lesson_between(second, first) == lesson
    assert family_of(first) == family_of(second) is not None


@pytest.mark.parametrize(("one", "other"), NEVER)
def test_what_is_never_learned(one: str, other: str) -> None:
    first, second = keys(one, other)
    assert lesson_between(first, second) is lesson_between(second, first) is None


def test_a_key_of_a_publisher_and_a_home_page_have_no_family() -> None:
    assert family_of(Key("dw:12345")) is None
    assert family_of(Key("https://x.example/")) is None
    assert lesson_between(Key("dw:12345"), Key("https://x.example/a")) is None


PATHS = st.text(alphabet="ab0123456789-/", max_size=20)


@given(
    PATHS, PATHS, st.sampled_from(["", "?maca=1", "?id=12345", "?a=1&b=2"]), st.sampled_from(["", "?maca=2", "?p=1"])
)
def test_what_a_lesson_may_join_has_one_family(one: str, other: str, query: str, second: str) -> None:
    left, right = keys(f"x.example/{one}{query}", f"x.example/{other}{second}")
    lesson = lesson_between(left, right)
    assert lesson == lesson_between(right, left)
    if lesson is not None and lesson.kind is not LessonKind.NUMBER:
        assert family_of(left) == family_of(right)


@pytest.mark.parametrize(
    ("paths", "imported", "holds", "is_open"),
    [
        ({Verdict.ONE: 3}, False, True, False),
        ({Verdict.ONE: 2}, False, False, True),
        ({Verdict.ONE: 900, Verdict.DIFFERENT: 1}, False, False, False),
        ({Verdict.ONE: 1, Verdict.NEITHER: 2}, False, False, False),
        ({Verdict.ONE: 1}, True, True, False),
        ({}, True, False, True),
    ],
)
def test_when_a_lesson_holds(paths: dict[Verdict, int], imported: bool, holds: bool, is_open: bool) -> None:
    standing = Standing(lesson=LESSON, paths=paths, imported=imported)
    assert (standing.holds, standing.is_open) == (holds, is_open)
    assert not standing.holds_back
    for _ in range(3):
        standing = standing.probed()
    assert standing.holds_back == is_open


def test_every_fiftieth_use_and_the_first_of_a_day_is_a_check() -> None:
    standing = Standing(lesson=LESSON, paths={Verdict.ONE: 3})
    assert standing.is_check(NOW)
    checks = 0
    standing = standing.used(NOW)
    for _ in range(200):
        is_check = standing.is_check(NOW)
        checks += is_check
        standing = standing.used(NOW if is_check else None)
    assert checks == 200 // CHECK_EVERY
    assert standing.is_check(NOW + timedelta(hours=12))


def test_a_redirect_of_our_own_needs_no_proof_and_no_check() -> None:
    lesson = Lesson(tenant="x.example", kind=LessonKind.REDIRECT, subject="redirects")
    standing = Standing(lesson=lesson, paths={})
    assert standing.holds
    assert not standing.is_check(NOW)


def test_declarations_of_addresses_alone_are_trusted() -> None:
    page, rule = keys("x.example/a")[0], Key("dw:12345")
    assert lesson_of_declaration(page, rule) is lesson_of_declaration(rule, page) is None


def test_what_is_known_is_one_sentence() -> None:
    standing = Standing(lesson=LESSON, paths={Verdict.ONE: 1, Verdict.DIFFERENT: 2}, checked_at=NOW)
    assert standing.sentence() == "?maca is tracking at x.example: 1 proof, 2 against, checked 2026-03-01"


def facts(text: bytes, *sample: int) -> KeyFacts:
    return KeyFacts(text_hash=text, title_hash=b"t", sample=frozenset(sample))


@pytest.mark.parametrize(
    ("one", "other", "are_one", "verdict"),
    [
        (facts(b"a"), facts(b"a"), True, Verdict.ONE),
        (facts(b"a"), facts(b"a"), False, Verdict.NEITHER),
        (facts(b"a", *range(10)), facts(b"b", *range(9)), True, Verdict.ONE),
        (facts(b"a", *range(10)), facts(b"b", *range(7)), True, Verdict.NEITHER),
        (facts(b"a"), facts(b"b"), True, Verdict.NEITHER),
        (facts(b"a", *range(10)), facts(b"b", *range(20, 30)), False, Verdict.DIFFERENT),
        (facts(b"a", *range(10)), facts(b"b", *range(7)), False, Verdict.NEITHER),
    ],
)
def test_what_two_fetched_texts_show(one: KeyFacts, other: KeyFacts, are_one: bool, verdict: Verdict) -> None:
    assert compare(one, other, are_one=are_one) is verdict
    assert compare(other, one, are_one=are_one) is verdict
