"""Articles for tests of what is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from aggregator.extraction.feed_rules import ArticleRules
from aggregator.models.articles import Article, DateSource, Extraction
from aggregator.models.ids import ArticleId, Key
from aggregator.models.pages import DeclaredUrls, LeadImage

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ID = ArticleId("0123456789abcdef")


def no_rules(host: str, feed: str) -> ArticleRules:
    """Return the rules where there are none."""
    return ArticleRules()


def content(**facts: object) -> Extraction:
    made = Extraction(
        title="Title",
        authors=("A. Writer",),
        date="2026-11-22",
        published="2026-11-22T10:00:00+01:00",
        date_source=DateSource.PAGE,
        updated="",
        language="en",
        site="Example",
        text="  Title\n\nText \u00a0",
        body="Text",
        source="page",
        lead_image=LeadImage(url="https://example.org/i.jpg", caption="c", alt="a", credit="p"),
        declared=DeclaredUrls(),
        tags=(),
        extractor_name="aggregator",
        extractor_version="1",
    )
    return replace(made, **facts)  # type: ignore[arg-type]


def article(article_id: ArticleId = ID, **facts: object) -> Article:
    made = Article(
        id=article_id,
        key=Key("https://example.org/a"),
        url="https://example.org/a",
        urls=("https://example.org/a", "https://example.org/a?x=1"),
        content=content(),
        first_seen=NOW,
        day="2026/11/23",
        number=7,
        change_seq=3,
        feed="News",
        feeds=("News",),
        tags=("news",),
        revision=1,
        quality=(),
        near_duplicate_of=None,
        raw="00",
    )
    return replace(made, **facts)  # type: ignore[arg-type]
