"""From entries to articles: what is new, what is known, what is one; and what may never change what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.identity.evidence import Edge
from aggregator.identity.identify import article_id
from aggregator.models.fetching import Cause, Hop, Validators
from aggregator.models.ids import EvidenceKind, Key
from aggregator.models.pages import PageFailed
from aggregator.ports.readings import Gap
from aggregator.ports.store_records import Decision
from aggregator.store import SqlStore
from tests.support.stores import (
    FOLDER,
    LEASE,
    START,
    URL,
    StandingClock,
    article_record,
    claim,
    collect,
    extraction,
    fetch_due,
    fetched_pages,
    identity,
    ids,
    key_of,
    poll,
    poll_record,
    raw,
    record_article,
    sighting,
    subscribe,
    words,
)

A, B = "http://a.example/feed", "http://b.example/feed"


def edge(
    one: int | str, other: int | str, kind: EvidenceKind = EvidenceKind.FEED_LINK, other_site: str = "example.org"
) -> Edge:
    other_key = (
        key_of(other) if other_site == "example.org" else Key(f"https://{other_site}/en/story/a-{other}-of-them")
    )
    return Edge(
        key=key_of(one), other=other_key, kind=kind, site="example.org", other_site=other_site, witness="example.org"
    )


# --- polls ------------------------------------------------------------------------------------------------------------


def test_entries_are_new_or_known(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    held = claim(store, feed.host)
    first = store.record_poll(held, poll_record(feed, sighting(1), sighting(2), at=START))
    assert first is not None
    assert (first.entries_new, len(first.new_pages), first.known) == (2, 2, 0)
    second = store.record_poll(
        held, poll_record(feed, sighting(1), sighting(2, content_hash="2"), sighting(3), at=START)
    )
    assert second is not None
    assert (second.entries_new, len(second.new_pages), second.known) == (1, 1, 2)
    assert store.counts().entries == 3


def test_the_same_entry_twice_in_one_poll_counts_once(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1), sighting(1, content_hash="2"))
    assert store.counts().entries == 1


def test_two_sightings_of_one_key_make_one_page_and_both_addresses_are_given_out(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    other = "https://p.example.org/a-1?maca=x"
    held = claim(store, feed.host)
    record = poll_record(feed, sighting(1), sighting("b", url=other, key=key_of(1)), at=START)
    recorded = store.record_poll(held, record)
    assert recorded is not None
    assert (recorded.entries_new, len(recorded.new_pages), recorded.known) == (2, 1, 1)
    store.release(held)
    (made,) = collect(store)
    (article,) = store.articles()
    assert article.id == made.article_id == article_id(key_of(1))
    assert set(article.urls) == {URL.format(1), other}
    assert store.article(other) == article


def test_a_poll_of_another_feed_finds_page_and_article_known(store: SqlStore) -> None:
    first, second = subscribe(store, A, B)
    poll(store, first, sighting(1))
    held = claim(store, second.host)
    pending = store.record_poll(held, poll_record(second, sighting(1), at=START))
    assert pending is not None
    assert (pending.new_pages, pending.known, pending.entries_new) == ((), 1, 1)
    assert len(collect(store)) == 1
    again = store.record_poll(held, poll_record(second, sighting(1, entry_id="other guid"), at=START))
    assert again is not None
    assert (again.new_pages, again.known) == ((), 1)
    (article,) = store.articles()
    assert (article.feed, article.feeds) == (A, (A, B))


def test_a_guid_that_is_used_again_for_another_link_makes_another_page(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1, entry_id="same"))
    poll(store, feed, sighting(2, entry_id="same", content_hash="2"))
    assert [recorded.kind for recorded in collect(store)] == ["new", "new"]
    assert store.counts().entries == 1


def test_an_address_stays_known_when_its_key_changes(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    collect(store)
    poll(store, feed, sighting("x", url=URL.format(1), key="example:1"))
    assert collect(store) == []
    assert len(ids(store)) == 1


def test_content_of_the_feed_is_the_article_where_the_feed_is_kept_as_it_is(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1, content="<p>All of it.</p>", from_feed=True), sighting(2, from_feed=True))
    assert store.claim_hosts(5, LEASE) == ()
    (page,) = fetched_pages(store)
    assert (page.raw, page.failed, page.feed_url, page.first_seen) == (None, None, A, START)
    assert page.entry is not None
    assert page.entry.content == "<p>All of it.</p>"
    recorded = record_article(store, page, article_record(page, source="feed"))
    assert recorded is not None
    assert recorded.kind == "new"
    poll(store, feed, sighting(1, content="<p>More.</p>", content_hash="2", from_feed=True))
    (again,) = fetched_pages(store)
    assert again.entry is not None
    assert again.entry.content == "<p>More.</p>"
    changed = record_article(store, again, article_record(again, body=words("other"), source="feed"))
    assert changed is not None
    assert changed.kind == "updated"


def test_history_keeps_the_last_fifty_polls(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    held = claim(store, feed.host)
    for n in range(53):
        store.record_poll(held, poll_record(feed, at=START + timedelta(minutes=n)))
    history = store.polls(feed.id)
    assert [outcome.at for outcome in history] == [START + timedelta(minutes=n) for n in range(52, 2, -1)]
    assert history[0] == poll_record(feed, at=START + timedelta(minutes=52)).outcome


def test_state_and_gap_of_a_feed_are_kept(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    held = claim(store, feed.host)
    record = poll_record(feed, sighting(1), at=START, etag='"1"')
    failing = replace(record.state, failures=1.25, cause=Cause.TIMEOUT, raw_hashes=("a", "b"), detail="no answer\0")
    record = replace(record, state=failing, gap=(START - timedelta(hours=2), START))
    assert store.record_poll(held, record) is not None
    (kept,) = store.feeds()
    assert kept.state == replace(failing, detail="no answer\ufffd")
    assert store.gaps() == (Gap(feed_id=feed.id, feed=A, since=START - timedelta(hours=2), until=START),)


def test_a_gap_that_was_filled_says_when(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    held = claim(store, feed.host)
    for hours in (9, 5, 2):
        since = START - timedelta(hours=hours)
        store.record_poll(held, replace(poll_record(feed, at=START), gap=(since, since + timedelta(hours=1))))
    step = replace(poll_record(feed, at=START), filled_since=START - timedelta(hours=5), is_poll=False)
    assert store.record_poll(held, step) is not None
    assert [gap.filled_at for gap in store.gaps()] == [None, START, START]
    assert len(store.polls(feed.id)) == 3  # a step that asks nothing of the feed is no poll
    later = START + timedelta(hours=1)
    store.record_poll(held, replace(poll_record(feed, at=later), filled_since=START - timedelta(days=1)))
    assert [gap.filled_at for gap in store.gaps()] == [later, START, START]


def test_what_a_feed_showed_before_is_known_by_id_and_by_page(store: SqlStore, clock: StandingClock) -> None:
    (feed, other) = subscribe(store, A, B)
    poll(store, feed, sighting(1), sighting(2))
    clock.pass_(timedelta(hours=1))
    poll(store, other, sighting(4))
    poll(store, feed, sighting(2, content_hash="changed"), sighting(3))
    asked = [sighting(1), sighting(2), sighting(3), sighting(4), sighting(5), sighting(2, entry_id="another id")]
    later = START + timedelta(hours=1)
    assert store.first_seen(feed.id, asked) == (START, START, later, None, None, START)
    assert store.first_seen(feed.id, ()) == ()


def test_a_feed_moves_to_the_host_where_it_is_due(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    held = claim(store, feed.host)
    record = poll_record(feed, at=START, every=timedelta(0), host="new.example:443")
    moved = store.record_poll(held, record)
    assert moved is not None
    store.release(held)
    (there,) = store.claim_hosts(5, LEASE)
    assert (there.host, there.host_id) == ("new.example:443", moved.host_id)
    assert store.due_feeds(there, START)[0].host == "new.example:443"


# --- pages ------------------------------------------------------------------------------------------------------------


def due_page(store: SqlStore, number: int | str = 1, **options: str) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(number, **options))  # type: ignore[arg-type]


def test_a_failed_page_is_tried_again_and_then_given_up(store: SqlStore, clock: StandingClock) -> None:
    due_page(store)
    (held,) = store.claim_hosts(5, LEASE)
    (page,) = store.due_pages(held, START)
    failed = PageFailed(cause=Cause.NOT_FOUND, detail="404")
    later = START + timedelta(hours=1)
    assert store.record_page_failure(held, page, failed, later)
    assert store.due_pages(held, START) == ()
    (page,) = store.due_pages(held, later)
    assert page.attempts == 1
    assert store.record_page_failure(held, page, failed, later, counts=False)
    assert store.due_pages(held, later)[0].attempts == 1
    assert store.record_page_failure(held, page, failed, None)
    assert store.due_pages(held, later) == ()
    assert store.failed_pages() == ((URL.format(1), Cause.NOT_FOUND, "404"),)
    (announced, decided) = store.decisions([URL.format(1)], [])
    assert (announced.verdict, decided.verdict, decided.rule) == ("announced", "failed", "not_found")


def test_a_page_given_up_whose_entry_has_content_waits_for_extraction_from_it(store: SqlStore) -> None:
    due_page(store, content="<p>Full text</p>")
    (held,) = store.claim_hosts(5, LEASE)
    (page,) = store.due_pages(held, START)
    failed = PageFailed(cause=Cause.FORBIDDEN, detail="403")
    assert store.record_page_failure(held, page, failed, None)
    (waiting,) = fetched_pages(store)
    assert (waiting.raw, waiting.failed) == (None, failed)


def test_the_entrys_content_stands_in_while_a_page_is_tried_again(store: SqlStore, clock: StandingClock) -> None:
    due_page(store, content="<p>Full text</p>")
    (held,) = store.claim_hosts(5, LEASE)
    (page,) = store.due_pages(held, START)
    failed, later = PageFailed(cause=Cause.SERVER_ERROR, detail="500"), START + timedelta(hours=1)
    assert store.record_page_failure(held, page, failed, later)
    assert store.due_pages(held, later) == ()
    (waiting,) = fetched_pages(store)
    assert (waiting.raw, waiting.failed, waiting.attempts) == (None, failed, 1)
    recorded = record_article(store, waiting, article_record(waiting, source="feed"), if_changed=later)
    assert recorded is not None
    assert recorded.kind == "new"
    assert store.due_pages(held, START) == ()
    (page,) = store.due_pages(held, later)
    assert (page.attempts, page.article_id) == (1, recorded.article_id)
    assert store.record_page_failure(held, page, failed, later)
    assert fetched_pages(store) == ()  # it stands in already
    assert store.due_pages(held, later)[0].attempts == 2
    assert store.record_page_failure(held, page, failed, None)
    assert store.due_pages(held, later) == ()
    assert store.article(recorded.article_id) is not None


def test_a_teaser_does_not_stand_in_and_a_long_summary_does(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    teaser, long = sighting(1), sighting(2)
    poll(
        store,
        feed,
        replace(teaser, entry=replace(teaser.entry, content="", summary="A teaser.")),
        replace(long, entry=replace(long.entry, content="", summary="Long. " * 100)),
    )
    (held,) = store.claim_hosts(5, LEASE)
    for page in store.due_pages(held, START):
        assert store.record_page_failure(held, page, PageFailed(cause=Cause.GONE, detail="410"), None)
    assert [page.url for page in fetched_pages(store)] == [URL.format(2)]


def test_no_stand_in_replaces_the_text_of_a_page(store: SqlStore, clock: StandingClock) -> None:
    """A wall, or a redirect to the home page, on a later visit; a text that stood in itself goes with the feed's."""
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    kinds = []
    for body, source, quality in [
        ("feed", "feed", ("page_low_quality",)),
        ("feed later", "feed", ("page_low_quality",)),
        ("page", "page", ()),
        ("feed at last", "feed", ("page_low_quality",)),
        ("page later", "page", ()),
        ("feed with more than the page", "feed", ()),
        ("feed with still more", "feed", ()),
    ]:
        fetch_due(store)
        (page,) = fetched_pages(store)
        record = article_record(page, body=words(body.replace(" ", "")), source=source, quality=quality)
        recorded = record_article(store, page, record, if_changed=clock.now(), if_unchanged=clock.now())
        assert recorded is not None
        kinds.append(recorded.kind)
    assert kinds == ["new", "updated", "updated", "unchanged", "updated", "updated", "updated"]


