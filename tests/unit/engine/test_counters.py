"""Counters that grow while they are read."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from aggregator.engine.counters import Counters


@pytest.fixture
def restless() -> Iterator[None]:
    """Let threads take turns all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_counts_may_grow_while_others_read_them() -> None:
    counters = Counters()
    threads = [
        threading.Thread(target=lambda name=name: [counters.add({f"{name} {n}": 1, "all": 1}) for n in range(2_000)])
        for name in "abc"
    ]
    for thread in threads:
        thread.start()
    seen = [0]
    while any(thread.is_alive() for thread in threads):
        counts = counters.snapshot()
        seen.append(counts["all"])
        assert sum(counts.values()) == 2 * counts["all"]
    assert seen == sorted(seen)
    assert counters.snapshot()["all"] == 6_000


def test_what_was_read_stays_as_it_was() -> None:
    counters = Counters()
    counters.add({"a": 1})
    before = counters.snapshot()
    counters.add({"a": 1, "b": 2})
    assert (before, counters.snapshot()) == ({"a": 1}, {"a": 2, "b": 2})
