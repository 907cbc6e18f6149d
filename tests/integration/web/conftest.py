"""A store and the web server over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aggregator.ports.store import Store
from aggregator.store import SqlStore, open_store
from tests.support.stores import StandingClock
from tests.support.website import Open, Site


@pytest.fixture
def store(sqlite_template: Path, tmp_path: Path, clock: StandingClock) -> Iterator[SqlStore]:
    file = tmp_path / "store.db"
    file.write_bytes(sqlite_template.read_bytes())
    opened = open_store(f"sqlite:///{file}", clock)
    yield opened
    opened.close()


@pytest.fixture
def open_site(store: SqlStore, clock: StandingClock) -> Iterator[Open]:
    opened: list[Site] = []

    def opening(token: str | None = None, over: Store | None = None, **options: Any) -> Site:
        opened.append(Site(over or store, clock, token, **options))
        return opened[-1]

    yield opening
    for site in opened:
        site.close()


@pytest.fixture
def site(open_site: Open) -> Site:
    return open_site()
