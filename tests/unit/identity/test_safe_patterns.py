"""Patterns in rules: what is anchored and cannot run away is taken, everything else is refused with its reason."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.identity.safe_patterns import MAX_PATTERN_LENGTH, compile_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        r"^/$",
        r"\A/a\Z",
        r"^/(?:[^/]+/)*[^/]+-(?P<id>[0-9]+)$",
        r"^(?:/[^/]+)*/(?P<id>\d+)$",
        r"^/(?:news|story)/(?P<id>[0-9]{5,10})(?:/[^/]+)?$",
        r"^/(?:(?:[^/]+/)*[^/]*-)?(?P<id>[0-9]{6,8})$",
        r"^/(?:a(?:bc)?|d\w*)/(?P<id>\S{3})\D?\W?\s?[^\d/]?.?$",
        r"^/(?:ab){2,3}(?P<id>[a-f]+?)$",
        r"^/[a-z]++/(?P<id>x)$",
    ],
)
def test_safe_patterns_are_taken(pattern: str) -> None:
    assert compile_pattern(pattern).pattern == pattern


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "not anchored"),
        ("/a$", "begin it with"),
        ("^/a", "end it with"),
        ("^a|b$", "not anchored"),
        ("^/(a$", "no regular expression"),
        ("^" + "a" * MAX_PATTERN_LENGTH + "$", "characters"),
        ("^(?:a+)+$", "nested quantifiers"),
        ("^(?:a*b?)+$", "can be empty"),
        ("^(?:[^/]+[a-z])*$", "nested quantifiers"),
        ("^(?:[a-z]+/[a-z]+)*$", "nested quantifiers"),
        ("^(?:(?:ab)+/)*$", "nested quantifiers"),
        ("^(?:(?:a+b)*c)*$", "nested quantifiers"),
        ("^(?:x[^/]+y/z)*$", "nested quantifiers"),
        ("^(?:ab|cd)*$", "alternatives under a quantifier"),
        ("^(?:(?:ab|cd)x){2,9}$", "alternatives under a quantifier"),
        ("^.*.*.*a$", "too many quantifiers"),
        ("^/[^/]*-[^/]*-[^/]*-(?P<id>[0-9]+)$", "too many quantifiers"),
        (r"^/(a)\1$", "look-around"),
        ("^/(?=a)a$", "look-around"),
        (r"^/\ba$", "look-around"),
    ],
)
def test_unsafe_patterns_are_refused(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        compile_pattern(pattern)


ATOMS = st.sampled_from(["a", "/", "-", "[^/]", "[a-z]", "[0-9]", ".", r"\w", "(?:a|b)", "(?:a|/b)", "(?:-a)?"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.builds(
        lambda parts, suffix: f"(?:{''.join(parts)}){suffix}",
        st.lists(inner, min_size=1, max_size=3),
        st.sampled_from(["", "?", "*", "+", "{2,5}", "*?"]),
    ),
    max_leaves=8,
)


@given(st.lists(PATTERNS, min_size=1, max_size=4).map("".join))
def test_what_is_taken_is_fast_on_hostile_texts(body: str) -> None:
    try:
        pattern = compile_pattern(f"^{body}$")
    except ValueError:
        return
    begun = time.process_time()
    for unit in ("a", "/", "-", "1", "a/", "-a", "/-", "1-", "ab"):
        pattern.fullmatch(unit * (400 // len(unit)) + "\x00")
    assert time.process_time() - begun < 2
