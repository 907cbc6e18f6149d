"""The commands health, gaps, plan, why over a real store, and serve."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from aggregator.cli import cli
from aggregator.cli.framework import Options
from aggregator.cli.monitor import print_plans
from aggregator.errors import AggregatorError
from aggregator.identity.evidence import Edge
from aggregator.models.feeds import FeedStatus
from aggregator.models.fetching import Cause
from aggregator.models.ids import EvidenceKind
from aggregator.models.pages import PageFailed
from aggregator.monitoring.daemon_record import DaemonRecord, write_record
from aggregator.schedule.plan import measured
from aggregator.sinks.outputs.follow import fact_name
from aggregator.store import SqlStore, open_store
from tests.support.command import call
from tests.support.daemon import wait_for
from tests.support.databases import new_database
from tests.support.stores import (
    START,
    URL,
    StandingClock,
    article_record,
    claim,
    collect,
    fetch_due,
    fetched_pages,
    identity,
    newest,
    poll,
    poll_record,
    record_article,
    sighting,
    subscribe,
    words,
)

A, B = "http://a.example/feed", "http://b.example/feed"
Run = Callable[..., Result]


@pytest.fixture
def store(config: Path, clock: StandingClock) -> Iterator[SqlStore]:
    opened = open_store(f"sqlite:///{config.parent / 'store.db'}", clock)
    yield opened
    opened.close()


@pytest.fixture
def run(config: Path) -> Run:
    def running(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(cli, [*arguments, "--config", str(config)], obj=Options())
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == status, result.output
        return result

    return running


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def fail_feed(store: SqlStore, url: str, cause: Cause) -> None:
    feed = next(one for one in store.feeds() if one.url == url)
    record = poll_record(feed, at=store.now())
    failed = replace(record.state, status=FeedStatus.FAILING, cause=cause, failing_since=START, detail="said so")
    state = replace(failed, due_at=datetime(9000, 1, 1, tzinfo=UTC))  # the commands live in the present
    held = claim(store, feed.host)
    assert store.record_poll(held, replace(record, state=state))
    store.release(held)


# --- a store that is not there yet ------------------------------------------------------------------------------------


def test_feeds_are_listed_before_anything_was_polled(postgres_url: str, tmp_path: Path) -> None:
    """No file yet, or a database without tables: each feed is new."""
    path = tmp_path / "aggregator.toml"
    with new_database(postgres_url, "empty") as url:
        for place in (url, "sqlite:///none.db"):
            path.write_text(f'[storage]\nurl = "{place}"\n[[feeds]]\nurl = "{A}"\n', encoding="utf-8")
            called = call("feeds", "list", "--json", "--config", path)
            assert [(row["url"], row["status"]) for row in called.records] == [(A, "new")]
            assert (called.status, called.err) == (0, "")


# --- health -----------------------------------------------------------------------------------------------------------


def test_without_feeds_there_is_nothing_to_worry_about(run: Run, store: SqlStore) -> None:
    assert run("health").stdout == "0 feeds: 0 broken, 0 need attention\n"
    assert run("health", "--json").stdout == ""


def test_health_says_cause_time_and_remedy_and_exits_with_one(run: Run, store: SqlStore) -> None:
    subscribe(store, A, B)
    fail_feed(store, B, Cause.NOT_FOUND)
    said = run("health", status=1).stdout
    assert "broken: failing (not_found) since 2026-03-01 12:00:00Z: said so" in said
    assert "aggregator feeds discover" in said
    assert said.endswith("2 feeds: 1 broken, 1 need attention\n")  # the other one is overdue: nobody polls here
    first, second = rows(run("health", "--json", status=1))
    assert (first["url"], first["severity"], first["cause"]) == (B, "broken", "not_found")
    assert (second["kind"], second["severity"], second["cause"]) == ("overdue", "attention", None)


def test_a_feed_without_a_name_is_shown_by_its_address_once(run: Run, store: SqlStore) -> None:
    subscribe(store, A)
    fail_feed(store, A, Cause.NOT_FOUND)
    said = run("health", status=1).stdout
    assert (said.splitlines()[0], said.count(A)) == (A, 1)
    assert said.endswith("\n1 feed: 1 broken, 0 need attention\n")


def test_attention_alone_is_no_failure(run: Run, store: SqlStore) -> None:
    subscribe(store, A)
    assert "1 need attention" in run("health").stdout


def test_what_a_feed_says_does_not_steer_the_terminal(run: Run, store: SqlStore) -> None:
    subscribe(store, A)
    feed = store.feeds()[0]
    record = poll_record(feed, at=store.now())
    state = replace(record.state, status=FeedStatus.FAILING, cause=Cause.TLS, detail="\x1b[2J")
    held = claim(store, feed.host)
    assert store.record_poll(held, replace(record, state=state))
    assert "\x1b" not in run("health", status=1).stdout


def test_a_store_that_is_not_there_is_one_line(run: Run, config: Path) -> None:
    config.write_text('[storage]\nurl = "sqlite:///elsewhere.db"\n')
    with pytest.raises(AggregatorError) as caught:
        run("health")
    assert caught.value.exit_code == 3


# --- gaps -------------------------------------------------------------------------------------------------------------


def test_gaps_are_listed(run: Run, store: SqlStore) -> None:
    assert run("gaps").stdout == ""
    (feed,) = subscribe(store, A)
    held = claim(store, feed.host)
    gap = (START - timedelta(hours=3), START)
    assert store.record_poll(held, replace(poll_record(feed, sighting(1), at=START), gap=gap))
    assert run("gaps").stdout == f"{A}\t2026-03-01 09:00:00Z\t2026-03-01 12:00:00Z\t-\n"
    (row,) = rows(run("gaps", "--json"))
    assert row == {
        "feed": A,
        "feed_id": feed.id,
        "since": "2026-03-01T09:00:00+00:00",
        "until": "2026-03-01T12:00:00+00:00",
        "filled_at": None,
    }


def test_health_names_what_keeps_the_daemon_from_its_page_and_its_new_settings(run: Run, store: SqlStore) -> None:
    at = datetime.now(UTC)
    record = DaemonRecord(at=at, started_at=at, ticked_at=at, page_fault="[web] listen: taken", config_fault="restart")
    write_record(store, "daemon", record)
    said = run("health", status=1).stdout
    assert "page: [web] listen: taken\n  Stop the other program" in said
    assert "configuration: restart\n" in said
    assert said.endswith("0 feeds: 0 broken, 0 need attention; also broken: page, configuration\n")
    assert [row["kind"] for row in rows(run("health", "--json", status=1))] == ["page", "configuration"]


def test_the_last_line_of_health_names_an_output_and_a_list_that_are_broken(
    run: Run, store: SqlStore, config: Path
) -> None:
    with config.open("a", encoding="utf-8") as file:
        file.write('[[outputs]]\ntype = "jsonl"\nname = "copy"\npath = "copy"\n[[lists]]\npath = "none.opml"\n')
    store.write_fact(fact_name("copy"), "it is full")
    store.write_fact(f"list {config.parent / 'none.opml'}", '{"problem": "cannot be read"}')
    said = run("health", status=1).stdout
    assert "output: copy: it is full\n" in said
    assert said.endswith("0 feeds: 0 broken, 0 need attention; also broken: output, list\n")


def test_health_tells_an_outage_of_our_network_once(run: Run, store: SqlStore) -> None:
    for feed in subscribe(store, *(f"http://h{n}.example/f" for n in range(20))):
        failed = poll_record(feed, at=store.now())
        due_at = datetime.now(UTC) + timedelta(hours=1)
        state = replace(
            failed.state, status=FeedStatus.FAILING, cause=Cause.DNS, failing_since=store.now(), due_at=due_at
        )
        assert store.record_poll(claim(store, feed.host), replace(failed, state=state))
    said = run("health", status=1).stdout
    assert "network: the names of 20 hosts do not resolve since 20" in said
    assert said.endswith("20 feeds: 0 broken, 0 need attention; also broken: network\n")
    (row,) = rows(run("health", "--json", status=1))
    assert (row["kind"], row["cause"], row["feed"]) == ("network", "dns", None)


def test_health_tells_how_far_the_writing_of_files_is(config: Path, run: Run, store: SqlStore) -> None:
    """More than a thousand changes wait: they are counted without being written."""
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    collect(store)
    (article,) = store.articles()
    with closing(sqlite3.connect(config.with_name("store.db"))) as conn, conn:
        conn.executemany("INSERT INTO changes (article_id, kind, at) VALUES (?, 'updated', 0)", [(article.id,)] * 1500)
    said = run("health").stdout
    assert "0 of 1501 changes are written, 1501 wait" in said
    assert not config.with_name("data").exists()


# --- plan -------------------------------------------------------------------------------------------------------------


def polled_feed(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    record = poll_record(feed, sighting(1), at=store.now())
    held = claim(store, feed.host)
    assert store.record_poll(held, replace(record, state=replace(record.state, succeeded_at=store.now())))


def test_the_plan_shows_now_and_other_budgets(run: Run, store: SqlStore) -> None:
    polled_feed(store)
    lines = [line.split("\t") for line in run("plan").stdout.splitlines()]
    assert [line[0] for line in lines[:4]] == ["now", "12", "24", "48"]
    assert lines[-1][-1] == A
    assert [line[0] for line in [one.split("\t") for one in run("plan", "--budget", "6").stdout.splitlines()][:2]] == [
        "now",
        "6",
    ]


def test_the_plan_as_records(run: Run, store: SqlStore) -> None:
    polled_feed(store)
    found = rows(run("plan", "--budget", "6", "--json"))
    assert [(row["budget"], row["feed"]) for row in found] == [(None, None), (None, A), (6.0, None), (6.0, A)]
    assert 0 < found[2]["requests_per_day"] <= 7
    assert found[0]["feeds"] == 1
    run("plan", "--budget", "0", status=2)


def test_the_plan_shows_how_far_it_is_on_a_terminal(config: Path, store: SqlStore) -> None:
    polled_feed(store)
    assert "plans" in call("plan", "--config", config, terminal="err").err
    assert call("plan", "--config", config).err == ""


def test_the_plan_says_where_a_sample_stands_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    plan = measured((), START)
    print_plans([plan], plan, sampled=5000, of=300_000)
    assert capsys.readouterr().out.startswith("A sample of 5000 feeds, drawn at random, stands for 300000;")
    print_plans([plan], plan, sampled=5000, of=5000)
    assert capsys.readouterr().out.startswith("now\t")


# --- why --------------------------------------------------------------------------------------------------------------


def test_an_unknown_address_has_a_key_and_no_history(run: Run, store: SqlStore) -> None:
    said = run("why", "https://nowhere.example/a?utm_source=x").stdout
    assert "https://nowhere.example/a (rule generic)" in said
    assert "Nothing is stored about this address" in said


def test_what_is_no_address_has_no_key(run: Run, store: SqlStore) -> None:
    shown = run("why", "a.example/x").stdout
    assert "none: it cannot mean an article (rule no-url)" in shown
    assert "An address begins with https:// or http://." in shown


def test_why_tells_the_whole_story_of_an_article(run: Run, store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    collect(store, title="First", body=words("text"))
    clock.pass_(timedelta(hours=1))
    poll(store, feed, sighting(2, url="https://other.example/en/story/b"))
    collect(store, title="Second", body=words("text"))
    (second, first) = newest(store)
    said = run("why", URL.format(1)).stdout
    assert f"sightings  2026-03-01 12:00:00Z in {A}: 'Title of id-1' {URL.format(1)}, published" in said
    assert "page       done: " in said
    assert f"article    {first.id} {URL.format(1)}" in said
    assert "announced by test" in said
    assert f"kept by test, article {first.id}" in said
    assert f"nearly the same as {first.id}" in run("why", second.url).stdout


def test_why_tells_of_a_page_that_waits_and_one_that_failed(run: Run, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1), sighting(2))
    held = claim(store, "www.example.org:443")
    page, _ = store.due_pages(held, store.now())
    assert store.record_page_failure(held, page, PageFailed(cause=Cause.GONE, detail="410 Gone"), None)
    assert ", 1 failed tries, gone: 410 Gone" in run("why", page.url).stdout
    assert "due: " in run("why", URL.format(2)).stdout


def test_why_tells_what_was_merged_and_by_which_evidence(run: Run, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    short, long = "https://s.example/en/story/x", URL.format(1)
    keys = [key for url in (short, long) if (key := identity(url).key) is not None]
    poll(store, feed, sighting(1), sighting("x", url=short))
    collect(store, title="One", body=words("same"))
    site = "example.org"
    edge = Edge(key=keys[0], other=keys[1], kind=EvidenceKind.FEED_LINK, site=site, other_site=site, witness=site)
    poll(store, feed, sighting(1, content_hash="2", edges=(edge,)))
    said = run("why", short).stdout
    assert f"evidence   {keys[0]} = {keys[1]}: feed_link, says example.org, 2026-03-01 12:00:00Z" in said
    assert ", merged into " in said


def test_why_as_one_record(run: Run, store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting(1))
    fetch_due(store)
    for page in fetched_pages(store):
        assert record_article(store, page, article_record(page))
    (record,) = rows(run("why", URL.format(1), "--json"))
    assert set(record) == {"url", "key", "rule", "entries", "pages", "articles", "evidence", "decisions"}
    assert record["pages"][0]["state"] == "done"
    assert record["entries"][0]["first_seen"] == "2026-03-01T12:00:00+00:00"


# --- serve ------------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_until_a_signal_comes(config: Path, store: SqlStore, number: signal.Signals) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    config.with_name("token").write_text("s3cret\n")
    listen = address.removeprefix("http://")
    config.write_text(f'[storage]\nurl = "sqlite:///store.db"\n[web]\nlisten = "{listen}"\ntoken_file = "token"\n')
    answers: list[tuple[int, str]] = []

    def get(path: str, **headers: str) -> tuple[int, str]:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{address}{path}", timeout=60, headers=headers)
            return answer.status_code, answer.text

    def is_there() -> bool:
        try:
            return get("/readyz")[0] == 200
        except requests.ConnectionError:
            return False

    def ask() -> None:
        try:
            wait_for(is_there, "the page")
            answers.extend((get("/"), get("/metrics", Authorization="Bearer s3cret")))
        finally:
            os.kill(os.getpid(), number)

    asking = threading.Thread(target=ask)
    asking.start()
    called = call("serve", "--config", config)
    asking.join()
    assert called.status == 0
    assert f"serving address='{address}/'\n" in called.err
    assert called.err.endswith("aggregator.service: stopped\n")
    (status, _), (_, metrics) = answers
    assert status == 401
    assert "aggregator_store_up 1.0" in metrics


def test_serve_without_an_address_says_what_to_write(run: Run, config: Path, store: SqlStore) -> None:
    config.write_text('[storage]\nurl = "sqlite:///store.db"\n[web]\nlisten = ""\n')
    with pytest.raises(AggregatorError, match="nothing to serve"):
        run("serve")
