"""Times in response headers: how long an answer stays fresh, and when the server allows the next request.

Pure functions. Names of headers are lower case. A header with a malformed value counts as absent, except Expires.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MAX_FRESH = timedelta(days=7)
MAX_RETRY_AFTER = timedelta(days=30)
_MAX_DATE_LENGTH = 64  # the longest form of RFC 9110, 5.6.7 has 33 characters
_DIGITS = re.compile(r"[0-9]{1,400}")
_DIRECTIVE = re.compile(r'([a-z-]{1,40})(?:\s{0,9}=\s{0,9}"?([^",\s]{0,40}))?')


def parse_http_date(text: str) -> datetime | None:
    """Return the time of an HTTP date in any of its three forms (RFC 9110, 5.6.7); None: `text` is no HTTP date.

    >>> parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT")
    datetime.datetime(1994, 11, 6, 8, 49, 37, tzinfo=datetime.timezone.utc)
    """
    if len(text) > _MAX_DATE_LENGTH:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return the wait that Retry-After asks for (RFC 9110, 10.2.3), at most 30 days; None: it is absent or malformed.

    The wait until a date begins at the Date of the answer, so that a wrong clock does not matter. If there is no Date,
    it begins at `now`.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    seconds = _parse_seconds(value)
    if seconds is not None:
        return min(seconds, MAX_RETRY_AFTER)
    moment = parse_http_date(value)
    if moment is None:
        return None
    sent_at = parse_http_date(headers.get("date", "")) or now
    return max(timedelta(0), min(moment - sent_at, MAX_RETRY_AFTER))


def parse_freshness(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return how long the answer stays fresh, at most 7 days; None: the headers do not say it.

    With no-cache or no-store, the time is 0. Otherwise it is max-age, or else Expires minus Date (`now` if there is no
    Date; a malformed Expires: 0). Age is subtracted from it (RFC 9111, 4.2.1 to 4.2.3, 5.2.2 and 5.3).
    """
    directives = _parse_directives(headers.get("cache-control", ""))
    max_age = _parse_seconds(directives.get("max-age", ""))
    lifetime: timedelta | None = None
    if "no-cache" in directives or "no-store" in directives:
        lifetime = timedelta(0)
    elif max_age is not None:
        lifetime = max_age
    elif "expires" in headers:
        moment = parse_http_date(headers["expires"])
        sent_at = parse_http_date(headers.get("date", "")) or now
        lifetime = timedelta(0) if moment is None else moment - sent_at
    if lifetime is None:
        return None
    lifetime -= _parse_seconds(headers.get("age", "").strip()) or timedelta(0)
    return max(timedelta(0), min(lifetime, MAX_FRESH))


def _parse_seconds(text: str) -> timedelta | None:
    """Return the time for a number of whole seconds (RFC 9111, 1.2.2), at most 10^9; None if `text` is no such number.

    >>> _parse_seconds("9" * 20) == _parse_seconds("1000000000"), _parse_seconds("-5"), _parse_seconds("1.5")
    (True, None, None)
    """
    if not _DIGITS.fullmatch(text):
        return None
    return timedelta(seconds=min(int(text), 10**9))


def _parse_directives(value: str) -> dict[str, str]:
    """Return the directives of Cache-Control by name: the first of each name, or "" for one without a value."""
    found: dict[str, str] = {}
    for part in value.lower().split(",")[:50]:
        match = _DIRECTIVE.fullmatch(part.strip().removesuffix('"'))
        if match is not None:
            found.setdefault(match[1], match[2] or "")
    return found