def test_a_page_is_handed_over_to_another_host(store: SqlStore) -> None:
    due_page(store)
    (held,) = store.claim_hosts(5, LEASE)
    (page,) = store.due_pages(held, START)
    target = identity("https://other.example/x/1")
    hops = (Hop(url=page.url, status=302, target=target.url),)
    went_on = store.record_handover(held, page, target, "other.example:443", hops)
    assert went_on is not None
    store.release(held)
    (there,) = store.claim_hosts(5, LEASE)
    assert (there.host, there.host_id) == ("other.example:443", went_on[1])
    (page,) = store.due_pages(there, START)
    assert (page.id, page.target, page.hops, page.host) == (went_on[0], target.url, hops, "other.example:443")


@pytest.mark.parametrize("outcome", ["article", "unchanged", "failure"])
def test_the_next_visit_to_a_page_that_was_handed_over_is_to_its_own_host(
    store: SqlStore, clock: StandingClock, outcome: str
) -> None:
    due_page(store)
    (held,) = store.claim_hosts(5, LEASE)
    (page,) = store.due_pages(held, START)
    target = identity("https://other.example/x/1")
    hops = (Hop(url=page.url, status=302, target=target.url),)
    assert store.record_handover(held, page, target, "other.example:443", hops) is not None
    store.release(held)
    (there,) = store.claim_hosts(5, LEASE)
    (page,) = store.due_pages(there, START)
    again = START + timedelta(hours=6)
    match outcome:
        case "article":
            assert store.record_fetched(there, page, raw(page, at=START), FOLDER, hops, Validators())
            (fetched,) = fetched_pages(store)
            assert record_article(store, fetched, article_record(fetched), if_changed=again) is not None
        case "unchanged":
            assert store.record_unchanged(there, page, Validators(), again)
        case _:
            failed = PageFailed(cause=Cause.SERVER_ERROR, detail="500")
            assert store.record_page_failure(there, page, failed, again)
    store.release(there)
    clock.pass_(timedelta(hours=7))
    due = {claimed.host: store.due_pages(claimed, clock.now()) for claimed in store.claim_hosts(5, LEASE)}
    ((host, (page,)),) = ((host, pages) for host, pages in due.items() if pages)
    assert (host, page.target, page.host) == (held.host, page.url, held.host)


