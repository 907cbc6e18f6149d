"""Adds to the OpenAPI description: how callers authenticate, and an example of each record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI

_SCHEMES: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "the content of `[web] token_file`"},
    "password": {"type": "http", "scheme": "basic", "description": "any user name, and the token as password"},
}
_FEED: Final = {
    "id": 1,
    "url": "https://www.example.org/feed.xml",
    "name": "Example News",
    "title": "News of example.org",
    "tags": ["news"],
    "full_text": True,
    "enabled": True,
    "status": "ok",
    "cause": None,
    "detail": "",
    "failing_since": None,
    "polled_at": "2026-11-19T10:00:00Z",
    "succeeded_at": "2026-11-19T10:00:00Z",
    "due_at": "2026-11-19T10:30:00Z",
    "entries_per_day": 24.5,
    "adopted_url": None,
}
_POLL: Final = {
    "at": "2026-11-19T10:00:00Z",
    "outcome": "new",
    "status": 200,
    "cause": None,
    "detail": "",
    "seconds": 0.21,
    "wire_bytes": 18204,
    "entries_seen": 30,
    "entries_new": 2,
}
_FINDING: Final = {
    "feed": "Example News",
    "feed_id": 1,
    "url": "https://www.example.org/feed.xml",
    "kind": "failing",
    "severity": "broken",
    "cause": "not_found",
    "since": "2026-11-18T21:00:00Z",
    "detail": "404 Not Found",
    "remedy": "Nothing is there: find the new address with `aggregator feeds discover <site>`.",
}
_FOUND: Final = {
    "id": "0123456789abcdef",
    "url": "https://www.example.org/news/storm",
    "title": "A storm passes",
    "date": "2026-11-19",
    "feed": "Example News",
    "first_seen": "2026-11-19T10:00:00Z",
    "language": "en",
    "snippet": "The <mark>storm</mark> passed in the night.",
}
_FORGOTTEN: Final = {
    "change_seq": 1841,
    "kind": "merged",
    "id": "fedcba9876543210",
    "merged_into": "0123456789abcdef",
    "article": None,
}
_PICTURE: Final = {
    "url": "https://www.example.org/pictures/storm.jpg",
    "caption": "Trees on the promenade",
    "alt": "Fallen trees",
    "credit": "Ann Lee",
}
_ARTICLE: Final = {
    "id": "0123456789abcdef",
    "url": "https://www.example.org/news/storm",
    "urls": ["https://www.example.org/news/storm", "https://www.example.org/news/storm?utm_source=feed"],
    "key": "example.org/news/storm",
    "title": "A storm passes",
    "authors": ["Ann Lee"],
    "date": "2026-11-19",
    "published": "2026-11-19T08:30:00+01:00",
    "date_source": "page",
    "updated": "",
    "source": "page",
    "language": "en",
    "site": "Example News",
    "text": " date 2026-11-19 A storm passes\n\nThe storm passed in the night.\n\nNobody was hurt.",
    "body": "The storm passed in the night.\n\nNobody was hurt.",
    "markdown": "The storm passed *in the night*.\n\nNobody was hurt.",
    "word_count": 9,
    "categories": ["weather"],
    "enclosures": [
        {"url": "https://www.example.org/storm.mp3", "type": "audio/mpeg", "length": 481204, "duration": 61}
    ],
    "lead_image": _PICTURE,
    "description": "What the storm did in the night.",
    "section": "Weather",
    "is_free": True,
    "licence": None,
    "rights": {"robots": None, "x_robots_tag": None, "noai": True, "tdm_reservation": None, "licence_url": None},
    "images": [_PICTURE],
    "extractor": {"name": "aggregator", "version": "1"},
    "change_seq": 1840,
    "first_seen": "2026-11-19T10:00:00Z",
    "feed": "Example News",
    "feeds": ["Example News"],
    "tags": ["news", "weather"],
    "revision": 2,
    "near_duplicate_of": None,
    "quality": [],
    "raw": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
_WHY: Final = {
    "url": "https://www.example.org/news/storm",
    "entries": [
        {
            "feed_id": 1,
            "feed": "Example News",
            "entry_id": "https://www.example.org/?p=4711",
            "link": "https://www.example.org/news/storm?utm_source=feed",
            "title": "A storm passes",
            "published_at": "2026-11-19T07:30:00Z",
            "first_seen": "2026-11-19T10:00:00Z",
            "page_id": 17,
        }
    ],
    "pages": [
        {
            "id": 17,
            "url": "https://www.example.org/news/storm",
            "key": "example.org/news/storm",
            "target": "",
            "state": "done",
            "due_at": "2026-11-19T10:00:00Z",
            "attempts": 1,
            "cause": None,
            "detail": "",
            "first_seen": "2026-11-19T10:00:00Z",
            "fetched_at": "2026-11-19T10:00:04Z",
            "article_id": "0123456789abcdef",
        }
    ],
    "articles": [
        {
            "id": "0123456789abcdef",
            "key": "example.org/news/storm",
            "url": "https://www.example.org/news/storm",
            "first_seen": "2026-11-19T10:00:00Z",
            "revision": 2,
            "merged_into": None,
            "is_withdrawn": False,
            "is_skipped": False,
            "near_duplicate_of": None,
            "forgotten_at": None,
        }
    ],
    "evidence": [
        {
            "key": "example.org/news/storm",
            "other": "example.org/?p=4711",
            "kind": "canonical",
            "witness": "example.org",
            "seen_at": "2026-11-19T10:00:05Z",
        }
    ],
    "decisions": [
        {
            "url": "https://www.example.org/news/storm",
            "key": "example.org/news/storm",
            "verdict": "announced",
            "rule": "url",
            "detail": "",
            "article_id": None,
            "at": "2026-11-19T10:00:00Z",
        }
    ],
}
_STATUS: Final = {
    "at": "2026-11-19T12:00:00Z",
    "feeds": 214,
    "feeds_broken": 1,
    "articles": 9901,
    "pages_due": 3,
    "pages_fetched": 0,
    "polls": 10272,
    "polls_failed": 48,
    "wire_bytes": 81204113,
    "entries_new": 1204,
    "articles_new": 1102,
    "delay_p50": 412.0,
    "delay_p95": 1801.5,
}
EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "Article": _ARTICLE,
    "Why": _WHY,
    "Status": _STATUS,
    "Feed": _FEED,
    "Poll": _POLL,
    "Finding": _FINDING,
    "FeedDetail": {**_FEED, "polls": [_POLL], "findings": []},
    "Health": {"feeds": 214, "broken": 1, "findings": [_FINDING]},
    "Gap": {
        "feed": "Example News",
        "feed_id": 1,
        "since": "2026-11-18T22:00:00Z",
        "until": "2026-11-19T06:00:00Z",
        "filled_at": None,
    },
    "Found": _FOUND,
    "FoundPage": {"found": [_FOUND], "count": 1, "next": None},
    "Change": _FORGOTTEN,
    "Changes": {"changes": [_FORGOTTEN], "cursor": 1841, "epoch": "5f1c2e9ab0d44c7c", "more": False},
    "Revision": {
        "number": 2,
        "recorded_at": "2026-11-19T12:00:00Z",
        "title": "A storm passes",
        "body": "The storm passed in the night.\n\nNobody was hurt.",
    },
    "Refreshed": {"feed_id": 1, "due": True},
}


def describe(app: FastAPI, *, needs_token: bool) -> None:
    """Let the application describe itself with security schemes and examples."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = plain()
            components = found.setdefault("components", {})
            components["securitySchemes"] = _SCHEMES
            found["security"] = [{name: []} for name in _SCHEMES] if needs_token else [{}]
            for name, example in EXAMPLES.items():
                components["schemas"][name]["examples"] = [example]
        schema: dict[str, Any] = app.openapi_schema or {}
        return schema

    app.openapi = described  # type: ignore[method-assign] # the way that the framework documents
