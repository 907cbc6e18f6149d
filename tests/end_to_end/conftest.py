"""Fixtures of the tests that run the command in a folder: the bundled newsroom, worlds of scripted sites."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aggregator.clock import SystemClock
from aggregator.demo.configuration import demo_config
from aggregator.demo.newsroom import Newsroom
from aggregator.store import open_store
from tests.support.citizen import World
from tests.support.installation import Installation, end_all, started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest: those that start processes."""
    items.sort(key=lambda item: "sites" in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def nothing_left() -> Iterator[None]:
    """End what a test that failed has left: a daemon goes on for ever."""
    yield
    end_all(started)


@pytest.fixture
def newsroom() -> Iterator[Newsroom]:
    with Newsroom() as room:
        yield room


@pytest.fixture
def installation(tmp_path: Path, newsroom: Newsroom) -> Installation:
    made = Installation(tmp_path)
    made.config.write_text(demo_config(tmp_path, newsroom), encoding="utf-8")
    return made


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without anything in it: making the tables takes longer than many a scenario."""
    path = tmp_path_factory.mktemp("empty") / "aggregator.db"
    open_store(f"sqlite:///{path}", SystemClock()).close()
    return path


@pytest.fixture(scope="session")
def make_world(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Callable[[], World]:
    """Give a function that makes folders; a module's table of scenarios lives in one, all of them at once."""

    def make() -> World:
        folder = tmp_path_factory.mktemp("world")
        (folder / "data").mkdir()
        shutil.copy(empty_store, folder / "data")
        return World(folder)

    return make


@pytest.fixture
def world(make_world: Callable[[], World]) -> World:
    return make_world()