def test_a_page_that_leads_to_a_known_article_is_done(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    collect(store)
    short = "http://short.example/1"
    poll(store, feed, sighting("s", url=short))
    (held,) = store.claim_hosts(5, LEASE)
    (page,) = store.due_pages(held, START)
    hops = (Hop(url=short, status=301, target=URL.format(1)),)
    assert store.record_handover(held, page, identity(URL.format(1)), "www.example.org:443", hops) is None
    store.release(held)
    assert store.claim_hosts(5, LEASE) == ()
    article = store.article(short)
    assert article is not None
    assert article.id == article_id(key_of(1))
    assert store.decisions([short], [])[-1].verdict == "merged"


def test_an_unchanged_page_keeps_its_validators_and_is_due_again(store: SqlStore, clock: StandingClock) -> None:
    due_page(store)
    fetch_due(store)
    (waiting,) = fetched_pages(store)
    assert (waiting.visits, waiting.attempts) == (1, 1)
    again_at = START + timedelta(hours=6)
    assert record_article(store, waiting, article_record(waiting), if_changed=again_at)
    assert store.claim_hosts(5, LEASE) == ()
    clock.pass_(timedelta(hours=6))
    held = claim(store, "www.example.org:443")
    (page,) = store.due_pages(held, clock.now())
    assert (page.article_id, page.validators.etag, page.visits) == (article_id(key_of(1)), '"1"', 1)
    assert store.record_unchanged(held, page, Validators(last_modified="now"), again_at + timedelta(hours=1))
    (page,) = store.due_pages(held, again_at + timedelta(hours=1))
    assert (page.validators, page.visits) == (Validators(etag='"1"', last_modified="now"), 2)
    assert store.record_unchanged(held, page, Validators(), None)
    store.release(held)
    assert store.counts().articles == 1


def test_a_failed_revisit_leaves_the_article(store: SqlStore, clock: StandingClock) -> None:
    due_page(store)
    fetch_due(store)
    (waiting,) = fetched_pages(store)
    record_article(store, waiting, article_record(waiting), if_changed=START)
    (held,) = store.claim_hosts(5, LEASE)
    (page,) = store.due_pages(held, START)
    assert store.record_page_failure(held, page, PageFailed(cause=Cause.GONE), None)
    assert store.counts().pages_failed == 0
    assert len(ids(store)) == 1


def test_first_fetches_come_before_revisits(store: SqlStore, clock: StandingClock) -> None:
    due_page(store)
    fetch_due(store)
    (waiting,) = fetched_pages(store)
    record_article(store, waiting, article_record(waiting), if_changed=START)
    clock.pass_(timedelta(hours=1))
    (feed,) = store.feeds()
    poll(store, feed, sighting(2))
    (held,) = store.claim_hosts(5, LEASE)
    assert [page.url for page in store.due_pages(held, clock.now())] == [URL.format(2), URL.format(1)]


def test_a_changed_update_time_brings_the_next_visit_forward(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1, updated_at=START))
    collect(store)
    clock.pass_(timedelta(hours=1))
    poll(store, feed, sighting(1, updated_at=START + timedelta(minutes=50), content_hash="2"))
    assert store.wait_until() is None
    clock.pass_(timedelta(hours=5))
    (page,) = fetch_due(store)
    assert page.article_id == article_id(key_of(1))


