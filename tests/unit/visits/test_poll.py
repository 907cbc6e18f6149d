"""What a poll records, for every kind of answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

import pytest

from aggregator.feeds.sightings import read_feed, sighting_of
from aggregator.identity.publisher_rules import Publishers, shipped_publishers
from aggregator.models.feeds import Entry, Feed, FeedState, FeedStatus, PublicationStats
from aggregator.models.fetching import (
    Cause,
    Fetched,
    FetchFailed,
    FetchRequest,
    FetchResult,
    Hop,
    NotModified,
    Redirected,
    Validators,
)
from aggregator.ports.store_records import PollRecord
from aggregator.schedule.due_times import PollPolicy
from aggregator.visits.poll import PollSettings, decide, fetch_feed, read_answer
from tests.support import answers
from tests.support.feeds import feed_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
URL = "https://feeds.example.org/news.xml"
FEED = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><ttl>30</ttl>
<item><title>One</title><link>https://www.example.org/a/1</link><guid>g1</guid>
<pubDate>Mon, 23 Nov 2026 11:00:00 GMT</pubDate></item>
<item><title>Two</title><description>No link, text only</description><guid isPermaLink="false">g2</guid></item>
<item><title>Empty</title><guid isPermaLink="false">g3</guid></item>
</channel></rss>"""


@dataclass
class Script:
    """A fetcher that gives what it was told and keeps what it was asked."""

    results: list[FetchResult]
    asked: list[FetchRequest] = field(default_factory=list)

    def fetch(self, request: FetchRequest) -> FetchResult:
        self.asked.append(request)
        return self.results.pop(0)


def feed(**state: object) -> Feed:
    known = replace(FeedState(due_at=NOW), **state)  # type: ignore[arg-type]
    return feed_of(URL, known, name="News", interval=timedelta(minutes=30))


def fetched(body: bytes = FEED, hops: tuple[Hop, ...] = (), etag: str | None = '"v1"') -> Fetched:
    more = {"final_url": hops[-1].target if hops else URL, "validators": Validators(etag=etag), "hops": hops}
    return answers.fetched(URL, body, "application/rss+xml", **more)


def not_modified(hops: tuple[Hop, ...] = (), etag: str | None = None) -> NotModified:
    return NotModified(
        url=URL,
        final_url=URL,
        headers={},
        validators=Validators(etag=etag),
        hops=hops,
        fresh_for=None,
        elapsed=timedelta(seconds=1),
    )


def failed(cause: Cause, **facts: object) -> FetchFailed:
    return FetchFailed(url=URL, final_url=URL, cause=cause, detail=cause.value, **facts)  # type: ignore[arg-type]


def hop(status: int, target: str, url: str = URL) -> Hop:
    return Hop(url=url, status=status, target=target)


@dataclass(frozen=True, kw_only=True)
class Polled:
    record: PollRecord
    failed: FetchFailed | None
    requests: int


def poll(
    one: Feed,
    *results: FetchResult,
    may_follow: bool = True,
    own: bool = False,
    seen: datetime | None = None,
    fill: bool = False,
) -> tuple[Polled, Script]:
    """Poll with these answers; the store has `seen` every entry then."""
    script = Script(list(results))
    settings = PollSettings(policy=PollPolicy(), max_bytes=1_000_000, deadline=timedelta(seconds=60), fill_gaps=fill)
    answer = fetch_feed(one, script, settings, NOW, lambda url: may_follow)
    content = read_answer(answer, partial(read_feed, publishers=shipped_publishers()), NOW)
    first_seen: list[datetime | None] = []
    if content is not None and content.reading is not None and content.needs_first_seen:
        first_seen = [seen] * len(content.reading.sightings)
    record = decide(answer, content, first_seen, settings=settings, now=NOW, random=Random(1), own_network=own)
    return Polled(record=record, failed=answer.failed, requests=answer.requests), script


def test_a_first_poll_records_entries_validators_and_hints() -> None:
    polled, script = poll(feed(), fetched())
    record = polled.record
    assert script.asked[0].validators == Validators()
    assert record.outcome.outcome == "new"
    assert record.outcome.entries_seen == 3
    assert record.state.validators == Validators(etag='"v1"')
    assert record.state.hints.ttl == timedelta(minutes=30)
    assert record.state.status is FeedStatus.OK
    assert record.state.due_at >= NOW + timedelta(minutes=27)
    assert record.gap is None
    linked, text_only, empty = record.sightings
    assert (linked.url, linked.from_feed) == ("https://www.example.org/a/1", False)
    assert linked.identity is not None
    assert text_only.from_feed
    assert text_only.identity is not None
    assert text_only.identity.key is not None
    assert text_only.identity.key.startswith("entry:")
    assert empty.url is None
    assert empty.identity is None


