"""Scenarios: what a polite client sends, remembers and follows.

The docstring of a scenario is the requirement that users see. The function returns a `Complaint`: what went wrong, or
"" if nothing did.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta

from aggregator.models.fetching import Cause, Fetched, FetchFailed, NotModified, Redirected, Validators
from aggregator.selftest.scenario import (
    FEED,
    Complaint,
    ScenarioClient,
    describe,
    documented,
    expect,
    expect_body,
    expect_cause,
    fails,
    first_complaint,
    request,
)
from aggregator.selftest.server import Peer, Server, answers, head, redirects

_ETAGS = (
    '"plain"',
    'W/"weak"',
    "unquoted",
    'W/"',
    '"with, comma"',
    "'single'",
    '"caf\xe9"',
    "W/'odd' \"two\"",
    '"' + "x" * 2000 + '"',
)
_OLD = Validators(etag='"old"', last_modified="0")
_DATES = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "2026-11-23T10:00:00Z", "0", "yesterday")
_CAUSES = {
    400: Cause.CLIENT_ERROR, 401: Cause.UNAUTHORIZED, 403: Cause.FORBIDDEN, 404: Cause.NOT_FOUND, 410: Cause.GONE,
    429: Cause.RATE_LIMITED, 500: Cause.SERVER_ERROR, 503: Cause.UNAVAILABLE, 204: Cause.EMPTY, 205: Cause.EMPTY,
    206: Cause.PROTOCOL, 300: Cause.PROTOCOL, 305: Cause.PROTOCOL, 999: Cause.PROTOCOL,
}  # fmt: skip
_RETRY_AFTER = (
    ("120", timedelta(minutes=2)), ("0", timedelta(0)), (" 7 ", timedelta(seconds=7)), ("soon", None), ("-5", None),
    ("1.5", None), ("9" * 30, timedelta(days=30)), ("999999999", timedelta(days=30)),
    ("Mon, 23 Nov 2026 11:00:00 GMT", timedelta(hours=1)), ("Mon, 23 Nov 2026 09:00:00 GMT", timedelta(0)),
)  # fmt: skip
_DATE = "Date: Mon, 23 Nov 2026 10:00:00 GMT"
_FRESHNESS: tuple[tuple[tuple[str, ...], timedelta | None], ...] = (
    ((), None),
    (("Cache-Control: public, max-age=600",), timedelta(minutes=10)),
    (('Cache-Control: MAX-AGE="600"',), timedelta(minutes=10)),
    (("Cache-Control: max-age=600", "Age: 200"), timedelta(seconds=400)),
    (("Cache-Control: max-age=600", "Expires: Mon, 23 Nov 2026 12:00:00 GMT"), timedelta(minutes=10)),
    (("Cache-Control: max-age=soon", "Expires: Mon, 23 Nov 2026 12:00:00 GMT"), timedelta(hours=2)),
    (("Expires: Mon, 23 Nov 2026 10:30:00 GMT",), timedelta(minutes=30)),
    (("Expires: Mon, 23 Nov 2020 10:30:00 GMT",), timedelta(0)),
    (("Expires: 0",), timedelta(0)),
    (("Cache-Control: no-cache, max-age=600",), timedelta(0)),
    (("Cache-Control: max-age=99999999999",), timedelta(days=7)),
)


# --- requests ---------------------------------------------------------------------------------------------------------


def request_headers(client: ScenarioClient) -> Complaint:
    """A request names the client and the formats it reads, and carries no cookie and no referrer."""
    with Server(answers(200, FEED)) as server:
        result = client.ask(server.url("/feed?b=2&a=%7e"))
        asked = server.last
    missing = [name for name in ("User-Agent", "Accept", "Accept-Encoding", "Host") if not asked.has_header(name)]
    extra = [name for name in ("Cookie", "Referer", "Authorization", "If-None-Match") if asked.has_header(name)]
    return (
        expect_body(result)
        or expect(not missing, f"missing: {missing}")
        or expect(not extra, f"sent: {extra}")
        or expect(asked.method == "GET" and asked.target == "/feed?b=2&a=%7e", f"asked {asked.method} {asked.target}")
        or expect("rss+xml" in (asked.header("Accept") or ""), "Accept names no feed format")
    )


def cookies(client: ScenarioClient) -> Complaint:
    """A cookie is not sent back, neither after a redirect nor with the next request."""

    def script(peer: Peer) -> None:
        cookie = "Set-Cookie: session=1; Path=/"
        if peer.number == 0:
            peer.answer(302, headers=(cookie, "Location: /b"))
        else:
            peer.answer(body=FEED, headers=(cookie,))

    with Server(script) as server, client.fetcher() as fetcher:
        results = [fetcher.fetch(request(server.url("/a"))), fetcher.fetch(request(server.url("/c")))]
        given = any(asked.has_header("Cookie") for asked in server.requests)
    return expect_body(results[1]) or expect(not given, "a cookie was sent")


def credentials(client: ScenarioClient) -> Complaint:
    """User and password in a feed's address are sent to the host of this address only."""
    with Server(answers(200, FEED), host="127.0.0.2") as other:
        with Server(lambda peer: peer.redirect("/own" if peer.number == 0 else other.url())) as server:
            result = client.ask(server.url().replace("//", "//me:p%40ss@"))
            sent = [asked.header("Authorization") for asked in server.requests]
        leaked = other.last.has_header("Authorization")
    expected = "Basic " + b64encode(b"me:p@ss").decode()
    return (
        expect_body(result)
        or expect(sent == [expected, expected], f"sent {sent}")
        or expect(not leaked, "another host received them")
        or expect(
            isinstance(result, Fetched) and "p%40ss" not in result.final_url + str(result.hops), "a URL keeps them"
        )
    )


