"""What goes into the store as text comes out as it was."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.articles import DateSource, Extraction
from aggregator.models.feeds import Enclosure, Entry, FeedHints, FeedState, GapFill, PublicationStats, Source
from aggregator.models.fetching import Hop
from aggregator.models.pages import DeclaredUrls, LeadImage
from aggregator.store.db import codec
from aggregator.store.db.column_types import storable
from aggregator.store.db.hashes import entry_hash, text_hash

moments = st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1))
spans = st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds))
hops = st.lists(st.builds(Hop, url=st.text(), status=st.integers(300, 399), target=st.text()), max_size=3).map(tuple)
texts = st.lists(st.text(), max_size=3).map(tuple)
numbers = st.floats(0, 1e6)
stats = st.builds(
    PublicationStats,
    at=st.none() | moments,
    weight=numbers,
    exposure_days=numbers,
    hours=st.lists(numbers, min_size=24, max_size=24).map(tuple),
    minutes=st.lists(numbers, min_size=12, max_size=12).map(tuple),
    weekdays=st.lists(numbers, min_size=7, max_size=7).map(tuple),
    recent=st.lists(moments, max_size=3).map(tuple),
    window=st.integers(0, 100),
)
hints = st.builds(
    FeedHints,
    ttl=st.none() | spans,
    skip_hours=st.lists(st.integers(0, 23), max_size=3).map(tuple),
    skip_days=st.lists(st.integers(0, 6), max_size=3).map(tuple),
    update_interval=st.none() | spans,
)
states = st.builds(
    FeedState,
    due_at=moments,
    format=st.text(),
    hints=hints,
    fresh_for=st.none() | spans,
    stats=stats,
    adopted_url=st.none() | st.text(min_size=1),
    adopted_at=st.none() | moments,
    pending_target=st.none() | st.text(min_size=1),
    pending_hops=hops,
    advertised=texts,
    hub=st.none() | st.text(min_size=1),
    revalidation=st.sampled_from(["", "checked", "distrusted"]),
    unconditional_at=st.none() | moments,
    distrusted_at=st.none() | moments,
    gap_at=st.none() | moments,
    gap_interval=st.none() | spans,
    filling=st.none()
    | st.builds(
        GapFill,
        since=moments,
        until=moments,
        resume_at=moments,
        sources=st.lists(
            st.builds(Source, kind=st.sampled_from(["page", "site", "sitemap"]), url=st.text()), max_size=2
        ).map(tuple),
        sections=texts,
        asked=texts,
        waits=st.booleans(),
    ),
)


@given(states)
def test_the_rest_of_a_feeds_state(state: FeedState) -> None:
    columns = {name: getattr(state, name) for name in codec.STATE_COLUMNS}
    assert codec.load_feed_state(codec.dump_feed_rest(state), **columns) == state


numbers = st.none() | st.integers(0)
enclosures = st.lists(st.builds(Enclosure, url=st.text(), length=numbers, duration=numbers), max_size=2).map(tuple)


@given(
    st.builds(
        Entry,
        id=st.text(),
        entry_id=st.just("e"),
        link=st.none(),
        published_raw=st.text(),
        date_flagged=st.booleans(),
        authors=texts,
        summary=st.text(),
        content=st.text(),
        enclosures=enclosures,
        categories=texts,
        language=st.text(),
        is_permalink=st.booleans(),
        original_link=st.none() | st.text(min_size=1),
        content_id=st.none() | st.text(min_size=1),
        raw_hash=st.text(),
    )
)
def test_the_rest_of_an_entry(entry: Entry) -> None:
    assert codec.load_entry(codec.dump_entry_rest(entry), entry_id="e", link=None) == entry


extractions = st.builds(
    Extraction,
    source=st.sampled_from(["page", "feed"]),
    enclosures=enclosures,
    date_source=st.sampled_from(list(DateSource)),
    lead_image=st.none() | st.builds(LeadImage, url=st.text()),
    declared=st.builds(DeclaredUrls, canonical=st.none() | st.text(min_size=1)),
    authors=texts,
    tags=texts,
)


@given(extractions)
def test_an_extraction(content: Extraction) -> None:
    assert codec.load_extraction(content.title, content.body, codec.dump_extraction_rest(content)) == content


@pytest.mark.parametrize(
    ("record", "columns"),
    [(FeedState, codec.STATE_COLUMNS), (Entry, codec.ENTRY_COLUMNS), (Extraction, codec.EXTRACTION_COLUMNS)],
)
def test_columns_are_fields_of_the_record(record: type, columns: frozenset[str]) -> None:
    assert columns <= {field.name for field in dataclasses.fields(record)}


def test_unknown_fields_are_ignored_and_defaults_left_out() -> None:
    assert codec.load_entry('{"colour":"red","language":"en"}', entry_id="e", link=None) == Entry(
        id="", entry_id="e", link=None, language="en"
    )
    assert codec.dump_entry_rest(Entry(id="", entry_id="e", link=None)) == '{"id":""}'


def test_a_lone_surrogate_is_no_error() -> None:
    assert (
        storable(codec.dump_entry_rest(Entry(id="", entry_id="e", link=None, summary="a\ud800b")))
        == '{"id":"","summary":"a\ufffdb"}'
    )


def test_what_was_stored_with_an_escaped_lone_surrogate_is_read() -> None:
    assert codec.load_extraction("t", "b", '{"source":"page","site":"a\\ud800"}').site == "a\ud800"


@given(st.frozensets(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_a_sample(hashes: frozenset[int]) -> None:
    assert codec.load_sample(codec.dump_sample(hashes)) == hashes


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_text_becomes_storable(text: str) -> None:
    kept = storable(text)
    assert "\0" not in kept
    assert kept.encode().decode() == kept == storable(kept)
    assert len(kept) == len(text)


def test_hashes_look_at_words_alone() -> None:
    assert text_hash("A  Word\n") == text_hash("a word")
    assert text_hash("a word") != text_hash("a words")
    assert entry_hash("x") != text_hash("x")
    assert len(entry_hash("x" * 10_000)) == 16
