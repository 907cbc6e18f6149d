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
EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
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
