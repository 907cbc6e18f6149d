"""Records in the form before schema 0006."""

from __future__ import annotations

from aggregator.models.feeds import Enclosure, Source
from aggregator.models.fetching import Hop
from aggregator.models.pages import LeadImage
from aggregator.store.db.codec import dump, load_entry, load_extraction, load_feed_state
from aggregator.store.db.record_form import convert_entry, convert_extraction, convert_feed
from tests.support.stores import START

HOP = ["http://a.example/", 302, "http://b.example/"]
FILLING = {
    "since": START.isoformat(),
    "until": START.isoformat(),
    "resume_at": START.isoformat(),
    "sources": [["page", "http://a.example/2"]],
    "sections": [],
    "asked": [],
    "waits": False,
}


def test_a_feed() -> None:
    kept = convert_feed({"pending_hops": dump([HOP]), "filling": FILLING, "fresh_for": 1.5})
    assert convert_feed(kept) == kept
    state = load_feed_state(dump(kept), due_at=START)
    assert state.pending_hops == (Hop(url="http://a.example/", status=302, target="http://b.example/"),)
    assert state.filling is not None
    assert state.filling.sources == (Source(kind="page", url="http://a.example/2"),)
    assert state.fresh_for is not None
    assert state.fresh_for.total_seconds() == 1.5
    assert convert_feed({}) == {}


def test_an_entry() -> None:
    kept = convert_entry({"enclosures": [["http://a.example/a.mp3", "audio/mpeg", 0]]})
    assert convert_entry(kept) == kept
    entry = load_entry(dump(kept), entry_id="e", link=None)
    assert entry.enclosures == (Enclosure(url="http://a.example/a.mp3", type="audio/mpeg", length=0),)


def test_an_extraction() -> None:
    kept = convert_extraction({"source": "page", "lead_image": ["http://a.example/a.jpg", "c", "a", "by"]})
    assert convert_extraction({"source": "feed"}) == {"source": "feed"}
    assert convert_extraction(kept) == kept
    content = load_extraction("Title", "Body", dump(kept))
    assert content.lead_image == LeadImage(url="http://a.example/a.jpg", caption="c", alt="a", credit="by")