def test_no_page_is_visited_again_where_revisits_are_off(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1, updated_at=START))
    collect(store)
    held = claim(store, feed.host)
    record = poll_record(feed, sighting(1, updated_at=START + timedelta(hours=1), content_hash="2"), at=START)
    store.record_poll(held, replace(record, revisits=False))
    store.release(held)
    clock.pass_(timedelta(hours=7))
    assert fetch_due(store) == []


@pytest.mark.parametrize("cause", [Cause.LOW_QUALITY, Cause.RAW_MISSING])
def test_extraction_may_ask_for_another_fetch(store: SqlStore, clock: StandingClock, cause: Cause) -> None:
    due_page(store)
    fetch_due(store)
    (waiting,) = fetched_pages(store)
    later = START + timedelta(hours=1)
    assert store.record_extraction_failure(waiting, PageFailed(cause=cause), later)
    assert store.claim_hosts(5, LEASE) == ()
    clock.pass_(timedelta(hours=1))
    held = next(one for one in store.claim_hosts(5, LEASE) if one.host == "www.example.org:443")
    (page,) = store.due_pages(held, later)
    assert (page.attempts, page.visits) == (1, 0)
    assert page.validators == Validators()


def test_extraction_may_give_a_page_up(store: SqlStore) -> None:
    due_page(store)
    fetch_due(store)
    (waiting,) = fetched_pages(store)
    assert store.record_extraction_failure(waiting, PageFailed(cause=Cause.NO_TEXT, detail="no article"), None)
    assert store.counts().pages_failed == 1
    (feed,) = store.feeds()
    poll(store, feed, sighting(1, entry_id="again"))
    assert fetch_due(store) == []


