from __future__ import annotations

from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.feeds.markup import has_tags, lines_to_html, plain_text, without_soft_hyphens


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a <b>c</b>", "a c"),
        ("x<script>evil()</script>y", "xy"),
        ("x<style>a", "x"),
        ("a<!-- b -->c", "ac"),
        ("1 < 2 &amp; 3 > 2", "1 < 2 & 3 > 2"),
        ("a\n  b&nbsp;c", "a b c"),
        ("Pont ouvert<br/>fête", "Pont ouvert fête"),
        ("<h2>Il ponte</h2><div class='x'>riapre</div>", "Il ponte riapre"),
        ("E=mc<sup>2</sup>, <i>in</i>credible", "E=mc2, incredible"),
        ("it&#39;s the sailor&apos;s", "it's the sailor's"),
        ("Wind&shy;park", "Windpark"),
        ("می‌روم", "می‌روم"),
    ],
)
def test_plain_text(html: str, text: str) -> None:
    assert plain_text(html) == text


@pytest.mark.parametrize("hyphen", ["\u00ad", "&shy;", "&#173;", "&#0173;", "&#xAD;", "&#Xad;"])
def test_soft_hyphens_go_however_they_are_written(hyphen: str) -> None:
    assert without_soft_hyphens(f"<p>Haus{hyphen}boot-Verleih</p>") == "<p>Hausboot-Verleih</p>"


@pytest.mark.parametrize(
    ("text", "wrapped", "html"),
    [
        ("one line", False, "one line"),
        ("  one line\n", True, "one line"),
        ("a\r\nb\rc", False, "<p>a<br>b<br>c</p>"),
        ("a\n \n\n  b\nc", False, "<p>a</p><p>b<br>c</p>"),
        ("Milk\nBread\nTwo eggs", True, "<p>Milk<br>Bread<br>Two eggs</p>"),
        (
            "A text in an\n      indented document\n      is one line",
            True,
            "<p>A text in an indented document is one line</p>",
        ),
        (f"{'w' * 70}\n{'x' * 66}\nend", True, f"<p>{'w' * 70} {'x' * 66} end</p>"),
        (f"{'w' * 70}\n{'x' * 66}\nend", False, f"<p>{'w' * 70}<br>{'x' * 66}<br>end</p>"),
        (f"{'w' * 70}\n{'x' * 90}", True, f"<p>{'w' * 70}<br>{'x' * 90}</p>"),
        ("a\n\nb", True, "<p>a</p><p>b</p>"),
    ],
)
def test_lines_and_paragraphs(text: str, wrapped: bool, html: str) -> None:
    assert lines_to_html(text, wrapped=wrapped) == html


@given(st.text(alphabet="ab \n<&", max_size=60), st.booleans())
def test_plain_text_as_html_keeps_every_word(text: str, wrapped: bool) -> None:
    html = lines_to_html(escape(text, quote=False), wrapped=wrapped)
    assert "".join(plain_text(html).split()) == "".join(text.split())


def test_signs_that_are_no_tags() -> None:
    assert not has_tags("a < b, 1<2 and <3")
    assert has_tags("a<b>")
    assert has_tags("</p>")
