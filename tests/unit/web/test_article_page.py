"""The body of an article as HTML, what a text changed, and the sentences that explain evidence and doubts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.extraction.quality import Reason
from aggregator.models.articles import Extraction
from aggregator.models.ids import EvidenceKind, Key
from aggregator.ports.readings import TracedEvidence
from aggregator.web.pages.differences import compare_lines, compare_words
from aggregator.web.pages.sentences import why_doubtful, why_one
from aggregator.web.pages.structure import structured

AT = datetime(2026, 11, 19, tzinfo=UTC)


def shown(markdown: str | None, body: str = "") -> str:
    return str(structured(Extraction(title="T", body=body, markdown=markdown, source="page")))


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("One *two*", '<p dir="auto">One <em>two</em></p>'),
        ("# Top\n\n###### Low", '<h2 dir="auto">Top</h2>\n<h6 dir="auto">Low</h6>'),
        ("- a\n- b", '<ul>\n<li dir="auto">a</li>\n<li dir="auto">b</li>\n</ul>'),
        ("3. c", '<ol start="3">'),
        ("> said", '<blockquote>\n<p dir="auto">said</p>\n</blockquote>'),
        ("| a | b |\n|---|---|\n| 1 | 2 |", '<td dir="auto">2</td>'),
        ("[x](https://a.example/)", '<a href="https://a.example/" rel="noreferrer noopener nofollow">x</a>'),
        ("[x](javascript:pwn\\(\\))", "[x]("),
        ("a <script>pwn()</script>", "a &lt;script&gt;pwn()&lt;/script&gt;"),
        ("<div onclick=pwn()>b</div>", "&lt;div onclick=pwn()&gt;b&lt;/div&gt;"),
        ("![alt](https://elsewhere.example/pixel.gif)", '<p dir="auto"></p>'),
        ("photo\u202egnp.exe", "photognp.exe"),
    ],
)
def test_structure_is_shown_and_html_stays_text(markdown: str, html: str) -> None:
    assert html in shown(markdown)


def test_an_article_without_structure_is_paragraphs() -> None:
    assert shown(None, "One <b>\n\nTwo\u202e") == '<p dir="auto">One &lt;b&gt;</p>\n<p dir="auto">Two</p>'
    assert shown("# x\n" * 60_000, "Plain") == '<p dir="auto">Plain</p>'


@given(st.text(max_size=200))
def test_no_text_makes_an_element_that_is_not_of_a_text(markdown: str) -> None:
    elements = set(re.findall(r"<(\w+)", shown(markdown)))
    assert not elements & {"script", "img", "svg", "iframe", "object", "style", "input", "math", "form", "base", "meta"}


def test_words_that_changed_are_marked_within_their_line() -> None:
    (same, changed) = compare_lines(["Title", "Six people were hurt."], ["Title", "Seven people were hurt."])
    assert (same.kind, changed.kind) == ("same", "changed")
    assert [(part.kind, part.text) for part in changed.parts] == [
        ("removed", "Six"),
        ("added", "Seven"),
        ("same", " people were hurt."),
    ]


def test_characters_are_the_words_of_scripts_without_blanks() -> None:
    assert [(part.kind, part.text) for part in compare_words("六人受伤", "七人受伤") or ()] == [
        ("removed", "六"),
        ("added", "七"),
        ("same", "人受伤"),
    ]


def test_lines_that_share_little_are_shown_whole() -> None:
    lines = compare_lines(["a", "Alpha beta gamma"], ["a", "Quite another sentence here", "More"])
    assert [line.kind for line in lines] == ["same", "removed", "added", "added"]


def test_lines_far_from_a_change_are_left_out_unless_all_are_wanted() -> None:
    old = [f"line {n}" for n in range(9)]
    new = [*old[:8], "line nine"]
    assert [line.kind for line in compare_lines(old, new)] == ["place", "same", "changed"]
    assert [line.kind for line in compare_lines(old, new, context=99)] == [*["same"] * 8, "changed"]
    assert [line.kind for line in compare_lines(new[1:], old)] == ["added", "same", "place", "same", "changed"]


def test_removed_lines_and_equal_texts() -> None:
    assert [line.kind for line in compare_lines(["a", "b"], ["a"])] == ["same", "removed"]
    assert list(compare_lines(["a"], ["a"])) == []


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_parts_of_a_line_make_both_texts(old: str, new: str) -> None:
    parts = compare_words(old, new)
    if parts is not None:
        assert "".join(part.text for part in parts if part.kind != "added") == old
        assert "".join(part.text for part in parts if part.kind != "removed") == new


@pytest.mark.parametrize("kind", list(EvidenceKind))
def test_each_kind_of_evidence_has_a_sentence(kind: EvidenceKind) -> None:
    said = why_one(TracedEvidence(key=Key("a"), other=Key("b"), kind=kind, witness="a.example", seen_at=AT))
    assert "says" not in said
    assert "{" not in said


def test_evidence_of_another_version_is_named() -> None:
    later = TracedEvidence(key=Key("a"), other=Key("b"), kind="new_kind", witness="a.example", seen_at=AT)
    assert why_one(later) == "new kind, says a.example"


@pytest.mark.parametrize("reason", get_args(Reason))
def test_each_reason_to_doubt_is_explained(reason: str) -> None:
    assert why_doubtful(reason) != why_doubtful("of another version")