# --- texts ------------------------------------------------------------------------------------------------------------


def test_an_article_comes_back_as_it_went_in(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    fetch_due(store)
    (waiting,) = fetched_pages(store)
    record = article_record(waiting, quality=("short",))
    record_article(store, waiting, record)
    (article,) = store.articles()
    assert article.content == record.content
    assert (article.key, article.url, article.first_seen) == (key_of(1), URL.format(1), START)
    assert (article.revision, article.quality, article.tags) == (1, ("short",), ("politics",))
    assert (article.day, article.number, article.change_seq, article.near_duplicate_of) == ("", None, None, None)
    (kept,) = store.raw_of(article.id)
    assert (kept.content_hash, kept.url, dict(kept.headers)) == (
        article.raw,
        waiting.url,
        {"content-type": "text/html"},
    )
    assert store.raw_of(article_id(key_of("none"))) == ()
    (revision,) = store.revisions(article.id)
    assert (revision.number, revision.content) == (1, record.content)


def test_a_revision_only_when_the_words_change(store: SqlStore, clock: StandingClock) -> None:
    due_page(store)
    kinds = []
    older = "9 hours ago · 531 comments\n\nOne two"
    texts = [("T", "one two"), ("t", "One\n\ntwo "), ("T", older), ("T", "one three"), ("Other", "one three")]
    for title, body in texts:
        for page in [*fetch_due(store), None]:
            if page is None:
                break
            (waiting,) = fetched_pages(store)
            record = article_record(waiting, title=title, body=body)
            recorded = record_article(store, waiting, record, if_changed=clock.now(), if_unchanged=clock.now())
            assert recorded is not None
            kinds.append(recorded.kind)
        clock.pass_(timedelta(minutes=5))
    assert kinds == ["new", "unchanged", "unchanged", "updated", "updated"]
    (article,) = store.articles()
    assert (article.revision, article.content.title) == (3, "Other")
    assert [revision.content.title for revision in store.revisions(article.id)] == ["T", "T", "Other"]


def test_what_a_feed_says_never_changes_the_article_of_a_page(store: SqlStore) -> None:
    mine, hostile = subscribe(store, A, "http://hostile.example/feed")
    poll(store, mine, sighting(1))
    collect(store)
    poll(store, hostile, sighting(1, content="<p>Lies.</p>", from_feed=True, entry_id="x"))
    assert fetched_pages(store) == ()
    poll(store, hostile, sighting("h", url="http://hostile.example/1", content="<p>Lies.</p>", from_feed=True))
    (waiting,) = fetched_pages(store)
    served = identity(URL.format(1))
    recorded = record_article(
        store, waiting, article_record(waiting, served=served, title="Lies", body="lies " * 200, source="feed")
    )
    assert recorded is not None
    assert recorded.kind == "unchanged"
    (article,) = store.articles()
    assert "lies" not in article.content.body


def test_a_page_replaces_what_another_feed_claimed_it_to_be(store: SqlStore) -> None:
    hostile, mine = subscribe(store, "http://hostile.example/feed", A)
    poll(store, hostile, sighting(1, content="<p>Lies.</p>", from_feed=True, entry_id="x"))
    (waiting,) = fetched_pages(store)
    record_article(store, waiting, article_record(waiting, body="lies " * 200, source="feed"))
    poll(store, mine, sighting(1))
    (recorded,) = collect(store)
    assert recorded.kind == "updated"
    (article,) = store.articles()
    assert "lies" not in article.content.body


# --- identity ---------------------------------------------------------------------------------------------------------


def two_articles(store: SqlStore, *, same_text: bool = True) -> None:
    (feed,) = subscribe(store, A)
    for n in ("1-long-slug-of-one", "2-long-slug-of-two"):
        poll(store, feed, sighting(n))
        collect(store, body=words("same" if same_text else f"text{n[0]}"))


ONE, TWO = "1-long-slug-of-one", "2-long-slug-of-two"


def test_evidence_merges_articles_and_keeps_the_older(store: SqlStore, clock: StandingClock) -> None:
    two_articles(store)
    store.number_changes()
    (feed,) = store.feeds()
    poll(store, feed, sighting("3", key=key_of(TWO), edges=(edge(TWO, ONE),)))
    (article,) = store.articles()
    assert article.id == article_id(key_of(ONE))
    assert set(article.urls) >= {URL.format(ONE), URL.format(TWO)}
    for address in (URL.format(ONE), URL.format(TWO), article_id(key_of(TWO))):
        assert store.article(address) == article
    assert store.article("nowhere", [key_of(TWO)]) == article
    store.number_changes()
    tombstone = store.changes_after(2, 10)[-1]
    assert (tombstone.kind, tombstone.article_id) == ("merged", article_id(key_of(TWO)))
    assert (tombstone.merged_into, tombstone.article) == (article.id, None)
    assert (tombstone.day, tombstone.number) == ("2026/03/01", 1)
    poll(store, feed, sighting("4", key=key_of(TWO), edges=(edge(TWO, ONE),)))
    assert store.number_changes() == 0


def test_different_texts_are_not_merged_and_the_refusal_is_logged(store: SqlStore) -> None:
    two_articles(store, same_text=False)
    (feed,) = store.feeds()
    poll(store, feed, sighting("3", key=key_of(TWO), edges=(edge(TWO, ONE),)))
    assert len(ids(store)) == 2
    refused = [decision for decision in store.decisions([], [key_of(TWO)]) if decision.verdict == "refused"]
    assert [(decision.rule, decision.key) for decision in refused] == [("other_text", key_of(TWO))]


def test_a_later_text_splits_what_was_one(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(ONE), sighting(TWO))
    fetch_due(store)
    for waiting in fetched_pages(store):
        record_article(
            store, waiting, article_record(waiting, body=words("same")), if_changed=START, if_unchanged=START
        )
    poll(store, feed, sighting("3", key=key_of(TWO), edges=(edge(TWO, ONE),)))
    assert len(ids(store)) == 1
    store.number_changes()
    fetch_due(store)
    for waiting in fetched_pages(store):
        body = words("same") if waiting.key == key_of(ONE) else words("quite other")
        record_article(store, waiting, article_record(waiting, body=body))
    assert ids(store) == [article_id(key_of(ONE)), article_id(key_of(TWO))]
    kept = store.article(URL.format(TWO))
    assert kept is not None
    assert kept.id == article_id(key_of(TWO))
    store.number_changes()
    kinds = {change.kind for change in store.changes_after(0, 50) if change.article_id == kept.id}
    assert {"merged", "split"} <= kinds


def test_evidence_alone_saves_no_fetch_so_that_wrong_evidence_loses_nothing(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    said = edge(ONE, TWO, EvidenceKind.FEED_LINK)
    poll(store, feed, sighting(ONE, edges=(said,)))
    collect(store, body=words("one"))
    poll(store, feed, sighting(TWO))
    assert [recorded.kind for recorded in collect(store, body=words("two"))] == ["new"]
    assert ids(store) == [article_id(key_of(ONE)), article_id(key_of(TWO))]


def test_an_address_that_was_seen_on_the_way_is_not_fetched(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(ONE))
    fetch_due(store)
    (waiting,) = fetched_pages(store)
    record_article(store, waiting, article_record(waiting, urls=(identity("https://amp.example.org/one"),)))
    poll(store, feed, sighting("amp", url="https://amp.example.org/one", key=key_of(ONE)))
    poll(store, feed, sighting("other key", url="https://amp.example.org/one", key="example:1"))
    assert fetch_due(store) == []


def test_what_is_known_after_its_fetch_is_a_duplicate(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(ONE), sighting(TWO))
    fetch_due(store)
    kinds = []
    for waiting in fetched_pages(store):
        recorded = record_article(store, waiting, article_record(waiting, body=words("same"), edges=(edge(TWO, ONE),)))
        assert recorded is not None
        assert recorded.article_id == article_id(key_of(ONE))
        kinds.append(recorded.kind)
    assert kinds == ["new", "duplicate"]
    store.number_changes()
    assert [change.kind for change in store.changes_after(0, 10)] == ["new"]


@pytest.mark.parametrize(
    ("body", "title", "url", "kind"),
    [
        ("same", "Title of e", URL.format(TWO), "duplicate"),
        ("quite other", "Title of e", URL.format(TWO), "new"),  # a page that is written anew each day
        ("same", "Another story", URL.format(TWO), "new"),  # the id stands for whatever is on top
        ("same", "Title of e", "https://copy.example/two", "new"),
    ],
)
def test_an_entry_whose_slug_was_corrected_is_one_article(
    store: SqlStore, body: str, title: str, url: str, kind: str
) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(ONE, entry_id="e"))
    collect(store, body=words("same"))
    later = sighting(TWO, url=url, entry_id="e", content_hash="2")
    poll(store, feed, replace(later, entry=replace(later.entry, title=title)))
    assert [recorded.kind for recorded in collect(store, body=words(body))] == [kind]
    assert len(ids(store)) == (1 if kind == "duplicate" else 2)
    first, second = store.article(URL.format(ONE)), store.article(url)
    assert first is not None
    assert second is not None
    assert (first.id == second.id) == (kind == "duplicate")
    poll(store, feed, replace(later, entry=replace(later.entry, title=title)))
    assert collect(store) == []


def test_another_site_is_no_identity_but_its_address_leads_here(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(ONE))
    fetch_due(store)
    (waiting,) = fetched_pages(store)
    pointer = identity("http://t.example/abc")
    record = article_record(waiting, edges=(edge(ONE, "x", other_site="copy.example"),), pointers=(pointer,))
    record_article(store, waiting, record)
    article = store.article(pointer.url)
    assert article is not None
    assert pointer.url in article.urls
    assert store.article("nowhere", [Key("https://copy.example/en/story/a-x-of-them")]) is None
    assert [d.rule for d in store.decisions([], [key_of(ONE)]) if d.verdict == "refused"] == ["other_site"]
    poll(store, feed, sighting("p", url=pointer.url))
    assert fetch_due(store) == []


# --- near duplicates --------------------------------------------------------------------------------------------------


def test_a_near_duplicate_names_the_older_article(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    text = words("wire", 600)
    poll(store, feed, sighting(1))
    collect(store, body=text)
    poll(store, feed, sighting(2))
    collect(store, body=f"By our correspondent. {text}")
    poll(store, feed, sighting(3))
    collect(store, body=words("something else", 600))
    first, second, third = store.articles()
    assert (first.near_duplicate_of, second.near_duplicate_of, third.near_duplicate_of) == (None, first.id, None)
    assert store.near_duplicates(first.id) == (second.id,)


def test_the_same_short_text_is_no_near_duplicate(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    for n in (1, 2):
        poll(store, feed, sighting(n))
        collect(store, body="Read more on our site.")
    assert [article.near_duplicate_of for article in store.articles()] == [None, None]


def test_what_many_articles_share_is_boilerplate(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    shared = words("boilerplate", 200)
    poll(store, feed, *(sighting(n) for n in range(40)))
    fetch_due(store)
    for waiting in fetched_pages(store):
        body = f"{words(f'own{waiting.id}x', 130)} {shared}"
        assert record_article(store, waiting, article_record(waiting, body=body)) is not None
    assert [article.near_duplicate_of for article in store.articles()][-10:] == [None] * 10


# --- decisions --------------------------------------------------------------------------------------------------------


def test_a_decision_is_kept_only_when_the_answer_changes(store: SqlStore) -> None:
    first, second = subscribe(store, A, B)
    url = URL.format(1)
    for verdict in ("announced", "announced", "blocked", "announced"):
        for feed in (first, second):
            made = (Decision(url=url, key=key_of(1), verdict=verdict, rule="test"),)
            poll(store, feed, replace(sighting(1), decisions=made))
    assert [decision.verdict for decision in store.decisions([url], [])] == (
        ["announced"] * 2 + ["blocked"] * 2 + ["announced"] * 2
    )
    assert store.decisions([], [key_of(1)]) == store.decisions([url], [])
    collect(store)
    kept = store.decisions([url], [])[-1]
    assert (kept.verdict, kept.article_id) == ("kept", article_id(key_of(1)))


def test_texts_that_no_engine_takes_are_made_fit(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    odd = "a\0b\ud800c" * 3000
    poll(store, feed, sighting(1, entry_id=odd, content=odd), sighting("x", url=f"https://www.example.org/{odd}"))
    assert store.counts().entries == 2
    fetch_due(store)
    for waiting in fetched_pages(store):
        assert record_article(store, waiting, article_record(waiting, title=odd, body=odd)) is not None
    assert len(ids(store)) == 2
    assert extraction("a", "b").title == "a"