def test_user_and_password_in_a_link_are_left_out() -> None:
    """They are a stranger's, and would be stored and shown."""
    entry = Entry(id="1", entry_id="1", link="https://me:secret@www.example.org/a/1?b=c@d")
    sighting = sighting_of(entry, feed(), shipped_publishers())
    assert sighting.url == "https://www.example.org/a/1?b=c@d"
    assert sighting.identity is not None
    assert "secret" not in sighting.identity.url
    own = sighting_of(
        Entry(id="2", entry_id="2", link=None, summary="A text."),
        replace(feed(), url=URL.replace("//", "//me:secret@")),
        Publishers(),
    )
    assert own.url is not None
    assert own.url.startswith(f"{URL}#")


@pytest.mark.parametrize("link", [URL, f"{URL}#top", f"{URL}?"])
def test_an_entry_that_links_to_the_feed_itself_has_no_page(link: str) -> None:
    """So a reader resolves an empty link, `#` and `?`."""
    entry = Entry(id="1", entry_id="1", link=link, summary="A text.")
    sighting = sighting_of(entry, feed(), shipped_publishers())
    assert sighting.from_feed
    assert [(one.verdict, one.rule) for one in sighting.decisions] == [("skipped", "the feed itself")]


def test_a_feed_kept_as_it_is_needs_no_page() -> None:
    polled, _ = poll(replace(feed(), full_text=False), fetched())
    assert [sighting.from_feed for sighting in polled.record.sightings] == [True, True, False]


def test_the_next_poll_is_conditional_and_a_304_keeps_the_validators() -> None:
    polled, script = poll(feed(validators=Validators(etag='"v1"', last_modified="Mon")), not_modified())
    assert script.asked[0].validators == Validators(etag='"v1"', last_modified="Mon")
    assert polled.record.state.validators == Validators(etag='"v1"', last_modified="Mon")
    assert polled.record.outcome.outcome == "unchanged"


def test_a_304_updates_the_validators_that_it_carries() -> None:
    polled, _ = poll(feed(validators=Validators(etag='"v1"', last_modified="Mon")), not_modified(etag='"v2"'))
    assert polled.record.state.validators == Validators(etag='"v2"', last_modified="Mon")


def test_the_same_body_is_not_parsed_but_replaces_both_validators() -> None:
    first, _ = poll(feed(), fetched())
    state = replace(first.record.state, validators=Validators(etag='"old"', last_modified="Mon"))
    again, _ = poll(replace(feed(), state=state), fetched())
    assert again.record.sightings == ()
    assert again.record.outcome.outcome == "unchanged"
    assert again.record.outcome.entries_seen == 3
    assert again.record.state.validators == Validators(etag='"v1"')


def test_only_new_entries_are_read_again() -> None:
    first, _ = poll(feed(), fetched())
    more = FEED.replace(
        b"<item><title>One", b"<item><title>Zero</title><link>https://www.example.org/a/0</link></item><item><title>One"
    )
    again, _ = poll(replace(feed(), state=first.record.state), fetched(more))
    assert [sighting.entry.title for sighting in again.record.sightings] == ["Zero"]
    assert again.record.outcome.entries_seen == 4
    assert again.record.gap is None


def test_no_overlap_with_the_last_window_is_a_gap() -> None:
    first, _ = poll(feed(succeeded_at=NOW - timedelta(hours=5)), fetched())
    other = b'<rss version="2.0"><channel><item><title>Nine</title><link>https://www.example.org/a/9</link></item></channel></rss>'
    state = replace(first.record.state, succeeded_at=NOW - timedelta(hours=2))
    again, _ = poll(replace(feed(), state=state), fetched(other))
    assert again.record.gap == (NOW - timedelta(hours=2), NOW)
    assert again.record.state.filling is None
    known, _ = poll(replace(feed(), state=state), fetched(other), seen=NOW - timedelta(days=1))
    assert known.record.gap is None


