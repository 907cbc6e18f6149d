"""Answers of servers, as the code behind the network sees them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from aggregator.models.fetching import Fetched, Validators


def fetched(url: str, body: bytes, content_type: str = "", **fields: Any) -> Fetched:  # Any: of each field its own
    """Return a complete answer; `fields` replace what few tests look at."""
    answer = Fetched(
        url=url,
        final_url=url,
        status=200,
        headers={"content-type": content_type} if content_type else {},
        body=body,
        validators=Validators(),
        hops=(),
        fresh_for=None,
        wire_bytes=len(body),
        elapsed=timedelta(0),
    )
    return replace(answer, **fields)
