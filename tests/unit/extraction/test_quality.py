"""Reasons to doubt that a text is an article; and articles that must not be doubted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.extraction.extract import extract_entry, extract_page
from aggregator.extraction.markup import read_markup
from aggregator.extraction.quality import assess
from aggregator.models.articles import DateSource, ExtractInput, Extraction
from tests.support.laws import at_most

SEEN = datetime(2024, 6, 1, 12, tzinfo=UTC)
PARAGRAPHS = (
    "The council decided on Tuesday that the bridge over the river will be closed for two years, from next spring.",
    "Traders on both banks fear for their customers, and the ferry that is promised to them does not exist yet.",
    "The mayor said that there was no other way: inspectors had found rust in places where none had looked before.",
    "A vote on the money for the new bridge, which will have four lanes, will be held in the autumn of this year.",
)
STORY = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)
LONG = STORY * 4


def reasons(body: str, title: str = "The bridge", head: str = "", ld: str = "", **fields: object) -> tuple[str, ...]:
    page_html = (
        f'<html lang="en"><head><title>{title}</title>{head}<script type="application/ld+json">{ld}</script></head>'
        f"<body><main><article><h1>{title}</h1>{body}</article></main></body></html>"
    )
    page = ExtractInput(url="https://example.org/a", body=page_html.encode(), first_seen=SEEN, **fields)  # type: ignore[arg-type]
    found = extract_page(page)
    assert isinstance(found, Extraction)
    assert assess(found, page) == assess(found, page, read_markup(page))
    return assess(found, page)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(STORY, id="a short article"),
        pytest.param(LONG, id="a long article"),
        pytest.param(
            "<p>The regulator fined the company because it made its visitors accept cookies; tracking without consent, "
            "the judges said, is against the law, whatever cookie settings a site offers. The company will appeal.</p>"
            + STORY
            * 3,
            id="an article on cookies",
        ),
        pytest.param(f"<p>The court asked: are you a robot? The captcha was no proof.</p>{STORY * 3}", id="on robots"),
        pytest.param(STORY + "<p>Subscribe to read on.</p>" + STORY * 3, id="with a line for subscribers"),
    ],
)
def test_an_article_is_not_doubted(body: str) -> None:
    assert reasons(body) == ()


@pytest.mark.parametrize(
    ("expected", "title", "body"),
    [
        (
            "consent_wall",
            "Before you continue",
            "<p>We value your privacy. We and our 842 partners use cookies to measure audiences.</p>"
            "<p>You can accept all cookies or manage cookies in the cookie settings at any time.</p>",
        ),
        (
            "consent_wall",
            "Weiter mit Werbung",
            "<p>Mit Werbung und Tracking weiterlesen. Mit Ihrer Zustimmung werden Daten verarbeitet.</p>",
        ),
        (
            "consent_wall",
            "Le budget du port",
            "<p>Nos partenaires et nous-mêmes utilisons des cookies pour mesurer l'audience. Vous pouvez accepter, "
            "refuser ou paramétrer vos choix à tout moment.</p>",
        ),
        (
            "consent_wall",
            "Il bilancio del porto",
            "<p>Questo sito usa cookie per misurare il pubblico. Puoi accettare o rifiutare in ogni momento.</p>",
        ),
        (
            "bot_check",
            "Just a moment...",
            "<p>Verifying you are human. This may take a few seconds.</p><p>example.org needs to review the security "
            "of your connection before proceeding.</p>",
        ),
        (
            "bot_check",
            "Access denied",
            '<p>You do not have permission to view this page.</p><script src="https://geo.captcha-delivery.com/x.js">'
            "</script>",
        ),
        ("error_page", "404 - Page not found", "<p>The page you were looking for does not exist or was moved.</p>"),
        ("error_page", "Seite nicht gefunden", "<p>Leider gibt es diese Seite nicht mehr. Zur Startseite hier.</p>"),
        (
            "login",
            "Log in to Example",
            '<p>Enter your address to continue with your account.</p><form><input type="password" name="p"></form>',
        ),
        (
            "paywall_stub",
            "The bridge",
            f"<p>{PARAGRAPHS[0]}</p><p>Subscribe to continue reading. Already a subscriber? Log in.</p>",
        ),
        (
            "listing",
            "All news",
            "".join(f'<h2><a href="/{n}">Council closes bridge {n}</a></h2><p>today</p>' for n in "abcdefghi"),
        ),
        ("truncated", "The bridge", f"<p>{PARAGRAPHS[0]}</p><p>Traders on both banks fear for their…</p>"),
        ("too_short", "The bridge", "<p>The bridge is closed from today.</p>"),
    ],
)  # fmt: skip
def test_what_is_no_article_is_named(expected: str, title: str, body: str) -> None:
    assert expected in reasons(body, title)


def test_a_page_that_says_it_is_not_free_and_is_short() -> None:
    ld = '{"@type": "NewsArticle", "headline": "The bridge", "isAccessibleForFree": %s}'
    for closed in ("false", '"False"'):
        assert "paywall_stub" in reasons(STORY, ld=ld % closed)
        assert reasons(LONG, ld=ld % closed) == ()
    assert reasons(STORY, ld=ld % "true") == ()


def test_a_short_text_that_is_all_there_is_stays() -> None:
    ask = "<p>Subscribe to continue reading more of our stories.</p>"
    body = " ".join(PARAGRAPHS)
    ld = '{"@type": "NewsArticle", "headline": "The bridge", %s}'
    assert reasons(STORY + ask, ld=ld % f'"articleBody": "{body}"') == ()
    assert reasons(STORY + ask, ld=ld % '"wordCount": 80') == ()
    assert "too_short" not in reasons("<p>All closed.</p>", ld=ld % '"wordCount": "2"')


@pytest.mark.parametrize(
    ("ld", "fields"),
    [
        ('{"@type": "Article", "headline": "B", "wordCount": 900}', {}),
        ('{"@type": "Article", "headline": "B", "wordCount": "900"}', {}),
        ('{"@type": "Article", "headline": "B", "articleBody": "%s"}' % ("Something else was said. " * 80), {}),
        ("", {"feed_summary": f"<p>{'The summary of the feed says more. ' * 40}</p>"}),
    ],
)
def test_somebody_announces_more(ld: str, fields: dict[str, object]) -> None:
    assert "truncated" in reasons(STORY, ld=ld, **fields)


def test_a_listing_that_is_an_article_stays() -> None:
    lines = "".join(f"<p>Ingredient number {n} of the soup</p>" for n in range(12))
    assert "listing" not in reasons(lines, ld='{"@type": "Article", "headline": "Soup"}')


def test_the_text_in_another_language_than_the_feeds() -> None:
    english = """<p>The harbour of the small town was built by fishermen who came from the north about three hundred
        years ago, and for most of that time it changed very little. Boats went out before dawn and came back with the
        tide; what they brought was sold on the quay, salted in the sheds behind it, or carried over the hills to the
        market.</p><p>When the railway arrived, the fish could be in the capital on the next morning, and the families
        who owned more than one boat became rich enough to build houses with slate roofs and gardens. The others went on
        as before. Nobody thought of the beach as anything but a place where nets were dried, until a doctor wrote in a
        newspaper that the air was good for weak lungs. In the following summer there were visitors in every room.</p>
        """
    assert reasons(english, feed_language="ru") == ("wrong_language",)
    assert reasons(english, feed_language="en-gb") == ()
    assert reasons(english, feed_language="x") == ()


@pytest.mark.parametrize(
    ("date", "source", "doubted"),
    [
        ("2024-05-30", DateSource.PAGE, False),
        ("2024-06-03", DateSource.PAGE, False),
        ("2024-06-04", DateSource.PAGE, True),
        ("1970-01-01", DateSource.FEED, True),
        ("2021-05-30", DateSource.PAGE, True),
        ("2021-05-30", DateSource.FEED, False),
        ("nonsense", DateSource.PAGE, True),
        ("2034-01-01", DateSource.FIRST_SEEN, False),
        ("", DateSource.NONE, False),
    ],
)
def test_dates(date: str, source: DateSource, doubted: bool) -> None:
    page = ExtractInput(
        url="https://example.org/a",
        body=f"<html><body><article>{LONG}</article></body></html>".encode(),
        first_seen=SEEN,
        feed_published="2024-05-31T10:00:00Z",
    )
    found = extract_page(page)
    assert isinstance(found, Extraction)
    assert assess(replace(found, date=date, date_source=source), page) == (("implausible_date",) if doubted else ())


def test_content_of_the_feed_is_judged_by_its_date_alone() -> None:
    page = ExtractInput(url="https://example.org/a", body=b"", feed_html="<p>Short.</p>", first_seen=SEEN)
    found = extract_entry(page)
    assert isinstance(found, Extraction)
    assert assess(found, page) == ()


@at_most(30)
@given(st.text(max_size=300), st.text(max_size=60))
def test_never_raises(body: str, title: str) -> None:
    page = ExtractInput(url="https://example.org/a", body=body.encode("utf-8", "replace"), feed_html=body)
    found = extract_page(page)
    if isinstance(found, Extraction):
        assess(replace(found, title=title), page)


def test_a_page_without_main_content_is_judged_by_its_body() -> None:
    page = ExtractInput(
        url="https://example.org/a", body=f"<body><aside>{LONG}</aside></body>".encode(), first_seen=SEEN
    )
    found = extract_page(page)
    assert isinstance(found, Extraction)
    assert found.text == ""
    assert found.body
    assert "too_short" not in assess(found, page)
    assert "too_short" in assess(replace(found, body="All closed."), page)
