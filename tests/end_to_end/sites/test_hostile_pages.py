"""A page that keeps a worker busy for long: the other pages are articles, the reason is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from aggregator.engine.pool import WorkerPool
from aggregator.models.fetching import Cause
from tests.support.citizen import HTML, Site, World, answering, item, rss

LONG = b"<html><body><article><p>" + b"word<br><br>\n" * 150_000  # takes the libraries twenty seconds
COUNT = 25


@pytest.fixture
def impatient(make_world: Callable[[], World]) -> World:
    world = make_world()
    world.pool = WorkerPool(2, timedelta(seconds=2))
    return world


def test_one_page_that_hangs_costs_itself_only(impatient: World) -> None:
    with Site(rss(*(item(f"/a/{number}") for number in range(COUNT))), {"/a/0": answering(LONG, HTML)}) as site:
        impatient.follow(site.url())
        impatient.run()
        impatient.pool.close()
        assert len(impatient.titles()) == COUNT - 1
        ((url, cause, _),) = impatient.use(lambda app: app.store.failed_pages())
    assert url.endswith("/a/0")
    assert cause is Cause.EXTRACTION_TIMEOUT
