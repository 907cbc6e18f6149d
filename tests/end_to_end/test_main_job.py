"""The whole way, from feeds to files, against the newsroom."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.demo.configuration import demo_config
from aggregator.demo.newsroom import Newsroom
from aggregator.text.seed_format import parse, render
from tests.support.installation import Installation

pytestmark = pytest.mark.unmeasured

SEED = Path(__file__).parents[2] / "seeds" / "000_140eb00cdc832ed0.txt"
SEED_KEY = "dw:63723431"
LONG_URL = "http://www.dw.com/en/ukraine-russia-says-kherson-city-pullout-completed/a-63723431"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose first run is over."""
    folder = tmp_path_factory.mktemp("ran")
    with Newsroom() as newsroom:
        made = Installation(folder)
        made.config.write_text(demo_config(folder, newsroom), encoding="utf-8")
        made.run("run-once")
        yield made


def seed_article(installation: Installation) -> dict[str, object]:
    (article,) = [one for one in installation.articles() if one["key"] == SEED_KEY]
    return article


def test_the_seed_page_gives_the_seeds_bytes(ran: Installation) -> None:
    ran.run("export", "--format", "txt", "--out", "out")
    exported = {path.name.partition("_")[2]: path.read_bytes() for path in (ran.folder / "out").iterdir()}
    article = seed_article(ran)
    assert exported[f"{article['id']}.txt"] == SEED.read_bytes()
    (stored,) = (ran.folder / "articles").glob(f"*/*/*/*_{article['id']}.txt")
    assert stored.read_bytes() == SEED.read_bytes()
    assert ran.run("check", str(SEED), str(stored)).returncode == 0


def test_parse_and_render_are_inverse_on_every_stored_article(ran: Installation) -> None:
    articles = ran.articles()
    assert len(articles) > 10
    for article in articles:
        document = parse(article["text"])
        assert render(document.text, document.date) == article["text"]
        assert document.date == article["date"]


def test_all_addresses_of_the_seed_are_one_article(ran: Installation) -> None:
    urls = seed_article(ran)["urls"]
    assert "http://p.dw.com/p/4JNNH" in urls
    assert LONG_URL in urls
    assert any("maca=" in url for url in urls)


def test_a_second_run_transfers_and_stores_nothing_again(installation: Installation, newsroom: Newsroom) -> None:
    first = installation.json("run-once")
    asked = len(newsroom.requests)
    before = installation.articles()
    second = installation.json("run-once", "--all")
    again = newsroom.requests[asked:]
    fetched = {request.url for request in newsroom.requests[:asked] if request.status == 200}
    conditional = [one for one in again if "if-none-match" in one.headers or "if-modified-since" in one.headers]
    assert first["articles"]["new"] == len(before) > 10
    assert second["articles"]["new"] == second["articles"]["updated"] == second["entries"]["new"] == 0
    assert second["feeds"]["unchanged"] > 0
    assert conditional
    assert {one.status for one in conditional} == {304}
    assert not [one.url for one in again if one.url in fetched and one not in conditional and _is_page(one.url)]
    assert installation.articles() == before
    assert "Nothing new" in installation.run("run-once").stdout


def _is_page(url: str) -> bool:
    return "/a-" in url or "/article" in url or "/news/" in url


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (2, 3))])
def test_kill_9_at_random_moments_loses_and_doubles_nothing(
    installation: Installation, newsroom: Newsroom, seed: int, tmp_path: Path
) -> None:
    choose = random.Random(seed)
    for _ in range(7):
        process = installation.start("run-once")
        time.sleep(choose.uniform(0.1, 2.5))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    started = time.monotonic()
    installation.run("run-once")
    assert time.monotonic() - started < 60  # the leases of the dead hold nothing up
    articles = installation.articles()
    keys = [article["key"] for article in articles]
    assert len(keys) == len(set(keys))
    files = sorted((tmp_path / "articles").glob("*/*/*/*.txt"))
    assert {path.stem.partition("_")[2] for path in files} == {article["id"] for article in articles}
    texts = {article["id"]: article["text"] + "\n" for article in articles}
    assert all(path.read_text(encoding="utf-8") == texts[path.stem.partition("_")[2]] for path in files)
    assert SEED_KEY in keys
    assert not list((tmp_path / "articles").rglob("*.tmp"))
    assert installation.json("run-once", "--all")["articles"]["new"] == 0
