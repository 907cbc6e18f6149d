"""Work of many threads done together: everything once, errors to their own thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from aggregator.store.db.group_commit import GroupCommit, Pending


def test_every_write_is_done_once_and_gives_its_own_result() -> None:
    batches: list[int] = []

    def perform(together: Sequence[Pending[int]]) -> None:
        batches.append(len(together))
        for pending in together:
            pending.result = pending.work * 2

    group = GroupCommit(perform)
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(group.run, range(500)))
    assert results == [2 * number for number in range(500)]
    assert sum(batches) == 500


def test_work_that_comes_meanwhile_is_done_together() -> None:
    batches: list[list[str]] = []
    started, go_on = threading.Event(), threading.Event()

    def perform(together: Sequence[Pending[str]]) -> None:
        batches.append([pending.work for pending in together])
        started.set()
        go_on.wait(10)

    group = GroupCommit(perform)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(group.run, "a")
        assert started.wait(10)
        others = [pool.submit(group.run, name) for name in "bcd"]
        while group.waiting < 3:
            threading.Event().wait(0.001)
        go_on.set()
        for future in (first, *others):
            future.result(10)
    assert batches[0] == ["a"]
    assert sorted(batches[1]) == ["b", "c", "d"]


def test_an_error_reaches_the_thread_whose_work_it_was() -> None:
    def perform(together: Sequence[Pending[int]]) -> None:
        for pending in together:
            if pending.work % 2:
                pending.error = ValueError(str(pending.work))

    group = GroupCommit(perform)

    def run(number: int) -> str:
        try:
            return str(group.run(number))
        except ValueError as error:
            return f"error {error}"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, range(100)))
    assert results == [f"error {number}" if number % 2 else "None" for number in range(100)]


def test_a_performer_that_breaks_down_holds_nobody_up() -> None:
    def perform(together: Sequence[Pending[int]]) -> None:
        raise RuntimeError

    group = GroupCommit(perform)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            group.run(1)
