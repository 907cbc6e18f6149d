"""Pages that stand in place of an article, and articles that have their words."""

from __future__ import annotations

import pytest

from aggregator.extraction.extract import extract_page
from aggregator.extraction.markup import read_markup
from aggregator.extraction.walls import (
    Evidence,
    is_bot_check,
    is_certain_wall,
    is_consent_wall,
    is_error_page,
    is_login,
    is_paywall_stub,
    says_enough,
)
from aggregator.models.articles import ExtractInput, Extraction

STORY = (
    "The council decided on Tuesday that the bridge over the river will be closed for two years, from next spring. "
    "Traders on both banks fear for their customers, and the ferry that is promised to them does not exist yet."
)


def evidence(title: str, body: str, head: str = "") -> Evidence:
    html = f"<html><head><title>{title}</title>{head}</head><body><h1>{title}</h1>{body}</body></html>"
    page = ExtractInput(url="https://example.org/a", body=html.encode())
    content = extract_page(page)
    assert isinstance(content, Extraction)
    return Evidence(content=content, page=page, markup=read_markup(page))


def article(fields: str) -> str:
    return f'<script type="application/ld+json">{{"@type": "Article", "headline": "Bridge"{fields}}}</script>'


@pytest.mark.parametrize(
    ("title", "body", "head", "expected"),
    [
        ("Just a moment...", "<p>Wait here.</p>", "<script>var _cf_chl_opt = {}</script>", (True, True)),
        ("example.org", "<p>Prove that you are human.</p>", "<script>var _cf_chl_opt = {}</script>", (True, True)),
        ("example.org", f"<p>{STORY}</p>", "<script>var _cf_chl_opt = {}</script>", (False, False)),
        ("Security check", '<p>Go on.</p><div class="g-recaptcha"></div>', "", (True, False)),
        ("Bridge", '<p>Are you human?</p><div class="g-recaptcha"></div>', "", (True, False)),
        ("Bridge", '<p>Are you human?</p><div class="g-recaptcha"></div><textarea></textarea>', "", (False, False)),
        ("Bridge", f'<p>{STORY}</p><div class="g-recaptcha"></div>', "", (False, False)),
        ("Access denied", "<p>You have no permission.</p>", "", (True, False)),
        ("Access denied", f"<p>{STORY} {STORY}</p>", "", (False, False)),
        ("Access denied", f"<p>{STORY} {STORY}</p>", '<meta name="robots" content="noindex">', (True, False)),
        ("Access denied", f"<p>{STORY} {STORY}</p><button>Go</button>", "", (True, False)),
        ("Access denied", "<p>You have no permission.</p>", article(""), (False, False)),
    ],
)
def test_bot_checks(title: str, body: str, head: str, expected: tuple[bool, bool]) -> None:
    found = evidence(title, body, head)
    assert (is_bot_check(found), is_certain_wall(found)) == expected


@pytest.mark.parametrize(
    ("title", "body", "expected"),
    [
        ("Cookies", "<p>We use cookies. Accept?</p>", True),
        ("Bridge", f"<p>{STORY}</p>", False),
        ("Privacy", f"<p>We use cookies, and our partners too. You may accept or refuse. {STORY}</p>", True),
        ("Bridge", f"<p>The mayor had cookies, which nobody would refuse. {STORY} {STORY}</p>", False),
        ("Bridge", f"<p>We use cookies. You may accept. {STORY} In 12 towns.</p>", False),
        (
            "Bridge",
            f"<p>We and 84 partners use cookies and other cookies for advertising. You may accept, refuse or manage "
            f"them. {STORY}</p><button>OK</button>",
            True,
        ),
        ("Bridge", f"<p>{STORY * 8}</p>", False),
    ],
)
def test_consent_walls(title: str, body: str, *, expected: bool) -> None:
    assert is_consent_wall(evidence(title, body)) == expected


@pytest.mark.parametrize(
    ("title", "body", "expected"),
    [
        ("404", "<p>Nothing is here.</p>", True),
        ("Example – Page not found", "<p>Nothing is here.</p>", True),
        ("Example answers 404 today", "<p>Error 404</p>", True),
        ("Road 404 is closed until May", f"<p>{STORY}</p>", False),
        ("Page not found", f"<p>{STORY * 4}</p>", False),
    ],
)
def test_error_pages(title: str, body: str, *, expected: bool) -> None:
    assert is_error_page(evidence(title, body)) == expected


FIELD = '<form><input name="p" type="password"></form>'


@pytest.mark.parametrize(
    ("title", "body", "expected"),
    [
        ("Log in to Example", f"<p>Enter your address here.</p>{FIELD}", True),
        ("Example", f"<p>Enter your address. Forgot your password?</p>{FIELD}", True),
        ("Bridge", f"<p>{STORY}</p>{FIELD}", False),
        ("Log in to Example", "<p>Enter your address here.</p>", False),
    ],
)
def test_logins(title: str, body: str, *, expected: bool) -> None:
    assert is_login(evidence(title, body)) == expected


ASKS = "<p>Subscribe to continue reading.</p>"


@pytest.mark.parametrize(
    ("body", "head", "expected"),
    [
        (f"<p>{STORY}</p>", article(', "isAccessibleForFree": false'), True),
        (f"<p>{STORY}</p>", article(', "isAccessibleForFree": "False"'), True),
        (f"<p>{STORY}</p>", article(', "isAccessibleForFree": false, "wordCount": 30'), False),
        (f"<p>{STORY}</p>{ASKS}<p>Already a subscriber?</p>", "", True),
        (
            f"<p>{STORY}</p><p>Traders fear for their…</p><div><a href='/s'>Subscribe to continue reading</a></div>",
            "",
            True,
        ),
        (f'<p>{STORY}</p><div class="article_payWall paywall-box">{ASKS}</div>', "", True),
        (f"<p>{STORY}</p>{ASKS}", "", False),
        (f"<p>{STORY}</p>", "", False),
    ],
)
def test_paywall_stubs(body: str, head: str, *, expected: bool) -> None:
    assert is_paywall_stub(evidence("Bridge", body, head)) == expected


def test_a_page_that_announces_its_length_says_enough() -> None:
    assert says_enough(evidence("Bridge", f"<p>{STORY}</p>", article(f', "articleBody": "{STORY}"')))
    assert not says_enough(evidence("Bridge", f"<p>{STORY}</p>", article(f', "articleBody": "{STORY * 2}"')))
    assert not says_enough(evidence("Bridge", f"<p>{STORY}</p>", article(', "wordCount": "many"')))
