"""The whole way, from feeds to files, against the newsroom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aggregator.demo.newsroom import Newsroom
from aggregator.text.seed_format import render
from tests.support.command import Called, call

SEED = Path(__file__).parents[3] / "seeds" / "000_140eb00cdc832ed0.txt"
SEED_KEY = "dw:63723431"
LONG_URL = "http://www.dw.com/en/ukraine-russia-says-kherson-city-pullout-completed/a-63723431"


def run(config: Path, *arguments: str | Path) -> Called:
    called = call(*arguments, "--config", config)
    assert called.status == 0, called
    return called


def articles(config: Path) -> list[dict[str, Any]]:
    return run(config, "export").records


def seed_article(config: Path) -> dict[str, Any]:
    (article,) = [one for one in articles(config) if one["key"] == SEED_KEY]
    return article


def test_the_seed_page_gives_the_seeds_bytes(filled: Path, tmp_path: Path) -> None:
    run(filled, "export", "--format", "txt", "--out", tmp_path / "out")
    exported = {path.name.partition("_")[2]: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    article = seed_article(filled)
    assert exported[f"{article['id']}.txt"] == SEED.read_bytes()
    (stored,) = (filled.parent / "articles").glob(f"*/*/*/*_{article['id']}.txt")
    assert stored.read_bytes() == SEED.read_bytes()
    assert call("check", SEED, stored).status == 0


def test_every_stored_article_has_its_date_in_the_envelope(filled: Path) -> None:
    stored = articles(filled)
    assert len(stored) > 10
    for article in stored:
        assert article["text"].startswith(render("", article["date"]))


def test_all_addresses_of_the_seed_are_one_article(filled: Path) -> None:
    urls = seed_article(filled)["urls"]
    assert "http://p.dw.com/p/4JNNH" in urls
    assert LONG_URL in urls
    assert any("maca=" in url for url in urls)


def test_a_second_run_transfers_and_stores_nothing_again(newcomer: Path, room: Newsroom) -> None:
    begun = len(room.requests)
    first = run(newcomer, "run-once", "--json").record
    asked = len(room.requests)
    before = articles(newcomer)
    second = run(newcomer, "run-once", "--all", "--json").record
    again = room.requests[asked:]
    fetched = {request.url for request in room.requests[begun:asked] if request.status == 200}
    conditional = [one for one in again if "if-none-match" in one.headers or "if-modified-since" in one.headers]
    assert first["articles"]["new"] == len(before) > 10
    assert second["articles"]["new"] == second["articles"]["updated"] == second["entries"]["new"] == 0
    assert second["feeds"]["unchanged"] > 0
    assert conditional
    assert {one.status for one in conditional} == {304}
    assert not [one.url for one in again if one.url in fetched and one not in conditional and _is_page(one.url)]
    assert articles(newcomer) == before
    assert "Nothing new" in run(newcomer, "run-once").out


def _is_page(url: str) -> bool:
    return "/a-" in url or "/article" in url or "/news/" in url
