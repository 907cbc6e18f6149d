"""Threads share heaps, so that many of them fit a limit of addresses; cycles of garbage are looked for seldom."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.engine.memory import collect_seldom, share_heaps


def addresses() -> int:
    """Return the KiB of addresses that this process has reserved."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmSize"))


@pytest.fixture
def threads() -> Iterator[list[threading.Thread]]:
    made: list[threading.Thread] = []
    yield made
    for thread in made:
        thread.join()


def test_threads_reserve_no_heaps_of_their_own(threads: list[threading.Thread]) -> None:
    assert share_heaps()
    before, done, ready = addresses(), threading.Event(), threading.Barrier(17)

    def allocate() -> None:
        kept = [bytes(1000) for _ in range(100)]
        ready.wait(10)
        done.wait(10)
        kept.clear()

    for _ in range(16):
        threads.append(threading.Thread(target=allocate))
        threads[-1].start()
    ready.wait(10)
    grown = addresses() - before
    done.set()
    assert grown < 16 * (8 << 10) + 4 * (64 << 10) + (64 << 10)  # stacks, four heaps, and room


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not share_heaps()


def test_cycles_are_looked_for_after_many_new_objects_and_still_found() -> None:
    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 10, 5)  # a command in this process may have set another one
        collect_seldom()
        assert gc.isenabled()
        assert gc.get_threshold()[0] > 700
        assert gc.get_threshold()[1:] == (10, 5)
    finally:
        gc.set_threshold(*before)