def kept_connection(client: ScenarioClient) -> Complaint:
    """Requests to one host share a connection; if the server closes the connection, a new one is opened."""

    def script(peer: Peer) -> None:
        peer.answer(body=FEED, keep=peer.number != 1)

    with Server(script) as server, client.fetcher() as fetcher:
        results = [fetcher.fetch(request(server.url(f"/{number}"))) for number in range(4)]
        connections = server.connections
    broken = first_complaint((number, expect_body(result)) for number, result in enumerate(results))
    return broken or expect(connections == 2, f"{connections} connections for 4 requests")


# --- conditional requests ---------------------------------------------------------------------------------------------


def validators_returned(client: ScenarioClient) -> Complaint:
    """ETag and Last-Modified are sent back byte for byte, even if they are malformed."""

    def script(peer: Peer) -> None:
        if peer.request.has_header("If-None-Match") or peer.request.has_header("If-Modified-Since"):
            peer.answer(304)
        else:
            peer.answer(body=FEED, headers=(f"ETag: {etag}", f"Last-Modified: {date}"))

    for index, etag in enumerate(_ETAGS):
        date = _DATES[index % len(_DATES)]
        with Server(script) as server, client.fetcher() as fetcher:
            first = fetcher.fetch(request(server.url()))
            if not isinstance(first, Fetched):
                return f"{etag!r}: {describe(first)}"
            second = fetcher.fetch(request(server.url(), validators=first.validators))
            asked = server.last
        sent = (asked.header("If-None-Match"), asked.header("If-Modified-Since"))
        if not isinstance(second, NotModified) or sent != (etag, date):
            return f"sent {sent}, got {describe(second)}"
    return ""


def validators_absent(client: ScenarioClient) -> Complaint:
    """After a complete answer without ETag and Last-Modified, the earlier ones are forgotten."""
    result = client.fetch(answers(200, FEED, ["ETag: "]), validators=_OLD)
    return expect_body(result) or expect(
        isinstance(result, Fetched) and result.validators == Validators(), "there are validators"
    )


def not_modified_news(client: ScenarioClient) -> Complaint:
    """The validators and the freshness in a 304 replace the earlier ones."""
    headers = ('ETag: "new"', "Cache-Control: max-age=60")
    result = client.fetch(answers(304, headers=headers), validators=_OLD)
    return expect(
        isinstance(result, NotModified)
        and result.validators == Validators(etag='"new"')
        and result.fresh_for == timedelta(minutes=1),
        f"got {describe(result)}",
    )


# --- answers ----------------------------------------------------------------------------------------------------------


def status_causes(client: ScenarioClient) -> Complaint:
    """Every status but 200, 304 and redirects is a failure, whose cause follows from the status."""
    results = (
        (status, client.fetch(answers(status, b"" if status in (204, 205) else FEED)), cause)
        for status, cause in _CAUSES.items()
    )
    return first_complaint((status, expect_cause(result, cause)) for status, result, cause in results)


