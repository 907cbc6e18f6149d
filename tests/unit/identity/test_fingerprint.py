"""Near duplicates: the same text in other clothes is found, other texts and boilerplate are not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.identity.fingerprint import (
    MAX_DOCUMENTS,
    MIN_SITE_DOCUMENTS,
    Fingerprint,
    HashUse,
    Similarity,
    best_match,
    compare,
    fingerprint,
    is_boilerplate,
    is_near_duplicate,
    without_boilerplate,
)
from aggregator.models.ids import ArticleId

A, B, C = (ArticleId(letter * 16) for letter in "abc")


def words(count: int, seed: int = 0) -> list[str]:
    source = random.Random(seed)
    return [f"w{source.randrange(4000)}" for _ in range(count)]


def text(count: int, seed: int = 0) -> str:
    return " ".join(words(count, seed))


def near(one: str, other: str) -> bool:
    return is_near_duplicate(compare(fingerprint(one).hashes, fingerprint(other).hashes))


def test_case_blanks_and_punctuation_do_not_count() -> None:
    one, other = text(300), text(300).upper().replace(" ", ",\n ")
    assert fingerprint(one) == fingerprint(other)


def test_a_trimmed_an_extended_and_a_corrected_text_are_near() -> None:
    body = words(800)
    assert near(" ".join(body), " ".join(body[:320]))
    assert near(" ".join(body), " ".join(body + words(260, seed=1)))
    corrected = [f"x{i}" if i % 12 == 0 else word for i, word in enumerate(body)]
    assert near(" ".join(body), " ".join(corrected))


def test_other_texts_are_not_near() -> None:
    assert not near(text(800), text(800, seed=1))
    assert not near(text(800), " ".join(words(800, seed=1) + words(100)))


def test_short_texts_have_no_neighbours() -> None:
    assert fingerprint(text(119)) == Fingerprint(hashes=frozenset(), size=0, text_hash=fingerprint(text(119)).text_hash)
    assert fingerprint(text(120)).size == 117
    assert fingerprint("").size == 0


def test_scripts_without_spaces_are_cut_into_characters() -> None:
    source = random.Random(5)
    body = "".join(chr(source.randrange(0x4E00, 0x9000)) + ("。" if i % 30 == 29 else "") for i in range(1200))
    assert near(body, body[:700])
    assert fingerprint(body).size > 1100
    assert fingerprint(body[:200]).size == 0


def test_hashes_fit_a_signed_column() -> None:
    hashes = fingerprint(text(4000)).hashes
    assert all(-(2**63) <= value < 2**63 for value in hashes)
    assert any(value < 0 for value in hashes)
    assert 150 < len(hashes) < 350  # one in sixteen


@given(st.text())
def test_every_text_has_a_fingerprint(body: str) -> None:
    printed = fingerprint(body)
    assert len(printed.hashes) <= printed.size
    assert len(printed.text_hash) == 16


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_similarity_is_symmetrical_and_bounded(one: set[int], other: set[int]) -> None:
    similarity = compare(one, other)
    assert similarity == compare(other, one)
    assert 0 <= similarity.resemblance <= similarity.containment <= 1
    if one:
        assert compare(one, one) == Similarity(common=len(one), containment=1.0, resemblance=1.0)


@pytest.mark.parametrize(
    ("common", "containment", "resemblance", "verdict"),
    [(4, 0.5, 0.25, True), (3, 1.0, 1.0, False), (9, 0.49, 0.3, False), (9, 0.6, 0.24, False)],
)
def test_thresholds(common: int, containment: float, resemblance: float, verdict: bool) -> None:
    assert is_near_duplicate(Similarity(common=common, containment=containment, resemblance=resemblance)) is verdict


def test_hashes_of_phrases_do_not_count() -> None:
    site = MIN_SITE_DOCUMENTS
    assert is_boilerplate(HashUse(documents=MAX_DOCUMENTS + 1))
    assert not is_boilerplate(HashUse(documents=MAX_DOCUMENTS))
    assert is_boilerplate(HashUse(documents=3, site_documents=3), site)
    assert not is_boilerplate(HashUse(documents=2, site_documents=2), site)
    assert not is_boilerplate(HashUse(documents=3, site_documents=3), site - 1)
    assert without_boilerplate([1, 2, 3], {1: HashUse(documents=99), 2: HashUse(documents=1)}) == {2, 3}


def test_the_closest_article_is_the_match() -> None:
    body = words(800)
    own = fingerprint(" ".join(body))
    trimmed = fingerprint(" ".join(body[:400]))
    changed = fingerprint(" ".join([*body[:700], *words(100, seed=2)]))
    other = fingerprint(text(800, seed=3))
    found = best_match(own, {A: trimmed, B: changed, C: other}, {})
    assert found is not None
    assert found[0] == B
    assert best_match(own, {C: other}, {}) is None


def test_the_same_text_comes_first_and_the_smaller_id_among_equals() -> None:
    own = fingerprint(text(400))
    assert best_match(own, {C: own, B: own, A: fingerprint(text(400, seed=1))}, {}) == (
        B,
        Similarity(common=len(own.hashes), containment=1.0, resemblance=1.0),
    )
    everywhere = {value: HashUse(documents=99) for value in own.hashes}
    assert best_match(own, {B: own}, everywhere) is not None


def test_boilerplate_makes_no_match_and_short_texts_have_none() -> None:
    body = words(400)
    own, cut = fingerprint(" ".join(body)), fingerprint(" ".join(body[:300]))
    assert best_match(own, {A: cut}, {}) is not None
    assert best_match(own, {A: cut}, {value: HashUse(documents=99) for value in own.hashes}) is None
    short = fingerprint(text(10))
    assert best_match(short, {A: short}, {}) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("29 minutes ago", "2 hours ago"),
        ("2 hours ago", "9 hours ago · 531 comments"),
        ("vor einer Stunde", "vor 3 Stunden"),
        ("il y a 2 heures", "il y a 3 jours"),
        ("1.2k shares", "15k shares"),
        ("Updated 10:42", "Last updated: 27 November 2026, 18:05 GMT"),
        ("Page 1 of 3", "Page 1 of 4"),
        ("", "1 day ago"),
    ],
)
def test_ages_and_counters_are_no_part_of_what_is_compared(before: str, after: str) -> None:
    story = "The council met on Tuesday.\n\nIt rebuilds the bridge."
    one, other = (fingerprint(f"{line}\n\n{story}") for line in (before, after))
    assert one.text_hash == other.text_hash


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("The strike lasts 5 days.", "The strike lasts 6 days."),
        ("Seven dead after storm", "Nine dead after storm"),
        ("Home team 2", "Home team 3"),
        ("Idi Amin in exile", "Idi Amin in Jeddah"),
        ("2 hours ago", "A reporter for 20 years, she said that the ferry was hit by a second wave of water"),
    ],
)
def test_all_else_is_compared(before: str, after: str) -> None:
    story = "The council met on Tuesday.\n\nIt rebuilds the bridge."
    one, other = (fingerprint(f"{line}\n\n{story}") for line in (before, after))
    assert one.text_hash != other.text_hash


def test_a_text_of_nothing_but_ages_is_still_told_apart() -> None:
    assert fingerprint("2 hours ago").text_hash != fingerprint("3 hours ago").text_hash
