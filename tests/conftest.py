"""Fixtures and settings of all tests. Imports that cost time stay inside the fixtures that need them."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from aggregator.demo.newsroom import Newsroom
    from aggregator.store import SqlStore
    from tests.support.databases import ReusedStore
    from tests.support.stores import StandingClock

# Laws have no deadline: machines are busy. `make check` tries 100 examples of each, `make test` fewer.
settings.register_profile("ci", deadline=None)
settings.register_profile("dev", deadline=None, max_examples=25)
settings.load_profile("ci")

# What a shell runs in its background ignores SIGINT, and the commands that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _compiled_statements() -> None:
    from tests.support.statements import share_compiled_statements

    share_compiled_statements()


@pytest.fixture
def clock() -> StandingClock:
    from tests.support.stores import StandingClock

    return StandingClock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store in a file, made once; tests copy it."""
    from aggregator.store import open_store
    from tests.support.stores import StandingClock

    path = tmp_path_factory.mktemp("template") / "template.db"
    open_store(f"sqlite:///{path}", StandingClock()).close()
    return path


@pytest.fixture(scope="session")
def postgres_url(testrun_uid: str, worker_id: str) -> Iterator[str]:
    """This process's database on the PostgreSQL server of the session."""
    from tests.support.databases import postgres_database

    with postgres_database(testrun_uid, worker_id) as url:
        yield url


@pytest.fixture
def queue_url(postgres_url: str) -> str:
    """A database of a fleet, without its queue."""
    from tests.support.databases import drop_queue, empty_postgres

    empty_postgres(postgres_url)
    drop_queue(postgres_url)
    return postgres_url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store with its tables."""
    return _fresh_url(request, tmp_path)


@pytest.fixture
def store(store_url: str, clock: StandingClock) -> Iterator[SqlStore]:
    from aggregator.store import open_store

    opened = open_store(store_url, clock, use_clock=True)
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def reused(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReusedStore]:
    """One open store for a whole module, for tests that need hundreds of empty ones."""
    from aggregator.store import open_store
    from tests.support.databases import ReusedStore
    from tests.support.stores import StandingClock

    url, clock = _fresh_url(request, tmp_path_factory.mktemp("reused")), StandingClock()
    store = open_store(url, clock, use_clock=True)
    yield ReusedStore(url, store, clock)
    store.close()


def _fresh_url(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "postgresql":
        from tests.support.databases import empty_postgres

        url: str = request.getfixturevalue("postgres_url")
        empty_postgres(url)
        return url
    shutil.copy(request.getfixturevalue("sqlite_template"), folder / "store.db")
    return f"sqlite:///{folder / 'store.db'}"


# --- an installation that polls the bundled newsroom ------------------------------------------------------------------


@pytest.fixture(scope="session")
def room() -> Iterator[Newsroom]:
    from aggregator.demo.newsroom import Newsroom

    with Newsroom() as newsroom:
        yield newsroom


@pytest.fixture(scope="session")
def filled(room: Newsroom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of an installation that ran once, its report beside it; for reading only."""
    from tests.support.command import call

    config = _configuration(tmp_path_factory.mktemp("filled"), room)
    called = call("run-once", "--config", config, "--json")
    assert (called.status, called.err) == (0, "")
    (config.parent / "first.json").write_bytes(called.raw)
    return config


@pytest.fixture
def own(filled: Path, room: Newsroom, tmp_path: Path) -> Path:
    """A copy of that installation, to be changed."""
    shutil.copytree(filled.parent, tmp_path / "own", ignore=shutil.ignore_patterns("*.locks"))
    return _configuration(tmp_path / "own", room)


@pytest.fixture
def newcomer(room: Newsroom, tmp_path: Path) -> Path:
    """A configuration of the newsroom, and nothing stored."""
    return _configuration(tmp_path, room)


def _configuration(folder: Path, room: Newsroom) -> Path:
    from aggregator.demo.configuration import demo_config

    path = folder / "aggregator.toml"
    path.write_text(demo_config(folder, room), encoding="utf-8")
    return path
