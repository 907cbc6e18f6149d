from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.http.freshness import MAX_FRESH, MAX_RETRY_AFTER, parse_freshness, parse_http_date, parse_retry_after

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
DATE = "Mon, 23 Nov 2026 10:00:00 GMT"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    "text",
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
     "6 Nov 1994 09:49:37 +0100"],
)  # fmt: skip
def test_every_form_of_a_date(text: str) -> None:
    assert parse_http_date(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "soon", "Mon, 32 Nov 2026 10:00:00 GMT", DATE + " " * 100,
     "Fri, 31 Dec 9999 23:59:59 -2300"],
)  # fmt: skip
def test_what_is_no_date(text: str) -> None:
    assert parse_http_date(text) is None


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "120"}, 2 * MINUTE),
        ({"retry-after": " 120 "}, 2 * MINUTE),
        ({"retry-after": "0"}, timedelta(0)),
        ({"retry-after": "999999999999"}, MAX_RETRY_AFTER),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}, HOUR),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT", "date": "Mon, 23 Nov 2026 10:30:00 GMT"}, HOUR / 2),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT", "date": "nonsense"}, HOUR),
        ({"retry-after": "Mon, 23 Nov 2020 11:00:00 GMT"}, timedelta(0)),
        ({"retry-after": "Mon, 23 Nov 2096 11:00:00 GMT"}, MAX_RETRY_AFTER),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "\u0661\u0662"}, None),
        ({"retry-after": "120, 60"}, None),
        ({"retry-after": "9" * 400}, MAX_RETRY_AFTER),  # the greatest that we know (RFC 9111, 1.2.2)
        ({"retry-after": "9" * 401}, None),
    ],
)
def test_retry_after(headers: dict[str, str], wait: timedelta | None) -> None:
    assert parse_retry_after(headers, NOW) == wait


@pytest.mark.parametrize(
    ("headers", "span"),
    [
        ({}, None),
        ({"cache-control": "private"}, None),
        ({"cache-control": "max-age=60"}, MINUTE),
        ({"cache-control": "public , Max-Age = 60, must-revalidate"}, MINUTE),
        ({"cache-control": 'max-age="60"'}, MINUTE),
        ({"cache-control": "max-age=60, max-age=120"}, MINUTE),
        ({"cache-control": "s-maxage=600"}, None),
        ({"cache-control": "x-max-age=60"}, None),
        ({"cache-control": "max-age=0"}, timedelta(0)),
        ({"cache-control": "max-age=-60"}, None),
        ({"cache-control": "max-age"}, None),
        ({"cache-control": "max-age=60", "age": "20"}, timedelta(seconds=40)),
        ({"cache-control": "max-age=60", "age": "90"}, timedelta(0)),
        ({"cache-control": "max-age=60", "age": "old"}, MINUTE),
        ({"cache-control": "no-store"}, timedelta(0)),
        ({"cache-control": "no-cache", "expires": "Mon, 23 Nov 2026 11:00:00 GMT"}, timedelta(0)),
        ({"cache-control": "max-age=31536000"}, MAX_FRESH),
        ({"cache-control": "max-age=" + "9" * 30}, MAX_FRESH),
        ({"expires": "Mon, 23 Nov 2026 11:00:00 GMT"}, HOUR),
        ({"expires": "Mon, 23 Nov 2026 11:00:00 GMT", "date": "Mon, 23 Nov 2026 10:30:00 GMT"}, HOUR / 2),
        ({"expires": "Mon, 23 Nov 2026 11:00:00 GMT", "cache-control": "max-age=60"}, MINUTE),
        ({"expires": "-1"}, timedelta(0)),
        ({"expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, timedelta(0)),
        ({"expires": "Mon, 23 Nov 2096 11:00:00 GMT"}, MAX_FRESH),
    ],
)
def test_freshness(headers: dict[str, str], span: timedelta | None) -> None:
    assert parse_freshness(headers, NOW) == span


HEADERS = st.dictionaries(
    st.sampled_from(["cache-control", "expires", "date", "age", "retry-after"]),
    st.one_of(st.text(), st.from_regex(r"(max-age=|no-)?[0-9]{0,25}", fullmatch=True), st.just(DATE)),
)


@given(HEADERS)
def test_any_headers_give_a_bounded_time(headers: dict[str, str]) -> None:
    fresh, wait = parse_freshness(headers, NOW), parse_retry_after(headers, NOW)
    assert fresh is None or timedelta(0) <= fresh <= MAX_FRESH
    assert wait is None or timedelta(0) <= wait <= MAX_RETRY_AFTER
