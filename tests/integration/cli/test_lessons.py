"""The commands lessons list, forget, export, import over a real store, and what `why` says of a lesson."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aggregator.cli import cli
from aggregator.errors import ConfigError
from aggregator.models.ids import PageId
from aggregator.store import SqlStore, open_store
from tests.support.stores import (
    START,
    StandingClock,
    article_record,
    fetch_due,
    fetched_pages,
    poll,
    record_article,
    sighting,
    subscribe,
    words,
)

SITE = "https://www.courier.example/news/a-"
Run = Callable[..., Result]


@pytest.fixture
def run(config: Path) -> Run:
    return lambda *arguments: CliRunner().invoke(cli, [*map(str, arguments), "--config", str(config)])


def teach(store: SqlStore, count: int, start: int = 0) -> list[PageId]:
    """Collect articles and the same under a parameter; return the pages that were fetched."""
    plain, tracked = subscribe(store, "https://www.courier.example/feed1", "https://www.courier.example/feed2")
    for feed, tail in ((plain, ""), (tracked, "?maca=rss")):
        urls = [f"{SITE}{n}{tail}" for n in range(start, start + count)]
        poll(store, feed, *(sighting(n, url=url, key=url.replace("www.", "")) for n, url in enumerate(urls, start)))
    fetched = []
    while fetch_due(store):
        for page in fetched_pages(store):
            number = page.url.removeprefix(SITE).partition("?")[0]
            record_article(store, page, article_record(page, title=f"Title of id-{number}", body=words(f"w{number}x")))
            fetched.append(page.id)
    return fetched


@pytest.fixture
def taught(config: Path) -> Path:
    store = open_store(f"sqlite:///{config.with_name('store.db')}", StandingClock(), use_clock=True)
    assert len(teach(store, 8)) == 11
    store.close()
    return config


def test_lessons_are_listed(taught: Path, run: Run) -> None:
    assert run("lessons", "list").stdout.split("\t") == [
        "courier.example", "?maca", "holds", "3", "0", "5", "2026-03-01\n",
    ]  # fmt: skip
    (line,) = run("lessons", "list", "--json").stdout.splitlines()
    assert json.loads(line) == {
        "site": "courier.example",
        "kind": "parameter",
        "subject": "?maca",
        "state": "holds",
        "proofs": 3,
        "against": 0,
        "uses": 5,
        "checked_at": "2026-03-01T12:00:00+00:00",
        "imported": False,
    }


def test_why_says_what_is_known_with_two_proofs(taught: Path, run: Run) -> None:
    said = run("why", f"{SITE}7?maca=rss").stdout
    assert " known: ?maca is tracking at courier.example: 3 proofs, none against, checked 2026-03-01; " in said
    assert f"{SITE}0?maca=rss = {SITE}0; {SITE}1?maca=rss = {SITE}1" in said


def test_what_is_forgotten_is_fetched(taught: Path, run: Run) -> None:
    other = run("lessons", "forget", "courier.example", "?other")
    assert (other.exit_code, other.stdout) == (1, "0 lessons forgotten, 0 pages to be fetched\n")
    done = run("lessons", "forget", "courier.example", "?maca")
    assert (done.exit_code, done.stdout) == (0, "1 lesson forgotten, 5 pages to be fetched\n")
    assert run("lessons", "list").stdout == ""
    nothing = run("lessons", "forget", "courier.example")
    assert (nothing.exit_code, nothing.stderr) == (1, "aggregator: courier.example: taught nothing\n")
    later = StandingClock(START + timedelta(days=10_000))  # the command made them due by the time of day
    store = open_store(f"sqlite:///{taught.with_name('store.db')}", later, use_clock=True)
    assert len(fetch_due(store)) == 5
    store.close()


def test_lessons_travel_as_hypotheses(taught: Path, run: Run, tmp_path: Path, sqlite_template: Path) -> None:
    file, other = tmp_path / "lessons.jsonl", tmp_path / "other"
    file.write_text(run("lessons", "export").stdout + "\n")
    assert json.loads(file.read_text()) == {
        "site": "courier.example", "kind": "parameter", "subject": "?maca", "proofs": 3,
    }  # fmt: skip
    assert run("lessons", "import", file).stdout == "1 lesson read, 0 of them new\n"
    other.mkdir()
    (other / "store.db").write_bytes(sqlite_template.read_bytes())
    (other / "aggregator.toml").write_text('[storage]\nurl = "sqlite:///store.db"\n')
    there = ["--config", str(other / "aggregator.toml")]
    assert CliRunner().invoke(cli, ["lessons", "import", str(file), *there]).stdout == "1 lesson read, 1 of them new\n"
    assert "unproven" in CliRunner().invoke(cli, ["lessons", "list", *there]).stdout
    store = open_store(f"sqlite:///{other / 'store.db'}", StandingClock(), use_clock=True)
    assert len(teach(store, 8)) == 9  # one pair proves it
    store.close()
    assert "holds" in CliRunner().invoke(cli, ["lessons", "list", *there]).stdout


LESSON = '{"site": "a.example", "kind": "parameter", "subject": "?from"}'


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "is no JSON"),
        ("[]", "is no JSON object"),
        ('{"site": "a.example", "kind": "parameter"}', "subject is no text"),
        ('{"site": "a.example", "kind": "colour", "subject": "?x"}', "kind 'colour' is none of parameter, folder"),
        ('{"site": "A b", "kind": "parameter", "subject": "?from"}', "site 'A b' is no host"),
        ('{"site": "a.example", "kind": "folder", "subject": "?from"}', "subject '?from' is none of kind folder"),
        (r'{"site": "a.example", "kind": "parameter", "subject": "?a\u0000"}', r"subject '?a\x00' is none of kind"),
        (r'{"site": "a.example", "kind": "number", "subject": "/\ud800#"}', r"subject '/\ud800#' is none of kind"),
        (r'{"site": "a.example/@\ud800", "kind": "number", "subject": "/n/#"}', r"site 'a.example/@\ud800' is no host"),
        ('{"site": "a.example", "kind": "parameter", "subject": "?from&ID"}', "'id' addresses articles"),
    ],
)
def test_a_bad_line_imports_nothing_and_is_named(run: Run, tmp_path: Path, line: str, fault: str) -> None:
    file = tmp_path / "lessons.jsonl"
    file.write_text(f"{LESSON}\n\n{line}\n{LESSON}\n")
    result = run("lessons", "import", file)
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith(f"{file}:3: {fault}")
    assert str(result.exception).endswith("; nothing is imported")
    assert run("lessons", "list").stdout == ""


def test_a_file_that_cannot_be_read_is_named(run: Run, tmp_path: Path) -> None:
    for file, fault in ((tmp_path, "cannot be read"), (tmp_path / "latin", "is no UTF-8 (byte 0)")):
        (tmp_path / "latin").write_bytes(b"\xe4")
        result = run("lessons", "import", file)
        assert isinstance(result.exception, ConfigError)
        assert fault in str(result.exception)