def test_a_gap_is_filled_from_where_the_feed_says_or_its_site() -> None:
    first, _ = poll(feed(), fetched())
    other = b"""<rss version="2.0"><channel><generator>https://wordpress.org/?v=6</generator>
<item><title>Nine</title><link>https://www.example.org/en/9</link></item></channel></rss>"""
    state = replace(first.record.state, succeeded_at=NOW - timedelta(hours=2))
    record = poll(replace(feed(), state=state), fetched(other), fill=True)[0].record
    filling = record.state.filling
    assert filling is not None
    assert record.state.due_at == NOW < filling.resume_at
    assert (filling.since, filling.until) == (NOW - timedelta(hours=2), NOW)
    assert filling.sections == ("www.example.org:443/en",)
    assert [(source.kind, source.url) for source in filling.sources] == [
        ("page", f"{URL}?paged=2"),
        ("site", "https://www.example.org/en/9"),
    ]
    again = poll(replace(feed(), state=record.state), not_modified(), fill=True)[0].record.state
    assert again.filling is not None
    assert again.due_at == NOW
    assert poll(replace(feed(), state=record.state), not_modified())[0].record.state.filling is None
    newer = poll(replace(feed(), state=replace(record.state, body_hash="")), fetched(), fill=True)[0].record.state
    assert newer.filling is not None
    assert newer.filling.since == filling.since  # an earlier gap is not forgotten
    bare = b'<rss version="2.0"><channel><item><title>T</title><description>d</description></item></channel></rss>'
    alone = poll(replace(feed(), state=state), fetched(bare), fill=True)[0].record
    assert (alone.gap, alone.state.filling) == ((NOW - timedelta(hours=2), NOW), None)  # nowhere to look


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (
            b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon</body></html>",
            Cause.NOT_A_FEED,
        ),
        (b"   ", Cause.EMPTY),
        (b"\x00\x01\x02 nothing", Cause.UNREADABLE),
    ],
)
def test_a_200_that_is_no_feed_changes_no_validators(body: bytes, cause: Cause) -> None:
    before = Validators(etag='"good"')
    polled, _ = poll(feed(validators=before, body_hash="x", raw_hashes=("h",)), fetched(body, etag='"bad"'))
    state = polled.record.state
    assert (state.cause, state.validators, state.body_hash, state.raw_hashes) == (cause, before, "x", ("h",))
    assert polled.record.outcome.outcome == "failed"
    assert polled.record.sightings == ()


def test_a_page_instead_of_a_feed_tells_where_the_feed_is() -> None:
    page = b'<html><head><link rel="alternate" type="application/rss+xml" href="/new.xml"></head><body></body></html>'
    polled, _ = poll(feed(), fetched(page))
    assert polled.record.state.advertised == ("https://feeds.example.org/new.xml",)


def test_failures_keep_validators_and_wait_longer() -> None:
    polled, _ = poll(feed(validators=Validators(etag='"v"')), failed(Cause.SERVER_ERROR, status=500))
    assert polled.failed is not None
    assert polled.record.state.validators == Validators(etag='"v"')
    assert polled.record.state.due_at > NOW + timedelta(minutes=5)
    assert polled.record.outcome.status == 500


def test_our_own_outage_counts_nothing() -> None:
    polled, _ = poll(feed(), failed(Cause.DNS), own=True)
    assert polled.record.state.failures == 0


def test_leading_permanent_redirects_are_adopted_once_a_feed_was_served() -> None:
    moved = (hop(301, "https://new.example.org/a.xml"), hop(302, "https://cdn.example.net/a.xml"))
    polled, _ = poll(feed(), fetched(hops=moved))
    assert polled.record.state.adopted_url == "https://new.example.org/a.xml"
    assert polled.record.host == "new.example.org:443"
    _, script = poll(replace(feed(), state=polled.record.state), not_modified())
    assert script.asked[0].url == "https://new.example.org/a.xml"


@pytest.mark.parametrize("status", [302, 303, 307])
def test_temporary_redirects_are_never_kept(status: int) -> None:
    polled, _ = poll(feed(), fetched(hops=(hop(status, "https://new.example.org/a.xml"),)))
    assert polled.record.state.adopted_url is None


