"""The rules change, and the process that computes the stored keys again is stopped halfway: nothing is half done."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aggregator.models.feeds import Subscription
from aggregator.store import open_store
from tests.support.daemon import wait_for
from tests.support.installation import Installation
from tests.support.stores import (
    URL,
    StandingClock,
    article_record,
    fetch_due,
    fetched_pages,
    poll,
    record_article,
    sighting,
    words,
)

NUMBERS = range(400)
SLUGS = ("one", "two")  # two addresses of one article, which the new rule joins
RULE = """
hosts = ["example.org"]
proven_by = 3
same = [["https://www.example.org/en/story/a-1-one", "https://www.example.org/en/story/a-1-two"]]
different = [["https://www.example.org/en/story/a-1-one", "https://www.example.org/en/story/a-2-one"]]
[[id]]
path = '^/en/story/a-(?P<id>[0-9]+)-[a-z]+$'
"""
KEPT = (  # all that tells which address means which article; not the times at which that was found
    "SELECT id, key, hex(key_hash), merged_into FROM articles",
    "SELECT url, key, hex(key_hash), rule FROM article_urls",
    "SELECT key, other, kind, witness FROM evidence",
    "SELECT url, key, state, article_id FROM pages",
    "SELECT hex(hash), article_id FROM aliases",
    "SELECT article_id, kind FROM changes",
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 800 stored articles, two for each number, and a rule that nobody has obeyed yet."""
    folder = tmp_path_factory.mktemp("filled")
    (folder / "aggregator.toml").write_text(
        '[storage]\nurl = "sqlite:///a.db"\narticles_dir = ""\nraw_dir = ""\nmin_free = "0"\n'
        '[polling]\nrevisit = []\n[web]\nlisten = ""\n[[feeds]]\nurl = "http://127.0.0.1:9/"\nenabled = false\n',
        encoding="utf-8",
    )
    (folder / "publishers").mkdir()
    (folder / "publishers" / "example.toml").write_text(RULE, encoding="utf-8")
    clock = StandingClock(datetime.now(UTC))
    store = open_store(f"sqlite:///{folder / 'a.db'}", clock)
    store.sync_feeds([Subscription(url="http://127.0.0.1:9/")], "1", clock.now())
    poll(store, store.feeds()[0], *(sighting(f"{number}-{slug}") for number in NUMBERS for slug in SLUGS))
    while fetch_due(store):
        pass
    while pages := fetched_pages(store):
        for page in pages:
            number = re.findall("[0-9]+", page.url)[0]
            assert record_article(store, page, article_record(page, body=words(f"text{number}n", 60))) is not None
    store.close()
    return folder


def ask(folder: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{folder / 'a.db'}?mode=ro", uri=True)) as connection:
        return sorted(connection.execute(query).fetchall(), key=repr)


def progress(folder: Path) -> str:
    """Return how far the keys are: the version of the rules, and the last key or `done`."""
    found = ask(folder, "SELECT value FROM properties WHERE name = 'key version'")
    return str(found[0][0]) if found else ""


def finished(folder: Path) -> Installation:
    """Run until all keys are computed."""
    made = Installation(folder)
    while not progress(folder).endswith(" done"):
        made.run("run-once")
    return made


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_stopped_while_keys_are_computed_again(filled: Path, tmp_path: Path, number: signal.Signals) -> None:
    stopped, undisturbed = tmp_path / "stopped", tmp_path / "undisturbed"
    for folder in (stopped, undisturbed):
        shutil.copytree(filled, folder)
    for _ in range(2):
        before = progress(stopped)
        process = Installation(stopped).start("run-once")
        wait_for(lambda at=before: progress(stopped) != at, "a batch of keys")  # type: ignore[misc]
        os.kill(process.pid, number)
        process.communicate(timeout=30)
        assert not progress(stopped).endswith(" done"), "it was to be stopped halfway"
        store = open_store(f"sqlite:///{stopped / 'a.db'}", StandingClock(datetime.now(UTC)))
        found = [store.article(URL.format(f"{n}-{slug}")) for n in NUMBERS[::7] for slug in SLUGS]
        store.close()
        assert None not in found, "each address leads to an article at any time"
    finished(stopped)
    finished(undisturbed)
    assert len(ask(undisturbed, "SELECT id FROM articles WHERE merged_into IS NULL")) == len(NUMBERS)
    for query in KEPT:
        assert ask(stopped, query) == ask(undisturbed, query)
