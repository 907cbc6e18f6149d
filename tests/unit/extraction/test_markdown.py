"""Markdown of blocks: without its marks, read by an independent parser, it is the body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml.html import document_fromstring
from markdown_it import MarkdownIt

from aggregator.extraction.body.blocks import blocks_of
from aggregator.extraction.body.markdown import markdown_of, markdown_of_text

READER = MarkdownIt("commonmark").enable("table")


def both(html: str) -> tuple[str, str]:
    blocks = blocks_of(document_fromstring(f"<html><body>{html}</body></html>"))
    return "\n\n".join(block.text for block in blocks), markdown_of(blocks, "https://example.org/a/b")


def without_marks(markdown: str) -> str:
    texts = []
    for token in READER.parse(markdown):
        if token.type == "inline":
            breaks = {"softbreak": " ", "hardbreak": " "}
            texts.append(
                "".join(breaks.get(one.type, one.content) for one in token.children or () if one.type != "image")
            )
        elif token.type == "fence":
            texts.append(token.content)
    return " ".join(" ".join(texts).split())


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<p>a <em>b<br>c</em> d<br>e</p>", "a *b  \nc* d  \ne"),
        ("<p>a<br>b <em>c</em></p>", "a  \nb *c*"),
        ("<p>5~ and 6~</p>", "5\\~ and 6\\~"),
        ("<p>Name: ____, a snake_case</p>", r"Name: \_\_\_\_, a snake_case"),
        ("<p><code>a</code><code>b</code> <code>c</code> d</p>", "`ab` `c` d"),
        ("<h1>Head</h1><h3>Sub</h3><p>Text</p>", "## Head\n\n### Sub\n\nText"),
        ("<p>A <b>bold</b> and <em> fine </em>word</p>", "A **bold** and *fine* word"),
        ('<p><a href="../c">Link</a> and <a href="#x">none</a></p>', "[Link](<https://example.org/c>) and none"),
        ("<ul><li>one</li><li>two<ul><li>deep</li></ul></li></ul>", "- one\n\n- two\n\n  - deep"),
        ('<ol start="3"><li>three</li><li>four</li></ol>', "3. three\n\n4. four"),
        ("<ol><li>one</li><li></li><li>three</li></ol>", "1. one\n\n3. three"),
        ("<ul><li><p>one</p><p>more</p></li></ul>", "- one\n\n  more"),
        ("<blockquote><p>said<br>twice</p></blockquote>", "> said  \n> twice"),
        ("<pre>for x in y:\n    `z`</pre>", "```\nfor x in y:\n    `z`\n```"),
        ("<pre>```\nx\n```</pre>", "````\n```\nx\n```\n````"),
        ("<p>The <code>a`b</code> word</p>", "The ``a`b`` word"),
        (
            "<table><tr><th>A</th><th>B</th></tr><tr><td>1|2</td><td>x</td></tr></table>",
            "| A | B |\n| --- | --- |\n| 1\\|2 | x |",
        ),
        ("<p>1. no list</p><p># no heading</p><p>- no entry</p>", "1\\. no list\n\n\\# no heading\n\n\\- no entry"),
        ("<p>snake_case *stars* [x](y) &amp;amp;</p>", "snake_case \\*stars\\* \\[x\\](y) \\&amp;"),
        ("<p>これは<b>「橋」</b>です</p>", "これは「橋」です"),
        ("<p>x<b>a</b><b>b</b>y</p>", "xaby"),
        ("<h2>The language C #</h2>", "## The language C \\#"),
        ("<h2>Issue ##</h2><p>a</p>", "## Issue \\##\n\na"),
        ("<p><b><i>both</i></b> <b></b>end</p>", "***both*** end"),
        ("<p><b>one<br><br>two</b></p>", "one\n\ntwo"),
        ("<p>The <b><code>word</code></b> counts</p>", "The **`word`** counts"),
        ('<p><a href="/a<b>c">x</a> <a href="http://[">y</a></p>', "[x](<https://example.org/a%3Cb%3Ec>) y"),
        ("<p>a<b><a>!b</a></b>c <b><a>d</a>!</b>e</p>", "a!bc d!e"),
        ("<p><b><i>a</i> b <i>c</i> d <i>e</i></b></p>", "**a b *c* d e**"),
        (
            "<ul><li>a<table><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table><p>b</p></li></ul>",
            "- a\n\n  | 1 | 2 |\n  | --- | --- |\n  | 3 | 4 |\n\n  b",
        ),
        (
            "<table><tr><td>1</td><td>2</td></tr><tr><td>a<br><br>b</td><td>c</td></tr></table>",
            "| 1 | 2 |\n| --- | --- |\n| a |\n| b | c |",
        ),
        ('<p>Wow!<a href="https://x.example/">link</a></p>', "Wow\\![link](<https://x.example/>)"),
    ],
)
def test_structure_is_written_as_marks(html: str, markdown: str) -> None:
    body, written = both(html)
    assert written == markdown
    assert without_marks(written) == " ".join(body.split())


WORDS = st.text(st.sampled_from("ab1 .!*_`[]()<>#&|~\\-+=:「é\n"), min_size=1, max_size=12)
TAGS = st.sampled_from(["p", "li", "b", "em", "code", "a href='https://x.example/'", "h2", "blockquote", "pre", "td"])


@given(st.lists(st.tuples(TAGS, WORDS, WORDS), max_size=6))
def test_markdown_without_marks_is_the_body(parts: list[tuple[str, str, str]]) -> None:
    def escaped(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;")

    html = "".join(f"<{tag}>{escaped(inner)}</{tag.split()[0]}>{escaped(tail)}" for tag, inner, tail in parts)
    body, written = both(html)
    assert without_marks(written) == " ".join(body.split())


@given(st.text(st.sampled_from("ab1 .*_`[]<>#&|~\\-+=:\n"), max_size=40))
def test_a_body_without_structure_is_escaped(text: str) -> None:
    body = "\n\n".join(line.strip() for line in text.split("\n") if line.strip())
    assert without_marks(markdown_of_text(body)) == " ".join(body.split())