def test_a_permanent_redirect_to_a_page_is_not_adopted() -> None:
    polled, _ = poll(feed(), fetched(b"<html><body>moved</body></html>", hops=(hop(301, "https://new.example.org/"),)))
    assert polled.record.state.adopted_url is None


def test_a_feed_that_moves_back_forgets_the_adopted_address() -> None:
    state = {"adopted_url": "https://new.example.org/a.xml"}
    polled, _ = poll(feed(**state), fetched(hops=(hop(301, URL, "https://new.example.org/a.xml"),)))
    assert polled.record.state.adopted_url is None


def test_an_adopted_address_that_keeps_failing_is_given_up() -> None:
    polled, _ = poll(feed(adopted_url="https://new.example.org/a.xml", failures=3.0), failed(Cause.NOT_FOUND))
    assert polled.record.state.adopted_url is None
    assert polled.record.host == "feeds.example.org:443"


def test_a_hop_to_another_host_goes_on_when_it_may() -> None:
    target = "https://cdn.example.net/a.xml"
    away = Redirected(url=URL, target=target, hops=(hop(302, target),), elapsed=timedelta(seconds=1))
    polled, script = poll(feed(), away, fetched(hops=(hop(302, target),)))
    assert [request.url for request in script.asked] == [URL, target]
    assert script.asked[1].hops == (hop(302, target),)
    assert polled.requests == 2


def test_a_hop_that_may_not_be_followed_now_is_kept_and_continued_there() -> None:
    target = "https://cdn.example.net/a.xml"
    away = Redirected(url=URL, target=target, hops=(hop(302, target),), elapsed=timedelta(seconds=1))
    polled, _ = poll(feed(), away, may_follow=False)
    record = polled.record
    assert record.outcome.outcome == "moving"
    assert (record.host, record.state.due_at, record.state.pending_target) == ("cdn.example.net:443", NOW, target)
    polled, script = poll(replace(feed(), state=record.state), fetched(hops=(hop(302, target),)))
    assert (script.asked[0].url, script.asked[0].hops) == (target, (hop(302, target),))
    assert polled.record.state.pending_target is None
    assert polled.record.host == "feeds.example.org:443"


def test_validators_that_only_ever_say_304_are_tried_without_and_distrusted() -> None:
    stats = PublicationStats(at=NOW - timedelta(days=3), weight=200.0, exposure_days=10.0, window=3)
    quiet = feed(
        validators=Validators(etag='"v1"'),
        unconditional_at=NOW - timedelta(days=3),
        succeeded_at=NOW - timedelta(hours=1),
        stats=stats,
        body_hash="old",
    )
    polled, script = poll(quiet, fetched())
    assert script.asked[0].validators == Validators()
    assert polled.record.state.revalidation == "distrusted"
    _, script = poll(replace(feed(), state=polled.record.state), fetched())
    assert script.asked[0].validators == Validators()


def test_a_changed_answer_with_new_validators_is_no_lie() -> None:
    stats = PublicationStats(at=NOW - timedelta(days=3), weight=200.0, exposure_days=10.0, window=3)
    quiet = feed(
        validators=Validators(etag='"v0"'),
        unconditional_at=NOW - timedelta(days=3),
        succeeded_at=NOW - timedelta(hours=1),
        stats=stats,
    )
    polled, script = poll(quiet, fetched())
    assert script.asked[0].validators == Validators()
    assert polled.record.outcome.unconditional
    assert polled.record.state.revalidation == ""  # its dated entry is an hour old: it may just have come


STATS = PublicationStats(at=NOW - timedelta(days=3), weight=200.0, exposure_days=10.0, window=3)


def doubted(**state: object) -> Feed:
    """Return a feed that said nothing but 304 for three days, in which some sixty entries were expected."""
    facts: dict[str, object] = {
        "validators": Validators(etag='"v1"'),
        "unconditional_at": NOW - timedelta(days=3),
        "succeeded_at": NOW - timedelta(minutes=30),
        "stats": STATS,
    }
    return feed(**(facts | state))


