"""Patterns in rules: what RE2 can do is taken and is fast on any text; an error names the construct."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.identity.patterns import MAX_PATTERN_LENGTH, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        (r"^/$", "/", {}),
        (r"^/(?:[^/]+/)*[^/]+-(?P<id>[0-9]+)$", "/a/b-12", {"id": "12"}),
        (r"^(?:/[^/]+)*/(?P<id>\d+)$", "/a/b/12", {"id": "12"}),
        (r"^/(?:news|story)/(?P<id>[0-9]{5,10})(?:/[^/]+)?$", "/story/12345/x", {"id": "12345"}),
        (r"^/(?:a(?:bc)?|d\w*)/(?P<id>\S{3})\D?\W?\s?[^\d/]?.?$", "/dx/abc", {"id": "abc"}),
        (r"^(?:a+)+(?P<id>b)$", "aab", {"id": "b"}),
        (r"^(?:ab|cd)*(?P<id>x)$", "abcdx", {"id": "x"}),
        (r"^/\ba(?P<id>é)$", "/aé", {"id": "é"}),
        (r"^a|b$", "b", {}),
    ],
)
def test_patterns_fit_the_whole_text(pattern: str, text: str, groups: dict[str, str]) -> None:
    made = compile_pattern(pattern)
    assert made.groups_of(text) == groups
    assert made.names == tuple(groups)
    assert made.groups_of(f"x{text}") is None


def test_a_line_feed_behind_the_text_is_no_part_of_it() -> None:
    assert compile_pattern("^/a$").groups_of("/a\n") is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "not anchored"),
        ("/a$", "begin it with"),
        ("^/a", "end it with"),
        ("^/(a$", "no regular expression"),
        ("^" + "a" * MAX_PATTERN_LENGTH + "$", "characters"),
        (r"^/(a)\1$", r"back-reference.*\\1"),
        ("^(?P<id>a)(?P=id)$", "back-reference"),
        ("^/(?=a)a$", r"look-ahead.*\(\?="),
        ("^/(?!a)a$", "look-ahead"),
        ("^/(?<=a)a$", "look-behind"),
        ("^/(?<!a)a$", "look-behind"),
        ("^/(?>a)$", "atomic group"),
        ("^/a++$", r"possessive.*\+\+"),
        ("^/a{1,2000}$", "more than 1000"),
    ],
)
def test_an_error_names_the_construct(pattern: str, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=reason):
        compile_pattern(pattern)
    assert capfd.readouterr() == ("", "")


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
    pattern = compile_pattern(f"^{body}$")
    begun = time.process_time()
    for unit in ("a", "/", "-", "1", "a/", "-a", "/-", "1-", "ab"):
        pattern.groups_of(unit * (400 // len(unit)) + "\x00")
    assert time.process_time() - begun < 2