def retry_after(client: ScenarioClient) -> Complaint:
    """Retry-After is read in seconds and as a date, limited to 30 days, and ignored when malformed."""
    for value, wait in _RETRY_AFTER:
        result = client.fetch(answers(429, headers=[_DATE, f"Retry-After: {value}"]))
        if not isinstance(result, FetchFailed) or result.retry_after != wait:
            return f"{value!r}: {result.retry_after if isinstance(result, FetchFailed) else describe(result)}"
    return ""


def freshness(client: ScenarioClient) -> Complaint:
    """Cache-Control and Expires say how long an answer is fresh, at most a week."""
    for headers, span in _FRESHNESS:
        result = client.fetch(answers(200, FEED, [_DATE, *headers]))
        if not isinstance(result, Fetched) or result.fresh_for != span:
            return f"{headers}: {result.fresh_for if isinstance(result, Fetched) else describe(result)}"
    return ""


# --- redirects --------------------------------------------------------------------------------------------------------


def redirect_kinds(client: ScenarioClient) -> Complaint:
    """All five kinds of redirect are followed, and each is recorded with its status."""
    kinds = (301, 302, 303, 307, 308)

    def script(peer: Peer) -> None:
        if peer.number < len(kinds):
            peer.redirect(f"/{peer.number}", kinds[peer.number])
        else:
            peer.answer(body=FEED)

    result = client.fetch(script)
    return expect_body(result) or expect(
        isinstance(result, Fetched) and tuple(hop.status for hop in result.hops) == kinds, "hops are not recorded"
    )


def redirect_targets(client: ScenarioClient) -> Complaint:
    """Redirect targets that are relative, absolute, padded with blanks or raw UTF-8 are understood."""
    cases = {
        b"b": "/a/b", b"/c?d": "/c?d", b"../e": "/e", b"?q=1": "/a/feed?q=1", b"  /f g  ": "/f%20g",
        "/\u00fc".encode(): "/%C3%BC", b"/\xfc": "/%C3%BC", b"/h#frag": "/h", b"//127.0.0.1:PORT/i": "/i",
        b"HTTP://127.0.0.1:PORT/j": "/j",
    }  # fmt: skip

    def script(peer: Peer) -> None:
        if peer.number == 0:
            peer.redirect(location.replace(b"PORT", str(peer.server.port).encode()))
        else:
            peer.answer(body=FEED)

    for location, target in cases.items():
        with Server(script) as server:
            result = client.ask(server.url("/a/feed"))
            asked = server.last.target
        if complaint := expect_body(result) or expect(asked == target, f"asked for {asked}"):
            return f"{location!r}: {complaint}"
    return ""


def redirect_nowhere(client: ScenarioClient) -> Complaint:
    """A redirect without a target, or with an invalid one, is an error."""
    causes = (Cause.PROTOCOL, Cause.BAD_URL, Cause.DNS, Cause.NOT_FOUND, Cause.REDIRECT_LOOP)
    locations = (b"", b"http://", b"http://[::1", b"http://a.example:99999/")
    complaint = first_complaint((place, expect_cause(client.fetch(redirects(place)), *causes)) for place in locations)
    return complaint or expect_cause(client.fetch(answers(301)), Cause.PROTOCOL)


def redirect_to_other_host(client: ScenarioClient) -> Complaint:
    """A request that must stay on its host follows redirects within the host; a redirect to another one is returned."""
    with Server(answers(200, FEED), host="127.0.0.2") as other:
        with Server(lambda peer: peer.redirect("/own" if peer.number == 0 else other.url("/x"))) as server:
            result = client.ask(server.url(), follow_hosts=False)
            asked = len(server.requests)
        return expect(
            isinstance(result, Redirected)
            and result.target == other.url("/x")
            and len(result.hops) == 2
            and asked == 2
            and other.connections == 0,
            f"got {describe(result)}",
        )


def redirect_with_body(client: ScenarioClient) -> Complaint:
    """A redirect whose body never ends is followed at once."""

    def script(peer: Peer) -> None:
        if peer.request.target == "/feed":
            peer.send(head(301, ["Location: /b", "Content-Length: 1000000"]))
            peer.hang()
        else:
            peer.answer(body=FEED)

    return expect_body(client.fetch(script))


POLITENESS = (
    *documented(
        request_headers, cookies, credentials, kept_connection, validators_returned, validators_absent,
        not_modified_news, status_causes, retry_after, freshness, redirect_kinds, redirect_targets, redirect_nowhere,
        redirect_to_other_host, redirect_with_body,
    ),
    fails("A 304 to a request without validators is an error.", answers(304), Cause.PROTOCOL),
)  # fmt: skip
