"""A page to its article: the seed page to the byte, rules, fall-backs, and pages that mean harm."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from trafilatura.metadata import extract_metadata

from aggregator.extraction.extract import (
    EXTRACTOR_NAME,
    EXTRACTOR_VERSION,
    extract_entry,
    extract_page,
    feed_text,
)
from aggregator.identity.publisher_rules import Publisher, shipped_publishers
from aggregator.models.articles import DateSource, ExtractInput, Extraction
from aggregator.models.fetching import Cause
from aggregator.models.pages import LeadImage, PageFailed
from aggregator.text.seed_format import render
from tests.support.laws import at_most

GOLDEN_URL = "http://www.dw.com/en/ukraine-russia-says-kherson-city-pullout-completed/a-63723431"
GOLDEN = (files("aggregator.demo") / "articles" / "dw_63723431.html").read_bytes()
SEED = (Path(__file__).parents[3] / "seeds" / "000_140eb00cdc832ed0.txt").read_bytes()

PARAGRAPHS = (
    "The council decided on Tuesday that the bridge over the river will be closed for two years, from next spring.",
    "Traders on both banks fear for their customers, and the ferry that is promised to them does not exist yet.",
    "The mayor said that there was no other way: inspectors had found rust in places where none had looked before.",
    "A vote on the money for the new bridge, which will have four lanes, will be held in the autumn of this year.",
)
SEEN = datetime(2024, 6, 1, 12, tzinfo=UTC)


def article(inner: str = "", head: str = "") -> bytes:
    text = inner or "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)
    return f"""<!DOCTYPE html><html lang="en"><head><title>The bridge | Example</title>{head}</head><body>
        <nav><ul><li><a href="/">Home</a></li></ul></nav><main><article><h1>The bridge</h1>{text}</article></main>
        <footer><p>All rights reserved by the Example.</p></footer></body></html>""".encode()


def extracted(body: bytes, publisher: Publisher | None = None, **fields: object) -> Extraction:
    page = ExtractInput(url="https://example.org/a", body=body, **fields)  # type: ignore[arg-type]
    result = extract_page(page, publisher)
    assert isinstance(result, Extraction)
    return result


def rule(**selectors: tuple[str, ...]) -> Publisher:
    site = next(iter(shipped_publishers(True).by_name.values())).site
    return Publisher(name="example", site=site, **selectors)  # type: ignore[arg-type]


# --- the seed ---------------------------------------------------------------------------------------------------------


def test_the_seed_page_renders_to_the_seed() -> None:
    found = extract_page(ExtractInput(url=GOLDEN_URL, body=GOLDEN))
    assert isinstance(found, Extraction)
    assert f"{render(found.text, found.date)}\n".encode() == SEED


def test_the_seed_page_has_a_clean_body_and_metadata() -> None:
    found = extract_page(ExtractInput(url=GOLDEN_URL, body=GOLDEN))
    assert isinstance(found, Extraction)
    lines = found.body.split("\n\n")
    assert lines[0].startswith("A retreat would mark")
    assert lines[-2:] == ["More to follow...", "fb/wmr (AFP, AP, Reuters)"]
    assert "ago" not in found.body
    assert "Page 1 of 3" not in found.body
    assert found.title == "Ukraine: Russia says Kherson city pullout 'completed'"
    assert (found.published, found.date_source) == ("2022-11-11T10:43:00+00:00", DateSource.PAGE)
    assert (found.language, found.source) == ("en", "page")
    assert found.declared.shortlink == "http://p.dw.com/p/4JNNH"
    assert found.lead_image is not None
    assert found.lead_image.credit == "Celestino Arce/NurPhoto/picture alliance"
    assert found.lead_image.alt.startswith("A destroyed russian tank")
    assert (found.extractor_name, found.extractor_version) == (EXTRACTOR_NAME, EXTRACTOR_VERSION)


def test_the_age_line_does_not_change_the_body() -> None:
    later = GOLDEN.replace(b"29 minutes ago", b"6 hours ago").replace(b"Page 1 of 3", b"Page 1 of 4")
    assert later != GOLDEN
    assert extracted(later).body == extracted(GOLDEN).body


@pytest.mark.parametrize("frame", ["aside", "footer", "nav"])
def test_a_page_without_main_content_has_a_body_and_a_blank_text(frame: str) -> None:
    paragraphs = "".join(f"<p>{one}</p>" for one in PARAGRAPHS)
    found = extracted(f"<title>The bridge</title><body><{frame}>{paragraphs}</{frame}></body>".encode())
    assert found.text == ""
    assert found.body == "\n\n".join(PARAGRAPHS)


@pytest.mark.parametrize(("opened", "closed"), [(100_000, 0), (100_000, 100_000)])
def test_a_page_of_a_hundred_thousand_boxes_in_each_other_has_no_main_content(opened: int, closed: int) -> None:
    first, *others = (f"<p>{one}</p>" for one in PARAGRAPHS)
    boxes = f"{'<div>' * opened}{''.join(others)}{'</div>' * closed}"
    found = extracted(f"<title>The bridge</title><body>{first * 3}{boxes}</body>".encode())
    assert found.text == ""
    assert PARAGRAPHS[0] in found.body


def test_an_element_with_a_hundred_thousand_attributes_has_its_words() -> None:
    first, second, *_ = PARAGRAPHS
    attributes = " ".join(f"a{n}='b c'" for n in range(100_000))
    found = extracted(f"<body><p>{first}</p><p {attributes}>{second}</p></body>".encode())
    assert found.body == f"{first}\n\n{second}"
    long_value = extracted(f"<body><p class='lead' title='{'word ' * 3000}'>{first}</p></body>".encode())
    assert long_value.body == first


def test_many_boxes_beside_each_other_have_main_content() -> None:
    paragraphs = "".join(f"<p>{one}</p>" for one in PARAGRAPHS)
    found = extracted(f"<body>{'<div></div>' * 3001}<main>{paragraphs}</main></body>".encode())
    assert PARAGRAPHS[0] in found.text


def test_navigation_around_the_whole_page_is_the_page() -> None:
    paragraphs = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS * 3)
    page = f"<html><body><nav><div><h1>The bridge</h1>{paragraphs}</div></nav></body></html>".encode()
    assert all(paragraph in extracted(page).body for paragraph in PARAGRAPHS)


def test_what_a_rule_names_is_taken_with_its_footer() -> None:
    text = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS) + "<footer><p>Written in Kherson.</p></footer>"
    assert extracted(article(text), rule(content=("article",))).body.endswith("Written in Kherson.")


def test_posts_of_a_forum_are_no_comments() -> None:
    posts = "".join(
        f'<div class="comment" id="comment-{n}"><p>{text}</p></div>' for n, text in enumerate(PARAGRAPHS * 2)
    )
    kind = '<script type="application/ld+json">{"@type": "DiscussionForumPosting"}</script>'
    page = f"<html><head>{kind}</head><body><main><h1>The bridge</h1><div>{posts}</div></main></body></html>"
    assert PARAGRAPHS[0] in extracted(page.encode()).body


# --- pages ------------------------------------------------------------------------------------------------------------


def test_the_body_is_the_article_and_nothing_else() -> None:
    found = extract_page(ExtractInput(url="https://example.org/a", body=article()))
    assert isinstance(found, Extraction)
    assert found.body == "\n\n".join(PARAGRAPHS)
    assert "The bridge" in found.text


def test_numbers_of_headings_and_of_lists_are_both_kept_apart() -> None:
    numbered = "".join(f"<h2>{n}. Reason to act</h2><p>{paragraph}</p>" for n, paragraph in enumerate(PARAGRAPHS, 1))
    assert extracted(article(numbered)).body.split("\n\n")[:2] == ["1. Reason to act", PARAGRAPHS[0]]
    listed = "<ol>" + "".join(f"<li>{paragraph}</li>" for paragraph in PARAGRAPHS) + "</ol>"
    assert extracted(article(listed)).body == "\n\n".join(PARAGRAPHS)


def test_no_page_depends_on_the_one_before() -> None:
    first = extracted(article())
    assert [extracted(article()).body for _ in range(4)] == [first.body] * 4


@given(st.text() | st.text(st.characters(max_codepoint=0xFF)))
@example("One\u2028two")
@example("\x00\x1c\x85\ud800")
@example(" · ")
def test_an_entry_without_markup_reads_as_one_with_a_trifle_of_it(content: str) -> None:
    assume(not {"<", "&"} & set(content))
    entries = [
        ExtractInput(url="https://a.example/1", body=b"", feed_html=f"{content}{more}") for more in ("", "<!-- -->")
    ]
    plain, marked = map(extract_entry, entries)
    assert getattr(plain, "body", "") == getattr(marked, "body", "")


def test_what_the_page_does_not_state_is_looked_for_in_its_markup() -> None:
    dated = article(
        '<p class="byline">By <span class="author">Ada Byron</span>, <span class="date">May 3, 2024</span></p>'
        + "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)
    )
    found = extracted(dated, first_seen=SEEN)
    assert (found.authors, found.date, found.date_source) == (("Ada Byron",), "2024-05-03", DateSource.PAGE)


@pytest.mark.parametrize(
    ("head", "byline", "authors"),
    [
        ("", '<p class="byline">By Ada Byron</p>', ("Ada Byron",)),
        ('<meta name="author" content="admin">', '<p class="author">Ada Byron</p>', ("Ada Byron",)),
        ('<meta name="citation_author" content="Ada Byron">', '<p class="author">George Gordon</p>', ("Ada Byron",)),
        ('<script type="application/ld+json">{"@type": 1, "author": [[</script>', "", ()),
        ("", "", ()),
    ],
)
def test_the_author_of_a_page_is_the_one_that_it_states_or_shows(
    head: str, byline: str, authors: tuple[str, ...]
) -> None:
    page = article(
        byline + "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS),
        head=f'{head}<meta property="article:published_time" content="2024-05-03T08:00:00Z">',
    )
    assert extracted(page).authors == authors
    whole = extract_metadata(page.decode()).author
    assert tuple(filter(None, [whole])) == authors


def test_the_date_of_a_page_without_one() -> None:
    feed = extracted(article(), feed_published="2024-05-30T23:00:00-05:00", first_seen=SEEN)
    assert (feed.date, feed.published, feed.date_source) == ("2024-05-30", "2024-05-30T23:00:00-05:00", DateSource.FEED)
    late = extracted(article(), feed_published="2034-05-30", first_seen=SEEN)
    assert (late.date, late.date_source) == ("2024-06-01", DateSource.FIRST_SEEN)
    none = extracted(article())
    assert (none.date, none.date_source) == ("", DateSource.NONE)


def test_the_feed_lends_what_the_page_lacks() -> None:
    found = extracted(
        b"<p>x</p>" * 3, feed_title="Title", feed_authors=("Ada Byron",), feed_tags=("t",), feed_language="fr"
    )
    assert (found.title, found.authors, found.tags, found.language) == ("Title", ("Ada Byron",), ("t",), "fr")


def test_charsets() -> None:
    page = article("<p>" + "Ärger über die Brücke. " * 20 + "</p>").decode().encode("cp1252")
    assert "Ärger über" in extracted(page, headers={"content-type": "text/html; charset=iso-8859-1"}).text


def test_a_picture_without_figure_is_stated_at_least() -> None:
    found = extracted(article(head='<meta property="og:image" content="/i.jpg">'))
    assert found.lead_image == LeadImage(url="https://example.org/i.jpg")


# --- publisher rules --------------------------------------------------------------------------------------------------

RULED = article(
    "<div class='x1'><p>First paragraph of it.</p><p class='ad'>Buy now!</p><div class='x1'><p>Second.</p></div></div>"
    "<b class='who'>Ada Byron</b><i class='when'>3 May 2024</i><a class='next' href='?p=2'>more</a>"
)


@pytest.mark.parametrize(
    "publisher",
    [
        rule(content=(".x1",), strip=("p.ad",), author=(".who",), date=(".when",), next_page=("a.next",)),
        rule(
            content=("//div[@class='x1']",),
            strip=("//p[@class='ad']",),
            author=("//b",),
            date=("(//i)[1]",),
            next_page=("./body//a[@class='next']",),
        ),
    ],
)
def test_a_rule_says_where_things_are(publisher: Publisher) -> None:
    found = extracted(RULED, publisher, first_seen=SEEN)
    assert found.body == "First paragraph of it.\n\nSecond."
    assert (found.authors, found.date) == (("Ada Byron",), "2024-05-03")
    assert found.declared.next_page == "https://example.org/a?p=2"
    assert "Buy now!" in found.text  # the seed text is the page's, whatever the rules


def test_a_rule_that_finds_nothing_changes_nothing() -> None:
    publisher = rule(content=(".none", "//none", "//p/text()", "count(//p)"), strip=("/html[",), author=("#none",))
    assert extracted(article(), publisher).body == "\n\n".join(PARAGRAPHS)


def test_the_root_cannot_be_stripped() -> None:
    assert extracted(article(), rule(strip=("/html",))).body


# --- the feed's content -----------------------------------------------------------------------------------------------

CONTENT = "".join(f"<p>{paragraph} {paragraph.upper()}</p>" for paragraph in PARAGRAPHS)


def test_an_entry_alone() -> None:
    page = ExtractInput(
        url="https://example.org/a",
        body=b"",
        feed_title="The bridge",
        feed_html="<p>One &amp; two.</p><ul><li>Three</li></ul>",
        feed_published="2024-05-30",
        feed_language="en-us",
    )
    found = extract_entry(page)
    assert isinstance(found, Extraction)
    assert found.text == "The bridge\n\nOne & two.\n\n  \u2022 Three"
    assert found.body == "One & two.\n\nThree"
    assert (found.source, found.title, found.date, found.language) == ("feed", "The bridge", "2024-05-30", "en-US")
    assert feed_text("", "<p>x</p>") == "x"


def test_an_entry_without_content_is_no_article() -> None:
    empty = ExtractInput(url="https://example.org/a", body=b"", feed_title="Title")
    assert extract_entry(empty) == PageFailed(cause=Cause.NO_TEXT, detail="the entry has no content")


def test_a_stub_gives_way_to_the_feeds_own_content() -> None:
    stub = article(f"<p>{PARAGRAPHS[0]}</p><p>Subscribe to read on.</p>")
    found = extracted(stub, feed_html=CONTENT, feed_title="Feed title")
    assert (found.source, found.title) == ("feed", "The bridge")
    assert found.text.startswith("Feed title\n\nThe council decided")
    assert extracted(article(), feed_html=f"<p>{PARAGRAPHS[0]}</p>").source == "page"
    assert extracted(article(), feed_html="<img src='x'>").source == "page"


# --- what is no page --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "cause"),
    [
        (b"", {}, Cause.NO_TEXT),
        (b"  \n ", {}, Cause.NO_TEXT),
        (b"<html><body><script>app()</script></body></html>", {}, Cause.NO_TEXT),
        (b"%PDF-1.4 ...", {}, Cause.NOT_TEXT),
        (b"GIF89a\0\0\0", {}, Cause.NOT_TEXT),
        (b"<p>text</p>", {"content-type": "image/png"}, Cause.NOT_TEXT),
    ],
)
def test_what_is_no_article(body: bytes, headers: dict[str, str], cause: Cause) -> None:
    result = extract_page(ExtractInput(url="https://example.org/a", body=body, headers=headers))
    assert isinstance(result, PageFailed)
    assert result.cause is cause


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<div>" * 5_000 + b"deep" + b"</div>" * 5_000, id="depth"),
        pytest.param(b"<" * 150_000, id="angle brackets"),
        pytest.param(b"<p>" + b"&" * 100_000, id="ampersands"),
        pytest.param(b'<script type="application/ld+json">' + b"[" * 100_000, id="nested JSON"),
        pytest.param(b"<meta " * 20_000, id="unclosed tags"),
        pytest.param(b"<b><i><a>" * 5_000, id="unclosed formatting"),
        pytest.param(b"a" * 300_000, id="one word"),
        pytest.param(b"<p>x</p><br>" * 4_000, id="many blocks"),
        pytest.param(b"<!--" * 50_000, id="comments"),
    ],
)
def test_hostile_pages_end(body: bytes) -> None:
    result = extract_page(ExtractInput(url="https://example.org/a", body=body))
    assert isinstance(result, Extraction | PageFailed)


def test_a_parser_that_fails_costs_this_page_only() -> None:
    class Broken:
        strip: tuple[str, ...] = ()
        author: tuple[str, ...] = ()
        date: tuple[str, ...] = ()
        next_page: tuple[str, ...] = ()

        @property
        def content(self) -> tuple[str, ...]:
            raise RuntimeError("broken")

    page = ExtractInput(url="https://example.org/a", body=article())
    assert extract_page(page, Broken()) == PageFailed(cause=Cause.EXTRACTION_FAILED, detail="RuntimeError: broken")


@at_most(40)
@given(st.binary(max_size=400), st.text(max_size=50), st.text(max_size=50))
def test_never_raises(body: bytes, title: str, content: str) -> None:
    page = ExtractInput(url="https://example.org/a", body=b"<p>" + body, feed_title=title, feed_html=content)
    assert isinstance(extract_page(page), Extraction | PageFailed)
    assert isinstance(extract_entry(page), Extraction | PageFailed)


@pytest.mark.parametrize(
    "opened", ["<svg/onload=alert(1)>", "<math>", "<SVG><path d='x'/>", "<svg><title>t</title></svg>"]
)
def test_an_svg_that_is_never_closed_swallows_no_text(opened: str) -> None:
    html = f"{opened}<script>alert(2)</script><p onclick=x()>{'The ferry was late again. ' * 9}</p>"
    found = extract_entry(ExtractInput(url="https://a.example/1", body=b"", feed_title="Late", feed_html=html))
    assert isinstance(found, Extraction)
    assert found.body.startswith("The ferry was late")
    assert "alert" not in found.text + found.body


def test_a_page_that_an_unknown_element_holds_in_its_head_has_its_words() -> None:
    story = "The council decided on Tuesday that the bridge over the river will be closed for two years. " * 5
    html = f"<script>a</script><html><head><title>B</title><x:y></head><body><div><p>{story}</p></div></body></html>"
    found = extract_page(ExtractInput(url="https://example.org/a", body=html.encode()))
    assert isinstance(found, Extraction)
    assert found.body == story.strip()
