"""The API as its own description tells it, asked by schemathesis; the Atom stream by the grammar of RFC 4287."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from lxml import etree

from aggregator.models.feeds import Subscription
from aggregator.store import SqlStore, open_store
from aggregator.web.application import create_app
from aggregator.web.listening import listen
from aggregator.web.server import RunningServer
from tests.support.stores import START, StandingClock, collect, poll, sighting
from tests.support.website import state_over

pytestmark = pytest.mark.interop(short=True)

GRAMMAR = Path(__file__).parents[1] / "data" / "atom" / "rfc4287.rnc"


@pytest.fixture
def store(sqlite_template: Path, tmp_path: Path, clock: StandingClock) -> Iterator[SqlStore]:
    """Three articles of a tagged feed, and a feed that was never polled."""
    file = tmp_path / "store.db"
    file.write_bytes(sqlite_template.read_bytes())
    opened = open_store(f"sqlite:///{file}", clock)
    tagged = Subscription(url="http://a.example/feed", name="A & <b>", tags=("news",))
    opened.sync_feeds([tagged, Subscription(url="http://b.example/feed")], "1", START)
    for number, title in enumerate(("Storm & <i>Rain</i>", "Zeit\x0bung \u202e", "")):
        poll(opened, opened.feeds()[0], sighting(number, updated_at=START))
        collect(opened, title=title, quality=("listing",) if number else ())
        clock.pass_(timedelta(hours=1))
    opened.number_changes()
    yield opened
    opened.close()


@pytest.fixture
def address(store: SqlStore, clock: StandingClock) -> Iterator[str]:
    state = state_over(store, raw=lambda content_hash: b"<p>raw")
    with RunningServer(create_app(state), listen("127.0.0.1", 0)) as server:
        yield server.url.rstrip("/")


def test_every_answer_is_one_that_the_description_allows(address: str) -> None:
    import schemathesis
    from schemathesis import checks

    schema = schemathesis.openapi.from_url(f"{address}/api/openapi.json")
    wanted = [
        checks.not_a_server_error,
        schemathesis.checks.CHECKS.get_one("status_code_conformance"),
        schemathesis.checks.CHECKS.get_one("content_type_conformance"),
        schemathesis.checks.CHECKS.get_one("response_schema_conformance"),
    ]
    asked = 0
    for found in schema.get_all_operations():
        operation: Any = found.ok()

        @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(checks=wanted)

        ask()
        asked += 1
    assert asked > 10


def grammar() -> etree.RelaxNG:
    import rnc2rng

    text = rnc2rng.dumps(rnc2rng.load(str(GRAMMAR)))
    return etree.RelaxNG(
        etree.fromstring(text.replace('xmlns:local=""', "").encode())
    )  # no prefix: XML has none for it


@pytest.mark.parametrize(
    "query", ["", "?q=storm", "?tag=news", "?feed=A+%26+%3Cb%3E", "?q=none", "?language=en&quality=good"]
)
def test_the_stream_is_atom_by_its_grammar(address: str, query: str) -> None:
    feed = etree.fromstring(requests.get(f"{address}/feed.atom{query}", timeout=60).content)
    rules = grammar()
    assert rules.validate(feed), rules.error_log


def test_the_grammar_refuses_what_is_not_atom(address: str) -> None:
    good = requests.get(f"{address}/feed.atom", timeout=60).content
    rules = grammar()
    for old, new in ((b"<updated>", b"<updated>x"), (b"<feed ", b'<feed own="1" '), (b"<author>", b"<writer>")):
        changed = (
            good.replace(old, new).replace(b"</author>", b"</writer>") if new == b"<writer>" else good.replace(old, new)
        )
        assert not rules.validate(etree.fromstring(changed)), new
