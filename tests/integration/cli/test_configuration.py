"""What `config check` and a start make of configuration files as an operator leaves them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from aggregator.app import open_app, sync_feeds
from aggregator.config.loading import load_config
from tests.support.command import call

OLD = 1_500_000_000.0  # a day in 2017


def write(path: Path, *names: str, url: str = "", at: float | None = None) -> Path:
    storage = f'[storage]\nurl = "{url}"\n' if url else ""
    path.write_text(
        f"{storage}[web]\nlisten = ''\n" + "".join(f"[[feeds]]\nurl='https://{name}.example/f'\n" for name in names)
    )
    if at is not None:
        os.utime(path, (at, at))
    return path


def enabled(path: Path) -> list[str]:
    with open_app(load_config(path, {})) as app:
        return [feed.url.removeprefix("https://").partition(".")[0] for feed in app.store.feeds()]


def test_a_restored_file_decides_although_it_is_old(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a", "b")
    assert enabled(path) == ["a", "b"]
    write(path, "b", "c", at=OLD)
    assert enabled(path) == ["b", "c"]


def test_feeds_go_with_their_own_file(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a", at=OLD)
    beside = path.with_name("feeds.toml")
    beside.write_text("[[feeds]]\nurl='https://b.example/f'\n")
    assert enabled(path) == ["a", "b"]
    beside.unlink()
    assert enabled(path) == ["a"]


def test_a_stale_member_of_a_fleet_is_told_what_is_refused(
    tmp_path: Path, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "aggregator.toml", "a", "b", url=postgres_url)
    with open_app(load_config(path, {})) as app:
        assert call("config", "check", "--config", path).err.count("refused") == 0
        logging.getLogger("aggregator").addHandler(caplog.handler)
        write(path, "b", url=postgres_url, at=OLD)
        assert sync_feeds(app.store, load_config(path, {})).removed == ()
        assert "refused: - https://a.example/f; bring the newer file here, or `touch` this one" in caplog.text
        called = call("config", "check", "--config", path)
        assert (called.status, "refused: - https://a.example/f" in called.err) == (0, True)
        os.utime(path)
        assert sync_feeds(app.store, load_config(path, {})).removed == ("https://a.example/f",)
    assert "refused" not in call("config", "check", "--config", path).err


def test_a_store_that_is_away_does_not_make_a_configuration_wrong(tmp_path: Path) -> None:
    path = write(tmp_path / "aggregator.toml", "a", url="postgresql://127.0.0.1:1/none")
    called = call("config", "check", "--config", path)
    assert called.status == 0
    assert "is in force is not known" in called.err
