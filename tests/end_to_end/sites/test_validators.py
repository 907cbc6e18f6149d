"""Conditional requests over many runs: what goes back, byte for byte, and what is never kept."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from aggregator.models.fetching import Cause
from aggregator.selftest.server import Peer, Request, Script, head
from tests.support.citizen import HTML, RSS, Site, World, answering, html_page, item, one_by_one, rss, story, street

DATE = "Wed, 01 Nov 2023 10:00:00 GMT"
OLD = rss(item("/a/1"))
NEW = rss(item("/a/2"), item("/a/1"))


def sent(request: Request) -> tuple[str | None, str | None]:
    return request.header("If-None-Match"), request.header("If-Modified-Since")


def follow(world: World, site: Site, runs: int) -> list[tuple[str | None, str | None]]:
    """Return the validators of each poll."""
    world.follow(site.url())
    world.runs(runs)
    return [sent(request) for request in site.asked()]


ETAGS = (
    '"plain"',
    'W/"weak"',
    "unquoted",
    '""',
    'W/"',
    '"with, comma and blank"',
    "'single'",
    '"caf\xe9"',
    'w/"lower"',
    '"' + "x" * 3000 + '"',
)
DATES = (DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "2023-11-01T10:00:00Z", "0", "yesterday")


def _knows(etag: str) -> Script:
    def feed(peer: Peer) -> None:
        known = peer.request.header("If-None-Match") == etag
        peer.answer(304 if known else 200, b"" if known else OLD, (RSS, f"ETag: {etag}"))

    return feed


@pytest.fixture(scope="module")
def sent_back(make_world: Callable[[], World]) -> dict[str, list[tuple[str | None, str | None]]]:
    """What each site got back in three polls."""
    feeds = {etag: _knows(etag) for etag in ETAGS}
    feeds |= {date: answering(OLD, RSS, f"Last-Modified: {date}") for date in DATES}
    world = make_world()
    with street(world, feeds) as sites:
        world.runs(3)
        assert len(world.titles()) == len(sites)
        return {name: [sent(request) for request in site.asked()] for name, site in sites.items()}


@pytest.mark.parametrize("etag", ETAGS)
def test_an_etag_goes_back_byte_for_byte(sent_back: dict[str, object], etag: str) -> None:
    assert sent_back[etag] == [(None, None), (etag, None), (etag, None)]


@pytest.mark.parametrize("date", DATES)
def test_a_last_modified_goes_back_byte_for_byte(sent_back: dict[str, object], date: str) -> None:
    assert sent_back[date] == [(None, None), (None, date), (None, date)]


def test_both_go_back_where_both_were_given(world: World) -> None:
    with Site(answering(OLD, RSS, 'ETag: "a"', f"Last-Modified: {DATE}")) as site:
        assert follow(world, site, 2)[1] == ('"a"', DATE)


def test_none_is_made_up(world: World) -> None:
    with Site(answering(OLD, RSS, f"Date: {DATE}", "Content-MD5: Q2hlY2s=")) as site:
        assert follow(world, site, 3) == [(None, None)] * 3


def test_a_304_keeps_what_it_does_not_carry(world: World) -> None:
    feed = one_by_one(
        answering(OLD, RSS, 'ETag: "a"', f"Last-Modified: {DATE}"), answering(b"", "X-Nothing: 1", status=304)
    )
    with Site(feed) as site:
        assert follow(world, site, 3)[1:] == [('"a"', DATE)] * 2
        report = world.run()
        assert (report.feeds_unchanged, report.feeds_failed, report.articles_new) == (1, 0, 0)


def test_a_304_updates_what_it_carries(world: World) -> None:
    feed = one_by_one(
        answering(OLD, RSS, 'ETag: "a"', f"Last-Modified: {DATE}"), answering(b"", 'ETag: "b"', status=304)
    )
    with Site(feed) as site:
        assert follow(world, site, 3) == [(None, None), ('"a"', DATE), ('"b"', DATE)]


def test_a_200_replaces_both_and_drops_what_is_absent(world: World) -> None:
    feed = one_by_one(
        answering(OLD, RSS, 'ETag: "a"', f"Last-Modified: {DATE}"),
        answering(NEW, RSS, 'ETag: "b"'),
        answering(NEW, RSS, f"Last-Modified: {DATE}"),
        answering(NEW, RSS),
    )
    with Site(feed) as site:
        asked = follow(world, site, 5)
        assert asked == [(None, None), ('"a"', DATE), ('"b"', None), (None, DATE), (None, None)]
        assert world.titles() == ["About /a/1", "About /a/2"]


def test_a_200_with_the_same_body_replaces_too(world: World) -> None:
    feed = one_by_one(answering(OLD, RSS, 'ETag: "a"'), answering(OLD, RSS, 'ETag: "b"'))
    with Site(feed) as site:
        assert follow(world, site, 3) == [(None, None), ('"a"', None), ('"b"', None)]


def test_a_new_entry_behind_a_changed_etag_is_found(world: World) -> None:
    with Site(one_by_one(answering(OLD, RSS, 'ETag: "a"'), answering(NEW, RSS, 'ETag: "b"'))) as site:
        follow(world, site, 2)
        assert site.pages == ["/a/1", "/a/2"]


# --- answers that change nothing --------------------------------------------------------------------------------------


def _short(peer: Peer) -> None:
    peer.send(head(200, (RSS, 'ETag: "bad"', f"Content-Length: {len(NEW) + 400}")), NEW)


def _broken_chunk(peer: Peer) -> None:
    peer.send(head(200, (RSS, 'ETag: "bad"', "Transfer-Encoding: chunked")))
    peer.send(b"%x\r\n" % len(NEW), NEW, b"\r\nff\r\n", b"only this")


def _broken_gzip(peer: Peer) -> None:
    peer.answer(200, gzip.compress(NEW)[:-12], (RSS, 'ETag: "bad"', "Content-Encoding: gzip"))


ERRORS: dict[str, Script] = {
    "206": answering(NEW, RSS, 'ETag: "bad"', "Content-Range: bytes 0-99/200", status=206),
    "203": answering(b"<html>proxy</html>", 'ETag: "bad"', status=203),
    "500": answering(NEW, RSS, 'ETag: "bad"', f"Last-Modified: {DATE}", status=500),
    "404": answering(NEW, RSS, 'ETag: "bad"', status=404),
    "403": answering(b"no", 'ETag: "bad"', status=403),
    "204": answering(b"", 'ETag: "bad"', status=204),
    "maintenance page": answering(b"<!doctype html><html><body><h1>Back soon</h1></body></html>", 'ETag: "bad"'),
    "login page as RSS": answering(b"<html><body><form action=/login></form></body></html>", RSS, 'ETag: "bad"'),
    "unparsable": answering(b"The database is gone. Error 17.", RSS, 'ETag: "bad"'),
    "other XML": answering(b'<?xml version="1.0"?><error><code>17</code></error>', RSS, 'ETag: "bad"'),
    "empty": answering(b"", RSS, 'ETag: "bad"'),
    "short of its length": _short,
    "broken chunk": _broken_chunk,
    "broken gzip": _broken_gzip,
}


@dataclass(frozen=True)
class AfterError:
    """One site: a good answer, the error, a good answer with a new entry."""

    etag_kept: str | None
    etags_sent: list[str | None]
    titles: list[str]


@pytest.fixture(scope="module")
def after_error(make_world: Callable[[], World]) -> dict[str, AfterError]:
    first, last = answering(OLD, RSS, 'ETag: "good"'), answering(NEW, RSS, 'ETag: "new"')
    world = make_world()
    with street(world, {name: one_by_one(first, error, last) for name, error in ERRORS.items()}) as sites:
        world.run()
        report = world.run()
        assert (report.feeds_failed, report.entries_new, report.articles_new) == (len(ERRORS), 0, 0)
        kept = {name: world.state(site.url()).validators.etag for name, site in sites.items()}
        world.runs(2)
        return {
            name: AfterError(kept[name], [sent(request)[0] for request in site.asked()], world.titles(site))
            for name, site in sites.items()
        }


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_changes_no_validators_and_loses_no_entry(after_error: dict[str, AfterError], error: str) -> None:
    seen = after_error[error]
    assert seen.etag_kept == '"good"'
    assert seen.etags_sent == [None, '"good"', '"good"', '"new"'][: len(seen.etags_sent)]
    assert len(seen.etags_sent) >= 3
    assert seen.titles == ["About /a/1", "About /a/2"]


def test_a_feed_cut_off_inside_is_asked_for_again_without_validators(world: World) -> None:
    """Its complete entries are taken; whether the rest exists, only an unconditional request can tell."""
    cut = NEW[: NEW.rindex(b"<description>")]
    feed = one_by_one(answering(cut, RSS, 'ETag: "cut"'), answering(NEW, RSS, 'ETag: "whole"'))
    with Site(feed) as site:
        assert follow(world, site, 3) == [(None, None), (None, None), ('"whole"', None)]
        assert world.titles() == ["About /a/1", "About /a/2"]


def test_a_304_to_a_request_without_validators_is_an_error(world: World) -> None:
    feed = one_by_one(answering(b"", status=304), answering(OLD, RSS))
    with Site(feed) as site:
        world.follow(site.url())
        assert world.run().feeds_failed == 1
        assert world.state(site.url()).cause is Cause.PROTOCOL
        world.run()
        assert world.titles() == ["About /a/1"]


def test_header_injection_by_a_validator_is_impossible(world: World) -> None:
    feed = answering(OLD, RSS, b'ETag: "a"\r\n folded', b"Last-Modified: Wed\x01")
    with Site(feed) as site:
        follow(world, site, 2)
        assert len(site.asked()) == 2
        assert not any("folded" in name for name, _ in site.asked()[1].headers)


def test_the_shown_page_is_conditional_when_it_is_visited_again(world: World) -> None:
    world.polling["revisit"] = ["1h"]
    page = answering(b"", 'ETag: "page"', status=304)
    with Site() as site:
        site.paths["/a/1"] = one_by_one(_page_with_etag, page)
        world.follow(site.url())
        world.runs(3)
        visits = site.asked("/a/1")
        assert [request.header("If-None-Match") for request in visits] == [None, '"page"']


def _page_with_etag(peer: Peer) -> None:
    peer.answer(200, html_page("About /a/1", story("/a/1")), (HTML, 'ETag: "page"'))