@pytest.mark.parametrize(
    ("etag", "seen", "date", "revalidation"),
    [
        pytest.param('"v1"', None, b"11:00:00", "distrusted", id="the very same validators"),
        pytest.param('"v2"', None, b"10:00:00", "distrusted", id="it was there at the last 304"),
        pytest.param('"v2"', None, b"11:20:00", "", id="it may have come after the last 304"),
        pytest.param('"v1"', NOW - timedelta(days=4), b"11:00:00", "checked", id="only known entries"),
    ],
)
def test_what_an_answer_without_validators_says_about_them(
    etag: str, seen: datetime | None, date: bytes, revalidation: str
) -> None:
    polled, script = poll(doubted(), fetched(FEED.replace(b"11:00:00", date), etag=etag), seen=seen)
    assert script.asked[0].validators == Validators()
    assert polled.record.outcome.unconditional
    assert polled.record.state.revalidation == revalidation
    assert polled.record.state.distrusted_at == (NOW if revalidation == "distrusted" else None)


def test_without_dates_three_entries_at_once_were_hidden() -> None:
    undated = FEED.replace(b"<pubDate>Mon, 23 Nov 2026 11:00:00 GMT</pubDate>", b"")
    polled, _ = poll(doubted(), fetched(undated, etag='"v2"'))
    assert polled.record.state.revalidation == "distrusted"


def test_the_same_bytes_without_validators_prove_them_right_for_a_week() -> None:
    first, _ = poll(feed(), fetched())
    state = replace(doubted().state, body_hash=first.record.state.body_hash)
    checked = poll(replace(feed(), state=state), fetched())[0].record.state
    assert (checked.revalidation, checked.unconditional_at) == ("checked", NOW)
    for days, is_asked in ((6, False), (8, True)):
        later = replace(checked, unconditional_at=NOW - timedelta(days=days), stats=STATS)
        _, script = poll(replace(feed(), state=later), fetched())
        assert (script.asked[0].validators == Validators()) is is_asked


def test_while_we_did_not_ask_no_doubt_grows() -> None:
    asleep = doubted(succeeded_at=NOW - timedelta(days=3) + timedelta(hours=2))
    polled, script = poll(asleep, not_modified())
    assert script.asked[0].validators == Validators(etag='"v1"')
    assert not polled.record.outcome.unconditional


@pytest.mark.parametrize(("days", "is_sent"), [(6, False), (7, True)])
def test_distrust_lasts_a_week(days: int, is_sent: bool) -> None:
    since = NOW - timedelta(days=days)
    one = doubted(revalidation="distrusted", distrusted_at=since, unconditional_at=NOW - timedelta(minutes=30))
    polled, script = poll(one, fetched(etag='"v2"'))
    assert (script.asked[0].validators != Validators()) is is_sent
    assert polled.record.state.revalidation == ("" if is_sent else "distrusted")


def test_after_a_week_of_distrust_an_hour_of_304_is_enough_for_doubt() -> None:
    facts = {"distrusted_at": NOW - timedelta(days=8), "unconditional_at": NOW - timedelta(hours=5)}
    _, script = poll(doubted(**facts, stats=replace(STATS, weight=400.0)), fetched())
    assert script.asked[0].validators == Validators()


def test_an_entry_that_links_to_the_home_page_is_not_fetched() -> None:
    body = FEED.replace(b"https://www.example.org/a/1", b"https://www.example.org/?t=17")
    polled, _ = poll(feed(), fetched(body))
    sighting = polled.record.sightings[0]
    assert sighting.url is None
    assert [(one.verdict, one.rule) for one in sighting.decisions] == [("skipped", "home page")]


def test_the_validators_of_a_document_that_was_cut_off_are_not_kept_until_it_comes_again() -> None:
    cut = FEED[: FEED.index(b"<item><title>Two")]
    once = poll(feed(), fetched(cut + b"<item><title>T"))[0].record
    assert len(once.sightings) == 1
    assert once.state.validators == Validators()
    again = poll(feed(body_hash=once.state.body_hash), fetched(cut + b"<item><title>T"))[0].record
    assert again.state.validators == Validators(etag='"v1"')


def test_all_hops_of_a_poll_share_its_deadline() -> None:
    def redirected(target: str, seconds: int) -> Redirected:
        return Redirected(url=URL, target=target, hops=(hop(302, target),), elapsed=timedelta(seconds=seconds))

    first, second = "https://b.example/f", "https://c.example/f"
    _, script = poll(feed(), redirected(first, 20), redirected(second, 50), failed(Cause.TIMEOUT))
    assert [asked.deadline for asked in script.asked[:2]] == [timedelta(seconds=60), timedelta(seconds=40)]
    assert script.asked[2].deadline < timedelta(seconds=1)
